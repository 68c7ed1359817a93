"""The prediction log for readers: calls expanded into single predictions, found by name or page by page."""

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

from parivision_core import arrow
from parivision_core.arrays import Floats
from parivision_core.prediction_log.base import Call, Outcome, PredictionLog
from parivision_core.prediction_log.ids import first_at, made_at, name_of, parts_of

PIECE = 250
"""Predictions examined at once."""
MOST_PIECES = 20
"""Pieces examined for one page: a filter that matches few predictions gives short pages, not slow ones."""

OutcomeFilter = Literal["known", "unknown", "made", "missed"]


class LoggedPrediction(msgspec.Struct, frozen=True, kw_only=True):
    """One prediction in the prediction log."""

    id: Annotated[str, Meta(description="A UUID of version 7; a row of a bulk request adds `:` and its number.")]
    made_at: Annotated[int, Meta(description="Milliseconds since 1970.")]
    request: Annotated[
        dict[str, Any] | None, Meta(description="The request as it was sent; null if it can't be read any more.")
    ]
    probability: float
    champion_version: int
    champion_sha256: str
    feature_state_stamp: str
    feature_schema: str
    latency_ms: Annotated[float, Meta(description="From request to answer; for a row, that of its whole bulk request.")]
    caller: Annotated[str, Meta(description="Name of the API key; empty without one.")]
    outcome: Annotated[Outcome | None, Meta(description="The shot's outcome; null until it is reported.")] = None


class PredictionPage(msgspec.Struct, frozen=True, kw_only=True):
    """Some predictions, newest first; the rows of a bulk request come in their order."""

    predictions: list[LoggedPrediction]
    next: Annotated[
        str | None,
        Meta(description="Cursor of the next page; null on the last. Earlier pages may be short or empty, too."),
    ]


@dataclass(frozen=True)
class PredictionQuery:
    """Which predictions to find; what isn't given isn't restricted."""

    since: int | None = None
    until: int | None = None
    """Milliseconds since 1970: from `since` on, and before `until`."""
    champion_version: int | None = None
    caller: str | None = None
    outcome: OutcomeFilter | None = None
    fields: Mapping[str, Collection[Any]] = field(default_factory=dict)
    """Field of the request -> the values that it may have."""

    def fits_call(self, call: Call) -> bool:
        """Whether predictions of a call may match."""
        return self.champion_version in (None, call.champion_version) and self.caller in (None, call.caller)

    def fits_outcome(self, outcome: Outcome | None) -> bool:
        """Whether a prediction with this outcome matches."""
        if self.outcome in (None, "known", "unknown"):
            return self.outcome is None or (self.outcome == "known") == (outcome is not None)
        return outcome is not None and outcome.made == (self.outcome == "made")

    def fits_request(self, request: Mapping[str, Any] | None) -> bool:
        """Whether a prediction for this request matches."""
        return all(request is not None and request.get(name) in values for name, values in self.fields.items())


