"""The prediction log as its readers see it: calls expanded into single predictions, found by name and paged through."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import accumulate
from math import isnan
from typing import Annotated, Any, Literal

import msgspec
import numpy as np
from msgspec import Meta
from numpy.typing import NDArray

from parivision_core import arrow
from parivision_core.prediction_log.base import Call, Outcome, PredictionLog
from parivision_core.prediction_log.ids import first_at, made_at, name_of, parts_of

PIECE = 250
"""Predictions looked at together."""
MOST_PIECES = 20
"""Pieces that one page looks through: a filter that fits little makes short pages, not slow ones."""

OutcomeFilter = Literal["known", "unknown", "made", "missed"]


class Logged(msgspec.Struct, frozen=True, kw_only=True):
    """One prediction as the prediction log keeps it."""

    id: Annotated[str, Meta(description="A UUID of version 7; a row of a batch adds `:` and its number.")]
    made_at: Annotated[int, Meta(description="Milliseconds since 1970.")]
    request: Annotated[
        dict[str, Any] | None, Meta(description="What was asked, as it came; null where it can't be read any more.")
    ]
    probability: float
    champion_version: int
    champion_sha256: str
    feature_state_stamp: str
    feature_schema: str
    latency_ms: Annotated[float, Meta(description="From request to answer; for a row, that of its whole batch.")]
    caller: Annotated[str, Meta(description="Name of the API key; empty without one.")]
    outcome: Annotated[Outcome | None, Meta(description="What came of the shot; null while nobody has told.")] = None


class PredictionPage(msgspec.Struct, frozen=True, kw_only=True):
    """Some predictions, newest first; the rows of a batch follow in their order."""

    predictions: list[Logged]
    next: Annotated[
        str | None,
        Meta(description="Cursor of the next page; null after the last. A page may be short, or empty, before that."),
    ]


@dataclass(frozen=True)
class Wanted:
    """Which predictions are meant; what isn't given doesn't matter."""

    since: int | None = None
    until: int | None = None
    """Milliseconds since 1970: from the first on, and before the second."""
    champion_version: int | None = None
    caller: str | None = None
    outcome: OutcomeFilter | None = None
    fields: Mapping[str, Collection[Any]] = field(default_factory=dict)
    """Fields of the request and the values that each may have."""

    def fits_call(self, call: Call) -> bool:
        """Whether predictions of a call may be meant."""
        return self.champion_version in (None, call.champion_version) and self.caller in (None, call.caller)

    def fits_outcome(self, outcome: Outcome | None) -> bool:
        """Whether a prediction with this outcome is meant."""
        if self.outcome in (None, "known", "unknown"):
            return self.outcome is None or (self.outcome == "known") == (outcome is not None)
        return outcome is not None and outcome.made == (self.outcome == "made")

    def fits_request(self, request: Mapping[str, Any] | None) -> bool:
        """Whether a prediction for this request is meant."""
        return all(request is not None and request.get(name) in values for name, values in self.fields.items())


class Opened:
    """A call whose parts are decoded once, and only when they are needed."""

    def __init__(self, call: Call) -> None:
        self.call = call

    @cached_property
    def probabilities(self) -> NDArray[np.float64]:
        """One for each row; NaN where a row was refused."""
        return np.frombuffer(self.call.probability, "<f8")

    @cached_property
    def _objects(self) -> list[msgspec.Raw]:
        """What each row of JSON asks, undecoded, for there may be a hundred thousand; none of a damaged body."""
        if self.call.content == "shot":
            return [msgspec.Raw(self.call.request)]
        try:
            return msgspec.json.decode(self.call.request, type=list[msgspec.Raw])
        except msgspec.DecodeError:
            return []

    @cached_property
    def _columns(self) -> list[tuple[int, dict[str, arrow.Column]]]:
        """The batches of an Arrow stream, each with the number of its first row; none of a damaged one."""
        try:
            batches = list(arrow.read(self.call.request, self.call.rows))
        except arrow.StreamError:
            return []
        lengths = [max((len(column.values) for column in columns.values()), default=0) for columns in batches]
        whole = sum(lengths) == self.call.rows
        return list(zip(accumulate(lengths, initial=0), batches, strict=False)) if whole else []

    def request(self, row: int) -> dict[str, Any] | None:
        """What was asked for a row; None where it can't be read, as the prediction itself can."""
        if self.call.content == "arrow":
            if not self._columns:
                return None
            first, columns = self._columns[bisect_right(self._columns, row, key=lambda batch: batch[0]) - 1]
            values = ((name, column.value(row - first)) for name, column in columns.items())
            return {name: value for name, value in values if value is not None}
        return _object(self._objects[row]) if row < len(self._objects) else None

    def name(self, row: int) -> str:
        """The name of a row's prediction."""
        return name_of(self.call.id, None if self.call.content == "shot" else row)

    def predictions(self, rows: Sequence[int], outcomes: Mapping[str, Outcome]) -> Iterator[Logged]:
        """The predictions of some rows."""
        call = self.call
        for row in rows:
            yield Logged(
                id=self.name(row),
                made_at=made_at(call.id),
                request=self.request(row),
                probability=float(self.probabilities[row]),
                champion_version=call.champion_version,
                champion_sha256=call.champion_sha256,
                feature_state_stamp=call.feature_state_stamp,
                feature_schema=call.schema,
                latency_ms=call.latency_us / 1000,
                caller=call.caller,
                outcome=outcomes.get(self.name(row)),
            )


