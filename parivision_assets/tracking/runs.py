"""The MLflow run of a Dagster step, which ends whatever happens, with a status that fits its result."""

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
    If MLflow can't be reached at the end, the log says so, and the exception of the block is raised all the same.
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
            log.warning(f"the MLflow run can't be set to {status}: {error}")
