"""The endpoints of each server: for one shot, and for bulk requests where a server has them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from benchmarks.load import LoadRun
from benchmarks.serving_peers.request_bodies import Kind, RequestBodies
from benchmarks.serving_peers.server import Server
from parivision_core.arrow import MEDIA_TYPE as ARROW


@dataclass(frozen=True)
class Endpoint:
    """A server's endpoint, its request and where its response holds the predictions."""

    server: str
    path: str
    field: str
    shape: str
    body: Kind
    media_type: str = "application/json"

    def run(self, server: Server, bodies: RequestBodies, connections: int, seconds: float, rows: int = 1) -> LoadRun:
        """A run for the load generator."""
        given: dict[str, Any] = {name: getattr(self, name) for name in ("path", "field", "shape", "media_type")}
        return LoadRun(
            port=server.port,
            bodies=bodies.bodies(self.body, rows),
            connections=connections,
            seconds=seconds,
            pids=server.pids,
            rows=rows,
            **given,
        )


SINGLE = {
    "ours": Endpoint("ours", "/api/v1/predict", "probability", "number", "shot"),
    "noop": Endpoint("noop", "/predict", "probability", "number", "shot"),
    "original": Endpoint("original", "/predict", "prediction", "number", "inputs"),
    "mlflow": Endpoint("mlflow", "/invocations", "predictions", "numbers", "split"),
    "litserve": Endpoint("litserve", "/predict", "probability", "number", "shot"),
}
BULK = {
    "ours_arrow": Endpoint("ours", "/api/v1/predict/bulk", "probability", "arrow", "arrow", ARROW),
    "ours_json": Endpoint("ours", "/api/v1/predict/bulk", "predictions", "rows", "rows"),
    "mlflow_json": Endpoint("mlflow", "/invocations", "predictions", "numbers", "split"),
    "mlflow_csv": Endpoint("mlflow", "/invocations", "predictions", "numbers", "csv", "text/csv"),
}
"""Endpoints that take many rows at once."""
