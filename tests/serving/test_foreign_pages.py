"""The service in a browser that also shows pages of other origins: they write neither predictions nor outcomes."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from tests.helpers.foreign_pages import DrivenPage, foreign_page, rebound_page
from tests.helpers.processes import free_port
from tests.helpers.serving_process import running
from tests.helpers.serving_setup import SHOT, ServingSetup, make_feature_state

if TYPE_CHECKING:
    from playwright.sync_api import Browser

PREDICT = "/api/v1/predict"


@pytest.mark.process
def test_no_page_of_another_origin_writes_predictions_or_outcomes(browser: Browser, serving: ServingSetup) -> None:
    serving.promote(1)
    serving.feature_state(make_feature_state(1))
    port = free_port()
    url, shot = f"http://127.0.0.1:{port}", json.dumps(SHOT)

    def logged() -> list[dict[str, Any]]:
        return list(httpx.get(f"{url}/api/v1/predictions").json()["predictions"])

    with running(serving.settings, port):
        made = httpx.post(url + PREDICT, json=SHOT).json()["id"]
        outcome = f"/api/v1/predictions/{made}/outcome"
        before = logged()
        for host in ("evil.example", "127.0.0.1"):
            with foreign_page(browser, host) as foreign:
                for path, body in (
                    (PREDICT, shot),
                    (f"{PREDICT}/bulk", f"[{shot}]"),
                    ("/predict", shot),
                    (outcome, '{"made": true}'),
                ):
                    foreign.call("send", url + path, body, "")
                    foreign.call("send", url + path, body, "text/plain")
                assert foreign.answered(8) == {403}
                assert foreign.submit(url + PREDICT, shot) == 403
        with rebound_page(browser, port) as foreign:
            assert foreign.call("sendJson", PREDICT, shot)[0] == 421
        assert logged() == before
        own = browser.new_page()
        own.goto(f"{url}/schema")
        assert DrivenPage(own).call("sendJson", PREDICT, shot)[0] == 200
        assert DrivenPage(own).call("sendJson", outcome, '{"made": true}')[0] in (200, 201)
        own.close()
        assert len(logged()) == len(before) + 1
