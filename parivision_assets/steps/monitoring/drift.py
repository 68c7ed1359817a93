"""The drift report: the champion's training window compared with the newest shots."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from parivision_assets.steps.features.folding import OFFSET, current_state, matrix_of
from parivision_assets.steps.monitoring import NEWEST_SHOTS
from parivision_assets.steps.monitoring.columns import (
    DriftColumn,
    Floats,
    before_and_after,
    expected_log_loss,
    read_columns,
    report_columns,
)
from parivision_assets.steps.monitoring.evidently_report import compare, with_summary
from parivision_assets.steps.monitoring.noise import in_order, thresholds
from parivision_core.arrays import Columns
from parivision_core.bundle import Bundle
from parivision_core.problems import NotEnoughGamesError
from parivision_core.scoring import losses
from parivision_core.sport import Sport
from parivision_core.store.base import Store

MIN_GAMES = 30


@dataclass(frozen=True)
class ComparedWindow:
    """A period that is compared."""

    first_date: str
    last_date: str
    games: int
    shots: int

    def __str__(self) -> str:
        return f"{self.shots:,} shots of {self.first_date} to {self.last_date}"


@dataclass(frozen=True)
class ColumnDrift:
    """How far one column has drifted."""

    column: DriftColumn
    distance: float
    threshold: float
    was: str
    now: str

    @property
    def drifted(self) -> bool:
        """Whether it drifted beyond its threshold, watched or not."""
        return self.distance >= self.threshold

    def __str__(self) -> str:
        excess = self.distance / self.threshold
        return f"{self.column.name}: {self.now}, was {self.was} ({excess:.1f} times its threshold)"


@dataclass(frozen=True)
class Drift:
    """A drift report."""

    reference: ComparedWindow
    newest: ComparedWindow
    columns: list[ColumnDrift]
    log_loss: float
    """The champion's, on the newest shots."""
    expected_log_loss: float
    """The same if makes were as likely as it predicted."""
    html: str = field(repr=False)

    @property
    def drifted(self) -> list[ColumnDrift]:
        """Watched columns beyond their thresholds, farthest first."""
        found = [c for c in self.columns if c.column.watched and c.drifted]
        return sorted(found, key=lambda c: -c.distance / c.threshold)

    @property
    def summary(self) -> tuple[str, list[str]]:
        """The findings: a title and some lines of text."""
        watched = sum(c.column.watched for c in self.columns)
        title = f"Drift in {len(self.drifted)} of" if self.drifted else "No drift in"
        return f"{title} {watched} watched columns", [
            f"The newest games ({self.newest}) are compared with the champion's training window ({self.reference}).",
            f"The champion's log loss on the newest shots is {self.log_loss:.4f}; if makes were as likely as "
            f"predicted, it would be {self.expected_log_loss:.4f}.",
            *map(str, self.drifted),
            *(f"Not watched: {c}" for c in self.columns if c.drifted and not c.column.watched),
        ]

    def __str__(self) -> str:
        if self.drifted:
            return f"drift on {self.newest}, farthest first: " + "; ".join(map(str, self.drifted))
        return f"no watched column drifted on {self.newest}"


def measure_drift(store: Store, sport: Sport, champion: Bundle) -> Drift:
    """Compare the champion's training window with the newest games that it hasn't seen.

    Raises NotEnoughGamesError when there are fewer than 30, or when the warehouse no longer holds the training window
    or holds other features than the champion knows; StoreError for a warehouse that another version folded.
    """
    current_state(store, sport)
    if not champion.fits(sport.schema, sport.base_fingerprint):
        raise NotEnoughGamesError("the champion was trained on other features than the warehouse has; train a new one")
    origin = champion.card.provenance
    table = _rows_since(origin.first_date, store, sport)
    seen = pc.less_equal(table["game_date"], origin.seen_until)
    reference, later = table.filter(seen), table.filter(pc.invert(seen))
    newest = later.filter(pa.array(_newest_games(later["game_id"].to_numpy(), NEWEST_SHOTS)))
    windows = _window(reference), _window(newest)
    if windows[1].games < MIN_GAMES:
        raise NotEnoughGamesError(f"{windows[1].games} games since {origin.seen_until} are new; {MIN_GAMES} are needed")
    unfitted = pc.greater(reference["game_date"], origin.last_train_date).to_numpy(zero_copy_only=False)
    if not unfitted.any():
        raise NotEnoughGamesError(f"the warehouse holds no game of the champion's window up to {origin.seen_until}")
    columns = report_columns(sport)
    base, _ = _observed(reference, unfitted, champion, sport)
    current, probability = _observed(newest, np.ones(newest.num_rows, dtype=bool), champion, sport)
    limits = thresholds(columns, base, reference["game_id"].to_numpy(), windows[1].games)
    distances, html = compare(columns, limits, base, current)
    made = newest["made"].to_numpy()
    drift = Drift(
        reference=windows[0],
        newest=windows[1],
        columns=[
            ColumnDrift(c, distances[c.name], limits[c.name], *before_and_after(c, base[c.name], current[c.name]))
            for c in columns
        ],
        log_loss=float(losses(made, probability).mean()),
        expected_log_loss=float(expected_log_loss(probability).mean()),
        html=html,
    )
    return replace(drift, html=with_summary(html, *drift.summary))


def _rows_since(date: str, store: Store, sport: Sport) -> pa.Table:
    """Warehouse rows from a date on, by date and game."""
    parts = [part for part in store.warehouse_parts() if part >= sport.part_of(date)]
    table = store.warehouse(["game_date", "game_id", "made", OFFSET, *sport.feature_names], parts)
    return table.filter(pc.greater_equal(table["game_date"], date))


def _newest_games(game: NDArray[np.int64], shots: int) -> NDArray[np.bool_]:
    """Marks (n,) the rows of the last whole games that hold at most so many shots; rows are in order of time."""
    if not len(game):
        return np.zeros(0, dtype=bool)
    number = in_order(game)
    from_game = np.cumsum(np.bincount(number)[::-1])[::-1]
    return (from_game <= shots)[number]


def _window(rows: pa.Table) -> ComparedWindow:
    dates = pc.min_max(rows["game_date"]).as_py()
    games = len(np.unique(rows["game_id"].to_numpy()))
    return ComparedWindow(dates["min"] or "", dates["max"] or "", games, rows.num_rows)


def _observed(rows: pa.Table, unfitted: NDArray[np.bool_], champion: Bundle, sport: Sport) -> tuple[Columns, Floats]:
    """Columns of the report, and the champion's probability of each row (n,)."""
    features, offset = matrix_of(rows, sport)
    probability = champion.predict(features, offset).astype(np.float64)
    return read_columns(features, rows["made"].to_numpy(), probability, unfitted, sport), probability
