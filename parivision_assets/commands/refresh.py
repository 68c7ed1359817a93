"""`make refresh`: ingest the waiting batches, then features, training, verdict and promotion, without a daemon.

It exits with 0 when the candidate was promoted, refused or can't be judged yet, and with 1 when something failed. Its
last line is `result: promoted|refused|not_yet|failed`.
"""

from __future__ import annotations

import os
import sys
import traceback
from contextlib import redirect_stderr
from pathlib import Path
from typing import Literal

import dagster as dg

from parivision_assets.definitions import build
from parivision_assets.orchestration.history import newest_fit
from parivision_assets.orchestration.keys import champion_model_key, named, raw_shots_key
from parivision_assets.orchestration.partitions import add_batches, contiguous_ranges, ingest_tags
from parivision_assets.orchestration.run_launcher import PID_TAG
from parivision_assets.resources import feeds_of
from parivision_assets.steps.feed.ingesting import rejected, waiting
from parivision_assets.tracking.databases import check_databases, follow_artifacts
from parivision_core.disk_space import full_disk, full_disk_behind
from parivision_core.fault_lines import FaultStream
from parivision_core.nba.shots import NBA
from parivision_core.problems import PariVisionError
from parivision_core.rights import keep_private
from parivision_core.settings import Settings
from parivision_core.sport import Sport
from parivision_core.store import open_store
from parivision_core.store.base import Store

Result = Literal["promoted", "refused", "not_yet", "failed"]


def refresh(settings: Settings, sport: Sport, instance: dg.DagsterInstance) -> Result:
    """Run one refresh in this process; its runs are recorded in the instance.

    A batch that can't be read doesn't keep the others from being used, but makes the result `failed`.
    """
    definitions = build([sport], settings)
    lake = open_store(settings, sport)
    problem = _ingest(definitions, settings, sport, instance, lake)
    if not (batches := lake.manifests()):
        print(f"The lake is empty: put a season file into {settings.inbox} and run this again.")
        return "failed" if problem else "not_yet"
    fit = newest_fit(instance, sport, lake)
    if fit and fit.fit.shots == sum(batch.added for batch in batches):
        known = f"No shot is new since version {fit.fit.version} was fitted"
        print(f"{known}; a candidate is trained all the same: parameters or code may have changed.", flush=True)
    job = definitions.resolve_job_def(named(sport, "refresh"))
    outcome = job.execute_in_process(instance=instance, raise_on_error=False, tags=_process_tag())
    if not outcome.success:
        return "failed"
    result = _decision(sport, outcome, lake)
    if problem:
        print(f"The candidate was judged ({result.replace('_', ' ')}), but {problem}.")
        return "failed"
    return result


def _decision(sport: Sport, outcome: dg.ExecuteInProcessResult, lake: Store) -> Result:
    """The result for the candidate of a run that succeeded."""
    key = champion_model_key(sport)
    if any(event.asset_key == key for event in outcome.get_asset_materialization_events()):
        return "promoted"
    results = [
        event.asset_observation_data.asset_observation.metadata["result"].value
        for event in outcome.get_asset_observation_events()
        if event.asset_key == key
    ]
    if not results or results[-1] == "not_yet":
        return "not_yet"
    # "refused", or "already": the candidate is the champion itself. Neither found anything better.
    newest = lake.verdicts(limit=1)
    if newest and newest[0].gain is not None and round(newest[0].gain, 5) == 0:
        print("Nothing is new since the champion was trained: the candidate predicts the same.")
    return "refused"


def _ingest(
    definitions: dg.Definitions, settings: Settings, sport: Sport, instance: dg.DagsterInstance, lake: Store
) -> str:
    """Ingest every waiting batch that isn't rejected; what went wrong, empty if nothing did."""
    offers = feeds_of(settings).offers()
    for feed, problem in offers.problems.items():
        print(f"The feed {feed} is skipped: {problem}")
    print(*(f"{message}\n" for message in offers.ignored.values()), sep="", end="")
    refused = rejected(lake)
    offered = waiting(offers.batches, lake)
    due = [batch for batch in offered if batch.fingerprint not in refused]
    if skipped := len(offered) - len(due):
        print(f"Batches that can't be used and are skipped: {skipped} (see `make quarantine`).")
    partitions = add_batches(instance, sport, [batch.id for batch in due])
    job = definitions.resolve_implicit_global_asset_job_def()
    runs = [
        job.execute_in_process(
            instance=instance,
            raise_on_error=False,
            asset_selection=[raw_shots_key(sport)],
            tags=ingest_tags(keys, sport) | _process_tag(),
        )
        for keys in contiguous_ranges([batch.id for batch in due], partitions)
    ]
    if missing := [batch.id for batch in waiting(due, lake)]:
        return f"batches are missing (see `make quarantine`): {', '.join(missing)}"
    return "" if all(run.success for run in runs) else "an ingest failed; see its last lines above"


def _process_tag() -> dict[str, str]:
    """With this tag Dagster's run monitoring notices that a refresh was killed."""
    return {PID_TAG: str(os.getpid())}


def main() -> int:
    """Run a refresh with the settings of the environment; the exit code."""
    result: Result = "failed"
    settings = None
    try:
        settings = Settings.from_env()
        check_databases(settings, Path(os.environ.get("DAGSTER_HOME", settings.home / "dagster")))
        follow_artifacts(settings)
        with dg.DagsterInstance.get() as instance, redirect_stderr(FaultStream(sys.stderr)):
            result = refresh(settings, NBA, instance)
    except PariVisionError as error:
        print(error, file=sys.stderr)
    except Exception as error:
        full = full_disk(settings.home) if settings else ""
        if full or (full := full_disk_behind(error)):
            print(full, file=sys.stderr)
        else:
            traceback.print_exc()
    print(f"result: {result}", flush=True)
    return 1 if result == "failed" else 0


if __name__ == "__main__":
    keep_private()
    sys.exit(main())
