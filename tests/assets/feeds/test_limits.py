"""The bounds of a batch's content, and that a file beyond them is refused before it takes memory."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pytest
from pyarrow import parquet

from parivision_assets.feeds import limits
from parivision_assets.feeds.files import read_file
from parivision_assets.feeds.inbox import InboxFeed
from parivision_core.problems import BatchError
from tests.helpers.paths import ROOT

MEMORY = 200_000_000
"""Bytes that the refusal of a file may take."""
CHILD = """
import resource, sys
from pathlib import Path
from parivision_assets.feeds.files import read_file
from parivision_core.problems import BatchError
first, second = map(Path, sys.argv[1:])
read_file(first)  # loads what every reader needs
start = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
try:
    read_file(second)
except BatchError as error:
    print(error)
print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - start) * 1024)
"""


def sparse(path: Path, size: int, beginning: bytes = b"a\n") -> None:
    with path.open("wb") as file:
        file.write(beginning)
        file.truncate(size)


def in_archive(path: Path, content: bytes, stated: int | None = None, kind: int = zipfile.ZIP_DEFLATED) -> None:
    with zipfile.ZipFile(path, "w", kind, compresslevel=1) as opened:
        opened.writestr("a.csv", content)
        opened.filelist[0].file_size = stated or len(content)


FILES: dict[str, tuple[Callable[[Path], None], str]] = {
    "line.csv": (lambda path: sparse(path, 1_000_000_000), "line 2 of line.csv is longer than 1,000,000 bytes"),
    "line.jsonl": (lambda path: sparse(path, 1_000_000_000), "line 2 of line.jsonl is longer than 1,000,000 bytes"),
    "blank.csv": (
        lambda path: sparse(path, 900_000_000, b"\n" * 10_000_001),
        "blank.csv has more than 10,000,000 lines",
    ),
    "list.json": (lambda path: sparse(path, 900_000_000, b"[" + b"1," * 10_000_001), "more than 10,000,000 elements"),
    "large.csv": (lambda path: sparse(path, 1_000_000_001), "large.csv holds 1,000,000,001 bytes"),
    "line.zip": (lambda path: in_archive(path, b"a\n" + bytes(99_000_000)), "line 2 of a.csv is longer than 1,000,000"),
    "blank.zip": (lambda path: in_archive(path, b"\n" * 99_000_000), "a.csv has more than 10,000,000 lines"),
    "packed.zip": (lambda path: in_archive(path, bytes(200_000_000), 9, zipfile.ZIP_BZIP2), "a.csv: Bad CRC-32"),
    "member.zip": (lambda path: in_archive(path, b"a\n1\n", 3_000_000_000), "unpacked, holds 3,000,000,000 bytes"),
}


@pytest.mark.process
@pytest.mark.parametrize("name", FILES)
def test_a_file_beyond_the_bounds_is_refused_in_little_memory(tmp_path: Path, name: str) -> None:
    (tmp_path / "small.csv").write_text("a\n1\n")
    write, message = FILES[name]
    write(tmp_path / name)
    command = [sys.executable, "-c", CHILD, str(tmp_path / "small.csv"), str(tmp_path / name)]
    answer = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    said, taken = answer.stdout.splitlines()
    assert message in said
    assert int(taken) < MEMORY


def test_a_file_that_is_too_large_is_offered_without_being_read_and_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sparse(tmp_path / "a.csv", 1_000_000_001)
    with monkeypatch.context() as m:
        m.setattr("hashlib.file_digest", pytest.fail)
        (batch,) = InboxFeed(tmp_path, 0).batches()
        assert [again.fingerprint for again in InboxFeed(tmp_path, 0).batches()] == [batch.fingerprint]
        with pytest.raises(BatchError, match=r"^a\.csv holds 1,000,000,001 bytes; at most 1,000,000,000"):
            batch.read()


@pytest.mark.parametrize("columns", [1_000, 1_001])
def test_a_table_has_at_most_a_thousand_columns(tmp_path: Path, columns: int) -> None:
    names = [f"c{number}" for number in range(columns)]
    (tmp_path / "a.csv").write_text(",".join(names) + "\n" + ",".join(names) + "\n")
    parquet.write_table(pa.table({name: ["x"] for name in names}), tmp_path / "a.parquet")
    for path in (tmp_path / "a.csv", tmp_path / "a.parquet"):
        if columns == 1_000:
            assert read_file(path).table.num_columns == 1_000
            continue
        with pytest.raises(BatchError, match=rf"^{path.name} has 1,001 columns; at most 1,000"):
            read_file(path)


@pytest.mark.parametrize(
    ("bound", "value", "message"),
    [
        ("MOST_ROWS", 99_999, "a.parquet has more than 99,999 rows"),
        ("LARGEST_CONTENT", 390_000, r"a.parquet holds 40\d,\d+ bytes; at most 390,000"),
    ],
)
def test_parquet_is_bounded_by_its_metadata_before_a_page_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, bound: str, value: int, message: str
) -> None:
    table = pa.table({"a": pa.array(range(100_000), pa.int32())})
    parquet.write_table(table, tmp_path / "a.parquet", compression="zstd", use_dictionary=False)
    assert read_file(tmp_path / "a.parquet").counted == 100_000
    monkeypatch.setattr(limits, bound, value)
    monkeypatch.setattr(parquet.ParquetFile, "read", pytest.fail)
    with pytest.raises(BatchError, match=message):
        read_file(tmp_path / "a.parquet")
