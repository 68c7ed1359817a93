"""The count of rows, which shares nothing with the readers: right for every text, in pieces of any size."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from parivision_assets.feeds import limits
from parivision_assets.feeds.counting import PIECE, ElementCount, LineCount, RowCount
from parivision_core.problems import BatchError


def counted(count: RowCount, data: bytes, size: int) -> int:
    for start in range(0, len(data), size):
        count.add(data[start : start + size])
    return count.rows


@given(st.lists(st.sampled_from([b"\n", b"\r", b"\r\n", b" ", b"\t", b"a,b"]), max_size=30), st.integers(1, 9))
def test_lines_are_counted_that_are_not_blank(parts: list[bytes], size: int) -> None:
    data = b"".join(parts)
    expected = sum(bool(line.strip()) for line in data.splitlines())
    assert counted(LineCount("x"), data, size) == LineCount("x").of(data) == expected
    assert LineCount("x").of(b"\xef\xbb\xbf" + data) == expected


VALUES = st.recursive(
    st.none() | st.integers() | st.text(st.sampled_from('[]{},:"\\ aé')),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(st.sampled_from('[,"\\')), inner, max_size=3),
    max_leaves=8,
)


@given(st.lists(VALUES, max_size=6), st.integers(1, 9), st.sampled_from([None, 1]), st.booleans())
def test_the_elements_of_a_list_are_counted(values: list[Any], size: int, indent: int | None, ascii_only: bool) -> None:
    data = f" {json.dumps(values, indent=indent, ensure_ascii=ascii_only)}\n".encode()
    assert counted(ElementCount("x"), data, size) == ElementCount("x").of(data) == len(values)


@pytest.mark.parametrize(("text", "elements"), [("[1, nonsense, 3,]", 3), ("[1,,2]", 3), ("[{'a': 1,}, 2]", 2)])
def test_elements_that_are_no_json_are_counted_too(text: str, elements: int) -> None:
    assert ElementCount("x").of(text.encode()) == elements


@pytest.mark.parametrize("before", [b"", b"a\nb\r\n", b"a\n" * PIECE])
def test_a_line_is_as_long_as_the_bound_and_no_longer(before: bytes) -> None:
    line = b"x" * limits.LONGEST_LINE
    lines = before.count(b"\n")
    assert LineCount("x.csv", limits.LONGEST_LINE).of(before + line + b"\n" + line) == lines + 2
    with pytest.raises(BatchError, match=rf"^line {lines + 2:,} of x\.csv is longer than 1,000,000 bytes"):
        LineCount("x.csv", limits.LONGEST_LINE).of(before + line + b"\n" + line + b"x")


@pytest.mark.parametrize("end", [b"\n", b"\r", b"\r\n"])
def test_there_are_as_many_lines_as_the_bound_and_no_more(monkeypatch: pytest.MonkeyPatch, end: bytes) -> None:
    monkeypatch.setattr(limits, "MOST_ROWS", 7)
    assert counted(LineCount("x.csv"), (b"a" + end) * 7, 2) == 7
    with pytest.raises(BatchError, match=r"^x\.csv has more than 7 lines; split it"):
        counted(LineCount("x.csv"), (b"a" + end) * 7 + end, 2)
    with pytest.raises(BatchError, match=r"^x\.json has more than 7 elements"):
        ElementCount("x.json").of(b"[" + b"1," * 9 + b"1]")
