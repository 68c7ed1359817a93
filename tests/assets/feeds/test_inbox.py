"""The inbox and its csv reader: which files are offered, which have to wait, and what is wrong with a bad file.

The other file formats have tests of their own in this folder.
"""

from __future__ import annotations

import os
import zipfile
from pathlib import Path

import pytest

from parivision_assets.feeds import inbox
from parivision_assets.feeds.base import collect_offers
from parivision_assets.feeds.csv_text import read_csv
from parivision_assets.feeds.files import read_file
from parivision_assets.feeds.inbox import InboxFeed, look_into
from parivision_core.problems import BatchError
from tests.helpers import shots


def test_files_are_offered_with_stable_ids(tmp_path: Path) -> None:
    shots.write(shots.season(games=1), tmp_path / "Season (1).csv")
    (tmp_path / "notes.txt").write_text("no batch")
    (tmp_path / ".hidden.csv").write_text("no batch")
    (tmp_path / "folder.csv").mkdir()
    (one,) = InboxFeed(tmp_path, 0).batches()
    (again,) = InboxFeed(tmp_path, 0).batches()
    assert one.id == again.id == f"Season-1-{one.fingerprint[:8]}"
    assert one.source == "Season (1).csv"


def test_files_of_unsupported_formats_are_named(tmp_path: Path) -> None:
    for name in ("a.CSV", "b.csv.zip", ".hidden.txt"):
        (tmp_path / name).touch()
    assert look_into(tmp_path).message == look_into(tmp_path / "nowhere").message == ""
    (tmp_path / "notes.txt").touch()
    assert look_into(tmp_path).message.startswith(f"Ignored in the inbox {tmp_path}: notes.txt; it takes .csv, .json,")
    for number in range(7):
        (tmp_path / f"{number}.xlsx").touch()
    assert "0.xlsx, 1.xlsx, 2.xlsx, 3.xlsx, 4.xlsx and 3 more;" in look_into(tmp_path).message


def test_a_missing_inbox_is_created(tmp_path: Path) -> None:
    assert InboxFeed(tmp_path / "new" / "inbox", 0).batches() == []
    assert (tmp_path / "new" / "inbox").is_dir()


def test_a_file_still_being_written_waits(tmp_path: Path) -> None:
    path = shots.write(shots.season(games=1), tmp_path / "a.csv")
    os.utime(path, (1, 1))  # a copy that keeps the original's times
    assert InboxFeed(tmp_path, settle_seconds=60).batches() == []
    assert len(InboxFeed(tmp_path, settle_seconds=0).batches()) == 1


def test_changed_content_is_another_batch(tmp_path: Path) -> None:
    frame = shots.season(games=1)
    shots.write(frame, tmp_path / "a.csv")
    (before,) = InboxFeed(tmp_path, 0).batches()
    shots.write(frame.iloc[:-1], tmp_path / "a.csv")
    (after,) = InboxFeed(tmp_path, 0).batches()
    assert before.fingerprint != after.fingerprint
    assert before.id != after.id


def test_a_file_that_changes_between_offer_and_reading_is_refused(tmp_path: Path) -> None:
    """Otherwise rows of one content would be committed with the fingerprint of another, which would never be read."""
    frame = shots.season(games=1)
    shots.write(frame, tmp_path / "a.csv")
    (offered,) = InboxFeed(tmp_path, 0).batches()
    shots.write(frame.iloc[:-1], tmp_path / "a.csv")
    with pytest.raises(BatchError, match="was changed after it had been offered"):
        offered.read()


def test_text_is_kept_as_delivered() -> None:
    batch = read_csv("x.csv", b'\xef\xbb\xbfa,b\n-0,"x, y"\n007,\n')
    assert batch.table.to_pydict() == {"a": ["-0", "007"], "b": ["x, y", ""]}
    assert batch.rows == [1, 2]
    assert batch.broken == []


