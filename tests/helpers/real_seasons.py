"""Real season files, whole or as a sample of whole games: tests of logic read the sample, the slow layer the whole."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path

import pandas as pd

KAGGLE = "NBA Shot Locations 1997 - 2020 (sample).csv"
SEASONS = ("NBA_2016", "NBA_2017", "NBA_2018", "NBA_2020", "NBA_2021", "NBA_2023")
EVERY = 12
"""Of so many games the sample keeps one: some 17,000 shots a season."""


def season(real_data: Path, name: str, every: int = 1) -> pd.DataFrame:
    """The rows of a season file as text, those of every n-th game, in the file's order."""
    with zipfile.ZipFile(real_data / f"{name}_Shots.csv.zip") as archive, archive.open(f"{name}_Shots.csv") as file:
        frame = pd.read_csv(file, dtype=str, keep_default_na=False)
    return frame if every == 1 else frame[frame["GAME_ID"].isin(sorted(set(frame["GAME_ID"]))[::every])]


def sampled(real_data: Path, folder: Path) -> Path:
    """Fill a folder with the same files, zipped as they were, each with a sample of its games."""
    with_kaggle = set(pd.read_csv(real_data / KAGGLE, dtype=str)["Game ID"])
    for name in SEASONS:
        frame = season(real_data, name)
        games = {*sorted(set(frame["GAME_ID"]))[::EVERY], *(with_kaggle & set(frame["GAME_ID"]))}
        text = io.StringIO()
        frame[frame["GAME_ID"].isin(games)].to_csv(text, index=False)
        with zipfile.ZipFile(folder / f"{name}_Shots.csv.zip", "w") as archive:
            archive.writestr(f"{name}_Shots.csv", text.getvalue())
            archive.writestr(f"__MACOSX/._{name}_Shots.csv", b"Mac OS X")  # as the real ones have it
    (folder / KAGGLE).write_bytes((real_data / KAGGLE).read_bytes())
    return folder
