"""Judging on a real warehouse: the games, the rival, the ledger's entry, and refusals without a comparison."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from parivision_assets.feeds.inbox import InboxFeed
from parivision_assets.steps.features.folding import update_warehouse
from parivision_assets.steps.feed.ingesting import ingest
from parivision_assets.steps.promotion.judging import Judge
from parivision_assets.steps.promotion.sequential import alpha_of
from parivision_assets.steps.promotion.verdict import FUTILITY, MARGIN
from parivision_core.bundle import Bundle
from parivision_core.nba.shots import NBA
from parivision_core.problems import BundleError, RegistryError, StoreError
from parivision_core.records import Manifest
from parivision_core.store.base import WAREHOUSE, Store, WarehouseState
from parivision_core.store.files import FileStore
from tests.helpers import shots
from tests.helpers.made_up_warehouse import champion as bundle_of

FIRST, GAMES, SHOTS = "2022-10-18", 160, 30
"""Four games a day: of 40 days 20 are fitted on, 5 validate, and 15 with 60 games are unseen."""
FITTED_UNTIL, SEEN_UNTIL = "2022-11-06", "2022-11-11"


class Registered(dict[int, Bundle]):
    """Bundles by version."""

    def bundle(self, version: int) -> Bundle:
        if version not in self:
            raise RegistryError(f"no version {version}")
        return self[version]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A warehouse of a made-up season, which no test changes."""
    path = tmp_path_factory.mktemp("judging")
    shots.write(shots.season(games=GAMES, shots=SHOTS, skill=1.5), path / "inbox" / "season.csv")
    store = FileStore(path / "store", NBA.lake, NBA.warehouse)
    for batch in InboxFeed(path / "inbox", 0).batches():
        ingest(batch, NBA, store)
    update_warehouse(store, NBA)
    return path / "store"


@pytest.fixture
def warehouse(folder: Path) -> FileStore:
    return FileStore(folder, NBA.lake, NBA.warehouse)


@pytest.fixture
def registered() -> Registered:
    """Version 1 is a little off, version 2 predicts the base rates."""
    return Registered({n: bundle_of(FIRST, FITTED_UNTIL, SEEN_UNTIL, shift) for n, shift in ((1, 0.3), (2, 0.0))})


def test_the_entry_holds_all_numbers(warehouse: FileStore, registered: Registered) -> None:
    entry = Judge(warehouse, NBA, registered)(2, 1, 7)
    assert (entry.candidate, entry.champion, entry.epoch, entry.decision) == (2, 1, 7, "pass")
    assert (entry.games, entry.shots, entry.first_date, entry.last_date) == (60, 1800, "2022-11-12", "2022-11-26")
    assert (entry.rule, entry.tried, entry.alpha, entry.margin) == ("log_loss", 1, alpha_of(1), MARGIN)
    assert entry.level == 1 - alpha_of(1) - FUTILITY
    assert entry.warehouse_shots == GAMES * SHOTS
    assert entry.gain is not None
    assert entry.gain_low is not None
    assert entry.gain_high is not None
    assert 0 < entry.gain_low < entry.gain < entry.gain_high
    assert entry.candidate_log_loss is not None
    assert entry.champion_log_loss == pytest.approx(entry.candidate_log_loss + entry.gain)
    assert entry.candidate_ece is not None
    assert entry.champion_ece is not None
    assert entry.candidate_ece < entry.champion_ece
    assert entry.candidate_slope == pytest.approx(entry.champion_slope)
    assert "version 2 gains +0.0" in entry.reason


def test_only_games_that_neither_has_seen_count(warehouse: FileStore, registered: Registered) -> None:
    registered[1] = bundle_of(FIRST, FITTED_UNTIL, "2022-11-18", 0.3)
    entry = Judge(warehouse, NBA, registered)(2, 1, 1)
    assert (entry.games, entry.first_date) == (32, "2022-11-19")
    registered[1] = bundle_of(FIRST, FITTED_UNTIL, "2022-11-19", 0.3)
    entry = Judge(warehouse, NBA, registered)(2, 1, 1)
    assert (entry.decision, entry.games, entry.gain, entry.tried) == ("not_yet", 28, None, 1)
    assert entry.reason == "28 games since 2022-11-19 are unseen by both; 30 are needed"


