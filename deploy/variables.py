"""Which variables are settings of the services that are to run, and whether they can be used."""

from __future__ import annotations

import pkgutil
from collections.abc import Collection, Mapping
from dataclasses import fields
from typing import Any

from parivision_core.settings import VIRTUAL_BETS, Settings

SETTINGS_OF = {
    "api": "parivision_serving.settings:ServiceSettings",
    "feed": "parivision_serving.virtual_bets.settings:VirtualBetsSettings",
}
"""Services with settings of their own; by name, for the pipeline's image, which runs neither, lacks their code."""


def check(environ: Mapping[str, str], names: Collection[str]) -> None:
    """Read the settings of the services with these names. Raises ConfigurationError for one that can't be used."""
    for kind in _kinds(names):
        kind.from_env(environ)


def misspelt(environ: Mapping[str, str], names: Collection[str]) -> list[str]:
    """Variables that look like settings of these services and are none."""
    known = {f.metadata["variable"] for kind in _kinds(names) for f in fields(kind) if f.metadata}
    prefixes = ("PARIVISION_", "VIRTUAL_BETS_") if "feed" in names else ("PARIVISION_",)
    return sorted(n for n in environ if n.startswith(prefixes) and n not in known and "_TEST_" not in n)


def fed_by(settings: Settings, environ: Mapping[str, str], names: Collection[str]) -> str:
    """The feeds in words; of a VirtualBets of our own also what it simulates, or the file that it replays."""
    world = ""
    if "feed" in names:
        chosen = pkgutil.resolve_name(SETTINGS_OF["feed"]).from_env(environ)
        world = f" ({chosen.file.name if chosen.file else chosen.scenario})"
    return " and ".join(f"{name}{world if name == VIRTUAL_BETS else ''}" for name in settings.feeds)


def _kinds(names: Collection[str]) -> list[Any]:
    """The classes of settings that the house and these services read."""
    return [Settings, *(pkgutil.resolve_name(place) for name, place in SETTINGS_OF.items() if name in names)]
