"""Serving a file: both layouts become documents from which the platform reads the same shots as from the file."""

from __future__ import annotations

import zipfile
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from parivision_core.nba.shots import NBA
from parivision_core.problems import BatchError
from parivision_serving.virtual_bets.nba.documents import FIELDS
from parivision_serving.virtual_bets.nba.season_file import SeasonFile
from parivision_serving.virtual_bets.source import Document
from tests.helpers import real_seasons, shots
from tests.helpers.simulated_seasons import parse

REAL_SEASON = "NBA_2021"
"""A season in tens of feet."""
CONTRACT = [name for name in NBA.fields if name != "event_id"]


@pytest.fixture(scope="module")
def frame() -> pd.DataFrame:
    """Two seasons of six days in the season layout."""
    seasons = [shots.season(games=24, shots=20, seed=i, start=f"202{i}-10-18") for i in (1, 2)]
    return pd.concat(seasons, ignore_index=True)


def served(source: SeasonFile) -> list[Document]:
    return [
        document
        for season in range(source.seasons)
        for offer in source.plan(season).offers
        for document in source.documents(season, offer)
    ]


def test_both_layouts_give_the_same_shots(frame: pd.DataFrame, tmp_path: Path) -> None:
    expected = NBA.parse(frame, None).shots[CONTRACT]
    for name, given in (("season.csv", frame), ("kaggle.csv", shots.as_kaggle(frame))):
        documents = served(SeasonFile(shots.write(given, tmp_path / name)))
        assert all(set(document) == set(FIELDS) for document in documents)
        found = parse(documents)
        assert (found.reasons == "").all()
        pd.testing.assert_frame_equal(found.shots[CONTRACT], expected)


@pytest.mark.parametrize("scale", [1, -1, 0.1])
def test_unit_and_hand_are_inferred(frame: pd.DataFrame, tmp_path: Path, scale: float) -> None:
    """As for the inbox: feet from either hand, or tens of feet."""
    given = frame.copy()
    x, y = frame["LOC_X"].astype(float), frame["LOC_Y"].astype(float)
    if scale == 0.1:
        given["LOC_X"], given["LOC_Y"] = (-x / 10).astype(str), ((y - 5.25) / 10 + 5.775).astype(str)
    else:
        given["LOC_X"] = (scale * x).astype(str)
    documents = served(SeasonFile(shots.write(given, tmp_path / "shots.csv")))
    pd.testing.assert_frame_equal(parse(documents).shots[CONTRACT], NBA.parse(given, None).shots[CONTRACT])


def test_days_are_batches_and_octobers_begin_seasons(frame: pd.DataFrame, tmp_path: Path) -> None:
    upside_down = frame.iloc[::-1]
    source = SeasonFile(shots.write(upside_down, tmp_path / "shots.csv"))
    assert source.seasons == 2
    plan = source.plan(1)
    assert [offer.id for offer in plan.offers] == [f"2022-10-{day}" for day in range(18, 24)]
    assert [offer.announced for offer in plan.offers] == list(range(6))
    assert (str(plan.first), plan.days) == ("2022-10-18", 6)
    assert all(source.rows(1, offer) == len(source.documents(1, offer)) == 80 for offer in plan.offers)


def test_a_zipped_file_is_the_same(frame: pd.DataFrame, tmp_path: Path) -> None:
    path = shots.write(frame, tmp_path / "shots.csv")
    with zipfile.ZipFile(tmp_path / "shots.zip", "w") as archive:
        archive.write(path, "inner/shots.csv")
        archive.writestr("__MACOSX/inner/._shots.csv", "resource fork")
    assert served(SeasonFile(tmp_path / "shots.zip")) == served(SeasonFile(path))


def test_rows_that_break_the_contract_are_served_unchanged(frame: pd.DataFrame, tmp_path: Path) -> None:
    broken = frame.copy()
    for column, row, value in (
        ("PLAYER_ID", 3, ""),
        ("LOC_X", 5, "wide"),
        ("GAME_DATE", 7, "soon"),
        ("SHOT_MADE", 9, "MAYBE"),
        ("GAME_ID", 11, "first"),
    ):
        broken.loc[row, column] = value
    documents = served(SeasonFile(shots.write(broken, tmp_path / "shots.csv")))
    assert len(documents) == len(frame)
    wrong = np.flatnonzero(parse(documents).reasons)
    assert wrong.tolist() == [3, 5, 7, 9, 11]
    assert documents[7]["Game Date"] == "soon"
    assert documents[5]["X Location"] == "wide"


def test_a_row_without_a_date_travels_with_the_row_before_it(frame: pd.DataFrame, tmp_path: Path) -> None:
    broken = shots.as_kaggle(frame)
    broken.loc[[0, 100], "Game Date"] = ""
    source = SeasonFile(shots.write(broken, tmp_path / "shots.csv"))
    first, second = (source.documents(0, offer) for offer in source.plan(0).offers[:2])
    assert [first[0]["Game Date"], second[20]["Game Date"]] == ["", ""]
    assert (len(first), len(second)) == (80, 80)


def test_a_file_that_proves_no_unit_is_refused(frame: pd.DataFrame, tmp_path: Path) -> None:
    broken = frame.assign(LOC_Y=frame["LOC_X"])
    with pytest.raises(BatchError, match="fit no known unit"):
        SeasonFile(shots.write(broken, tmp_path / "shots.csv"))


def test_a_file_without_dates_is_refused(frame: pd.DataFrame, tmp_path: Path) -> None:
    with pytest.raises(BatchError, match="no row has a date like %m-%d-%Y in GAME_DATE"):
        SeasonFile(shots.write(frame.assign(GAME_DATE=""), tmp_path / "shots.csv"))
    with pytest.raises(BatchError, match="no row has a date"):
        SeasonFile(shots.write(frame.iloc[:0], tmp_path / "empty.csv"))


def test_archives_of_none_or_several_files_are_refused(tmp_path: Path) -> None:
    for names in ([], ["a.csv", "b.csv"]):
        with zipfile.ZipFile(tmp_path / "shots.zip", "w") as archive:
            for name in names:
                archive.writestr(name, "x")
        with pytest.raises(BatchError, match=f"holds {len(names)} csv files"):
            SeasonFile(tmp_path / "shots.zip")


@pytest.mark.real
def test_a_sample_of_a_real_season_is_served_shot_by_shot(real_data: Path, tmp_path: Path) -> None:
    frame = real_seasons.season(real_data, REAL_SEASON, real_seasons.EVERY).reset_index(drop=True)
    check_served_shots(frame, shots.write(frame, tmp_path / "season.csv"))


@pytest.mark.real
@pytest.mark.slow
def test_a_real_season_is_served_shot_by_shot(real_data: Path) -> None:
    check_served_shots(real_seasons.season(real_data, REAL_SEASON), real_data / f"{REAL_SEASON}_Shots.csv.zip")


def check_served_shots(frame: pd.DataFrame, path: Path) -> None:
    """The documents of a file hold the shots of its rows, day by day."""
    documents = served(SeasonFile(path))
    order = frame.assign(day=pd.to_datetime(frame["GAME_DATE"])).sort_values("day", kind="stable").index
    expected = NBA.parse(frame, None).shots.loc[order, CONTRACT].reset_index(drop=True)
    pd.testing.assert_frame_equal(parse(documents).shots[CONTRACT], expected)
