"""Simulated seasons as the platform sees them: documents of batches, parsed into the contract."""

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


def documents_of(source: Simulator, season: int, every: int = 1) -> list[Document]:
    """The documents of every n-th batch of a season, in the order of their announcement."""
    offers = source.plan(season).offers[::every]
    return [document for offer in offers for document in source.documents(season, offer)]


@functools.cache
def plain(scenario: Scenario, number: int) -> pd.DataFrame:
    """What the documents of every second day of a season say, without the platform's checks."""
    source = Simulator(1, scenario)
    frame = pd.DataFrame(documents_of(source, number, every=2))
    x, y = frame["X Location"].astype(int), frame["Y Location"].astype(int)
    day = pd.to_datetime(frame["Game Date"], format="%Y%m%d") - pd.Timestamp(source.plan(number).first)
    shots = pd.DataFrame(
        {
            "day": day.dt.days,
            "x": x,
            "y": y,
            "zone": court.zone(x, y),
            "feet": court.feet(x, y),
            "made": frame["Shot Made Flag"].astype(int),
            "three": frame["Shot Type"].str.startswith("3"),
        }
    )
    return shots.join(frame[["Player ID", "Game ID", "Game Event ID", "Action Type"]])


@functools.cache
def season() -> pd.DataFrame:
    """The shots of the first calm season in the contract, with their zone and whole feet; every document is sound."""
    parsed = parse(documents_of(Simulator(1, Scenario.CALM), 0))
    assert (parsed.reasons == "").all(), sorted(set(parsed.reasons))[:5]
    shots = parsed.shots
    x, y = shots["x"].to_numpy(), shots["y"].to_numpy()
    return shots.assign(zone=court.zone(x, y), feet=court.feet(x, y))


def parse(documents: list[Document]) -> Parsed:
    """What the platform makes of documents."""
    return NBA.parse(pd.DataFrame(documents).fillna(""), None)


def fingerprint(documents: list[Document]) -> str:
    """As the service gives it."""
    return hashlib.sha256(msgspec.json.encode(documents)).hexdigest()
