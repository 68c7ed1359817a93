"""The pipeline in one process: refreshes and single assets on a real Dagster instance with real MLflow on SQLite."""

from __future__ import annotations

import dataclasses
from functools import cached_property
from pathlib import Path

import dagster as dg

from parivision_assets.commands.refresh import refresh
from parivision_assets.definitions import build
from parivision_assets.tracking.registry import ModelRegistry
from parivision_core.nba.shots import NBA
from parivision_core.settings import Settings
from parivision_core.store import open_store
from parivision_core.store.base import Store
from tests.helpers import shots


@dataclasses.dataclass
class Platform:
    """A code location, a store and a Dagster instance in a folder, with MLflow on SQLite; only what is called runs."""

    settings: Settings
    instance: dg.DagsterInstance

    @cached_property
    def definitions(self) -> dg.Definitions:
        return build([NBA], self.settings)

    @property
    def store(self) -> Store:
        return open_store(self.settings, NBA)

    @property
    def registry(self) -> ModelRegistry:
        return ModelRegistry(self.settings.tracking_uri, NBA.registered_model)

    def refresh(self) -> str:
        return refresh(self.settings, NBA, self.instance)

    def materialize(self, *names: str) -> dg.ExecuteInProcessResult:
        job = self.definitions.resolve_implicit_global_asset_job_def()
        return job.execute_in_process(
            instance=self.instance, asset_selection=[dg.AssetKey(name) for name in names], raise_on_error=False
        )

    def drop(self, name: str, **season: object) -> None:
        shots.write(shots.season(**season), self.settings.inbox / name)  # type: ignore[arg-type]


def platform_in(folder: Path) -> Platform:
    settings = Settings(home=folder / "home", inbox_settle_seconds=0).resolved()
    (folder / "dagster").mkdir(parents=True, exist_ok=True)
    return Platform(settings, dg.DagsterInstance.local_temp(str(folder / "dagster")))
