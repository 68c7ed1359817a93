"""What the service's tests run on: bundles with a real graph, a store on disk, and a fake MLflow over HTTP."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import lru_cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import msgspec
import numpy as np
import onnx
from litestar.testing import TestClient
from litestar.types import ASGIApp
from onnx import TensorProto, helper, numpy_helper

from parivision_core import bundle
from parivision_core.nba.shots import NBA
from parivision_core.records import FeatureStateRecord
from parivision_core.scoring import sigmoid
from parivision_core.store import open_store
from parivision_core.store.base import CURRENT_FEATURE_STATE, Store
from parivision_serving.app import create_app
from parivision_serving.settings import ServiceSettings

SHOT: dict[str, Any] = {"x": -120, "y": 85, "period": 4, "seconds_remaining": 35}
FULL_SHOT: dict[str, Any] = SHOT | {
    "player_id": 201939,
    "team": "GSW",
    "opponent": "LAL",
    "home": True,
    "kind": "stepback",
}


def graph(weights: np.ndarray) -> bytes:
    """Sigmoid(features @ weights + offset)."""
    k = len(weights)
    nodes = [
        helper.make_node("MatMul", ["features", "w"], ["score"]),
        helper.make_node("Add", ["score", "offset"], ["margin"]),
        helper.make_node("Sigmoid", ["margin"], ["probability"]),
    ]
    made = helper.make_graph(
        nodes,
        "logistic",
        [
            helper.make_tensor_value_info("features", TensorProto.FLOAT, ["n", k]),
            helper.make_tensor_value_info("offset", TensorProto.FLOAT, ["n", 1]),
        ],
        [helper.make_tensor_value_info("probability", TensorProto.FLOAT, ["n", 1])],
        [numpy_helper.from_array(weights.reshape(-1, 1).astype(np.float32), "w")],
    )
    model = helper.make_model(made, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    onnx.checker.check_model(model)
    return bytes(model.SerializeToString())


def make_bundle(folder: Path, seed: int, scale: float = 0.02, **card: Any) -> bundle.Bundle:
    """A bundle on disk with random weights of a scale; `card` overrides fields of its card."""
    rng = np.random.default_rng(seed)
    k = len(NBA.feature_names)
    weights = rng.normal(scale=scale, size=k).astype(np.float32)
    rows, offset = rng.normal(size=(4, k)).astype(np.float32), rng.normal(size=4).astype(np.float32)
    content = graph(weights)
    known = bundle.KnownAnswers(rows.tolist(), offset.tolist(), sigmoid(rows @ weights + offset).tolist())
    values: dict[str, Any] = {
        "sport": NBA.name,
        "model": f"logistic {seed}",
        "feature_names": list(NBA.feature_names),
        "schema": NBA.schema,
        "base_fingerprint": NBA.base_fingerprint,
        "graph_sha256": bundle.digest(content),
        "known_answers": known,
        "provenance": bundle.Provenance(
            run_id=f"run{seed}",
            code_version="test",
            data_fingerprint="d" * 16,
            batches=2,
            first_date="2022-10-18",
            last_train_date="2023-03-01",
            seen_until="2023-04-01",
        ),
    }
    bundle.save(folder, content, bundle.Card(**(values | card)))
    return bundle.load(folder)


NAMES = {201939: "Stephen Curry", 2544: "LeBron James", 203507: "Giannis Antetokounmpo"}


def make_feature_state(
    seed: int, day: str = "2023-04-09", shots: int = 400, names: dict[int, str] = NAMES
) -> FeatureStateRecord:
    """A feature state folded from random shots of one day, by players of these names."""
    rng = np.random.default_rng(seed)
    columns = {
        "game_date": np.full(shots, day),
        "game_id": np.full(shots, 22_200_001),
        "x": rng.integers(-240, 240, shots),
        "y": rng.integers(-40, 300, shots),
        "made": rng.integers(0, 2, shots),
        "player_id": (player := rng.choice(list(names), shots)),
        "player_name": np.array([names[int(p)] for p in player], dtype=object),
        "team": rng.choice(["GSW", "LAL"], shots),
        "opponent": rng.choice(["GSW", "LAL"], shots),
        "home": rng.integers(0, 2, shots),
        "kind": rng.choice(["jump", "layup", "stepback"], shots),
        "period": rng.integers(1, 5, shots),
        "seconds_remaining": rng.integers(0, 720, shots),
    }
    record: FeatureStateRecord = NBA.fold(NBA.empty_feature_state(), columns)[2].record()
    return record


class FakeMlflow:
    """The routes of MLflow that the registry reader uses, over real HTTP on a loopback port."""

    def __init__(self) -> None:
        self.versions: dict[int, Path] = {}
        self.sha256: dict[int, str] = {}
        self.alias: int | None = None
        self.epoch = 0
        self.broken = False
        fake = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                parts = urlsplit(self.path)
                status, body = fake.reply(parts.path, {k: v[0] for k, v in parse_qs(parts.query).items()})
                self.send_response(status)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: Any) -> None:
                pass

        self._handler = Handler
        self.start(0)

    def start(self, port: int) -> None:
        """Listen; port 0 takes any free port."""
        self._server = ThreadingHTTPServer(("127.0.0.1", port), self._handler)
        self.port = self._server.server_address[1]
        threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True).start()

    def stop(self) -> None:
        """Refuse connections from now on."""
        self._server.shutdown()
        self._server.server_close()

    def register(self, version: int, folder: Path) -> None:
        """Add a version with the bundle in a folder."""
        self.versions[version] = folder
        self.sha256[version] = bundle.digest((folder / bundle.CARD).read_bytes())

    def promote(self, version: int) -> None:
        """Move the alias and raise the epoch."""
        self.epoch += 1
        self.alias = version

    def reply(self, path: str, query: dict[str, str]) -> tuple[int, bytes]:
        """Answer as MLflow would."""
        if self.broken:
            return 500, b"the registry's database is locked"
        found: Any = None
        version = int(query.get("version", 0))
        if query.get("name") == NBA.registered_model and self.versions:
            if path == "/api/2.0/mlflow/registered-models/get":
                found = self._model()
            elif version in self.versions and path == "/api/2.0/mlflow/model-versions/get":
                found = self._version(version)
            elif version in self.versions and path == "/model-versions/get-artifact":
                return 200, (self.versions[version] / query["path"]).read_bytes()
        return (200, json.dumps(found).encode()) if found else (404, b'{"error_code": "RESOURCE_DOES_NOT_EXIST"}')

    def _model(self) -> dict[str, Any]:
        aliases = [] if self.alias is None else [{"alias": "champion", "version": str(self.alias)}]
        tags = [{"key": "parivision.epoch", "value": str(self.epoch)}]
        # MLflow leaves empty lists out of its answers.
        return {"registered_model": {"tags": tags} | ({"aliases": aliases} if aliases else {})}

    def _version(self, version: int) -> dict[str, Any]:
        tags = [{"key": "parivision.bundle_sha256", "value": self.sha256[version]}]
        return {
            "model_version": {
                "version": str(version),
                "tags": tags,
                "run_id": f"mlrun{version}",
                "creation_timestamp": 1_700_000_000_000,
            }
        }


@dataclass
class ServingSetup:
    """The store, the registry and the settings of one service."""

    root: Path
    mlflow: FakeMlflow
    settings: ServiceSettings
    store: Store
    bundles: dict[int, bundle.Bundle] = field(default_factory=dict)

    def register(self, version: int, **card: Any) -> bundle.Bundle:
        """Make a bundle and register it."""
        folder = self.root / "versions" / str(version)
        self.bundles[version] = make_bundle(folder, version, **card)
        self.mlflow.register(version, folder)
        return self.bundles[version]

    def promote(self, version: int, **card: Any) -> None:
        """Make a version champion, after registering it if necessary."""
        if version not in self.bundles:
            self.register(version, **card)
        self.mlflow.promote(version)

    def feature_state(self, record: FeatureStateRecord, **changes: Any) -> FeatureStateRecord:
        """Publish a feature state, with fields of its record changed."""
        record = msgspec.structs.replace(record, **changes)
        self.store.publish_warehouse({}, self.store.warehouse_state(), {CURRENT_FEATURE_STATE: record})
        return record

    def client(self, **settings: Any) -> TestClient[Any]:
        """A service over these parts, started by `with`."""
        return client_of(create_app(replace(self.settings, **settings)))


def client_of(app: ASGIApp) -> TestClient[Any]:
    """A client that addresses an application by a host name that it accepts."""
    return TestClient(app, base_url="http://127.0.0.1")


def make_setup(folder: Path) -> ServingSetup:
    """An empty store and a registry without a model."""
    mlflow = FakeMlflow()
    settings = ServiceSettings(
        home=folder / "home", registry_url=f"http://127.0.0.1:{mlflow.port}", champion_poll_seconds=0.02
    ).resolved()
    return ServingSetup(folder, mlflow, settings, open_store(settings, NBA))


_loaded = lru_cache(8)(NBA.load_feature_state)


def expected(model: bundle.Bundle, record: FeatureStateRecord, shot: dict[str, Any]) -> float:
    """The probability that this pair must give."""
    prepared = NBA.prepare(msgspec.convert(shot, NBA.request), _loaded(record))
    return float(model.predict(prepared.features, prepared.offset)[0])


def answer_to(client: TestClient[Any], shot: dict[str, Any] = SHOT) -> dict[str, Any]:
    """The answer to a shot without its id, which no two answers share."""
    answer: dict[str, Any] = client.post("/api/v1/predict", json=shot).raise_for_status().json()
    return {name: value for name, value in answer.items() if name != "id"}


def serves(client: TestClient[Any], version: int, stamp: str) -> Callable[[], bool]:
    """Whether the service has swapped to this version and feature state."""

    def check() -> bool:
        answer = client.get("/api/v1/champion")
        if answer.status_code != 200:
            return False
        body = answer.json()
        return bool((body["version"], body["feature_state"]["stamp"]) == (version, stamp))

    return check
