"""The page's texts and HTML: numbers in words, the history, the cards and the tables."""

from __future__ import annotations

import re

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gradio_ui import words
from gradio_ui.client import (
    ChampionView,
    DriftView,
    FeatureStateView,
    LakeView,
    NoAnswerError,
    PredictionView,
    ProvenanceView,
    Question,
    ServiceView,
    ShotView,
    VerdictView,
)
from gradio_ui.tabs import notices
from gradio_ui.tabs.models import verdicts
from gradio_ui.tabs.services import overview
from gradio_ui.tabs.shot import cards, marks
from gradio_ui.tabs.shot.questions import KEPT, AnsweredQuestion, History, remember
from tests.helpers.scripted_api import DRIFT, MODEL_PAGE, verdict


def prediction(probability: float = 0.45, league: float = 0.36, **shot: object) -> PredictionView:
    values = {
        "distance_feet": 24.5,
        "zone": 5,
        "zone_name": "above the break three",
        "points": 3,
        "shooter_shots": 9121,
    }
    return PredictionView(
        probability=probability,
        expected_points=3 * probability,
        league_average=league,
        shot=msgspec.convert(values | shot, ShotView),
        champion_version=3,
        feature_state_through="2023-04-09",
    )


def question(x: float = 0, y: float = 240, **more: object) -> Question:
    return msgspec.convert({"x": x, "y": y, "period": 4, "seconds_remaining": 35} | more, Question)


@pytest.mark.parametrize(
    ("probability", "league", "expected"),
    [
        (0.412, 0.363, "4.9 percentage points above"),
        (0.350, 0.360, "1 percentage point below"),
        (0.3604, 0.3596, "Just what the league makes"),
        (0.36, 0.36, "Just what the league makes"),
    ],
)
def test_the_difference_is_given_in_words(probability: float, league: float, expected: str) -> None:
    assert words.compared(probability, league).startswith(expected)


@given(st.floats(0.001, 0.999), st.floats(0.001, 0.999))
def test_the_words_never_contradict_the_two_percentages(probability: float, league: float) -> None:
    shown = [float(words.percent(share).split(words.NBSP)[0]) for share in (probability, league)]
    text = words.compared(probability, league)
    if text.startswith("Just"):
        assert shown[0] == pytest.approx(shown[1], abs=0.11)
    else:
        assert (" above " in text) == (probability > league)
        assert float(text.split()[0]) == pytest.approx(abs(shown[0] - shown[1]), abs=0.11)


def test_days_and_numbers() -> None:
    assert words.day("2023-04-09").replace(words.NBSP, " ") == "9 April 2023"
    assert words.moment(1_700_000_000_000).replace(words.NBSP, " ") == "14 November 2023, 22:13 UTC"
    assert words.gain(-0.00123) == "\N{MINUS SIGN}1.2" and words.gain(0.0142) == "+14.2"
    assert words.count(217220) == "217,220"
    assert "without games" in words.through(None)


def test_the_history_keeps_the_latest_and_no_repetition() -> None:
    history: History = ()
    for y in range(14):
        history = remember(history, "", question(y=y), prediction())
        history = remember(history, "", question(y=y), prediction(probability=0.5))
    assert [asked.number for asked in history] == list(range(14, 14 - KEPT, -1))
    assert {asked.prediction.probability for asked in history} == {0.5}


@pytest.mark.parametrize(
    ("probability", "side"),
    [(0.36, "even"), (0.38, "above"), (0.45, "much-above"), (0.34, "below"), (0.2, "much-below")],
)
def test_a_mark_shows_how_the_chance_compares(probability: float, side: str) -> None:
    assert AnsweredQuestion(1, "", question(), prediction(probability)).side == side


def test_the_latest_spot_is_ringed_even_before_it_is_answered() -> None:
    history = remember((), "", question(10, 20), prediction())
    drawn = marks.draw(history, (-30, 40))
    assert 'class="ring" cx="-30" cy="40"' in drawn and "translate(10 20)" in drawn
    assert drawn.count("<circle") == 2


