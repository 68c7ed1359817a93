"""One season as csv, JSON, JSON Lines and Parquet, zipped or not: the same shots, and each document as delivered."""

from __future__ import annotations

import json
import zipfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pytest

from parivision_assets.feeds import formats
from parivision_assets.feeds.base import RawBatch
from parivision_assets.feeds.counting import PIECE
from parivision_assets.feeds.files import SUFFIXES, read_file
from parivision_assets.feeds.formats import PLAIN
from parivision_assets.feeds.inbox import InboxFeed
from parivision_assets.steps.feed.ingesting import ingest
from parivision_core.nba.shots import NBA
from parivision_core.problems import BatchError
from parivision_core.records import Manifest
from parivision_core.store.files import FileStore
from tests.helpers import shots

ENVELOPE = ["batch_id", "row", "ingested_at", "raw"]
NUMBERS = ("Game ID", "Player ID", "Period", "Shot Distance", "X Location", "GAME_ID", "LOC_X", "LOC_Y", "SECS_LEFT")


def typed(frame: pd.DataFrame) -> pd.DataFrame:
    """The frame with pandas' types: numbers, truth values and dates."""
    frame = frame.copy()
    for column in frame.columns.intersection(NUMBERS):
        frame[column] = pd.to_numeric(frame[column])
    if "SHOT_MADE" in frame:
        frame["SHOT_MADE"] = frame["SHOT_MADE"] == "TRUE"
        frame["GAME_DATE"] = pd.to_datetime(frame["GAME_DATE"], format="%m-%d-%Y")
    return frame


def records(frame: pd.DataFrame) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(frame.to_json(orient="records"))
    return found


