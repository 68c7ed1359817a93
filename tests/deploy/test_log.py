"""The lines of services that `make up` shows, shortens or leaves out."""

from __future__ import annotations

import pytest

from deploy.log import TerminalLog


@pytest.mark.parametrize(
    ("line", "shown"),
    [
        (b"Registry store URI not provided. Using backend store URI.\n", None),
        (b"[MLflow] Security middleware enabled with default settings (localhost-only). To allow ...\n", None),
        (
            b"INFO Uvicorn running on http://127.0.0.1:1 (Press CTRL+C to quit)\n",
            "INFO Uvicorn running on http://127.0.0.1:1",
        ),
        (b"x - Starting a new mlflow run with id d99f16 in experiment parivision\n", None),
        (b"a_check - Dependencies for step a_check were not executed: ['features']. Not executing.\n", None),
        (b"something else\n", "something else"),
    ],
)
def test_useless_lines_are_left_out(line: bytes, shown: str | None, capsys: pytest.CaptureFixture[str]) -> None:
    log = TerminalLog()
    log.lines.put(("mlflow", line))
    log.show()
    output = capsys.readouterr().out
    assert (output.strip().partition("| ")[2] or None) == shown


def test_an_error_of_the_input_is_shown_with_its_service_and_without_a_stack_trace(
    capsys: pytest.CaptureFixture[str],
) -> None:
    fault = b"dagster._core.definitions.events.Failure: 1 of 2 batches failed\n"
    log = TerminalLog()
    for line in (fault, b"Stack Trace:\n", b"  File\n"):
        log.lines.put(("code", line))
    log.lines.put(("api", b"  of another service\n"))
    log.lines.put(("code", b"    yield it\n"))
    log.show()
    shown = [line.partition("| ")[2].strip() for line in capsys.readouterr().out.splitlines()]
    assert shown == [fault.decode().strip(), "of another service"]
