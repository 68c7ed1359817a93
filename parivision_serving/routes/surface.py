"""GET /api/v1/<surface>/expected: the expected points of a shot from every spot, for maps."""

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
from parivision_serving.prediction.champion import Pair, Watcher, pair_in_service
from parivision_serving.web.body import field_problems
from parivision_serving.web.operations import PlainOperation, answer_spec
from parivision_serving.web.problems import InvalidRequestError, problem_specs
from parivision_serving.web.queries import optional, refuse_misread, with_queries

_TYPES = {"number": float, "whole number": int, "yes or no": bool, "word": str, "text": str}
_LIMITS = {"greater": "gt", "greater_equal": "ge", "less": "lt", "less_equal": "le"}
KEPT = 32
"""Maps that are kept, of some 100 to 600 kB each."""


class ExpectedMap(msgspec.Struct, frozen=True, kw_only=True):
    """The champion's answers for a grid of spots, row by row: that for x[i], y[j] is number j * len(x) + i."""

    champion_version: int
    champion_sha256: str
    feature_state_stamp: str
    feature_state_through: str | None
    x: Annotated[list[float], Meta(description="In the units of a prediction request; ascending.")]
    y: Annotated[list[float], Meta(description="In the units of a prediction request; ascending.")]
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
    """Build the handler, with the parameters of the sport."""
    surface = sport.surface
    fields = fields_of(surface.query)
    decode = msgspec.json.Decoder(surface.query).decode
    limiter = CapacityLimiter(1)  # a map takes 30 ms: several at once would delay single predictions
    kept: OrderedDict[tuple[str, str, Any], bytes] = OrderedDict()

    route = get(
        f"/api/v1/{surface.name}/expected",
        operation_id="expected_map",
        operation_class=PlainOperation,
        summary="Expected points of a shot from every spot",
        description="Probability, expected points and the league's make rate for a grid of spots around x = y = 0. "
        "Without parameters it describes an average shooter in the middle of a period.",
        tags=["prediction"],
        responses={
            **answer_spec(ExpectedMap, "The map.", EXAMPLE),
            **problem_specs(
                HTTPStatus.UNPROCESSABLE_ENTITY, HTTPStatus.SERVICE_UNAVAILABLE, HTTPStatus.INTERNAL_SERVER_ERROR
            ),
        },
    )

    def query_from(given: dict[str, Any]) -> Any:
        """The sport's query from the parameters, None for those left out."""
        body = msgspec.json.encode({name: value for name, value in given.items() if value is not None})
        try:
            query = decode(body)
        except msgspec.DecodeError as error:
            raise InvalidRequestError(field_problems(body, surface.query, error)) from None
        if found := surface.problems(query):
            raise InvalidRequestError(found)
        return query

    async def expected(request: Request[Any, Any, Any], **given: Any) -> Response[bytes]:
        refuse_misread(request, given)
        query = query_from(given)
        pair = pair_in_service(watcher)
        key = (pair.champion.sha256, pair.record.stamp, query)
        encoded = kept.pop(key, None)
        if encoded is None:
            encoded = await to_thread.run_sync(_computed, sport, pair, query, limiter=limiter)
        kept[key] = encoded  # at the end, as the one used last
        if len(kept) > KEPT:
            kept.popitem(last=False)
        return Response(encoded, media_type="application/json")

    return route(with_queries(expected, {field.name: _query_of(field) for field in fields}))


def _query_of(field: RequestField) -> Any:
    """The type of a field's query parameter; its value is checked when all parameters are decoded together."""
    limits: dict[str, Any] = {_LIMITS[comparison]: limit for comparison, limit in field.bounds}
    if field.kind == "word":
        limits["schema_extra"] = {"enum": [code for code in field.codes if type(code) is str]}
    example = field.examples[0] if field.examples else True
    return optional(_TYPES[field.kind], field.description, example, **limits)


def _computed(sport: Sport, pair: Pair, query: Any) -> bytes:
    x, y, columns = sport.surface.places(query)
    prepared = sport.prepare_many(columns, pair.feature_state)
    probability = pair.bundle.predict(prepared.features, prepared.offset).astype(np.float64)
    if not ((probability > 0) & (probability < 1)).all():
        raise ValueError(f"version {pair.champion.version} returned a number that is no probability for {query}")
    expected = ExpectedMap(
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
    return msgspec.json.encode(expected)
