"""Days of shots whose records change, deliveries of them in any order, and a plain model of what must stand."""

from __future__ import annotations

import json
from dataclasses import dataclass, field, replace
from functools import cache
from typing import NamedTuple

import pandas as pd

from parivision_assets.feeds.base import Batch
from parivision_assets.feeds.csv_text import read_csv
from parivision_assets.steps.feed.cleaning import typed
from parivision_assets.steps.feed.ingesting import ingest
from parivision_assets.steps.feed.replaying import corrected, shots_to_correct
from parivision_assets.steps.feed.withdrawing import withdraw
from parivision_core.nba.shots import NBA
from parivision_core.records import Manifest
from parivision_core.store.base import Store
from tests.helpers import shots

DAYS = ("2022-04-09", "2022-04-10", "2022-10-18", "2022-10-19")
"""Two of one season, two of the next."""
WITHOUT_EVENTS = DAYS[3]
"""A day whose source has no event ids: only a person can correct its shots."""
SHOTS = 6
"""Shots of a day, in one game."""
VERSIONS = 5
"""Records that a shot may have: as it was first delivered, and four corrections."""
PROVEN = {"distance_agreement": 1.0, "hand_agreement": 1.0}
PLACEMENTS = {
    True: {"unit": "tenths of a foot from the hoop", "hand": 1, **PROVEN},
    False: {"unit": "feet from the baseline", "hand": -1, **PROVEN},
}
"""Unit and hand of the records, with and without event ids: a few rows don't prove them."""


class Shot(NamedTuple):
    """A shot by its day and its number there."""

    day: str
    number: int

    @property
    def has_event(self) -> bool:
        """Whether its source gives it an event id."""
        return self.day != WITHOUT_EVENTS


Records = list[tuple[Shot, int]]
"""Shots and their versions."""


@cache
def _originals(day: str) -> pd.DataFrame:
    frame = shots.season(games=1, shots=SHOTS, seed=DAYS.index(day), start=day)
    return frame if day == WITHOUT_EVENTS else shots.as_kaggle(frame)


def record(shot: Shot, version: int) -> dict[str, str]:
    """The record of a shot in a version: corrected are its outcome, its shooter, its action, or its second."""
    row: dict[str, str] = _originals(shot.day).iloc[shot.number].to_dict()
    player, action, seconds, made = (
        ("PLAYER_ID", "ACTION_TYPE", "SECS_LEFT", "SHOT_MADE")
        if not shot.has_event
        else ("Player ID", "Action Type", "Seconds Remaining", "Shot Made Flag")
    )
    if version == 1:
        row[made] = {"TRUE": "FALSE", "FALSE": "TRUE", "1": "0", "0": "1"}[row[made]]
    elif version == 2:
        row[player] = f"{900_000 + shot.number}"
    elif version == 3:
        row[action] = "Alley Oop Dunk Shot"
    elif version == 4:
        row[seconds] = f"{(int(row[seconds]) + 1) % 60}"
    return row


def shot_id(shot: Shot, version: int) -> str:
    """The `_id` of a version of a shot; none shares its identity."""
    row = typed(NBA.parse(pd.DataFrame([record(shot, version)]), PLACEMENTS[shot.has_event]).shots, NBA).iloc[0]
    return ":".join(str(row[name]) for name in NBA.identity) + ":0"


def batch_of(name: str, records: Records) -> Batch:
    """A batch with these records, all with event ids or all without."""
    content = pd.DataFrame([record(shot, version) for shot, version in records]).to_csv(index=False).encode()
    known = PLACEMENTS[records[0][0].has_event]
    return Batch(name, f"fingerprint of {name}", "test", name, lambda: replace(read_csv(name, content), known=known))


def fill(store: Store, truth: dict[Shot, int]) -> None:
    """Deliver the versions that hold in the end, in the order of time."""
    for day in DAYS:
        if records := sorted((shot, version) for shot, version in truth.items() if shot.day == day):
            ingest(batch_of(f"day-{day}", records), NBA, store)


@dataclass
class Deliveries:
    """Delivers to a store, and knows which version of each shot must stand."""

    store: Store
    _batches: dict[str, tuple[Records, bool]] = field(default_factory=dict)
    """The records of each batch, and whether a person corrects by it."""
    _withdrawals: dict[str, tuple[str, ...]] = field(default_factory=dict)

    def deliver(self, records: Records) -> Manifest:
        """Ingest a batch."""
        manifest = ingest(batch_of(f"b{len(self._batches)}", records), NBA, self.store)
        self._batches[manifest.batch_id] = (records, False)
        return manifest

    def correct(self, shot: Shot, version: int) -> None:
        """Write the shot's standing record out, give it another document, and replay the file."""
        (line,) = shots_to_correct([shot_id(shot, self.truth()[shot])], self.store)
        content = json.dumps(json.loads(line) | {"document": record(shot, version)}).encode()
        batches, _ = corrected("corrections.jsonl", content, self.store)
        for batch in batches:
            self._batches[ingest(batch, NBA, self.store).batch_id] = ([(shot, version)], True)

    def withdraw(self, at: int) -> None:
        """Withdraw one of the batches and withdrawals that count, if there are any."""
        gone = self._gone()
        if counting := [name for name in (*self._batches, *self._withdrawals) if name not in gone]:
            manifest = withdraw(counting[at % len(counting)], NBA, self.store)
            self._withdrawals[manifest.batch_id] = manifest.withdraws

    def _gone(self) -> set[str]:
        gone: set[str] = set()
        for name, withdraws in reversed(self._withdrawals.items()):
            if name not in gone:
                gone.update(withdraws)
        return gone

    def truth(self) -> dict[Shot, int]:
        """The version of each shot that must stand, by the batches that count."""
        gone = self._gone()
        versions: dict[Shot, int] = {}
        overruled: set[tuple[Shot, int]] = set()
        for name, (records, by_person) in self._batches.items():
            for shot, version in records if name not in gone else ():
                if by_person:
                    overruled.add((shot, versions[shot]))
                elif (shot, version) in overruled or (shot in versions and not shot.has_event):
                    continue
                versions[shot] = version
        return versions
