"""The settings of VirtualBets: its own environment variables, and those that it shares with the platform."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from parivision_core.problems import ConfigurationError
from parivision_core.settings import LOOPBACK, Settings, env_field, host_names
from parivision_serving.virtual_bets.scenarios import Scenario

FASTEST = 100_000.0
LONGEST_LEAD = 365
LARGEST_SEED = 2**63 - 1


@dataclass(frozen=True)
class VirtualBetsSettings:
    """What VirtualBets serves, how fast, and where it keeps its state."""

    days_a_minute: float = env_field(
        "VIRTUAL_BETS_SPEED", 30.0, "simulated days a minute after a first season, which is there at once; 0 stops"
    )
    ahead_days: int = env_field(
        "VIRTUAL_BETS_AHEAD",
        14,
        "simulated days that it runs ahead of the client that reads its batches before it waits; 0 never waits",
    )
    scenario: Scenario = env_field("VIRTUAL_BETS_SCENARIO", Scenario.CALM, f"what happens: {', '.join(Scenario)}")
    seed: int = env_field("VIRTUAL_BETS_SEED", 1, "the same seed gives the same seasons")
    file: Path | None = env_field(
        "VIRTUAL_BETS_FILE", None, "a season file to serve in place of a simulation, csv or zipped"
    )
    hosts: str = env_field(
        "VIRTUAL_BETS_HOSTS", "", "host names by which it may be addressed, beside those of this machine"
    )
    port: int = Settings.feed_port
    home: Path = Settings.home
    """The state is kept in its folder `virtual_bets`."""

    @property
    def known_hosts(self) -> frozenset[str]:
        """Names by which it may be addressed. Raises ConfigurationError for one that is no host name."""
        return LOOPBACK | host_names("VIRTUAL_BETS_HOSTS", self.hosts)

    @property
    def folder(self) -> Path:
        """Where the state is kept."""
        return self.home / "virtual_bets"

    @classmethod
    def from_env(cls, environ: Mapping[str, str] | None = None) -> VirtualBetsSettings:
        """Read the settings from environment variables; an empty variable counts as unset.

        Raises ConfigurationError naming the variable that can't be used, its value and what it may be.
        """
        env = {name: value for name, value in (os.environ if environ is None else environ).items() if value}
        shared = Settings.from_env(env)
        file = env.get("VIRTUAL_BETS_FILE")
        settings = cls(
            days_a_minute=_speed(env),
            ahead_days=_whole_number(env, "VIRTUAL_BETS_AHEAD", VirtualBetsSettings.ahead_days, LONGEST_LEAD),
            scenario=_scenario(env),
            seed=_whole_number(env, "VIRTUAL_BETS_SEED", VirtualBetsSettings.seed, LARGEST_SEED),
            file=Path(file).expanduser().absolute() if file else None,
            hosts=env.get("VIRTUAL_BETS_HOSTS", ""),
            port=shared.feed_port,
            home=shared.home,
        )
        _ = settings.known_hosts  # raises for what is no host name, before anything starts
        if settings.file and not settings.file.is_file():
            raise ConfigurationError(f"VIRTUAL_BETS_FILE={file!r} is no file; name a csv or a zip archive with one")
        if settings.file and settings.scenario is not Scenario.CALM:
            raise ConfigurationError(
                f"VIRTUAL_BETS_SCENARIO={settings.scenario.value!r} needs a simulation, but VIRTUAL_BETS_FILE={file!r} "
                "is served as it is; unset one of them"
            )
        return settings


def _scenario(env: Mapping[str, str]) -> Scenario:
    text = env.get("VIRTUAL_BETS_SCENARIO", Scenario.CALM)
    if text not in list(Scenario):
        raise ConfigurationError(f"VIRTUAL_BETS_SCENARIO={text!r} is unknown; choose one of {', '.join(Scenario)}")
    return Scenario(text)


def _speed(env: Mapping[str, str]) -> float:
    text = env.get("VIRTUAL_BETS_SPEED", str(VirtualBetsSettings.days_a_minute))
    try:
        speed = float(text)
    except ValueError:
        speed = -1.0
    if not 0 <= speed <= FASTEST:
        raise ConfigurationError(
            f"VIRTUAL_BETS_SPEED={text!r} is no speed; set it to simulated days a minute from 0 (stopped) to "
            f"{FASTEST:,.0f}"
        )
    return speed


def _whole_number(env: Mapping[str, str], variable: str, default: int, largest: int) -> int:
    text = env.get(variable, str(default))
    try:
        number = int(text)
    except ValueError:
        number = -1
    if not 0 <= number <= largest:
        raise ConfigurationError(f"{variable}={text!r} can't be used; set it to a whole number from 0 to {largest}")
    return number
