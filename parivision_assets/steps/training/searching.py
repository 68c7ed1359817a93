"""A limited search for better parameters of the boosted trees, and the proof that they are better.

It never uses the games on which candidates are judged: it splits the earlier games once more, and the newest of these,
which aren't used to choose a trial, decide whether the best parameters beat the defaults.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from time import monotonic
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np

from parivision_assets.steps.clusters import mean_and_error
from parivision_assets.steps.training.choosing import check
from parivision_assets.steps.training.fitting import (
    SEED,
    XGBOOST,
    TrainingRows,
    boost,
    fit_xgboost,
    masked,
    predict_boosted,
)
from parivision_assets.steps.training.loading import load_rows, parts_of
from parivision_assets.steps.training.splitting import split
from parivision_assets.steps.training.windowing import choose_window
from parivision_core.problems import PariVisionError
from parivision_core.scoring import losses
from parivision_core.sport import Sport
from parivision_core.store.base import Store

if TYPE_CHECKING:
    import optuna

SPACE: dict[str, tuple[float, float]] = {
    "max_depth": (3, 9),
    "min_child_weight": (10, 500),
    "subsample": (0.5, 1.0),
    "colsample_bytree": (0.25, 1.0),
    "reg_lambda": (0.5, 50),
}
"""Parameter -> lowest and highest value. The learning rate is fixed, because pruning compares trials round by round."""
INTEGERS, LOGARITHMIC = {"max_depth"}, {"min_child_weight", "reg_lambda"}
DEFAULTS = {name: XGBOOST.get(name, 1) for name in SPACE}
TRIAL_ETA, TRIAL_ROUNDS, TRIAL_PATIENCE = 0.15, 300, 20
"""Trials have a higher learning rate, which costs a third and ranks the parameters the same."""
STARTUP_TRIALS, WARMUP_ROUNDS = 4, 20
PROOF = 1.645
"""Standard errors that a gain must exceed: one-sided 95 %."""


class Found(msgspec.Struct, frozen=True, kw_only=True):
    """The result of a search, as it is stored for the next training."""

    schema: str
    base_fingerprint: str
    seen_until: str
    """ISO date of the last game that the search used."""
    parameters: dict[str, float]
    gain: float
    """Log loss a shot below that of the defaults, on games that weren't used to choose a trial."""
    error: float
    """Standard error of the gain, by game."""

    @property
    def better(self) -> bool:
        """Whether the parameters beat the defaults by more than noise."""
        return self.gain > PROOF * self.error

    def __str__(self) -> str:
        conclusion = "used by the next training" if self.better else "not proven, so the defaults stay"
        return f"gain over the defaults {self.gain:+.5f} log loss a shot, standard error {self.error:.5f}: {conclusion}"


@dataclass(frozen=True)
class TrialResult:
    """One trial: its parameters and its result."""

    number: int
    parameters: dict[str, float]
    log_loss: float | None
    """On the search's validation games; None when it was pruned."""
    rounds: int


@dataclass
class Search:
    """A finished search."""

    found: Found
    trials: list[TrialResult] = field(default_factory=list)


def search(
    store: Store, sport: Sport, trials: int, seconds: float, log: Callable[[str], None] = lambda _: None
) -> Search:
    """Try so many sets of parameters for at most so many seconds, and compare the best with the defaults.

    The defaults are the first trial. A trial that is worse than the median of the earlier ones at the same round is
    pruned. Raises NotEnoughGamesError when there are too few games to search and prove on.
    """
    deadline = monotonic() + seconds
    table, rows = load_rows(store, sport)
    day, game = table["game_date"].to_numpy(), table["game_id"].to_numpy()
    outer = split(day, game)
    seen = ~outer.unseen
    day, game, rows = day[seen], game[seen], rows.take(seen)
    inner = split(day, game)
    check(rows.take(inner.train), rows.take(inner.validation))
    part = parts_of(day, sport)
    parts, _ = choose_window(rows, part, game, inner, sport, log)
    train = masked(rows.take(inner.train & np.isin(part, parts)), sport)
    validation = masked(rows.take(inner.validation), sport, SEED + 1)
    tried = _try_all(train, validation, trials, deadline, log)
    best = min((t for t in tried if t.log_loss is not None), key=lambda t: t.log_loss or 0.0)
    proof, proof_game = masked(rows.take(inner.unseen), sport, SEED + 2), game[inner.unseen]
    gain, error = 0.0, 0.0
    if best.parameters != tried[0].parameters:
        ours, defaults = (_loss(train, validation, proof, sport, p) for p in (best.parameters, {}))
        gain, error = mean_and_error(defaults - ours, proof_game)
    found = Found(
        schema=sport.schema,
        base_fingerprint=sport.base_fingerprint,
        seen_until=outer.seen_until,
        parameters=best.parameters,
        gain=gain,
        error=error,
    )
    log(str(found))
    return Search(found, tried)


