"""Parquet: typed values as text and in the documents, and the reasons against bad files."""

from __future__ import annotations

import datetime as dt
import io
import json
from decimal import Decimal
from typing import Any
from uuid import UUID

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pyarrow import parquet

from parivision_assets.feeds import parquet_text
from parivision_assets.feeds.parquet_text import read_parquet
from parivision_core.problems import BatchError

DAY, EVENING = dt.datetime(2022, 10, 18), dt.datetime(2022, 10, 18, 19, 30)
IN_UTC = dt.datetime(2022, 10, 18, 4)


def written(table: pa.Table, **options: Any) -> bytes:
    buffer = io.BytesIO()
    parquet.write_table(table, buffer, **options)
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("column", "texts", "values"),
    [
        (pa.array(["é", "", None]), ["é", "", ""], ["é", "", None]),
        (pa.array(["x"], pa.large_string()), ["x"], ["x"]),
        (pa.array(["x"], pa.string_view()), ["x"], ["x"]),
        (pa.array(["x", None, "x"]).dictionary_encode(), ["x", "", "x"], ["x", None, "x"]),
        (pa.nulls(2), ["", ""], [None, None]),
        (pa.array([7, None, -(2**63)]), ["7", "", str(-(2**63))], [7, None, -(2**63)]),
        (pa.array([2**64 - 1], pa.uint64()), [str(2**64 - 1)], [2**64 - 1]),
        (pa.array([5.0, 0.1, None]), ["5", "0.1", ""], [5.0, 0.1, None]),
        (pa.array([float("nan"), float("inf")]), ["", "inf"], [None, "inf"]),
        (pa.array([-17.3], pa.float32()), ["-17.3"], [-17.3]),
        (pa.array([1.5, float("nan")], pa.float16()), ["1.5", ""], [1.5, None]),
        (pa.array([True, False, None]), ["TRUE", "FALSE", ""], [True, False, None]),
        (pa.array([Decimal("5.00"), None]), ["5.00", ""], [5.0, None]),
        (pa.array([dt.date(2022, 10, 18), None]), ["2022-10-18", ""], ["2022-10-18", None]),
        (pa.array([dt.date(2022, 10, 18)], pa.date64()), ["2022-10-18"], ["2022-10-18"]),
        (pa.array([b"ab", b"\xff", None]), ["ab", "\\xff", ""], ["ab", "\\xff", None]),
        (pa.array([b"ab", None]).dictionary_encode(), ["ab", ""], ["ab", None]),
        (pa.array([UUID(int=5).bytes, None], pa.uuid()), [str(UUID(int=5)), ""], [str(UUID(int=5)), None]),
        (pa.array([dt.time(19, 30), None]), ["19:30:00.000000", ""], ["19:30:00.000000", None]),
        (pa.array([[("k", 1)]], pa.map_(pa.string(), pa.int8())), ['[["k",1]]'], [[["k", 1]]]),
        (pa.array([[1, None], None]), ["[1,null]", ""], [[1, None], None]),
        (
            pa.array([{"a": DAY.date(), "b": [b"x"]}]),
            ['{"a":"2022-10-18","b":["eA=="]}'],
            [{"a": "2022-10-18", "b": ["eA=="]}],
        ),
        *(
            (
                pa.array([DAY, EVENING, None], pa.timestamp(unit)),
                ["2022-10-18", "2022-10-18 19:30:00", ""],
                ["2022-10-18", "2022-10-18 19:30:00", None],
            )
            for unit in ("s", "ms", "us", "ns")
        ),
        (pa.array([IN_UTC], pa.timestamp("us", "America/New_York")), ["2022-10-18"], ["2022-10-18"]),
        (pa.array([IN_UTC], pa.timestamp("us", "UTC")), ["2022-10-18 04:00:00"], ["2022-10-18 04:00:00"]),
    ],
    ids=lambda value: str(value.type) if isinstance(value, pa.Array) else "",
)
def test_a_typed_column_becomes_text(column: pa.Array, texts: list[str], values: list[Any]) -> None:
    batch = read_parquet("x.parquet", written(pa.table({"c": column})))
    assert batch.table["c"].type == pa.string()
    assert batch.table["c"].to_pylist() == texts
    assert batch.documents is not None
    assert [json.loads(text) for text in batch.documents] == [{"c": value} for value in values]
    assert (batch.rows, batch.broken) == (list(range(1, len(texts) + 1)), [])


