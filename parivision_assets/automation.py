"""When assets refresh by themselves."""

from __future__ import annotations

from typing import Any

import dagster as dg


def when_batches_arrive() -> dg.AutomationCondition[Any]:
    """As soon as a partition upstream is new.

    Plain eager() waits for ever once a single batch is poisoned, because its partition stays missing.
    """
    return dg.AutomationCondition.eager().without(~dg.AutomationCondition.any_deps_missing())


def when_sound_input_is_new() -> dg.AutomationCondition[Any]:
    """As soon as what is upstream is new, in the same run if it can be, and never behind a failed blocking check.

    Within a run the checks themselves block. eager() alone ignores those of earlier runs.
    """
    condition = dg.AutomationCondition
    in_this_run = condition.all_deps_match(condition.will_be_requested())
    return condition.eager() & (in_this_run | condition.all_deps_blocking_checks_passed())
