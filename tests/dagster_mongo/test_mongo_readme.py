"""Every Python block of the README runs unchanged, and its tables of fields and reasons are complete."""

from __future__ import annotations

import re
from typing import Any, get_args

import pytest
from pymongo import MongoClient

from dagster_mongo import MongoResource
from dagster_mongo.errors import Reason
from dagster_mongo.options import DEFAULTS
from tests.helpers.paths import ROOT

README = ROOT / "dagster_mongo" / "README.md"
TEXT = README.read_text()
BLOCKS = re.findall(r"^```python\n(.*?)^```", TEXT, flags=re.MULTILINE | re.DOTALL)


def titles() -> list[str]:
    """The heading above each block."""
    before = re.split(r"^```python\n.*?^```", TEXT, flags=re.MULTILINE | re.DOTALL)
    return [re.findall(r"^## (.*)$", part, flags=re.MULTILINE)[-1] for part in before[:-1]]


def rows(heading: str) -> list[list[str]]:
    """The cells of the table whose first column has this heading."""
    lines = TEXT[TEXT.index(f"| {heading} |") :].split("\n\n")[0].splitlines()[2:]
    return [[cell.strip().strip("`") for cell in line.strip("|").split("|")] for line in lines]


@pytest.mark.parametrize("block", BLOCKS, ids=titles())
def test_blocks_run(block: str, mongo_server: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MONGO_URL", mongo_server)
    try:
        exec(compile(block, str(README), "exec"), {"__name__": "readme"})
    finally:
        with MongoClient[dict[str, Any]](mongo_server) as client:
            client.drop_database("weather")


def test_every_code_block_is_run() -> None:
    assert len(BLOCKS) == TEXT.count("```python") >= 6
    assert TEXT.count("```") == 2 * (len(BLOCKS) + TEXT.count("```sh"))


def test_every_field_is_in_the_table_with_its_default() -> None:
    table = {row[0]: row[1] for row in rows("field")}
    assert set(table) == set(MongoResource.model_fields)
    for field, value in DEFAULTS.items():
        assert table[field] == str(value).lower(), field
        assert f"Default: {str(value).lower()}" in str(MongoResource.model_fields[field].description), field


def test_every_reason_is_in_the_table() -> None:
    assert {row[0] for row in rows("`reason`")} == set(get_args(Reason))
