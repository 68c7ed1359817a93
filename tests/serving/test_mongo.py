"""The service over a store on MongoDB: it starts before the database, and outlives it."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

from pymongo.database import Database

from parivision_core.nba.shots import NBA
from parivision_core.store import open_mongo
from tests.helpers.scripted_server import ScriptedServer
from tests.helpers.serving_world import SHOT, World, make_feature_state, serves, told, until
from tests.helpers.stores import named


def test_a_database_that_comes_late_and_goes_early(
    world: World, mongo_server: str, mongo_database: Database[dict[str, Any]]
) -> None:
    world.store = open_mongo(mongo_database, NBA)
    real = urlsplit(mongo_server)
    with ScriptedServer(upstream=(real.hostname or "127.0.0.1", real.port or 27017)) as between:
        between.stop()
        address = mongo_server.replace(f":{real.port}", f":{between.port}")
        quickly = "directConnection=true&serverSelectionTimeoutMS=300"
        url = named(address, mongo_database.name) + ("&" if real.query else "?") + quickly
        world.promote(1)
        with world.client(mongo_url=url) as client:
            until(lambda: "MongoDB can't be reached" in client.get("/health/ready").text)
            answer = client.post("/api/v1/predict", json=SHOT)
            assert answer.status_code == 503
            assert "Start the server or correct PARIVISION_MONGO_URL" in answer.json()["detail"]
            between.start()
            record = world.feature_state(make_feature_state(1))
            until(serves(client, 1, record.stamp))
            newer = world.feature_state(make_feature_state(2))
            until(serves(client, 1, newer.stamp))
            before = told(client)
            between.stop()
            until(lambda: client.get("/api/v1/champion").json()["reload_problem"])
            assert client.get("/health/ready").status_code == 200
            assert told(client) == before
            refused = client.get("/api/v1/verdicts")
            assert (refused.status_code, refused.json()["type"]) == (503, "urn:parivision:problem:store-unavailable")
            assert refused.headers["retry-after"] == "10"