def test_markup_in_names_is_escaped() -> None:
    history = remember((), "<b onclick=x>Mallory</b>", question(), prediction(zone_name="<i>"))
    for text in (cards.answer(history[0]), cards.table(history), notices.no_answer(NoAnswerError("<b>", passing=True))):
        assert "<b" not in text and "<i>" not in text


def test_a_typed_name_that_was_not_chosen_is_shown_beside_the_shooter() -> None:
    (asked,) = remember((), "Curry", question(), prediction())
    assert "isn" not in cards.answer(asked)
    card = cards.answer(asked, not_chosen="<b>" + 60 * "x")
    assert "9,121 earlier shots known" in card and "&lt;b&gt;xxx" in card and 38 * "x" not in card


def test_commands_in_a_message_are_shown_as_code() -> None:
    assert "<code>make up</code> starts it" in notices.no_answer(NoAnswerError("`make up` starts it", passing=True))


def test_the_table_shows_the_questions() -> None:
    history = remember((), "Curry", question(opponent="LAL", home=False, kind="stepback"), prediction())
    assert "stepback, against LAL, away, Q4 0:35" in cards.table(history)
    assert "OT2 0:35" in cards.table(remember((), "", question(period=6), prediction()))
    assert cards.table(()) == ""


def judged(*records: dict[str, object]) -> list[VerdictView]:
    return msgspec.convert(list(records), list[VerdictView])


def champion(version: int, reload_problem: str | None = None) -> ChampionView:
    feature_state = FeatureStateView(through="2023-04-09", shots=217220)
    return ChampionView(
        version=version,
        model="trees",
        registered_at=1_600_000_000_000,
        provenance=ProvenanceView(first_date="2020-12-22", last_train_date="2023-01-30"),
        feature_state=feature_state,
        page=f"{MODEL_PAGE}/{version}",
        reload_problem=reload_problem,
    )


def test_a_term_begins_with_the_verdict_and_without_one_the_registration_is_shown() -> None:
    newest_first = judged(verdict(4, "refuse", 0.0), verdict(3, "pass", 0.01))
    assert "since 14" in verdicts.champion_card(champion(3), newest_first, "")
    assert "registered 13" in verdicts.champion_card(champion(2), newest_first, "")
    shown = verdicts.champion_card(champion(2), newest_first, "").replace(words.NBSP, " ")
    assert "trees, fitted on games from 22 December 2020 to 30 January 2023" in shown
    assert "now with feature state through 9 April 2023, 217,220 shots" in shown
    assert "the feature state is older" in verdicts.champion_card(
        champion(3, "the feature state is older"), newest_first, ""
    )


def test_the_champion_and_each_candidate_link_to_their_versions() -> None:
    newest_first = judged(verdict(4, "refuse", 0.0))
    assert f'href="{MODEL_PAGE}/3"' in verdicts.champion_card(champion(3), newest_first, "")
    assert f'href="{MODEL_PAGE}/4"' in verdicts.table(newest_first)
    asked = remember((), "", question(), prediction())[0]
    assert "<a " not in cards.answer(asked)
    assert f'<a href="{MODEL_PAGE}/3"' in cards.answer(asked, f"{MODEL_PAGE}/3")


def test_the_drift_summary_names_the_drifted_columns_and_links_to_its_report() -> None:
    report = msgspec.convert(DRIFT, DriftView)
    shown = verdicts.drift_summary(report, 3).replace(words.NBSP, " ")
    assert shown.startswith("Drift in at_origin in the 90 games from 2 April 2023 to 9 April 2023 against its training")
    assert f'href="{DRIFT["page"]}"' in shown
    assert "the training of version 3" in verdicts.drift_summary(report, 4)
    assert verdicts.drift_summary(msgspec.structs.replace(report, columns=report.columns[1:]), 3).startswith(
        "No drift in the"
    )
    assert "No drift report yet" in verdicts.drift_summary(None, 3)


