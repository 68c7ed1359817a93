"""Which candidates are open, their numbers within a term, and when the sensor requests another look."""

from __future__ import annotations

from pathlib import Path

import dagster as dg
import msgspec
import pytest

from parivision_assets.definitions import build
from parivision_assets.defs.promotion import sensors
from parivision_assets.orchestration import run_requests
from parivision_assets.orchestration.keys import JUDGING_TAG, TRAINING_TAG
from parivision_assets.resources import FileStoreResource
from parivision_assets.steps.promotion.challengers import LOOK_GAMES, challengers_in, new_games, newest_of, place_of
from parivision_core.nba.shots import NBA
from parivision_core.records import Decision, Verdict
from parivision_core.settings import Settings
from parivision_core.store import open_files
from parivision_core.store.base import WAREHOUSE, WarehouseState


def look(candidate: int, decision: Decision = "not_yet", epoch: int = 1, tried: int | None = None) -> Verdict:
    return Verdict(
        candidate=candidate,
        champion=1,
        epoch=epoch,
        decision=decision,
        reason="made up",
        games=50,
        shots=5000,
        margin=0.001,
        level=0.95,
        tried=tried,
        warehouse_shots=20_000,
    )


def test_the_newest_verdict_decides_whether_a_candidate_is_open() -> None:
    ledger = [look(2, "refuse"), look(4), look(3), look(2), look(3), look(5, "pass")]  # newest first
    assert [v.candidate for v in challengers_in(ledger)] == [3, 4]
    assert challengers_in(ledger)[0] is ledger[2]
    assert list(newest_of(ledger)) == [2, 3, 4, 5]
    assert challengers_in([]) == []


def test_a_candidate_gets_its_number_at_the_first_look_and_keeps_it() -> None:
    ledger: list[Verdict] = []
    for candidate, place in ((4, 1), (7, 2), (4, 1), (5, 3), (7, 2), (4, 1)):
        assert place_of(candidate, 1, ledger) == place
        ledger.insert(0, look(candidate, tried=place))
    assert place_of(9, 1, ledger) == 4


def test_each_term_counts_from_one() -> None:
    ledger = [look(3, tried=2), look(2, tried=1)]
    assert place_of(3, epoch=2, ledger=ledger) == 1


def test_a_refusal_without_a_comparison_does_not_count_and_one_of_an_old_ledger_does() -> None:
    without = [look(2, "refuse")]
    assert place_of(3, 1, without) == 1
    old = [msgspec.structs.replace(look(2, "refuse"), gain=-0.001)]
    assert place_of(3, 1, old) == 2


def test_new_games_are_computed_from_shots() -> None:
    assert new_games(look(2), 20_000) == 0
    assert new_games(look(2), 21_000) == 10
    assert new_games(look(2), 10_000) == 100  # another lake, whose shots are all new
    nothing_yet = msgspec.structs.replace(look(2), games=0, shots=0)
    assert new_games(nothing_yet, 20_010) == 10
    assert new_games(msgspec.structs.replace(look(2), warehouse_shots=None), 20_000) == 200


def test_an_old_ledger_is_still_read() -> None:
    """One entry as version 0.1 wrote it."""
    text = (
        b'{"candidate":2,"champion":1,"epoch":1,"decision":"not_yet","reason":"12 games","games":12,"shots":2000,'
        b'"gain":null,"margin":0.001,"level":0.95,"judged_at":1}'
    )
    (waiting,) = challengers_in([msgspec.json.decode(text, type=Verdict)])
    assert (waiting.rule, waiting.tried, waiting.alpha, waiting.warehouse_shots) == ("", None, None, None)


class ChallengerSensor:
    """The sensor with a ledger, a warehouse of so many shots and a clock that tests move."""

    def __init__(self, folder: Path, instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch) -> None:
        self.folder, self.instance = folder, instance
        self.store = open_files(folder, NBA)
        self.definitions = build([NBA], Settings(home=folder).resolved())
        self.cursor: str | None = None
        self.now = 1_000_000.0
        self.skip_message: str | None = ""
        monkeypatch.setattr(sensors, "time", lambda: self.now)
        monkeypatch.setattr(run_requests, "STARTED", 0.0)

    def tick(self, shots: int, schema: str = NBA.schema) -> bool:
        """Whether a look is requested."""
        state = WarehouseState(
            schema=schema, base_fingerprint=NBA.base_fingerprint, feature_state_stamp=f"after {shots}", rows=shots
        )
        with self.store.exclusive(WAREHOUSE):
            self.store.publish_warehouse({}, state, {})
        context = dg.build_sensor_context(
            instance=self.instance, cursor=self.cursor, resources={"store": FileStoreResource(home=str(self.folder))}
        )
        result = self.definitions.resolve_sensor_def("challengers")(context)
        if isinstance(result, dg.SkipReason):
            self.skip_message = result.skip_message
            return False
        assert isinstance(result, dg.SensorResult)
        self.cursor = result.cursor
        return len(result.run_requests or []) == 1

    def ran(self, status: dg.DagsterRunStatus, tag: str = JUDGING_TAG) -> None:
        self.instance.add_run(dg.DagsterRun("a job", status=status, tags={tag: NBA.name}))


@pytest.fixture
def sensor(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ChallengerSensor:
    return ChallengerSensor(tmp_path, dg.DagsterInstance.ephemeral(), monkeypatch)


SOME = 20_000 + 100 * LOOK_GAMES
"""Shots of enough new games, after the 20,000 that the verdicts know."""


def test_a_look_is_requested_once_enough_games_are_new(sensor: ChallengerSensor) -> None:
    assert not sensor.tick(SOME)
    sensor.store.put_verdict(look(2, "refuse"))
    assert not sensor.tick(SOME)
    sensor.store.put_verdict(look(3))
    assert not sensor.tick(SOME - 100)
    assert sensor.skip_message == "versions 3 are open; about 9 of 10 games are new"
    assert sensor.tick(SOME)


def test_a_look_without_a_decision_is_repeated_only_with_more_shots(sensor: ChallengerSensor) -> None:
    sensor.store.put_verdict(look(3))
    assert sensor.tick(SOME)
    sensor.ran(dg.DagsterRunStatus.STARTED)
    assert not sensor.tick(SOME + 1)  # one at a time
    sensor.instance.delete_run(sensor.instance.get_runs()[0].run_id)
    sensor.ran(dg.DagsterRunStatus.SUCCESS)  # it succeeded, but the verdict is the same
    assert not sensor.tick(SOME)
    assert sensor.tick(SOME + 1)


def test_a_look_that_failed_is_repeated_after_a_pause(sensor: ChallengerSensor) -> None:
    sensor.store.put_verdict(look(3))
    assert sensor.tick(SOME)
    sensor.ran(dg.DagsterRunStatus.FAILURE)
    assert not sensor.tick(SOME)
    sensor.now += run_requests.RETRY_SECONDS
    assert sensor.tick(SOME)


def test_no_look_during_a_training_or_before_a_refold(sensor: ChallengerSensor) -> None:
    sensor.store.put_verdict(look(3))
    assert not sensor.tick(SOME, schema="older")
    sensor.ran(dg.DagsterRunStatus.STARTED, TRAINING_TAG)
    assert not sensor.tick(SOME)
    assert sensor.skip_message == "versions 3 are judged by the training that is under way"
