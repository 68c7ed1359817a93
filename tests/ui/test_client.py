"""The client of the service: whatever goes wrong becomes one sentence, and says whether it may pass."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from gradio_ui.client import Client, NoAnswerError, Question
from tests.helpers.page_process import free_port
from tests.helpers.scripted_api import CURRY, MODEL_PAGE, NO_CHAMPION, ScriptedApi, problem, verdict

SHOT = Question(x=0, y=240, period=4, seconds_remaining=35)
Call = Callable[[Client], Awaitable[Any]]
CALLS: dict[str, Call] = {
    "predict": lambda client: client.predict(SHOT),
    "players": lambda client: client.players("cur", 8),
    "champion": lambda client: client.champion(),
    "verdicts": lambda client: client.verdicts(20),
    "drift": lambda client: client.drift(),
    "lake": lambda client: client.lake(),
    "services": lambda client: client.services(),
}


def ask(url: str, call: Call = CALLS["predict"], seconds: float = 5) -> Any:
    async def asked() -> Any:
        client = Client(url, seconds)
        try:
            return await call(client)
        finally:
            await client.close()

    return asyncio.run(asked())


def refusal(url: str, call: Call = CALLS["predict"], seconds: float = 5) -> NoAnswerError:
    with pytest.raises(NoAnswerError) as caught:
        ask(url, call, seconds)
    return caught.value


def test_what_is_well_comes_back_as_records(api: ScriptedApi) -> None:
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


def test_the_page_of_a_version_is_asked_for_once_and_missing_where_it_is_not_known(api: ScriptedApi) -> None:
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
    "said",
    [b"<html>It works!</html>", b"", b"[1, 2", b'{"probability": "high"}', b"\xff\xfe", (500, "no problem+json")],
)
def test_rubbish_is_one_sentence(api: ScriptedApi, name: str, said: Any) -> None:
    api.says = said
    rubbish = refusal(api.url, CALLS[name])
    assert rubbish.passing and "doesn't speak like PariVision's service" in str(rubbish)


@pytest.mark.parametrize("status", [401, 403])
def test_a_service_that_wants_a_key_is_one_sentence(api: ScriptedApi, status: int) -> None:
    api.says = problem(status, "an API key is needed")
    wanted = refusal(api.url)
    assert not wanted.passing and "set PARIVISION_API_KEY" in str(wanted)


def test_an_address_that_is_none_is_one_sentence() -> None:
    for url in ("127.0.0.1:8000", "http://[", "ftp://127.0.0.1"):
        assert "doesn't answer" in str(refusal(url))


def test_without_a_champion_the_service_says_why_and_it_may_pass(api: ScriptedApi) -> None:
    api.champion = False
    waiting = refusal(api.url)
    assert (str(waiting), waiting.passing) == (NO_CHAMPION, True)


def test_a_question_that_makes_no_sense_names_its_fields_and_does_not_pass(api: ScriptedApi) -> None:
    api.says = problem(
        422,
        "x: too large",
        errors=[
            {"field": "seconds_remaining", "message": "period 5 lasts 300 seconds"},
            {"field": "x", "message": "no"},
        ],
    )
    told = refusal(api.url)
    assert not told.passing
    assert str(told).endswith("seconds remaining: period 5 lasts 300 seconds; x: no.")
