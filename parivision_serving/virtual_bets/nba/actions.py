"""What a shot is called, and how often it goes in, given its zone, its distance and its official label."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np

from parivision_core.nba.shots.kinds import kind_of
from parivision_serving.virtual_bets.nba.figures import FEET, ZONE_COUNT, Array, era, figures, logit
from parivision_serving.virtual_bets.nba.grid import grid, rake

FIT_ROUNDS = 40
SURE = 0.985
"""Make rates counted on a handful of shots are kept this far from 0 and 1."""
STEEPER = 1.5
"""How much more a foot matters at the rim than in the figures, which see it through the scorers' habits: with it, the
make rates of recorded feet are again those of the figures."""

ACTIONS = tuple(name for name, _, _ in figures()["action"])
"""Official labels."""


@dataclass(frozen=True)
class ActionTable:
    """What the labels of each zone do, by zone, foot and place in the zone's list, (8, FEET, labels)."""

    code: Array
    """Index into ACTIONS of each label of a zone, (8, labels)."""
    rising: Array
    """Cumulated chance of each label."""
    log_odds: Array
    """Of a make by an average shooter against an average defence."""


@cache
def actions(season: int) -> ActionTable:
    """The table of a measured season: that of all seasons, moved so that kinds have its shares and make rates."""
    code, weight, log_odds = _all_seasons()
    weight, log_odds = weight.copy(), log_odds.copy()
    for zone, kinds in era(season).kinds.items():
        shots, rate = weight[zone].sum(axis=0), 1 / (1 + np.exp(-log_odds[zone]))
        makes = (weight[zone] * rate).sum(axis=0)
        factor = np.zeros(len(shots))  # a kind that isn't listed was hardly seen in this zone
        own = np.array([kind_of(ACTIONS[i]) for i in code[zone]])
        for kind, share, kind_rate in kinds:
            labels = (own == kind) & (shots > 0)
            if labels.any():
                factor[labels] = share / shots[labels].sum()
                log_odds[zone][:, labels] += logit(kind_rate) - logit(makes[labels].sum() / shots[labels].sum())
        weight[zone] *= factor
    total = weight.sum(axis=2, keepdims=True)
    chance = np.divide(weight, total, out=np.full_like(weight, 1 / weight.shape[2]), where=total > 0)
    return ActionTable(code, np.cumsum(chance, axis=2), log_odds)


@cache
def _all_seasons() -> tuple[Array, Array, Array]:
    """Codes (8, labels), shares within the zone and log odds (8, FEET, labels) over all seasons of the figures.

    Shares: labels and feet of a zone are raked (Deming and Stephan 1940) from the label's normal distribution of
    distance until both have theirs. Log odds: a sum of a term by foot and one by zone and label, which are moved in
    turn until the make rate of every foot, and of every label in its zone, is that of the figures.
    """
    listed = figures()["action_given_zone7"]
    spread = {name: (mean, sd) for name, mean, sd in figures()["action"]}
    most = max(len(rows) for rows in listed.values())
    code = np.zeros((ZONE_COUNT, most), dtype=np.int64)
    weight = np.zeros((ZONE_COUNT, FEET, most))
    target = np.full((ZONE_COUNT, most), 0.5)
    middle = np.arange(FEET) + 0.5
    for zone_name, rows in listed.items():
        zone = int(zone_name)
        share = np.zeros(most)
        for i, (name, part, rate) in enumerate(rows):
            code[zone, i], share[i], target[zone, i] = ACTIONS.index(name), part, np.clip(rate, 1 - SURE, SURE)
            mean, sd = spread[name]
            # The floor keeps a label possible at every foot of its zone.
            weight[zone, :, i] = part * (np.exp(-0.5 * ((middle - mean) / sd) ** 2) + 1e-4)
        by_foot = grid().feet_share[zone]
        weight[zone] = rake(weight[zone] * (by_foot > 0)[:, None], by_foot, share / share.sum())
    return code, weight, _log_odds(weight, target)


def _log_odds(weight: Array, target: Array) -> Array:
    """Log odds (8, FEET, labels) whose weighted rates are the figures' by foot and the `target` by zone and label."""
    by_zone = np.array([0.0, *figures()["zone7"]["share"]])
    joint = weight * by_zone[:, None, None]
    foot_target = np.array(figures()["distance_ft"]["fg"])
    foot, label = np.zeros(FEET), logit(target)
    for _ in range(FIT_ROUNDS):
        rate = 1 / (1 + np.exp(-(foot[None, :, None] + label[:, None, :])))
        label = label + _step(target, (joint * rate).sum(axis=1), joint.sum(axis=1))
        rate = 1 / (1 + np.exp(-(foot[None, :, None] + label[:, None, :])))
        foot = foot + _step(foot_target, (joint * rate).sum(axis=(0, 2)), joint.sum(axis=(0, 2)))
    odds: Array = foot[None, :, None] + label[:, None, :]
    odds[1] += (STEEPER - 1) * (foot - grid().feet_share[1] @ foot)[:, None]
    return odds


def _step(target: Array, makes: Array, shots: Array) -> Array:
    """What brings the log odds of a group with so many makes nearer to those of its target; 0 without shots."""
    rate = np.divide(makes, shots, out=np.full_like(makes, 0.5), where=shots > 0)
    return np.where(shots > 0, logit(target) - logit(np.clip(rate, 1 - SURE, SURE)), 0.0)
