"""The simulator compared with real seasons: 2018, whose level VirtualBets has, and 2021 and 2023."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from parivision_assets.steps.features.folding import update_warehouse
from parivision_assets.steps.training.pipeline import train
from parivision_core.nba import court
from parivision_core.nba.shots import NBA
from parivision_core.records import Manifest
from parivision_core.scoring import Scores
from parivision_core.store.files import FileStore
from parivision_serving.virtual_bets.nba.simulator import Simulator
from parivision_serving.virtual_bets.scenarios import Scenario
from tests.helpers import real_seasons
from tests.helpers.simulated_seasons import documents_of

pytestmark = pytest.mark.real

ZONES = range(1, 8)


def level(zone: np.ndarray, made: np.ndarray, games: int) -> tuple[np.ndarray, np.ndarray, float]:
    """Share of shots and make rate by zone, each (7,), and shots a game."""
    share = np.array([(zone == z).mean() for z in ZONES])
    rate = np.array([made[zone == z].mean() for z in ZONES])
    return share, rate, len(zone) / games


@pytest.mark.parametrize(
    ("year", "every", "seeds"),
    [(2018, 3, (1,)), *(pytest.param(year, 1, (1, 2), marks=pytest.mark.slow) for year in (2018, 2021, 2023))],
)
def test_the_level_is_that_of_the_real_season(real_data: Path, year: int, every: int, seeds: tuple[int, ...]) -> None:
    """Zone shares within 1 point, make rates by zone within 2 points, shots a game within 3 %."""
    parsed = NBA.parse(real_seasons.season(real_data, f"NBA_{year}", every).reset_index(drop=True), None)
    real = parsed.shots[parsed.reasons == ""]
    zone = court.zone(real["x"].to_numpy(), real["y"].to_numpy())
    share, rate, shots = level(zone, real["made"].to_numpy(), real["game_id"].nunique())
    for seed in seeds:
        played = Simulator(seed, Scenario.CALM, year).season(0)
        recorded = court.zone(played.x, played.y)
        our_share, our_rate, our_shots = level(recorded, played.shots.made, len(played.schedule.home))
        assert np.abs(our_share - share).max() < 0.01
        assert np.abs(our_rate - rate).max() < 0.02
        assert abs(our_shots / shots - 1) < 0.03


@pytest.mark.slow
@pytest.mark.parametrize(("year", "every"), [(2018, 2), (2023, 2)])
def test_a_model_learns_as_much_as_from_a_real_season(
    real_data: Path, year: int, every: int, tmp_path: Path, put: Callable[..., list[Manifest]]
) -> None:
    """The log loss of the same recipe, trained and judged on each season alone, differs by less than 0.01."""
    simulated = pd.DataFrame(documents_of(Simulator(1, Scenario.CALM, year), 0, every))

    def scores(name: str, frame: pd.DataFrame) -> dict[str, Scores]:
        store = FileStore(tmp_path / name, NBA.lake, NBA.warehouse)
        (manifest,) = put(store, frame)
        assert manifest.quarantined == 0
        update_warehouse(store, NBA)
        trained = train(store, NBA, tmp_path / f"{name}-bundle", "run")
        assert trained.defects == []
        return trained.scores

    real, ours = scores("real", real_seasons.season(real_data, f"NBA_{year}", every)), scores("simulated", simulated)
    for part in ("unseen", "spot and clock alone"):
        assert abs(ours[part].log_loss - real[part].log_loss) < 0.01, part
