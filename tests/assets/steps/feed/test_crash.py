"""Kill -9 between any two writes of a commit: the batch is absent, offered again, and then complete."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from pymongo import MongoClient

from parivision_assets.feeds.inbox import InboxFeed
from parivision_assets.steps.feed.ingesting import ingest, waiting
from parivision_core.nba.shots import NBA
from parivision_core.store.mongo import lease
from tests.helpers import shots
from tests.helpers.stores import Place, opened


@pytest.fixture(scope="module")
def crash() -> Iterator[Callable[[Place, Path, int], tuple[int, int]]]:
    """`crash(place, inbox, die_at)`: exit code and number of writes of a process that ingests, or dies at a write."""
    command = [sys.executable, "-m", "tests.assets.steps.feed.crash"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin is not None and process.stdout is not None
        lines, answers = process.stdin, process.stdout

        def run(place: Place, inbox: Path, die_at: int) -> tuple[int, int]:
            lines.write(json.dumps([place, str(inbox), die_at]) + "\n")
            lines.flush()
            code, writes = json.loads(answers.readline())
            return code, writes

        yield run
        lines.close()


def left_lying(place: Place) -> int:
    """Files or documents of the lake, seen or not."""
    if place["kind"] == "files":
        return len(list((Path(place["folder"]) / NBA.lake).iterdir()))
    with MongoClient(place["url"]) as client:
        return client[place["database"]][NBA.lake].count_documents({})


def other(place: Place, name: str) -> Place:
    """A place of the same kind beside this one."""
    return {k: f"{v}_{name}" if k in ("folder", "database") else v for k, v in place.items()}


@pytest.mark.process
def test_no_crash_leaves_half_a_batch(
    place: Place,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    crash: Callable[[Place, Path, int], tuple[int, int]],
) -> None:
    monkeypatch.setattr(lease, "LEASE_SECONDS", 0.5)
    frame = shots.season(games=2)
    frame.loc[3, "PLAYER_ID"] = "nobody"
    inbox = shots.write(frame, tmp_path / "inbox" / "a.csv").parent
    code, writes = crash(other(place, "whole"), inbox, -1)
    assert code == 0
    assert writes >= 6  # flush, rename, begin, manifest, quarantine, commit; on MongoDB as many documents
    whole = left_lying(other(place, "whole"))
    for die_at in range(writes):
        here = other(place, f"at_{die_at}")
        assert crash(here, inbox, die_at)[0] == -signal.SIGKILL
        store = opened(here)
        offered = waiting(InboxFeed(inbox, 0).batches(), store)
        if offered:
            assert store.manifests() == []
            assert store.lake().num_rows == 0
            assert store.quarantine() == []
            manifest = ingest(offered[0], NBA, store)
        else:  # killed after the commit, which on MongoDB is followed by some tidying
            assert place["kind"] == "mongo"
            assert die_at >= writes - 2
            (manifest,) = store.manifests()
        assert (manifest.inserted, manifest.quarantined) == (119, 1)
        assert store.lake().num_rows == 119
        assert len(store.quarantine()) == 1
        assert left_lying(here) == whole  # nothing of the killed attempt is left
        if place["kind"] == "mongo":
            with MongoClient(place["url"]) as client:
                client.drop_database(here["database"])
