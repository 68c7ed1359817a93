"""Simulated seasons for tests: each league is played once per process, its shots as a frame or as parsed documents."""

from __future__ import annotations

import functools
import hashlib

import msgspec
import pandas as pd

from parivision_core.nba import court
from parivision_core.nba.shots import NBA
from parivision_core.sport import Parsed
from parivision_serving.virtual_bets.nba.simulator import Simulator
from parivision_serving.virtual_bets.scenarios import Scenario
from parivision_serving.virtual_bets.source import Document

REASONS = (
    "Player ID is missing",
    "the clock shows 75 seconds",
    "is off the court",
    "Shot Distance='far' is not a number",
    "Y Location='NaN' is not a number",
    "Game Date='20231399' is not a date",
)
"""Why the faulty documents of bad batches are quarantined, one reason for each kind of fault."""


@functools.cache
def simulator(scenario: Scenario = Scenario.CALM) -> Simulator:
    """The league of seed 1, which keeps the seasons that it has played; all tests share it."""
    return Simulator(1, scenario)


def documents_of(source: Simulator, season: int, every: int = 1) -> list[Document]:
    """The documents of every n-th batch of a season, in the order of their announcement."""
    offers = source.plan(season).offers[::every]
    return [document for offer in offers for document in source.documents(season, offer)]


@functools.cache
def simulated_shots(scenario: Scenario, number: int) -> pd.DataFrame:
    """The shots of a season of seed 1, in the order of days, games and the clock, as the documents have them."""
    season = simulator(scenario).season(number)
    x, y = season.x, season.y
    return pd.DataFrame(
        {
            "day": season.days,
            "x": x,
            "y": y,
            "zone": court.zone(x, y),
            "feet": court.feet(x, y),
            "made": season.shots.made,
            "three": court.points(x, y) == 3,
            "player": season.league.ids[season.shots.player],
            "game": season.first_game_id + season.shots.game,
            "event": season.shots.event,
            "action": season.shots.action,
        }
    )


@functools.cache
def parsed_season(every: int) -> pd.DataFrame:
    """The shots of every n-th day of the first calm season in the contract, with their zone and whole feet.

    Every document must be sound.
    """
    parsed = parse(documents_of(simulator(), 0, every))
    assert (parsed.reasons == "").all(), sorted(set(parsed.reasons))[:5]
    shots = parsed.shots
    x, y = shots["x"].to_numpy(), shots["y"].to_numpy()
    return shots.assign(zone=court.zone(x, y), feet=court.feet(x, y))


def parse(documents: list[Document]) -> Parsed:
    """What the platform reads from documents."""
    return NBA.parse(pd.DataFrame(documents).fillna(""), None)


def fingerprint(documents: list[Document]) -> str:
    """As the service computes it."""
    return hashlib.sha256(msgspec.json.encode(documents)).hexdigest()
