"""The retraining policy: when a new candidate should be trained."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Fit:
    """What the newest candidate was trained with."""

    version: int
    shots: int
    """Shots in the warehouse at the time."""
    schema: str
    """Feature schema; a candidate with another one can't be served with the current feature state."""
    registry: str
    """Name of the registry that it is in."""
    judged: bool
    """Whether a verdict on it is recorded; not if its run was cut off."""


@dataclass(frozen=True)
class RetrainingEvidence:
    """What decides whether a training is due."""

    shots: int
    """Shots in the lake now."""
    schema: str
    """Of the running code."""
    registry: str
    """In the settings."""
    fit: Fit | None
    """None before the first candidate."""
    drift: str = ""
    """What the newest drift report warns of, if it is newer than the fit; empty without drift."""
    lost: bool = False
    """Whether the registry no longer holds any version."""


def reason_to_train(evidence: RetrainingEvidence, enough_shots: int) -> str:
    """Why a candidate should be trained now; empty when there is no reason.

    Nothing is trained twice on the same shots. Each new candidate of a term gets a smaller share of the gate's alpha,
    so `enough_shots` limits how often one is tried; drift is a reason to try earlier.
    """
    if not evidence.shots:
        return ""
    if evidence.fit is None or evidence.fit.registry != evidence.registry:
        return "there is no candidate yet"
    return _unusable(evidence.fit, evidence) or _new_data(evidence.fit, evidence, enough_shots)


def _unusable(fit: Fit, evidence: RetrainingEvidence) -> str:
    """Why the newest candidate doesn't count; empty when it does."""
    if evidence.lost:
        return f"the registry has lost its models: version {fit.version} was the newest"
    if not fit.judged:
        return f"version {fit.version} was never judged, because its run was cut off"
    if evidence.schema != fit.schema:
        return f"version {fit.version} was trained on other features than the current ones"
    if evidence.shots < fit.shots:
        return f"version {fit.version} was fitted on another lake, which held {fit.shots:,} shots"
    return ""


def _new_data(fit: Fit, evidence: RetrainingEvidence, enough_shots: int) -> str:
    new = evidence.shots - fit.shots
    since = f"{new:,} new shots since version {fit.version} was fitted"
    if new and new >= enough_shots:
        return since
    if new and evidence.drift:
        return f"{since}, and drift: {evidence.drift}"
    return ""
