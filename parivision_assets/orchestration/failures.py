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
