"""One prediction, from a question to an answer that is counted and kept: the hot path, without a thread or a frame."""

from __future__ import annotations

import struct
from http import HTTPStatus
from time import perf_counter
from typing import TYPE_CHECKING, Annotated, Any

import msgspec
from msgspec import Meta

from parivision_core.prediction_log.base import Call
from parivision_core.sport import Sport
from parivision_serving.prediction.champion import Pair, Watcher
from parivision_serving.prediction.explaining import explain
from parivision_serving.prediction.micro_batches import Together
from parivision_serving.prediction.schemas import Evidence, Prediction, prediction_of
from parivision_serving.prediction.served import served
from parivision_serving.prediction_log.recorder import Recorder
from parivision_serving.web.context import Context
from parivision_serving.web.metrics import Metrics
from parivision_serving.web.problems import InvalidRequestError

if TYPE_CHECKING:
    from litestar.types import Receive, Scope, Send

_encode = msgspec.json.Encoder().encode
_double = struct.Struct("<d").pack


def question_of(request: type[msgspec.Struct]) -> type[msgspec.Struct]:
    """A sport's request with what the service offers beside."""
    options: Any = [
        ("explain", Annotated[bool, Meta(description="Also tell what moved the probability.")], False),
        (
            "durable",
            Annotated[
                bool, Meta(description="Answer once the prediction is in the prediction log and survives a crash.")
            ],
            False,
        ),
    ]
    return msgspec.defstruct(
        "Question", options, bases=(request,), kw_only=True, frozen=True, forbid_unknown_fields=True, omit_defaults=True
    )


class Predictor:
    """Answers questions of one sport with the pair in service."""

    def __init__(self, sport: Sport, watcher: Watcher, recorder: Recorder, metrics: Metrics) -> None:
        self.answer = prediction_of(sport.details)
        """What OpenAPI is to show of an answer."""
        self._sport, self._watcher, self._recorder, self._metrics = sport, watcher, recorder, metrics
        self._together = Together()

    async def predict(
        self, question: Any, context: Context, *, explained: bool = False, durable: bool = False
    ) -> Prediction:
        """Answer one question, which the prediction log keeps; explained, it takes a millisecond more.

        Raises InvalidRequestError for a question that contradicts itself, NotReadyError without a champion, and, if the
        answer is to be durable, what the prediction log raises when it can't keep it.
        """
        if found := self._sport.problems(question):
            raise InvalidRequestError(found)
        pair = served(self._watcher)  # once: the pair may be swapped while this request is answered
        began = perf_counter()
        prepared = self._sport.prepare(question, pair.feature_state)
        probability = await self._together.predict(pair.bundle, prepared.features, prepared.offset)
        if not 0 < probability < 1:
            raise ValueError(f"version {pair.champion.version} answers {probability} to {_encode(question)[:500]!r}")
        self._metrics.predicted(pair.champion.version, probability, perf_counter() - began)
        call = self._call(question, context, pair, prepared, probability)
        if durable:
            await self._recorder.keep(call)
        else:
            self._recorder.record(call)
        return self.answer(
            explanation=explain(pair, self._sport, question) if explained else msgspec.UNSET,
            id=context.id,
            probability=probability,
            prediction=int(probability >= 0.5),
            confidence=max(probability, 1 - probability),
            expected_points=probability * prepared.points,
            league_average=prepared.league_average,
            shot=prepared.details,
            evidence=Evidence(league_shots=pair.record.shots, shooter_shots=prepared.shooter_shots),
            champion_version=pair.champion.version,
            champion_sha256=pair.champion.sha256,
            feature_state_stamp=pair.record.stamp,
            feature_state_through=pair.record.through,
        )

    def _call(self, question: Any, context: Context, pair: Pair, prepared: Any, probability: float) -> Call:
        key = self._sport.shot_key(question)
        return Call(
            id=context.id,
            content="shot",
            request=_encode(question),
            probability=_double(probability),
            schema=pair.record.schema,
            features=prepared.features.tobytes() + prepared.offset.tobytes(),
            champion_version=pair.champion.version,
            champion_sha256=pair.champion.sha256,
            feature_state_stamp=pair.record.stamp,
            latency_us=context.latency_us(),
            caller=context.caller.name,
            awaited=((0, key),) if key else (),
        )


class JsonAnswer:
    """An answer on its way out: what Litestar's own response would send, without what it could do besides."""

    __slots__ = ("_body",)

    def __init__(self, answer: Any) -> None:
        """Encode a struct."""
        self._body = _encode(answer)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send it with status 200."""
        headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(self._body))]
        await send({"type": "http.response.start", "status": HTTPStatus.OK, "headers": headers})
        await send({"type": "http.response.body", "body": self._body, "more_body": False})
