"""Each scenario does what it describes, and nothing else: measured on its shots, documents and batches."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pandas as pd
import pytest
from litestar.testing import TestClient

from parivision_serving.virtual_bets.app import create_app
from parivision_serving.virtual_bets.nba.actions import ACTIONS
from parivision_serving.virtual_bets.nba.faults import BROKEN
from parivision_serving.virtual_bets.scenarios import BAD_EVERY, FAULTS, LATE_DAYS, REVOLUTION_DAYS, Scenario
from parivision_serving.virtual_bets.settings import VirtualBetsSettings
from parivision_serving.virtual_bets.source import Fault
from tests.helpers.simulated_seasons import REASONS, parse, simulated_shots, simulator
from tests.helpers.small_feed import FakeTime


@pytest.fixture
def bad(tmp_path: Path) -> Iterator[TestClient[Any]]:
    """The service with bad batches."""
    settings = VirtualBetsSettings(home=tmp_path, scenario=Scenario.BAD_BATCHES)
    with TestClient(create_app(settings, FakeTime()), base_url="http://127.0.0.1") as started:
        yield started


def parts(scenario: Scenario) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The second season before its middle, and when the change is complete."""
    middle = simulator(scenario).plan(1).days // 2
    shots = simulated_shots(scenario, 1)
    return shots[shots["day"] < middle], shots[shots["day"] >= middle + REVOLUTION_DAYS]


@pytest.mark.parametrize("scenario", list(Scenario))
def test_the_first_season_is_calm_in_every_scenario(scenario: Scenario) -> None:
    calm, this = simulator().season(0), simulator(scenario).season(0)
    assert np.array_equal(calm.shots.made, this.shots.made)
    assert np.array_equal(calm.x, this.x)


@pytest.mark.parametrize("scenario", [Scenario.THREE_POINT_REVOLUTION, Scenario.NEW_RECORDING])
def test_documents_hold_the_shots_that_were_played(scenario: Scenario) -> None:
    played, offer = simulated_shots(scenario, 1), simulator(scenario).plan(1).offers[-1]
    played = played[played["day"] == offer.announced]
    documents = pd.DataFrame(simulator(scenario).documents(1, offer))
    for name, column in (
        ("X Location", "x"), ("Y Location", "y"), ("Shot Made Flag", "made"), ("Shot Distance", "feet"),
        ("Player ID", "player"), ("Game ID", "game"), ("Game Event ID", "event"),
    ):  # fmt: skip
        assert documents[name].astype(int).tolist() == played[column].tolist(), name
    assert documents["Shot Type"].str.startswith("3").tolist() == played["three"].tolist()
    assert documents["Action Type"].tolist() == [ACTIONS[action] for action in played["action"]]


@pytest.mark.parametrize("scenario", [Scenario.THREE_POINT_REVOLUTION, Scenario.NEW_RECORDING])
def test_nothing_changes_before_the_middle_of_the_second_season(scenario: Scenario) -> None:
    before, _ = parts(scenario)
    calm, _ = parts(Scenario.CALM)
    pd.testing.assert_frame_equal(before, calm)


def test_the_revolution_moves_twelve_points_to_threes_and_leaves_the_rates() -> None:
    before, after = parts(Scenario.THREE_POINT_REVOLUTION)
    threes = [shots["three"].mean() for shots in (before, after)]
    middle = [shots["zone"].isin([3, 4]).mean() for shots in (before, after)]
    assert abs(threes[1] - threes[0] - 0.12) < 0.01
    assert abs(middle[0] - middle[1] - 0.096) < 0.01
    for zone in (1, 2, 5, 6):
        rates = [shots.loc[shots["zone"] == zone, "made"].mean() for shots in (before, after)]
        assert abs(rates[1] - rates[0]) < 0.03
    assert abs(simulated_shots(Scenario.THREE_POINT_REVOLUTION, 2)["three"].mean() - threes[1]) < 0.01
    calm, calm_after = parts(Scenario.CALM)
    assert abs(calm["three"].mean() - calm_after["three"].mean()) < 0.01


