"""The prediction log on MongoDB when things go wrong, and what is larger than a document."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from pymongo import WriteConcern
from pymongo.database import Database

from parivision_core.prediction_log.mongo import MongoPredictionLog
from parivision_core.problems import StoreError
from tests.helpers.prediction_logs import many, one
from tests.helpers.scripted_server import ScriptedServer

Documents = Database[dict[str, Any]]
KEY = "2023-01-01:1:2:3:4"


@pytest.fixture
def shaky(shaky_database: Documents) -> MongoPredictionLog:
    """A prediction log behind the proxy, with short timeouts."""
    return MongoPredictionLog(shaky_database)


def test_a_body_larger_than_a_document_is_kept_in_pieces(mongo_database: Documents) -> None:
    prediction_log = MongoPredictionLog(mongo_database)
    call = many([0.5] * 10, request=bytes(range(256)) * 70_000)
    prediction_log.append([one(), call])
    prediction_log.append([call])
    assert prediction_log.call(call.id) == call
    assert call in prediction_log.calls(limit=2)
    assert mongo_database["prediction_log_bodies"].count_documents({}) == 3
    assert prediction_log.delete(call.id)
    assert mongo_database["prediction_log_bodies"].count_documents({}) == 0


@pytest.mark.parametrize("applied", [False, True], ids=["before", "after"])
def test_a_connection_cut_during_an_append_loses_nothing(
    applied: bool, proxy: ScriptedServer, shaky: MongoPredictionLog, mongo_database: Documents
) -> None:
    """Cut at every insert of an append that is then repeated: each call is there once, with all that belongs to it."""
    here = MongoPredictionLog(mongo_database)
    here.calls(limit=1)
    shaky.calls(limit=1)
    kept = []
    for number in range(3):  # the awaited shots, then the calls, then nothing is left to cut
        calls = [one(awaited=((0, KEY),)), one()]
        seen = iter(range(1_000))
        proxy.fault("insert", cut=True, after=applied, where=lambda _, n=number, s=seen: next(s) == n, times=2)
        try:
            shaky.append(calls)
        except StoreError as error:
            assert "Start the server or correct PARIVISION_MONGO_URL" in str(error)
        proxy.clear()
        shaky.append(calls)
        kept = [msgspec.structs.replace(call, awaited=()) for call in calls[::-1]] + kept
        assert here.calls(limit=100) == kept
    assert here.awaiting([KEY]) == {KEY: sorted(call.id for call in kept[1::2])}


def test_an_absent_server_is_reported_and_found_once_it_is_there(
    proxy: ScriptedServer, shaky: MongoPredictionLog
) -> None:
    proxy.stop()
    for use in (lambda: shaky.append([one()]), lambda: shaky.calls(limit=1), shaky.awaited_days):
        with pytest.raises(StoreError, match="can't be reached"):
            use()
    proxy.start()
    shaky.append([one()])
    assert len(shaky.calls(limit=5)) == 1


def test_writes_are_confirmed_once_they_are_on_disk(proxy: ScriptedServer, shaky_database: Documents) -> None:
    """A majority that only has it in memory may lose it; the URL's other options stay."""
    seen: list[dict[str, Any]] = []
    proxy.fault("insert", where=lambda command: bool(seen.append(command.document["writeConcern"])))
    MongoPredictionLog(shaky_database.with_options(write_concern=WriteConcern(w=1, wtimeout=900))).append([one()])
    assert seen
    assert all(concern == {"w": 1, "wtimeout": 900, "j": True} for concern in seen)


def test_days_of_an_earlier_version_are_found(mongo_database: Documents) -> None:
    prediction_log = MongoPredictionLog(mongo_database)
    prediction_log.append([one(awaited=((0, KEY),))])
    mongo_database["prediction_log_days"].drop()
    before = prediction_log.awaited_days()
    assert list(before) == [KEY[:10]]
    prediction_log.append([one(awaited=((0, KEY),))])
    assert prediction_log.awaited_days() != before


def test_a_full_disk_is_named(proxy: ScriptedServer, shaky: MongoPredictionLog) -> None:
    shaky.calls(limit=1)
    full = {"ok": 0, "code": 14031, "errmsg": "available disk space is below the minimum"}
    with proxy.fault("insert", reply=full), pytest.raises(StoreError, match="disk is full"):
        shaky.append([one()])
    assert shaky.calls(limit=1) == []


def test_a_database_of_another_version_says_so(mongo_database: Documents) -> None:
    MongoPredictionLog(mongo_database).calls(limit=1)
    mongo_database["prediction_log_meta"].update_one({"_id": "format"}, {"$set": {"value": "99"}})
    with pytest.raises(StoreError, match="has format 99, this version writes format 1; name another database"):
        MongoPredictionLog(mongo_database).calls(limit=1)


def test_a_prefix_keeps_sports_apart(mongo_database: Documents) -> None:
    MongoPredictionLog(mongo_database, "rugby_").append([one()])
    assert MongoPredictionLog(mongo_database).calls(limit=5) == []
    assert all(
        name.startswith(("rugby_prediction_log", "prediction_log")) for name in mongo_database.list_collection_names()
    )


def test_a_document_of_another_version_is_named(mongo_database: Documents) -> None:
    prediction_log, call = MongoPredictionLog(mongo_database), one()
    prediction_log.append([call])
    mongo_database["prediction_log"].update_one({"_id": f"c{call.id}"}, {"$set": {"content": "song"}})
    with pytest.raises(StoreError, match="is damaged or of another version"):
        prediction_log.call(call.id)
