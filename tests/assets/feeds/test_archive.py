"""Archives: every member is read exactly once or named, and what can't be read is refused before it takes memory."""

from __future__ import annotations

import io
import warnings
import weakref
import zipfile
from pathlib import Path
from typing import Any

import pytest

from parivision_assets.feeds import archive, limits
from parivision_assets.feeds.base import RawBatch
from parivision_assets.feeds.files import read_file
from parivision_assets.feeds.formats import Content, take
from parivision_assets.feeds.inbox import InboxFeed
from parivision_assets.reporting import batch_summary
from parivision_assets.steps.feed.ingesting import ingest
from parivision_core.nba.shots import NBA
from parivision_core.problems import BatchError
from parivision_core.records import Manifest
from parivision_core.store.files import FileStore
from tests.helpers import shots


def packed(path: Path, *members: tuple[str, str], kind: int = zipfile.ZIP_DEFLATED, **stated: int) -> Path:
    """An archive of these members, whose directory states of the last what is `stated`."""
    with warnings.catch_warnings(), zipfile.ZipFile(path, "w", kind) as opened:
        warnings.simplefilter("ignore")  # a name that is there twice
        for name, text in members:
            opened.writestr(name, text)
        for name, value in stated.items():
            setattr(opened.filelist[-1], name, value)
    return path


def column(batch: RawBatch) -> list[str]:
    found: list[str] = batch.table["a"].to_pylist()
    return found


def test_members_of_one_name_are_each_read_once(tmp_path: Path) -> None:
    batch = read_file(packed(tmp_path / "x.zip", ("a.csv", "a\n1\n2\n"), ("a.csv", "a\n3\n4\n")))
    assert column(batch) == ["1", "2", "3", "4"]
    assert batch.counted == 4


@pytest.mark.parametrize("name", ["./b.csv", "././b.csv", "dir/./b.csv", ".\\b.csv", "../b.csv", "dir\\b.csv"])
def test_a_dot_for_the_same_folder_hides_nothing(tmp_path: Path, name: str) -> None:
    batch = read_file(packed(tmp_path / "x.zip", ("a.csv", "a\n1\n"), (name, "a\n2\n")))
    assert sorted(column(batch)) == ["1", "2"]
    assert batch.passed_over == ""


def test_members_that_are_not_read_are_named_in_the_manifest_and_in_the_line_of_the_run(
    store: FileStore, tmp_path: Path
) -> None:
    season = shots.season(games=1).to_csv(index=False)
    silent = ["__MACOSX/._a.csv", "__MACOSX/b.csv", "sub/._a.csv", ".DS_Store", "sub/Thumbs.db", "folder.csv/"]
    named = [".git/x.csv", ".hidden.csv", "b.xlsx", "inner.zip", "line\nfeed"]
    (tmp_path / "in").mkdir()
    packed(tmp_path / "in" / "x.zip", ("a.csv", season), *((name, "") for name in [*silent, *named]))
    (batch,) = InboxFeed(tmp_path / "in", 0).batches()
    manifest = ingest(batch, NBA, store)
    assert manifest.details["passed_over"] == r".git/x.csv, .hidden.csv, b.xlsx, inner.zip, line\nfeed"
    assert batch_summary(manifest).endswith(
        r" quarantined; passed over: .git/x.csv, .hidden.csv, b.xlsx, inner.zip, line\nfeed"
    )
    assert store.manifests() == [manifest]
    assert (manifest.counted, manifest.rows) == (60, 60)


def test_many_and_long_names_take_one_line_only(tmp_path: Path) -> None:
    long = [(f"{number:03d}{'x' * 60_000}", "") for number in range(9)]
    text = read_file(packed(tmp_path / "x.zip", ("a.csv", "a\n1\n"), *long)).passed_over
    assert text.endswith("... and 4 more")
    assert len(text) < 600


@pytest.mark.parametrize(
    ("stated", "message"),
    [
        ({"flag_bits": 1}, r"^sub/b\.csv in x\.zip is encrypted; pack it without"),
        ({"compress_type": 99}, r"^sub/b\.csv in x\.zip is packed in an unknown way .*method"),
        ({"compress_type": zipfile.ZIP_BZIP2}, r"^x\.zip is not a complete zip archive \(sub/b\.csv: Invalid data"),
        ({"CRC": 1}, r"^x\.zip is not a complete zip archive \(sub/b\.csv: Bad CRC-32"),
        ({"file_size": 3}, r"^x\.zip is not a complete zip archive \(sub/b\.csv: Bad CRC-32"),
        ({"file_size": 99}, r"^x\.zip is not a complete zip archive \(sub/b\.csv: 94 bytes are missing\)"),
        ({"header_offset": 1 << 20}, r"^x\.zip is not a complete zip archive \(sub/b\.csv: Truncated"),
    ],
)
def test_a_member_that_cannot_be_read_is_named(tmp_path: Path, stated: dict[str, int], message: str) -> None:
    path = packed(tmp_path / "x.zip", ("a.csv", "a\n1\n"), ("sub/b.csv", "a\n2\n3"), **stated)
    with pytest.raises(BatchError, match=message):
        read_file(path)


