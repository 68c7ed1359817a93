"""When assets refresh by themselves: on news, and again when a run died before it was done."""

from __future__ import annotations

from typing import Any

import dagster as dg

RETRY_CRON = "*/10 * * * *"
"""When what failed is tried again. Long enough for a cause that lasts to stay quiet, short enough for a restart."""


def when_batches_arrive() -> dg.AutomationCondition[Any]:
    """As soon as a partition upstream is new.

    Plain eager() waits for ever once a single batch is poisoned, because its partition stays missing.
    """
    return _or_again(dg.AutomationCondition.eager().without(~dg.AutomationCondition.any_deps_missing()))


def when_sound_input_is_new() -> dg.AutomationCondition[Any]:
    """As soon as what is upstream is new, in the same run if it can be, and never behind a failed blocking check.

    Within a run the checks themselves block. eager() alone ignores those of earlier runs.
    """
    condition = dg.AutomationCondition
    in_this_run = condition.all_deps_match(condition.will_be_requested())
    return _or_again(condition.eager()) & (in_this_run | condition.all_deps_blocking_checks_passed())


def _or_again(condition: dg.AutomationCondition[Any]) -> dg.AutomationCondition[Any]:
    """The condition, or the next tick after a run that failed or was killed: eager() alone waits for other news."""
    failed = dg.AutomationCondition.execution_failed() & dg.AutomationCondition.cron_tick_passed(RETRY_CRON)
    busy = dg.AutomationCondition.in_progress() | dg.AutomationCondition.any_deps_in_progress()
    return condition | (failed & ~busy)
