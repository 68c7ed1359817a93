"""Resources: what Dagster's pages show of them, and what they are within a run."""

from __future__ import annotations

from pathlib import Path

import dagster as dg
import pytest

from parivision_assets.definitions import build
from parivision_assets.resources import FeedsResource, RegistryResource, resources
from parivision_core.nba.shots import NBA
from parivision_core.settings import Settings

PASSWORD = "sesame-opens-it"
ENVIRON = {
    "MLFLOW_TRACKING_URI": f"http://u:{PASSWORD}@127.0.0.1:9",
    "PARIVISION_FEED": "virtual_bets",
    "PARIVISION_FEED_URL": f"http://u:{PASSWORD}@127.0.0.1:9/feed/",
    "PARIVISION_MONGO_URL": f"mongodb://u:{PASSWORD}@127.0.0.1:9/shots",
    "PARIVISION_SLACK_TOKEN": PASSWORD,
    "PARIVISION_API_KEY": PASSWORD,
}


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """Settings with a password wherever there can be one, in the environment too."""
    for name, value in ENVIRON.items():
        monkeypatch.setenv(name, value)
    return Settings.from_env(ENVIRON | {"PARIVISION_HOME": str(tmp_path)})


def test_no_password_of_the_settings_reaches_dagsters_pages(settings: Settings) -> None:
    from dagster._core.remote_representation.external_data import RepositorySnap

    repository = build([NBA], settings).get_repository_def()
    shown = dg.serialize_value(RepositorySnap.from_def(repository))
    shown += "".join(dg.serialize_value(job.get_job_snapshot()) for job in repository.get_all_jobs())
    assert shown.count(PASSWORD) == 0
    assert "PARIVISION_FEED_URL" in shown and "MLFLOW_TRACKING_URI" in shown


def test_within_a_run_the_addresses_have_their_logins(settings: Settings) -> None:
    made = resources(settings, NBA)
    with dg.build_resources({name: made[name] for name in ("feeds", "registry")}) as given:
        feeds: FeedsResource = given.feeds
        registry: RegistryResource = given.registry
        assert feeds.virtual_bets_url == ENVIRON["PARIVISION_FEED_URL"]
        assert registry.tracking_uri == settings.tracking_uri == ENVIRON["MLFLOW_TRACKING_URI"]
    for name in ("mlflow", "mlflow_monitoring", "mlflow_search"):
        config = made[name].config_schema.resolve_config({}).value["config"]
        assert config["mlflow_tracking_uri"] == settings.tracking_uri
