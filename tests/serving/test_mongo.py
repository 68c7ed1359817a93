"""The service over a store on MongoDB: it starts before the database and runs on without it."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

from pymongo.database import Database

from parivision_core.nba.shots import NBA
from parivision_core.store import open_mongo
from tests.helpers.processes import until
from tests.helpers.scripted_server import ScriptedServer
from tests.helpers.serving_setup import SHOT, ServingSetup, answer_to, make_feature_state, serves
from tests.helpers.stores import named


def test_the_database_may_start_later_and_stop_earlier(
    serving: ServingSetup, mongo_server: str, mongo_database: Database[dict[str, Any]]
) -> None:
    serving.store = open_mongo(mongo_database, NBA)
    real = urlsplit(mongo_server)
    with ScriptedServer(upstream=(real.hostname or "127.0.0.1", real.port or 27017)) as between:
        between.stop()
        address = mongo_server.replace(f":{real.port}", f":{between.port}")
        quickly = "directConnection=true&serverSelectionTimeoutMS=300"
        url = named(address, mongo_database.name) + ("&" if real.query else "?") + quickly
        serving.promote(1)
        with serving.client(mongo_url=url) as client:
            until(lambda: "MongoDB can't be reached" in client.get("/health/ready").text)
            answer = client.post("/api/v1/predict", json=SHOT)
            assert answer.status_code == 503
            assert "Start the server or correct PARIVISION_MONGO_URL" in answer.json()["detail"]
            between.start()
            record = serving.feature_state(make_feature_state(1))
            until(serves(client, 1, record.stamp))
            newer = serving.feature_state(make_feature_state(2))
            until(serves(client, 1, newer.stamp))
            before = answer_to(client)
            between.stop()
            until(lambda: client.get("/api/v1/champion").json()["reload_problem"])
            assert client.get("/health/ready").status_code == 200
            assert answer_to(client) == before
            refused = client.get("/api/v1/verdicts")
            assert (refused.status_code, refused.json()["type"]) == (503, "urn:parivision:problem:store-unavailable")
            assert refused.headers["retry-after"] == "10"
            between.start()  # else the service would try for some seconds to log its last prediction
