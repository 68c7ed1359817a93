"""`trained_model`: fit on the newest seasons, track in MLflow, register the best model as a candidate."""

import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import dagster as dg
import msgspec

from parivision_assets.history import registry_name
from parivision_assets.keys import OWNERS, shot_features_key, trained_model_key
from parivision_assets.reporting import image, reliability_plot, table
from parivision_core.problems import NotEnoughGamesError
from parivision_core.registry import BUNDLE_PATH
from parivision_core.sport import Sport

if TYPE_CHECKING:
    from parivision_assets.steps.training import Trained


def build(sport: Sport, mlflow_page: str) -> dg.AssetsDefinition:
    """The asset for one sport; `mlflow_page` is the address of MLflow's web page, for links."""

    @dg.asset(
        key=trained_model_key(sport),
        deps=[shot_features_key(sport)],
        # dagster-mlflow's resource is a function, and those can't be mixed with typed resource parameters.
        required_resource_keys={"store", "registry", "mlflow"},
        output_required=False,
        group_name="training",
        kinds={"xgboost", "sklearn", "mlflow", "onnx"},
        owners=OWNERS,
        description="A freshly trained candidate: the best of several models on later games, converted to the graph "
        "that would be served, and registered without an alias.",
        metadata={"registered_model": sport.registered_model},
    )
    def trained_model(context: dg.AssetExecutionContext) -> Iterator[dg.MaterializeResult]:  # type: ignore[type-arg]
        from parivision_assets.steps.training import train

        mlflow, registry = context.resources.mlflow, context.resources.registry.of(sport)
        run = mlflow.active_run().info
        status = "FAILED"
        try:
            with tempfile.TemporaryDirectory() as folder:
                trained = train(
                    context.resources.store.of(sport), sport, Path(folder) / BUNDLE_PATH, run.run_id, context.log.info
                )
                plot = reliability_plot(trained.reliability, "unseen games")
                _track(mlflow, trained, plot)
                version = registry.register(run.run_id, run.artifact_uri, trained.sha256, trained.defects)
            status = "FINISHED"
        except NotEnoughGamesError as error:
            status = "KILLED"
            context.log.warning(f"not yet: {error}")
            return
        finally:
            mlflow.end_run(status)
        context.log.info(f"registered version {version}: {trained.fitted.name}")
        yield dg.MaterializeResult(
            metadata={
                "version": version,
                "model": trained.fitted.name,
                "mlflow_run": dg.MetadataValue.url(
                    f"{mlflow_page}/#/experiments/{run.experiment_id}/runs/{run.run_id}"
                ),
                **{f"{period}_log_loss": s.log_loss for period, s in trained.scores.items()},
                "unseen_ece": trained.scores["unseen"].ece,
                "warehouse_shots": trained.warehouse_shots,
                "schema": sport.schema,
                "registry": registry_name(context.resources.registry.tracking_uri),
                "window": dg.MetadataValue.json(trained.window),
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
        )

    return trained_model


def _track(mlflow: Any, trained: "Trained", plot: bytes) -> None:
    """Log parameters, numbers, the bundle and the plot into the active run."""
    # Else every run of the automation has the name of the same anonymous job.
    mlflow.set_tag("mlflow.runName", f"{trained.fitted.name} until {trained.window['seen_until']}")
    mlflow.log_params({"model": trained.fitted.name, **trained.fitted.parameters, **trained.window})
    metrics = {
        f"{period}_{name}": v for period, s in trained.scores.items() for name, v in msgspec.structs.asdict(s).items()
    }
    metrics |= {f"tried_{name}_masked_log_loss": s.log_loss for name, s in trained.candidates.items()}
    mlflow.log_metrics(metrics)
    mlflow.log_dict(trained.fitted.importance, "importance.json")
    mlflow.log_artifacts(str(trained.folder), BUNDLE_PATH)
    # Written by hand because MLflow's log_image wants a decoded picture.
    path = trained.folder.parent / "reliability.png"
    path.write_bytes(plot)
    mlflow.log_artifact(str(path))
