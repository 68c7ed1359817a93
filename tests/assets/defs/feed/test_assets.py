"""`raw_shots` on a real instance: what Dagster shows of revisions and withdrawals."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import dagster as dg
import pandas as pd

from parivision_assets.defs.feed import assets
from parivision_assets.feeds.inbox import InboxFeed
from parivision_assets.orchestration.partitions import add_batches
from parivision_assets.resources import FeedsResource, FileStoreResource
from parivision_assets.steps.feed.withdrawing import withdraw
from parivision_core.nba.shots import NBA
from parivision_core.store import open_files
from tests.helpers import shots


def test_revisions_and_withdrawals_are_partitions_with_their_counts(tmp_path: Path) -> None:
    inbox, store = tmp_path / "inbox", open_files(tmp_path, NBA)
    resources = {
        "store": FileStoreResource(home=str(tmp_path)),
        "feeds": FeedsResource(names=["inbox"], inbox=str(inbox), inbox_settle_seconds=0),
    }
    raw_shots = assets.build(NBA, "files")

    def materialized(key: str) -> tuple[dict[str, Any], set[str | None]]:
        """The values of the partition's metadata, and the names of the checks that passed."""
        add_batches(instance, NBA, [key])
        result = dg.materialize([raw_shots], partition_key=key, instance=instance, resources=resources)
        (event,) = result.get_asset_materialization_events()
        passed = {check.check_name for check in result.get_asset_check_evaluations() if check.passed}
        return {name: entry.value for name, entry in event.materialization.metadata.items()}, passed

    def delivered(frame: pd.DataFrame, name: str) -> tuple[str, dict[str, Any]]:
        shots.write(frame, inbox / name)
        (batch,) = (batch for batch in InboxFeed(inbox, 0).batches() if batch.source == name)
        return batch.id, materialized(batch.id)[0]

    with dg.DagsterInstance.ephemeral() as instance:
        frame = shots.as_kaggle(shots.season(games=1))
        first, _ = delivered(frame, "a.csv")
        revision, shown = delivered(frame.iloc[:7].assign(**{"Action Type": "Hook Shot"}), "b.csv")
        revised = sum(frame["Action Type"].iloc[:7] != "Hook Shot")
        assert (shown["revised"], shown["hidden"], shown["rows"]) == (revised, revised, 7)
        taken = withdraw(first, NBA, store)
        shown, passed = materialized(taken.batch_id)
        assert (shown["withdraws"], shown["hidden"]) == (first, 60 - revised)
        assert shown["dagster/partition_row_count"] == 7 - revised  # which the second batch had only repeated
        assert "duplicates" in passed
        # Materialized again, the withdrawn batch stays withdrawn, and has no make rate any more.
        shown, _ = materialized(first)
        assert "make_rate" not in shown
        assert store.lake(["_id"]).num_rows == 7
        assert materialized(withdraw(revision, NBA, store).batch_id)[0]["hidden"] == 7
