"""What the person sees of the services' lines, and what not."""

from __future__ import annotations

import pytest

from deploy.log import Log


@pytest.mark.parametrize(
    ("line", "shown"),
    [
        (b"Registry store URI not provided. Using backend store URI.\n", None),
        (b"[MLflow] Security middleware enabled with default settings (localhost-only). To allow ...\n", None),
        (
            b"INFO Uvicorn running on http://127.0.0.1:1 (Press CTRL+C to quit)\n",
            "INFO Uvicorn running on http://127.0.0.1:1",
        ),
        (b"something else\n", "something else"),
    ],
)
def test_what_is_wrong_here_or_no_news_is_left_out(
    line: bytes, shown: str | None, capsys: pytest.CaptureFixture[str]
) -> None:
    log = Log()
    log.lines.put(("mlflow", line))
    log.show()
    said = capsys.readouterr().out
    assert (said.strip().partition("| ")[2] or None) == shown


STACK = [b"\n", b"Stack Trace:\n", b'  File "execute_plan.py", line 243, in a_step\n', b"    yield it\n", b"\n"]


def shown(lines: list[tuple[str, bytes]], capsys: pytest.CaptureFixture[str]) -> list[str]:
    """The words of the lines that are shown, without empty ones."""
    log = Log()
    for line in lines:
        log.lines.put(line)
    log.show()
    return [words for said in capsys.readouterr().out.splitlines() if (words := said.partition("| ")[2].strip())]


def test_of_an_input_at_fault_its_words_are_told_and_no_stack(capsys: pytest.CaptureFixture[str]) -> None:
    fault = b"dagster._core.definitions.events.Failure: 1 of 2 batches failed\n"
    code = [b"raw_shots - STEP_FAILURE\n", fault, *STACK, b"RUN_FAILURE\n", fault, *STACK, b"and on\n", b"  indented\n"]
    lines = [("code", line) for line in code]
    lines.insert(4, ("api", b"  of another service\n"))
    words = fault.decode().strip()
    assert shown(lines, capsys) == [
        "raw_shots - STEP_FAILURE",
        words,
        "of another service",
        "RUN_FAILURE",
        words,
        "and on",
        "indented",
    ]


def test_what_nobody_expected_keeps_its_stack(capsys: pytest.CaptureFixture[str]) -> None:
    told = shown([("code", line) for line in [b"dagster.Error: ZeroDivisionError\n", *STACK]], capsys)
    assert told == [
        "dagster.Error: ZeroDivisionError",
        "Stack Trace:",
        'File "execute_plan.py", line 243, in a_step',
        "yield it",
    ]
