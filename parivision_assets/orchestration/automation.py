"""When assets are materialized by themselves: when something upstream is new, and again after a run that failed."""

from __future__ import annotations

from typing import Any

import dagster as dg

from parivision_assets.orchestration.keys import TRAINING_TAG

RETRY_CRON = "*/10 * * * *"
"""When failed runs are repeated: rarely enough for a lasting cause, often enough to go on soon after a restart."""


def when_batches_arrive() -> dg.AutomationCondition[Any]:
    """As soon as a partition upstream is new.

    Plain eager() would wait for ever once a single batch can't be used, because its partition stays missing. It would
    also take the features for updated by every run that selected them, even where a batch failed before their turn.
    """
    condition = dg.AutomationCondition
    eager = condition.eager().without(~condition.any_deps_missing())
    return _or_again(eager.replace("newly_updated_without_root", condition.newly_updated()))


def when_trained_alone() -> dg.AutomationCondition[Any]:
    """As soon as there is a sound candidate that wasn't judged by the run that trained it.

    eager() recognises such a run by the asset selection it was launched with, which the run of a job doesn't have; here
    its tag does. eager() also ignores the blocking checks of earlier runs.
    """
    condition = dg.AutomationCondition
    alone = condition.newly_updated() & ~condition.executed_with_tags(tag_keys={TRAINING_TAG})
    judgeable = condition.eager().replace("newly_updated_without_root", alone)
    return _or_again(judgeable) & condition.all_deps_blocking_checks_passed()


def _or_again(condition: dg.AutomationCondition[Any]) -> dg.AutomationCondition[Any]:
    """The condition, or the next RETRY_CRON tick after a failed or killed run: eager() alone waits for new data."""
    failed = dg.AutomationCondition.execution_failed() & dg.AutomationCondition.cron_tick_passed(RETRY_CRON)
    busy = dg.AutomationCondition.in_progress() | dg.AutomationCondition.any_deps_in_progress()
    return condition | (failed & ~busy)
