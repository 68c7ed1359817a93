"""`drift_report`: the champion's training window compared with the newest shots, in a job of its own."""

import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import dagster as dg

from parivision_assets.defs.monitoring import checks
from parivision_assets.orchestration.failures import fails_in_words
from parivision_assets.orchestration.keys import OWNERS, champion_model_key, drift_report_key, shot_features_key
from parivision_assets.reporting import table
from parivision_assets.tracking.runs import tracked
from parivision_core.problems import NotEnoughGamesError
from parivision_core.sport import Sport
from parivision_core.tracking.pages import run_page

if TYPE_CHECKING:
    from parivision_assets.steps.monitoring.drift import Drift

PAGE = "drift.html"


def build(sport: Sport, mlflow_page: str) -> dg.AssetsDefinition:
    """The asset for one sport; `mlflow_page` is the address of MLflow's web page, for links."""
    spec = dg.AssetSpec(
        key=drift_report_key(sport),
        # For lineage only. An automation condition could put it behind champion_model, whose refusal would skip it.
        deps=[shot_features_key(sport), champion_model_key(sport)],
        group_name="monitoring",
        kinds={"evidently", "mlflow"},
        owners=OWNERS,
        description="How far the newest shots differ from those that the champion was trained on: where and how they "
        "are taken, their outcomes, the predictions, and the quality of the predictions.",
        metadata={"registered_model": sport.registered_model},
    )

    # The check of a plain asset must have a result in every run; here there is none while nothing can be compared.
    @dg.multi_asset(
        name=spec.key.to_python_identifier(),
        specs=[spec],
        check_specs=checks.specs(sport),
        can_subset=True,
        required_resource_keys={"store", "registry", "mlflow_monitoring"},
    )
    @fails_in_words
    def drift_report(
        context: dg.AssetExecutionContext,
    ) -> Iterator[dg.MaterializeResult | dg.AssetCheckResult]:  # type: ignore[type-arg]
        from parivision_assets.steps.monitoring.drift import measure_drift

        mlflow, registry = context.resources.mlflow_monitoring, context.resources.registry.of(sport)
        store = context.resources.store.of(sport)
        with tracked(mlflow, context.log) as run:
            champion, warehouse = registry.champion(), store.warehouse_state()
            if champion is None:
                raise NotEnoughGamesError("there is no champion yet, so there is nothing to compare with")
            drift = measure_drift(store, sport, registry.bundle(champion))
            _track(mlflow, champion, drift)
            context.log.info(str(drift))
            if context.selected_asset_keys:  # the check can be executed alone
                page = run_page(mlflow_page, run.experiment_id, run.run_id, PAGE)
                yield dg.MaterializeResult(metadata=_metadata(champion, drift, warehouse.rows, page))
            if context.selected_asset_check_keys:
                yield checks.result(drift)

    return drift_report


def _metadata(champion: int, drift: "Drift", warehouse_shots: int, page: str) -> dict[str, Any]:
    return {
        "report": dg.MetadataValue.url(page),
        "drifted": bool(drift.drifted),
        "drifted_columns": dg.MetadataValue.json([c.column.name for c in drift.drifted]),
        "champion": champion,
        "shots": drift.newest.shots,
        "games": drift.newest.games,
        "since": drift.newest.first_date,
        "through": drift.newest.last_date,
        "training_window": f"{drift.reference.first_date} to {drift.reference.last_date}",
        "log_loss": drift.log_loss,
        "expected_log_loss": drift.expected_log_loss,
        "warehouse_shots": warehouse_shots,
        "columns": dg.MetadataValue.md(_columns(drift)),
    }


def _columns(drift: "Drift") -> str:
    """Every column as a Markdown table."""
    labels = {(True, True): "yes", (False, True): "yes, not watched"}
    return table(
        ["column", "method", "distance", "threshold", "drifted", "training window", "newest shots"],
        [
            (
                c.column.name,
                c.column.method,
                f"{c.distance:.4f}",
                f"{c.threshold:.4f}",
                labels.get((c.column.watched, c.drifted), "no"),
                c.was,
                c.now,
            )
            for c in drift.columns
        ],
    )


def _track(mlflow: Any, champion: int, drift: "Drift") -> None:
    """Log both windows, the metrics and the page into the active MLflow run."""
    mlflow.set_tag("mlflow.runName", f"version {champion} through {drift.newest.last_date}")
    windows = {"training": drift.reference, "newest": drift.newest}
    mlflow.log_params(
        {
            "champion": champion,
            "drifted_columns": ", ".join(c.column.name for c in drift.drifted),
            **{f"{name}_first_date": window.first_date for name, window in windows.items()},
            **{f"{name}_last_date": window.last_date for name, window in windows.items()},
        }
    )
    mlflow.log_metrics(
        {
            "drifted_columns": len(drift.drifted),
            "log_loss": drift.log_loss,
            "expected_log_loss": drift.expected_log_loss,
            **{f"{name}_shots": window.shots for name, window in windows.items()},
            **{f"{name}_games": window.games for name, window in windows.items()},
            **{f"distance_{c.column.name}": c.distance for c in drift.columns},
            **{f"threshold_{c.column.name}": c.threshold for c in drift.columns},
        }
    )
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / PAGE
        path.write_text(drift.html)
        mlflow.log_artifact(str(path))
