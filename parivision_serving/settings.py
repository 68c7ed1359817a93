"""The environment variables of the prediction service, beside those that all services of the platform read."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from parivision_core.settings import LOOPBACK, Settings, env_field, host_names, listed

BEYOND_LOOPBACK, ALWAYS = AUTHENTICATION = ("beyond_loopback", "always")
TEXT, JSON = LOGS = ("text", "json")


@dataclass(frozen=True)
class ServiceSettings(Settings):
    """Who may call the service, how often, and what it keeps."""

    api_host: str = env_field(
        "PARIVISION_API_HOST",
        "127.0.0.1",
        "address on which the prediction service listens; if other machines reach it, everyone needs an API key",
    )
    api_workers: int = env_field("PARIVISION_API_WORKERS", 1, "processes that answer predictions side by side")
    api_auth: str = env_field(
        "PARIVISION_API_AUTH",
        BEYOND_LOOPBACK,
        "who needs an API key: always, everyone; beyond_loopback, everyone as soon as the service listens to other "
        "machines or has a name by which they reach it",
        choices=AUTHENTICATION,
    )
    api_hosts: str = env_field(
        "PARIVISION_API_HOSTS",
        "",
        "host names by which the service may be addressed, as in api.example.com,api; by default those of this "
        "machine, and any when it listens to other machines",
    )
    api_origins: str = env_field(
        "PARIVISION_API_ORIGINS",
        "",
        "origins of web pages whose scripts may call the service, as in https://example.com; by default only its own",
    )
    api_rate: float = env_field(
        "PARIVISION_API_RATE",
        0.0,
        "requests a second that each caller may send on average; 0 for no limit",
        most=1_000_000,
    )
    prediction_log_days: float = env_field(
        "PARIVISION_PREDICTION_LOG_DAYS",
        90.0,
        "days for which the prediction log keeps a prediction; 0 keeps it for ever",
        most=10_000,
    )
    profile: str = env_field(
        "PARIVISION_PROFILE",
        "",
        "folder for profiles of requests to /api, one request at a time; by default nothing is profiled",
    )
    log: str = env_field(
        "PARIVISION_LOG", TEXT, "how the service logs: text, or json (one object per line)", choices=LOGS
    )

    @property
    def on_loopback(self) -> bool:
        """Whether the service can be reached from this machine alone."""
        return self.api_host in LOOPBACK

    @property
    def needs_key(self) -> bool:
        """Whether everyone needs an API key. A service with a public host name is reached from outside through a proxy.

        Raises ConfigurationError as `hosts` does.
        """
        return self.api_auth == ALWAYS or not self.on_loopback or not self.hosts <= LOOPBACK

    @property
    def hosts(self) -> frozenset[str]:
        """Host names by which the service may be addressed, in lower case; empty for any.

        Raises ConfigurationError for a name that no Host header can hold.
        """
        given = host_names("PARIVISION_API_HOSTS", self.api_hosts)
        return given or (LOOPBACK if self.on_loopback else frozenset())

    @property
    def origins(self) -> list[str]:
        """Origins of web pages whose scripts may call the service."""
        return listed(self.api_origins)

    @property
    def api_keys(self) -> Path:
        """File of the hashed API keys."""
        return self.home / "api_keys.json"