def test_new_recording_moves_shots_onto_the_hoop_and_their_make_rates_with_them() -> None:
    before, after = parts(Scenario.NEW_RECORDING)
    rims = [shots[shots["zone"] == 1] for shots in (before, after)]
    on_the_hoop = [((rim["x"] == 0) & (rim["y"] == 0)).mean() for rim in rims]
    assert on_the_hoop[0] < 0.01
    assert abs(on_the_hoop[1] - 0.25) < 0.02
    # The games stay as they were: the same shots, made by the same players.
    _, calm = parts(Scenario.CALM)
    for name in ("player", "game", "event", "action", "made", "three", "zone"):
        assert (after[name].to_numpy() == calm[name].to_numpy()).all(), name
    rate = [rim.groupby("feet")["made"].mean() for rim in rims]
    assert rate[1][0] < rate[0][0] - 0.03, "under a foot there are now shots from everywhere at the rim"
    share = [(rim["feet"] == 0).mean() for rim in rims]
    assert share[1] > share[0] + 0.12


def test_bad_batches_have_their_faults() -> None:
    calm, bad = simulator(), simulator(Scenario.BAD_BATCHES)
    offers = bad.plan(0).offers
    faulty = [offer for offer in offers if offer.fault]
    assert [offers.index(offer) % BAD_EVERY for offer in faulty] == [BAD_EVERY - 1] * (len(offers) // BAD_EVERY)
    assert [offer.fault for offer in faulty] == [FAULTS[i % len(FAULTS)] for i in range(len(faulty))]
    assert all(offer.id.endswith("-bad") == (offer.fault is not None) for offer in offers)
    seen = set()
    for offer in [*faulty[: len(FAULTS)], offers[0]]:
        sound = calm.documents(0, next(o for o in calm.plan(0).offers if o.date == offer.date))
        documents = bad.documents(0, offer)
        assert bad.rows(0, offer) == len(sound)
        seen.add(offer.fault)
        if offer.fault is Fault.CUT:
            assert documents == sound[: len(documents)]
            assert abs(len(documents) / len(sound) - 2 / 3) < 0.01
        elif offer.fault is Fault.DOCUMENTS:
            reasons = [reason for reason in parse(documents).reasons if reason]
            assert len(reasons) == BROKEN
            assert all(sum(text in reason for reason in reasons) == BROKEN // len(REASONS) for text in REASONS)
            assert sum(a != b for a, b in zip(documents, sound, strict=True)) == BROKEN
        else:
            assert documents == sound
    assert seen == {None, *Fault}


def test_bad_batches_over_http(bad: TestClient[Any]) -> None:
    listed = {b["id"]: b for b in bad.get(f"/batches?limit={BAD_EVERY * len(FAULTS)}").json()["batches"]}
    faulty = [batch for batch in listed.values() if batch["id"].endswith("-bad")][: len(FAULTS)]
    for batch, fault in zip(faulty, FAULTS, strict=True):
        answers = [bad.get(f"/batches/{batch['id']}") for _ in range(4)]
        expected = [500, 500, 200, 200] if fault is Fault.OUTAGE else [200] * 4
        assert [answer.status_code for answer in answers] == expected
        content = answers[3].content
        assert hashlib.sha256(content).hexdigest() == batch["fingerprint"]
        if fault is Fault.GARBLED:
            with pytest.raises(msgspec.DecodeError):
                msgspec.json.decode(content)
        else:
            assert (len(answers[3].json()) == batch["rows"]) == (fault is not Fault.CUT)
        if fault is Fault.OUTAGE:
            assert answers[0].headers["content-type"] == "application/problem+json"
            assert answers[0].json()["type"] == "urn:parivision:problem:simulated-outage"


def test_late_batches_come_ten_to_twenty_days_late_and_out_of_order() -> None:
    source = simulator(Scenario.LATE_BATCHES)
    late = 0
    for number in range(3):
        plan = source.plan(number)
        assert [o.announced for o in plan.offers] == sorted(o.announced for o in plan.offers)
        assert plan.offers != sorted(plan.offers, key=lambda offer: offer.date)
        for offer in plan.offers:
            delay = offer.announced - (offer.date - plan.first).days
            assert offer.id == f"{offer.date}{'-late' if delay else ''}"
            assert delay == 0 or LATE_DAYS[0] <= delay <= LATE_DAYS[1]
            late += delay > 0
        assert plan.offers[-1].announced == plan.days - 1
    assert 0.05 < late / (3 * 165) < 0.15
    calm = simulator()
    offer = next(o for o in source.plan(0).offers if o.id.endswith("-late"))
    same = next(o for o in calm.plan(0).offers if o.date == offer.date)
    assert source.documents(0, offer) == calm.documents(0, same)
