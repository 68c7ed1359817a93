"""The two ways the champion changes, promotion and rollback, each under an exclusive lock and safe to run again."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, Protocol

from parivision_core.problems import PromotionError
from parivision_core.records import Verdict
from parivision_core.store.base import Store

LOCK = "promotion"


class Registry(Protocol):
    """What promotion needs of a registry."""

    def champion(self) -> int | None: ...  # noqa: D102
    def epoch(self) -> int: ...  # noqa: D102
    def defects(self, version: int) -> str: ...  # noqa: D102
    def previous(self, version: int) -> int | None: ...  # noqa: D102
    def note_previous(self, version: int, previous: int | None) -> None: ...  # noqa: D102
    def reigned(self, version: int) -> bool: ...  # noqa: D102
    def deposed(self, version: int) -> bool: ...  # noqa: D102
    def set_deposed(self, version: int, deposed: bool) -> None: ...  # noqa: D102
    def set_epoch(self, epoch: int) -> None: ...  # noqa: D102
    def set_champion(self, version: int) -> None: ...  # noqa: D102


Judge = Callable[[int, int | None, int], Verdict]
"""(candidate, expected champion, epoch) -> a new verdict."""


@dataclass(frozen=True)
class Outcome:
    """What came of a promotion: `already` means that the candidate is the champion."""

    result: Literal["promoted", "refused", "not_yet", "already"]
    reason: str
    epoch: int
    verdict: Verdict | None = None


def current_verdict(candidate: int, registry: Registry, store: Store, judge: Judge) -> Verdict:
    """The verdict on a candidate against today's champion: the ledger's when it has one, else a new one, recorded."""
    champion, epoch = registry.champion(), registry.epoch()
    ledger = store.verdicts(candidate=candidate)
    if champion == candidate and ledger:
        return ledger[0]
    for verdict in ledger:
        if (verdict.champion, verdict.epoch) == (champion, epoch) and verdict.decision != "not_yet":
            return verdict
    verdict = judge(candidate, champion, epoch)
    store.put_verdict(verdict)
    return verdict


def promote(candidate: int, registry: Registry, store: Store, judge: Judge) -> Outcome:
    """Make a candidate the champion if a passed verdict names exactly it, today's champion and today's epoch.

    A candidate never judged, or judged on too little evidence, is judged now. One that passed against an earlier
    champion, or at an earlier epoch, is refused: a rollback or another promotion came between.

    The alias moves before the epoch is raised. If the process dies between the two, the next call finds the candidate
    on the throne at the epoch of its own verdict, and finishes.
    """
    with store.exclusive(LOCK):
        champion, epoch = registry.champion(), registry.epoch()
        if barred := _barred(candidate, champion, registry):
            return Outcome("refused", barred, epoch)
        ledger = store.verdicts(candidate=candidate)
        newest = ledger[0] if ledger else None
        if champion == candidate:
            if newest is not None and newest.decision == "pass" and newest.epoch == epoch:
                registry.set_epoch(epoch + 1)
                return Outcome("promoted", f"finished an interrupted promotion: {newest.reason}", epoch + 1, newest)
            return Outcome("already", f"version {candidate} is the champion", epoch, newest)
        if newest is None or newest.decision == "not_yet":
            newest = current_verdict(candidate, registry, store, judge)
        if newest.decision != "pass":
            return Outcome("not_yet" if newest.decision == "not_yet" else "refused", newest.reason, epoch, newest)
        if (newest.champion, newest.epoch) != (champion, epoch):
            return Outcome(
                "refused",
                f"the verdict is stale: it was passed against {_name(newest.champion)} at epoch {newest.epoch}, but "
                f"now {_name(champion)} reigns at epoch {epoch}; train a new candidate to be judged again",
                epoch,
                newest,
            )
        registry.note_previous(candidate, champion)
        registry.set_champion(candidate)
        registry.set_epoch(epoch + 1)
        return Outcome("promoted", newest.reason, epoch + 1, newest)


def roll_back(registry: Registry, store: Store, to: int | None = None) -> Outcome:
    """Put a former champion back on the throne: `to`, or by default the champion's predecessor.

    The epoch is raised and the champion marked as deposed before the alias moves, so that neither a verdict passed so
    far nor a new one can undo the rollback.
    Raises PromotionError when there is no champion, no predecessor, or the version reigns already or never did.
    """
    with store.exclusive(LOCK):
        champion, epoch = registry.champion(), registry.epoch()
        if champion is None:
            raise PromotionError("there is no champion to roll back from")
        target = registry.previous(champion) if to is None else to
        if target is None:
            raise PromotionError(f"version {champion} has no predecessor; name the version to go back to")
        if target == champion:
            raise PromotionError(f"version {target} is the champion already")
        if not registry.reigned(target):
            raise PromotionError(f"version {target} never was champion; only the gate can make it one")
        registry.set_epoch(epoch + 1)
        registry.set_deposed(champion, True)
        registry.set_deposed(target, False)
        registry.set_champion(target)
        return Outcome("promoted", f"rolled back from version {champion} to version {target}", epoch + 1)


def _barred(candidate: int, champion: int | None, registry: Registry) -> str:
    """Why a candidate may not be promoted whatever its verdict; empty when nothing stands against it."""
    if defects := registry.defects(candidate):
        return f"version {candidate} is defective: {defects}"
    if candidate != champion and registry.deposed(candidate):
        return f"version {candidate} was rolled back; only the rollback job can put it on the throne again"
    return ""


def _name(champion: int | None) -> str:
    return "the baseline" if champion is None else f"version {champion}"
