"""Bulk requests: many predictions, computed in a thread and in pieces, so that single ones are answered meanwhile."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import cached_property
from time import perf_counter
from typing import Annotated, Any, Literal

import msgspec
import numpy as np
from anyio import CapacityLimiter, to_thread
from msgspec import Meta
from numpy.typing import NDArray

from parivision_core.prediction_log.base import Call
from parivision_core.sport import PreparedMany, Sport
from parivision_serving.prediction.bulk_arrow import encode_arrow
from parivision_serving.prediction.bulk_rows import BulkRows, Piece, RowProblem
from parivision_serving.prediction.champion import Pair, Watcher, pair_in_service
from parivision_serving.prediction_log.recorder import Recorder
from parivision_serving.web.admission import RETRY_SECONDS, TooManyRequestsError
from parivision_serving.web.context import Context
from parivision_serving.web.metrics import Metrics

AT_ONCE = 2
WAITING = 4
"""Bulk requests that wait while others are worked on; each may hold its body in memory."""
ENCODED_ROWS = 2_000
"""Rows that are encoded as JSON at once."""

Content = Literal["rows", "arrow"]


class Chance(msgspec.Struct, frozen=True, gc=False):
    """The chance of a make; see Prediction."""

    probability: Annotated[float, Meta(description="Chance that the shot goes in, between 0 and 1, both exclusive.")]
    expected_points: Annotated[float, Meta(description="Probability times the points of a make.")]
    league_average: Annotated[
        float, Meta(description="Make rate of the league from this spot as of the feature state.")
    ]


class BulkAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """Predictions in the order of the rows."""

    id: Annotated[
        str, Meta(description="Id of the bulk request; a row's prediction has this id, `:` and the row's number.")
    ]
    champion_version: int
    champion_sha256: str
    feature_state_stamp: str
    feature_state_through: str | None
    predictions: Annotated[list[Chance | None], Meta(description="One for each row; null where it was refused.")]
    problems: Annotated[list[RowProblem], Meta(description="Rows that were refused, counted from 0, and why.")]


class _Encoded(msgspec.Struct, frozen=True, kw_only=True):
    """A BulkAnswer whose predictions are encoded already."""

    id: str
    champion_version: int
    champion_sha256: str
    feature_state_stamp: str
    feature_state_through: str | None
    predictions: msgspec.Raw
    problems: msgspec.Raw


@dataclass(frozen=True)
class Answers:
    """The results for n rows; numbers are NaN where a row was refused."""

    probability: NDArray[np.float64]
    expected_points: NDArray[np.float64]
    league_average: NDArray[np.float64]
    problems: list[RowProblem]
    awaited: list[tuple[int, str]]

    @cached_property
    def columns(self) -> dict[str, NDArray[np.float64]]:
        """The numbers by name."""
        return {name: getattr(self, name) for name in Chance.__struct_fields__}

    def json(self, call_id: str, pair: Pair) -> bytes:
        """As a BulkAnswer."""
        return msgspec.json.encode(
            _Encoded(
                id=call_id,
                champion_version=pair.champion.version,
                champion_sha256=pair.champion.sha256,
                feature_state_stamp=pair.record.stamp,
                feature_state_through=pair.record.through,
                predictions=msgspec.Raw(self._chances()),
                problems=msgspec.Raw(_joined(self.problems)),
            )
        )

    def arrow(self, call_id: str, pair: Pair) -> bytes:
        """As an Arrow stream of columns."""
        problems = {p.row: "; ".join(f"{e.field}: {e.message}" for e in p.errors) for p in self.problems}
        source = {
            "id": call_id,
            "champion_version": str(pair.champion.version),
            "champion_sha256": pair.champion.sha256,
            "feature_state_stamp": pair.record.stamp,
            "feature_state_through": pair.record.through or "",
        }
        return encode_arrow(self.columns, problems, source)

    def _chances(self) -> bytes:
        refused = {problem.row for problem in self.problems}
        rows = zip(*(column.tolist() for column in self.columns.values()), strict=True)
        return _joined(Chance(*row) if number not in refused else None for number, row in enumerate(rows))


def _joined(values: Iterable[Any]) -> bytes:
    """A JSON array, encoded in parts so that the interpreter's lock isn't held for long."""
    pending = list(values)
    parts = [
        msgspec.json.encode(pending[start : start + ENCODED_ROWS])[1:-1]
        for start in range(0, len(pending), ENCODED_ROWS)
    ]
    return b"[%b]" % b",".join(parts)


def predict_all(pieces: Iterable[Piece], pair: Pair, sport: Sport) -> Answers:
    """Predict the pieces of a bulk request by one pair.

    Raises ValueError when the model returns a number that is no probability, and what reading the pieces raises.
    """
    numbers: list[NDArray[np.float64]] = []
    problems: list[RowProblem] = []
    awaited: list[tuple[int, str]] = []
    first = 0
    for piece in pieces:
        numbers_of_piece = np.full((3, piece.rows), np.nan)
        if len(piece.sound):
            prepared = sport.prepare_many(piece.columns, pair.feature_state)
            probability = _predicted(pair, prepared)
            if not ((probability > 0) & (probability < 1)).all():
                raise ValueError(f"version {pair.champion.version} returned a number that is no probability")
            numbers_of_piece[:, piece.sound] = probability, probability * prepared.points, prepared.league_average
            awaited += [(first + int(piece.sound[row]), key) for row, key in sport.shot_keys(piece.columns)]
        numbers.append(numbers_of_piece)
        problems += piece.refused
        first += piece.rows
    probability, points, average = np.concatenate([*numbers, np.empty((3, 0))], axis=1)
    return Answers(probability, points, average, problems, awaited)


def _predicted(pair: Pair, prepared: PreparedMany) -> NDArray[np.float64]:
    """Probabilities (n,). Rows are sorted by offset: similar rows in sequence take a tenth less time."""
    order = np.argsort(prepared.offset)
    probability = np.empty(len(order))
    probability[order] = pair.bundle.predict(prepared.features[order], prepared.offset[order])
    return probability


class BulkPredictor:
    """Answers bulk requests of one sport with the pair in service, a few at once."""

    def __init__(self, sport: Sport, watcher: Watcher, recorder: Recorder, metrics: Metrics) -> None:
        self._sport, self._watcher, self._recorder, self._metrics = sport, watcher, recorder, metrics
        self._rows = BulkRows(sport)
        self._limiter = CapacityLimiter(AT_ONCE)
        self.under_way = 0
        """Bulk requests that are worked on or wait."""

    def check_place(self) -> None:
        """Raise TooManyRequestsError when all places are taken."""
        if self.under_way >= AT_ONCE + WAITING:
            raise TooManyRequestsError("too many bulk requests are under way; try again later", RETRY_SECONDS)

    @asynccontextmanager
    async def admitted(self) -> AsyncIterator[None]:
        """Hold a place among the bulk requests that are worked on or wait; taken once the body has arrived.

        Raises TooManyRequestsError when all places are taken.
        """
        self.check_place()
        self.under_way += 1
        try:
            yield
        finally:
            self.under_way -= 1

    async def predict(
        self, body: bytes, content: Content, wanted: Content, context: Context, *, durable: bool
    ) -> tuple[bytes, Pair]:
        """The encoded answer, which the prediction log keeps, and the pair that gave it.

        Raises InvalidRequestError or TooLargeError for a body that can't be read, NotReadyError without a champion,
        PredictionLogFullError when the prediction log has no room in time, and with `durable` the StoreError of a
        prediction log that can't be written.
        """
        pair = pair_in_service(self._watcher)  # once: the pair may be swapped while this request is answered

        def work() -> tuple[bytes, Call]:
            began = perf_counter()
            pieces = self._rows.from_json(body) if content == "rows" else self._rows.from_arrow(body)
            answers = predict_all(pieces, pair, self._sport)
            self._metrics.predicted_many(pair.champion.version, answers.probability, perf_counter() - began)
            encoded = answers.json(context.id, pair) if wanted == "rows" else answers.arrow(context.id, pair)
            return encoded, _call(context, content, body, pair, answers)

        encoded, call = await to_thread.run_sync(work, limiter=self._limiter)
        # A single prediction is dropped from a full log rather than refused; a bulk request is worth waiting for.
        await self._recorder.room()
        if durable:
            await self._recorder.keep(call)
        else:
            self._recorder.record(call)
        return encoded, pair


def _call(context: Context, content: Content, body: bytes, pair: Pair, answers: Answers) -> Call:
    return Call(
        id=context.id,
        content=content,
        request=body,
        probability=answers.probability.astype("<f8").tobytes(),
        schema=pair.record.schema,
        champion_version=pair.champion.version,
        champion_sha256=pair.champion.sha256,
        feature_state_stamp=pair.record.stamp,
        latency_us=context.latency_us(),
        caller=context.caller.name,
        awaited=tuple(answers.awaited),
    )
