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
    """Feature schema; a candidate of another one can't be served with today's feature state."""
    registry: str
    """Which registry it is in."""
    judged: bool
    """Whether its run lived long enough to record a verdict."""


@dataclass(frozen=True)
class RetrainingEvidence:
    """What speaks for a training."""

    shots: int
    """Shots in the lake now."""
    schema: str
    """Today's."""
    registry: str
    """Today's."""
    fit: Fit | None
    """None before the first candidate."""
    drift: str = ""
    """What the newest drift report says of the current champion, if it came after the fit; empty when all is calm."""


def reason_to_train(evidence: RetrainingEvidence, enough_shots: int) -> str:
    """Why a candidate should be trained now; empty when there is no reason.

    Nothing is trained twice on the same shots. Each new candidate of a term gets a smaller share of the gate's risk,
    so `enough_shots` bounds how often one is tried; drift is a reason to try earlier.
    """
    if not evidence.shots:
        return ""
    if evidence.fit is None or evidence.fit.registry != evidence.registry:
        return "there is no candidate yet"
    return _unusable(evidence.fit, evidence) or _news(evidence.fit, evidence, enough_shots)


def _unusable(fit: Fit, evidence: RetrainingEvidence) -> str:
    """Why the newest candidate doesn't count; empty when it does."""
    if not fit.judged:
        return f"version {fit.version} was never judged, for its run was cut off"
    if evidence.schema != fit.schema:
        return f"version {fit.version} knows other features than today's"
    if evidence.shots < fit.shots:
        return f"version {fit.version} was fitted on another lake, which held {fit.shots:,} shots"
    return ""


def _news(fit: Fit, evidence: RetrainingEvidence, enough_shots: int) -> str:
    new = evidence.shots - fit.shots
    since = f"{new:,} new shots since version {fit.version} was fitted"
    if new and new >= enough_shots:
        return since
    if new and evidence.drift:
        return f"{since}, and drift: {evidence.drift}"
    return ""
