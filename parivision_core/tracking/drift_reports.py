"""The latest drift reports, read from the MLflow runs in which the pipeline keeps them."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
from msgspec import Meta

from parivision_core.problems import RegistryError
from parivision_core.tracking.pages import run_page
from parivision_core.tracking.registry import RegistryReader, monitoring_experiment, pairs

PAGE = "drift.html"
"""Name of the report's page among a run's artifacts."""
_DISTANCE, _THRESHOLD = "distance_", "threshold_"


class DriftWindow(msgspec.Struct, frozen=True, kw_only=True):
    """A period of time that was compared."""

    first_date: str
    last_date: str
    games: int
    shots: int


class DriftedColumn(msgspec.Struct, frozen=True, kw_only=True):
    """How far one column moved."""

    name: str
    distance: Annotated[float, Meta(description="Distance between the windows; the page names the method.")]
    threshold: Annotated[
        float, Meta(description="Distances above it are more than noise, as measured for windows of this size.")
    ]
    beyond: Annotated[bool, Meta(description="Whether it moved beyond its threshold.")]
    alarms: Annotated[
        bool, Meta(description="Whether it did and is watched; columns that move by construction aren't.")
    ]


class DriftReport(msgspec.Struct, frozen=True, kw_only=True):
    """A comparison of the shots that a champion was trained on with the newest ones."""

    reported_at: Annotated[int, Meta(description="Milliseconds since 1970.")]
    champion: Annotated[int, Meta(description="Version that was champion.")]
    drifted: Annotated[bool, Meta(description="Whether any watched column moved beyond its threshold.")]
    training: DriftWindow
    newest: DriftWindow
    columns: Annotated[list[DriftedColumn], Meta(description="Farthest beyond its threshold first.")]
    log_loss: Annotated[float, Meta(description="Log loss of the champion on the newest shots.")]
    expected_log_loss: Annotated[
        float, Meta(description="The same, if shots went in as often as the champion predicted.")
    ]
    run_id: str
    page: Annotated[str, Meta(description="Address of the whole report, as a page.")]


def read_drift(registry: RegistryReader, limit: int) -> list[DriftReport]:
    """At most `limit` reports, newest first; empty before the first.

    Raises RegistryError when the registry can't be reached, refuses, or isn't MLflow.
    """
    mlflow = registry.mlflow
    name = monitoring_experiment(registry.model)
    answer = mlflow.get("/api/2.0/mlflow/experiments/get-by-name", experiment_name=name)
    if answer is None:
        return []
    try:
        experiment = answer["experiment"]["experiment_id"]
        found = mlflow.search(
            "/api/2.0/mlflow/runs/search",
            experiment_ids=[experiment],
            # A run that was killed had too few games to compare.
            filter="attributes.status = 'FINISHED'",
            order_by=["attributes.start_time DESC"],
            max_results=limit,
        )
        return [_report(run, registry.page) for run in (found or {}).get("runs", ())]
    except (KeyError, ValueError, TypeError) as error:
        raise RegistryError(
            f"the experiment {name} in MLflow holds a run that is no drift report (it lacks {error}); delete the run"
        ) from error


def _report(run: dict[str, Any], page: str) -> DriftReport:
    info, data = run["info"], run["data"]
    parameters, metrics = pairs(data.get("params")), pairs(data.get("metrics"))
    alarming = {name for name in parameters["drifted_columns"].split(", ") if name}
    names = [name.removeprefix(_DISTANCE) for name in metrics if name.startswith(_DISTANCE)]
    columns = [
        DriftedColumn(
            name=name,
            distance=(distance := metrics[_DISTANCE + name]),
            threshold=(threshold := metrics[_THRESHOLD + name]),
            beyond=distance >= threshold,
            alarms=name in alarming,
        )
        for name in names
    ]
    windows = {
        name: DriftWindow(
            first_date=parameters[f"{name}_first_date"],
            last_date=parameters[f"{name}_last_date"],
            games=int(metrics[f"{name}_games"]),
            shots=int(metrics[f"{name}_shots"]),
        )
        for name in ("training", "newest")
    }
    return DriftReport(
        reported_at=int(info["end_time"]),
        champion=int(parameters["champion"]),
        drifted=bool(alarming),
        columns=sorted(columns, key=lambda column: column.threshold - column.distance),
        log_loss=metrics["log_loss"],
        expected_log_loss=metrics["expected_log_loss"],
        run_id=info["run_id"],
        page=run_page(page, info["experiment_id"], info["run_id"], PAGE),
        **windows,
    )