@pytest.mark.parametrize("seen_until", ["2022-11-26", "2030-01-01"])
def test_no_unseen_game_at_all_is_not_yet(warehouse: FileStore, registered: Registered, seen_until: str) -> None:
    registered[2] = bundle_of(FIRST, FITTED_UNTIL, seen_until)
    for champion in (1, None):
        entry = Judge(warehouse, NBA, registered)(2, champion, 0)
        assert (entry.decision, entry.games, entry.shots, entry.first_date) == ("not_yet", 0, 0, None)


def test_before_the_first_champion_the_baseline_takes_its_place(warehouse: FileStore, registered: Registered) -> None:
    entry = Judge(warehouse, NBA, registered)(2, None, 0)
    assert (entry.champion, entry.games) == (None, 60)
    assert "over the baseline on 60 unseen games" in entry.reason


def test_a_champion_of_other_features_is_replaced_by_the_baseline(warehouse: FileStore, registered: Registered) -> None:
    """Its window and the games it has seen don't matter, because it can't be served."""
    registered[1] = bundle_of(FIRST, "2022-11-20", "2022-11-26", schema="older")
    entry = Judge(warehouse, NBA, registered)(2, 1, 1)
    assert (entry.champion, entry.games) == (1, 60)
    assert "over the baseline (version 1 was trained on other features)" in entry.reason


def test_a_candidate_that_can_never_be_served_is_refused_and_does_not_count(
    warehouse: FileStore, registered: Registered, monkeypatch: pytest.MonkeyPatch
) -> None:
    judge = Judge(warehouse, NBA, registered)
    registered[3] = bundle_of(FIRST, FITTED_UNTIL, SEEN_UNTIL, schema="older")
    entry = judge(3, 1, 1)
    assert (entry.decision, entry.games, entry.tried) == ("refuse", 0, None)
    assert entry.reason == "version 3 was trained on other features than the warehouse holds"

    def altered(self: Registered, version: int) -> Bundle:
        raise BundleError("model.onnx was altered")

    monkeypatch.setattr(Registered, "bundle", altered)
    entry = judge(2, None, 1)
    assert (entry.decision, entry.tried) == ("refuse", None)
    assert entry.reason == "the bundle of version 2 can't be used: model.onnx was altered"


def test_a_refusal_for_an_older_window_does_not_count(warehouse: FileStore, registered: Registered) -> None:
    registered[2] = bundle_of(FIRST, "2022-11-05", SEEN_UNTIL)
    entry = Judge(warehouse, NBA, registered)(2, 1, 1)
    assert (entry.decision, entry.gain, entry.tried, entry.alpha) == ("refuse", None, None, None)
    assert "an older window than that of version 1" in entry.reason


def test_a_later_candidate_of_a_term_gets_less_alpha_and_keeps_its_number(
    store: FileStore, put: Callable[..., list[Manifest]], registered: Registered
) -> None:
    put(store, shots.season(games=GAMES, shots=10))
    update_warehouse(store, NBA)
    judge = Judge(store, NBA, registered)
    registered[3] = registered[4] = registered[2]
    places = []
    for candidate in (2, 3, 2, 4, 3):
        entry = judge(candidate, 1, 5)
        store.put_verdict(entry)
        places.append((entry.tried, entry.alpha))
    assert places == [(n, alpha_of(n)) for n in (1, 2, 1, 3, 2)]
    assert judge(4, 1, 6).tried == 1  # another term


def test_the_accuracy_rule_names_itself_in_the_reason(warehouse: FileStore, registered: Registered) -> None:
    entry = Judge(warehouse, NBA, registered, "accuracy")(2, 1, 1)
    assert entry.rule == "accuracy"
    assert entry.decision in ("pass", "refuse")
    assert "PARIVISION_GATE=accuracy promotes a model that is no better in" in entry.reason
    assert entry.gain is not None


def test_the_registry_being_down_is_no_verdict(warehouse: FileStore, registered: Registered) -> None:
    with pytest.raises(RegistryError):
        Judge(warehouse, NBA, registered)(9, 1, 1)


def test_a_warehouse_of_another_version_judges_nothing(store: Store, registered: Registered) -> None:
    with store.exclusive(WAREHOUSE):
        store.publish_warehouse({}, WarehouseState(schema="older", batches=("a",)), {})
    with pytest.raises(StoreError, match="another version of the code"):
        Judge(store, NBA, registered)(2, 1, 1)
