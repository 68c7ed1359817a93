"""Settings from environment variables that several packages share; the API and VirtualBets have some of their own."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import Field, dataclass, field, fields, replace
from ipaddress import IPv6Address
from pathlib import Path
from typing import Any, Self

from parivision_core.problems import ConfigurationError

INBOX, VIRTUAL_BETS = "inbox", "virtual_bets"
FEEDS = (INBOX, VIRTUAL_BETS)
LOG_LOSS, ACCURACY = GATES = ("log_loss", "accuracy")
A_DAY = 86_400
LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})
"""Names of this machine that reach no other one."""
_FOLDERS = re.compile(r"(?<![\w/:.-])/(?!api/)(?:[^\s/:'\"]+/)+")
"""Folders of file paths; not addresses, nor routes of MLflow, which begin with /api."""


def without_login(url: str) -> str:
    """An address without the user and password that it may contain, fit to be shown."""
    return re.sub(r"(?<=://)[^/@]*@", "", url)


def without_folders(message: str) -> str:
    """A message fit for callers from outside: paths of files on this machine are reduced to the files' names."""
    return _FOLDERS.sub("", message)


def listed(text: str) -> list[str]:
    """The words of a list, separated by commas or spaces."""
    return [word for word in re.split(r"[\s,]+", text) if word]


def host_names(variable: str, text: str) -> frozenset[str]:
    """The host names in a list, in the form that Host headers are compared with: lower case, IPv6 without brackets.

    Raises ConfigurationError naming the variable and a name that no Host header can hold.
    """
    return frozenset(_host_name(variable, name) for name in listed(text))


def _host_name(variable: str, given: str) -> str:
    name = given.lower().removeprefix("[").removesuffix("]")
    if not re.fullmatch(r"[\w.-]+", name, re.ASCII):
        try:
            IPv6Address(name)
        except ValueError:
            raise ConfigurationError(
                f"{variable} names {given!r}, which is no host name; give names alone, without port, path or scheme, "
                "as in api.example.com"
            ) from None
    return name


def env_field(
    variable: str,
    default: Any,
    help_text: str,
    *,
    secret: bool = False,
    choices: tuple[str, ...] = (),
    most: int = A_DAY,
) -> Any:
    """A field of a settings class that is read from an environment variable; `choices` are its allowed values, if any.

    Floating-point settings are seconds, at most a day, unless `most` gives another bound.
    """
    metadata = {"variable": variable, "help": help_text, "choices": choices, "most": most}
    return field(default=default, repr=not secret, metadata=metadata)


