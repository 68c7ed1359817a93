"""What the person sees of the services' lines, and what not."""

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
def test_what_is_wrong_here_or_no_news_is_left_out(
    line: bytes, shown: str | None, capsys: pytest.CaptureFixture[str]
) -> None:
    log = TerminalLog()
    log.lines.put(("mlflow", line))
    log.show()
    said = capsys.readouterr().out
    assert (said.strip().partition("| ")[2] or None) == shown


def test_of_an_input_at_fault_its_words_are_reported_by_service_and_no_stack(
    capsys: pytest.CaptureFixture[str],
) -> None:
    fault = b"dagster._core.definitions.events.Failure: 1 of 2 batches failed\n"
    log = TerminalLog()
    for line in (fault, b"Stack Trace:\n", b"  File\n"):
        log.lines.put(("code", line))
    log.lines.put(("api", b"  of another service\n"))
    log.lines.put(("code", b"    yield it\n"))
    log.show()
    said = [line.partition("| ")[2].strip() for line in capsys.readouterr().out.splitlines()]
    assert said == [fault.decode().strip(), "of another service"]
