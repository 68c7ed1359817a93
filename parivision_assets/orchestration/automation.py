"""When assets refresh by themselves: on news, and again when a run died before it was done."""

from __future__ import annotations

from typing import Any

import dagster as dg

from parivision_assets.orchestration.keys import TRAINING_TAG

RETRY_CRON = "*/10 * * * *"
"""When what failed is tried again. Long enough for a cause that lasts to stay quiet, short enough for a restart."""


def when_batches_arrive() -> dg.AutomationCondition[Any]:
    """As soon as a partition upstream is new.

    Plain eager() waits for ever once a single batch is poisoned, because its partition stays missing.
    """
    return _or_again(dg.AutomationCondition.eager().without(~dg.AutomationCondition.any_deps_missing()))


def when_trained_alone() -> dg.AutomationCondition[Any]:
    """As soon as a sound candidate is there that wasn't judged by the run that trained it.

    eager() looks at the assets that a run was launched for, which a run of a job doesn't name. It also ignores the
    blocking checks of earlier runs.
    """
    condition = dg.AutomationCondition
    alone = condition.newly_updated() & ~condition.executed_with_tags(tag_keys={TRAINING_TAG})
    judgeable = condition.eager().replace("newly_updated_without_root", alone)
    return _or_again(judgeable) & condition.all_deps_blocking_checks_passed()


def _or_again(condition: dg.AutomationCondition[Any]) -> dg.AutomationCondition[Any]:
    """The condition, or the next tick after a run that failed or was killed: eager() alone waits for other news."""
    failed = dg.AutomationCondition.execution_failed() & dg.AutomationCondition.cron_tick_passed(RETRY_CRON)
    busy = dg.AutomationCondition.in_progress() | dg.AutomationCondition.any_deps_in_progress()
    return condition | (failed & ~busy)
