"""The environment variables that the prediction service alone has, beside those of the house."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

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
        "who needs an API key: beyond_loopback, nobody as long as the service listens on this machine alone; always, "
        "everyone",
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
        "PARIVISION_API_RATE", 0.0, "requests a second that each caller may send in the mean; 0 for no limit"
    )
    journal_days: float = env_field(
        "PARIVISION_JOURNAL_DAYS", 90.0, "days for which the journal keeps a prediction; 0 for ever"
    )
    profile: str = env_field(
        "PARIVISION_PROFILE", "", "folder for a profile of each request to /api; by default none is made"
    )
    log: str = env_field("PARIVISION_LOG", TEXT, "how the service logs: text, or json, an object a line", choices=LOGS)

    @property
    def on_loopback(self) -> bool:
        """Whether the service can be reached from this machine alone."""
        return self.api_host in LOOPBACK

    @property
    def needs_key(self) -> bool:
        """Whether everyone needs an API key."""
        return self.api_auth == ALWAYS or not self.on_loopback

    @property
    def hosts(self) -> frozenset[str]:
        """Names by which the service may be addressed; empty for any."""
        return frozenset(listed(self.api_hosts)) or (LOOPBACK if self.on_loopback else frozenset())

    @property
    def origins(self) -> list[str]:
        """Web pages whose scripts may ask."""
        return listed(self.api_origins)

    @property
    def api_keys(self) -> Path:
        """File of API keys, hashed."""
        return self.home / "api_keys.json"
