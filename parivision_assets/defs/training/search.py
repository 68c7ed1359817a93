"""`searched_parameters`: a limited search for better parameters, which the next training uses if they are proven."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import dagster as dg
import msgspec
from pydantic import Field

from parivision_assets.orchestration.failures import fails_in_words
from parivision_assets.orchestration.keys import OWNERS, searched_parameters_key, shot_features_key
from parivision_assets.reporting import table
from parivision_assets.tracking.runs import tracked
from parivision_assets.tracking.searches import FOUND_TAG
from parivision_core.sport import Sport
from parivision_core.tracking.pages import run_page

if TYPE_CHECKING:
    from parivision_assets.steps.training.searching import Search


class SearchConfig(dg.Config):
    """How long to search."""

    trials: int = Field(default=20, ge=1, description="Largest number of parameter sets to try.")
    seconds: int = Field(
        default=600, ge=1, description="After so many seconds no trial begins or continues, except the first."
    )


def build(sport: Sport, mlflow_page: str) -> dg.AssetsDefinition:
    """The asset for one sport; `mlflow_page` is the address of MLflow's web page, for links."""

    @dg.asset(
        key=searched_parameters_key(sport),
        deps=[shot_features_key(sport)],
        required_resource_keys={"store", "mlflow_search"},
        output_required=False,
        group_name="training",
        kinds={"optuna", "xgboost", "mlflow"},
        owners=OWNERS,
        description="The best of many parameter sets of the boosted trees, and whether it beats the defaults on games "
        "that were not used to choose it. Only then does the next training use it.",
    )
    @fails_in_words
    def searched_parameters(
        context: dg.AssetExecutionContext,
        config: SearchConfig,
    ) -> Iterator[dg.MaterializeResult]:  # type: ignore[type-arg]
        from parivision_assets.steps.training.searching import search

        mlflow = context.resources.mlflow_search
        with tracked(mlflow, context.log) as run:
            result = search(context.resources.store.of(sport), sport, config.trials, config.seconds, context.log.info)
            _track(mlflow, result, config)
            found = result.found
            yield dg.MaterializeResult(
                metadata={
                    "parameters": dg.MetadataValue.json(found.parameters),
                    "better": found.better,
                    "gain": found.gain,
                    "standard_error": found.error,
                    "mlflow_run": dg.MetadataValue.url(run_page(mlflow_page, run.experiment_id, run.run_id)),
                    "trials": dg.MetadataValue.md(_trials(result)),
                }
            )

    return searched_parameters


def _trials(result: "Search") -> str:
    """Every trial as a Markdown table, best first."""
    names = list(result.trials[0].parameters)
    ranked = sorted(result.trials, key=lambda t: float("inf") if t.log_loss is None else t.log_loss)
    return table(
        ["trial", "log loss", "rounds", *names],
        [
            (
                t.number + 1,
                "cut short" if t.log_loss is None else f"{t.log_loss:.5f}",
                t.rounds,
                *(f"{t.parameters[name]:.4g}" for name in names),
            )
            for t in ranked
        ],
    )


def _track(mlflow: Any, result: "Search", config: SearchConfig) -> None:
    """Log the trials as a table and a curve, and the result as the tag that the next training reads."""
    found = result.found
    mlflow.set_tag("mlflow.runName", f"{len(result.trials)} trials until {found.seen_until}")
    mlflow.log_params({"trials": config.trials, "seconds": config.seconds, **found.parameters})
    mlflow.log_metrics({"gain": found.gain, "gain_error": found.error, "better": float(found.better)})
    for trial in result.trials:
        if trial.log_loss is not None:
            mlflow.log_metric("trial_log_loss", trial.log_loss, step=trial.number + 1)
    mlflow.log_text(_trials(result), "trials.md")
    mlflow.set_tag(FOUND_TAG, msgspec.json.encode(found).decode())
