"""JSON and JSON Lines: where each document ends, its values as text, and the reasons against bad documents."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from parivision_assets.feeds import json_text
from parivision_assets.feeds.base import RawBatch
from parivision_assets.feeds.json_text import read_json, read_json_lines
from parivision_core.problems import BatchError

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=4,
)
KEYS = st.text(max_size=4).filter(lambda key: key == key.strip() and not key.startswith("column"))
DOCUMENTS = st.lists(st.dictionaries(KEYS, VALUES, min_size=1, max_size=4), min_size=2, max_size=5)


def read(data: bytes | str, name: str = "x.json") -> RawBatch:
    text = data.encode() if isinstance(data, str) else data
    return read_json_lines(name, text) if name.endswith("l") else read_json(name, text)


@given(DOCUMENTS, st.booleans(), st.sampled_from([None, 1]))
def test_documents_are_split_alike_in_lists_and_in_lines(
    documents: list[dict[str, Any]], ascii_only: bool, indent: int | None
) -> None:
    """Colons, quotes, brackets and escapes in keys and values included."""
    lines = "\n".join(json.dumps(document, ensure_ascii=ascii_only) for document in documents)
    listed = json.dumps(documents, ensure_ascii=ascii_only, indent=indent)
    for batch in (read(listed), read(lines), read(lines + "\n", "x.jsonl")):
        assert batch.broken == []
        assert batch.documents is not None
        assert [json.loads(text) for text in batch.documents] == documents
        assert batch.rows == list(range(1, len(documents) + 1))
        for key in {key for document in documents for key in document if key}:
            for text, document in zip(batch.table[key].to_pylist(), documents, strict=True):
                value = document.get(key)
                assert text == value if isinstance(value, str) else (text == "") == (value is None)


@given(DOCUMENTS, st.integers(0, 3))
def test_one_broken_element_leaves_the_others_of_its_list(documents: list[dict[str, Any]], at: int) -> None:
    """Splitting by quotes and brackets finds the same elements as the decoder."""
    texts = [json.dumps(document) for document in documents]
    at = min(at, len(texts))
    batch = read("[" + ",\n".join([*texts[:at], '{"a": Infinity}', *texts[at:]]) + "]")
    assert [b.row for b in batch.broken] == [at + 1]
    assert batch.documents == texts


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ('"x, \\"y\\""', 'x, "y"'),
        ('"\\u00e9 \\ud83c\\udfc0"', "é 🏀"),
        ('"NaN"', "NaN"),
        ("5", "5"),
        ("5.0", "5.0"),
        ("-1.10e2", "-1.10e2"),
        ("123456789012345678901234567890", "123456789012345678901234567890"),
        ("true", "TRUE"),
        ("false", "FALSE"),
        ("null", ""),
        ("NaN", ""),
        ('[1.50, {"a": "b"}]', '[1.50, {"a": "b"}]'),
        ('{"$numberInt": "5"}', "5"),
        ('{"$numberDouble": "5.0"}', "5.0"),
        ('{"$numberDouble": "NaN"}', ""),
        ('{"$oid": "65"}', "65"),
        ('{"$date": {"$numberLong": "1666051200000"}}', "1666051200000"),
        ('{"$date": "2022-10-18T00:00:00Z"}', "2022-10-18T00:00:00Z"),
        ('{"$other": 5}', '{"$other": 5}'),
        ('{"$numberInt": "5", "more": 1}', '{"$numberInt": "5", "more": 1}'),
    ],
)
def test_a_value_becomes_text(value: str, text: str) -> None:
    """Among values of its type and among others, because columns of one type are converted in a faster way."""
    same = read(f'[{{"a": {value}}}, {{"a": {value}}}, {{}}, {{"b": 1}}]')
    mixed = read(f'[{{"a": {value}}}, {{"a": 1}}, {{"a": "x"}}, {{"a": null}}, {{"a": false}}]')
    assert same.table["a"].to_pylist() == [text, text, ""]
    assert mixed.table["a"].to_pylist() == [text, "1", "x", "", "FALSE"]


def test_the_text_of_a_document_is_kept_to_the_letter() -> None:
    texts = ['{"a" : 1.50,"$b.c":{"d": [1 ,2]}}', '{ "a":\t"\\u0041" }']
    for data in ("[" + " ,\n".join(texts) + "]", "\ufeff\n" + "\r\n\r\n".join(texts)):
        assert read(data).documents == texts


def test_nan_is_null_in_the_document_too() -> None:
    """Otherwise the lake's document wouldn't be JSON. A text or a key with these letters stays."""
    batch = read('[{"a": NaN, "NaN": "NaN: NaN"}, {"a": 1}]')
    assert batch.documents == ['{"a": null, "NaN": "NaN: NaN"}', '{"a": 1}']


DEEP = '{"a": ' * 100_000
HUGE = json.dumps({"a": "x" * 2_000_000})


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        (b'{"a": 1,}', "not a JSON document: Illegal trailing comma|Expecting property name"),
        (b'{"a": 1', "not a JSON document: Expecting ',' delimiter"),
        (b"nonsense", "not a JSON document: Expecting value"),
        (b'{"a": 1} {"a": 2}', "not a JSON document: Extra data"),
        (b'{"a": "\\ud800"}', "not a JSON document: half of a surrogate pair"),
        (b'{"a": Infinity}', "not a JSON document: Infinity is not a number"),
        (b'{"a": -Infinity}', "not a JSON document: -Infinity is not a number"),
        (b'{"a": ' + b"9" * 5000 + b"}", "not a JSON document: Exceeds the limit"),
        (b"[1, 2]", "is a list, not an object"),
        (b'"text"', "is a text, not an object"),
        (b"1.5", "is a number, not an object"),
        (b"null", "is null, not an object"),
        (b"{}", "the document is empty"),
        (b'{"a": 1, "b": 2, "a": 1}', "names 'a' twice"),
        (b'{"a": 1, "b:": ":", "\\u0061": 1}', "names 'a' twice"),
        (b'{"a\\u003a": 1, "b": 2, "a\\u003a": 1}', "names 'a:' twice"),
        (b'{"a": {"b": 1, "b": 1}}', "names 'b' twice"),
        (b'{"a": "Joki\xe6"}', "not UTF-8 text"),
        (DEEP.encode(), "nested too deeply"),
        (HUGE.encode(), "takes 2,000,009 bytes"),
    ],
    ids=lambda value: value[:20] if isinstance(value, bytes) else "",
)
def test_a_row_that_is_no_valid_document_breaks_itself_only(row: bytes, reason: str) -> None:
    lines = read_json_lines("x.jsonl", b'{"a": 1}\n\n' + row + b'\n{"a": 3}\n')
    assert [b.row for b in lines.broken] == [2]
    assert json_text.re.search(reason, lines.broken[0].reason), lines.broken[0].reason
    assert lines.broken[0].text[:20] == row[:20].decode(errors="backslashreplace")
    assert lines.table["a"].to_pylist() == ["1", "3"]
    assert lines.rows == [1, 3]
    assert lines.documents == ['{"a": 1}', '{"a": 3}']


@pytest.mark.parametrize(
    "row", [b"nonsense", b'{"a": 1,}', b"[1, 2]", b'{"a": Infinity}', b'{"a": "\xe6"}', b"[" * 2000 + b"]" * 2000, b""]
)
def test_a_broken_element_breaks_itself_only(row: bytes) -> None:
    batch = read_json("x.json", b'[{"a": 1},' + row + b',\n{"a": "}],\\""},]')
    assert [b.row for b in batch.broken] == [2]
    assert batch.table["a"].to_pylist() == ["1", '}],"']
    assert batch.rows == [1, 3]


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("x.json", '[1]\n{"a": 1}\n'),
        ("x.jsonl", '[1]\n{"a": 1}\n'),
        ("x.jsonl", '[\n{"a": 1}'),
        ("x.jsonl", '5\n{"a": 1}\n6\n7\n'),
    ],
)
def test_json_lines_are_recognised_among_broken_lines(name: str, text: str) -> None:
    batch = read(text, name)
    assert batch.documents == ['{"a": 1}']
    assert batch.rows == [2]
    assert [b.row for b in batch.broken] == [n for n in range(1, len(text.splitlines()) + 1) if n != 2]


def test_of_a_huge_document_only_the_beginning_is_kept() -> None:
    (broken,) = read(f'{{"a": 1}}\n{HUGE}\n').broken
    assert len(broken.text) == 1000


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "x.json is empty"),
        ("\ufeff \n", "x.json is empty"),
        ('[{"a": 1}]'.encode("utf-16"), "not UTF-8"),
        ('[{"a": 1}]'.encode("utf-16-le"), "not UTF-8"),
        ("[]", "empty list"),
        ("5", "the row is a number, not an object.*expected is one list of objects"),
        ('"[{}]"', "is a text, not an object.*expected is one list"),
        ("[[1, 2], [3, 4]]", "none of 2 rows can be read; of the first, the row is a list"),
        ('{"A": {"0": 1}, "B": {"0": 2}}', "one object with tables.*under A, B; expected is one list"),
        ('{"data": [{"A": 1}, {"A": 2}]}', "one object with tables.*under data; expected"),
        ('{"data": [{"A": 1}], "count": 1}', "one object with tables.*under data; expected"),
        ('{"columns": ["A"], "index": [0], "data": [[1]]}', "one object with tables"),
        ('[{"a": 1}, {"a": 2}, {"a"', "x.json is cut off or damaged.*after row 2; copy it again"),
        ('[{"a": 1}, {"a": 2', "cut off or damaged.*after row 1; copy it again"),
        ('[{"a": 1}, {"a": "2', "cut off or damaged.*after row 1; copy it again"),
        ('[{"a": 1},\n{"a": 2}', "cut off or damaged"),
        ('[{"a": 1}]\n[{"a": 1}]', "goes on after its list has ended with row 1"),
        ('{\n "a": 1,\n "b": ', "copy it again if it was cut off"),
        ('[{"a": 1, " a": 2}]', "names the columns a more than once"),
    ],
)
def test_a_file_that_cannot_be_read_is_refused_with_a_reason(content: str | bytes, message: str) -> None:
    with pytest.raises(BatchError, match=message):
        read(content)


@pytest.mark.parametrize(
    "text",
    [
        '{"a": 1, "b": [1]}',
        '{\n  "a": 1,\n  "b": [1]\n}',
        '[{"a": 1, "b": [1]}]',
        '{"a": 1, "b": [1], "c": "x", "d": 1, "players": [{"id": 1}]}',
    ],
)
def test_a_single_object_is_a_batch_of_one(text: str) -> None:
    for batch in (read(text), read(text.replace("\n", ""), "x.jsonl")):
        assert batch.table.slice(0, 1)["a"].to_pylist() == ["1"]
        assert batch.rows == [1]


def test_columns_found_late_are_empty_before(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(json_text, "PIECE", 2)
    batch = read('[{"a": 1}, 5, 6, 7, {"b": "x", "a": null}, {"a": 3}]')
    assert batch.table.to_pydict() == {"a": ["1", "", "3"], "b": ["", "x", ""]}
    assert batch.rows == [1, 5, 6]
    assert [b.row for b in batch.broken] == [2, 3, 4]


def test_a_key_for_each_row_does_not_make_a_column_for_each(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(json_text, "MOST_COLUMNS", 3)
    batch = read(json.dumps([{"a": i, "b": i, f"key {i}": i} for i in range(9)]))
    assert batch.table.column_names == ["a", "b", "key 0"]
    assert batch.documents is not None
    assert json.loads(batch.documents[8])["key 8"] == 8
