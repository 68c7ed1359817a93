"""Translates a batch of text columns, in any known layout, into the contract, with a reason against each bad row."""

from __future__ import annotations

import datetime as dt

import numpy as np
import pandas as pd

from parivision_core.nba import court
from parivision_core.nba.shots import contract
from parivision_core.nba.shots.kinds import kinds_of
from parivision_core.nba.shots.source.layouts import Layout, recognise
from parivision_core.nba.shots.source.placement import Placement, infer_placement, known_placement
from parivision_core.nba.teams import ABBREVIATIONS, FRANCHISE
from parivision_core.problems import BatchError
from parivision_core.sport import Details, Parsed

_MADE = {"1": 1, "0": 0, "1.0": 1, "0.0": 0, "TRUE": 1, "FALSE": 0}
"""With decimals too, as a column with missing cells is often saved."""

_UTC = r"(?:Z|\+00:?00)$"
_ISO = r"[0-9]{4}-[0-9]{2}-[0-9]{2}(?:[T ][0-9]{2}:[0-9]{2}(?::[0-9]{2}(?:\.[0-9]{1,9})?)?(?:Z|\+00:?00)?)?"
_EPOCH = "[0-9]{13}|[3-9][0-9]{11}"
"""Milliseconds. Thirteen digits are no date in any layout, nor are twelve that begin with no possible year."""


class _Reasons:
    """The first reason found against each row."""

    def __init__(self, rows: int) -> None:
        self.text = np.full(rows, "", dtype=object)

    def add(self, wrong: np.ndarray | pd.Series, reason: str, values: pd.Series | None = None) -> None:
        for row in np.flatnonzero(np.asarray(wrong) & (self.text == "")):
            value = None if values is None else values.iat[row]
            self.text[row] = reason.format(f"{value:g}" if isinstance(value, float) else repr(value))


