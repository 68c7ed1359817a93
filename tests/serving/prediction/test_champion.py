"""The pair in service: what is served, what is never paired, and swaps during requests."""

from __future__ import annotations

import gc
import itertools
import logging
import threading
import weakref
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import pytest
from litestar.testing import TestClient

from parivision_core import bundle
from parivision_core.nba.shots import NBA
from parivision_core.problems import RegistryError
from parivision_core.tracking.registry import RegistryReader
from parivision_serving.app import create_app
from parivision_serving.prediction.champion import NO_CHAMPION, RETRY_POLLS, Watcher
from tests.helpers.processes import until
from tests.helpers.serving_setup import (
    FULL_SHOT,
    SHOT,
    ServingSetup,
    client_of,
    expected,
    make_bundle,
    make_feature_state,
    serves,
)


def reload_problem(client: TestClient[Any]) -> str:
    return client.get("/api/v1/champion").json()["reload_problem"] or ""


def answers_with(client: TestClient[Any]) -> tuple[int, str]:
    body = client.post("/api/v1/predict", json=SHOT).json()
    return body["champion_version"], body["feature_state_stamp"]


def test_a_new_champion_and_a_new_feature_state_are_swapped_in(serving: ServingSetup, client: TestClient[Any]) -> None:
    first = serving.store.feature_state_stamp() or ""
    before = client.post("/api/v1/predict", json=FULL_SHOT).json()
    serving.promote(2)
    until(serves(client, 2, first))
    champion_swapped = client.post("/api/v1/predict", json=FULL_SHOT).json()
    assert champion_swapped["champion_sha256"] == serving.bundles[2].sha256
    second = serving.feature_state(make_feature_state(2, "2023-04-10"))
    until(serves(client, 2, second.stamp))
    feature_state_swapped = client.post("/api/v1/predict", json=FULL_SHOT).json()
    assert (feature_state_swapped["feature_state_stamp"], feature_state_swapped["feature_state_through"]) == (
        second.stamp,
        "2023-04-10",
    )
    assert feature_state_swapped["probability"] == expected(serving.bundles[2], second, FULL_SHOT)
    assert len({a["probability"] for a in (before, champion_swapped, feature_state_swapped)}) == 3


def test_a_rollback_shows_its_epoch(serving: ServingSetup, client: TestClient[Any]) -> None:
    serving.promote(1)  # the same version, one epoch later
    until(lambda: client.get("/api/v1/champion").json()["epoch"] == 2)
    assert client.get("/api/v1/champion").json()["version"] == 1


def test_without_a_champion_the_service_says_so(serving: ServingSetup) -> None:
    with serving.client() as client:
        until(lambda: NO_CHAMPION in client.get("/health/ready").text)
        for answer in (client.post("/api/v1/predict", json=SHOT), client.get("/api/v1/champion")):
            assert answer.status_code == 503
            assert answer.headers["content-type"] == "application/problem+json"
            assert int(answer.headers["retry-after"]) >= 1
            assert "No champion has been promoted yet" in answer.json()["detail"]
        assert client.get("/health/live").status_code == 200
        assert client.post("/api/v1/predict", json=SHOT | {"x": 9999}).status_code == 422


def test_registered_but_unpromoted_is_no_champion(serving: ServingSetup) -> None:
    serving.register(1)
    serving.feature_state(make_feature_state(1))
    with serving.client() as client:
        until(lambda: NO_CHAMPION in client.get("/health/ready").text)


def test_a_champion_waits_for_the_first_feature_state(serving: ServingSetup) -> None:
    serving.promote(1)
    with serving.client() as client:
        until(lambda: "the store holds no feature state yet" in client.get("/health/ready").text)
        assert client.post("/api/v1/predict", json=SHOT).status_code == 503
        record = serving.feature_state(make_feature_state(1))
        until(serves(client, 1, record.stamp))
        ready = {"status": "ready", "champion_version": 1, "feature_state_stamp": record.stamp}
        until(lambda: client.get("/health/ready").json() == ready)