def _object(raw: msgspec.Raw) -> dict[str, Any] | None:
    try:
        return msgspec.json.decode(raw, type=dict[str, Any])
    except msgspec.DecodeError:
        return None


def find(prediction_log: PredictionLog, name: str) -> Logged | None:
    """A prediction by its name; None where there is none, which goes for refused and deleted rows, too.

    Raises ValueError for a text that is no such name.
    """
    call_id, row = parts_of(name)
    call = prediction_log.call(call_id)
    if call is None or (row is None) != (call.content == "shot") or not 0 <= (row or 0) < call.rows:
        return None
    found = _chosen(prediction_log, [(Opened(call), [row or 0])], Wanted())
    return found[0] if found else None


def page(prediction_log: PredictionLog, wanted: Wanted, limit: int, cursor: str | None = None) -> PredictionPage:
    """Predictions that are meant, newest first, at most `limit`; those after a cursor, which an earlier page gave.

    Raises ValueError for a cursor that no page gave.
    """
    found: list[Logged] = []
    for looked, (candidates, passed) in enumerate(_pieces(prediction_log, wanted, cursor), start=1):
        found += _chosen(prediction_log, candidates, wanted)
        if len(found) > limit:
            return PredictionPage(predictions=found[:limit], next=found[limit - 1].id)
        if len(found) == limit or looked == MOST_PIECES:
            return PredictionPage(predictions=found, next=passed)
    return PredictionPage(predictions=found, next=None)


Candidates = list[tuple[Opened, Sequence[int]]]
"""Calls and those of their rows that are looked at."""


def _pieces(prediction_log: PredictionLog, wanted: Wanted, cursor: str | None) -> Iterator[tuple[Candidates, str]]:
    """What comes after a cursor, in order and in pieces, each with the cursor behind it.

    A cursor is the name of the last prediction that was passed, or the id of a call that was passed as a whole.
    """
    since = first_at(wanted.since) if wanted.since is not None else ""
    before = first_at(wanted.until) if wanted.until is not None else None
    if cursor is not None:
        call_id, row = parts_of(cursor)
        made_at(call_id)
        within = since <= call_id and (before is None or call_id < before)
        before = min(before or call_id, call_id)
        if row is not None and within and (call := prediction_log.call(call_id)) is not None:
            yield from _rows(call, row + 1) if wanted.fits_call(call) else ()
    while calls := prediction_log.calls(before=before, since=since, limit=PIECE):
        before = calls[-1].id
        together: Candidates = []
        for call in calls:
            if call.content == "shot":
                together += [(Opened(call), [0])] if wanted.fits_call(call) else []
            elif wanted.fits_call(call):
                if together:
                    yield together, together[-1][0].call.id
                together = []
                yield from _rows(call, 0)
        yield together, before


def _rows(call: Call, first: int) -> Iterator[tuple[Candidates, str]]:
    """The rows of a batch from one on."""
    opened = Opened(call)
    for start in range(first, call.rows, PIECE):
        rows = range(start, min(start + PIECE, call.rows))
        yield [(opened, rows)], opened.name(rows[-1])


def _chosen(prediction_log: PredictionLog, candidates: Candidates, wanted: Wanted) -> list[Logged]:
    """The predictions that are meant among candidates."""
    deleted = prediction_log.deleted([opened.call.id for opened, _ in candidates if opened.call.content != "shot"])
    there = [
        (opened, [r for r in rows if r not in deleted.get(opened.call.id, ()) and not isnan(opened.probabilities[r])])
        for opened, rows in candidates
    ]
    outcomes = prediction_log.outcomes([opened.name(row) for opened, rows in there for row in rows])
    return [
        prediction
        for opened, rows in there
        for prediction in opened.predictions(
            [row for row in rows if wanted.fits_outcome(outcomes.get(opened.name(row)))], outcomes
        )
        if wanted.fits_request(prediction.request)
    ]
