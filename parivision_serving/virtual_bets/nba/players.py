"""The invented players: their teams, their shares of the shots, their skills, and how these change over the years."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from parivision_core.nba.teams import ABBREVIATIONS
from parivision_serving.virtual_bets.nba.figures import SKILLS, ZONE_COUNT, Array, figures
from parivision_serving.virtual_bets.nba.names import invented

TEAM_IDS = tuple(ABBREVIATIONS)
TEAMS = tuple(names[0] for names in ABBREVIATIONS.values())
SLOTS = 17
"""Players of a team: 510 in the league, of whom some 500 shoot in a season (measured: 503)."""
FIRST_ID = 90_000_001
"""Ids of real players stay far below."""

APPEARS = np.array([0.91, 0.9, 0.88, 0.86, 0.84, 0.82, 0.79, 0.76, 0.72, 0.66, 0.58, 0.47, 0.36, 0.26, 0.17, 0.1, 0.05])
"""Chance to play in a game, from a team's first player to its last: 10.1 shooters a team and game, as measured."""
SEASON_SHOTS = np.array([1290, 1030, 860, 720, 610, 520, 440, 370, 310, 255, 200, 150, 105, 65, 34, 14, 4])
"""Shots in a season from a team's first player to its last: median 334 and 99 % 1,435, as measured."""
USAGE_SPREAD = 0.2
"""Deviation of the logarithm of a player's share of the team's shots from game to game; with it, the shots of a player
in a game deviate by 5.4, as measured."""

RETIRES = 0.12
MOVES = 0.15
"""Chance to stop after a season, and to change teams."""
KEPT_SKILL, KEPT_STANDING, KEPT_DEFENCE = 0.95, 0.9, 0.5
"""Correlation with the season before."""
STYLE_DRIFT = 0.08
"""Deviation of the logarithm of each share of a style from one season to the next."""


@dataclass(frozen=True)
class SimulatedLeague:
    """All players of a season, (n,) by team and by standing within it, and the teams' defences."""

    number: Array
    """A player's id is this more than FIRST_ID."""
    standing: Array
    """Rank by shots taken; compared only within a team."""
    skill: Array
    """What a player adds to the log odds of a make, (n, 5) by SKILLS."""
    style: Array
    """A player's weights of zones, (n, 8), before the league's mix is imposed."""
    defence: Array
    """What a team adds to its opponents' log odds, (30, 5)."""
    newest: int
    """Number of the next rookie."""

    @property
    def ids(self) -> Array:
        """Player ids, (n,)."""
        return self.number + FIRST_ID

    @property
    def names(self) -> list[str]:
        """Player names, (n,)."""
        return [invented(number) for number in self.number.tolist()]


def first_league(rng: np.random.Generator) -> SimulatedLeague:
    """The players of the first season."""
    n = len(TEAMS) * SLOTS
    defence = rng.standard_normal((len(TEAMS), len(SKILLS))) * _spread("defence_team_season")
    standing, skill, style = _rookies(rng, n)
    return _ranked(np.arange(n), standing, skill, style, defence, n)


def next_league(league: SimulatedLeague, rng: np.random.Generator) -> SimulatedLeague:
    """The players a year later: most a little changed, some gone for rookies, some with another team."""
    n = len(league.number)
    gone = rng.random(n) < RETIRES
    new_standing, new_skill, new_style = _rookies(rng, n)
    skill = _drift(league.skill, rng.standard_normal((n, len(SKILLS))) @ _mixing(), KEPT_SKILL)
    standing = _drift(league.standing, rng.standard_normal(n), KEPT_STANDING)
    style = league.style * np.exp(STYLE_DRIFT * rng.standard_normal((n, ZONE_COUNT)))
    style /= style.sum(axis=1, keepdims=True)
    shocks = rng.standard_normal(league.defence.shape) * _spread("defence_team_season")
    movers = np.flatnonzero(rng.random(n) < MOVES)
    seat = np.arange(n)
    seat[movers] = movers[np.argsort(rng.random(len(movers)))]
    return _ranked(
        np.where(gone, league.newest + np.cumsum(gone) - 1, league.number)[seat],
        np.where(gone, new_standing, standing)[seat],
        np.where(gone[:, None], new_skill, skill)[seat],
        np.where(gone[:, None], new_style, style)[seat],
        _drift(league.defence, shocks, KEPT_DEFENCE),
        league.newest + int(gone.sum()),
    )


def usage() -> Array:
    """Weight of each player's shots among those of the team when all play, (n,)."""
    return np.tile(SEASON_SHOTS / APPEARS, len(TEAMS))


def _drift(value: Array, shock: Array, kept: float) -> Array:
    """An autoregression whose spread stays the same: the shock has that of the value."""
    drifted: Array = kept * value + np.sqrt(1 - kept**2) * shock
    return drifted


def _spread(name: str) -> Array:
    return np.array([figures()[name][skill] for skill in SKILLS])


def _mixing() -> Array:
    """Turns independent normal numbers (n, 5) into skills with the spread and the correlations of the figures.

    The correlations were measured pair by pair, so their matrix has a negative eigenvalue, which is set to 0.
    """
    values, vectors = np.linalg.eigh(np.array(figures()["player_skill_corr_zones"]))
    root = vectors * np.sqrt(np.maximum(values, 0)) @ vectors.T
    mixing: Array = root / np.sqrt((root**2).sum(axis=0)) * _spread("player_skill")
    return mixing


def _rookies(rng: np.random.Generator, n: int) -> tuple[Array, Array, Array]:
    """Standing (n,), skill (n, 5) and style (n, 8) of new players."""
    positions = figures()["position"].values()
    rising = np.cumsum([p["share"] for p in positions])
    zones = np.array([[0.0, *p["zone7"]] for p in positions])
    middle = zones[np.searchsorted(rising / rising[-1], rng.random(n), side="right")]
    skill = rng.standard_normal((n, len(SKILLS))) @ _mixing()
    standing = rng.standard_normal(n)
    # A Dirichlet distribution around the shares of the position.
    gamma = rng.standard_gamma(figures()["player_style"]["dirichlet_concentration"] * middle)
    return standing, skill, gamma / gamma.sum(axis=1, keepdims=True)


def _ranked(number: Array, standing: Array, skill: Array, style: Array, defence: Array, newest: int) -> SimulatedLeague:
    """The league with every team's players by standing."""
    team = np.arange(len(number)) // SLOTS
    order = np.lexsort((-standing, team))
    return SimulatedLeague(number[order], standing[order], skill[order], style[order], defence, newest)