@pytest.mark.parametrize("odd", [{"schema": "another"}, {"base_fingerprint": "another"}])
def test_a_first_pair_that_does_not_fit_is_not_served(serving: ServingSetup, odd: dict[str, str]) -> None:
    serving.promote(1)
    record = serving.feature_state(make_feature_state(1), **odd)
    with serving.client() as client:
        until(lambda: "don't fit" in client.get("/health/ready").text)
        answer = client.post("/api/v1/predict", json=SHOT)
        assert answer.status_code == 503
        assert "Version 1" in answer.json()["detail"] and record.stamp in answer.json()["detail"]
        mended = serving.feature_state(make_feature_state(3))
        until(serves(client, 1, mended.stamp))


@pytest.mark.parametrize("odd", [{"schema": "another"}, {"base_fingerprint": "another"}])
def test_a_later_feature_state_that_does_not_fit_is_not_paired(
    serving: ServingSetup, client: TestClient[Any], odd: dict[str, str]
) -> None:
    good = serving.store.feature_state_stamp()
    bad = serving.feature_state(make_feature_state(2), **odd)
    until(lambda: bad.stamp in reload_problem(client))
    assert answers_with(client) == (1, good)
    assert client.get("/health/ready").status_code == 200
    mended = serving.feature_state(make_feature_state(3))
    until(serves(client, 1, mended.stamp))
    until(lambda: reload_problem(client) == "")


@pytest.mark.parametrize("odd", [{"schema": "another"}, {"base_fingerprint": "another"}])
def test_a_champion_that_does_not_fit_is_not_paired(
    serving: ServingSetup, client: TestClient[Any], odd: dict[str, str]
) -> None:
    good = serving.store.feature_state_stamp()
    serving.promote(2, **odd)
    until(lambda: "Version 2" in reload_problem(client))
    assert "Version 1 stays in service" in reload_problem(client)
    assert answers_with(client) == (1, good)
    # A feature state that fits the new champion but not this program's features: it would build wrong rows.
    record = serving.feature_state(
        make_feature_state(2), **{"schema": NBA.schema, "base_fingerprint": NBA.base_fingerprint} | odd
    )
    until(lambda: "this program builds" in reload_problem(client))
    assert answers_with(client) == (1, good)
    serving.promote(3)
    mended = serving.feature_state(make_feature_state(3))
    until(serves(client, 3, mended.stamp))
    assert record.stamp != mended.stamp


def test_a_bundle_of_another_sport_is_not_paired(serving: ServingSetup, client: TestClient[Any]) -> None:
    serving.promote(2, sport="rugby")
    until(lambda: "rugby" in reload_problem(client))
    assert answers_with(client)[0] == 1


@pytest.mark.parametrize("name", [bundle.GRAPH, bundle.CARD])
def test_a_tampered_bundle_keeps_the_old_pair(serving: ServingSetup, client: TestClient[Any], name: str) -> None:
    good = serving.store.feature_state_stamp()
    serving.register(2)
    path = serving.mlflow.versions[2] / name
    original = path.read_bytes()
    path.write_bytes(original + b" ")
    serving.promote(2)
    until(lambda: "was altered" in reload_problem(client))
    assert answers_with(client) == (1, good)
    newer = serving.feature_state(make_feature_state(3, "2023-04-11")).stamp
    until(lambda: answers_with(client) == (1, newer))
    assert "was altered" in reload_problem(client)
    path.write_bytes(original)
    until(serves(client, 2, newer))
    until(lambda: reload_problem(client) == "")


def test_a_damaged_feature_state_keeps_the_old_pair(serving: ServingSetup, client: TestClient[Any]) -> None:
    good = serving.store.feature_state_stamp()
    serving.feature_state(make_feature_state(2), payload=b"half a file")
    until(lambda: reload_problem(client))
    assert answers_with(client) == (1, good)


def test_a_removed_alias_keeps_the_pair(serving: ServingSetup, client: TestClient[Any]) -> None:
    serving.mlflow.alias = None
    until(lambda: "Version 1, the last one that was served, stays in service" in reload_problem(client))
    assert "The registry no longer names a champion" in reload_problem(client)
    assert answers_with(client)[0] == 1
    newer = serving.feature_state(make_feature_state(2))  # its features go on
    until(serves(client, 1, newer.stamp))


