"""Judging a candidate as it would be served: its ONNX bundle against the champion's, on games that neither has seen."""

from __future__ import annotations

import math
from typing import Any, Protocol

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from parivision_assets.steps.features.folding import OFFSET, current_state, matrix_of
from parivision_assets.steps.promotion.challengers import place_of
from parivision_assets.steps.promotion.sequential import alpha_of
from parivision_assets.steps.promotion.verdict import FUTILITY, MARGIN, RULES, Games, Ruling, Side, refusal
from parivision_core.arrays import Floats
from parivision_core.bundle import Bundle
from parivision_core.problems import BundleError, StoreError
from parivision_core.records import Verdict
from parivision_core.settings import LOG_LOSS
from parivision_core.sport import Sport
from parivision_core.store.base import Store


class Bundles(Protocol):
    """What judging needs of a registry."""

    def bundle(self, version: int) -> Bundle:
        """The verified bundle of a version."""
        ...


class Judge:
    """Judges candidates of one sport on the warehouse's unseen games, by a rule of the gate."""

    def __init__(self, store: Store, sport: Sport, bundles: Bundles, rule: str = LOG_LOSS) -> None:
        self.store, self.sport, self.bundles, self.rule = store, sport, bundles, rule

    def __call__(self, candidate: int, champion: int | None, epoch: int) -> Verdict:
        """A new verdict on a candidate against the expected champion; nothing is recorded.

        Before the first champion, and for one trained on other features than the warehouse holds (it can't be served
        with the current feature state), the baseline takes its place.
        """
        shots = current_state(self.store, self.sport).rows
        if not shots:
            raise StoreError("the warehouse is empty, so no candidate can be judged; ingest a batch first")
        try:
            ours = self.bundles.bundle(candidate)
        except BundleError as error:
            return refusal(candidate, champion, epoch, f"the bundle of version {candidate} can't be used: {error}")
        if not self._fits(ours):
            reason = f"version {candidate} was trained on other features than the warehouse holds"
            return refusal(candidate, champion, epoch, reason)
        theirs = None if champion is None else self.bundles.bundle(champion)
        name = "the baseline" if champion is None else f"version {champion}"
        if theirs is not None and not self._fits(theirs):
            theirs, name = None, f"the baseline (version {champion} was trained on other features)"
        seen_until = max(b.card.provenance.seen_until for b in (ours, theirs) if b is not None)
        unseen = self._rows(seen_until, None)
        dates = pc.min_max(unseen["game_date"]).as_py()
        games = Games(unseen["made"].to_numpy(), unseen["game_id"].to_numpy(), dates["min"], dates["max"])
        rivals = self._baseline(ours, unseen) if theirs is None else _predict(theirs, unseen, self.sport)
        tried = place_of(candidate, epoch, self.store.verdicts())
        ruling = RULES[self.rule](
            _side(f"version {candidate}", ours, _predict(ours, unseen, self.sport)),
            _side(name, theirs or ours, rivals, is_champion=theirs is not None),
            games,
            alpha_of(tried),
        )
        return self._verdict(ruling, candidate, champion, epoch, tried, games, shots)

    def _fits(self, bundle: Bundle) -> bool:
        return bundle.fits(self.sport.schema, self.sport.base_fingerprint)

    def _baseline(self, ours: Bundle, unseen: pa.Table) -> Floats:
        """The baseline's probabilities, fitted on what the candidate has seen."""
        provenance = ours.card.provenance
        train = self._rows(None, provenance.seen_until, provenance.first_date)
        features = matrix_of(unseen, self.sport)[0]
        return self.sport.baseline(matrix_of(train, self.sport)[0], train["made"].to_numpy(), features)

    def _verdict(
        self, ruling: Ruling, candidate: int, champion: int | None, epoch: int, tried: int, games: Games, shots: int
    ) -> Verdict:
        """The ledger's entry for a ruling. A candidate that is refused without a comparison doesn't count as tried."""
        alpha = alpha_of(tried)
        numbers: dict[str, Any] = {}
        if ruling.comparison or ruling.decision == "not_yet":
            numbers |= {"tried": tried, "alpha": alpha}
        if c := ruling.comparison:
            numbers |= {"candidate_log_loss": c.candidate_log_loss, "champion_log_loss": c.rival_log_loss}
            numbers |= {"gain": c.gain, "gain_low": c.low, "gain_high": c.high}
        if k := ruling.calibration:
            numbers |= {"candidate_slope": _finite(k.slope.candidate), "champion_slope": _finite(k.slope.rival)}
            numbers |= {"candidate_ece": k.ece.candidate, "champion_ece": k.ece.rival}
        return Verdict(
            candidate=candidate,
            champion=champion,
            epoch=epoch,
            decision=ruling.decision,
            reason=ruling.reason,
            games=len(games.shots),
            shots=len(games.made),
            margin=MARGIN,
            level=1 - alpha - FUTILITY,
            first_date=games.first_date,
            last_date=games.last_date,
            rule=self.rule,
            warehouse_shots=shots,
            **numbers,
        )

    def _rows(self, after: str | None, until: str | None, since: str | None = None) -> pa.Table:
        """Warehouse rows of game days later than `after`, up to `until`, from `since` on."""
        low, known = after or since, list(self.store.warehouse_parts())
        parts = [
            p
            for p in known
            if (low is None or p >= self.sport.part_of(low)) and (until is None or p <= self.sport.part_of(until))
        ] or known[-1:]  # without a later part, for the columns alone
        columns = ["game_date", "game_id", "made", OFFSET, *self.sport.feature_names]
        table = self.store.warehouse(columns, parts)
        for bound, compared in ((after, pc.greater), (since, pc.greater_equal), (until, pc.less_equal)):
            if bound is not None:
                table = table.filter(compared(table["game_date"], bound))
        return table


def _side(name: str, bundle: Bundle, probability: Floats, is_champion: bool = True) -> Side:
    provenance = bundle.card.provenance
    return Side(name, provenance.last_train_date, provenance.seen_until, probability, is_champion)


def _predict(bundle: Bundle, rows: pa.Table, sport: Sport) -> Floats:
    """A bundle's probabilities (n,) for warehouse rows, of which there may be none."""
    return bundle.predict(*matrix_of(rows, sport)).astype(np.float64) if rows.num_rows else np.empty(0)


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None
