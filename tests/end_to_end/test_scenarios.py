"""The whole platform over simulated seasons: retraining after drift, bad and late batches, and a feed that is down.

All scenarios begin with the same calm first season; days count from its end.
"""

from __future__ import annotations

import datetime as dt
import shutil
from functools import cache
from pathlib import Path

import pandas as pd
import pytest

from parivision_assets.commands.quarantine import report
from parivision_assets.defs.monitoring.sensors import SETTLED_SECONDS
from parivision_assets.feeds import virtual_bets
from parivision_assets.feeds.inbox import InboxFeed
from parivision_assets.steps.features.folding import update_warehouse
from parivision_assets.steps.feed.ingesting import ingest, rejected
from parivision_core.nba.shots import NBA
from parivision_core.store import open_files
from parivision_serving.virtual_bets.nba.faults import BROKEN
from parivision_serving.virtual_bets.nba.simulator import Simulator
from parivision_serving.virtual_bets.scenarios import Scenario
from parivision_serving.virtual_bets.source import Document, Fault
from tests.helpers import shots
from tests.helpers.scenario_platform import SEED, Deployment, sound_documents
from tests.helpers.simulated_seasons import REASONS

pytestmark = pytest.mark.slow

SECOND = Simulator(SEED, Scenario.CALM).plan(1)
HALF = SECOND.days // 2
ENOUGH_SHOTS = 60_000
"""New shots for which a candidate is trained in the calm half season, which has 110,000."""
DRIFT = frozenset({"fresh_shots_to_watch"})
"""Switched off in tests that aren't about drift, because a report costs several CPU seconds."""
CANT_BE_USED = {Fault.CUT: "documents but holds", Fault.GARBLED: "cut off or damaged"}


@pytest.fixture(scope="module")
def first_season(tmp_path_factory: pytest.TempPathFactory) -> Deployment:
    """A closed deployment whose first champion was trained on the first season."""
    folder = tmp_path_factory.mktemp("scenarios")
    with Deployment(folder / "deployment", asleep=DRIFT) as deployment:
        deployment.settle()
        assert deployment.registry.champion() == 1
    return deployment.keep(folder / "first_season")


