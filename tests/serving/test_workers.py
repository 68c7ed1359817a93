"""Several workers behind one port act as one service: they swap together, and their metrics add up."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import httpx
import pytest

from tests.helpers.metrics import values
from tests.helpers.processes import free_port, until
from tests.helpers.serving_process import running
from tests.helpers.serving_setup import SHOT, ServingSetup, make_feature_state


def children(pid: int) -> list[int]:
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def command_of(pid: int) -> bytes:
    return Path(f"/proc/{pid}/cmdline").read_bytes()


def ask(url: str, times: int) -> list[dict[str, object]]:
    """Answers over connections of their own, so that every worker gets some."""
    return [httpx.post(f"{url}/api/v1/predict", json=SHOT).raise_for_status().json() for _ in range(times)]


def all_answer(url: str) -> bool:
    """Whether each of some requests is answered; a worker that has just started may not be ready yet."""
    try:
        return len(ask(url, 10)) == 10
    except httpx.HTTPError:
        return False


def counted(url: str) -> float:
    body = values(httpx.get(f"{url}/metrics").text)
    return sum(value for name, value in body.items() if name.startswith("parivision_predictions_total"))


@pytest.mark.slow  # beside other tests a worker's start takes long
@pytest.mark.process
def test_workers_swap_together_add_up_and_are_replaced_when_they_die(serving: ServingSetup) -> None:
    serving.promote(1)
    serving.feature_state(make_feature_state(1))
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    with running(serving.settings, port, PARIVISION_API_WORKERS="2") as process:
        until(lambda: all_answer(url))
        before = counted(url)
        assert len({answer["id"] for answer in ask(url, 40)}) == 40
        until(lambda: counted(url) >= before + 40)  # the other worker updates its metrics once a second
        serving.promote(2)
        until(lambda: {answer["champion_version"] for answer in ask(url, 10)} == {2})
        record = serving.feature_state(make_feature_state(2, "2023-04-10"))
        until(lambda: {answer["feature_state_stamp"] for answer in ask(url, 10)} == {record.stamp})

        before = counted(url)
        workers = [
            child for child in children(process.pid) if b"spawn_main" in Path(f"/proc/{child}/cmdline").read_bytes()
        ]
        assert len(workers) == 2
        os.kill(workers[0], signal.SIGKILL)
        until(lambda: not Path(f"/proc/{workers[0]}").exists() or workers[0] not in children(process.pid))

        until(lambda: all_answer(url))
        until(lambda: counted(url) >= before + 10)  # what the dead worker had counted is still there
