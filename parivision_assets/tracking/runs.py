"""The MLflow run of a Dagster step, ended whatever happens, with a status that tells how it went."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from parivision_core.problems import NotEnoughGamesError

if TYPE_CHECKING:
    import dagster as dg


@contextmanager
def tracked(mlflow: Any, log: dg.DagsterLogManager) -> Iterator[Any]:
    """The active run's info; the run is `FINISHED` at the end of the block and `FAILED` if that raises.

    NotEnoughGamesError ends the block and goes no further: the run is `KILLED`, and the log says "not yet" and why.
    If MLflow has gone away meanwhile the log says so, and what the block raised isn't hidden by it.
    """
    from mlflow.exceptions import MlflowException

    status = "FAILED"
    try:
        yield mlflow.active_run().info
        status = "FINISHED"
    except NotEnoughGamesError as error:
        status = "KILLED"
        log.warning(f"not yet: {error}")
    finally:
        try:
            mlflow.end_run(status)
        except MlflowException as error:
            log.warning(f"MLflow can't be told that the run is {status}: {error}")
