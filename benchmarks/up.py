"""The cost of `make up` with simulated shots: until a champion is served, until the next verdict, and a second start.

`python -m benchmarks.up` runs a platform in an empty state folder and prints one JSON. CPU seconds and memory are those
of all its processes, without the installation. It takes about five minutes.
"""

from __future__ import annotations

import json
import tempfile
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

from benchmarks.running_platform import RunningPlatform

TIMEOUT_SECONDS = 900.0


def get(platform: RunningPlatform, service: str, route: str) -> Any:
    """The JSON that a service answers to GET, or None without a response."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{platform.ports[service]}{route}", timeout=5) as response:
            return json.loads(response.read())
    except (urllib.error.URLError, OSError):
        return None


def up(platform: RunningPlatform) -> dict[str, float]:
    """Seconds and memory until the addresses are printed."""
    if not platform.wait_for(lambda: "PariVision is up" in platform.output, TIMEOUT_SECONDS):
        raise SystemExit(platform.output)
    return {
        "seconds": round(platform.seconds, 1),
        "cpu_seconds": round(platform.cpu_seconds, 1),
        "peak_memory_mb": round(platform.peak_bytes / 2**20),
    }


def days(platform: RunningPlatform) -> float:
    """Simulated days since the end of VirtualBets' first season.

    VirtualBets updates its state file only when it answers a request, so one is sent first.
    """
    if not platform.wait_for(lambda: get(platform, "FEED", "/status") is not None, TIMEOUT_SECONDS):
        raise SystemExit(platform.output)
    state = json.loads((platform.home / "virtual_bets" / "state.json").read_text())
    return float(state["days"])


def main() -> None:
    """Measure and print."""
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder) / "state"
        with RunningPlatform(home) as platform:
            first = up(platform)
            at = days(platform)
            known = {(v["candidate"], v["judged_at"]) for v in get(platform, "API", "/api/v1/verdicts")}

            def new_verdicts() -> list[dict[str, Any]]:
                verdicts = get(platform, "API", "/api/v1/verdicts") or []
                return [v for v in verdicts if (v["candidate"], v["judged_at"]) not in known]

            if not platform.wait_for(lambda: bool(new_verdicts()), TIMEOUT_SECONDS):
                raise SystemExit(platform.output)
            verdict = new_verdicts()[-1]
            following = {
                "simulated_days_after_the_champion": round(days(platform) - at, 1),
                "decision": verdict["decision"],
                "games": verdict["games"],
                "seconds": round(platform.seconds, 1),
                "cpu_seconds": round(platform.cpu_seconds, 1),
                "peak_memory_mb": round(platform.peak_bytes / 2**20),
            }
        with RunningPlatform(home) as platform:
            second = up(platform)
    found = {
        "first_start": first,
        "next_verdict": following,
        "second_start": second,
        "cpu_of_second_to_first": round(second["cpu_seconds"] / first["cpu_seconds"], 2),
    }
    print(json.dumps(found, indent=1))


if __name__ == "__main__":
    main()
