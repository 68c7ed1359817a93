"""Dagster resources: the store, the feeds, the model registry and the MLflow run."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import dagster as dg

from dagster_mongo import MongoResource
from parivision_assets.feeds.base import collect_offers
from parivision_assets.feeds.inbox import InboxFeed
from parivision_assets.feeds.virtual_bets import VirtualBetsFeed
from parivision_assets.orchestration.failures import in_words
from parivision_assets.tracking.registry import ModelRegistry
from parivision_assets.tracking.searches import search_experiment
from parivision_core.settings import LOG_LOSS, VIRTUAL_BETS, without_login
from parivision_core.store import open_files, open_mongo
from parivision_core.tracking.registry import monitoring_experiment

if TYPE_CHECKING:
    from parivision_assets.feeds.base import Feed, Offers
    from parivision_assets.steps.promotion.judging import Judge
    from parivision_core.settings import Settings
    from parivision_core.sport import Sport
    from parivision_core.store.base import Store


TRACKING_URI = "MLFLOW_TRACKING_URI"


class StoreResource(dg.ConfigurableResource, ABC):  # type: ignore[type-arg]
    """The lake, warehouse, feature states and verdicts, in either kind of store."""

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
        """See StoreResource. The connection pool belongs to the process, so it stays open after the context."""
        with self.mongo.get_database() as database:
            return open_mongo(database, sport)


class FeedsResource(dg.ConfigurableResource):  # type: ignore[type-arg]
    """The feeds that are switched on."""

    names: list[str]
    """In the order in which they are read."""
    inbox: str
    inbox_settle_seconds: float = 3.0
    virtual_bets_url: str = ""

    def offers(self) -> Offers:
        """All batches on offer, feed by feed."""
        return collect_offers(self._feed(name) for name in self.names)

    def _feed(self, name: str) -> Feed:
        if name == VIRTUAL_BETS:
            return VirtualBetsFeed(self.virtual_bets_url)
        return InboxFeed(Path(self.inbox), self.inbox_settle_seconds)


class RegistryResource(dg.ConfigurableResource):  # type: ignore[type-arg]
    """The model registry."""

    tracking_uri: str
    gate: str = LOG_LOSS
    """The rule by which candidates are judged."""

    def of(self, sport: Sport) -> ModelRegistry:
        """The registered model of one sport."""
        return ModelRegistry(self.tracking_uri, sport.registered_model)

    def judge(self, store: Store, sport: Sport) -> Judge:
        """The judge of one sport's candidates."""
        from parivision_assets.steps.promotion.judging import Judge

        return Judge(store, sport, self.of(sport), self.gate)


@dg.resource(config_schema={"experiment_name": str, "mlflow_tracking_uri": dg.StringSource, "artifacts": str})
def mlflow_run(context: dg.InitResourceContext) -> Iterator[Any]:
    """dagster-mlflow's `mlflow_tracking`, imported only in runs that use it; its MLflow run ends whatever happens.

    With embedded tracking the experiment is created here first, so that its artifacts are stored in the state folder.
    """
    import mlflow
    from dagster_mlflow import mlflow_tracking

    config = context.resource_config
    mlflow.set_tracking_uri(config["mlflow_tracking_uri"])
    name = config["experiment_name"]
    try:
        with in_words():
            if config["mlflow_tracking_uri"].startswith("sqlite:") and mlflow.get_experiment_by_name(name) is None:
                mlflow.create_experiment(name, artifact_location=Path(config["artifacts"]).absolute().as_uri())
            yield from mlflow_tracking.resource_fn(context)
    finally:
        if mlflow.active_run() is not None:  # the asset that ends it wasn't executed
            mlflow.end_run("KILLED")


def store_of(settings: Settings) -> StoreResource:
    """The kind of store that the settings ask for."""
    if not settings.mongo_url:
        return FileStoreResource(home=str(settings.home))
    from parivision_core.store.mongo import connect

    # By the variable's name: the value, with its password, would be readable on Dagster's pages, as in `resources`.
    database = connect(settings.mongo_url).name
    return MongoStoreResource(mongo=MongoResource(url=dg.EnvVar("PARIVISION_MONGO_URL"), database=database))


def feeds_of(settings: Settings, url: str | None = None) -> FeedsResource:
    """The feeds that the settings switch on; `url`, if given, stands for that of VirtualBets."""
    return FeedsResource(
        names=list(settings.feeds),
        inbox=str(settings.inbox),
        inbox_settle_seconds=settings.inbox_settle_seconds,
        virtual_bets_url=settings.feed_url if url is None else url,
    )


def resources(settings: Settings, sport: Sport) -> dict[str, Any]:
    """The resources of a code location for these settings."""
    feed_url = dg.EnvVar("PARIVISION_FEED_URL") if _has_login(settings.feed_url) else settings.feed_url
    tracking_uri = dg.EnvVar(TRACKING_URI) if _has_login(settings.tracking_uri) else settings.tracking_uri
    return {
        "store": store_of(settings),
        "feeds": feeds_of(settings, feed_url),
        "registry": RegistryResource(tracking_uri=tracking_uri, gate=settings.gate),
        "mlflow": _tracked_in(sport.registered_model, settings),
        "mlflow_monitoring": _tracked_in(monitoring_experiment(sport.registered_model), settings),
        "mlflow_search": _tracked_in(search_experiment(sport), settings),
    }


def _tracked_in(experiment: str, settings: Settings) -> dg.ResourceDefinition:
    """The MLflow resource for an experiment."""
    return mlflow_run.configured(
        {
            "experiment_name": experiment,
            "mlflow_tracking_uri": {"env": TRACKING_URI}
            if _has_login(settings.tracking_uri)
            else settings.tracking_uri,
            "artifacts": str(settings.artifacts),
        }
    )


def _has_login(address: str) -> bool:
    return without_login(address) != address
