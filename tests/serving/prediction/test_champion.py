"""The pair: what is served, what is never paired, and swaps under way."""

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
from tests.helpers.serving_world import FULL_SHOT, SHOT, World, client_of, expected, make_feature_state, serves, until


def reload_problem(client: TestClient[Any]) -> str:
    return client.get("/api/v1/champion").json()["reload_problem"] or ""


def answers_with(client: TestClient[Any]) -> tuple[int, str]:
    told = client.post("/api/v1/predict", json=SHOT).json()
    return told["champion_version"], told["feature_state_stamp"]


def test_a_new_champion_and_a_new_feature_state_are_swapped_in(world: World, client: TestClient[Any]) -> None:
    first = world.store.feature_state_stamp() or ""
    before = client.post("/api/v1/predict", json=FULL_SHOT).json()
    world.promote(2)
    until(serves(client, 2, first))
    champion_swapped = client.post("/api/v1/predict", json=FULL_SHOT).json()
    assert champion_swapped["champion_sha256"] == world.bundles[2].sha256
    second = world.feature_state(make_feature_state(2, "2023-04-10"))
    until(serves(client, 2, second.stamp))
    feature_state_swapped = client.post("/api/v1/predict", json=FULL_SHOT).json()
    assert (feature_state_swapped["feature_state_stamp"], feature_state_swapped["feature_state_through"]) == (
        second.stamp,
        "2023-04-10",
    )
    assert feature_state_swapped["probability"] == expected(world.bundles[2], second, FULL_SHOT)
    assert len({a["probability"] for a in (before, champion_swapped, feature_state_swapped)}) == 3


def test_a_rollback_shows_its_epoch(world: World, client: TestClient[Any]) -> None:
    world.promote(1)  # the same version, one epoch later
    until(lambda: client.get("/api/v1/champion").json()["epoch"] == 2)
    assert client.get("/api/v1/champion").json()["version"] == 1


def test_no_champion_is_said(world: World) -> None:
    with world.client() as client:
        until(lambda: NO_CHAMPION in client.get("/health/ready").text)
        for answer in (client.post("/api/v1/predict", json=SHOT), client.get("/api/v1/champion")):
            assert answer.status_code == 503
            assert answer.headers["content-type"] == "application/problem+json"
            assert int(answer.headers["retry-after"]) >= 1
            assert "No champion has been promoted yet" in answer.json()["detail"]
        assert client.get("/health/live").status_code == 200
        assert client.post("/api/v1/predict", json=SHOT | {"x": 9999}).status_code == 422


def test_registered_but_unpromoted_is_no_champion(world: World) -> None:
    world.register(1)
    world.feature_state(make_feature_state(1))
    with world.client() as client:
        until(lambda: NO_CHAMPION in client.get("/health/ready").text)


def test_a_champion_waits_for_the_first_feature_state(world: World) -> None:
    world.promote(1)
    with world.client() as client:
        until(lambda: "the store holds no feature state yet" in client.get("/health/ready").text)
        assert client.post("/api/v1/predict", json=SHOT).status_code == 503
        record = world.feature_state(make_feature_state(1))
        until(serves(client, 1, record.stamp))
        assert client.get("/health/ready").json() == {
            "status": "ready",
            "champion_version": 1,
            "feature_state_stamp": record.stamp,
        }


@pytest.mark.parametrize("odd", [{"schema": "another"}, {"base_fingerprint": "another"}])
def test_a_first_pair_that_does_not_fit_is_not_served(world: World, odd: dict[str, str]) -> None:
    world.promote(1)
    record = world.feature_state(make_feature_state(1), **odd)
    with world.client() as client:
        until(lambda: "don't fit" in client.get("/health/ready").text)
        answer = client.post("/api/v1/predict", json=SHOT)
        assert answer.status_code == 503
        assert "Version 1" in answer.json()["detail"] and record.stamp in answer.json()["detail"]
        mended = world.feature_state(make_feature_state(3))
        until(serves(client, 1, mended.stamp))


@pytest.mark.parametrize("odd", [{"schema": "another"}, {"base_fingerprint": "another"}])
def test_a_later_feature_state_that_does_not_fit_is_not_paired(
    world: World, client: TestClient[Any], odd: dict[str, str]
) -> None:
    good = world.store.feature_state_stamp()
    bad = world.feature_state(make_feature_state(2), **odd)
    until(lambda: bad.stamp in reload_problem(client))
    assert answers_with(client) == (1, good)
    assert client.get("/health/ready").status_code == 200
    mended = world.feature_state(make_feature_state(3))
    until(serves(client, 1, mended.stamp))
    until(lambda: reload_problem(client) == "")


