"""Starts the servers of the benchmark one after another, all with the same state folder and the same forest."""

from __future__ import annotations

import json
import sys
from contextlib import ExitStack
from pathlib import Path

from benchmarks.serving_peers import deployment, forest
from benchmarks.serving_peers.endpoints import SINGLE
from benchmarks.serving_peers.request_bodies import RequestBodies
from benchmarks.serving_peers.server import ReadyRequest, Server, free_port
from parivision_core.bundle import CARD
from parivision_core.nba.shots import NBA

PEERS = ("noop", "original", "mlflow", "litserve")
TOLERANCE = 1e-6


def say(text: str) -> None:
    """Print progress to stderr; stdout is for the result."""
    print(text, file=sys.stderr, flush=True)


def started(stack: ExitStack, home: Path, bodies: RequestBodies, folder: Path, names: list[str]) -> dict[str, Server]:
    """Our service, from a cached bundle, and the named peers; each has given a correct answer.

    Raises SystemExit when LitServe, which has our model, answers something else than our service.
    """
    shot, inputs, split = (bodies.first(kind) for kind in ("shot", "inputs", "split"))
    found: dict[str, Server] = {}

    def start(server: Server) -> Server:
        say(f"starting {server.name}")
        return stack.enter_context(server)

    def peer(name: str, body: bytes, module: str, *arguments: Path) -> None:
        port = free_port()
        command = [f"benchmarks.serving_peers.{module}", str(port), *map(str, arguments)]
        found[name] = start(Server(name, command, folder / f"{name}.log", port, ReadyRequest("POST", "/predict", body)))

    registry = start(deployment.registry(home, folder / "registry.log"))
    ready = ReadyRequest("POST", SINGLE["ours"].path, shot)
    with deployment.service(home, registry.port, folder / "first.log", ready) as first:
        (folder / "request.json").write_bytes(shot)
        (folder / "answer.json").write_bytes(first.first_answer)
    found["ours"] = start(deployment.service(home, registry.port, folder / "ours.log", ready))
    if "noop" in names:
        peer("noop", shot, "noop", folder / "request.json", folder / "answer.json")
    if "litserve" in names:
        (card,) = (home / "cache" / NBA.registered_model).glob(f"*/{CARD}")
        peer("litserve", shot, "litserve_onnx", home, card.parent)
        ours, theirs = (json.loads(found[name].first_answer)["probability"] for name in ("ours", "litserve"))
        if abs(ours - theirs) > TOLERANCE:
            raise SystemExit(
                f"LitServe answers {theirs} where our service answers {ours}: the two don't serve the same model"
            )
    if {"original", "mlflow"} & set(names):
        model = forest.keep(bodies.lake, folder)
    if "original" in names:
        peer("original", inputs, "original", model)
    if "mlflow" in names:
        port = free_port()
        # fmt: off
        command = [
            "mlflow", "models", "serve", "-m", str(model), "--host", "127.0.0.1", "-p", str(port),
            "--env-manager", "local", "--workers", "1",
        ]
        # fmt: on
        ready = ReadyRequest("POST", SINGLE["mlflow"].path, split)
        found["mlflow"] = start(Server("mlflow", command, folder / "mlflow.log", port, ready))
    return found
