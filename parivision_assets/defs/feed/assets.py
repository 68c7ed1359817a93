"""`raw_shots`: every batch that the feeds offer is a partition, and is ingested exactly once."""

from collections.abc import Iterator

import dagster as dg

from parivision_assets.defs.feed import checks
from parivision_assets.orchestration.failures import fails_in_words
from parivision_assets.orchestration.keys import OWNERS, raw_shots_key
from parivision_assets.orchestration.partitions import batches_of
from parivision_assets.reporting import batch_summary, breakdown_table, paced
from parivision_assets.resources import FeedsResource, StoreResource
from parivision_assets.steps.feed.ingesting import fault_in_words, ingest
from parivision_core.problems import FeedError, PariVisionError
from parivision_core.records import PASSED_OVER, Manifest, withdrawn
from parivision_core.sport import Sport
from parivision_core.store.base import Store


def build(sport: Sport, store_kind: str) -> dg.AssetsDefinition:
    """The asset for one sport, kept in a store of this kind."""

    @dg.asset(
        key=raw_shots_key(sport),
        partitions_def=batches_of(sport),
        # One run takes all waiting batches: a run costs seconds of imports, and a season has 170 game days.
        backfill_policy=dg.BackfillPolicy.single_run(),
        group_name="feed",
        kinds={"python", store_kind},
        owners=OWNERS,
        description="Shots exactly as the feeds delivered them, in batches that are ingested exactly once. Rows that "
        "break the contract go to quarantine with a reason; a batch that can't be used doesn't stop the others.",
        metadata={"collection": sport.lake},
        check_specs=checks.specs(sport),
    )
    @fails_in_words
    def raw_shots(
        context: dg.AssetExecutionContext, store: StoreResource, feeds: FeedsResource
    ) -> Iterator[dg.AssetCheckResult | dg.MaterializeResult]:  # type: ignore[type-arg]
        lake = store.of(sport)
        offers = feeds.offers()
        offered = {batch.id: batch for batch in offers.batches}
        unreachable = "".join(f"; {problem}" for problem in offers.problems.values())
        committed = {manifest.batch_id: manifest for manifest in lake.manifests()}
        known = {manifest.fingerprint for manifest in committed.values()}
        gone = withdrawn([*committed.values()])
        log, done = paced(context.log.info), dict[str, Manifest]()
        failed: dict[str, str] = {}
        count = len(context.partition_keys)
        for at, key in enumerate(context.partition_keys, start=1):
            try:
                if key not in offered and key not in committed:
                    raise FeedError(f"no feed offers it; put its source back or delete the partition{unreachable}")
                done[key] = ingest(offered[key], sport, lake) if key in offered else committed[key]
            except Exception as error:  # one bad batch must not stop the others
                failed[key] = fault_in_words(error, offered[key].source if key in offered else key)
                if count > 1:  # a single failure is in the message with which the run ends
                    context.log.error(f"{key}: {failed[key]}")
                if not isinstance(error, PariVisionError):
                    context.log.exception(f"{key} failed unexpectedly")
                continue
            matters = at == count or PASSED_OVER in done[key].details
            summary = batch_summary(done[key], done[key].fingerprint in known, gone.get(done[key].batch_id))
            log(f"batch {at} of {count}: {summary}", matters)
        yield from checks.results(lake, sport)
        if not failed:
            for key, manifest in done.items():
                context.add_asset_metadata(_metadata(manifest, lake, sport), partition_key=key)
            yield dg.MaterializeResult()
            return
        for key, manifest in done.items():  # a failed run emits no output, but these batches are in the lake
            event = dg.AssetMaterialization(context.asset_key, metadata=_metadata(manifest, lake, sport), partition=key)
            context.log_event(event)
        raise dg.Failure(
            f"{len(failed)} of {count} batches failed{'; the others are in the lake' if done else ''}. "
            + "; ".join(f"{key}: {error}" for key, error in failed.items()),
            allow_retries=False,
        )

    return raw_shots


def _metadata(manifest: Manifest, lake: Store, sport: Sport) -> dict[str, dg.MetadataValue]:
    from parivision_assets.steps.features.folding import columns_of

    found: dict[str, dg.MetadataValue] = {
        "dagster/partition_row_count": dg.MetadataValue.int(manifest.inserted),
        "rows": dg.MetadataValue.int(manifest.rows),
        **({} if manifest.counted is None else {"counted": dg.MetadataValue.int(manifest.counted)}),
        "duplicates": dg.MetadataValue.int(manifest.duplicates),
        "revised": dg.MetadataValue.int(manifest.revised),
        "hidden": dg.MetadataValue.int(manifest.hidden),
        "quarantined": dg.MetadataValue.int(manifest.quarantined),
        "source": dg.MetadataValue.text(manifest.source),
        "layout": dg.MetadataValue.text(manifest.layout),
        "fingerprint": dg.MetadataValue.text(manifest.fingerprint),
        "inferred": dg.MetadataValue.json(manifest.details),
        "attempt": dg.MetadataValue.int(manifest.attempt),
    }
    if manifest.withdraws:
        found["withdraws"] = dg.MetadataValue.text(", ".join(manifest.withdraws))
    standing = lake.lake(list(sport.fields), batch=manifest.batch_id) if manifest.inserted else None
    if standing is not None and standing.num_rows:
        mine = columns_of(standing)
        found["make_rate"] = dg.MetadataValue.float(float(mine["made"].mean()))
        found["breakdown"] = dg.MetadataValue.md(breakdown_table(sport.breakdown(mine)))
        found["days"] = dg.MetadataValue.text(f"{manifest.first_date} to {manifest.last_date}")
    return found
