"""The sensor that requests ingests: batches that the feeds offer and the lake doesn't hold, all in one run."""

import hashlib
from collections.abc import Collection
from time import time

import dagster as dg
import msgspec

from parivision_assets.feeds.base import Offers
from parivision_assets.orchestration import run_requests
from parivision_assets.orchestration.failures import waits_in_words
from parivision_assets.orchestration.history import seconds_since_last, under_way
from parivision_assets.orchestration.keys import INGEST_TAG, named, raw_shots_key, shot_features_key
from parivision_assets.orchestration.partitions import batches_of, contiguous_ranges, ingest_tags
from parivision_assets.resources import FeedsResource, StoreResource
from parivision_assets.steps.feed.ingesting import rejected, waiting
from parivision_core.sport import Sport
from parivision_core.store.base import Store

PAUSE_SECONDS = 10
"""Between two ingests: two rounds of Dagster's daemon, in which the new shots may lead to a training. If the next
ingest were requested in the same round it would run first, and on a busy machine the one after it, too."""
FIRST_RETRY_SECONDS = 60


class Launches(msgspec.Struct, frozen=True):
    """How often a run was requested for a batch that isn't committed, and when last (seconds since the epoch)."""

    count: int
    last: float

    def cut_off(self, now: float) -> bool:
        """Whether this process started since: the last run most likely ended with the platform and doesn't count."""
        return run_requests.before_start(self.last, now)

    def due(self, now: float) -> bool:
        """Whether to try again: at once if cut off, else after a minute, two, four, eight, from then on ten."""
        doublings = min(self.count - 1, 10)  # enough to reach the longest pause, and no float overflows
        pause = min(FIRST_RETRY_SECONDS * 2.0**doublings, run_requests.RETRY_SECONDS)
        return self.cut_off(now) or not 0 <= now - self.last < pause


def build(sport: Sport, seconds: int) -> dg.SensorDefinition:
    """The sensor for one sport, evaluated every so many seconds."""
    partitions, asset = batches_of(sport), raw_shots_key(sport)
    # Features are part of the same run, because half of a run's cost is its start. If a batch fails, the automation
    # condition of shot_features requests them.
    assets = [asset, shot_features_key(sport)]

    @dg.sensor(
        name=named(sport, "new_batches"),
        target=dg.AssetSelection.assets(*assets),
        minimum_interval_seconds=seconds,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description="Requests an ingest of the batches that the feeds offer and that have no manifest yet. A batch "
        "that failed is tried again after a pause that doubles each time, unless its content is at fault.",
    )
    @waits_in_words
    def new_batches(
        context: dg.SensorEvaluationContext, store: StoreResource, feeds: FeedsResource
    ) -> dg.SensorResult | dg.SkipReason:
        if under_way(context.instance, INGEST_TAG, sport):
            return dg.SkipReason("an ingest is under way")
        now = time()
        if 0 <= seconds_since_last(context.instance, INGEST_TAG, sport, now) < PAUSE_SECONDS:
            return dg.SkipReason("the shots of the last ingest are looked at first")
        launches = run_requests.read_cursor(context, dict[str, Launches], {})
        lake, known = store.of(sport), list(context.instance.get_dynamic_partitions(str(partitions.name)))
        offers, refused = feeds.offers(), rejected(lake)
        for line in _news(offers):
            context.log.warning(line)
        absent = {b.id: b.fingerprint for b in waiting(offers.batches, lake) if b.fingerprint not in refused}
        absent |= _unannounced(lake, known, context.instance.get_materialized_partitions(asset))
        tried = {key: launches[fingerprint] for key, fingerprint in absent.items() if fingerprint in launches}
        due = [key for key in absent if key not in tried or tried[key].due(now)]
        noted = {absent[key]: launch for key, launch in tried.items()}
        if not due:
            found = f"{len(absent)} batches wait for their next try" if absent else "the lake holds every batch"
            kept_out = [f"{len(refused)} batches can't be used (see make quarantine)"] if refused else []
            reason = "; ".join([*offers.problems.values(), *offers.ignored.values(), found, *kept_out])
            # The cursor holds waiting batches only, because Dagster stores it for every tick.
            return dg.SensorResult(skip_reason=reason, cursor=msgspec.json.encode(noted).decode())
        attempts = {key: tried[key].count + (not tried[key].cut_off(now)) if key in tried else 1 for key in due}
        noted |= {absent[key]: Launches(attempt, now) for key, attempt in attempts.items()}
        new = [key for key in due if key not in known]
        ranges = contiguous_ranges(due, [*known, *new])
        return dg.SensorResult(
            run_requests=[
                dg.RunRequest(
                    # With the time: a batch that left the cursor counts from 1 again, and Dagster uses a key only once.
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
    """Committed batches without a materialization, because the process died in between: id -> fingerprint.

    Ingesting them again finds the manifest and records the materialization, so that downstream assets are refreshed.
    """
    missing = set(known) - set(materialized)
    return {m.batch_id: m.fingerprint for m in lake.manifests() if m.batch_id in missing} if missing else {}


_logged_problems: dict[str, str] = {}
"""Feeds with problems, as this process logged them last: the code server lives as long as the sensor runs."""
_logged_ignored: dict[str, str] = {}
"""What it logged last of what the feeds never offer."""


def _news(offers: Offers) -> list[str]:
    """Lines on problems and ignored files that weren't logged yet, and on feeds that work again."""
    news = [f"feed {feed}: {text}" for feed, text in offers.problems.items() if _logged_problems.get(feed) != text]
    news += [f"feed {feed}: works again" for feed in _logged_problems if feed not in offers.problems]
    news += [f"feed {feed}: {text}" for feed, text in offers.ignored.items() if _logged_ignored.get(feed) != text]
    for logged, now in ((_logged_problems, offers.problems), (_logged_ignored, offers.ignored)):
        logged.clear()
        logged.update(now)
    return news


def _run_key(keys: list[str]) -> str:
    return keys[0] if len(keys) == 1 else hashlib.sha256("\n".join(keys).encode()).hexdigest()
