"""Real shots: a player's season over HTTP, and requests of the original system made from official records."""

from __future__ import annotations

from pathlib import Path

import msgspec
import numpy as np
import pytest

from parivision_assets.feeds.inbox import InboxFeed
from parivision_assets.steps.feed.ingesting import ingest
from parivision_core.nba import court
from parivision_core.nba.shots import NBA
from parivision_core.store.base import Store
from parivision_core.store.files import FileStore
from parivision_core.store.shots import ShotQuery
from parivision_serving.routes.shots import MOST, shots_route
from tests.helpers import real_seasons
from tests.helpers.small_app import client_of

pytestmark = pytest.mark.real


@pytest.fixture(scope="module", params=[real_seasons.EVERY, pytest.param(1, marks=pytest.mark.slow)])
def season(request: pytest.FixtureRequest, real_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Store:
    """A lake of a real season: all shots of the player with most, and those of every n-th game."""
    folder = tmp_path_factory.mktemp("season")
    (folder / "inbox").mkdir()
    rows = real_seasons.season(real_data, "NBA_2023")
    chosen = rows["GAME_ID"].isin(sorted(set(rows["GAME_ID"]))[:: request.param])
    rows[chosen | (rows["PLAYER_ID"] == rows["PLAYER_ID"].mode()[0])].to_csv(
        folder / "inbox" / "shots.csv", index=False
    )
    store = FileStore(folder / "store", NBA.lake, NBA.warehouse)
    (batch,) = InboxFeed(folder / "inbox", 0).batches()
    ingest(batch, NBA, store)
    return store


def test_a_players_season_is_the_one_in_the_lake(season: Store) -> None:
    frame = season.lake(["_id", "player_id", "game_date", "x", "y", "made"]).to_pandas()
    player = int(frame["player_id"].value_counts().index[0])
    wanted = frame[frame["player_id"] == player].sort_values(["game_date", "_id"], ascending=False)
    assert len(wanted) > 1000
    seen = []
    with client_of(shots_route(NBA, season)) as client:
        query = {"player_id": player, "limit": 700, "fields": "_id,x,y,made"}
        while True:
            page = client.get("/api/v1/shots", params=query).json()
            seen += page["shots"]
            if page["next"] is None:
                break
            query["cursor"] = page["next"]
    assert seen == wanted[["_id", "x", "y", "made"]].to_dict("records")


def test_official_records_make_requests_that_the_original_route_takes(season: Store) -> None:
    shots = season.find_shots(
        ShotQuery(), MOST, ["player_id", "x", "y", "seconds_remaining", "points", "stated_distance"]
    )
    refused = 0
    for shot in shots:
        requested = {
            "Player_ID": str(shot["player_id"]),
            "X_Location": str(shot["x"]),
            "Y_Location": shot["y"],
            "Total_Seconds_Remaining": shot["seconds_remaining"],
            "Shot_Type_Encoded": shot["points"],
            "Shot_Distance_Meters": shot["stated_distance"] * 0.3048,
            "Shot_Zone_Combined": int(court.zone(shot["x"], shot["y"])),
        }
        request = msgspec.convert(requested, NBA.original.request, strict=False)
        refused += bool(NBA.original.problems(request))
        today = NBA.original.translate(request)
        assert (today.x, today.y, today.player_id) == (shot["x"], shot["y"], shot["player_id"])
        assert not NBA.problems(today)
    assert refused <= 0.0005 * len(shots)


def test_another_unit_or_a_mirrored_court_is_refused(season: Store) -> None:
    shots = season.find_shots(ShotQuery(), 1000, ["x", "y", "points", "stated_distance"])
    far = [shot for shot in shots if shot["stated_distance"] >= 10]

    def refused(scale: float, hand: int) -> float:
        found = [
            NBA.original.problems(
                NBA.original.request(
                    player_id=1,
                    x=float(np.clip(hand * scale * shot["x"], -250, 250)),
                    y=float(np.clip(scale * shot["y"], -52, 888)),
                    seconds_remaining=10,
                    points=shot["points"],
                    metres=shot["stated_distance"] * 0.3048,
                    zone=int(court.zone(shot["x"], shot["y"])),
                )
            )
            for shot in far
        ]
        return float(np.mean([bool(problems) for problems in found]))

    assert refused(1, 1) < 0.001
    assert refused(0.1, 1) == refused(0.03048, 1) == 1
    sides = np.mean([court.zone(s["x"], s["y"]) in (3, 4) and abs(s["x"]) > 100 for s in far])
    assert refused(1, -1) > 0.9 * sides > 0
