"""GET /api/v1/<surface>/expected: what a shot from every spot is worth, for maps."""

from __future__ import annotations

from collections import OrderedDict
from http import HTTPStatus
from typing import Annotated, Any

import msgspec
import numpy as np
from anyio import CapacityLimiter, to_thread
from litestar import Request, Response, get
from litestar.handlers import HTTPRouteHandler
from msgspec import Meta

from parivision_core.fields import RequestField, fields_of
from parivision_core.sport import Sport
from parivision_serving.prediction.champion import Pair, Watcher
from parivision_serving.prediction.served import served
from parivision_serving.web.body import field_problems
from parivision_serving.web.operations import PlainOperation, answered
from parivision_serving.web.problems import InvalidRequestError, documented
from parivision_serving.web.queries import optional, refuse_misread, with_queries

_TYPES = {"number": float, "whole number": int, "yes or no": bool, "word": str, "text": str}
_LIMITS = {"greater": "gt", "greater_equal": "ge", "less": "lt", "less_equal": "le"}
KEPT = 32
"""Maps that are kept, of some 100 to 600 kB each."""


class ExpectedMap(msgspec.Struct, frozen=True, kw_only=True):
    """The champion's answers for a grid of spots, by y and then by x: that of x[i], y[j] is number j * len(x) + i."""

    champion_version: int
    champion_sha256: str
    feature_state_stamp: str
    feature_state_through: str | None
    x: Annotated[list[float], Meta(description="As a prediction takes it; ascending.")]
    y: Annotated[list[float], Meta(description="As a prediction takes it; ascending.")]
    probability: list[float]
    expected_points: list[float]
    league_average: Annotated[list[float], Meta(description="Make rate of the league from each spot.")]


EXAMPLE = {
    "champion_version": 3,
    "champion_sha256": "c17e" * 16,
    "feature_state_stamp": "68aa" * 4,
    "feature_state_through": "2023-04-09",
    "x": [-50, 0, 50],
    "y": [0],
    "probability": [0.4713, 0.6544, 0.4702],
    "expected_points": [0.9426, 1.3088, 0.9404],
    "league_average": [0.4811, 0.6592, 0.4811],
}


def surface_route(sport: Sport, watcher: Watcher) -> HTTPRouteHandler:
    """Build the handler; the parameters are the sport's."""
    surface = sport.surface
    fields = fields_of(surface.query)
    decode = msgspec.json.Decoder(surface.query).decode
    limiter = CapacityLimiter(1)  # a map takes 30 ms: several at once would take the cores from single predictions
    kept: OrderedDict[tuple[str, str, Any], bytes] = OrderedDict()

    route = get(
        f"/api/v1/{surface.name}/expected",
        operation_id="expected_map",
        operation_class=PlainOperation,
        summary="What a shot from every spot is worth",
        description="Probability, expected points and the league's make rate for a grid of spots around x = y = 0. "
        "Without parameters it is the map of an average shooter in the middle of a period.",
        tags=["prediction"],
        responses={
            **answered(ExpectedMap, "The map.", EXAMPLE),
            **documented(
                HTTPStatus.UNPROCESSABLE_ENTITY, HTTPStatus.SERVICE_UNAVAILABLE, HTTPStatus.INTERNAL_SERVER_ERROR
            ),
        },
    )

    def asked_by(given: dict[str, Any]) -> Any:
        """What the parameters ask, None standing for one left out."""
        body = msgspec.json.encode({name: value for name, value in given.items() if value is not None})
        try:
            asked = decode(body)
        except msgspec.DecodeError as error:
            raise InvalidRequestError(field_problems(body, surface.query, error)) from None
        if found := surface.problems(asked):
            raise InvalidRequestError(found)
        return asked

    async def expected(request: Request[Any, Any, Any], **given: Any) -> Response[bytes]:
        refuse_misread(request, given)
        asked = asked_by(given)
        pair = served(watcher)
        key = (pair.champion.sha256, pair.record.stamp, asked)
        encoded = kept.pop(key, None)
        if encoded is None:
            encoded = await to_thread.run_sync(_drawn, sport, pair, asked, limiter=limiter)
        kept[key] = encoded  # at the end, as the one asked for last
        if len(kept) > KEPT:
            kept.popitem(last=False)
        return Response(encoded, media_type="application/json")

    return route(with_queries(expected, {field.name: _query_of(field) for field in fields}))


def _query_of(field: RequestField) -> Any:
    """The type of a field's query parameter; what it may hold is checked when all of them are read together."""
    limits: dict[str, Any] = {_LIMITS[comparison]: limit for comparison, limit in field.bounds}
    if field.kind == "word":
        limits["schema_extra"] = {"enum": [code for code in field.codes if type(code) is str]}
    example = field.examples[0] if field.examples else True
    return optional(_TYPES[field.kind], field.description, example, **limits)


def _drawn(sport: Sport, pair: Pair, asked: Any) -> bytes:
    x, y, columns = sport.surface.places(asked)
    prepared = sport.prepare_many(columns, pair.feature_state)
    probability = pair.bundle.predict(prepared.features, prepared.offset).astype(np.float64)
    if not ((probability > 0) & (probability < 1)).all():
        raise ValueError(f"version {pair.champion.version} answers what is no probability to {asked}")
    drawn = ExpectedMap(
        champion_version=pair.champion.version,
        champion_sha256=pair.champion.sha256,
        feature_state_stamp=pair.record.stamp,
        feature_state_through=pair.record.through,
        x=x.tolist(),
        y=y.tolist(),
        probability=probability.tolist(),
        expected_points=(probability * prepared.points).tolist(),
        league_average=prepared.league_average.tolist(),
    )
    return msgspec.json.encode(drawn)