def test_rows_of_the_wrong_width_are_set_aside_with_their_number() -> None:
    batch = read_csv("x.csv", b"a,b\n1,2\n3\n4,5\n6,7,8\n")
    assert batch.table["a"].to_pylist() == ["1", "4"]
    assert batch.rows == [1, 3]
    assert [(b.row, b.text) for b in batch.broken] == [(2, "3"), (4, "6,7,8")]
    assert batch.broken[0].reason == "the row has 1 fields, the header 2"


def test_a_zip_of_several_files_is_one_batch_without_the_system_ones(tmp_path: Path) -> None:
    path = tmp_path / "a.csv.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("1.csv", "a,b\n1,2\n")
        archive.writestr("2.csv", "a,b\n3,4\n5\n")
        archive.writestr("__MACOSX/._1.csv", "rubbish")
        archive.writestr("sub/._3.csv", "rubbish")
    batch = read_file(path)
    assert batch.table["a"].to_pylist() == ["1", "3"]
    assert batch.rows == [1, 2]
    assert [b.row for b in batch.broken] == [3]


def zipped(path: Path, **members: str) -> bytes:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, text in members.items():
            archive.writestr(f"{name}.csv", text)
    return path.read_bytes()


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.csv", b"", "is empty"),
        ("a.csv", b"  \n\n", "is empty"),
        ("a.csv", b"\xff\xfe\x00a", "not UTF-8"),
        ("a.csv", "a,b\n1,2\n".encode("utf-16"), "not UTF-8"),
        ("a.csv", b"a,b\n1,2,\n3,4,\n", "all 2 rows differ from the header.s 2 fields, most have 3"),
        ("a.csv", b"a,a\n1,2\n", "more than once"),
        ("a.zip", b"PK\x03\x04 half a file", "not a complete zip"),
    ],
)
def test_a_file_that_cannot_be_read_is_refused_with_a_reason(
    tmp_path: Path, name: str, content: bytes, message: str
) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(BatchError, match=message):
        read_file(tmp_path / name)


def test_a_half_copied_zip_and_one_without_csv_are_refused_with_a_reason(tmp_path: Path) -> None:
    whole = zipped(tmp_path / "whole.zip", one="a,b\n" + "1,2\n" * 1000)
    (tmp_path / "half.zip").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(BatchError, match="not a complete zip"):
        read_file(tmp_path / "half.zip")
    with zipfile.ZipFile(tmp_path / "none.zip", "w") as archive:
        archive.writestr("readme.txt", "hello")
    with pytest.raises(BatchError, match="holds no csv"):
        read_file(tmp_path / "none.zip")
    zipped(tmp_path / "mixed.zip", one="a,b\n1,2\n", two="c\n1\n")
    with pytest.raises(BatchError, match=r"different columns \(a, b, c not in each"):
        read_file(tmp_path / "mixed.zip")


def test_a_stray_quote_breaks_its_own_row_only() -> None:
    rows = [f"{i},name {i}" for i in range(40)]
    rows[10] = '10,"name 10'
    rows[30] = '30,name "30'
    batch = read_csv("x.csv", "\n".join(["a,b", *rows]).encode())
    assert [b.row for b in batch.broken] == [11, 31]
    assert batch.table.num_rows == 38
    assert batch.rows == [n for n in range(1, 41) if n not in (11, 31)]
    assert batch.table["a"].to_pylist() == [str(n - 1) for n in batch.rows]


def test_a_row_in_another_encoding_is_set_aside() -> None:
    batch = read_csv("x.csv", b"a,b\n1,Jokic\n2,Joki\xe6\n3,x\n")
    assert [(b.row, b.text) for b in batch.broken] == [(2, "2,Joki\\xe6")]
    assert batch.table["a"].to_pylist() == ["1", "3"]


