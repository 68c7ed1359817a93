"""The search: limited, without the games that judge candidates, and used only if it is valid, current and proven."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import msgspec
import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from mlflow.exceptions import MlflowException

from parivision_assets.steps.training import searching
from parivision_assets.steps.training.fitting import XGBOOST
from parivision_assets.steps.training.searching import DEFAULTS, SPACE, Found, read_found, search
from parivision_assets.steps.training.splitting import split
from parivision_assets.tracking.searches import FOUND_TAG, newest_found
from parivision_core.nba.shots import NBA
from parivision_core.problems import NotEnoughGamesError, PariVisionError
from parivision_core.scoring import sigmoid
from tests.helpers.made_up_warehouse import MemoryWarehouse, made_up_warehouse

FOUND = Found(
    schema=NBA.schema,
    base_fingerprint=NBA.base_fingerprint,
    seen_until="2021-01-01",
    parameters={"max_depth": 4, "subsample": 0.7},
    gain=0.002,
    error=0.001,
)


@pytest.fixture(scope="module")
def memory() -> MemoryWarehouse:
    """Games in which the side of a shot matters, so that there is something to learn."""

    def sided(columns: dict[str, np.ndarray], _: np.ndarray) -> None:
        columns["chance"] = sigmoid(columns["base_logit"] + 0.8 * np.sign(columns["x_metres"]))

    return made_up_warehouse(sided)


def searched(memory: MemoryWarehouse, trials: int, seconds: float = 300.0) -> tuple[searching.Search, list[str]]:
    logged: list[str] = []
    store: Any = memory
    return search(store, NBA, trials, seconds, logged.append), logged


def text(**changes: object) -> str:
    return msgspec.json.encode(msgspec.structs.replace(FOUND, **changes)).decode()  # type: ignore[arg-type]


def test_every_trial_is_reported_and_the_defaults_come_first(memory: MemoryWarehouse) -> None:
    result, logged = searched(memory, 3)
    assert [trial.number for trial in result.trials] == [0, 1, 2]
    assert result.trials[0].parameters == DEFAULTS
    assert all(low <= t.parameters[name] <= high for t in result.trials for name, (low, high) in SPACE.items())
    best = min((t for t in result.trials if t.log_loss is not None), key=lambda t: t.log_loss or 0.0)
    assert result.found.parameters == best.parameters
    assert result.found.schema == NBA.schema
    assert [line.partition(":")[0] for line in logged[:3]] == [f"trial {i} of 3" for i in (1, 2, 3)]
    assert all("best so far" in line for line in logged[:3])
    assert "gain over the defaults" in logged[-1]


def test_the_games_that_judge_candidates_are_not_used(memory: MemoryWarehouse) -> None:
    """With their outcomes reversed, the search finds the same."""
    rows = memory.rows
    unseen = split(rows["game_date"].to_numpy(), rows["game_id"].to_numpy()).unseen
    made = np.where(unseen, 1 - rows["made"].to_numpy(), rows["made"].to_numpy())
    turned = MemoryWarehouse(rows.set_column(rows.column_names.index("made"), "made", pa.array(made.astype(np.int8))))
    assert unseen.any()
    found = searched(memory, 2)[0].found
    assert searched(turned, 2)[0].found == found
    assert found.seen_until < min(rows.filter(pa.array(unseen))["game_date"].to_pylist())


def test_the_clock_ends_the_search_but_not_the_defaults(memory: MemoryWarehouse) -> None:
    result, _ = searched(memory, 1000, seconds=0.0)
    (only,) = result.trials
    assert only.log_loss is not None
    assert (result.found.gain, result.found.better) == (0.0, False)


def test_a_bad_trial_is_cut_short(memory: MemoryWarehouse, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(searching, "STARTUP_TRIALS", 1)
    monkeypatch.setattr(searching, "WARMUP_ROUNDS", 0)
    monkeypatch.setattr(searching, "SPACE", {**SPACE, "min_child_weight": (50.0, 1e12)})
    result, logged = searched(memory, 2)
    assert result.trials[1].log_loss is None
    assert result.trials[1].rounds < result.trials[0].rounds
    assert "trial 2 of 2: cut short" in logged[1]
    assert result.found.parameters == DEFAULTS


def test_too_few_games_are_not_searched() -> None:
    with pytest.raises(NotEnoughGamesError):
        searched(made_up_warehouse().until("2020-12-05"), 2)


def test_the_defaults_are_in_the_search_space() -> None:
    assert all(low <= DEFAULTS[name] <= high for name, (low, high) in SPACE.items())
    assert {name: value for name, value in DEFAULTS.items() if name in XGBOOST} == {
        name: value for name, value in XGBOOST.items() if name in SPACE
    }


def test_a_result_is_read_as_it_was_written() -> None:
    found = read_found(text(), NBA)
    assert found == FOUND
    assert isinstance(found.parameters["max_depth"], int)


@pytest.mark.parametrize(
    ("damaged", "reason"),
    [
        ("", "can't be read"),
        (text()[:-5], "can't be read"),
        ('{"parameters": 3}', "can't be read"),
        (text(schema="older"), "other features than the current ones"),
        (text(base_fingerprint="older"), "other features than the current ones"),
        (text(parameters={"max_depth": 4000}), "outside the search space"),
        (text(parameters={"subsample": -0.1}), "outside the search space"),
        (text(parameters={"objective": 1.0}), "outside the search space"),
    ],
)
def test_a_result_that_cannot_be_used_is_refused_with_a_reason(damaged: str, reason: str) -> None:
    with pytest.raises(PariVisionError, match=reason):
        read_found(damaged, NBA)


@given(st.text() | st.from_regex(r"\{[^}]{0,80}\}"))
def test_any_other_text_is_refused(anything: str) -> None:
    with pytest.raises(PariVisionError):
        read_found(anything, NBA)


@pytest.mark.parametrize(("gain", "better"), [(0.0017, True), (0.0016, False), (0.0, False), (-1.0, False)])
def test_better_means_more_than_noise(gain: float, better: bool) -> None:
    assert msgspec.structs.replace(FOUND, gain=gain).better == better


class Client:
    """MLflow's client, with the tags of finished runs, newest first."""

    def __init__(self, *tags: str, missing: bool = False, down: bool = False) -> None:
        self.tags, self.missing, self.down = tags, missing, down

    def get_experiment_by_name(self, name: str) -> Any:
        if self.down:
            raise MlflowException("the registry doesn't answer")
        return None if self.missing else SimpleNamespace(experiment_id="7", name=name)

    def search_runs(self, _: list[str], max_results: int, **__: object) -> list[Any]:
        return [SimpleNamespace(data=SimpleNamespace(tags={FOUND_TAG: tag})) for tag in self.tags[:max_results]]


@pytest.mark.parametrize(
    ("client", "warned"),
    [
        (Client(missing=True), ""),
        (Client(), ""),
        (Client(text(gain=0.0)), ""),
        (Client("{", text()), "can't be read"),
        (Client(text(schema="older")), "other features"),
        (Client(down=True), "doesn't answer"),
    ],
)
def test_without_a_usable_result_training_uses_the_defaults(client: Client, warned: str) -> None:
    logged: list[str] = []
    assert newest_found(client, NBA, logged.append) is None
    assert [line.partition(":")[0] for line in logged] == ["training with the default parameters"] * bool(warned)
    assert all(warned in line for line in logged)


def test_the_newest_proven_result_is_found() -> None:
    logged: list[str] = []
    assert newest_found(Client(text(), text(gain=0.0)), NBA, logged.append) == FOUND
    assert logged == []
