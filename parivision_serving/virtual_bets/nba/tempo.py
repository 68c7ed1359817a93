"""The rhythm of a game: how long until the next shot, which team takes it, and how the clock changes it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np

from parivision_serving.virtual_bets.nba.figures import ZONE_COUNT, Array, figures, logit

GAPS = ("0-4", "5-8", "9-16", "17+")
GAP_BEGINS = np.array([0.5, 4.5, 8.5, 16.5])
"""In seconds; the record, and so the figures, are in whole ones."""
LONG_GAP_MEAN = 8.4
"""Mean seconds beyond 16.5: a quarter, 5 % and 1 % of all gaps exceed 22, 35 and 48 s, as measured."""
START = 16
"""State of a period's first shot, beside the sixteen of `state_of`."""
STATES = START + 1

HASTY = 6
"""Whole seconds at the end of a period that are distinguished."""
CLOCKS = HASTY + 2
"""Then come the rest of the last minute, and all before it."""
PLAIN_SECOND = 0.00138
"""Share of all shots in one second of the last minute that the end doesn't hasten: (10.03 - 2.55) % / 54."""
BACK_COURT = 0.14 * np.array([1.0, 0.5, 0.25, 0.1, 0.02, 0.02, 1e-3, 1e-4])
"""Share of shots from the back court by clock: hardly any before 0:03 (chosen), and 0.22 % of all shots (measured)."""
FURTHER_OVERTIME = 0.13
"""Chance of another overtime after one: the second has 12.8 % of the shots of the first."""


@dataclass(frozen=True)
class Tempo:
    """Tables of the stream. Makes are 1 and misses 0; states are numbered by `state_of`, clocks by `clock_of`."""

    gap_rising: Array
    """Cumulated share of GAPS after a miss and after a make, (2, 4)."""
    same_team: Array
    """Chance that the team that shot last shoots again, by make and gap, (2, 4)."""
    state_share: Array
    state_weight: Array
    """What a state multiplies a shooter's shares of zones by, (STATES, 8)."""
    state_shift: Array
    """What a state adds to the log odds of a make."""
    clock_share: Array
    clock_weight: Array
    clock_shift: Array
    period_share: Array
    period_shift: Array
    """By period less one; the fifth stands for all overtimes."""
    hasty_chance: float
    """Chance of one more shot where the next would come after the end of the period."""
    hasty_rising: Array
    """Cumulated share of each second left among such shots, (HASTY,)."""
    overtime_chance: float


def state_of(same: Array, made: Array, gap: Array) -> Array:
    """State of shots (n,): whether the same team shoots again, whether the last shot went in, the number of the gap."""
    return (2 * same + made) * len(GAPS) + gap


def clock_of(seconds_left: Array) -> Array:
    """Number of the clock at whole seconds left in the period, (n,)."""
    return np.where(seconds_left < HASTY, seconds_left, np.where(seconds_left < 60, HASTY, HASTY + 1))


def seconds_between(table: Tempo, made: Array, u: Array) -> Array:
    """Seconds to the next shot, by whether the last went in and u in [0, 1): even in a gap, exponential beyond."""
    rising = np.hstack([np.zeros((2, 1)), table.gap_rising])[made]
    gap = np.minimum((u[:, None] >= rising[:, 1:-1]).sum(axis=1), len(GAPS) - 1)
    row = np.arange(len(u))
    within = (u - rising[row, gap]) / (rising[row, gap + 1] - rising[row, gap])
    width = np.append(np.diff(GAP_BEGINS), 0.0)[gap]
    beyond = -LONG_GAP_MEAN * np.log1p(-np.minimum(within, 1 - 1e-9))
    seconds: Array = GAP_BEGINS[gap] + np.where(gap == len(GAPS) - 1, beyond, within * width)
    return seconds


def gap_of(seconds: Array) -> Array:
    """Number of the gap that seconds fall into."""
    return np.maximum(np.searchsorted(GAP_BEGINS, seconds, side="right") - 1, 0)


