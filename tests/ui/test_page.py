"""The page in a real browser, over a scripted service: clicks and keys in, texts and marks out."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import pytest
from PIL import Image

from docs.screenshots import click_court, take_page
from gradio_ui.words import percent
from tests.helpers.foreign_pages import foreign_page, rebound_page
from tests.helpers.scripted_api import CURRY, DRIFT, MODEL_PAGE, NO_CHAMPION, NO_REGISTRY, ScriptedApi, verdict

if TYPE_CHECKING:
    from playwright.sync_api import Browser, BrowserContext, Page

PATIENCE_MS = 20_000


@pytest.fixture
def page(context: BrowserContext, page_url: str, shared_api: ScriptedApi) -> Iterator[Page]:
    """The page, opened; no question was asked yet."""
    opened = open_page(context, page_url, 1280)
    shared_api.questions.clear()
    yield opened
    opened.close()


def open_page(context: BrowserContext, url: str, width: int) -> Page:
    opened = context.new_page()
    opened.set_viewport_size({"width": width, "height": 900})
    opened.set_default_timeout(PATIENCE_MS)
    requested: list[str] = []
    opened.on("request", lambda request: requested.append(request.url))
    opened.goto(url)
    opened.locator(".invitation").wait_for()
    outside = [a for a in requested if urlsplit(a).scheme in {"http", "https"} and urlsplit(a).hostname != "127.0.0.1"]
    assert not outside, "the page loads nothing from other hosts"
    return opened


def answered(page: Page, number: int) -> str:
    """The text of the answer to this question."""
    return str(page.locator(f'.answer[data-question="{number}"]').inner_text())


def numbers(api: ScriptedApi, question: dict[str, Any]) -> list[str]:
    """The numbers that the service answers, as the page writes them."""
    answer = api.predict(question)[1]
    return [percent(answer["probability"]), percent(answer["league_average"]), f"{answer['expected_points']:.2f}"]


def test_a_click_asks_about_its_spot_and_shows_what_the_service_answers(page: Page, shared_api: ScriptedApi) -> None:
    click_court(page, 100, 248)
    text = answered(page, 1)
    (question,) = shared_api.questions
    assert abs(question["x"] - 100) <= 1 and abs(question["y"] - 248) <= 1, "a browser knows whole pixels only"
    assert all(number in text for number in numbers(shared_api, question))
    assert "26.7" in text and "above the break three" in text
    assert page.get_by_role("link", name="Champion version 3").get_attribute("href") == f"{MODEL_PAGE}/3"
    ring = page.locator("svg.marks .ring")
    assert abs(float(ring.get_attribute("cx") or "") - 100) <= 1
    assert page.locator("table.history tbody tr").count() == 1
    assert page.title() == "PariVision: will this shot go in?"


def test_opening_the_page_asks_no_question(context: BrowserContext, page_url: str, shared_api: ScriptedApi) -> None:
    before = len(shared_api.questions)
    open_page(context, page_url, 1280).close()
    assert len(shared_api.questions) == before


def test_a_spot_beyond_the_court_is_reported_in_the_pages_own_unit(page: Page, shared_api: ScriptedApi) -> None:
    page.get_by_label("Feet right of the hoop").fill("99")
    page.keyboard.press("Enter")
    text = page.locator(".no-answer.refused").inner_text()
    assert "25 feet to either side of the hoop, 88.8 feet in front of it and 5.2 feet behind it" in text
    assert shared_api.questions == []


def test_a_player_is_found_by_typing_and_asked_about_at_once(page: Page, shared_api: ScriptedApi) -> None:
    page.get_by_label("Player").fill("curr")
    page.locator("p.hint", has_text="Not chosen yet").wait_for()
    page.locator(".suggestions label", has_text="Stephen Curry").click()
    text = answered(page, 1)
    (question,) = shared_api.questions
    assert (question["player_id"], question["team"]) == (CURRY["player_id"], "GSW")
    assert all(part in text for part in (*numbers(shared_api, question), "Stephen Curry", "9,121"))
    page.locator(".suggestions").wait_for(state="hidden")
    page.locator("p.hint").wait_for(state="detached")
    page.get_by_label("Player").fill("")
    assert "Any shooter" in answered(page, 2)
    assert "player_id" not in shared_api.questions[-1] and "team" not in shared_api.questions[-1]
    page.get_by_label("Player").fill("no such player")
    page.get_by_text("No player of that name is known.").wait_for()
    click_court(page, 0, 100)
    assert "no such player\N{RIGHT DOUBLE QUOTATION MARK} isn\N{RIGHT SINGLE QUOTATION MARK}t chosen" in answered(
        page, 3
    )


def test_the_shot_tab_works_by_keyboard(page: Page, shared_api: ScriptedApi) -> None:
    page.get_by_label("Player").fill("jokic")
    page.keyboard.press("Enter")
    assert "Nikola Jokić" in answered(page, 1)
    page.get_by_label("Feet right of the hoop").fill("-12.3")
    page.keyboard.press("Enter")
    answered(page, 2)
    page.get_by_role("button", name="Situation").click()
    seconds = page.get_by_label("Seconds left in it")
    # Gradio fills unfolding fields a frame after they show; a test, unlike a person, may type before that.
    page.wait_for_function("field => field.value == '360'", arg=seconds.element_handle())
    seconds.fill("35")
    page.keyboard.press("Enter")
    answered(page, 3)
    assert shared_api.questions[-1] == {
        "x": -123,
        "y": 239,
        "period": 2,
        "seconds_remaining": 35,
        "player_id": 203999,
        "team": "DEN",
    }
    page.get_by_label("Opponent").click()
    page.get_by_role("option", name="DEN").click()
    page.get_by_text("a team can't defend against itself").wait_for()


def test_without_a_champion_the_page_waits_and_then_answers_by_itself(page: Page, shared_api: ScriptedApi) -> None:
    shared_api.champion = False
    try:
        click_court(page, 0, 100)
        assert NO_CHAMPION in page.locator(".no-answer.waiting").inner_text()
    finally:
        shared_api.champion = True
    assert "chance of a make" in answered(page, 1)


def test_a_service_that_was_down_is_asked_again(page: Page, shared_api: ScriptedApi) -> None:
    shared_api.stop()
    try:
        click_court(page, 0, 100)
        text = page.locator(".no-answer.waiting").inner_text()
        assert "doesn't answer" in text and "Traceback" not in text
        page.get_by_label("Player").fill("cur")
        page.locator("p.hint", has_text="doesn't answer").wait_for()
    finally:
        shared_api.start()
    assert "chance of a make" in answered(page, 1)


def test_the_models_tab_shows_new_verdicts(page: Page, shared_api: ScriptedApi) -> None:
    page.get_by_role("tab", name="Models").click()
    page.locator(".champion", has_text="Version 3").wait_for()
    assert page.get_by_role("link", name="drift report").get_attribute("href") == DRIFT["page"]
    rows = page.locator("table.verdicts .candidate")
    assert rows.count() == len(shared_api.verdicts) == 3
    assert page.locator("table.verdicts .reason").nth(1).inner_text() == "because of 2", "shown, not only on hover"
    shared_api.verdicts.insert(0, verdict(4, "refuse", 0.0001))
    try:
        page.locator("table.verdicts", has_text="Version 4").wait_for()
    finally:
        shared_api.verdicts.pop(0)


def test_without_the_registry_the_models_tab_still_shows_the_champion(page: Page, shared_api: ScriptedApi) -> None:
    shared_api.drift = None
    try:
        page.get_by_role("tab", name="Models").click()
        page.locator(".champion", has_text="Version 3").get_by_text(NO_REGISTRY).wait_for()
    finally:
        shared_api.drift = [DRIFT]


def test_the_services_tab_shows_and_links_the_services(page: Page, shared_api: ScriptedApi) -> None:
    page.get_by_role("tab", name="Services").click()
    page.locator(".data", has_text="408,178 shots").wait_for()
    page.get_by_role("link", name="http://127.0.0.1:5000").wait_for()
    page.get_by_role("link", name=f"{shared_api.url}/schema").wait_for()
    assert (
        page.locator("table.services tbody tr", has_text="nothing answers at this address").locator(".down").count()
        == 1
    )
    assert page.get_by_text("They were read from files.").count() == 1
    shared_api.feeds = ["inbox", "virtual_bets"]
    try:
        page.get_by_text("VirtualBets brought them").wait_for()
    finally:
        shared_api.feeds = ["inbox"]


def test_a_phone_never_scrolls_sideways(context: BrowserContext, page_url: str) -> None:
    phone = open_page(context, page_url, 375)
    try:
        for tab, landmark in (("Shot", ".invitation"), ("Models", "table.verdicts"), ("Services", "table.services")):
            phone.get_by_role("tab", name=tab).click()
            phone.locator(landmark).wait_for()
            assert phone.evaluate("document.documentElement.scrollWidth") <= 375, tab
    finally:
        phone.close()


def test_the_readmes_picture_can_be_taken(browser: Browser, page_url: str, tmp_path: Path) -> None:
    file = tmp_path / "page.png"
    take_page(browser, page_url, "jokic", file)
    with Image.open(file) as picture:
        assert picture.width == 2 * 1280
    assert file.stat().st_size < 300_000


def test_no_page_of_another_origin_asks_through_the_page(
    browser: Browser, page_url: str, shared_api: ScriptedApi
) -> None:
    """Gradio itself takes JSON from scripts of all pages of this machine, on whatever port."""
    asked = len(shared_api.questions)
    join = "/gradio_api/queue/join?"
    body = '{"data": [], "fn_index": 0, "session_hash": "foreign"}'
    for host in ("evil.example", "127.0.0.1"):
        with foreign_page(browser, host) as foreign:
            foreign.call("send", page_url + join, body, "text/plain")
            foreign.call("send", page_url + join, body, "")
            assert foreign.answered(2) == {403}
            assert foreign.call("sendJson", page_url + join, body) == [0, ""]
            assert foreign.submit(page_url + join, body) == 403
    with rebound_page(browser, int(page_url.rpartition(":")[2])) as foreign:
        assert foreign.call("sendJson", join, body)[0] == 421
    assert len(shared_api.questions) == asked
