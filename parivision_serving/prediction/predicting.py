"""Single predictions, the hot path: from a request to an answer that is counted and logged."""

from __future__ import annotations

import struct
from http import HTTPStatus
from time import perf_counter
from typing import TYPE_CHECKING, Annotated, Any

import msgspec
from msgspec import Meta

from parivision_core.prediction_log.base import Call
from parivision_core.sport import Sport
from parivision_serving.prediction.champion import Pair, Watcher, pair_in_service
from parivision_serving.prediction.explaining import explain
from parivision_serving.prediction.micro_batches import MicroBatcher
from parivision_serving.prediction.schemas import Evidence, Prediction, prediction_of
from parivision_serving.prediction_log.recorder import Recorder
from parivision_serving.web.context import Context
from parivision_serving.web.metrics import Metrics
from parivision_serving.web.problems import InvalidRequestError

if TYPE_CHECKING:
    from litestar.types import Receive, Scope, Send

_encode = msgspec.json.Encoder().encode
_double = struct.Struct("<d").pack


def request_type_of(request: type[msgspec.Struct]) -> type[msgspec.Struct]:
    """A sport's request with the options of the service."""
    options: Any = [
        ("explain", Annotated[bool, Meta(description="Also explain what moved the probability.")], False),
        (
            "durable",
            Annotated[
                bool, Meta(description="Answer once the prediction is in the prediction log and survives a crash.")
            ],
            False,
        ),
    ]
    return msgspec.defstruct(
        "PredictionRequest",
        options,
        bases=(request,),
        kw_only=True,
        frozen=True,
        forbid_unknown_fields=True,
        omit_defaults=True,
    )


class Predictor:
    """Answers prediction requests of one sport with the pair in service."""

    def __init__(self, sport: Sport, watcher: Watcher, recorder: Recorder, metrics: Metrics) -> None:
        self.answer = prediction_of(sport.details)
        """Type of the answers, for OpenAPI."""
        self._sport, self._watcher, self._recorder, self._metrics = sport, watcher, recorder, metrics
        self._micro_batcher = MicroBatcher()

    async def predict(
        self, request: Any, context: Context, *, explained: bool = False, durable: bool = False
    ) -> Prediction:
        """Answer one request, which the prediction log keeps; an explanation takes a millisecond more.

        Raises InvalidRequestError for a request that contradicts itself, NotReadyError without a champion, and with
        `durable` the StoreError of a prediction log that can't be written.
        """
        if found := self._sport.problems(request):
            raise InvalidRequestError(found)
        pair = pair_in_service(self._watcher)  # once: the pair may be swapped while this request is answered
        began = perf_counter()
        prepared = self._sport.prepare(request, pair.feature_state)
        probability = await self._micro_batcher.predict(pair.bundle, prepared.features, prepared.offset)
        if not 0 < probability < 1:
            raise ValueError(f"version {pair.champion.version} answers {probability} to {_encode(request)[:500]!r}")
        self._metrics.predicted(pair.champion.version, probability, perf_counter() - began)
        call = self._call(request, context, pair, prepared, probability)
        if durable:
            await self._recorder.keep(call)
        else:
            self._recorder.record(call)
        return self.answer(
            explanation=explain(pair, self._sport, request) if explained else msgspec.UNSET,
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

    def _call(self, request: Any, context: Context, pair: Pair, prepared: Any, probability: float) -> Call:
        key = self._sport.shot_key(request)
        return Call(
            id=context.id,
            content="shot",
            request=_encode(request),
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
    """A JSON response of bytes: sends what Litestar's own would, at a fraction of its cost."""

    __slots__ = ("_body",)

    def __init__(self, answer: Any) -> None:
        """Encode the answer, a struct."""
        self._body = _encode(answer)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the answer with status 200."""
        headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(self._body))]
        await send({"type": "http.response.start", "status": HTTPStatus.OK, "headers": headers})
        await send({"type": "http.response.body", "body": self._body, "more_body": False})
