"""GET /metrics: what Prometheus reads."""

from __future__ import annotations

import anyio
from litestar import Response, get
from litestar.handlers import HTTPRouteHandler

from parivision_serving.web.admission import NO_KEY, OPEN, SCOPE
from parivision_serving.web.metrics import CONTENT_TYPE, Metrics

MEDIA_TYPE = CONTENT_TYPE.partition("; charset")[0]
"""Litestar names the charset of all text."""


def metrics_route(metrics: Metrics) -> HTTPRouteHandler:
    """Build the handler."""

    @get(
        "/metrics",
        operation_id="metrics",
        summary="Metrics for Prometheus",
        description="Requests, predictions, the prediction log, the champion and drift, in Prometheus' text format.",
        tags=["health"],
        media_type=MEDIA_TYPE,
        opt={SCOPE: OPEN},
        security=NO_KEY,
    )
    async def read() -> Response[bytes]:
        # Several workers' files are read and added up: not on the thread that answers predictions.
        return Response(await anyio.to_thread.run_sync(metrics.exposition), media_type=MEDIA_TYPE)

    return read
