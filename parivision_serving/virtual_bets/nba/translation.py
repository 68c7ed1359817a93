"""Turns the rows of a season file, in either layout, into documents with 22 text fields."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from functools import cache

import numpy as np

from parivision_core.nba.shots.contract import SEASON_TYPES
from parivision_core.nba.shots.source.layouts import KAGGLE, SEASON
from parivision_core.nba.shots.source.placement import infer_placement
from parivision_core.problems import BatchError
from parivision_serving.virtual_bets.nba.documents import FIELDS
from parivision_serving.virtual_bets.nba.figures import Array
from parivision_serving.virtual_bets.nba.table import Row, SeasonTable
from parivision_serving.virtual_bets.source import Document

MORE_FIELDS = {"Team Name": "TEAM_NAME", "Shot Zone Basic": "BASIC_ZONE", "Shot Zone Range": "ZONE_RANGE"}
"""Fields of a document that the platform doesn't read, and the season layout's columns for them."""


def dated_documents(table: SeasonTable) -> Iterator[tuple[dt.date, Document]]:
    """Each row's date and document; one without a readable date travels with the row before it, or with the first.

    Raises BatchError when no row has a date, or when the coordinates fit no unit.
    """
    column, date_format = table.layout.columns["date"], table.layout.date_format
    date = next((day for row in table if (day := _day(row.get(column, ""), date_format))), None)
    if date is None:
        raise BatchError(f"no row has a date like {date_format} in {column}")
    places = _places(table) if table.layout is SEASON else None
    for i, row in enumerate(table):
        date = _day(row.get(column, ""), date_format) or date
        yield date, row if places is None else _translated(row, *places[i])


@cache
def _day(text: str, date_format: str) -> dt.date | None:
    try:
        return dt.datetime.strptime(text.strip(), date_format).date()
    except ValueError:
        return None


def _places(table: SeasonTable) -> Array:
    """Each row's x and y in tenths of a foot from the hoop, (n, 2), NaN where there is none."""
    columns = table.layout.columns
    names = [columns[field] for field in ("x", "y", "distance")]
    numbers = np.array([[_number(row.get(name, "")) for name in names] for row in table])
    areas = [row.get(columns["area"], "") for row in table]
    side = np.array([-1 if area.startswith("Left") else int(area.startswith("Right")) for area in areas])
    readable = np.isfinite(numbers).all(axis=1)
    x, y, distance = numbers[readable].T
    placement = infer_placement(x, y, distance, side[readable], table.layout.units)
    return np.stack(placement.apply(numbers[:, 0], numbers[:, 1]), axis=1)


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return np.nan


def _translated(row: Row, x: float, y: float) -> Document:
    """A row of the season layout; what can't be read stays as it is, for the platform to judge."""
    document = {KAGGLE.columns[field]: row.get(column, "") for field, column in SEASON.columns.items()}
    document |= {name: row.get(column, "") for name, column in MORE_FIELDS.items()}
    document["Game Event ID"] = row.get(SEASON.optional["event_id"], "")
    for name, value in (("X Location", x), ("Y Location", y)):
        if np.isfinite(value):
            document[name] = str(int(value))
    if day := _day(document["Game Date"], SEASON.date_format):
        document["Game Date"] = f"{day:%Y%m%d}"
    if letters := row.get("ZONE_ABB"):
        document["Shot Zone Area"] += f"({letters})"
    made = document["Shot Made Flag"]
    document["Shot Made Flag"] = {"TRUE": "1", "FALSE": "0"}.get(made.upper(), made)
    kind = SEASON_TYPES.get(int(document["Game ID"][:-7] or 0), "") if document["Game ID"].isdecimal() else ""
    document["Season Type"] = "Regular Season" if kind == "regular" else kind.title()
    return {name: document[name] for name in FIELDS}