def canonical(value: object) -> object:
    """A value as mongoexport writes it with --jsonFormat=canonical."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return value
    return {"$numberDouble": str(value)} if isinstance(value, float) else {"$numberLong": str(value)}


def exported(frame: pd.DataFrame) -> str:
    return "".join(
        json.dumps({"_id": {"$oid": f"{i:024x}"}, **{k: canonical(v) for k, v in row.items()}}) + "\n"
        for i, row in enumerate(records(frame))
    )


WRITERS = {
    "texts.json": lambda frame, path: path.write_text(json.dumps(records(frame))),
    "pandas.json": lambda frame, path: typed(frame).to_json(path, orient="records"),
    "iso.json": lambda frame, path: typed(frame).to_json(path, orient="records", date_format="iso", indent=1),
    "nan.json": lambda frame, path: path.write_text(json.dumps([{**r, "NICK": float("nan")} for r in records(frame)])),
    "lines.jsonl": lambda frame, path: typed(frame).to_json(path, orient="records", lines=True),
    "lines.ndjson": lambda frame, path: frame.to_json(path, orient="records", lines=True),
    "mongoexport.json": lambda frame, path: path.write_text(exported(typed(frame))),
    "texts.parquet": lambda frame, path: frame.to_parquet(path),
    "pandas.parquet": lambda frame, path: typed(frame).to_parquet(path),
    "categories.parquet": lambda frame, path: frame.astype("category").to_parquet(path),
}


def ingest_from(folder: Path, store: FileStore) -> Manifest:
    (batch,) = InboxFeed(folder, 0).batches()
    return ingest(batch, NBA, store)


def content(store: FileStore) -> pa.Table:
    return store.lake().drop(ENVELOPE).sort_by("_id")


@pytest.mark.parametrize("layout", ["season", "kaggle"])
@pytest.mark.parametrize("file", WRITERS)
def test_a_season_is_the_same_in_every_kind_of_file(tmp_path: Path, file: str, layout: str) -> None:
    """Equal ids and contract fields; after the csv the other file holds nothing new."""
    season = shots.season(games=2)
    frame = season if layout == "season" else shots.as_kaggle(season)
    shots.write(frame, tmp_path / "csv" / "shots.csv")
    (tmp_path / "other").mkdir()
    WRITERS[file](frame, tmp_path / "other" / file)
    one, other = (FileStore(tmp_path / f"store {name}", NBA.lake, NBA.warehouse) for name in ("one", "other"))
    assert ingest_from(tmp_path / "csv", one).inserted == len(frame)
    first = ingest_from(tmp_path / "other", other)
    assert (first.inserted, first.counted) == (len(frame), len(frame))
    assert content(one).equals(content(other))
    again = ingest_from(tmp_path / "other", one)
    assert (again.inserted, again.duplicates, again.quarantined) == (0, len(frame), 0)


def test_the_lake_and_the_quarantine_hold_each_document_as_delivered(store: FileStore, tmp_path: Path) -> None:
    rows = records(typed(shots.as_kaggle(shots.season(games=1))))
    rows[3]["Player ID"] = 2.50
    rows[4] |= {"crew": {"$a.b": [1, 2.0]}, "note": None}
    lines = [json.dumps(row, indent=None if n % 2 else 0).replace("\n", "") for n, row in enumerate(rows)]
    lines[3] = lines[3].replace("2.5", "2.50")
    again = lines[1].replace(", ", " , ")  # the same shot, written otherwise
    tmp_path.joinpath("a.jsonl").write_text("\n".join([*lines[:6], "oops", *lines[6:], again]) + "\n")
    (batch,) = InboxFeed(tmp_path, 0).batches()
    manifest = ingest(batch, NBA, store)
    assert (manifest.rows, manifest.inserted, manifest.duplicates, manifest.quarantined) == (62, 59, 1, 2)
    assert manifest.counted == 62
    lake = store.lake(["row", "raw"]).sort_by("row")
    assert lake["row"].to_pylist() == [n for n in range(1, 62) if n not in (4, 7)]
    assert lake["raw"].to_pylist() == [line for n, line in enumerate(lines) if n != 3]
    bad, broken = store.quarantine()
    assert (bad.row, bad.raw) == (4, lines[3])
    assert "Player ID='2.50' is not a whole number" in bad.reason
    assert (broken.row, json.loads(broken.raw)) == (7, {"line": "oops"})
    assert "not a JSON document" in broken.reason


def as_file(frame: pd.DataFrame, path: Path) -> bytes:
    writers = (write for name, write in WRITERS.items() if name.endswith(path.suffix))
    next(writers, shots.write)(frame, path)
    return path.read_bytes()


def archive(path: Path, members: dict[str, bytes]) -> Path:
    with zipfile.ZipFile(path, "w") as opened:
        for name, data in members.items():
            opened.writestr(name, data)
    return path


@pytest.mark.parametrize("suffix", PLAIN)
def test_a_zip_holds_files_of_any_one_format(tmp_path: Path, suffix: str) -> None:
    """Columns in any order; hidden members and those of macOS are ignored."""
    frame = shots.season(games=1, shots=5)
    whole = read_file(archive(tmp_path / "1.zip", {f"a{suffix}": as_file(frame, tmp_path / f"whole{suffix}")}))
    first, rest = as_file(frame[:2], tmp_path / f"a{suffix}"), as_file(frame.iloc[2:, ::-1], tmp_path / f"b{suffix}")
    members = {
        f"sub/b{suffix.upper()}": rest,
        f"a{suffix}": first,
        "readme.txt": b"hello",
        f"__MACOSX/._a{suffix}": b"rubbish",
        f"__MACOSX/a{suffix}": b"rubbish",
        f"sub/.hidden{suffix}": b"rubbish",
        f"folder{suffix}/": b"",
    }
    cut = read_file(archive(tmp_path / "2.ZIP", members))
    assert cut.table.to_pydict() == whole.table.to_pydict()
    assert cut.rows == whole.rows == [1, 2, 3, 4, 5]
    assert cut.counted == whole.counted == 5
    assert (cut.documents is None) == (whole.documents is None) == (suffix == ".csv")
    assert [json.loads(d) for d in cut.documents or []] == [json.loads(d) for d in whole.documents or []]


@pytest.mark.parametrize(
    ("name", "text", "rows"),
    [
        ("a.csv", "\ufeffa,b\r\n\r\n1,2\r \n3\n\n", 2),
        ("a.csv", 'a\n"1\n2"\n3', 3),  # lines are split before quotes are read
        ("a.json", '[{"a": 1}, {"a": "}],"}, oops, 3,]', 4),
        ("a.jsonl", '[{"a": 1}, {"a": 2}]', 2),
        ("a.json", '[1]\n{"a": 1}\n', 2),
        ("a.json", '{"a": 1}\n\n{"a": 2}\n{"a": \n', 3),
        ("a.json", '{\n "a": [1, 2],\n "b": 3\n}', 1),
        ("a.ndjson", '\ufeff{"a": 1}\r{"a": 2}\r\n\r\noops', 3),
        ("a.json", " " * PIECE + '[{"a": 1}, {"a": 2}]', 2),
    ],
)
def test_every_reading_of_a_text_is_counted(tmp_path: Path, name: str, text: str, rows: int) -> None:
    (tmp_path / name).write_bytes(text.encode())
    batch = read_file(tmp_path / name)
    assert batch.counted == len(batch.rows) + len(batch.broken) == rows


@pytest.mark.parametrize("name", ["a.csv", "a.json", "a.jsonl", "a.parquet"])
def test_the_count_notices_rows_that_a_reader_drops(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """Whatever the reader's own numbers say: it loses the last row here."""
    as_file(shots.season(games=1), tmp_path / name)
    reader = PLAIN[Path(name).suffix]

    def careless(source: str, data: bytes) -> RawBatch:
        batch = reader(source, data)
        documents = batch.documents and batch.documents[:-1]
        return replace(batch, table=batch.table.slice(0, 59), rows=batch.rows[:-1], documents=documents)

    monkeypatch.setitem(formats.PLAIN, Path(name).suffix, careless)  # type: ignore[arg-type]
    store = FileStore(tmp_path / "store", NBA.lake, NBA.warehouse)
    with pytest.raises(BatchError, match="60 rows were counted, but 59 read"):
        ingest_from(tmp_path, store)
    assert store.manifests() == []


