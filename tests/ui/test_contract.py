"""The page's client reads what the real service answers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest

from gradio_ui.client import ChampionView, LakeView, NoAnswerError, PredictionView, Question, ServiceView
from parivision_core.records import Verdict
from parivision_core.sport import Player
from tests.helpers.page_client import CALLS, ask
from tests.helpers.processes import until
from tests.helpers.serving_setup import NAMES, make_feature_state, make_setup, serves

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
    """The page's client, answered by a real service in this process."""
    serving = make_setup(tmp_path)
    serving.promote(1)
    record = serving.feature_state(make_feature_state(1))
    serving.store.put_verdict(
        Verdict(
            candidate=1, champion=None, epoch=0, decision="pass", reason="better", games=40, shots=7000, gain=0.01,
            gain_low=0.005, gain_high=0.015, margin=0.001, level=0.95,
        )
    )  # fmt: skip
    with serving.client() as service:
        until(serves(service, 1, record.stamp))

        over_http = httpx.AsyncClient.request

        async def request(client: httpx.AsyncClient, method: str, route: str, **more: Any) -> httpx.Response:
            if client.base_url.host != SERVICE:  # the service's own client, for the services that it probes
                return await over_http(client, method, route, **more)
            answer: httpx.Response = service.request(method, route, **more)
            return answer

        monkeypatch.setattr(httpx.AsyncClient, "request", request)
        yield lambda call: ask(f"http://{SERVICE}", call)
    serving.mlflow.stop()


def test_every_answer_can_be_read(through_the_service: Any) -> None:
    prediction: PredictionView = through_the_service(lambda client: client.predict(QUESTION))
    assert 0 < prediction.probability < 1 and 0 < prediction.league_average < 1
    assert prediction.expected_points == pytest.approx(prediction.probability * prediction.shot.points)
    assert (prediction.champion_version, prediction.feature_state_through, prediction.shot.shooter_shots > 0) == (
        1,
        "2023-04-09",
        True,
    )
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


def test_a_refused_question_is_reported_by_field(through_the_service: Any) -> None:
    impossible = msgspec.structs.replace(QUESTION, opponent="GSW", period=5, seconds_remaining=700)
    with pytest.raises(NoAnswerError, match=r"seconds remaining: .*; opponent: ") as caught:
        through_the_service(lambda client: client.predict(impossible))
    assert not caught.value.passing