def parse(raw: pd.DataFrame, known: Details | None = None) -> Parsed:
    """Translate a batch of text columns into the contract.

    Unit and hand are those `known` of the batch that the rows come from, else they are inferred from the rows.
    Every row of `raw` has its row in the result; one that breaks the contract has a reason. Raises BatchError for an
    unknown layout, an empty batch, or coordinates that fit no unit.
    """
    raw = raw.rename(columns=lambda name: str(name).strip())
    layout = recognise(list(raw.columns))
    if raw.empty:
        raise BatchError("the file holds a header but no shots")
    text = pd.DataFrame({field: raw[column].str.strip() for field, column in layout.columns.items()})
    reasons = _Reasons(len(raw))
    number = {
        field: _number(text[field], layout.columns[field], reasons, whole=field not in ("x", "y"))
        for field in ("game_id", "player_id", "team_id", "period", "minutes", "seconds", "distance", "x", "y")
    }
    reasons.add(number["game_id"] <= 0, layout.columns["game_id"] + "={} names no game", text["game_id"])
    date = _dates(text["date"], layout, reasons)
    made = text["made"].str.upper().map(_MADE)
    reasons.add(made.isna(), layout.columns["made"] + "={} is neither made nor missed", text["made"])
    worth = pd.to_numeric(text["worth"].str[:1], errors="coerce")
    reasons.add(~worth.isin([2, 3]), layout.columns["worth"] + "={} is neither 2 nor 3 points", text["worth"])
    seconds = _clock(number, reasons)
    reasons.add(number["player_id"] <= 0, layout.columns["player_id"] + "={} names no player", text["player_id"])
    x, y, placement = _locations(number, text, layout, reasons, known)
    team, opponent, home = _sides(number["team_id"], text, reasons)
    for field in ("player_name", "action"):  # free text; in any other field a NUL fails its check
        reasons.add(text[field].str.contains("\0", regex=False), layout.columns[field] + "={} holds a NUL", text[field])
    shots = pd.DataFrame(
        {
            "game_date": date,
            "game_id": number["game_id"],
            "season": _season(number["game_id"], date, reasons),
            "season_type": (number["game_id"] // 10_000_000).map(contract.SEASON_TYPES).fillna("unknown"),
            "player_id": number["player_id"],
            "player_name": text["player_name"],
            "team": team,
            "opponent": opponent,
            "home": home,
            "period": number["period"],
            "seconds_remaining": seconds,
            "x": x,
            "y": y,
            "points": worth,
            "made": made,
            "kind": kinds_of(text["action"]),
            "action": text["action"],
            "stated_distance": number["distance"],
            "event_id": _event_ids(raw, layout, reasons),
        },
        index=raw.index,
    )
    return Parsed(shots, reasons.text, layout.name, placement.details())


def _number(text: pd.Series, column: str, reasons: _Reasons, *, whole: bool) -> pd.Series:
    value = pd.to_numeric(text, errors="coerce").astype("float64")
    reasons.add(text == "", f"{column} is missing")
    reasons.add(~np.isfinite(value), column + "={} is not a number", text)
    if whole:
        reasons.add(np.isfinite(value) & (value != np.floor(value)), column + "={} is not a whole number", text)
        reasons.add(np.abs(value) > contract.LARGEST_ID, column + "={} is out of range", text)
    return value


def _dates(text: pd.Series, layout: Layout, reasons: _Reasons) -> pd.Series:
    plain = text.str.removesuffix(".0")
    moments = pd.to_datetime(plain, format=layout.date_format, errors="coerce")
    if (other := moments.isna()).any():
        moments[other] = _iso_or_epoch(plain[other])
    days = moments.dt.normalize()
    column = layout.columns["date"]
    reasons.add(days.isna(), column + "={} is not a date like " + layout.date_format + " or %Y-%m-%d", text)
    reasons.add(days != moments, column + "={} is a time of day, not a date alone", text)
    reasons.add(days < "1946-11-01", column + "={} lies before the league's first season", text)
    # One day later is allowed, because elsewhere it is tomorrow already.
    tomorrow = pd.Timestamp(dt.datetime.now(dt.UTC).date()) + pd.Timedelta(days=1)
    reasons.add(days > tomorrow, column + "={} lies in the future", text)
    return days.dt.strftime("%Y-%m-%d")


def _iso_or_epoch(text: pd.Series) -> pd.Series:
    """Dates as programs write them instead: ISO, or milliseconds since 1970 in UTC."""
    iso, milliseconds = text.str.fullmatch(_ISO), text.str.fullmatch(_EPOCH)
    plain = text.where(iso).str.replace(_UTC, "", regex=True)
    moments = pd.to_datetime(plain, format="ISO8601", errors="coerce")
    return moments.fillna(pd.to_datetime(pd.to_numeric(text.where(milliseconds)), unit="ms", errors="coerce"))


def _clock(number: dict[str, pd.Series], reasons: _Reasons) -> pd.Series:
    period, minutes, seconds = number["period"], number["minutes"], number["seconds"]
    reasons.add((period < 1) | (period > contract.MAX_PERIOD), "period {} does not exist", period)
    reasons.add((seconds < 0) | (seconds > 59), "the clock shows {} seconds, which must be 0 to 59", seconds)
    reasons.add(minutes < 0, "the clock shows {} minutes", minutes)
    left = minutes * 60 + seconds
    longest = np.where(period <= contract.QUARTERS, contract.QUARTER_SECONDS, contract.OVERTIME_SECONDS)
    reasons.add(left > longest, "{} seconds left are more than the period has", left)
    return left


def _locations(
    number: dict[str, pd.Series], text: pd.DataFrame, layout: Layout, reasons: _Reasons, known: Details | None
) -> tuple[np.ndarray, np.ndarray, Placement]:
    readable = np.isfinite(number["x"]) & np.isfinite(number["y"]) & np.isfinite(number["distance"])
    side = np.where(text["area"].str.startswith("Left"), -1, np.where(text["area"].str.startswith("Right"), 1, 0))
    placement = known_placement(known or {}) or infer_placement(
        number["x"][readable].to_numpy(),
        number["y"][readable].to_numpy(),
        number["distance"][readable].to_numpy(),
        side[readable],
        layout.units,
    )
    x, y = placement.apply(number["x"].to_numpy(), number["y"].to_numpy())
    spot = pd.Series([f"({a:g}, {b:g})" for a, b in zip(number["x"], number["y"], strict=True)])
    off_court = (np.abs(x) > court.HALF_WIDTH) | (y < court.BASELINE_Y) | (y > court.FAR_BASELINE_Y)
    reasons.add(off_court, "the location {} is off the court", spot)
    gap = np.abs(np.floor(court.distance(x, y) / court.TENTHS_PER_FOOT) - number["distance"])
    reasons.add(gap > 1, f"{layout.columns['distance']}={{}} ft contradicts the location", text["distance"])
    return x, y, placement


def _sides(team_id: pd.Series, text: pd.DataFrame, reasons: _Reasons) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    home_id, away_id = text["home"].map(FRANCHISE), text["away"].map(FRANCHISE)
    at_home, away = team_id == home_id, team_id == away_id
    unknown = ~team_id.isin(list(ABBREVIATIONS))
    reasons.add(unknown, "team id {} is no franchise", text["team_id"])
    reasons.add(home_id.isna(), "home team {} is unknown", text["home"])
    reasons.add(away_id.isna(), "away team {} is unknown", text["away"])
    reasons.add(at_home == away, "team id {} plays neither at home nor away", text["team_id"])
    team, opponent = (
        np.where(at_home, text["home"], text["away"]),
        np.where(at_home, text["away"], text["home"]),
    )
    return team, opponent, at_home.to_numpy().astype(int)


def _season(game_id: pd.Series, date: pd.Series, reasons: _Reasons) -> pd.Series:
    """Year in which the season ends: from an official game id (2 19 01317 is 2019-20), else from the date."""
    start = (game_id // 100_000) % 100
    by_id = start + np.where(start >= 46, 1901, 2001)
    year, month = pd.to_numeric(date.str[:4]), pd.to_numeric(date.str[5:7])
    by_date = year + (month >= 10)
    official = (game_id >= 10_000_000) & (game_id < 60_000_000)
    reasons.add(official & (np.abs(by_id - by_date) > 1), "game id {} is of another season than its date", game_id)
    return by_id.where(official, by_date)


def _event_ids(raw: pd.DataFrame, layout: Layout, reasons: _Reasons) -> pd.Series:
    column = layout.optional["event_id"]
    if column not in raw.columns:
        return pd.Series(-1, index=raw.index)
    text = raw[column].str.strip().replace("", "-1")
    return _number(text, column, reasons, whole=True)
