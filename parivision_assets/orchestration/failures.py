"""Errors that a person can act on, as the message of a failed step: one paragraph in place of stack traces."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from typing import Any, TypeVar, cast

import dagster as dg

from parivision_core.disk_space import REMEDY, full_disk_behind
from parivision_core.problems import PariVisionError
from parivision_core.settings import without_login

LONGEST = 300
"""Characters of MLflow's words, which may hold a whole SQL statement or page."""

Compute = TypeVar("Compute", bound=Callable[..., Any])


def fails_in_words(compute: Compute) -> Compute:
    """Decorator of an asset's or check's function: errors of `in_words` become a `dg.Failure`.

    Dagster shows its description on the run's page and in alerts; the terminal shows it alone. The error itself, with
    its stack, stays its cause on Dagster's page.
    """
    if inspect.isgeneratorfunction(compute):

        @wraps(compute)
        def steps(*arguments: Any, **named: Any) -> Iterator[Any]:
            with in_words():
                yield from compute(*arguments, **named)

        return cast("Compute", steps)

    @wraps(compute)
    def step(*arguments: Any, **named: Any) -> Any:
        with in_words():
            return compute(*arguments, **named)

    return cast("Compute", step)


_waiting: dict[str, str] = {}
"""Sensors that wait for something that is down, with its words: the code server lives as long as the sensors run."""


def waits_in_words(evaluate: Compute) -> Compute:
    """Decorator of a sensor's function: PariVision's own errors become the reason why it requests nothing.

    The next tick looks again, and the cursor stays. A tick that fails would write two stack traces into the terminal,
    of every sensor and every few seconds for as long as the store is down. It is a warning once, for all sensors.
    """

    @wraps(evaluate)
    def tick(context: dg.SensorEvaluationContext, *arguments: Any, **named: Any) -> Any:
        name = evaluate.__name__
        try:
            result = evaluate(context, *arguments, **named)
        except PariVisionError as error:
            text = str(error)
            if text not in _waiting.values():
                context.log.warning(f"{text}; the sensors look again by themselves")
            _waiting[name] = text
            return dg.SkipReason(text)
        over = _waiting.pop(name, "")
        if over and over not in _waiting.values():
            context.log.warning(f"this is over: {over}")
        return result

    return cast("Compute", tick)


@contextmanager
def in_words() -> Iterator[None]:
    """Turn PariVision's own errors, those of MLflow, and those of a full disk into a `dg.Failure`."""
    try:
        yield
    except PariVisionError as error:
        raise dg.Failure(str(error), allow_retries=False) from error
    except Exception as error:
        if not (text := _text(error)):
            raise
        raise dg.Failure(text, allow_retries=False) from error


def _text(error: Exception) -> str:
    """What is to be said about an error of a library; empty for a mistake in the code."""
    full = full_disk_behind(error)
    if type(error).__module__ == "mlflow.exceptions":
        import mlflow

        place = without_login(mlflow.get_tracking_uri())
        if full:
            return f"MLflow's store {place} can't be written: {full}; {REMEDY}"
        words = " ".join(str(error).split())
        cut = words if len(words) <= LONGEST else f"{words[:LONGEST]} ..."
        return f"MLflow at {place} can't be used: {cut}; see whether it runs. The run is requested again by itself"
    return f"{full}; {REMEDY}" if full else ""
