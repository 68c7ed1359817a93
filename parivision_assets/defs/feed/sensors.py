"""The sensor at the door: whatever the feeds offer and the lake doesn't hold is ingested in one run."""

import hashlib
from collections.abc import Collection
from time import time

import dagster as dg
import msgspec

from parivision_assets.orchestration import run_requests
from parivision_assets.orchestration.history import seconds_since_last, under_way
from parivision_assets.orchestration.keys import named, raw_shots_key, shot_features_key
from parivision_assets.orchestration.partitions import INGEST_TAG, batches_of, ingest_tags, stretches
from parivision_assets.resources import FeedsResource, StoreResource
from parivision_assets.steps.feed.ingesting import rejected, waiting
from parivision_core.sport import Sport
from parivision_core.store.base import Store

PAUSE_SECONDS = 10
"""After an ingest: two rounds of Dagster's daemon, in which what it brought may lead to a candidate. Asked for in the
same round, the next ingest would go first, and on a busy machine the one after that."""
FIRST_RETRY_SECONDS = 60
LONGEST_RETRY_SECONDS = 3600


class Launches(msgspec.Struct, frozen=True):
    """How often runs were asked for a batch that isn't committed, and when last (seconds since the epoch)."""

    count: int
    last: float

    @property
    def cut_off(self) -> bool:
        """Whether this process started since: then the last run most likely ended with the house, and is no try."""
        return self.last < run_requests.STARTED

    def retry_at(self) -> float:
        """When to try again: at once if cut off, else after a minute, two, four, up to an hour."""
        if self.cut_off:
            return self.last
        doublings = min(self.count - 1, 10)  # a float can't be doubled for ever
        return self.last + min(FIRST_RETRY_SECONDS * 2.0**doublings, LONGEST_RETRY_SECONDS)


def build(sport: Sport, seconds: int) -> dg.SensorDefinition:
    """The sensor for one sport, evaluated every so many seconds."""
    partitions, asset = batches_of(sport), raw_shots_key(sport)
    # Features go into the same run, for half of its cost is its start. If a batch fails, the automation takes them.
    assets = [asset, shot_features_key(sport)]

    @dg.sensor(
        name=named(sport, "new_batches"),
        target=dg.AssetSelection.assets(*assets),
        minimum_interval_seconds=seconds,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description="Offers the feeds' batches minus the committed manifests. What failed is offered again, after a "
        "pause that doubles each time, unless its content is at fault.",
    )
    def new_batches(
        context: dg.SensorEvaluationContext, store: StoreResource, feeds: FeedsResource
    ) -> dg.SensorResult | dg.SkipReason:
        if under_way(context.instance, INGEST_TAG, sport):
            return dg.SkipReason("an ingest is under way")
        now = time()
        if 0 <= seconds_since_last(context.instance, INGEST_TAG, sport, now) < PAUSE_SECONDS:
            return dg.SkipReason("what the last ingest brought is looked at first")
        launches = msgspec.json.decode(context.cursor or "{}", type=dict[str, Launches])
        lake, known = store.of(sport), list(context.instance.get_dynamic_partitions(str(partitions.name)))
        offers, refused = feeds.offers(), rejected(lake)
        for feed, problem in _news(offers.problems).items():
            context.log.warning(f"feed {feed}: {problem}")
        absent = {b.id: b.fingerprint for b in waiting(offers.batches, lake) if b.fingerprint not in refused}
        absent |= _unannounced(lake, known, context.instance.get_materialized_partitions(asset))
        tried = {key: launches[fingerprint] for key, fingerprint in absent.items() if fingerprint in launches}
        due = [key for key in absent if key not in tried or tried[key].retry_at() <= now]
        noted = {absent[key]: launch for key, launch in tried.items()}
        if not due:
            found = f"{len(absent)} batches wait for their next try" if absent else "the lake holds every batch"
            kept_out = [f"{len(refused)} batches can't be used (see make quarantine)"] if refused else []
            said = "; ".join([*offers.problems.values(), found, *kept_out])
            # Dagster keeps the cursor of every tick: what was committed meanwhile is forgotten.
            return dg.SensorResult(skip_reason=said, cursor=msgspec.json.encode(noted).decode())
        attempts = {key: tried[key].count + (not tried[key].cut_off) if key in tried else 1 for key in due}
        noted |= {absent[key]: Launches(attempt, now) for key, attempt in attempts.items()}
        new = [key for key in due if key not in known]
        ranges = stretches(due, [*known, *new])
        return dg.SensorResult(
            run_requests=[
                dg.RunRequest(
                    # With the time, for what was forgotten above counts from 1 again, and a key is used only once.
                    run_key=f"{_run_key([f'{absent[key]}:{attempts[key]}' for key in keys])}:{now:.0f}",
                    asset_selection=assets if keys is ranges[-1] else [asset],
                    tags=ingest_tags(keys, sport) | run_requests.INGEST,
                )
                for keys in ranges
            ],
            dynamic_partitions_requests=[partitions.build_add_request(new)] if new else [],
            cursor=msgspec.json.encode(noted).decode(),
        )

    return new_batches


def _unannounced(lake: Store, known: Collection[str], materialized: Collection[str]) -> dict[str, str]:
    """Committed batches of which Dagster was never told, because the process died in between: id -> fingerprint.

    Ingesting them again finds the manifest and announces it, so that what lies behind them is refreshed.
    """
    missing = set(known) - set(materialized)
    return {m.batch_id: m.fingerprint for m in lake.manifests() if m.batch_id in missing} if missing else {}


_told: dict[str, str] = {}
"""Feeds that are out of order, as told last by this process: the code server lives as long as the sensor runs."""


def _news(problems: dict[str, str]) -> dict[str, str]:
    """The problems that are not known yet, and the feeds that are well again."""
    news = {feed: text for feed, text in problems.items() if _told.get(feed) != text}
    news |= {feed: "is well again" for feed in _told if feed not in problems}
    _told.clear()
    _told.update(problems)
    return news


def _run_key(keys: list[str]) -> str:
    return keys[0] if len(keys) == 1 else hashlib.sha256("\n".join(keys).encode()).hexdigest()
