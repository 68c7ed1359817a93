"""The OpenAPI document is the contract: the running service answers every request as the document says."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.helpers.processes import free_port
from tests.helpers.serving_process import running
from tests.helpers.serving_setup import ServingSetup, make_feature_state

CONFIG = Path(__file__).with_name("schemathesis.toml")
EVERYTHING = ["--phases", "examples,coverage,fuzzing,stateful", "--max-examples", "5"]
"""Some 1,200 requests at the limits of the document beside random ones: 20 CPU seconds."""
SOME = ["--phases", "examples,fuzzing", "--max-examples", "3"]


@pytest.mark.process
def test_requests_keep_the_contract(serving: ServingSetup) -> None:
    run(serving, SOME)


@pytest.mark.slow
@pytest.mark.process
def test_no_request_breaks_the_service_or_its_contract(serving: ServingSetup) -> None:
    run(serving, EVERYTHING)


def run(serving: ServingSetup, requests: list[str]) -> None:
    """Send requests that the document suggests, and check the answers against it."""
    serving.promote(1, scale=0.002)  # odd requests have large features, and a chance of 0 is an error
    serving.feature_state(make_feature_state(1))
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    program = "from schemathesis.cli import schemathesis; schemathesis()"
    command = [sys.executable, "-c", program, "--config-file", str(CONFIG), "run"]
    options = ["--checks", "all", *requests, "--seed", "1", "--no-color"]
    with running(serving.settings, port):
        done = subprocess.run(
            [*command, *options, f"{url}/schema/openapi.json"],
            capture_output=True,
            text=True,
            check=False,
            cwd=serving.root,
        )
    assert done.returncode == 0, done.stdout[-20_000:] + done.stderr
