"""What assets reach for: the store, the feeds, the registry and the MLflow run, each opened for a sport."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import dagster as dg

from dagster_mongo import MongoResource
from parivision_assets.feeds.base import ask
from parivision_assets.feeds.inbox import InboxFeed
from parivision_assets.feeds.virtual_bets import VirtualBetsFeed
from parivision_assets.tracking.registry import ModelRegistry
from parivision_assets.tracking.searches import search_experiment
from parivision_core.settings import LOG_LOSS, VIRTUAL_BETS
from parivision_core.store import open_files, open_mongo
from parivision_core.tracking.registry import monitoring_experiment

if TYPE_CHECKING:
    from parivision_assets.feeds.base import Feed, Offers
    from parivision_assets.steps.promotion.judging import Judge
    from parivision_core.settings import Settings
    from parivision_core.sport import Sport
    from parivision_core.store.base import Store


class StoreResource(dg.ConfigurableResource, ABC):  # type: ignore[type-arg]
    """The lake, warehouse, feature states and verdicts, of whatever kind."""

    @abstractmethod
    def of(self, sport: Sport) -> Store:
        """The store of one sport."""


class FileStoreResource(StoreResource):
    """The embedded store in the state folder."""

    home: str

    def of(self, sport: Sport) -> Store:
        """See StoreResource."""
        return open_files(Path(self.home), sport)


class MongoStoreResource(StoreResource):
    """The store on MongoDB."""

    mongo: MongoResource

    def of(self, sport: Sport) -> Store:
        """See StoreResource. The connection is the pool of this process, so it outlives the context."""
        with self.mongo.get_database() as database:
            return open_mongo(database, sport)


class FeedsResource(dg.ConfigurableResource):  # type: ignore[type-arg]
    """Every feed that is switched on."""

    names: list[str]
    """Which, in the order in which they are asked."""
    inbox: str
    inbox_settle_seconds: float = 3.0
    virtual_bets_url: str = ""

    def offers(self) -> Offers:
        """All batches on offer, feed by feed."""
        return ask(self._feed(name) for name in self.names)

    def _feed(self, name: str) -> Feed:
        if name == VIRTUAL_BETS:
            return VirtualBetsFeed(self.virtual_bets_url)
        return InboxFeed(Path(self.inbox), self.inbox_settle_seconds)


class RegistryResource(dg.ConfigurableResource):  # type: ignore[type-arg]
    """The model registry."""

    tracking_uri: str
    gate: str = LOG_LOSS
    """By which rule candidates are judged."""

    def of(self, sport: Sport) -> ModelRegistry:
        """The registered model of one sport."""
        return ModelRegistry(self.tracking_uri, sport.registered_model)

    def judge(self, store: Store, sport: Sport) -> Judge:
        """The judge of one sport's candidates."""
        from parivision_assets.steps.promotion.judging import Judge

        return Judge(store, sport, self.of(sport), self.gate)


@dg.resource(config_schema={"experiment_name": str, "mlflow_tracking_uri": str, "artifacts": str})
def mlflow_run(context: dg.InitResourceContext) -> Iterator[Any]:
    """dagster-mlflow's `mlflow_tracking`, imported only in runs that track, with its run ended whatever happens.

    With embedded tracking the experiment is made beforehand, so that its artifacts lie in the state folder.
    """
    import mlflow
    from dagster_mlflow import mlflow_tracking

    config = context.resource_config
    mlflow.set_tracking_uri(config["mlflow_tracking_uri"])
    name = config["experiment_name"]
    if config["mlflow_tracking_uri"].startswith("sqlite:") and mlflow.get_experiment_by_name(name) is None:
        mlflow.create_experiment(name, artifact_location=Path(config["artifacts"]).absolute().as_uri())
    try:
        yield from mlflow_tracking.resource_fn(context)
    finally:
        if mlflow.active_run() is not None:  # the asset that ends it was never reached
            mlflow.end_run("KILLED")


def store_of(settings: Settings) -> StoreResource:
    """The kind of store that the settings ask for."""
    if not settings.mongo_url:
        return FileStoreResource(home=str(settings.home))
    from parivision_core.store.mongo import connect

    # Named and not given, so that the password never shows on a page of Dagster.
    database = connect(settings.mongo_url).name
    return MongoStoreResource(mongo=MongoResource(url=dg.EnvVar("PARIVISION_MONGO_URL"), database=database))


def feeds_of(settings: Settings) -> FeedsResource:
    """The feeds that the settings switch on."""
    return FeedsResource(
        names=list(settings.feeds),
        inbox=str(settings.inbox),
        inbox_settle_seconds=settings.inbox_settle_seconds,
        virtual_bets_url=settings.feed_url,
    )


def resources(settings: Settings, sport: Sport) -> dict[str, Any]:
    """The resources of a code location for these settings."""
    return {
        "store": store_of(settings),
        "feeds": feeds_of(settings),
        "registry": RegistryResource(tracking_uri=settings.tracking_uri, gate=settings.gate),
        "mlflow": _tracked_in(sport.registered_model, settings),
        "mlflow_monitoring": _tracked_in(monitoring_experiment(sport.registered_model), settings),
        "mlflow_search": _tracked_in(search_experiment(sport), settings),
    }


def _tracked_in(experiment: str, settings: Settings) -> dg.ResourceDefinition:
    """The MLflow run of a Dagster run, in the given experiment."""
    return mlflow_run.configured(
        {
            "experiment_name": experiment,
            "mlflow_tracking_uri": settings.tracking_uri,
            "artifacts": str(settings.artifacts),
        }
    )