@pytest.fixture(scope="module")
def half_season(first_season: Deployment) -> Deployment:
    """A closed deployment after half of a calm second season, in two steps."""
    with first_season.continued(Scenario.CALM, ENOUGH_SHOTS) as deployment:
        deployment.memory.now += SETTLED_SECONDS
        deployment.live(HALF // 2)
        deployment.live(HALF - HALF // 2)
    return deployment.keep(deployment.folder.with_name("half_season"))


def holds_once(deployment: Deployment) -> list[Document]:
    """Assert that lake and warehouse hold each usable shot of the scenario once, and no others, day by day.

    Returns the usable documents of the second season.
    """
    second = sound_documents(deployment.scenario, deployment.memory.days)
    delivered = pd.concat([first_season_shots(), shots_of(second)])
    found = deployment.store.lake(["_id", *delivered]).to_pandas()
    assert found["_id"].is_unique
    assert sorted(deployment.store.warehouse(["_id"])["_id"].to_pylist()) == sorted(found["_id"])
    columns = {"made": ["size", "sum"], "x": ["sum"], "y": ["sum"]}
    ours, theirs = (frame.groupby("game_date").agg(columns).astype(int) for frame in (found, delivered))
    pd.testing.assert_frame_equal(ours, theirs, check_index_type=False)
    assert deployment.through() == theirs.index.max()
    return second


@cache
def first_season_shots() -> pd.DataFrame:
    """The shots of the first season, which is calm in every scenario."""
    source = Simulator(SEED, Scenario.CALM)
    return shots_of([document for offer in source.plan(0).offers for document in source.documents(0, offer)])


def shots_of(documents: list[Document]) -> pd.DataFrame:
    """The shots of documents in the lake's columns."""
    fields = [(d["Game Date"], d["X Location"], d["Y Location"], d["Shot Made Flag"]) for d in documents]
    dates, x, y, made = zip(*fields, strict=True)
    days = [f"{date[:4]}-{date[4:6]}-{date[6:]}" for date in dates]
    return pd.DataFrame({"game_date": days, "x": map(int, x), "y": map(int, y), "made": map(int, made)})


def test_a_calm_half_season_has_verdicts_and_no_alarm(half_season: Deployment) -> None:
    assert all(run.success for run in half_season.done)
    (reason,) = [run.reason for run in half_season.done if run.reason]
    assert "new shots since version 1 was fitted" in reason
    assert "drift" not in reason
    with half_season.continued(Scenario.CALM, ENOUGH_SHOTS) as deployment:
        assert deployment.settle() == []  # a daemon that starts again finds nothing to do
        newest, *_, first = deployment.store.verdicts()
        assert (newest.candidate, newest.champion, first.candidate) == (2, 1, 1)
        reports = deployment.drift_reports()
        assert len(reports) == 2
        assert all(drift.passed for drift in reports), reports
        assert deployment.store.failures() == []
        assert deployment.store.quarantine() == []
        holds_once(deployment)


@pytest.mark.parametrize(
    ("scenario", "moved"),
    [
        (Scenario.THREE_POINT_REVOLUTION, {"zone", "points", "distance_metres"}),
        (Scenario.NEW_RECORDING, {"at_origin"}),
    ],
)
def test_a_change_is_reported_and_followed_by_a_candidate_trained_on_it(
    half_season: Deployment, scenario: Scenario, moved: set[str]
) -> None:
    """Here only drift can cause a training; the calm season's challenger may be decided meanwhile."""
    changed = str(SECOND.first + dt.timedelta(days=HALF))
    with half_season.continued(scenario) as deployment:
        known, calm = deployment.registry.newest(), len(deployment.drift_reports())
        assert known is not None
        deployment.live(SECOND.days - HALF)
        deployment.wait(SETTLED_SECONDS)
        assert deployment.watched_champion() == deployment.registry.champion()
        alarms = [drift for drift in deployment.drift_reports()[:-calm] if not drift.passed]
        drifted = set().union(*(drift.metadata["drifted_columns"].value for drift in alarms))  # type: ignore[arg-type]
        assert drifted >= moved

        newest = deployment.registry.newest()
        assert newest is not None
        assert newest > known
        first = deployment.store.verdicts(candidate=known + 1)[-1]
        assert str(first.first_date) > changed
        learned = deployment.registry.bundle(newest).card.provenance
        assert learned.first_date < changed < learned.last_train_date

        reasons = [run.reason for run in deployment.done if run.reason]
        assert len(reasons) == newest - known
        assert all("and drift: " in reason for reason in reasons)
        assert all(any(f"{column}: " in reason for reason in reasons) for column in moved)
        assert all(run.success for run in deployment.done)


def test_bad_batches_are_rejected_with_reasons_and_hold_up_nothing(first_season: Deployment) -> None:
    """The first season is offered a second time, too, partly with faults: nothing in the lake changes."""
    scenario = Scenario.BAD_BATCHES
    with first_season.continued(scenario, asleep=DRIFT) as deployment:
        deployment.settle()
        deployment.live(30)
        deployment.live(30)
        assert deployment.wait(7200) == []
        assert "batches can't be used (see make quarantine)" in deployment.skip_messages["new_batches"]
        source, offered = (
            Simulator(SEED, scenario),
            list(zip(deployment.announced(), deployment.offered(), strict=True)),
        )
        committed = {manifest.fingerprint: manifest for manifest in deployment.store.manifests()}
        failures = {failure.fingerprint: failure for failure in deployment.store.failures()}
        assert set(failures) == set(rejected(deployment.store))
        kept_out = 0
        for announced, batch in offered:
            fault, rows = announced.offer.fault, source.rows(announced.season, announced.offer)
            if fault in CANT_BE_USED:
                failure = failures.pop(batch.fingerprint)
                assert CANT_BE_USED[fault] in failure.error
                assert failure.attempts == 1  # in all these ticks
                assert batch.fingerprint not in committed
                kept_out += 1
                continue
            manifest = committed[batch.fingerprint]
            broken = BROKEN if fault is Fault.DOCUMENTS else 0
            known = rows - broken if announced.season == 0 and broken else 0
            assert (manifest.rows, manifest.quarantined, manifest.duplicates) == (rows, broken, known)
        assert failures == {}
        lines = report(deployment.store, {batch.fingerprint for _, batch in offered})
        rows_kept_out = len(deployment.store.quarantine())
        assert rows_kept_out > 1 and kept_out > 1
        assert lines[-1] == f"{rows_kept_out} rows in quarantine, {kept_out} failed batches"
        assert sum(" can't be used (attempts: 1): " in line for line in lines) == kept_out
        assert all(reason in "\n".join(lines) for reason in REASONS)
        # A run with such a batch fails before the features, which the automation updates afterwards.
        assert {run.requested_by for run in deployment.done if not run.success} == {"new_batches"}
        assert {run.requested_by for run in deployment.done if run.success} == {"automation"}
        holds_once(deployment)


def test_late_days_are_folded_into_their_place(first_season: Deployment, tmp_path: Path) -> None:
    """Row for row the warehouse equals a fold over the same shots that were delivered in one file."""
    scenario = Scenario.LATE_BATCHES
    with first_season.continued(scenario, asleep=DRIFT) as deployment:
        late = 0
        for _ in range(3):
            through, held = deployment.through(), len(deployment.store.manifests())
            deployment.live(20)
            assert deployment.through() > through
            late += sum(str(manifest.first_date) < through for manifest in deployment.store.manifests()[held:])
        assert late >= 3
        assert deployment.store.failures() == []
        assert all(run.success for run in deployment.done)
        second = holds_once(deployment)
        shutil.copytree(first_season.kept / "home", tmp_path / "at_once")
        at_once = open_files(tmp_path / "at_once", NBA)
        shots.write(pd.DataFrame(second), tmp_path / "inbox" / "shots.csv")
        (batch,) = InboxFeed(tmp_path / "inbox", 0).batches()
        assert ingest(batch, NBA, at_once).inserted == len(second)
        update_warehouse(at_once, NBA)
        for part in at_once.warehouse_parts():
            assert deployment.store.warehouse(parts=[part]).equals(at_once.warehouse(parts=[part])), part
        assert deployment.store.feature_state_stamp() == at_once.feature_state_stamp()


def test_a_feed_that_is_down_slow_or_wrong_stalls_and_loses_nothing(
    first_season: Deployment, monkeypatch: pytest.MonkeyPatch
) -> None:
    with first_season.continued(Scenario.CALM, asleep=DRIFT) as deployment:
        deployment.live(10)
        held = deployment.store.warehouse_state().rows

        deployment.service.stop()
        assert deployment.settle() == []
        assert "doesn't answer at" in deployment.skip_messages["new_batches"]
        deployment.service.start()
        deployment.live(10)
        assert deployment.store.warehouse_state().rows > held

        wrong = {"is not VirtualBets": (200, b"<html>a router's login page</html>"), "answers 500": (500, b"never")}
        for message, answer in wrong.items():
            deployment.service.instead["/batches"] = answer
            assert deployment.live(1) == []
            assert message in deployment.skip_messages["new_batches"]
        deployment.service.instead.clear()
        with monkeypatch.context() as impatient:
            impatient.setattr(virtual_bets, "ANSWER_SECONDS", 0.2)
            deployment.service.delay_seconds = 0.4
            assert deployment.live(1) == []
            assert "too slow" in deployment.skip_messages["new_batches"]
        deployment.service.delay_seconds = 0.0

        # Listed but not delivered: the other days are ingested now, and these when they are tried again.
        lost = [str(SECOND.first + dt.timedelta(days=day)) for day in (23, 25)]
        deployment.service.instead = {f"/batches/{name}": (503, b"a moment") for name in lost}
        deployment.live(5)
        failures = deployment.store.failures()
        assert sorted(failure.batch_id[:10] for failure in failures) == lost
        assert all("answers 503" in failure.error for failure in failures)
        assert rejected(deployment.store) == {}
        assert deployment.skip_messages["new_batches"] == "2 batches wait for their next try"
        assert deployment.through() == str(deployment.announced()[-1].offer.date)
        deployment.service.instead.clear()
        assert all(run.success for run in deployment.wait(7200))
        assert deployment.store.failures() == []
        assert sum(not run.success for run in deployment.done) == 1
        holds_once(deployment)
