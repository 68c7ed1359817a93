"""Promotion and rollback, the two ways to change the champion, each under an exclusive lock and safe to run again."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Literal, Protocol

import msgspec

from parivision_assets.steps.promotion.challengers import challengers_in, newest_of
from parivision_assets.steps.promotion.verdict import refusal
from parivision_core.problems import PariVisionError, PromotionError
from parivision_core.records import Decision, Verdict
from parivision_core.store.base import Store

LOCK = "promotion"

Result = Literal["promoted", "refused", "not_yet", "already"]
Status = Literal["challenger", "champion", "refused", "superseded", "rolled back"]
"""Shown on a version's page in the registry."""
STATUS: dict[Decision, Status] = {"pass": "challenger", "not_yet": "challenger", "refuse": "refused"}  # nosec  # B105: no password
"""After a verdict; only the promotion itself makes a champion."""


class AliasRegistry(Protocol):
    """What promotion needs of a registry."""

    def champion(self) -> int | None: ...  # noqa: D102
    def epoch(self) -> int: ...  # noqa: D102
    def registered(self, version: int) -> bool: ...  # noqa: D102
    def digest(self, version: int) -> str: ...  # noqa: D102
    def defects(self, version: int) -> str: ...  # noqa: D102
    def previous(self, version: int) -> int | None: ...  # noqa: D102
    def note_previous(self, version: int, previous: int | None) -> None: ...  # noqa: D102
    def was_champion(self, version: int) -> bool: ...  # noqa: D102
    def rolled_back(self, version: int) -> bool: ...  # noqa: D102
    def set_rolled_back(self, version: int, rolled_back: bool) -> None: ...  # noqa: D102
    def note_status(self, version: int, status: str, reason: str | None = None) -> None: ...  # noqa: D102
    def set_epoch(self, epoch: int) -> None: ...  # noqa: D102
    def set_champion(self, version: int) -> None: ...  # noqa: D102


Judge = Callable[[int, int | None, int], Verdict]
"""(candidate, expected champion, epoch) -> a new verdict."""


@dataclass(frozen=True)
class PromotionResult:
    """Result of a promotion; `already` means that the candidate is the champion."""

    result: Result
    reason: str
    epoch: int
    candidate: int
    verdict: Verdict | None = None


@dataclass(frozen=True)
class Looks:
    """Results of judging every open candidate, in order."""

    outcomes: list[PromotionResult] = field(default_factory=list)
    problems: list[PariVisionError] = field(default_factory=list)
    """Why some candidates couldn't be judged; the others were judged all the same."""


def current_verdict(candidate: int, registry: AliasRegistry, store: Store, judge: Judge) -> Verdict:
    """The verdict on a candidate against the current champion: the ledger's, else a new one, which is recorded."""
    with store.exclusive(LOCK):
        ledger, champion = _ledger(candidate, registry, store), registry.champion()
        if ledger and candidate == champion:
            return ledger[0]
        # If a promotion was interrupted, this run finishes it later and raises the epoch; the verdict must hold then.
        epoch = registry.epoch() + _interrupted(champion, registry, store)
        return _verdict(candidate, _barred(candidate, champion, registry), ledger, epoch, registry, store, judge)


def look_again(own: int | None, registry: AliasRegistry, store: Store, judge: Judge) -> Looks:
    """Judge all open candidates and promote those that pass; `own` is the candidate of this run, if any.

    First an interrupted promotion is finished. Then come candidates that have passed and weren't promoted, then the
    challengers, the oldest first, then `own`. Each promotion raises the epoch, and the candidates after it are compared
    with the new champion.
    """
    looks = Looks()
    for candidate in _open(own, registry, store):
        try:
            looks.outcomes.append(promote(candidate, registry, store, judge))
        except PariVisionError as problem:
            looks.problems.append(problem)
    return looks


def promote(candidate: int, registry: AliasRegistry, store: Store, judge: Judge) -> PromotionResult:
    """Make a candidate the champion if a passed verdict names exactly it, the current champion and the current epoch.

    It names a candidate by its number and the digest of its bundle.

    A candidate that was never judged, or only `not_yet`, is judged now. One that passed against an earlier champion, or
    at an earlier epoch, is refused: a rollback or another promotion came between.

    The alias moves before the epoch is raised. If the process dies between the two, the next call finds the candidate
    on the alias at the epoch of its own verdict, and finishes the promotion.
    """
    with store.exclusive(LOCK):
        champion, epoch = registry.champion(), registry.epoch()
        if candidate != champion and _interrupted(champion, registry, store):
            epoch += 1
            registry.set_epoch(epoch)
        ledger, barred = _ledger(candidate, registry, store), _barred(candidate, champion, registry)
        if candidate == champion:
            return _current_champion(candidate, barred, ledger, epoch, registry)
        newest = ledger[0] if ledger and ledger[0].decision != "not_yet" else None
        if newest is None:
            newest = _verdict(candidate, barred, ledger, epoch, registry, store, judge)
        if barred or newest.decision == "refuse":
            return PromotionResult("refused", barred or newest.reason, epoch, candidate, newest)
        if newest.decision == "not_yet":
            return PromotionResult("not_yet", newest.reason, epoch, candidate, newest)
        if (newest.champion, newest.epoch) != (champion, epoch):
            return PromotionResult(
                "refused",
                f"the verdict is stale: it was passed against {_name(newest.champion)} at epoch {newest.epoch}, but "
                f"now {_name(champion)} is champion at epoch {epoch}; train a new candidate to be judged again",
                epoch,
                candidate,
                newest,
            )
        registry.note_previous(candidate, champion)
        registry.set_champion(candidate)
        registry.set_epoch(epoch + 1)
        registry.note_status(candidate, "champion")
        if champion is not None:
            registry.note_status(champion, "superseded")
        return PromotionResult("promoted", newest.reason, epoch + 1, candidate, newest)


