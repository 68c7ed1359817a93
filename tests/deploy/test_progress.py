"""The progress lines of `make up`: one for each stage, in order, until a champion is served."""

from __future__ import annotations

import json
from collections.abc import Callable

import msgspec
import pytest

from deploy import progress
from deploy.progress import StartProgress
from parivision_assets.steps.features.folding import update_warehouse
from parivision_core.nba.shots import NBA
from parivision_core.problems import StoreError
from parivision_core.records import Manifest, Verdict
from parivision_core.store.files import FileStore
from tests.helpers import shots

FEED, API = "http://feed", "http://api"
VERDICT = Verdict(
    candidate=1, champion=None, epoch=0, decision="pass", reason="better", games=30, shots=1, margin=0, level=0.95
)


class Services:
    """Responses of the feed and the API."""

    def __init__(self) -> None:
        self.batches: int | None = None
        self.champion: int | None = None

    def probe(self, url: str) -> tuple[int, bytes]:
        if url.startswith(FEED):
            return (0, b"") if self.batches is None else (200, json.dumps({"newest": self.batches}).encode())
        return (503, b"") if self.champion is None else (200, json.dumps({"champion_version": self.champion}).encode())


@pytest.fixture
def services(monkeypatch: pytest.MonkeyPatch) -> Services:
    services = Services()
    monkeypatch.setattr(progress, "probe", services.probe)
    monkeypatch.setattr(progress, "PAUSE_SECONDS", 0.0)
    monkeypatch.setattr(progress, "REPORT_SECONDS", -1.0)
    return services


def test_each_stage_has_its_line(services: Services, store: FileStore, put: Callable[..., list[Manifest]]) -> None:
    lines: list[str] = []
    watched = StartProgress(store, API, FEED, lines.append)

    def check() -> list[str]:
        lines.clear()
        for _ in range(3):
            watched.step()
        return list(lines)

    assert check() == []  # the feed doesn't answer yet
    services.batches = 3
    store.record_failure("f", "cut", "cut off", rejected_by="0.1.0")  # waiting for it would be useless
    assert check() == []
    put(store, shots.season(games=2, shots=8, seed=1))
    assert check() == [
        "lake: 1 of the first 3 batches",
        "lake: still 1 of the first 3 batches; the next ingest brings more",
    ]
    assert check() == []  # reported once
    put(store, shots.season(games=2, shots=8, seed=2, start="2022-12-01"))
    assert check() == ["lake: 2 batches, 32 shots"]
    update_warehouse(store, NBA)
    assert check() == ["features: 32 shots folded"]
    store.put_verdict(VERDICT)
    assert check() == ["candidate: version 1, pass: better"]
    assert not watched.over
    services.champion = 1
    assert check() == ["champion: version 1, served at http://api"]
    assert watched.over
    assert check() == []


def test_an_error_of_the_store_is_survived(
    services: Services, store: FileStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    lines: list[str] = []
    watched = StartProgress(store, API, None, lines.append)
    with monkeypatch.context() as m:
        m.setattr(FileStore, "manifests", lambda _: (_ for _ in ()).throw(StoreError("disk full")))
        watched.step()
    watched.step()
    assert lines == []
    assert not watched.over


def test_a_platform_that_was_up_before_waits_only_for_its_champion(services: Services, store: FileStore) -> None:
    store.put_verdict(VERDICT)
    lines: list[str] = []
    watched = StartProgress(store, API, FEED, lines.append)
    watched.step()
    assert lines == []
    services.champion = 4
    watched.step()
    assert lines == ["champion: version 4, served at http://api"]


def test_a_served_champion_is_reported_though_batches_of_an_interrupted_start_are_missing(
    services: Services, store: FileStore, put: Callable[..., list[Manifest]]
) -> None:
    lines: list[str] = []
    watched = StartProgress(store, API, FEED, lines.append)
    services.batches = 3
    put(store, shots.season(games=2, shots=8, seed=1))
    watched.step()
    assert not watched.over
    services.champion = 1
    watched.step()
    assert lines[-1] == "champion: version 1, served at http://api"
    assert watched.over


def test_a_first_candidate_that_is_refused_ends_the_waiting(
    services: Services, store: FileStore, put: Callable[..., list[Manifest]]
) -> None:
    lines: list[str] = []
    watched = StartProgress(store, API, None, lines.append)
    put(store, shots.season(games=2, shots=8, seed=1))
    update_warehouse(store, NBA)
    watched.step()
    store.put_verdict(msgspec.structs.replace(VERDICT, decision="refuse", reason="no better"))
    watched.step()
    assert lines[-1] == "candidate: version 1, refuse: no better"
    assert watched.over
