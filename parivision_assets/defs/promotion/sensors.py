"""When the candidates that aren't decided yet are judged again: once enough games are new, without a training."""

from time import time

import dagster as dg

from parivision_assets.orchestration.failures import waits_in_words
from parivision_assets.orchestration.history import under_way
from parivision_assets.orchestration.keys import JUDGING_TAG, TRAINING_TAG, named
from parivision_assets.orchestration.run_requests import reason_to_wait, request
from parivision_assets.resources import StoreResource
from parivision_assets.steps.promotion.challengers import LOOK_GAMES, challengers_in, new_games
from parivision_core.sport import Sport

SECONDS = 30
"""Shortest interval between two evaluations, because each reads the ledger."""


def build(sport: Sport, seconds: int) -> dg.SensorDefinition:
    """The sensor for one sport, evaluated every so many seconds or more rarely.

    It reads the ledger and one small record of the store; the registry is asked by the run.
    """

    @dg.sensor(
        name=named(sport, "challengers"),
        job_name=named(sport, "judge"),
        minimum_interval_seconds=max(seconds, SECONDS),
        default_status=dg.DefaultSensorStatus.RUNNING,
        description=f"Has the open candidates judged again when about {LOOK_GAMES} games are new since the last time.",
    )
    @waits_in_words
    def challengers(context: dg.SensorEvaluationContext, store: StoreResource) -> dg.SensorResult | dg.SkipReason:
        ledger = store.of(sport)
        waiting = challengers_in(ledger.verdicts())
        if not waiting:
            return dg.SkipReason("no candidate is open")
        state = ledger.warehouse_state()
        if (state.schema, state.base_fingerprint) != (sport.schema, sport.base_fingerprint):
            return dg.SkipReason("the features have to be brought up to date first")
        names = ", ".join(str(challenger.candidate) for challenger in waiting)
        new = max(new_games(challenger, state.rows) for challenger in waiting)
        if new < LOOK_GAMES:
            return dg.SkipReason(f"versions {names} are open; about {max(new, 0):.0f} of {LOOK_GAMES} games are new")
        if under_way(context.instance, TRAINING_TAG, sport):
            return dg.SkipReason(f"versions {names} are judged by the training that is under way")
        about, now = state.feature_state_stamp, time()
        if wait := reason_to_wait(context, JUDGING_TAG, sport, about, now):
            return dg.SkipReason(f"versions {names} are open, but {wait}")
        return request(about, now)

    return challengers
