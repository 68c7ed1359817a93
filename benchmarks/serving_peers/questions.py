"""What the servers are asked: shots of a house's lake, as each of them takes one or many."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

import msgspec
import numpy as np

from benchmarks.load import write_bodies
from benchmarks.serving_peers import forest
from parivision_assets.commands.request_predictions import question
from parivision_core.nba.shots import NBA
from parivision_core.store import open_files
from parivision_serving.client import arrow
from parivision_serving.client.fields import fields_of

SHOTS = 20_000
BODIES = 2_000
"""At most so many different bodies of a kind, so that nobody can answer from memory."""
ASKED = ("x", "y", "period", "seconds_remaining", "player_id", "team", "opponent", "home", "kind")
"""What a program with the record of a game sends."""

Kind = Literal["shot", "rows", "arrow", "inputs", "split", "csv"]


class Questions:
    """Shots drawn from a lake at random, as our request and as the original's seven inputs."""

    def __init__(self, home: Path, folder: Path) -> None:
        """Read them; `folder` keeps the bodies.

        Raises ValueError for a lake with too few shots.
        """
        lake = open_files(home, NBA).lake(["_id", *ASKED, "made"])
        if lake.num_rows < SHOTS:
            raise ValueError(f"{home} holds {lake.num_rows:,} shots; the benchmark asks about {SHOTS:,}")
        drawn = lake.take(np.random.default_rng(1).permutation(lake.num_rows)[:SHOTS])
        shots = [question(shot, NBA) for shot in drawn.to_pylist()]
        sound = np.array([self._complete(shot) for shot in shots])
        self.shots = [shot for shot, kept in zip(shots, sound, strict=True) if kept]
        self.lake = drawn.filter(sound)
        self.frame = forest.frame(self.lake)
        self._folder = folder
        self._encoders: dict[Kind, Callable[[slice], bytes]] = {
            "shot": lambda rows: msgspec.json.encode(self.shots[rows][0]),
            "rows": lambda rows: msgspec.json.encode(self.shots[rows]),
            "arrow": self._arrow,
            "inputs": lambda rows: self._json(self.frame[rows].to_dict("records")[0]),
            "split": lambda rows: self._json({"dataframe_split": self.frame[rows].to_dict("split", index=False)}),
            "csv": lambda rows: self.frame[rows].to_csv(index=False).encode(),
        }

    def bodies(self, kind: Kind, rows: int = 1) -> str:
        """File of bodies of so many rows each."""
        path = self._folder / f"{kind}-{rows}"
        if not path.exists():
            starts = range(0, len(self.shots) - rows + 1, rows)[:BODIES]
            write_bodies(path, [self._encoders[kind](slice(start, start + rows)) for start in starts])
        return str(path)

    def first(self, kind: Kind) -> bytes:
        """The first body of one row."""
        return self._encoders[kind](slice(0, 1))

    @staticmethod
    def _complete(shot: dict[str, Any]) -> bool:
        return all(name in shot for name in ASKED) and not NBA.problems(msgspec.convert(shot, NBA.request))

    @staticmethod
    def _json(value: Any) -> bytes:
        return msgspec.json.encode(value)

    def _arrow(self, rows: slice) -> bytes:
        requests = [msgspec.convert(shot, NBA.request) for shot in self.shots[rows]]
        return arrow.encoded(requests, fields_of(NBA.request))
