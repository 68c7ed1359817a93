"""The sensor at the door: whatever the feeds offer and the lake doesn't hold is ingested in one run."""

import hashlib
from time import time
from typing import TYPE_CHECKING

import dagster as dg
import msgspec

from parivision_assets.keys import named, raw_shots_key
from parivision_assets.partitions import INGEST_TAG, batches_of, ingest_tags, stretches
from parivision_assets.resources import FeedsResource, StoreResource
from parivision_assets.steps.ingesting import waiting
from parivision_core.sport import Sport

if TYPE_CHECKING:
    from parivision_assets.feeds.base import Batch

FIRST_RETRY_SECONDS = 60
LONGEST_RETRY_SECONDS = 3600
UNFINISHED = [
    dg.DagsterRunStatus.QUEUED,
    dg.DagsterRunStatus.NOT_STARTED,
    dg.DagsterRunStatus.STARTING,
    dg.DagsterRunStatus.STARTED,
    dg.DagsterRunStatus.CANCELING,
]


class Launches(msgspec.Struct, frozen=True):
    """How often runs were asked for a batch that isn't committed, and when last (seconds since the epoch)."""

    count: int
    last: float

    def retry_at(self) -> float:
        """When to try again: after a minute, two, four, up to an hour."""
        return self.last + min(FIRST_RETRY_SECONDS * 2.0 ** (self.count - 1), LONGEST_RETRY_SECONDS)


def build(sport: Sport, seconds: int) -> dg.SensorDefinition:
    """The sensor for one sport, evaluated every so many seconds."""
    partitions = batches_of(sport)

    @dg.sensor(
        name=named(sport, "new_batches"),
        target=dg.AssetSelection.assets(raw_shots_key(sport)),
        minimum_interval_seconds=seconds,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description="Offers the feeds' batches minus the committed manifests; a batch that failed is offered again, "
        "after a pause that doubles each time.",
    )
    def new_batches(
        context: dg.SensorEvaluationContext, store: StoreResource, feeds: FeedsResource
    ) -> dg.SensorResult | dg.SkipReason:
        under_way = dg.RunsFilter(tags={INGEST_TAG: sport.name}, statuses=UNFINISHED)
        if context.instance.get_runs_count(under_way):
            return dg.SkipReason("an ingest is under way")
        now = time()
        launches = msgspec.json.decode(context.cursor or "{}", type=dict[str, Launches])
        absent = waiting(feeds.batches(), store.of(sport))
        due = [b for b in absent if b.fingerprint not in launches or launches[b.fingerprint].retry_at() <= now]
        if not due:
            return dg.SkipReason(
                f"{len(absent)} batches failed and wait for their next try" if absent else "the lake holds every batch"
            )
        attempts = {b.fingerprint: launches[b.fingerprint].count if b.fingerprint in launches else 0 for b in due}
        noted = {b.fingerprint: launches[b.fingerprint] for b in absent if b.fingerprint in launches}
        noted |= {fingerprint: Launches(count + 1, now) for fingerprint, count in attempts.items()}
        known = list(context.instance.get_dynamic_partitions(str(partitions.name)))
        new = [b.id for b in due if b.id not in known]
        return dg.SensorResult(
            run_requests=[_request(stretch, attempts, sport) for stretch in stretches(due, [*known, *new])],
            dynamic_partitions_requests=[partitions.build_add_request(new)] if new else [],
            cursor=msgspec.json.encode(noted).decode(),
        )

    return new_batches


def _request(batches: "list[Batch]", attempts: dict[str, int], sport: Sport) -> dg.RunRequest:
    keys = [f"{batch.fingerprint}:{attempts[batch.fingerprint] + 1}" for batch in batches]
    return dg.RunRequest(
        run_key=keys[0] if len(keys) == 1 else hashlib.sha256("\n".join(keys).encode()).hexdigest(),
        asset_selection=[raw_shots_key(sport)],
        tags=ingest_tags(batches, sport),
    )