def test_row_numbers_continue_through_an_archive(tmp_path: Path) -> None:
    members = {"1.jsonl": b'{"a": 1}\n5\n', "2.ndjson": b'{"a": 2}\n[]\n{"a": 3}\n'}
    batch = read_file(archive(tmp_path / "a.zip", members))
    assert (batch.rows, [b.row for b in batch.broken]) == ([1, 3, 5], [2, 4])
    assert batch.documents == ['{"a": 1}', '{"a": 2}', '{"a": 3}']


@pytest.mark.parametrize(
    ("members", "message"),
    [
        (
            {"a.json": b'[{"a": 1}]', "b.csv": b"a\n1\n"},
            r"several kinds \(\.csv, \.json\); put each kind in an archive",
        ),
        ({"a.json": b'[{"a": 1}]', "b.json": b'[{"a": 1, "b": 2}]'}, r"different columns \(b not in each of them\)"),
        ({"a.txt": b"x"}, r"holds no csv or json or jsonl or ndjson or parquet file, only a\.txt"),
        ({"good.json": b'[{"a": 1}]', "half.json": b'[{"a": 1}, {'}, r"half\.json is cut off"),
    ],
)
def test_an_archive_that_is_no_batch_is_refused_with_a_reason(
    tmp_path: Path, members: dict[str, bytes], message: str
) -> None:
    with pytest.raises(BatchError, match=message):
        read_file(archive(tmp_path / "a.zip", members))


def test_each_format_is_offered(tmp_path: Path) -> None:
    for suffix in SUFFIXES:
        (tmp_path / f"x{suffix.upper()}").write_text(suffix)
    assert [batch.source for batch in InboxFeed(tmp_path, 0).batches()] == sorted(f"x{s.upper()}" for s in SUFFIXES)