@dataclass(frozen=True)
class Settings:
    """Where PariVision keeps its state and finds its services; `Settings.from_env()` reads it once."""

    home: Path = env_field(
        "PARIVISION_HOME",
        Path(".parivision"),
        "folder of all state: lake, warehouse, registry, Dagster's storage",
    )
    feed: str = env_field(
        "PARIVISION_FEED",
        "",
        "feeds, as in inbox,virtual_bets; by default those that the lake was filled from, and for an empty lake the "
        "inbox if it holds files, else virtual_bets",
    )
    feed_url: str = env_field(
        "PARIVISION_FEED_URL",
        "",
        "address of VirtualBets; by default the local port, where `make up` starts it",
        secret=True,
    )
    inbox: Path = env_field(
        "PARIVISION_INBOX",
        Path(),
        "folder watched for season files; by default `inbox` inside PARIVISION_HOME",
    )
    inbox_settle_seconds: float = env_field(
        "PARIVISION_INBOX_SETTLE_SECONDS",
        3.0,
        "seconds; a file that changed more recently than this is taken to be still written",
    )
    sensor_seconds: int = env_field("PARIVISION_SENSOR_SECONDS", 15, "seconds between two checks for new batches")
    retrain_shots: int = env_field(
        "PARIVISION_RETRAIN_SHOTS", 15_000, "new shots after which a new candidate is trained; drift makes it earlier"
    )
    gate: str = env_field(
        "PARIVISION_GATE",
        LOG_LOSS,
        "what makes a candidate champion: log_loss, a gain in log loss beyond chance; accuracy, a higher accuracy on "
        "the same games, which an equally good model often has",
        choices=GATES,
    )
    mongo_url: str = env_field(
        "PARIVISION_MONGO_URL",
        "",
        "mongodb://user:password@host/database, for lake and warehouse; by default they are in PARIVISION_HOME",
        secret=True,
    )
    tracking_uri: str = env_field(
        "MLFLOW_TRACKING_URI",
        "",
        "MLflow's tracking server or database; by default SQLite inside PARIVISION_HOME",
        secret=True,
    )
    registry_url: str = env_field(
        "PARIVISION_REGISTRY_URL",
        "",
        "MLflow's HTTP address for the service; by default MLFLOW_TRACKING_URI if that is HTTP, else the local port",
        secret=True,
    )
    mlflow_page: str = env_field(
        "PARIVISION_MLFLOW_PAGE",
        "",
        "MLflow's address for browsers, used in links; by default PARIVISION_REGISTRY_URL without its password",
    )
    slack_token: str = env_field(
        "PARIVISION_SLACK_TOKEN",
        "",
        "token of a Slack bot with the scope chat:write, which posts alerts for the person on duty; by default they "
        "are only logged",
        secret=True,
    )
    slack_channel: str = env_field(
        "PARIVISION_SLACK_CHANNEL",
        "#parivision",
        'channel that the bot was invited to, by id or name; in .env a name needs quotes: "#parivision"',
    )
    champion_poll_seconds: float = env_field(
        "PARIVISION_CHAMPION_POLL_SECONDS",
        2.0,
        "seconds between the service's checks for a new champion or feature state",
    )
    api_port: int = env_field("PARIVISION_API_PORT", 8000, "port of the prediction service")
    api_key: str = env_field(
        "PARIVISION_API_KEY",
        "",
        "API key that the page and the commands send, and that the service accepts besides those in its file",
        secret=True,
    )
    api_url: str = env_field(
        "PARIVISION_API_URL", "", "address of the prediction service for the web page; by default the local port"
    )
    dagster_hosts: str = env_field(
        "PARIVISION_DAGSTER_HOSTS",
        "",
        "host names by which Dagster's page may be addressed, beside those of this machine",
    )
    ui_hosts: str = env_field(
        "PARIVISION_UI_HOSTS",
        "",
        "host names by which the web page may be addressed, beside those of this machine; by default any when it "
        "listens to other machines",
    )
    dagster_port: int = env_field("PARIVISION_DAGSTER_PORT", 3000, "port of Dagster's web page")
    mlflow_port: int = env_field("PARIVISION_MLFLOW_PORT", 5000, "port of the MLflow server")
    ui_port: int = env_field("PARIVISION_UI_PORT", 7860, "port of the web page")
    feed_port: int = env_field("PARIVISION_FEED_PORT", 8800, "port of VirtualBets, the simulated feed")

    @classmethod
    def from_env(cls, environ: Mapping[str, str] | None = None) -> Self:
        """Read the settings from environment variables; an empty variable counts as unset.

        Raises ConfigurationError naming the variable that can't be used.
        """
        env = os.environ if environ is None else environ
        given = {f.name: _parse(f, env[f.metadata["variable"]]) for f in fields(cls) if env.get(f.metadata["variable"])}
        return cls(**given).resolved()

    def resolved(self) -> Self:
        """Fill in what depends on other fields and make every path absolute.

        Raises ConfigurationError for a name of Dagster's page or the web page that is no host name.
        """
        host_names("PARIVISION_DAGSTER_HOSTS", self.dagster_hosts)
        host_names("PARIVISION_UI_HOSTS", self.ui_hosts)
        home = self.home.expanduser().absolute()
        local = f"http://127.0.0.1:{self.mlflow_port}"
        registry = self.registry_url or (self.tracking_uri if self.tracking_uri.startswith("http") else local)
        return replace(
            self,
            home=home,
            inbox=home / "inbox" if self.inbox == Path() else self.inbox.expanduser().absolute(),
            feed_url=self.feed_url.rstrip("/") or f"http://127.0.0.1:{self.feed_port}",
            tracking_uri=self.tracking_uri or f"sqlite:///{home / 'mlflow' / 'mlflow.db'}",
            api_url=(self.api_url or f"http://127.0.0.1:{self.api_port}").rstrip("/"),
            registry_url=registry,
            mlflow_page=(self.mlflow_page or without_login(registry)).rstrip("/"),
        )

    @property
    def feeds(self) -> tuple[str, ...]:
        """The feeds by name, each once; by default the inbox, which needs no service.

        Raises ConfigurationError naming an unknown one.
        """
        chosen = tuple(dict.fromkeys(listed(self.feed))) or (INBOX,)
        for name in chosen:
            if name not in FEEDS:
                raise ConfigurationError(
                    f"PARIVISION_FEED={self.feed!r} names {name!r}, which is no feed; choose from {', '.join(FEEDS)}"
                )
        return chosen

    @property
    def known_dagster_hosts(self) -> frozenset[str]:
        """Names by which Dagster's page may be addressed."""
        return LOOPBACK | host_names("PARIVISION_DAGSTER_HOSTS", self.dagster_hosts)

    def known_ui_hosts(self, address: str) -> frozenset[str]:
        """Names by which the web page may be addressed that listens on `address`; empty for any."""
        given = host_names("PARIVISION_UI_HOSTS", self.ui_hosts)
        return LOOPBACK | given if given or address in LOOPBACK else frozenset()

    @property
    def store_kind(self) -> str:
        """The kind of store that holds lake and warehouse."""
        return "mongodb" if self.mongo_url else "parquet"

    @property
    def dagster_page(self) -> str:
        """Address of Dagster's web page."""
        return f"http://127.0.0.1:{self.dagster_port}"

    @property
    def artifacts(self) -> Path:
        """Folder of MLflow's artifacts when tracking is embedded."""
        return self.home / "mlflow" / "artifacts"

    @property
    def cache(self) -> Path:
        """Folder in which the service keeps downloaded bundles."""
        return self.home / "cache"


_KINDS = {int: "whole number", float: "number", str: "text", Path: "path"}


def _parse(f: Field[Any], text: str) -> Any:
    kind: Any = type(f.default)
    variable = f.metadata["variable"]
    try:
        value = kind(text)
    except ValueError:
        raise ConfigurationError(
            f"{variable}={text!r} is no {_KINDS[kind]}; set it to one or leave it unset ({f.metadata['help']})"
        ) from None
    if f.metadata["choices"] and value not in f.metadata["choices"]:
        raise ConfigurationError(
            f"{variable}={text!r} is none of {', '.join(f.metadata['choices'])} ({f.metadata['help']})"
        )
    most = 65535 if variable.endswith("_PORT") else 10**9
    if kind is int and not 0 < value <= most:
        raise ConfigurationError(f"{variable}={text!r} must lie between 1 and {most} ({f.metadata['help']})")
    most = f.metadata["most"]
    if kind is float and not 0 <= value <= most:
        raise ConfigurationError(f"{variable}={text!r} must lie between 0 and {most} ({f.metadata['help']})")
    return value
