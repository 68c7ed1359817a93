"""Kill -9 between any two writes of a commit: the batch is absent, offered again, and then complete."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

from parivision_assets.feeds.inbox import InboxFeed
from parivision_assets.steps.ingesting import ingest, waiting
from parivision_core.nba import NBA
from parivision_core.store.files import FileStore
from tests import shots


def run(store: Path, inbox: Path, die_at: int) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "tests.assets.crash", str(store), str(inbox), str(die_at)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_no_crash_leaves_half_a_batch(tmp_path: Path) -> None:
    frame = shots.season(games=2)
    frame.loc[3, "PLAYER_ID"] = "nobody"
    inbox = shots.write(frame, tmp_path / "inbox" / "a.csv").parent
    done = run(tmp_path / "whole", inbox, -1)
    assert done.returncode == 0, done.stderr
    writes = int(done.stdout)
    assert writes >= 6  # flush, rename, begin, manifest, quarantine, commit
    died = 0
    # The last writes are the commit itself; a sample of the earlier ones keeps the test short.
    for die_at in sorted({0, writes // 2, *range(max(writes - 8, 0), writes)}):
        folder = tmp_path / f"store-{die_at}"
        killed = run(folder, inbox, die_at)
        assert killed.returncode == -signal.SIGKILL, killed.stderr
        died += 1
        store = FileStore(folder, NBA.lake, NBA.warehouse)
        assert store.manifests() == []
        assert store.lake().num_rows == 0
        assert store.quarantine() == []
        (batch,) = waiting(InboxFeed(inbox, 0).batches(), store)
        manifest = ingest(batch, NBA, store)
        assert (manifest.inserted, manifest.quarantined) == (119, 1)
        assert store.lake().num_rows == 119
        assert len(list((folder / NBA.lake).iterdir())) == 1  # nothing of the killed attempt is left
    assert died >= 6