class OpenedCall:
    """A call whose parts are decoded once, when they are first needed."""

    def __init__(self, call: Call) -> None:
        self.call = call

    @cached_property
    def probabilities(self) -> Floats:
        """The probability of each row, (n,); NaN where the row was refused."""
        return np.frombuffer(self.call.probability, "<f8")

    @cached_property
    def _objects(self) -> list[msgspec.Raw]:
        """The request of each JSON row, not yet decoded, for there may be 100,000; empty for a damaged body."""
        if self.call.content == "shot":
            return [msgspec.Raw(self.call.request)]
        try:
            return msgspec.json.decode(self.call.request, type=list[msgspec.Raw])
        except msgspec.DecodeError:
            return []

    @cached_property
    def _columns(self) -> list[tuple[int, dict[str, arrow.Column]]]:
        """The record batches of an Arrow stream, each with the number of its first row; empty for a damaged stream."""
        try:
            batches = list(arrow.read(self.call.request, self.call.rows))
        except arrow.StreamError:
            return []
        lengths = [max((len(column.values) for column in columns.values()), default=0) for columns in batches]
        whole = sum(lengths) == self.call.rows
        return list(zip(accumulate(lengths, initial=0), batches, strict=False)) if whole else []

    def request(self, row: int) -> dict[str, Any] | None:
        """The request of a row; None where it can't be read, though the prediction can."""
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

    def predictions(self, rows: Sequence[int], outcomes: Mapping[str, Outcome]) -> Iterator[LoggedPrediction]:
        """The predictions of some rows."""
        call = self.call
        for row in rows:
            yield LoggedPrediction(
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


def find(prediction_log: PredictionLog, name: str) -> LoggedPrediction | None:
    """A prediction by its name; None if it doesn't exist, or if its row was refused or deleted.

    Raises ValueError for a text that is no such name.
    """
    call_id, row = parts_of(name)
    call = prediction_log.call(call_id)
    if call is None or (row is None) != (call.content == "shot") or not 0 <= (row or 0) < call.rows:
        return None
    found = _chosen(prediction_log, [(OpenedCall(call), [row or 0])], PredictionQuery())
    return found[0] if found else None


def page(
    prediction_log: PredictionLog, query: PredictionQuery, limit: int, cursor: str | None = None
) -> PredictionPage:
    """Predictions that match, newest first, at most `limit`; those after a cursor that an earlier page gave.

    Raises ValueError for a cursor that no page gave.
    """
    found: list[LoggedPrediction] = []
    for examined, (candidates, cursor_after) in enumerate(_pieces(prediction_log, query, cursor), start=1):
        found += _chosen(prediction_log, candidates, query)
        if len(found) > limit:
            return PredictionPage(predictions=found[:limit], next=found[limit - 1].id)
        if len(found) == limit or examined == MOST_PIECES:
            return PredictionPage(predictions=found, next=cursor_after)
    return PredictionPage(predictions=found, next=None)


Candidates = list[tuple[OpenedCall, Sequence[int]]]
"""Calls and the rows of each that are examined."""


def _pieces(
    prediction_log: PredictionLog, query: PredictionQuery, cursor: str | None
) -> Iterator[tuple[Candidates, str]]:
    """What comes after a cursor, in order and in pieces, each with the cursor that follows it.

    A cursor is the name of the last prediction that was examined, or the id of a call that was examined as a whole.
    """
    since = first_at(query.since) if query.since is not None else ""
    before = first_at(query.until) if query.until is not None else None
    if cursor is not None:
        call_id, row = parts_of(cursor)
        made_at(call_id)
        within = since <= call_id and (before is None or call_id < before)
        before = min(before or call_id, call_id)
        if row is not None and within and (call := prediction_log.call(call_id)) is not None:
            yield from _rows(call, row + 1) if query.fits_call(call) else ()
    while calls := prediction_log.calls(before=before, since=since, limit=PIECE):
        before = calls[-1].id
        together: Candidates = []
        for call in calls:
            if call.content == "shot":
                together += [(OpenedCall(call), [0])] if query.fits_call(call) else []
            elif query.fits_call(call):
                if together:
                    yield together, together[-1][0].call.id
                together = []
                yield from _rows(call, 0)
        yield together, before


def _rows(call: Call, first: int) -> Iterator[tuple[Candidates, str]]:
    """The rows of a bulk request from `first` on."""
    opened = OpenedCall(call)
    for start in range(first, call.rows, PIECE):
        rows = range(start, min(start + PIECE, call.rows))
        yield [(opened, rows)], opened.name(rows[-1])


def _chosen(prediction_log: PredictionLog, candidates: Candidates, query: PredictionQuery) -> list[LoggedPrediction]:
    """The candidates that match."""
    deleted = prediction_log.deleted([opened.call.id for opened, _ in candidates if opened.call.content != "shot"])
    present = [
        (opened, [r for r in rows if r not in deleted.get(opened.call.id, ()) and not isnan(opened.probabilities[r])])
        for opened, rows in candidates
    ]
    outcomes = prediction_log.outcomes([opened.name(row) for opened, rows in present for row in rows])
    return [
        prediction
        for opened, rows in present
        for prediction in opened.predictions(
            [row for row in rows if query.fits_outcome(outcomes.get(opened.name(row)))], outcomes
        )
        if query.fits_request(prediction.request)
    ]
