"""The training pipeline: from the warehouse to a saved and verified bundle with its scores; it registers nothing."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from parivision_assets.steps.training.calibrating import Trial, calibrate
from parivision_assets.steps.training.choosing import check, fit_all
from parivision_assets.steps.training.converting import to_onnx
from parivision_assets.steps.training.describing import calibrator_parameters, describe, provenance_of
from parivision_assets.steps.training.fitting import SEED, Fitted, TrainingRows, masked
from parivision_assets.steps.training.loading import load_rows, parts_of
from parivision_assets.steps.training.measuring import Measurement, by_request_profile, measure
from parivision_assets.steps.training.soundness import defects, leaks
from parivision_assets.steps.training.splitting import Split, split
from parivision_assets.steps.training.windowing import TrainingWindow, choose_window
from parivision_core import bundle, scoring
from parivision_core.sport import Sport
from parivision_core.store.base import Store


class Tuned(Protocol):
    """The result of a search."""

    @property
    def parameters(self) -> Mapping[str, float]:
        """Parameters of XGBoost that beat its defaults."""
        ...

    @property
    def seen_until(self) -> str:
        """ISO date of the last game that the search used."""
        ...


@dataclass(frozen=True)
class Trained:
    """A candidate before it is registered."""

    fitted: Fitted
    folder: Path
    sha256: str
    bundle: bundle.Bundle
    defects: list[str]
    candidates: dict[str, scoring.Scores]
    """Scores of every model tried, on masked validation games."""
    left_out: dict[str, str]
    """Models that couldn't be fitted, and why."""
    windows: list[TrainingWindow]
    """Every window tried; empty when there was no choice."""
    calibrators: list[Trial]
    measured: dict[str, Measurement]
    """Scores of the served graph on `validation` and `unseen` games with the full record, and on unseen games for the
    sport's other request profiles, by name."""
    window: dict[str, str | int] = field(default_factory=dict)
    warehouse_shots: int = 0
    """Shots in the whole warehouse, from which the number of new ones is computed later."""

    @property
    def scores(self) -> dict[str, scoring.Scores]:
        """Scores by set of shots."""
        return {name: measured.scores for name, measured in self.measured.items()}

    @property
    def reliability(self) -> dict[str, list[scoring.Bin]]:
        """Reliability tables on the unseen games, by request profile."""
        return {name: m.reliability for name, m in self.measured.items() if name != "validation"}

    @property
    def parameters(self) -> dict[str, object]:
        """Everything that went into this model, as flat parameters."""
        return {
            "model": self.fitted.name,
            **self.fitted.parameters,
            **self.window,
            **{f"calibrator_{name}": value for name, value in calibrator_parameters(self.fitted.calibrator).items()},
            "left_out": ", ".join(self.left_out),
            "code_version": self.bundle.card.provenance.code_version,
            "data_fingerprint": self.bundle.card.provenance.data_fingerprint,
        }


def train(
    store: Store,
    sport: Sport,
    folder: Path,
    run_id: str,
    log: Callable[[str], None] = lambda _: None,
    tuned: Tuned | None = None,
) -> Trained:
    """Fit every model on the best window, choose on later games, and save the best model as a bundle in `folder`.

    `tuned` are parameters that a search has found to be better than XGBoost's defaults; they aren't used if the search
    used games on which this candidate is to be judged.
    Raises NotEnoughGamesError when there are too few games to fit and judge a model, PariVisionError for rows that
    can't be fitted.
    """
    state = store.warehouse_state()
    table, rows = load_rows(store, sport)
    day, game = table["game_date"].to_numpy(), table["game_id"].to_numpy()
    periods = split(day, game)
    validation, unseen = rows.take(periods.validation), rows.take(periods.unseen)
    validation_game, unseen_game = game[periods.validation], game[periods.unseen]
    check(rows.take(periods.train), validation)
    part = parts_of(day, sport)
    parts, windows = choose_window(rows, part, game, periods, sport, log)
    train_rows = periods.train & np.isin(part, parts)
    log(f"fitting on {int(train_rows.sum()):,} shots up to {periods.last_train_date}, parts {', '.join(parts)}")
    ranking, left_out = fit_all(rows.take(train_rows), validation, sport, _parameters(tuned, periods, log))
    for fitted, tried in ranking:
        log(f"{fitted.name}: log loss {tried.log_loss:.5f} on validation games, optional inputs left out at random")
    best, calibrators = _calibrated(ranking[0][0], validation, validation_game, sport, log)
    trainer = best.predict(validation.features, validation.offset)
    graph = to_onnx(best, len(sport.feature_names))
    seen = table.filter(pa.array(train_rows | periods.validation))
    provenance = provenance_of(seen, periods, run_id, len(state.batches))
    card = describe(best, graph, sport, provenance, parts, validation, trainer)
    sha256 = bundle.save(folder, graph, card)
    served = bundle.Bundle(card, sha256, bundle.session(graph))
    predicted_validation = served.predict(validation.features, validation.offset)
    profiles = by_request_profile(unseen.features, sport)
    predicted = {name: served.predict(features, unseen.offset) for name, features in profiles.items()}
    measured = {
        "validation": measure(validation.made, predicted_validation, validation_game),
        **{name: measure(unseen.made, probability, unseen_game) for name, probability in predicted.items()},
    }
    return Trained(
        fitted=best,
        folder=folder,
        sha256=sha256,
        bundle=served,
        defects=[
            *defects(served, sport, measured["validation"].scores, trainer, predicted_validation),
            *leaks(unseen.made, predicted["unseen"], unseen_game, sport.plausible_accuracy),
        ],
        candidates={fitted.name: s for fitted, s in ranking},
        left_out=left_out,
        windows=windows,
        calibrators=calibrators,
        measured=measured,
        window={
            "parts": ", ".join(parts),
            "train_shots": int(train_rows.sum()),
            "validation_shots": len(validation),
            "unseen_shots": len(unseen),
            "first_date": provenance.first_date,
            "last_train_date": periods.last_train_date,
            "seen_until": periods.seen_until,
        },
        warehouse_shots=state.rows,
    )


def _parameters(tuned: Tuned | None, periods: Split, log: Callable[[str], None]) -> Mapping[str, float]:
    if tuned is None:
        return {}
    if tuned.seen_until > periods.seen_until:
        log(f"the search's parameters are not used, because it used games up to {tuned.seen_until}")
        return {}
    log(f"with the search's parameters: {dict(tuned.parameters)}")
    return tuned.parameters


def _calibrated(
    model: Fitted, validation: TrainingRows, game: NDArray[np.generic], sport: Sport, log: Callable[[str], None]
) -> tuple[Fitted, list[Trial]]:
    """The model with a calibrator if one wins on the masked validation games, on which models are chosen, too."""
    hidden = masked(validation, sport, SEED + 1)
    calibrator, trials = calibrate(validation.made, model.predict(hidden.features, hidden.offset), game)
    for trial in trials:
        log(str(trial))
    return (model.calibrated(calibrator) if calibrator else model), trials