def roll_back(registry: AliasRegistry, store: Store, to: int | None = None) -> PromotionResult:
    """Put a former champion back on the alias: `to`, or by default the champion's predecessor.

    The epoch is raised and the champion marked as rolled back before the alias moves, so that neither an earlier
    verdict nor a new one can undo the rollback.
    Raises PromotionError when there is no champion or no predecessor, or when the version is the champion or never was.
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
        if not registry.was_champion(target):
            raise PromotionError(f"version {target} never was champion; it can only become one by a passed verdict")
        registry.set_epoch(epoch + 1)
        registry.set_rolled_back(champion, True)
        registry.set_rolled_back(target, False)
        registry.set_champion(target)
        registry.note_status(champion, "rolled back")
        registry.note_status(target, "champion")
        return PromotionResult(
            "promoted", f"rolled back from version {champion} to version {target}", epoch + 1, target
        )


def _current_champion(
    candidate: int, barred: str, ledger: Sequence[Verdict], epoch: int, registry: AliasRegistry
) -> PromotionResult:
    """The result for the champion itself, whose promotion is finished if it was interrupted."""
    newest = ledger[0] if ledger else None
    if barred:
        return PromotionResult("refused", barred, epoch, candidate, newest)
    if newest is not None and newest.decision == "pass" and newest.epoch == epoch:
        registry.set_epoch(epoch + 1)
        registry.note_status(candidate, "champion")
        reason = f"finished an interrupted promotion: {newest.reason}"
        return PromotionResult("promoted", reason, epoch + 1, candidate, newest)
    return PromotionResult("already", f"version {candidate} is the champion", epoch, candidate, newest)


def _interrupted(champion: int | None, registry: AliasRegistry, store: Store) -> bool:
    """Whether the champion's promotion ended before the epoch was raised."""
    newest = _ledger(champion, registry, store)[:1] if champion is not None else []
    return any(verdict.decision == "pass" and verdict.epoch == registry.epoch() for verdict in newest)


def _ledger(candidate: int, registry: AliasRegistry, store: Store) -> list[Verdict]:
    """The verdicts on a candidate, newest first, without those on another bundle that had its number.

    A registry that was emptied, or put back from an older backup, gives the numbers of lost versions once more, and the
    epoch begins anew with it; a verdict that a lost version had passed would promote an unjudged one.
    """
    digest = registry.digest(candidate)
    return [verdict for verdict in store.verdicts(candidate=candidate) if verdict.sha256 == digest]


def _open(own: int | None, registry: AliasRegistry, store: Store) -> list[int]:
    """The candidates to judge, in their order."""
    champion, epoch, ledger = registry.champion(), registry.epoch(), store.verdicts()
    passed = [
        v.candidate
        for v in newest_of(ledger).values()
        if v.decision == "pass" and v.epoch == epoch and champion in (v.champion, v.candidate)
    ]
    first = sorted(passed, key=lambda candidate: (candidate != champion, -candidate))
    order = [*first, *(v.candidate for v in challengers_in(ledger)), own]
    return list(dict.fromkeys(candidate for candidate in order if candidate is not None))


def _verdict(
    candidate: int,
    barred: str,
    ledger: Sequence[Verdict],
    epoch: int,
    registry: AliasRegistry,
    store: Store,
    judge: Judge,
) -> Verdict:
    """The decision in the candidate's ledger (newest first) against the current champion, else a new one, recorded.

    A candidate that is barred is refused without a comparison. A new verdict that equals the last isn't recorded again.
    """
    champion = registry.champion()
    for verdict in ledger:
        if (verdict.champion, verdict.epoch) == (champion, epoch) and verdict.decision != "not_yet":
            return verdict
    judged = refusal(candidate, champion, epoch, barred) if barred else judge(candidate, champion, epoch)
    verdict = msgspec.structs.replace(judged, sha256=registry.digest(candidate))
    if not ledger or msgspec.structs.replace(verdict, judged_at=ledger[0].judged_at) != ledger[0]:
        store.put_verdict(verdict)
    registry.note_status(candidate, STATUS[verdict.decision], verdict.reason)
    return verdict


def _barred(candidate: int, champion: int | None, registry: AliasRegistry) -> str:
    """Why a candidate can't be promoted whatever its verdict; empty when it can."""
    if not registry.registered(candidate):
        return f"version {candidate} is no longer in the registry"
    if defects := registry.defects(candidate):
        return f"version {candidate} is defective: {defects}"
    if candidate != champion and registry.rolled_back(candidate):
        return f"version {candidate} was rolled back; only the rollback job can put it on the alias again"
    return ""


def _name(champion: int | None) -> str:
    return "the baseline" if champion is None else f"version {champion}"
