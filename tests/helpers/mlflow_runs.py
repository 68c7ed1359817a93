"""A fake MLflow that also has runs: it stores what the pipeline logs, and answers over HTTP as MLflow would."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from parivision_core.nba.shots import NBA
from tests.helpers.serving_setup import FakeMlflow


@dataclass
class LoggedRun:
    """One run, with the functions of the `mlflow` module that the pipeline calls."""

    run_id: str
    experiment_id: str = "1"
    status: str = "FINISHED"
    ended_at: int = 1_700_000_000_000
    params: dict[str, str] = field(default_factory=dict)
    metrics: dict[str, float] = field(default_factory=dict)
    files: dict[str, bytes] = field(default_factory=dict)

    def set_tag(self, _name: str, _value: str) -> None:
        """Do nothing: tags of runs aren't read."""

    def log_params(self, params: dict[str, Any]) -> None:
        self.params |= {name: str(value) for name, value in params.items()}

    def log_metrics(self, metrics: dict[str, float]) -> None:
        self.metrics |= metrics

    def log_dict(self, value: Any, path: str) -> None:
        self.files[path] = json.dumps(value).encode()

    def log_text(self, text: str, path: str) -> None:
        self.files[path] = text.encode()

    def log_artifact(self, path: str) -> None:
        self.files[Path(path).name] = Path(path).read_bytes()

    def log_artifacts(self, _folder: str, _path: str) -> None:
        """Do nothing: bundles are read by version."""

    def answer(self) -> dict[str, Any]:
        """MLflow's answer about the run; empty lists are left out."""
        data = {"params": pairs(self.params), "metrics": pairs(self.metrics)}
        info = {
            "run_id": self.run_id,
            "experiment_id": self.experiment_id,
            "status": self.status,
            "end_time": self.ended_at,
        }
        return {"info": info, "data": {name: listed for name, listed in data.items() if listed}}


def pairs(values: dict[str, Any]) -> list[dict[str, Any]]:
    return [{"key": name, "value": value} for name, value in values.items()]


class RunsMlflow(FakeMlflow):
    """The fake MLflow of the service's tests, with runs, their files and one experiment of drift reports."""

    def __init__(self) -> None:
        super().__init__()
        self.runs: dict[str, LoggedRun] = {}
        self.drift: list[LoggedRun] | None = None
        """Newest first; None while the experiment doesn't exist."""
        self.tags: dict[int, dict[str, str]] = {}
        self.paths: list[str] = []
        fake = self

        def do_post(handler: Any) -> None:
            body = handler.rfile.read(int(handler.headers["Content-Length"]))
            status, answer = fake.reply(handler.path, json.loads(body))
            handler.send_response(status)
            handler.send_header("Content-Length", str(len(answer)))
            handler.end_headers()
            handler.wfile.write(answer)

        self._handler.do_POST = do_post

    def reply(self, path: str, query: dict[str, Any]) -> tuple[int, bytes]:
        """See FakeMlflow."""
        self.paths.append(path)
        if self.broken:
            return 500, b"the registry's database is locked"
        found = self._runs(path, query)
        if found is not None:
            return (200, found) if isinstance(found, bytes) else (200, json.dumps(found).encode())
        if path == "/model-versions/get-artifact" and not (self._folder(query) / query["path"]).is_file():
            path = "/no such file"
        return super().reply(path, query)

    def _runs(self, path: str, query: dict[str, Any]) -> Any:
        """The answer of a route about runs; None for other routes and unknown names."""
        run = self.runs.get(query.get("run_id", query.get("run_uuid", "")))
        if path == "/api/2.0/mlflow/runs/get":
            return run and {"run": run.answer()}
        if path == "/get-artifact":
            return run and run.files.get(query["path"])
        if path == "/api/2.0/mlflow/experiments/get-by-name" and self.drift is not None:
            assert query["experiment_name"] == f"{NBA.registered_model}-monitoring"
            return {"experiment": {"experiment_id": "7"}}
        if path == "/api/2.0/mlflow/runs/search":
            assert query["experiment_ids"] == ["7"] and query["order_by"] == ["attributes.start_time DESC"]
            assert query["filter"] == "attributes.status = 'FINISHED'"
            found = [run.answer() for run in self.drift or () if run.status == "FINISHED"][: query["max_results"]]
            return {"runs": found} if found else {}
        return None

    def _folder(self, query: dict[str, Any]) -> Path:
        return self.versions.get(int(query["version"]), Path("/nowhere"))

    def _version(self, version: int) -> dict[str, Any]:
        body = super()._version(version)
        body["model_version"]["tags"] += pairs(self.tags.get(version, {}))
        if version == self.alias:
            body["model_version"]["aliases"] = ["champion"]
        return body
