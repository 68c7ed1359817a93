"""How each server is asked: about one shot, and about many at once where it takes them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from benchmarks.load import Run
from benchmarks.serving_peers.questions import Kind, Questions
from benchmarks.serving_peers.server import Server
from parivision_core.arrow import MEDIA_TYPE as ARROW


@dataclass(frozen=True)
class Way:
    """One way of asking one server."""

    server: str
    path: str
    field: str
    shape: str
    body: Kind
    media_type: str = "application/json"

    def run(self, server: Server, questions: Questions, connections: int, seconds: float, rows: int = 1) -> Run:
        """What the load generator is to do."""
        given: dict[str, Any] = {name: getattr(self, name) for name in ("path", "field", "shape", "media_type")}
        return Run(
            port=server.port,
            bodies=questions.bodies(self.body, rows),
            connections=connections,
            seconds=seconds,
            pids=server.pids,
            rows=rows,
            **given,
        )


SINGLE = {
    "ours": Way("ours", "/api/v1/predict", "probability", "number", "shot"),
    "noop": Way("noop", "/predict", "probability", "number", "shot"),
    "original": Way("original", "/predict", "prediction", "number", "inputs"),
    "mlflow": Way("mlflow", "/invocations", "predictions", "numbers", "split"),
    "litserve": Way("litserve", "/predict", "probability", "number", "shot"),
}
BATCH = {
    "ours_arrow": Way("ours", "/api/v1/predict/batch", "probability", "arrow", "arrow", ARROW),
    "ours_json": Way("ours", "/api/v1/predict/batch", "predictions", "rows", "rows"),
    "mlflow_json": Way("mlflow", "/invocations", "predictions", "numbers", "split"),
    "mlflow_csv": Way("mlflow", "/invocations", "predictions", "numbers", "csv", "text/csv"),
}
"""Those that take many rows at once."""
