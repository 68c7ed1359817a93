"""The client and the real service agree: what the one answers is what the other reads."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest

from gradio_ui.client import ChampionView, LakeView, NoAnswerError, PredictionView, Question, ServiceView
from parivision_core.records import Verdict
from parivision_core.sport import Player
from tests.helpers.serving_world import NAMES, make_feature_state, make_world, serves, until
from tests.ui.test_client import CALLS, ask

SERVICE = "service"
QUESTION = Question(
    x=-120,
    y=85,
    period=4,
    seconds_remaining=35,
    player_id=201939,
    team="GSW",
    opponent="LAL",
    home=True,
    kind="stepback",
)


@pytest.fixture
def through_the_service(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """The page's client, whose requests a real service answers in this process."""
    world = make_world(tmp_path)
    world.promote(1)
    record = world.feature_state(make_feature_state(1))
    world.store.put_verdict(
        Verdict(
            candidate=1, champion=None, epoch=0, decision="pass", reason="better", games=40, shots=7000, gain=0.01,
            gain_low=0.005, gain_high=0.015, margin=0.001, level=0.95,
        )
    )  # fmt: skip
    with world.client() as service:
        until(serves(service, 1, record.stamp))

        over_http = httpx.AsyncClient.request

        async def request(asking: httpx.AsyncClient, method: str, route: str, **more: Any) -> httpx.Response:
            if asking.base_url.host != SERVICE:  # the service's own client, for its neighbours
                return await over_http(asking, method, route, **more)
            answer: httpx.Response = service.request(method, route, **more)
            return answer

        monkeypatch.setattr(httpx.AsyncClient, "request", request)
        yield lambda call: ask(f"http://{SERVICE}", call)
    world.mlflow.stop()


def test_every_route_is_read_as_it_is_answered(through_the_service: Any) -> None:
    told: PredictionView = through_the_service(lambda client: client.predict(QUESTION))
    assert 0 < told.probability < 1 and 0 < told.league_average < 1
    assert told.expected_points == pytest.approx(told.probability * told.shot.points)
    assert (told.champion_version, told.feature_state_through, told.shot.shooter_shots > 0) == (1, "2023-04-09", True)
    found: list[Player] = through_the_service(lambda client: client.players("CURRY", 8))
    assert [(player.player_id, player.name) for player in found] == [(201939, NAMES[201939])]
    champion: ChampionView = through_the_service(CALLS["champion"])
    assert (champion.version, champion.feature_state.through, champion.reload_problem) == (1, "2023-04-09", None)
    (verdict,) = through_the_service(CALLS["verdicts"])
    assert (verdict.candidate, verdict.gain_low) == (1, 0.005)
    assert verdict.page == champion.page and champion.page.endswith("/versions/1?workflowType=machine_learning")
    lake: LakeView = through_the_service(CALLS["lake"])
    assert (lake.shots, lake.feeds, lake.first_date) == (0, [], None)
    services: list[ServiceView] = through_the_service(CALLS["services"])
    assert {"mlflow", "dagster", "page", "store", "prediction_log"} == {service.name for service in services}


def test_a_question_that_the_service_refuses_is_reported_by_field(through_the_service: Any) -> None:
    impossible = msgspec.structs.replace(QUESTION, opponent="GSW", period=5, seconds_remaining=700)
    with pytest.raises(NoAnswerError, match=r"seconds remaining: .*; opponent: ") as caught:
        through_the_service(lambda client: client.predict(impossible))
    assert not caught.value.passing
