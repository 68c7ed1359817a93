"""What the ledger of verdicts says about open candidates: which they are, and how many were tried in a term."""

from __future__ import annotations

from collections.abc import Sequence

from parivision_core.records import Verdict

LOOK_GAMES = 10
"""New games after which open candidates are judged again: the bounds allow more looks, but each costs a run."""


def newest_of(ledger: Sequence[Verdict]) -> dict[int, Verdict]:
    """The newest verdict on each candidate of a ledger (newest first), by candidate."""
    newest: dict[int, Verdict] = {}
    for verdict in ledger:
        newest.setdefault(verdict.candidate, verdict)
    return dict(sorted(newest.items()))


def challengers_in(ledger: Sequence[Verdict]) -> list[Verdict]:
    """The newest verdicts on the candidates that aren't decided yet, the oldest candidate first."""
    return [verdict for verdict in newest_of(ledger).values() if verdict.decision == "not_yet"]


def place_of(candidate: int, epoch: int, ledger: Sequence[Verdict]) -> int:
    """A candidate's number among those compared in an epoch, from 1; it keeps the number of its first look."""
    compared = [v for v in ledger if v.epoch == epoch and (v.tried is not None or v.gain is not None)]
    own = next((v.tried for v in compared if v.candidate == candidate and v.tried is not None), None)
    return own or 1 + len({v.candidate for v in compared} - {candidate})


def new_games(challenger: Verdict, shots: int) -> float:
    """About how many games are new since a verdict, when the warehouse holds so many shots now.

    It is computed from shots, whose number is in one small record, and from the shots a game of the verdict. In a
    warehouse that has shrunk, because it was built again, all games are new.
    """
    known = challenger.warehouse_shots or 0
    shots_a_game = challenger.shots / challenger.games if challenger.games else 1.0
    return (shots - known if shots >= known else shots) / shots_a_game
