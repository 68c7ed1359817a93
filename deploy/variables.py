"""Checks the settings of all services before any of them starts, and finds misspelt variables."""

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
"""Services with settings of their own, and the classes. By name, because the pipeline's image lacks their code."""


def check_settings(environ: Mapping[str, str], names: Collection[str]) -> None:
    """Read the settings of the services with these names. Raises ConfigurationError for one that can't be used."""
    for kind in _settings_classes(names):
        kind.from_env(environ)


def unknown_variables(environ: Mapping[str, str], names: Collection[str]) -> list[str]:
    """Variables with the prefix of settings that are no setting of these services."""
    known = {f.metadata["variable"] for kind in _settings_classes(names) for f in fields(kind) if f.metadata}
    prefixes = ("PARIVISION_", "VIRTUAL_BETS_") if "feed" in names else ("PARIVISION_",)
    return sorted(n for n in environ if n.startswith(prefixes) and n not in known and "_TEST_" not in n)


def describe_feeds(settings: Settings, environ: Mapping[str, str], names: Collection[str]) -> str:
    """The feeds in words; for a VirtualBets that is started here also its scenario, or the file that it replays."""
    detail = ""
    if "feed" in names:
        chosen = pkgutil.resolve_name(SETTINGS_OF["feed"]).from_env(environ)
        detail = f" ({chosen.file.name if chosen.file else chosen.scenario})"
    return " and ".join(f"{name}{detail if name == VIRTUAL_BETS else ''}" for name in settings.feeds)


def _settings_classes(names: Collection[str]) -> list[Any]:
    """The settings classes that the launcher and these services read."""
    return [Settings, *(pkgutil.resolve_name(place) for name, place in SETTINGS_OF.items() if name in names)]