def test_all_verdicts_fit_on_one_scale() -> None:
    newest_first = judged(verdict(3, "pass", 0.0142), verdict(2, "refuse", -0.0008), verdict(1, "not_yet", None))
    low, high = verdicts.scale(newest_first)
    assert low < -0.0018 and high > 0.0152
    table = verdicts.table(newest_first)
    assert table.count('class="zero"') == 2, "nothing is drawn for a verdict without numbers"
    assert "passed" in table and "refused" in table and "not yet" in table
    assert table.count("21,345 shots") == 2, "nor are games shown for it"
    assert "No candidate" in verdicts.table([])


def test_a_first_champion_far_above_the_baseline_is_an_arrow_beyond_the_scale() -> None:
    first, second = verdict(1, "pass", 0.0225), verdict(2, "not_yet", 0.0004)
    low, high = verdicts.scale(judged(second, first))
    assert high < 0.002
    assert verdicts.scale(judged(first))[1] > 0.0225, "alone it has the scale for itself"
    for record, arrows in ((first, 1), (second, 0), (verdict(3, "refuse", -0.02), 1)):
        drawn = verdicts.plot(judged(record)[0], low, high)
        assert drawn.count("gain over") + drawn.count("gain under") == arrows
        assert all(0 <= float(place) <= 100 for place in re.findall(r"(?:left|width):(-?[\d.]+)%", drawn))
    assert "against the baseline" in verdicts.table(judged(first))
    assert "over the champion" not in verdicts.table(judged(first))


def test_a_challenger_is_one_row_however_often_it_was_judged() -> None:
    again = [msgspec.convert(verdict(2, decision, 0.002), VerdictView) for decision in ("pass", "not_yet", "not_yet")]
    first = msgspec.convert(verdict(1, "pass", 0.02), VerdictView)
    assert verdicts.latest_per_pair([*again, first]) == [again[0], first]
    assert verdicts.table([*again, first]).count('class="candidate"') == 2
    rematch = msgspec.structs.replace(again[0], champion=7, epoch=9)
    assert verdicts.latest_per_pair([rematch, *again]) == [rematch, again[0]]


def test_an_empty_lake_is_reported() -> None:
    nothing = LakeView(batches=0, shots=0, quarantined=0, feeds=[], first_date=None, last_date=None)
    assert "No shots yet" in overview.data_card(nothing, [])


def test_the_feeds_that_brought_the_shots_are_described() -> None:
    lake = LakeView(
        batches=2, shots=9, quarantined=0, feeds=["inbox"], first_date="2023-04-02", last_date="2023-04-09"
    )  # fmt: skip
    feed = ServiceView(name="feed", address="http://127.0.0.1:8800", up=True, details="simulates a league")
    assert "read from files" in overview.data_card(lake, [feed])
    simulated = msgspec.structs.replace(lake, feeds=["virtual_bets"])
    assert "VirtualBets simulates a league.</p>" in overview.data_card(simulated, [feed])
    silent = msgspec.structs.replace(feed, up=False, details=None)
    assert "doesn&#x27;t answer now" in overview.data_card(simulated, [silent])
    assert "no longer a feed of this platform" in overview.data_card(simulated, [])
    assert " 1 batch, 1 row in quarantine<" in overview.data_card(
        msgspec.structs.replace(lake, batches=1, quarantined=1), []
    )
    both = msgspec.structs.replace(lake, feeds=["inbox", "virtual_bets"])
    assert "simulates a league. Others were read from files" in overview.data_card(both, [feed])


def test_texts_of_a_service_are_escaped_and_only_web_addresses_are_links() -> None:
    service = ServiceView(name="<b>", address="javascript:alert(1)", up=False, problem="<script>")
    shown = overview.table([service], "http://127.0.0.1:8000")
    assert shown.count("<a ") == 1
    assert 'href="http://127.0.0.1:8000/schema"' in shown
    assert "<script>" not in shown and "<b>" not in shown
