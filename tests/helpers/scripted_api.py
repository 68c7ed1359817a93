"""A stand-in for the prediction service that keeps its contract, unless a test overrides an answer."""

from __future__ import annotations

import json
import threading
import time
from contextlib import suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

from parivision_core.nba import court

CURRY = {"player_id": 201939, "name": "Stephen Curry", "team": "GSW", "shots": 9121, "last_date": "2023-04-09"}
JOKIC = {"player_id": 203999, "name": "Nikola Jokić", "team": "DEN", "shots": 7410, "last_date": "2023-04-08"}
NO_CHAMPION = "No champion has been promoted yet."
NO_REGISTRY = "the model registry doesn't answer"

LAKE = {
    "batches": 2, "shots": 408178, "duplicates": 16, "quarantined": 3, "first_date": "2020-12-22",
    "last_date": "2023-04-09",
}  # fmt: skip
SERVICES = [
    {"name": "mlflow", "address": "http://127.0.0.1:5000", "up": True, "milliseconds": 3.1, "problem": None},
    {
        "name": "feed",
        "address": "http://127.0.0.1:8800",
        "up": False,
        "problem": "nothing answers at this address; is the service running?",
        "details": None,
    },
    {"name": "store", "address": "/somewhere (nba)", "up": True, "problem": None},
]

MODEL_PAGE = "http://127.0.0.1:5000/#/models/parivision/versions"
DRIFT = {
    "reported_at": 1_700_000_000_000, "champion": 3, "drifted": True, "page": "http://127.0.0.1:5000/#/drift",
    "newest": {"first_date": "2023-04-02", "last_date": "2023-04-09", "games": 90, "shots": 15983},
    "columns": [
        {"name": "at_origin", "distance": 0.04, "threshold": 0.01, "beyond": True, "alarms": True},
        {"name": "kind", "distance": 0.04, "threshold": 0.01, "beyond": True, "alarms": False},
    ],
}  # fmt: skip

Reply = tuple[int, Any]


def problem(status: int, detail: str, **more: Any) -> Reply:
    """An RFC 9457 answer."""
    return status, {"type": "about:blank", "title": "Problem", "status": status, "detail": detail} | more


def verdict(candidate: int, decision: str, gain: float | None, **more: Any) -> dict[str, Any]:
    """A verdict as the service answers it."""
    interval = {} if gain is None else {"gain": gain, "gain_low": gain - 0.001, "gain_high": gain + 0.001}
    return (
        {
            "candidate": candidate,
            "champion": candidate - 1 or None,
            "epoch": candidate,
            "decision": decision,
            "reason": f"because of {candidate}",
            "games": 120,
            "shots": 21345,
            "margin": 0.001,
            "level": 0.95,
            "judged_at": 1_700_000_000_000 + candidate,
            "page": f"{MODEL_PAGE}/{candidate}",
        }
        | interval
        | more
    )


@dataclass
class ScriptedApi:
    """The service: attributes hold its answers, `questions` the predictions that were requested."""

    champion: bool = True
    override: Reply | bytes | None = None
    """The answer to every request, in place of the regular one."""
    delay: float = 0.0
    verdicts: list[dict[str, Any]] = field(default_factory=list)
    drift: list[dict[str, Any]] | None = field(default_factory=lambda: [DRIFT])
    feeds: list[str] = field(default_factory=lambda: ["inbox"])
    questions: list[dict[str, Any]] = field(default_factory=list)
    port: int = 0

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> ScriptedApi:
        """Listen; on the same port as before when it was stopped."""
        api = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self._reply(None)

            def do_POST(self) -> None:
                self._reply(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))

            def _reply(self, body: Any) -> None:
                time.sleep(api.delay)
                reply = api.override if api.override is not None else api.reply(self.path, body)
                status, text = (200, reply) if isinstance(reply, bytes) else (reply[0], json.dumps(reply[1]).encode())
                with suppress(ConnectionError):  # the client has stopped waiting
                    self.send_response(status)
                    self.send_header("Content-Length", str(len(text)))
                    self.end_headers()
                    self.wfile.write(text)

            def log_message(self, *_: Any) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", self.port), Handler)
        self.port = self._server.server_address[1]
        threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True).start()
        return self

    def stop(self) -> None:
        """Refuse connections from now on."""
        self._server.shutdown()
        self._server.server_close()

    def reply(self, path: str, body: Any) -> Reply:
        """The regular answer."""
        parts = urlsplit(path)
        query = {name: values[0] for name, values in parse_qs(parts.query).items()}
        always: dict[str, Any] = {
            "/api/v1/verdicts": self.verdicts[: int(query.get("limit", 1))],
            "/api/v1/data/summary": {"lake": LAKE | {"feeds": self.feeds}, "warehouse": {}},
            "/api/v1/services": SERVICES,
            "/api/v1/drift": self.drift,
        }
        if parts.path in always:
            found = always[parts.path]
            return problem(503, NO_REGISTRY) if found is None else (200, found)
        if not self.champion:
            return problem(503, NO_CHAMPION)
        if parts.path == "/api/v1/champion":
            feature_state = {"stamp": "f" * 16, "through": "2023-04-09", "shots": 217220}
            champion = {
                "version": 3,
                "model": "boosted trees",
                "registered_at": 1_700_000_000_000,
                "feature_state": feature_state,
            }
            champion |= {"provenance": {"first_date": "2020-12-22", "last_train_date": "2023-01-30"}}
            more = {"reload_problem": None, "epoch": 2, "sha256": "s" * 64, "page": f"{MODEL_PAGE}/3"}
            return 200, champion | more
        if parts.path == "/api/v1/players":
            typed = query["search"].lower()
            names = {"stephen curry": CURRY, "nikola jokic": JOKIC}
            return 200, [player for name, player in names.items() if typed in name][: int(query["limit"])]
        if parts.path == "/api/v1/predict":
            self.questions.append(body)
            return self.predict(body)
        return problem(404, "no such route")

    def predict(self, shot: dict[str, Any]) -> Reply:
        """A probability that falls with the distance; a known shooter's is a little higher."""
        if shot.get("team") is not None and shot.get("team") == shot.get("opponent"):
            errors = [{"field": "opponent", "message": "a team can't defend against itself"}]
            return problem(422, "opponent: a team can't defend against itself", errors=errors)
        spot = court.locate(shot["x"], shot["y"])
        league = round(float(0.3 + 0.35 * 2.0 ** (-spot.distance / 60)), 4)
        probability = league + (0.0612 if "player_id" in shot else 0.0)
        details = {
            "distance_feet": round(float(spot.distance) / 10, 1),
            "zone": int(spot.zone),
            "zone_name": court.ZONES[int(spot.zone)],
            "points": int(spot.points),
            "shooter_shots": 9121 if "player_id" in shot else 0,
        }
        return 200, {
            "probability": probability,
            "expected_points": probability * int(spot.points),
            "league_average": league,
            "shot": details,
            "champion_version": 3,
            "champion_sha256": "s" * 64,
            "feature_state_stamp": "f" * 16,
            "feature_state_through": "2023-04-09",
        }
