"""What `make up` costs with nothing but itself: until a champion is served, until the next verdict, and a second start.

`python -m benchmarks.up` runs a house in an empty folder and prints one JSON. CPU seconds and memory are those of all
processes of the house; the install is not part of it. It takes about five minutes.
"""

from __future__ import annotations

import json
import tempfile
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

from benchmarks.running_platform import RunningPlatform

PATIENCE = 900.0


def get(deployment: RunningPlatform, service: str, route: str) -> Any:
    """What a service answers to GET, or None when it doesn't."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{deployment.ports[service]}{route}", timeout=5) as answer:
            return json.loads(answer.read())
    except (urllib.error.URLError, OSError):
        return None


def up(deployment: RunningPlatform) -> dict[str, float]:
    """Seconds and memory until the addresses are told."""
    if not deployment.wait_for(lambda: "PariVision is up" in deployment.said, PATIENCE):
        raise SystemExit(deployment.said)
    return {
        "seconds": round(deployment.seconds, 1),
        "cpu_seconds": round(deployment.cpu_seconds, 1),
        "peak_memory_mb": round(deployment.peak_bytes / 2**20),
    }


def days(deployment: RunningPlatform) -> float:
    """Simulated days that have passed since VirtualBets had played its first season.

    The file tells of the last time that anybody asked, which an ingest under way puts off by days; so it is asked.
    """
    if not deployment.wait_for(lambda: get(deployment, "FEED", "/status") is not None, PATIENCE):
        raise SystemExit(deployment.said)
    state = json.loads((deployment.home / "virtual_bets" / "state.json").read_text())
    return float(state["days"])


def main() -> None:
    """Measure and print."""
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder) / "state"
        with RunningPlatform(home) as deployment:
            first = up(deployment)
            at = days(deployment)
            known = {(v["candidate"], v["judged_at"]) for v in get(deployment, "API", "/api/v1/verdicts")}

            def news() -> list[dict[str, Any]]:
                told = get(deployment, "API", "/api/v1/verdicts") or []
                return [v for v in told if (v["candidate"], v["judged_at"]) not in known]

            if not deployment.wait_for(lambda: bool(news()), PATIENCE):
                raise SystemExit(deployment.said)
            verdict = news()[-1]
            following = {
                "simulated_days_after_the_champion": round(days(deployment) - at, 1),
                "decision": verdict["decision"],
                "games": verdict["games"],
                "seconds": round(deployment.seconds, 1),
                "cpu_seconds": round(deployment.cpu_seconds, 1),
                "peak_memory_mb": round(deployment.peak_bytes / 2**20),
            }
        with RunningPlatform(home) as deployment:
            second = up(deployment)
    found = {
        "first_start": first,
        "next_verdict": following,
        "second_start": second,
        "cpu_of_second_to_first": round(second["cpu_seconds"] / first["cpu_seconds"], 2),
    }
    print(json.dumps(found, indent=1))


if __name__ == "__main__":
    main()
