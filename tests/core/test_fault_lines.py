"""A run that fails because of its input shows its message once; an error in the code keeps its stack."""

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


def test_a_failure_is_shown_once_and_without_its_stack() -> None:
    lines = shown(
        "STEP_FAILURE", FAULT, *STACK, "RUN_FAILURE", f"\x1b[31m{FAULT}\x1b[0m", *STACK, "and on", "  indented"
    )
    assert lines == ["STEP_FAILURE", FAULT, "RUN_FAILURE", "and on", "  indented"]


def test_two_failures_are_both_shown() -> None:
    other = FAULT.replace("1 of 2", "2 of 2")
    assert shown(FAULT, *STACK, other, *STACK, FAULT) == [FAULT, other, FAULT]


def test_the_cause_of_a_failure_is_left_out_whatever_it_says() -> None:
    """The message says it all; a library's may hold a whole SQL statement."""
    cause = ["", "The above exception was caused by the following exception:", "DiskError: full", "[SQL: INSERT", "]"]
    record = "2026-11-30 23:28:20 +0000 - dagster - INFO - and on"
    assert shown(FAULT, *STACK, *cause, *STACK, *cause, *STACK, record, "  indented") == [FAULT, record, "  indented"]
    assert shown(FAULT, *STACK, *cause, record) == [FAULT, record]


def test_a_failure_of_a_resource_is_shown_with_its_cause_and_no_stack() -> None:
    resource = "dagster._core.errors.DagsterResourceFunctionError: Error executing resource_fn"
    cause = "The above exception was caused by the following exception:"
    assert shown(resource, *STACK, cause, FAULT, *STACK, "and on") == [resource, FAULT, "and on"]
    mistake = "KeyError: 'no such key'"
    assert shown(resource, *STACK, cause, mistake, *STACK) == [resource, mistake, *(line for line in STACK if line)]


def test_libraries_that_pass_on_an_error_are_left_out() -> None:
    """As Dagster shows a server that is down: the failure, the error that MLflow handles, and three below it."""
    chain = []
    for kind, library in (("occurred during handling of", "requests"), ("was caused by", "urllib3")):
        chain += ["", f"The above exception {kind} the following exception:", f"{library}.Error: refused", *STACK]
    resource = "dagster._core.errors.DagsterResourceFunctionError: Error executing resource_fn"
    cause = "The above exception was caused by the following exception:"
    run = ["RUN_FAILURE", "", resource, "", cause, FAULT, *chain, "and on"]
    assert shown("INIT_FAILURE", "", FAULT, *chain, *run) == ["INIT_FAILURE", FAULT, "RUN_FAILURE", resource, "and on"]


def test_an_unexpected_error_keeps_its_stack() -> None:
    mistake = ["dagster.Error: ZeroDivisionError", *STACK]
    assert shown(*mistake) == [line for line in mistake if line]
