"""Made-up seasons in the layouts of real files: small frames for logic, where real seasons would be slow."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from parivision_core.nba import court
from parivision_core.nba.shots.history.league import PRIOR_RATE
from parivision_core.nba.teams import ABBREVIATIONS

TEAMS = {team: names[0] for team, names in ABBREVIATIONS.items()}
ACTIONS = ("Jump Shot", "Driving Layup Shot", "Pullup Jump shot", "Dunk Shot", "Hook Shot", "Step Back Jump shot")


def season(
    games: int = 120, shots: int = 60, seed: int = 1, start: str = "2022-10-18", skill: float = 0.6
) -> pd.DataFrame:
    """A season in the per-season layout, as text: four games a day, players with skill, every shot makeable."""
    rng = np.random.default_rng(seed)
    n = games * shots
    game = np.repeat(np.arange(games), shots)
    ids = np.array(list(TEAMS))
    home, away = ids[(2 * game) % 30], ids[(2 * game + 1) % 30]
    at_home = rng.random(n) < 0.5
    team = np.where(at_home, home, away)
    player = 200_000 + (team % 100) * 10 + rng.integers(0, 5, n)
    near = rng.random(n) < 0.4
    reach = np.where(near, np.abs(rng.normal(0, 25, n)), rng.uniform(60, 290, n))
    turn = rng.uniform(-1.4, 1.4, n)
    x = np.clip(np.rint(reach * np.sin(turn)), -250, 250)
    y = np.clip(np.rint(reach * np.cos(turn)), -52, 880)
    base = np.array([0.0] + [PRIOR_RATE[z] for z in range(1, 8)])[court.zone(x, y)]
    chance = np.clip(base + skill * 0.15 * ((player % 10) - 2) / 2, 0.02, 0.98)
    made = rng.random(n) < chance
    quarter = np.tile(np.sort(np.arange(shots) % 4 + 1), games)
    clock = 719 - (np.tile(np.arange(shots), games) * 37) % 720
    days = pd.to_datetime(start) + pd.to_timedelta(game // 4, unit="D")
    year = days.year.to_numpy() + (days.month.to_numpy() >= 10)
    area = np.where(x < -80, "Left Side", np.where(x > 80, "Right Side", "Center"))
    frame = pd.DataFrame(
        {
            "SEASON_1": year,
            "SEASON_2": [f"{y - 1}-{y % 100:02d}" for y in year],
            "TEAM_ID": team,
            "TEAM_NAME": "Team",
            "PLAYER_ID": player,
            "PLAYER_NAME": [f"Player {p}" for p in player],
            "GAME_DATE": days.strftime("%m-%d-%Y"),
            "GAME_ID": 20_000_000 + (year - 2001) * 100_000 + game + 1,
            "HOME_TEAM": [TEAMS[t] for t in home],
            "AWAY_TEAM": [TEAMS[t] for t in away],
            "EVENT_TYPE": np.where(made, "Made Shot", "Missed Shot"),
            "SHOT_MADE": np.where(made, "TRUE", "FALSE"),
            "ACTION_TYPE": rng.choice(ACTIONS, n),
            "SHOT_TYPE": [f"{p}PT Field Goal" for p in court.points(x, y)],
            "BASIC_ZONE": "Zone",
            "ZONE_NAME": area,
            "ZONE_ABB": "C",
            "ZONE_RANGE": "Range",
            "LOC_X": -x / 10,
            "LOC_Y": y / 10 + 5.25,
            "SHOT_DISTANCE": court.feet(x, y),
            "QUARTER": quarter,
            "MINS_LEFT": clock // 60,
            "SECS_LEFT": clock % 60,
        }
    )
    return frame.astype(str)


def as_kaggle(frame: pd.DataFrame) -> pd.DataFrame:
    """The same shots in the Kaggle layout, which also carries event ids."""
    x = (-10 * frame["LOC_X"].astype(float)).round().astype(int)
    y = (10 * (frame["LOC_Y"].astype(float) - 5.25)).round().astype(int)
    event = frame.groupby("GAME_ID").cumcount() + 1
    return pd.DataFrame(
        {
            "Game ID": frame["GAME_ID"],
            "Game Event ID": event,
            "Player ID": frame["PLAYER_ID"],
            "Player Name": frame["PLAYER_NAME"],
            "Team ID": frame["TEAM_ID"],
            "Team Name": frame["TEAM_NAME"],
            "Period": frame["QUARTER"],
            "Minutes Remaining": frame["MINS_LEFT"],
            "Seconds Remaining": frame["SECS_LEFT"],
            "Action Type": frame["ACTION_TYPE"],
            "Shot Type": frame["SHOT_TYPE"],
            "Shot Zone Basic": frame["BASIC_ZONE"],
            "Shot Zone Area": frame["ZONE_NAME"],
            "Shot Zone Range": frame["ZONE_RANGE"],
            "Shot Distance": frame["SHOT_DISTANCE"],
            "X Location": x,
            "Y Location": y,
            "Shot Made Flag": (frame["SHOT_MADE"] == "TRUE").astype(int),
            "Game Date": pd.to_datetime(frame["GAME_DATE"], format="%m-%d-%Y").dt.strftime("%Y%m%d"),
            "Home Team": frame["HOME_TEAM"],
            "Away Team": frame["AWAY_TEAM"],
            "Season Type": "Regular Season",
        }
    ).astype(str)


def write(frame: pd.DataFrame, path: Path) -> Path:
    """Write as csv, making the folder."""
    path.parent.mkdir(parents=True, exist_ok=True)
    frame.to_csv(path, index=False)
    return path