def test_a_registry_that_lost_its_models_leaves_the_champion_in_service_after_a_restart(serving: ServingSetup) -> None:
    """As long as no other is promoted there; its number may be the same."""
    serving.promote(1)
    serving.feature_state(make_feature_state(1))
    with serving.client() as client:
        until(lambda: client.get("/health/ready").is_success)
    serving.mlflow.versions, serving.mlflow.alias, serving.mlflow.epoch = {}, None, 0
    with serving.client() as client:
        until(lambda: client.get("/health/ready").is_success)
        assert "restore MLflow's database from a backup" in reload_problem(client)
        assert client.get("/api/v1/champion").json()["sha256"] == serving.bundles[1].sha256
        anew = make_bundle(serving.root / "versions" / "anew", 7)
        serving.mlflow.register(1, serving.root / "versions" / "anew")
        serving.mlflow.promote(1)
        until(lambda: client.get("/api/v1/champion").json()["sha256"] == anew.sha256)


def test_a_problem_is_logged_once_and_not_with_each_look(
    serving: ServingSetup, client: TestClient[Any], caplog: pytest.LogCaptureFixture
) -> None:
    watcher = client.app.state.watcher
    with caplog.at_level(logging.INFO):
        bad = serving.feature_state(make_feature_state(2), schema="another")
        until(lambda: bad.stamp in reload_problem(client))
        until(count_looks(watcher, 40))
        assert sum(bad.stamp in r.getMessage() for r in caplog.records) == 1
        mended = serving.feature_state(make_feature_state(3))
        until(serves(client, 1, mended.stamp))
        until(lambda: any("the problem is over" in r.getMessage() for r in caplog.records))