@pytest.mark.parametrize("odd", [{"schema": "another"}, {"base_fingerprint": "another"}])
def test_a_champion_that_does_not_fit_is_not_paired(world: World, client: TestClient[Any], odd: dict[str, str]) -> None:
    good = world.store.feature_state_stamp()
    world.promote(2, **odd)
    until(lambda: "Version 2" in reload_problem(client))
    assert "Version 1 stays in service" in reload_problem(client)
    assert answers_with(client) == (1, good)
    # A feature state that fits the new champion but not this program's features: the rows it builds would be wrong ones.
    record = world.feature_state(
        make_feature_state(2), **{"schema": NBA.schema, "base_fingerprint": NBA.base_fingerprint} | odd
    )
    until(lambda: "this program builds" in reload_problem(client))
    assert answers_with(client) == (1, good)
    world.promote(3)
    mended = world.feature_state(make_feature_state(3))
    until(serves(client, 3, mended.stamp))
    assert record.stamp != mended.stamp


def test_a_bundle_of_another_sport_is_not_paired(world: World, client: TestClient[Any]) -> None:
    world.promote(2, sport="rugby")
    until(lambda: "rugby" in reload_problem(client))
    assert answers_with(client)[0] == 1


@pytest.mark.parametrize("name", [bundle.GRAPH, bundle.CARD])
def test_a_tampered_bundle_keeps_the_old_pair(world: World, client: TestClient[Any], name: str) -> None:
    good = world.store.feature_state_stamp()
    world.register(2)
    path = world.mlflow.versions[2] / name
    original = path.read_bytes()
    path.write_bytes(original + b" ")
    world.promote(2)
    until(lambda: "was altered" in reload_problem(client))
    assert answers_with(client) == (1, good)
    newer = world.feature_state(make_feature_state(3, "2023-04-11")).stamp
    until(lambda: answers_with(client) == (1, newer))
    assert "was altered" in reload_problem(client)
    path.write_bytes(original)
    until(serves(client, 2, newer))
    until(lambda: reload_problem(client) == "")


def test_a_damaged_feature_state_keeps_the_old_pair(world: World, client: TestClient[Any]) -> None:
    good = world.store.feature_state_stamp()
    world.feature_state(make_feature_state(2), payload=b"half a file")
    until(lambda: reload_problem(client))
    assert answers_with(client) == (1, good)


def test_a_withdrawn_alias_keeps_the_pair(world: World, client: TestClient[Any]) -> None:
    world.mlflow.alias = None
    until(lambda: "names no champion any more. Version 1 stays in service" in reload_problem(client))
    assert answers_with(client)[0] == 1


def test_a_problem_is_logged_once_and_not_with_each_look(
    world: World, client: TestClient[Any], caplog: pytest.LogCaptureFixture
) -> None:
    watcher = client.app.state.watcher
    with caplog.at_level(logging.INFO):
        bad = world.feature_state(make_feature_state(2), schema="another")
        until(lambda: bad.stamp in reload_problem(client))
        until(count_looks(watcher, 40))
        assert sum(bad.stamp in r.getMessage() for r in caplog.records) == 1
        mended = world.feature_state(make_feature_state(3))
        until(serves(client, 1, mended.stamp))
        until(lambda: any("the problem is over" in r.getMessage() for r in caplog.records))


