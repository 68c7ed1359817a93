"""Where the result of a search is kept: in a tag of its MLflow run, beside its trials.

Every training uses MLflow anyhow, and a tag is read in one request.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from parivision_core.problems import PariVisionError
from parivision_core.sport import Sport

if TYPE_CHECKING:
    from parivision_assets.steps.training.searching import Found

FOUND_TAG = "parivision.found"


def search_experiment(sport: Sport) -> str:
    """Name of the experiment that holds a sport's searches."""
    return f"{sport.registered_model}-search"


def newest_found(client: Any, sport: Sport, warn: Callable[[str], None]) -> Found | None:
    """What the newest finished search proved to be better than the defaults, or None.

    A result that can't be used doesn't stop the training: `warn` is called with the reason.
    """
    from mlflow.exceptions import MlflowException

    from parivision_assets.steps.training.searching import read_found

    try:
        experiment = client.get_experiment_by_name(search_experiment(sport))
        if experiment is None:
            return None
        runs = client.search_runs(
            [experiment.experiment_id],
            filter_string="attributes.status = 'FINISHED'",
            order_by=["attributes.start_time DESC"],
            max_results=1,
        )
        found = read_found(runs[0].data.tags.get(FOUND_TAG, ""), sport) if runs else None
    except (MlflowException, PariVisionError) as error:
        warn(f"training with the default parameters: {error}")
        return None
    return found if found is not None and found.better else None