def read_found(text: str, sport: Sport) -> Found:
    """Decode a search's result.

    Raises PariVisionError, saying what is wrong, for text that is damaged, that is about other features than the
    current ones, or whose parameters are outside the search space.
    """
    try:
        found = msgspec.json.decode(text, type=Found)
    except msgspec.DecodeError as error:
        raise PariVisionError(f"the search's result can't be read: {error}") from error
    if (found.schema, found.base_fingerprint) != (sport.schema, sport.base_fingerprint):
        raise PariVisionError("the search was made on other features than the current ones; run the job `search` again")
    outside = [
        name
        for name, value in found.parameters.items()
        if name not in SPACE or not SPACE[name][0] <= value <= SPACE[name][1]
    ]
    if outside:
        raise PariVisionError(f"the search's result has values outside the search space: {outside}")
    integers = {name: int(found.parameters[name]) for name in INTEGERS & set(found.parameters)}
    return msgspec.structs.replace(found, parameters={**found.parameters, **integers})


def _try_all(
    train: TrainingRows, validation: TrainingRows, trials: int, deadline: float, log: Callable[[str], None]
) -> list[TrialResult]:
    """Every trial in its order; the first are the defaults, which have no time limit."""
    import optuna

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    study = optuna.create_study(
        sampler=optuna.samplers.TPESampler(seed=SEED, n_startup_trials=STARTUP_TRIALS),
        pruner=optuna.pruners.MedianPruner(n_startup_trials=STARTUP_TRIALS, n_warmup_steps=WARMUP_ROUNDS),
    )
    study.enqueue_trial(DEFAULTS)
    results: list[TrialResult] = []

    def objective(trial: optuna.Trial) -> float:
        parameters = {name: _suggest(trial, name) for name in SPACE}
        watch = _watch(trial, deadline if trial.number else float("inf"))
        booster = boost(
            {**XGBOOST, **parameters, "eta": TRIAL_ETA}, train, validation, TRIAL_ROUNDS, TRIAL_PATIENCE, [watch]
        )
        predicted = predict_boosted(booster, validation.features, validation.offset)
        return float(losses(validation.made, predicted).mean())

    def note(study: optuna.Study, trial: optuna.trial.FrozenTrial) -> None:
        rounds = len(trial.intermediate_values)
        # A pruned trial has the value of its last round.
        value = trial.value if trial.state == optuna.trial.TrialState.COMPLETE else None
        results.append(TrialResult(trial.number, dict(trial.params), value, rounds))
        score = "cut short" if value is None else f"log loss {value:.5f}"
        log(
            f"trial {trial.number + 1} of {trials}: {score} after {rounds} rounds; best so far {study.best_value:.5f} "
            f"in trial {study.best_trial.number + 1}"
        )
        if monotonic() > deadline:
            study.stop()

    study.optimize(objective, n_trials=trials, callbacks=[note])
    return results


def _suggest(trial: optuna.Trial, name: str) -> float:
    low, high = SPACE[name]
    if name in INTEGERS:
        return int(trial.suggest_int(name, int(low), int(high)))
    return float(trial.suggest_float(name, low, high, log=name in LOGARITHMIC))


def _watch(trial: optuna.Trial, deadline: float) -> Any:
    """An XGBoost callback that reports each round's log loss to the trial, and ends it when it should be pruned."""
    import optuna
    import xgboost as xgb

    class Watch(xgb.callback.TrainingCallback):  # type: ignore[misc]
        def after_iteration(self, model: Any, epoch: int, evals_log: Mapping[str, Any]) -> bool:
            del model
            trial.report(evals_log["validation"]["logloss"][-1], epoch)
            if trial.should_prune() or monotonic() > deadline:
                raise optuna.TrialPruned
            return False

    return Watch()


def _loss(
    train: TrainingRows, validation: TrainingRows, proof: TrainingRows, sport: Sport, parameters: Mapping[str, float]
) -> Any:
    fitted = fit_xgboost(train, validation, sport, parameters)
    return losses(proof.made, fitted.predict(proof.features, proof.offset))
