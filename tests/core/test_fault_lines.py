"""Of a run that an input brought to a red end a person reads the words, and of a mistake in the code its stack."""

from __future__ import annotations

import io

from parivision_core.fault_lines import FaultStream

FAULT = "dagster._core.definitions.events.Failure: 1 of 2 batches failed"
STACK = ["", "Stack Trace:", '  File "execute_plan.py", line 243, in a_step', "    yield it", ""]


def shown(*lines: str) -> list[str]:
    """The lines that are passed on, without empty ones."""
    kept = io.StringIO()
    stream = FaultStream(kept)
    text = "".join(f"{line}\n" for line in lines)
    assert stream.write(text) == len(text)
    stream.flush()
    assert not stream.isatty()
    return [line for line in kept.getvalue().splitlines() if line]


def test_the_words_of_a_fault_are_reported_once_and_no_stack() -> None:
    told = shown(
        "STEP_FAILURE", FAULT, *STACK, "RUN_FAILURE", f"\x1b[31m{FAULT}\x1b[0m", *STACK, "and on", "  indented"
    )
    assert told == ["STEP_FAILURE", FAULT, "RUN_FAILURE", "and on", "  indented"]


def test_of_two_faults_each_is_reported() -> None:
    other = FAULT.replace("1 of 2", "2 of 2")
    assert shown(FAULT, *STACK, other, *STACK, FAULT) == [FAULT, other, FAULT]


def test_what_nobody_expected_keeps_its_stack() -> None:
    mistake = ["dagster.Error: ZeroDivisionError", *STACK]
    assert shown(*mistake) == [line for line in mistake if line]
