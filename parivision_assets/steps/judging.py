"""Judging a candidate as it would be served: its ONNX bundle against the champion's, on games that neither has seen."""

from __future__ import annotations

from typing import Protocol

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from parivision_assets.steps.folding import OFFSET, current_state, matrix_of
from parivision_assets.steps.verdict import LEVEL, MARGIN, MIN_GAMES, compare, verdict_of
from parivision_core.bundle import Bundle
from parivision_core.problems import BundleError
from parivision_core.records import Verdict
from parivision_core.sport import Sport
from parivision_core.store.base import Store


class Bundles(Protocol):
    """Where registered bundles come from."""

    def bundle(self, version: int) -> Bundle:
        """The verified bundle of a version."""
        ...


class Judge:
    """Judges candidates of one sport on the warehouse's unseen games."""

    def __init__(self, store: Store, sport: Sport, bundles: Bundles) -> None:
        self.store, self.sport, self.bundles = store, sport, bundles

    def __call__(self, candidate: int, champion: int | None, epoch: int) -> Verdict:
        """A new verdict on a candidate against the expected champion; nothing is recorded.

        Before the first champion, and for one trained on other features than the warehouse holds (nobody could serve
        it with today's form), the baseline takes its place.
        """
        current_state(self.store, self.sport)
        ours = self.bundles.bundle(candidate)
        if not ours.fits(self.sport.schema, self.sport.base_fingerprint):
            raise BundleError(f"version {candidate} was trained on other features than the warehouse holds")
        theirs = None if champion is None else self.bundles.bundle(champion)
        if theirs is not None and not theirs.fits(self.sport.schema, self.sport.base_fingerprint):
            theirs, rival = None, f"the baseline (version {champion} knows other features)"
        else:
            rival = "the baseline" if champion is None else f"version {champion}"
        seen_until = max(b.card.provenance.seen_until for b in (ours, theirs) if b is not None)
        unseen = self._rows(seen_until, None)
        games = np.unique(unseen["game_id"].to_numpy())
        if len(games) < MIN_GAMES:
            return Verdict(
                candidate=candidate,
                champion=champion,
                epoch=epoch,
                decision="not_yet",
                reason=f"{len(games)} games since {seen_until} are unseen by both; {MIN_GAMES} are needed",
                games=len(games),
                shots=unseen.num_rows,
                margin=MARGIN,
                level=LEVEL,
            )
        features, offset = matrix_of(unseen, self.sport)
        made = unseen["made"].to_numpy()
        if theirs is not None:
            rivals = theirs.predict(features, offset).astype(np.float64)
        else:
            provenance = ours.card.provenance
            train = self._rows(None, provenance.seen_until, provenance.first_date)
            rivals = self.sport.baseline(matrix_of(train, self.sport)[0], train["made"].to_numpy(), features)
        comparison = compare(made, unseen["game_id"].to_numpy(), rivals, ours.predict(features, offset))
        dates = pc.min_max(unseen["game_date"]).as_py()
        return verdict_of(comparison, candidate, champion, epoch, rival, (dates["min"], dates["max"]))

    def _rows(self, after: str | None, until: str | None, since: str | None = None) -> pa.Table:
        """Warehouse rows of game days later than `after`, up to `until`, from `since` on."""
        low = after or since
        parts = [
            p
            for p in self.store.warehouse_parts()
            if (low is None or p >= self.sport.part_of(low)) and (until is None or p <= self.sport.part_of(until))
        ]
        columns = ["game_date", "game_id", "made", OFFSET, *self.sport.feature_names]
        table = self.store.warehouse(columns, parts)
        for bound, compared in ((after, pc.greater), (since, pc.greater_equal), (until, pc.less_equal)):
            if bound is not None:
                table = table.filter(compared(table["game_date"], bound))
        return table
