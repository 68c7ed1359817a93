"""The environment variables that the prediction service alone has, beside those of the house."""

from __future__ import annotations

import re
from dataclasses import dataclass
from ipaddress import IPv6Address
from pathlib import Path

from parivision_core.problems import ConfigurationError
from parivision_core.settings import Settings, env_field, listed

BEYOND_LOOPBACK, ALWAYS = AUTHENTICATION = ("beyond_loopback", "always")
TEXT, JSON = LOGS = ("text", "json")
LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})


@dataclass(frozen=True)
class ServiceSettings(Settings):
    """Who may ask the service, how much, and what it keeps."""

    api_host: str = env_field(
        "PARIVISION_API_HOST",
        "127.0.0.1",
        "address on which the prediction service listens; beyond this machine everyone needs an API key",
    )
    api_workers: int = env_field("PARIVISION_API_WORKERS", 1, "processes that answer predictions side by side")
    api_auth: str = env_field(
        "PARIVISION_API_AUTH",
        BEYOND_LOOPBACK,
        "who needs an API key: beyond_loopback, nobody as long as the service listens on this machine alone and has no "
        "name beyond it; always, everyone",
        choices=AUTHENTICATION,
    )
    api_hosts: str = env_field(
        "PARIVISION_API_HOSTS",
        "",
        "names by which the service may be addressed, as in api.example.com,api; by default those of this machine, and "
        "any when it listens beyond it",
    )
    api_origins: str = env_field(
        "PARIVISION_API_ORIGINS",
        "",
        "web pages whose scripts may ask, as in https://example.com; by default none but the service's own",
    )
    api_rate: float = env_field(
        "PARIVISION_API_RATE",
        0.0,
        "requests a second that each caller may send in the mean; 0 for no limit",
        most=1_000_000,
    )
    prediction_log_days: float = env_field(
        "PARIVISION_PREDICTION_LOG_DAYS",
        90.0,
        "days for which the prediction log keeps a prediction; 0 for ever",
        most=10_000,
    )
    profile: str = env_field(
        "PARIVISION_PROFILE", "", "folder for profiles of requests to /api, one at a time; by default none is made"
    )
    log: str = env_field("PARIVISION_LOG", TEXT, "how the service logs: text, or json, an object a line", choices=LOGS)

    @property
    def on_loopback(self) -> bool:
        """Whether the service can be reached from this machine alone."""
        return self.api_host in LOOPBACK

    @property
    def needs_key(self) -> bool:
        """Whether everyone needs an API key. Whoever has a name beyond the machine is reached from there, by a proxy.

        Raises ConfigurationError as `hosts` does.
        """
        return self.api_auth == ALWAYS or not self.on_loopback or not self.hosts <= LOOPBACK

    @property
    def hosts(self) -> frozenset[str]:
        """Names by which the service may be addressed, in lower case; empty for any.

        Raises ConfigurationError for one that no request could carry.
        """
        given = frozenset(_host(name) for name in listed(self.api_hosts))
        return given or (LOOPBACK if self.on_loopback else frozenset())

    @property
    def origins(self) -> list[str]:
        """Web pages whose scripts may ask."""
        return listed(self.api_origins)

    @property
    def api_keys(self) -> Path:
        """File of API keys, hashed."""
        return self.home / "api_keys.json"


def _host(given: str) -> str:
    """A name as the header Host is compared with it: in lower case, an IPv6 address without brackets."""
    name = given.lower().removeprefix("[").removesuffix("]")
    if not re.fullmatch(r"[\w.-]+", name, re.ASCII):
        try:
            IPv6Address(name)
        except ValueError:
            raise ConfigurationError(
                f"PARIVISION_API_HOSTS names {given!r}, by which nobody can ask; give names alone, without port, path "
                "or scheme, as in api.example.com"
            ) from None
    return name