@pytest.mark.parametrize("kind", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_every_compression_of_the_standard_library_is_read(tmp_path: Path, kind: int) -> None:
    numbers = [str(number) for number in range(150_000)]
    batch = read_file(packed(tmp_path / "x.zip", ("a.csv", "\n".join(["a", *numbers])), kind=kind))
    assert column(batch) == numbers
    assert batch.counted == len(numbers)


@pytest.mark.parametrize(
    ("size", "message"),
    [
        (3_000_000_000, r"^x\.zip, unpacked, holds 3,000,000,\d+ bytes; at most 1,000,000,000"),
        (100_000_001, r"^x\.zip of \d+ bytes holds 100,000,\d+, more than 200 times as many"),
        (90_000_000, r"89,999,996 bytes are missing"),  # dense, but small
    ],
)
def test_members_that_would_fill_the_memory_are_refused_by_what_they_state(
    tmp_path: Path, size: int, message: str
) -> None:
    path = packed(tmp_path / "x.zip", ("a.csv", "a\n1\n"), ("b.csv", "a\n2\n"), file_size=size)
    with pytest.raises(BatchError, match=message):
        read_file(path)


def test_the_bounds_of_members_hold_for_those_that_are_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "MOST_MEMBERS", 2)
    members = [(f"{number}.csv", f"a\n{number}\n") for number in range(3)]
    others = [(f"{number}.txt", "") for number in range(3)]
    assert column(read_file(packed(tmp_path / "x.zip", *members[:2], *others))) == ["0", "1"]
    with pytest.raises(BatchError, match=r"^x\.zip holds 3 files; at most 2 are read"):
        read_file(packed(tmp_path / "x.zip", *members))
    monkeypatch.setattr(limits, "MOST_ROWS", 3)
    assert read_file(packed(tmp_path / "x.zip", ("a.csv", "a\n1\n"), ("b.csv", "a\n2\n3\n"))).counted == 3
    with pytest.raises(BatchError, match=r"^x\.zip has more than 3 rows; split it"):
        read_file(packed(tmp_path / "x.zip", ("a.csv", "a\n1\n2\n"), ("b.csv", "a\n3\n4\n")))


def test_a_huge_directory_is_refused_before_it_becomes_objects(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "x.zip"
    with zipfile.ZipFile(path, "w") as opened:
        for number in range(16):
            entry = zipfile.ZipInfo(f"{number}.csv")
            entry.comment = b"x" * 65_000
            opened.writestr(entry, "a\n1\n")
    monkeypatch.setattr(zipfile, "ZipInfo", pytest.fail)
    with pytest.raises(BatchError, match=r"^x\.zip lists too many members, in 1,04\d,\d\d\d bytes"):
        read_file(path)


def test_the_bytes_of_a_member_are_gone_before_the_next_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    earlier: list[weakref.ref[Content]] = []

    def watched(*arguments: Any) -> Content:
        assert [ref() for ref in earlier] == [None] * len(earlier)
        content = take(*arguments)
        earlier.append(weakref.ref(content))
        return content

    monkeypatch.setattr(archive, "take", watched)
    read_file(packed(tmp_path / "x.zip", *((f"{number}.csv", f"a\n{number}\n") for number in range(3))))
    assert len(earlier) == 3


def test_a_disk_that_cannot_be_read_is_no_fault_of_the_archive(tmp_path: Path) -> None:
    class Failing(io.BytesIO):
        def read(self, size: int | None = -1, /) -> bytes:
            if self.tell() < 10:  # of the members, not of the directory
                raise OSError(5, "Input/output error")
            return super().read(size)

    data = packed(tmp_path / "x.zip", ("a.csv", "a\n1\n")).read_bytes()
    with pytest.raises(OSError, match="Input/output error"):
        archive.read_archive("x.zip", Failing(data), len(data))


def test_a_small_archive_of_each_case_loses_no_row(store: FileStore, tmp_path: Path) -> None:
    """Two members of one name, and a name that begins with a dot: 120 rows of two games each."""

    def rows(*names: str) -> Manifest:
        frame = shots.season(games=4, seed=len(names[0]))
        halves = frame.iloc[:120], frame.iloc[120:]
        texts = (half.to_csv(index=False) for half in halves)
        folder = tmp_path / names[0].replace("/", "_")
        folder.mkdir()
        packed(folder / "x.zip", *zip(names, texts, strict=True))
        (batch,) = InboxFeed(folder, 0).batches()
        return ingest(batch, NBA, store)

    for names in (("a.csv", "a.csv"), ("./b.csv", "c.csv")):
        manifest = rows(*names)
        assert (manifest.rows, manifest.counted, manifest.duplicates) == (240, 240, 0), names
