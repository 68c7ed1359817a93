"""Many predictions for one request: worked on in a thread, in pieces, so that single ones go on being answered."""

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
from parivision_serving.prediction.bulk_arrow import written
from parivision_serving.prediction.bulk_rows import BulkRows, Piece, RowProblem
from parivision_serving.prediction.champion import Pair, Watcher
from parivision_serving.prediction.served import served
from parivision_serving.prediction_log.recorder import Recorder
from parivision_serving.web.admission import RETRY_SECONDS, TooManyRequestsError
from parivision_serving.web.context import Context
from parivision_serving.web.metrics import Metrics

AT_ONCE = 2
WAITING = 4
"""Batches that wait while others are worked on; each may hold its body in memory."""
ENCODED_ROWS = 2_000
"""Rows that are written as JSON at once."""

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

    id: Annotated[str, Meta(description="Names the batch; that of a row's prediction adds `:` and its number.")]
    champion_version: int
    champion_sha256: str
    feature_state_stamp: str
    feature_state_through: str | None
    predictions: Annotated[list[Chance | None], Meta(description="One for each row; null where it was refused.")]
    problems: Annotated[list[RowProblem], Meta(description="Rows that were refused, counted from 0, and why.")]


class _Encoded(msgspec.Struct, frozen=True, kw_only=True):
    """A BulkAnswer whose predictions are written already."""

    id: str
    champion_version: int
    champion_sha256: str
    feature_state_stamp: str
    feature_state_through: str | None
    predictions: msgspec.Raw
    problems: msgspec.Raw


@dataclass(frozen=True)
class Answers:
    """What came of a batch of n rows; numbers are NaN where a row was refused."""

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
        """As a stream of columns."""
        told = {p.row: "; ".join(f"{e.field}: {e.message}" for e in p.errors) for p in self.problems}
        source = {
            "id": call_id,
            "champion_version": str(pair.champion.version),
            "champion_sha256": pair.champion.sha256,
            "feature_state_stamp": pair.record.stamp,
            "feature_state_through": pair.record.through or "",
        }
        return written(self.columns, told, source)

    def _chances(self) -> bytes:
        refused = {problem.row for problem in self.problems}
        rows = zip(*(column.tolist() for column in self.columns.values()), strict=True)
        return _joined(Chance(*row) if number not in refused else None for number, row in enumerate(rows))


def _joined(values: Iterable[Any]) -> bytes:
    """A JSON array, encoded in parts: the interpreter's lock isn't held for long."""
    pending = list(values)
    parts = [
        msgspec.json.encode(pending[start : start + ENCODED_ROWS])[1:-1]
        for start in range(0, len(pending), ENCODED_ROWS)
    ]
    return b"[%b]" % b",".join(parts)


def predict_all(pieces: Iterable[Piece], pair: Pair, sport: Sport) -> Answers:
    """Predict the pieces of a batch by one pair.

    Raises ValueError when the model answers what is no probability, and what reading the pieces raises.
    """
    numbers: list[NDArray[np.float64]] = []
    problems: list[RowProblem] = []
    awaited: list[tuple[int, str]] = []
    first = 0
    for piece in pieces:
        answered = np.full((3, piece.rows), np.nan)
        if len(piece.sound):
            prepared = sport.prepare_many(piece.columns, pair.feature_state)
            probability = _predicted(pair, prepared)
            if not ((probability > 0) & (probability < 1)).all():
                raise ValueError(f"version {pair.champion.version} answers what is no probability in a batch")
            answered[:, piece.sound] = probability, probability * prepared.points, prepared.league_average
            awaited += [(first + int(piece.sound[row]), key) for row, key in sport.shot_keys(piece.columns)]
        numbers.append(answered)
        problems += piece.refused
        first += piece.rows
    probability, points, average = np.concatenate([*numbers, np.empty((3, 0))], axis=1)
    return Answers(probability, points, average, problems, awaited)


def _predicted(pair: Pair, prepared: PreparedMany) -> NDArray[np.float64]:
    """Probabilities (n,). Rows go in by their offset: like ones follow each other, which saves the trees a tenth."""
    order = np.argsort(prepared.offset)
    probability = np.empty(len(order))
    probability[order] = pair.bundle.predict(prepared.features[order], prepared.offset[order])
    return probability


class BulkPredictor:
    """Answers batches of one sport with the pair in service, a few at once."""

    def __init__(self, sport: Sport, watcher: Watcher, recorder: Recorder, metrics: Metrics) -> None:
        self._sport, self._watcher, self._recorder, self._metrics = sport, watcher, recorder, metrics
        self._rows = BulkRows(sport)
        self._limiter = CapacityLimiter(AT_ONCE)
        self.under_way = 0
        """Batches that are worked on or wait."""

    def check_place(self) -> None:
        """Raise TooManyRequestsError when all places are taken."""
        if self.under_way >= AT_ONCE + WAITING:
            raise TooManyRequestsError("as many batches as can be held are under way; try again later", RETRY_SECONDS)

    @asynccontextmanager
    async def admitted(self) -> AsyncIterator[None]:
        """A place among the batches that are worked on or wait, to be had once the body is there.

        Raises TooManyRequestsError when all are taken.
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
        """The encoded answer to a batch, which the prediction log keeps, and the pair that gave it.

        Raises InvalidRequestError or TooLargeError for a body that can't be read, NotReadyError without a champion,
        PredictionLogFullError when the prediction log has no room for it in time, and, if the answer is to be durable, what the
        prediction log raises when it can't keep it.
        """
        pair = served(self._watcher)  # once: the pair may be swapped while this request is answered

        def work() -> tuple[bytes, Call]:
            began = perf_counter()
            pieces = self._rows.from_json(body) if content == "rows" else self._rows.from_arrow(body)
            answers = predict_all(pieces, pair, self._sport)
            self._metrics.predicted_many(pair.champion.version, answers.probability, perf_counter() - began)
            encoded = answers.json(context.id, pair) if wanted == "rows" else answers.arrow(context.id, pair)
            return encoded, _call(context, content, body, pair, answers)

        encoded, call = await to_thread.run_sync(work, limiter=self._limiter)
        await (
            self._recorder.room()
        )  # a single prediction is forgotten rather than refused, a batch is worth waiting for
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
