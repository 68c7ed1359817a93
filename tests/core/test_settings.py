"""Settings: defaults, overrides, and errors that name the variable."""

from pathlib import Path

import pytest

from parivision_core.problems import ConfigurationError
from parivision_core.settings import LOOPBACK, Settings, without_folders, without_login
from parivision_serving.settings import ServiceSettings


def test_defaults_are_consistent() -> None:
    settings = Settings.from_env({})
    assert settings.home == Path.cwd() / ".parivision"
    assert settings.inbox == settings.home / "inbox"
    assert settings.tracking_uri == f"sqlite:///{settings.home}/mlflow/mlflow.db"
    assert settings.registry_url == "http://127.0.0.1:5000"


def test_overrides_and_what_depends_on_them(tmp_path: Path) -> None:
    env = {"PARIVISION_HOME": str(tmp_path), "PARIVISION_MLFLOW_PORT": "5999", "PARIVISION_API_PORT": ""}
    settings = Settings.from_env(env)
    assert (settings.inbox, settings.registry_url, settings.api_port) == (
        tmp_path / "inbox",
        "http://127.0.0.1:5999",
        8000,
    )
    elsewhere = {"MLFLOW_TRACKING_URI": "http://mlflow:5000"}
    assert Settings.from_env(elsewhere).registry_url == Settings.from_env(elsewhere).mlflow_page == "http://mlflow:5000"
    shown = Settings.from_env(elsewhere | {"PARIVISION_MLFLOW_PAGE": "https://ml.example.org/"})
    assert (shown.registry_url, shown.mlflow_page) == ("http://mlflow:5000", "https://ml.example.org")


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("PARIVISION_API_PORT", "eighty"),
        ("PARIVISION_API_PORT", "70000"),
        ("PARIVISION_INBOX_SETTLE_SECONDS", "-1"),
        ("PARIVISION_GATE", "acuracy"),
    ],
)
def test_a_bad_value_names_its_variable(variable: str, value: str) -> None:
    with pytest.raises(ConfigurationError, match=variable):
        Settings.from_env({variable: value})


@pytest.mark.parametrize(
    ("variable", "most", "unit"),
    [("PARIVISION_PREDICTION_LOG_DAYS", 10_000, "days"), ("PARIVISION_API_RATE", 1_000_000, "requests a second")],
)
def test_a_bound_is_reported_in_its_own_unit(variable: str, most: int, unit: str) -> None:
    ServiceSettings.from_env({variable: str(most)})
    for value in (str(most + 1), "-1", "nan"):
        with pytest.raises(ConfigurationError, match=rf"{variable}='{value}' must lie between 0 and {most} \({unit} "):
            ServiceSettings.from_env({variable: value})


def test_a_misspelt_gate_is_refused_with_the_allowed_ones() -> None:
    assert Settings.from_env({}).gate == "log_loss"
    assert Settings.from_env({"PARIVISION_GATE": "accuracy"}).gate == "accuracy"
    with pytest.raises(ConfigurationError, match="PARIVISION_GATE='auc' is none of log_loss, accuracy"):
        Settings.from_env({"PARIVISION_GATE": "auc"})


def test_a_password_in_an_address_is_never_shown() -> None:
    env = {"MLFLOW_TRACKING_URI": "https://ann:s3cret@mlflow:5000", "PARIVISION_FEED_URL": "http://bob:hush@feeds:8800"}
    settings = Settings.from_env(env)
    assert "s3cret" not in repr(settings)
    assert "hush" not in repr(settings)
    assert without_login(settings.registry_url) == settings.mlflow_page == "https://mlflow:5000"
    assert without_login("http://127.0.0.1:5000/a@b") == "http://127.0.0.1:5000/a@b"


@pytest.mark.parametrize(
    ("message", "shown"),
    [
        ("the prediction log /srv/pv/prediction_log/nba.db can't be read", "the prediction log nba.db can't be read"),
        ("OSError(28, 'No space left'): '/srv/pv/cache/x.json'", "OSError(28, 'No space left'): 'x.json'"),
        ("at http://mlflow:5000/a/b doesn't answer", "at http://mlflow:5000/a/b doesn't answer"),
        ("answers 500 to /api/2.0/mlflow/get: and/or", "answers 500 to /api/2.0/mlflow/get: and/or"),
    ],
)
def test_folders_are_left_out_of_messages_to_callers(message: str, shown: str) -> None:
    assert without_folders(message) == shown


@pytest.mark.parametrize("variable", ["PARIVISION_DAGSTER_HOSTS", "PARIVISION_UI_HOSTS"])
def test_a_host_that_no_request_can_name_is_refused(variable: str) -> None:
    with pytest.raises(ConfigurationError, match=rf"{variable} names 'https://example.com', which is no host name"):
        Settings.from_env({variable: "localhost,https://example.com"})


def test_a_page_is_addressed_by_the_names_of_this_machine_and_those_that_are_set() -> None:
    default, named = Settings.from_env({}), Settings.from_env({"PARIVISION_UI_HOSTS": "Page.example.com, [::2]"})
    assert default.known_dagster_hosts == default.known_ui_hosts("127.0.0.1") == LOOPBACK
    assert default.known_ui_hosts("0.0.0.0") == frozenset()  # any
    for address in ("127.0.0.1", "0.0.0.0"):
        assert named.known_ui_hosts(address) == LOOPBACK | {"page.example.com", "::2"}