def test_what_did_not_change_is_not_loaded_again(
    serving: ServingSetup, client: TestClient[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    watcher = client.app.state.watcher
    loads: list[Any] = []
    load = watcher._load
    monkeypatch.setattr(watcher, "_load", lambda champion: loads.append(champion) or load(champion))
    until(count_looks(watcher, 30))
    assert loads == []
    serving.feature_state(make_feature_state(2), schema="another")
    until(lambda: loads)
    until(count_looks(watcher, 60))
    assert len(loads) < 10  # retried now and then, since what is damaged may be mended in place


def watcher_of(serving: ServingSetup) -> Watcher:
    """A watcher that looks only when the test calls it."""
    return Watcher(
        NBA,
        RegistryReader(serving.settings.registry_url, NBA.registered_model, serving.settings.cache),
        serving.store,
        1,
    )


def test_a_champion_that_could_not_be_saved_is_saved_later(
    serving: ServingSetup, monkeypatch: pytest.MonkeyPatch
) -> None:
    serving.promote(1)
    serving.feature_state(make_feature_state(1))
    watcher = watcher_of(serving)

    def full(_: Any) -> None:
        raise OSError(28, "No space left on device", str(serving.settings.cache / "champion.json"))

    with monkeypatch.context() as broken:
        broken.setattr(watcher._registry, "remember", full)
        for _ in range(2):
            watcher.look()
            assert watcher.pair is not None
            assert "Version 1 can't be saved" in (watcher.problem or "") and "No space left" in (watcher.problem or "")
    watcher.look()
    assert watcher.problem is None
    noted = watcher._registry.remembered()
    assert noted is not None and noted.version == 1


def attempts(watcher: Watcher, looks: int, error: Exception, monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """In which of so many looks a bundle was requested for, which always failed."""
    done, requested = 0, []

    def broken(_: Any) -> Any:
        requested.append(done)
        raise error

    monkeypatch.setattr(watcher._registry, "fetch", broken)
    while done < looks:
        watcher.look()
        done += 1
    return requested


def test_temporary_failures_are_retried_sooner_than_misfits(
    serving: ServingSetup, monkeypatch: pytest.MonkeyPatch
) -> None:
    serving.promote(1)
    serving.feature_state(make_feature_state(1))
    for error in (RegistryError("hiccup"), OSError("hiccup")):
        assert attempts(watcher_of(serving), 50, error, monkeypatch) == [0, 1, 3, 7, 15, 30, 45]
    misfit = bundle.BundleError("altered")
    assert attempts(watcher_of(serving), 50, misfit, monkeypatch) == list(range(0, 50, RETRY_POLLS))


def test_a_swap_leaves_no_garbage_behind(serving: ServingSetup) -> None:
    class Cycle:
        """An object that only the garbage collector can free."""

    serving.promote(1)
    serving.feature_state(make_feature_state(1))
    watcher = watcher_of(serving)
    gc.disable()
    try:
        cycle = Cycle()
        cycle.itself = cycle  # type: ignore[attr-defined]
        gone = weakref.ref(cycle)
        del cycle
        watcher.look()
    finally:
        gc.enable()
    gc.collect()
    assert gone() is None


def test_callers_see_no_folders_of_the_server(serving: ServingSetup, caplog: pytest.LogCaptureFixture) -> None:
    serving.promote(1)
    serving.feature_state(make_feature_state(1))
    card = serving.mlflow.versions[1] / bundle.CARD
    card.write_bytes(card.read_bytes() + b" ")
    with serving.client() as client:
        until(lambda: "bundle.json was altered" in client.get("/health/ready").text)
        assert str(serving.settings.home) not in client.get("/health/ready").text
        assert str(serving.settings.home) not in client.post("/api/v1/predict", json=SHOT).text
    assert str(serving.settings.cache) in caplog.text


def count_looks(watcher: Watcher, wanted: int) -> Any:
    """A condition that becomes true after so many further looks."""
    seen = itertools.count(1)
    done = threading.Event()
    original = watcher._look

    def counted() -> str | None:
        if next(seen) >= wanted:
            done.set()
        return original()

    watcher._look = counted  # type: ignore[method-assign]
    return done.is_set


def test_a_swap_in_the_middle_of_a_request_does_not_mix_pairs(serving: ServingSetup) -> None:
    serving.promote(1)
    record = serving.feature_state(make_feature_state(1))
    other = make_feature_state(2, "2023-04-10")

    def swapping(request: Any, feature_state: Any) -> Any:
        prepared = NBA.prepare(request, feature_state)
        serving.promote(2)
        serving.feature_state(other)
        client.app.state.watcher.look()
        return prepared

    with client_of(create_app(serving.settings, replace(NBA, prepare=swapping))) as client:
        until(serves(client, 1, record.stamp))
        body = client.post("/api/v1/predict", json=FULL_SHOT).json()
        assert serves(client, 2, other.stamp)()
    assert (body["champion_version"], body["feature_state_stamp"]) == (1, record.stamp)
    assert (body["champion_sha256"], body["feature_state_through"]) == (serving.bundles[1].sha256, "2023-04-09")
    assert body["probability"] == expected(serving.bundles[1], record, FULL_SHOT)


def test_every_answer_reproduces_from_the_pair_it_names_while_pairs_are_swapped(
    serving: ServingSetup, client: TestClient[Any]
) -> None:
    first = serving.store.get_feature_state()
    assert first is not None
    records = {r.stamp: r for r in (first, make_feature_state(2), make_feature_state(3))}
    for version in (2, 3):
        serving.register(version)
    stop = threading.Event()

    def swap() -> None:
        for turn in itertools.count():
            if stop.is_set():
                return
            serving.mlflow.promote(turn % 3 + 1)
            serving.feature_state(list(records.values())[turn // 2 % 3])
            stop.wait(0.02)

    swapper = threading.Thread(target=swap)
    swapper.start()
    pairs_seen: set[tuple[int, str]] = set()
    right: dict[tuple[int, str], float] = {}
    try:
        with ThreadPoolExecutor(4) as pool:

            def batch() -> bool:
                for answer in pool.map(lambda _: client.post("/api/v1/predict", json=FULL_SHOT), range(50)):
                    assert answer.status_code == 200
                    body = answer.json()
                    pair = (body["champion_version"], body["feature_state_stamp"])
                    if pair not in right:
                        right[pair] = expected(serving.bundles[pair[0]], records[pair[1]], FULL_SHOT)
                    assert body["probability"] == right[pair]
                    assert body["champion_sha256"] == serving.bundles[pair[0]].sha256
                    pairs_seen.add(pair)
                return len(pairs_seen) >= 5

            until(batch)
    finally:
        stop.set()
        swapper.join()
    assert len(set(right.values())) == len(right)
