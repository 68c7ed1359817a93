"""Request bodies for all servers: shots from a lake, encoded for each server and for one or many rows."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

import msgspec
import numpy as np

from benchmarks.load import write_bodies
from benchmarks.serving_peers import forest
from parivision_assets.commands.request_predictions import request_for
from parivision_core.nba.shots import NBA
from parivision_core.store import open_files
from parivision_serving.client import arrow
from parivision_serving.client.fields import fields_of

SHOTS = 20_000
BODIES = 2_000
"""Number of different bodies of a kind, so that no server can answer from a cache."""
FIELDS = ("x", "y", "period", "seconds_remaining", "player_id", "team", "opponent", "home", "kind")
"""Fields that a program with the record of a game sends."""

Kind = Literal["shot", "rows", "arrow", "inputs", "split", "csv"]


class RequestBodies:
    """Shots drawn at random from a lake, as requests to our service and as the original's seven inputs."""

    def __init__(self, home: Path, folder: Path) -> None:
        """Read the shots of the state folder `home`; files with bodies are written to `folder`.

        Raises ValueError for a lake with too few shots.
        """
        lake = open_files(home, NBA).lake(["_id", *FIELDS, "made"])
        if lake.num_rows < SHOTS:
            raise ValueError(f"{home} holds {lake.num_rows:,} shots; the benchmark needs {SHOTS:,}")
        drawn = lake.take(np.random.default_rng(1).permutation(lake.num_rows)[:SHOTS])
        shots = [request_for(shot, NBA) for shot in drawn.to_pylist()]
        usable = np.array([self._is_usable(shot) for shot in shots])
        self.shots = [shot for shot, kept in zip(shots, usable, strict=True) if kept]
        self.lake = drawn.filter(usable)
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
        """Path of a file with bodies of `rows` rows each."""
        path = self._folder / f"{kind}-{rows}"
        if not path.exists():
            starts = range(0, len(self.shots) - rows + 1, rows)[:BODIES]
            write_bodies(path, [self._encoders[kind](slice(start, start + rows)) for start in starts])
        return str(path)

    def first(self, kind: Kind) -> bytes:
        """The first body with one row."""
        return self._encoders[kind](slice(0, 1))

    @staticmethod
    def _is_usable(shot: dict[str, Any]) -> bool:
        return all(name in shot for name in FIELDS) and not NBA.problems(msgspec.convert(shot, NBA.request))

    @staticmethod
    def _json(value: Any) -> bytes:
        return msgspec.json.encode(value)

    def _arrow(self, rows: slice) -> bytes:
        requests = [msgspec.convert(shot, NBA.request) for shot in self.shots[rows]]
        return arrow.encoded(requests, fields_of(NBA.request))