SCALARS = {
    "text": st.text(),
    "whole": st.integers(-(2**63), 2**63 - 1),
    "number": st.floats(allow_nan=False, allow_infinity=False),
    "flag": st.booleans(),
    "list": st.lists(st.text(max_size=3), max_size=2),
}
TYPES = {
    "text": pa.string(),
    "whole": pa.int64(),
    "number": pa.float64(),
    "flag": pa.bool_(),
    "list": pa.list_(pa.string()),
}


@given(st.lists(st.fixed_dictionaries({key: st.none() | value for key, value in SCALARS.items()}), max_size=5))
def test_what_was_written_is_what_the_documents_hold(rows: list[dict[str, Any]]) -> None:
    table = pa.Table.from_pylist(rows, pa.schema(list(TYPES.items())))
    batch = read_parquet("x.parquet", written(table))
    assert batch.documents is not None
    assert [json.loads(text) for text in batch.documents] == rows
    for text, row in zip(batch.table["number"].to_pylist(), rows, strict=True):
        assert (float(text) if text else None) == row["number"]


def test_rows_are_documents_across_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parquet_text, "PIECE", 2)
    data = written(pa.table({" a ": range(5), "b": list("vwxyz")}), row_group_size=3)
    batch = read_parquet("x.parquet", data)
    assert batch.table.to_pydict() == {"a": list("01234"), "b": list("vwxyz")}
    assert batch.documents == [f'{{" a ":{i},"b":"{b}"}}' for i, b in enumerate("vwxyz")]


def test_a_huge_row_breaks_itself_only() -> None:
    batch = read_parquet("x.parquet", written(pa.table({"a": ["x", "y" * 2_000_000, "z"]})))
    assert [(b.row, len(b.text)) for b in batch.broken] == [(2, 1000)]
    assert "takes 2,000,008 bytes" in batch.broken[0].reason
    assert batch.table["a"].to_pylist() == ["x", "z"]
    assert (batch.rows, batch.documents) == ([1, 3], ['{"a":"x"}', '{"a":"z"}'])


WHOLE = written(pa.table({"a": range(1000)}), compression="none", use_dictionary=False, write_page_checksum=True)
FLIPPED = WHOLE[:4000] + bytes([WHOLE[4000] ^ 1]) + WHOLE[4001:]  # in the midst of the numbers
NOT_UTF8 = pa.Array.from_buffers(pa.string(), 1, [None, pa.py_buffer(b"\0\0\0\0\1\0\0\0"), pa.py_buffer(b"\xff")])


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "x.parquet is empty"),
        (b"PAR1", "x.parquet is not a sound parquet file .*; copy it again"),
        (b"a,b\n1,2\n" * 10, "not a sound parquet file .*; copy it again"),
        (WHOLE[: len(WHOLE) // 2], "not a sound parquet file .*; copy it again"),
        (FLIPPED, "not a sound parquet file .*; copy it again"),
        (written(pa.table({"a": NOT_UTF8})), "not a sound parquet file .*UTF8"),
        (written(pa.table([[1], [2]], names=["a", " a"])), "names the columns a more than once"),
        (written(pa.table({})), "has no columns"),
        (written(pa.table({"a": pa.array([IN_UTC], pa.timestamp("us", "Mars/Olympus"))})), "can't be written as text"),
    ],
)
def test_a_file_that_cannot_be_read_is_refused_with_a_reason(data: bytes, message: str) -> None:
    with pytest.raises(BatchError, match=message):
        read_parquet("x.parquet", data)