@cache
def tempo() -> Tempo:
    """Worked out from the figures once a process."""
    share, rate, expected = (np.full((2, 2, len(GAPS)), 0.5) for _ in range(3))
    for row in figures()["fg_by_prev_event"]:
        at = row["prev_same_team"], row["prev_made"], GAPS.index(row["gap"])
        share[at], rate[at], expected[at] = row["share"], row["fg"], row["expected_by_location"]
    gaps = share.sum(axis=0)
    periods = list(figures()["period"].values())[:5]
    period_share = np.array([p["share"] for p in periods])
    period_rate = np.array([p["fg"] for p in periods])
    shots = figures()["shots_per_game"]["mean"]
    clock = _Clock()
    overtime_shots = 300 / 720 * shots * period_share[:4].mean()
    return Tempo(
        gap_rising=np.cumsum(gaps, axis=1) / gaps.sum(axis=1, keepdims=True),
        same_team=share[1] / gaps,
        state_share=np.append(share.ravel(), 1 - share.sum()),
        state_weight=np.vstack([_near_the_rim(expected.ravel()), np.ones(ZONE_COUNT)]),
        state_shift=np.append((logit(rate) - logit(expected)).ravel(), 0.0),
        clock_share=clock.share,
        clock_weight=clock.weight,
        clock_shift=clock.shift,
        period_share=period_share / period_share.sum(),
        period_shift=logit(period_rate) - logit(period_share @ period_rate / period_share.sum()),
        hasty_chance=float(clock.hasty.sum() * shots / 4),
        hasty_rising=np.cumsum(clock.hasty) / clock.hasty.sum(),
        overtime_chance=float(shots * period_share[4] / overtime_shots),
    )


def _near_the_rim(expected: Array) -> Array:
    """Weights of zones (n, 8) that raise the restricted area until a state's places have the expected make rate.

    The share s of the restricted area follows from expected = s r1 + (1 - s) r, with r1 and r the make rates in and
    outside it; its weight is the ratio of the odds of s to those of its share of all shots.
    """
    share, rate = (np.array(figures()["zone7"][name]) for name in ("share", "fg"))
    elsewhere = share[1:] @ rate[1:] / share[1:].sum()
    wanted = np.clip((expected - elsewhere) / (rate[0] - elsewhere), 0.02, 0.9)
    weight = np.ones((len(expected), ZONE_COUNT))
    weight[:, 1] = np.exp(logit(wanted) - logit(share[0]))
    return weight


class _Clock:
    """What the last minute does: shares, weights of zones and log odds by clock, and the hasty shots by second."""

    def __init__(self) -> None:
        seconds = figures()["last_seconds"]
        rows = [seconds[str(s)] for s in range(HASTY)]
        later = [seconds[s] for s in ("10", "20", "30")]
        minute = figures()["minute_left"]["0"]["share"]
        by_second = np.array([row["share"] for row in rows])
        self.share = np.array([*by_second, minute - by_second.sum(), 1 - minute])
        self.hasty = np.maximum(by_second - PLAIN_SECOND, 0)
        share, rate = (np.append(0.0, figures()["zone7"][name]) for name in ("share", "fg"))
        ordinary = share[5:7].sum() / share[:7].sum()
        of_three, of_two = (share[z] @ rate[z] / share[z].sum() for z in (slice(5, 7), slice(1, 5)))
        threes = np.array([row["p3"] for row in rows] + [np.mean([row["p3"] for row in later]), 0])
        made = np.array([row["fg"] for row in rows] + [np.mean([row["fg"] for row in later]), 0])
        # Without the back court, whose rate no clock can lower much.
        threes = (threes - BACK_COURT) / (1 - BACK_COURT)
        made = (made - BACK_COURT * rate[7]) / (1 - BACK_COURT)
        threes[-1], made[-1] = ordinary, ordinary * of_three + (1 - ordinary) * of_two
        self.weight = np.ones((CLOCKS, ZONE_COUNT))
        self.weight[:, 5:7] = np.exp(logit(threes) - logit(ordinary))[:, None]
        self.weight[:, 7] = BACK_COURT / share[7]
        self.shift = logit(made) - logit(threes * of_three + (1 - threes) * of_two)
