"""When a new candidate is worth its training: the policy, as a function of what is known."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Fit:
    """What the newest candidate was trained with."""

    version: int
    shots: int
    """Shots in the warehouse at the time."""
    schema: str
    """Feature schema; a candidate of another one can't be served with today's form."""


@dataclass(frozen=True)
class Evidence:
    """What speaks for a training."""

    shots: int
    """Shots in the lake now."""
    schema: str
    """Today's."""
    fit: Fit | None
    """None before the first candidate."""
    drift: str = ""
    """What the newest drift report says of the reigning champion, if it came after the fit; empty when all is calm."""


def reason_to_train(evidence: Evidence, enough_shots: int) -> str:
    """Why a candidate should be trained now; empty when there is no reason.

    Nothing is trained twice on the same shots. Each look at a new candidate is a chance to promote one by luck, so
    `enough_shots` bounds how often one is taken; drift is a reason to look earlier.
    """
    fit = evidence.fit
    if fit is None:
        return "there is no candidate yet" if evidence.shots else ""
    if evidence.schema != fit.schema:
        return f"version {fit.version} knows other features than today's"
    new = evidence.shots - fit.shots
    if new <= 0:
        return ""
    if new >= enough_shots:
        return f"{new:,} new shots since version {fit.version} was fitted"
    if evidence.drift:
        return f"{new:,} new shots since version {fit.version} was fitted, and drift: {evidence.drift}"
    return ""
