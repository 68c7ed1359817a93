"""The page's client: every failure becomes one sentence, with whether a retry may help."""

from __future__ import annotations

from typing import Any

import pytest

from gradio_ui.client import Client, NoAnswerError
from tests.helpers.page_client import CALLS, Call, ask
from tests.helpers.processes import free_port
from tests.helpers.scripted_api import CURRY, MODEL_PAGE, NO_CHAMPION, ScriptedApi, problem, verdict


def refusal(url: str, call: Call = CALLS["predict"], seconds: float = 5) -> NoAnswerError:
    with pytest.raises(NoAnswerError) as caught:
        ask(url, call, seconds)
    return caught.value


def test_good_answers_become_records(api: ScriptedApi) -> None:
    api.verdicts = [verdict(2, "pass", 0.01)]
    assert ask(api.url).shot.points == 3
    assert api.questions == [{"x": 0, "y": 240, "period": 4, "seconds_remaining": 35}], "what is not given is left out"
    assert [player.name for player in ask(api.url, CALLS["players"])] == [CURRY["name"]]
    assert ask(api.url, CALLS["champion"]).feature_state.through == "2023-04-09"
    assert ask(api.url, CALLS["verdicts"])[0].decision == "pass"
    assert ask(api.url, CALLS["drift"]).newest.games == 90
    assert ask(api.url, CALLS["lake"]).quarantined == 3
    assert [service.up for service in ask(api.url, CALLS["services"])] == [True, False, True]


def test_before_the_first_drift_report_there_is_none(api: ScriptedApi) -> None:
    api.drift = []
    assert ask(api.url, CALLS["drift"]) is None


def test_the_page_of_a_version_is_remembered_and_empty_when_unknown(api: ScriptedApi) -> None:
    async def pages(client: Client) -> list[str]:
        found = [await client.page_of(version) for version in (2, 3)]
        api.champion = False
        return [*found, await client.page_of(3), await client.page_of(1)]

    page = f"{MODEL_PAGE}/3"
    assert ask(api.url, pages) == ["", page, page, ""]


@pytest.mark.parametrize("name", CALLS)
def test_a_service_that_is_down_or_slow_is_one_sentence(api: ScriptedApi, name: str) -> None:
    down = refusal(f"http://127.0.0.1:{free_port()}", CALLS[name])
    assert down.passing and "doesn't answer" in str(down) and "make up" in str(down)
    api.delay = 0.5
    slow = refusal(api.url, CALLS[name], seconds=0.05)
    assert slow.passing and "longer than 0.05 seconds" in str(slow)


@pytest.mark.parametrize("name", CALLS)
@pytest.mark.parametrize(
    "reply",
    [b"<html>It works!</html>", b"", b"[1, 2", b'{"probability": "high"}', b"\xff\xfe", (500, "no problem+json")],
)
def test_an_unreadable_answer_is_one_sentence(api: ScriptedApi, name: str, reply: Any) -> None:
    api.override = reply
    unreadable = refusal(api.url, CALLS[name])
    assert unreadable.passing and "isn't one of PariVision's service" in str(unreadable)


@pytest.mark.parametrize("status", [401, 403])
def test_a_missing_key_is_one_sentence(api: ScriptedApi, status: int) -> None:
    api.override = problem(status, "an API key is needed")
    refused = refusal(api.url)
    assert not refused.passing and "set PARIVISION_API_KEY" in str(refused)


def test_an_invalid_address_is_one_sentence() -> None:
    for url in ("127.0.0.1:8000", "http://[", "ftp://127.0.0.1"):
        assert "doesn't answer" in str(refusal(url))


def test_a_missing_champion_is_reported_and_may_pass(api: ScriptedApi) -> None:
    api.champion = False
    waiting = refusal(api.url)
    assert (str(waiting), waiting.passing) == (NO_CHAMPION, True)


def test_an_invalid_question_names_its_fields_and_does_not_pass(api: ScriptedApi) -> None:
    api.override = problem(
        422,
        "x: too large",
        errors=[
            {"field": "seconds_remaining", "message": "period 5 lasts 300 seconds"},
            {"field": "x", "message": "no"},
        ],
    )
    refused = refusal(api.url)
    assert not refused.passing
    assert str(refused).endswith("seconds remaining: period 5 lasts 300 seconds; x: no.")
