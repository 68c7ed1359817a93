"""Random shots in four batches that overlap in time, to be searched."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa

from parivision_core.nba.shots import NBA
from parivision_core.records import Links, Manifest
from parivision_core.store.base import UNLINKED, Store

DAYS = [f"2023-01-{day:02d}" for day in range(1, 13)]
PLAYERS = [201939, 2544, 203507]
TEAMS = ["GSW", "LAL", "NJN", "BKN"]
Shot = dict[str, Any]


def make_shots(days: list[str], count: int, seed: int) -> list[Shot]:
    """Random shots of some days in no order, as the contract has them."""
    rng = np.random.default_rng(seed)
    made = []
    for occurrence in range(count):
        player, day = int(rng.choice(PLAYERS)), str(rng.choice(days))
        text = {name: "" for name, kind in NBA.fields.items() if kind == "string"}
        numbers = {name: int(rng.integers(0, 100)) for name, kind in NBA.fields.items() if kind != "string"}
        team, opponent = (str(name) for name in rng.choice(TEAMS, 2, replace=False))
        own = {"game_date": day, "player_id": player, "player_name": f"P {player}", "team": team, "opponent": opponent}
        shot = {"_id": f"{day}:{seed}:{player}:1:{rng.integers(0, 9)}:{occurrence}", **text, **numbers, **own}
        made.append(shot | {"made": int(rng.integers(0, 2)), "season": 2023})
    return made


def commit(
    store: Store, batch: str, shots: list[Shot], links: Links = UNLINKED, withdraws: tuple[str, ...] = ()
) -> None:
    """Commit shots as a batch, in the envelope that the pipeline puts around them; copies have their own."""
    days = [shot["game_date"] for shot in shots]
    types = {name: pa.type_for_alias(kind) for name, kind in NBA.fields.items()}
    table = pa.table(
        {"_id": pa.array([shot["_id"] for shot in shots], pa.string())}
        | {name: pa.array([shot[name] for shot in shots], kind) for name, kind in types.items()}
        | {
            "batch_id": pa.array([shot.get("batch_id", batch) for shot in shots], pa.string()),
            "row": pa.array([shot.get("row", n) for n, shot in enumerate(shots, start=1)], pa.int32()),
            "ingested_at": pa.array([1] * len(shots), pa.int64()),
            "raw": pa.array(["{}"] * len(shots), pa.string()),
        }
    )
    manifest = Manifest(
        batch_id=batch,
        fingerprint=f"f-{batch}",
        feed="inbox",
        source="x.csv",
        rows=len(shots),
        inserted=len(shots) - links.kept(batch),
        duplicates=links.kept(batch),
        quarantined=0,
        attempt=1,
        layout="season",
        first_date=min(days, default=None),
        last_date=max(days, default=None),
        hidden=links.hidden(batch),
        kept=links.kept(batch),
        withdraws=withdraws,
    )
    store.commit_batch(manifest, table, [], links)


def ordered(shots: list[Shot]) -> list[Shot]:
    """Newest first, as a search answers them."""
    return sorted(shots, key=lambda shot: (shot["game_date"], shot["_id"]), reverse=True)


BATCHES = {
    "old": make_shots(DAYS[:6], 60, 1),
    "new": make_shots(DAYS[8:], 60, 2),
    "between": make_shots(DAYS[4:10], 60, 3),
    "day": make_shots(DAYS[9:10], 40, 4),
}
ALL = ordered([shot for shots in BATCHES.values() for shot in shots])