def test_what_did_not_change_is_not_loaded_again(
    world: World, client: TestClient[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    watcher = client.app.state.watcher
    loads: list[Any] = []
    load = watcher._load
    monkeypatch.setattr(watcher, "_load", lambda champion: loads.append(champion) or load(champion))
    until(count_looks(watcher, 30))
    assert loads == []
    world.feature_state(make_feature_state(2), schema="another")
    until(lambda: loads)
    until(count_looks(watcher, 60))
    assert len(loads) < 10  # retried now and then, since what is damaged may be mended in place


def watcher_of(world: World) -> Watcher:
    """A watcher that looks only when it is told to."""
    return Watcher(
        NBA, RegistryReader(world.settings.registry_url, NBA.registered_model, world.settings.cache), world.store, 1
    )


def test_a_champion_that_could_not_be_noted_is_noted_later(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world.promote(1)
    world.feature_state(make_feature_state(1))
    watcher = watcher_of(world)

    def full(_: Any) -> None:
        raise OSError(28, "No space left on device", str(world.settings.cache / "champion.json"))

    with monkeypatch.context() as broken:
        broken.setattr(watcher._registry, "remember", full)
        for _ in range(2):
            watcher.look()
            assert watcher.pair is not None
            assert "Version 1 can't be noted" in (watcher.problem or "") and "No space left" in (watcher.problem or "")
    watcher.look()
    assert watcher.problem is None
    noted = watcher._registry.remembered()
    assert noted is not None and noted.version == 1


def attempts(watcher: Watcher, looks: int, error: Exception, monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """In which of so many looks a bundle was asked for, which always failed."""
    done, asked = 0, []

    def broken(_: Any) -> Any:
        asked.append(done)
        raise error

    monkeypatch.setattr(watcher._registry, "fetch", broken)
    while done < looks:
        watcher.look()
        done += 1
    return asked


def test_what_may_be_over_in_a_moment_is_tried_again_soon(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world.promote(1)
    world.feature_state(make_feature_state(1))
    for error in (RegistryError("hiccup"), OSError("hiccup")):
        assert attempts(watcher_of(world), 50, error, monkeypatch) == [0, 1, 3, 7, 15, 30, 45]
    misfit = bundle.BundleError("altered")
    assert attempts(watcher_of(world), 50, misfit, monkeypatch) == list(range(0, 50, RETRY_POLLS))


def test_a_swap_leaves_no_garbage_behind(world: World) -> None:
    class Cycle:
        """What only the collector can remove."""

    world.promote(1)
    world.feature_state(make_feature_state(1))
    watcher = watcher_of(world)
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


def test_strangers_are_reported_no_folders(world: World, caplog: pytest.LogCaptureFixture) -> None:
    world.promote(1)
    world.feature_state(make_feature_state(1))
    card = world.mlflow.versions[1] / bundle.CARD
    card.write_bytes(card.read_bytes() + b" ")
    with world.client() as client:
        until(lambda: "bundle.json was altered" in client.get("/health/ready").text)
        assert str(world.settings.home) not in client.get("/health/ready").text
        assert str(world.settings.home) not in client.post("/api/v1/predict", json=SHOT).text
    assert str(world.settings.cache) in caplog.text


def count_looks(watcher: Watcher, wanted: int) -> Any:
    """A condition that comes true after so many further looks."""
    seen = itertools.count(1)
    done = threading.Event()
    original = watcher._look

    def counted() -> str | None:
        if next(seen) >= wanted:
            done.set()
        return original()

    watcher._look = counted  # type: ignore[method-assign]
    return done.is_set


def test_a_swap_in_the_middle_of_a_request_does_not_mix_pairs(world: World) -> None:
    world.promote(1)
    record = world.feature_state(make_feature_state(1))
    other = make_feature_state(2, "2023-04-10")

    def swapping(request: Any, feature_state: Any) -> Any:
        prepared = NBA.prepare(request, feature_state)
        world.promote(2)
        world.feature_state(other)
        client.app.state.watcher.look()
        return prepared

    with client_of(create_app(world.settings, replace(NBA, prepare=swapping))) as client:
        until(serves(client, 1, record.stamp))
        told = client.post("/api/v1/predict", json=FULL_SHOT).json()
        assert serves(client, 2, other.stamp)()
    assert (told["champion_version"], told["feature_state_stamp"]) == (1, record.stamp)
    assert (told["champion_sha256"], told["feature_state_through"]) == (world.bundles[1].sha256, "2023-04-09")
    assert told["probability"] == expected(world.bundles[1], record, FULL_SHOT)


def test_every_answer_reproduces_from_the_pair_it_names_while_pairs_are_swapped(
    world: World, client: TestClient[Any]
) -> None:
    first = world.store.get_feature_state()
    assert first is not None
    records = {r.stamp: r for r in (first, make_feature_state(2), make_feature_state(3))}
    for version in (2, 3):
        world.register(version)
    stop = threading.Event()

    def swap() -> None:
        for turn in itertools.count():
            if stop.is_set():
                return
            world.mlflow.promote(turn % 3 + 1)
            world.feature_state(list(records.values())[turn // 2 % 3])
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
                    told = answer.json()
                    pair = (told["champion_version"], told["feature_state_stamp"])
                    if pair not in right:
                        right[pair] = expected(world.bundles[pair[0]], records[pair[1]], FULL_SHOT)
                    assert told["probability"] == right[pair]
                    assert told["champion_sha256"] == world.bundles[pair[0]].sha256
                    pairs_seen.add(pair)
                return len(pairs_seen) >= 5

            until(batch)
    finally:
        stop.set()
        swapper.join()
    assert len(set(right.values())) == len(right)