@pytest.mark.parametrize("text", ["\n\na,b\n1,2\n\n3,4\n\n", "a,b\r\n1,2\r\n3,4\r\n", "a,b\r1,2\r3,4", "a,b\n1,2\n3,4"])
def test_line_ends_and_blank_lines_do_not_matter(text: str) -> None:
    batch = read_csv("x.csv", text.encode())
    assert batch.table.to_pydict() == {"a": ["1", "3"], "b": ["2", "4"]}
    assert batch.rows == [1, 2]


def test_columns_without_a_name_get_one() -> None:
    assert read_csv("x.csv", b",a,\n1,2,3\n").table.column_names == ["column 1", "a", "column 3"]


def test_an_entry_that_cannot_be_read_fails_alone(tmp_path: Path) -> None:
    shots.write(shots.season(games=1), tmp_path / "good.csv")
    (tmp_path / "loop.csv").symlink_to(tmp_path / "loop.csv")
    good, loop = InboxFeed(tmp_path, 0).batches()
    assert good.read().table.num_rows == 60
    with pytest.raises(BatchError, match=r"loop\.csv can't be read"):
        loop.read()


@pytest.mark.parametrize(
    ("name", "whole", "cut"),
    [
        ("a.csv", b"a,b\n1,2\n", b"a,b\n1,2"),
        ("a.csv", b"", b"a"),
        ("a.jsonl", b'{"a":1}\n', b'{"a":1}'),
        ("a.NDJSON", b'{"a":1}\r\n', b'{"a":1'),
        ("a.json", b'[{"a":1}]', b'[{"a":1},'),
        ("a.json", b'{"a":1} \n\n', b"\n \n"),
        ("a.json", b'{"a":1}', b""),
        ("a.parquet", b"PAR1 all that PAR1", b"PAR1 all"),
        ("a.parquet", b"PAR1 all that PAR1", b"PAR1"),
    ],
)
def test_a_file_that_does_not_end_as_its_format_does_waits_longer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, whole: bytes, cut: bytes
) -> None:
    """A last line that is cut in mid-number could read as a shot that never happened. No file waits for ever."""
    path, feed = tmp_path / name, InboxFeed(tmp_path, settle_seconds=3)

    def offered(content: bytes, age: float) -> int:
        path.write_bytes(content)
        changed = path.stat().st_ctime
        monkeypatch.setattr(inbox.time, "time", lambda: changed + age)
        return len(feed.batches())

    assert [offered(whole, age) for age in (2, 10)] == [0, 1]
    assert [offered(cut, age) for age in (10, 59, 61)] == [0, 0, 1]
    assert offered(cut, -1000) == 1  # the clock was set back


def test_a_zip_does_not_wait_for_its_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    changed = shots.write(shots.season(games=1), tmp_path / "a.zip").stat().st_ctime
    monkeypatch.setattr(inbox.time, "time", lambda: changed + 10)
    assert len(InboxFeed(tmp_path, settle_seconds=3).batches()) == 1


def test_a_zip_with_flipped_bytes_is_refused(tmp_path: Path) -> None:
    whole = zipped(tmp_path / "a.zip", one="a,b\n" + "".join(f"{i},{i * i}\n" for i in range(3000)))
    for at in range(60, len(whole) - 200, len(whole) // 15):
        broken = bytearray(whole)
        broken[at] ^= 0xFF
        (tmp_path / "a.zip").write_bytes(broken)
        with pytest.raises(BatchError, match="not a complete zip"):
            read_file(tmp_path / "a.zip")


def test_a_look_lists_the_folder_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It may hold thousands of files, on a disk that is slow to list them."""
    (tmp_path / "notes.txt").touch()
    looks, look_into = list[Path](), inbox.look_into

    def counted(folder: Path) -> inbox.Inbox:
        looks.append(folder)
        return look_into(folder)

    monkeypatch.setattr(inbox, "look_into", counted)
    assert "notes.txt" in collect_offers([InboxFeed(tmp_path, 0)]).ignored["inbox"]
    assert looks == [tmp_path]
