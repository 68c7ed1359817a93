"""The reader of Arrow streams: it reads exactly what pyarrow writes, and raises for anything damaged."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from parivision_core.arrow import Column, ColumnError, StreamError, TooManyRowsError, joined, read
from parivision_core.arrow.columns import LONGEST_TEXT
from parivision_core.arrow.stream import LONGEST_METADATA, MOST_MESSAGES

MOST = 1000
WORDS = ["GSW", "", "turnaround", "Dončić", "a text of more than twelve bytes", None]
NUMBERS = [pa.int8(), pa.uint8(), pa.int16(), pa.uint16(), pa.int32(), pa.uint32(), pa.int64(), pa.uint64()]
FLOATS = [pa.float16(), pa.float32(), pa.float64()]
TEXTS = [pa.string(), pa.large_string(), pa.string_view()]


def written(table: pa.Table, rows: int = MOST, **options: Any) -> bytes:
    """The table as a stream with at most so many rows in a batch."""
    out = io.BytesIO()
    with pa.ipc.new_stream(out, table.schema, options=pa.ipc.IpcWriteOptions(**options)) as writer:
        for batch in table.to_batches(max_chunksize=rows):
            writer.write_batch(batch)
    return out.getvalue()


def read_all(stream: bytes) -> dict[str, list[Any]]:
    """All values of each column."""
    batches = list(read(stream, MOST))
    return {name: [value for batch in batches for value in values(batch[name])] for name in batches[0]}


def values(column: Column) -> list[Any]:
    return [column.value(row) for row in range(len(column.values))]


@st.composite
def tables(draw: st.DrawFn) -> pa.Table:
    rows = draw(st.integers(0, 40))

    def column(value: st.SearchStrategy[Any], kind: pa.DataType) -> pa.Array:
        return pa.array(draw(st.lists(value, min_size=rows, max_size=rows)), kind)

    maybe = [
        column(st.none() | st.integers(0, 127), draw(st.sampled_from(NUMBERS))),
        column(st.none() | st.integers(-128, 127).map(np.float16), draw(st.sampled_from(FLOATS))),
        column(st.none() | st.booleans(), pa.bool_()),
        column(st.sampled_from(WORDS), draw(st.sampled_from(TEXTS))),
        column(st.sampled_from(WORDS), pa.string()).dictionary_encode(),
        column(st.none() | st.integers(0, 3), pa.int64()).dictionary_encode(),
        column(st.none(), pa.null()),
        column(st.integers(-5, 5), pa.float64()),
    ]
    table = pa.table(maybe, names=[f"column {i}" for i in range(len(maybe))])
    return table.slice(draw(st.integers(0, 9)))


@given(tables(), st.integers(1, 50))
def test_what_pyarrow_writes_is_read(table: pa.Table, rows: int) -> None:
    table = table.unify_dictionaries()
    assert read_all(written(table, rows)) == table.to_pydict()


@given(tables(), st.integers(1, 50), st.integers(1, 60))
def test_joined_batches_hold_the_same_rows(table: pa.Table, rows: int, least: int) -> None:
    batches = list(joined(read(written(table.unify_dictionaries(), rows), MOST), least))
    sizes = [len(batch["column 0"].values) for batch in batches]
    assert all(least <= size < least + rows for size in sizes[:-1])
    together = {name: [value for batch in batches for value in values(batch[name])] for name in batches[0]}
    assert together == table.to_pydict()


def test_joined_batches_share_the_words_of_a_dictionary() -> None:
    table = pa.table({"kind": pa.array(["jump", None, "dunk"] * 20).dictionary_encode()})
    (batch,) = joined(read(written(table, 1), MOST), MOST)
    assert sorted(batch["kind"].words) == ["dunk", "jump"]


def test_the_first_batch_states_the_columns() -> None:
    columns = next(
        iter(read(written(pa.table({"x": pa.array([], pa.int8()), "home": pa.array([], pa.bool_())})), MOST))
    )
    assert {name: column.kind for name, column in columns.items()} == {"x": "number", "home": "yes or no"}


SOUND = written(
    pa.table(
        {
            "x": pa.array([1.5, None, 3.0] * 20),
            "team": ["GSW", "LAL", "a text of more than twelve bytes"] * 20,
            "view": pa.array(["GSW", None, "a text of more than twelve bytes"] * 20, pa.string_view()),
            "kind": pa.array(["jump", None, "dunk"] * 20).dictionary_encode(),
            "home": [True, None, False] * 20,
        }
    ),
    rows=25,
)


def test_a_stream_that_was_cut_off_is_refused() -> None:
    for size in range(len(SOUND)):
        with pytest.raises(StreamError, match=r"ends|no Arrow stream|no end marker"):
            list(read(SOUND[:size], MOST))


@given(st.lists(st.tuples(st.integers(0, len(SOUND) - 1), st.integers(0, 255)), min_size=1, max_size=4))
def test_a_damaged_stream_is_read_or_refused(damage: list[tuple[int, int]]) -> None:
    stream = bytearray(SOUND)
    for place, byte in damage:
        stream[place] = byte
    try:
        batches = list(read(bytes(stream), MOST))
    except StreamError as error:
        assert str(error)
    else:
        assert sum(len(values(column)) for batch in batches for column in batch.values()) <= 5 * MOST


@given(st.binary(max_size=300))
def test_bytes_that_are_no_stream_are_refused(garbage: bytes) -> None:
    for stream in (garbage, b"\xff\xff\xff\xff\x40\x00\x00\x00" + garbage):
        with pytest.raises(StreamError):
            list(read(stream, MOST))


@pytest.mark.parametrize(
    ("column", "kind"),
    [
        (pa.array([[1]]), "list"),
        (pa.array([{"a": 1}]), "struct"),
        (pa.array([b"x"]), "binary"),
        (pa.array([0], pa.date32()), "date"),
        (pa.array([0], pa.timestamp("us")), "timestamp"),
        (pa.array([1], pa.decimal128(5, 2)), "decimal"),
        (pa.array([[1]], pa.list_(pa.int8(), 1)), "list"),
    ],
)
def test_a_column_that_cant_be_read_is_named(column: pa.Array, kind: str) -> None:
    with pytest.raises(ColumnError, match=f"column of type {kind} can't be read") as caught:
        list(read(written(pa.table({"x": [1], "odd": column})), MOST))
    assert caught.value.column == "odd"


def test_other_refusals_give_their_reasons() -> None:
    table = pa.table({"x": [1, 2, 3] * 100})
    feather = io.BytesIO()
    with pa.ipc.new_file(feather, table.schema) as writer:
        writer.write_table(table)
    twice = pa.Table.from_arrays([pa.array([1]), pa.array([2])], names=["x", "x"])
    long = pa.table({"team": ["x" * (LONGEST_TEXT + 1)]})
    for stream, message in [
        (written(table, compression="lz4"), "compressed"),
        (written(table, compression="zstd"), "compressed"),
        (feather.getvalue(), "Feather"),
        (written(table)[:-8], "no end marker"),
        (written(table) + b"x", "something follows"),
        (written(twice), "two columns"),
        (written(pa.table({f"c{i}": [1] for i in range(101)})), "more than 100 columns"),
        (written(pa.table({"x" * (LONGEST_TEXT + 1): [1]})), "a name has 101 bytes"),
        (written(table.replace_schema_metadata({"pandas": "x" * LONGEST_METADATA})), "bytes of metadata"),
        (written(long), "a text of 101 bytes"),
        (written(pa.table({"team": long["team"].combine_chunks().dictionary_encode()})), "a text of 101 bytes"),
        (written(pa.table({"team": pa.array(long["team"].to_pylist(), pa.string_view())})), "a text of 101 bytes"),
        (written(pa.table({"x": [1] * (MOST_MESSAGES + 1)}), rows=1), "messages"),
    ]:
        with pytest.raises(StreamError, match=message):
            list(read(stream, 10 * MOST))


def test_rows_are_counted_before_they_are_read() -> None:
    """A column of nulls takes no space, whatever length it declares."""
    table = pa.table({"x": pa.nulls(10**7)})
    with pytest.raises(TooManyRowsError, match="more than 1000 rows"):
        list(read(written(table, rows=10**7), MOST))


def test_an_entry_beyond_the_dictionary_is_refused() -> None:
    entries = pa.DictionaryArray.from_arrays(pa.array([0, 1], pa.int8()), ["jump", "dunk"])
    stream = bytearray(written(pa.table({"kind": entries})))
    body = stream.rfind(bytes([0, 1, 0, 0, 0, 0, 0, 0]))
    for wrong in (2, 200):
        stream[body + 1] = wrong
        with pytest.raises(ColumnError, match="an entry that its dictionary doesn't have"):
            list(read(bytes(stream), MOST))
