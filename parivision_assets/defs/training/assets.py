"""`trained_model`: fit on the newest seasons, track in MLflow, register the best model as a candidate."""

import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import dagster as dg
import msgspec

from parivision_assets.orchestration.failures import fails_in_words
from parivision_assets.orchestration.history import registry_name
from parivision_assets.orchestration.keys import OWNERS, searched_parameters_key, shot_features_key, trained_model_key
from parivision_assets.reporting import image, reliability_plot, reliability_table, table
from parivision_assets.tracking.runs import tracked
from parivision_assets.tracking.searches import newest_found
from parivision_core.sport import Sport
from parivision_core.tracking.pages import run_page
from parivision_core.tracking.registry import BUNDLE_PATH

if TYPE_CHECKING:
    from parivision_assets.steps.training.pipeline import Trained


def build(sport: Sport, mlflow_page: str) -> dg.AssetsDefinition:
    """The asset for one sport; `mlflow_page` is the address of MLflow's web page, for links."""

    @dg.asset(
        key=trained_model_key(sport),
        deps=[shot_features_key(sport), searched_parameters_key(sport)],
        # dagster-mlflow's resource is a function, and those can't be mixed with typed resource parameters.
        required_resource_keys={"store", "registry", "mlflow"},
        output_required=False,
        group_name="training",
        kinds={"xgboost", "sklearn", "mlflow", "onnx"},
        owners=OWNERS,
        description="A newly trained candidate: the best of several models on later games, converted to the ONNX graph "
        "that would be served, and registered without an alias.",
        metadata={"registered_model": sport.registered_model},
    )
    @fails_in_words
    def trained_model(context: dg.AssetExecutionContext) -> Iterator[dg.MaterializeResult]:  # type: ignore[type-arg]
        from parivision_assets.steps.training.pipeline import train

        mlflow, registry = context.resources.mlflow, context.resources.registry.of(sport)
        with tracked(mlflow, context.log) as run, tempfile.TemporaryDirectory() as folder:
            trained = train(
                context.resources.store.of(sport),
                sport,
                Path(folder) / BUNDLE_PATH,
                run.run_id,
                context.log.info,
                newest_found(registry.client, sport, context.log.warning),
            )
            for name, why in trained.left_out.items():
                context.log.warning(f"{name} is left out: {why}")
            plot = reliability_plot(trained.reliability, "unseen games")
            _track(mlflow, trained, plot)
            version = registry.register(run.run_id, run.artifact_uri, trained.sha256, trained.defects)
            context.log.info(f"registered version {version}: {trained.fitted.name}")
            page = run_page(mlflow_page, run.experiment_id, run.run_id)
            yield dg.MaterializeResult(
                metadata={
                    "version": version,
                    "sha256": trained.sha256,
                    "model": trained.fitted.name,
                    "mlflow_run": dg.MetadataValue.url(page),
                    "schema": sport.schema,
                    "registry": registry_name(context.resources.registry.tracking_uri),
                    **_metadata(trained, plot),
                }
            )

    return trained_model


def _metadata(trained: "Trained", plot: bytes) -> dict[str, Any]:
    return {
        **{f"{_metric_name(period)}_log_loss": s.log_loss for period, s in trained.scores.items()},
        "unseen_ece": trained.scores["unseen"].ece,
        "warehouse_shots": trained.warehouse_shots,
        "code_version": trained.bundle.card.provenance.code_version,
        "calibrator": str(trained.bundle.card.calibrator["family"]),
        "window": dg.MetadataValue.json(trained.window),
        "windows_tried": dg.MetadataValue.md(
            table(
                ["newest parts", "log loss (validation, cheap fit)", "gain over the usual window", "standard error"],
                [(len(w.parts), f"{w.log_loss:.5f}", f"{w.gain:+.5f}", f"{w.error:.5f}") for w in trained.windows],
            )
        ),
        "models_tried": dg.MetadataValue.md(
            table(
                ["model", "log loss (validation, optional inputs left out at random)", "AUC"],
                [(name, f"{s.log_loss:.5f}", f"{s.auc:.4f}") for name, s in trained.candidates.items()],
            )
        ),
        "importance": dg.MetadataValue.md(
            table(
                ["feature", "share of gain"],
                [(name, f"{share:.1%}") for name, share in list(trained.fitted.importance.items())[:12]],
            )
        ),
        "reliability": dg.MetadataValue.md(image(plot, "predicted against observed make rate")),
    }


def _track(mlflow: Any, trained: "Trained", plot: bytes) -> None:
    """Log parameters, metrics, the bundle and the plot into the active MLflow run."""
    # Otherwise all runs of the automation would have the name of the same implicit job.
    mlflow.set_tag("mlflow.runName", f"{trained.fitted.name} until {trained.window['seen_until']}")
    mlflow.log_params(trained.parameters)
    mlflow.log_metrics(_metrics(trained))
    mlflow.log_dict(trained.fitted.importance, "importance.json")
    tables = "\n\n".join(f"{name}\n\n{reliability_table(bins)}" for name, bins in trained.reliability.items())
    mlflow.log_text(tables, "reliability.md")
    mlflow.log_artifacts(str(trained.folder), BUNDLE_PATH)
    # As a file, because MLflow's log_image takes a decoded picture only.
    path = trained.folder.parent / "reliability.png"
    path.write_bytes(plot)
    mlflow.log_artifact(str(path))


def _metrics(trained: "Trained") -> dict[str, float]:
    """Scores with their intervals, and the validation scores of every model, window and calibrator tried."""
    found: dict[str, float] = {}
    for period, measured in trained.measured.items():
        prefix = _metric_name(period)
        found |= {f"{prefix}_{name}": value for name, value in msgspec.structs.asdict(measured.scores).items()}
        for name, (low, high) in measured.intervals.items():
            found |= {f"{prefix}_{name}_low": low, f"{prefix}_{name}_high": high}
    found |= {f"tried_{name}_masked_log_loss": s.log_loss for name, s in trained.candidates.items()}
    found |= {f"window_{len(w.parts)}_log_loss": w.log_loss for w in trained.windows}
    return found | {f"calibrator_{trial.family}_gain": trial.gain for trial in trained.calibrators}


def _metric_name(name: str) -> str:
    """The name of a set of shots as part of a metric's name."""
    return name.replace(" ", "_")
