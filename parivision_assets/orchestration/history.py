"""What the sensors read from Dagster's records: the newest fit, runs under way, the newest drift report."""

from __future__ import annotations

import hashlib
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import dagster as dg

from parivision_assets.orchestration.keys import DRIFT_CHECK, drift_report_key, trained_model_key
from parivision_assets.orchestration.partitions import batches_of
from parivision_assets.steps.training.retraining import Fit
from parivision_core.sport import Sport

if TYPE_CHECKING:
    from parivision_core.store.base import Store

UNFINISHED = [
    dg.DagsterRunStatus.QUEUED,
    dg.DagsterRunStatus.NOT_STARTED,
    dg.DagsterRunStatus.STARTING,
    dg.DagsterRunStatus.STARTED,
    dg.DagsterRunStatus.CANCELING,
]


@dataclass(frozen=True)
class PastFit:
    """A fit and when it was recorded, in seconds since the epoch."""

    fit: Fit
    at: float


def newest_fit(instance: dg.DagsterInstance, sport: Sport, store: Store) -> PastFit | None:
    """What the newest candidate was trained with; None before the first."""
    event = instance.get_latest_materialization_event(trained_model_key(sport))
    if event is None or event.asset_materialization is None:
        return None
    metadata: dict[str, Any] = {name: entry.value for name, entry in event.asset_materialization.metadata.items()}
    if "version" not in metadata:  # reported by hand
        return None
    version, digest = int(metadata["version"]), metadata.get("sha256")
    return PastFit(
        Fit(
            version=version,
            # Missing in materializations by older versions of the code, after which a training is due.
            shots=int(metadata.get("warehouse_shots", 0)),
            schema=str(metadata.get("schema", "")),
            registry=str(metadata.get("registry", "")),
            judged=any(digest in (verdict.sha256, None) for verdict in store.verdicts(candidate=version)),
        ),
        event.timestamp,
    )


def registry_name(tracking_uri: str) -> str:
    """A name for a registry that doesn't reveal the password in its address."""
    return hashlib.sha256(tracking_uri.encode()).hexdigest()[:12]


def drift_since(instance: dg.DagsterInstance, sport: Sport, at: float) -> str:
    """What the newest drift report warns of, if it is newer than `at` (seconds since the epoch); else empty."""
    record = instance.get_latest_asset_check_evaluation_record(dg.AssetCheckKey(drift_report_key(sport), DRIFT_CHECK))
    # There is no evaluation while a run executes the check, or after a run that died before it did.
    if record is None or record.event is None or not isinstance(record.evaluation, dg.AssetCheckEvaluation):
        return ""
    if record.evaluation.passed or record.event.timestamp <= at:
        return ""
    return record.evaluation.description or "columns have drifted"


def under_way(instance: dg.DagsterInstance, tag: str, sport: Sport) -> bool:
    """Whether a run of the sport that carries this tag is waiting or running."""
    return bool(instance.get_runs_count(dg.RunsFilter(tags={tag: sport.name}, statuses=UNFINISHED)))


def cut_off(instance: dg.DagsterInstance, sport: Sport, store: Store) -> int:
    """How many batches have a partition but neither a manifest nor a recorded failure: their ingest was cut off."""
    requested = set(instance.get_dynamic_partitions(str(batches_of(sport).name)))
    return len(requested - {m.batch_id for m in store.manifests()} - {f.batch_id for f in store.failures()})


def newest_run(instance: dg.DagsterInstance, tag: str, sport: Sport) -> dg.DagsterRun | None:
    """The newest run of the sport that carries this tag."""
    return next(iter(instance.get_runs(dg.RunsFilter(tags={tag: sport.name}), limit=1)), None)


def seconds_since_last(instance: dg.DagsterInstance, tag: str, sport: Sport, now: float) -> float:
    """Seconds from the end of the newest run of the sport that carries this tag to `now`; infinite without an end."""
    records = instance.get_run_records(dg.RunsFilter(tags={tag: sport.name}), limit=1)
    return now - records[0].end_time if records and records[0].end_time else math.inf
