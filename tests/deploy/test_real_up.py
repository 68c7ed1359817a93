"""`make up` with the real services, end to end: from a season in the inbox to predictions."""

from __future__ import annotations

import json
import signal
import subprocess
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

import msgspec
import psutil
import pytest
from pymongo.database import Database

from deploy.environment import ROOT
from deploy.ports import taken
from parivision_assets.tracking.registry import ModelRegistry
from parivision_core.nba.shots import NBA
from parivision_core.store import open_files, open_mongo
from parivision_core.store.base import Store
from tests.deploy.conftest import Deployment, running
from tests.helpers import shots
from tests.helpers.documents import commands
from tests.helpers.processes import until
from tests.helpers.stores import named

DEFINITIONS = "{repositoriesOrError{... on RepositoryConnection{nodes{location{name} assetNodes{id}}}}}"
CLICKED = {"x": -120, "y": 85, "period": 4, "seconds_remaining": 35}
"""The README's shot."""
SHOWN_ID = "01a20456-5326-7000-8000-f8c3556624b3"
"""The prediction that the pages name."""
PATIENCE = 120
"""Seconds after which a test fails; it takes about thirty on two idle cores."""


def fetch(url: str, content: dict[str, object] | None = None) -> str:
    """The body of the response to GET, or to POST with content as JSON. Raises HTTPError for an error status."""
    body = json.dumps(content).encode() if content else None
    with urllib.request.urlopen(urllib.request.Request(url, body, {"content-type": "application/json"})) as response:
        return str(response.read().decode())


def loaded(port: int) -> list[str]:
    """Names of the code locations in which Dagster sees assets."""
    found = json.loads(fetch(f"http://127.0.0.1:{port}/graphql", {"query": DEFINITIONS}))["data"]["repositoriesOrError"]
    return [node["location"]["name"] for node in found.get("nodes", ()) if node["assetNodes"]]


def predict(deployment: Deployment, **shot: object) -> dict[str, object]:
    """The API's answer about a shot."""
    answer: dict[str, object] = json.loads(fetch(f"http://127.0.0.1:{deployment.api}/api/v1/predict", shot))
    return answer


def curl(deployment: Deployment, *words: str) -> str:
    """What the one curl command of the pages with these words prints."""
    (command,) = (c for c in commands() if c.startswith("curl ") and all(word in c for word in words))
    return run_curl(deployment, command)


def run_curl(deployment: Deployment, command: str, prediction: str = SHOWN_ID) -> str:
    """What a curl command prints, run as it stands but for the port and the prediction; fails for an error's answer."""
    command = command.replace(":8000/", f":{deployment.api}/").replace(":8800/", f":{deployment.feed}/")
    command = command.replace("curl ", "curl --fail ", 1).replace(SHOWN_ID, prediction)
    done = subprocess.run(command, shell=True, capture_output=True, text=True, check=False)
    assert done.returncode == 0, (command, done.stderr)
    return done.stdout


def ready(deployment: Deployment) -> bool:
    """Whether a champion is served."""
    try:
        return bool(fetch(f"http://127.0.0.1:{deployment.api}/health/ready"))
    except urllib.error.HTTPError:
        return False


def unprepare(deployment: Deployment) -> None:
    """Let the launcher create the tables of Dagster and MLflow, which the fixture spares other tests."""
    for file in [*deployment.home.rglob(".prepared"), *deployment.home.rglob("*.db")]:
        file.unlink()


def started(deployment: Deployment, times: int = 1) -> subprocess.Popen[bytes]:
    """The launcher of a platform that is up, for the n-th time in its folder."""
    launcher = deployment.up(ROOT / "Procfile", grace=14)
    up = "PariVision is up"
    until(lambda: deployment.output.count(up) == times or launcher.poll() is not None, "addresses", PATIENCE)
    assert launcher.poll() is None, deployment.output
    return launcher


def make(deployment: Deployment, corrections: Path, *words: str) -> str:
    """What the one make command of the pages with these words prints, run as it stands but for its file's folder."""
    (command,) = (c for c in commands() if c.startswith("make ") and all(word in c for word in words))
    command = command.replace("corrections.jsonl", str(corrections))
    done = subprocess.run(
        command, shell=True, cwd=ROOT, env=deployment.env, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.slow
def test_make_up_alone_promotes_a_champion_from_simulated_shots(
    deployment: Deployment, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Simulated shots lead to a champion, the page opens, and another verdict follows without a command."""
    unprepare(deployment)
    settings = {"PARIVISION_FEED": "", "PARIVISION_SENSOR_SECONDS": "5", "PARIVISION_RETRAIN_SHOTS": "6000"}
    monkeypatch.setattr(Deployment, "env", deployment.env | settings)
    launcher = deployment.up(ROOT / "Procfile", grace=14)
    until(lambda: "PariVision is up" in deployment.output or launcher.poll() is not None, "a champion", 5 * PATIENCE)
    assert launcher.poll() is None, deployment.output
    stages = ("lake: ", "features: ", "candidate: version 1, pass", "champion: version 1, served", "PariVision is up")
    places = [deployment.output.index(stage) for stage in stages]
    assert places == sorted(places)
    assert "Will this shot go in?" in fetch(f"http://127.0.0.1:{deployment.ui}")
    status = json.loads(fetch(f"http://127.0.0.1:{deployment.feed}/status"))
    assert status["scenario"] == "calm"
    for command in (c for c in commands() if c.startswith("curl ") and ":8800/" in c):
        assert run_curl(deployment, command)

    def verdicts() -> list[dict[str, Any]]:
        return list(json.loads(fetch(f"http://127.0.0.1:{deployment.api}/api/v1/verdicts")))

    until(lambda: len(verdicts()) > 1 or launcher.poll() is not None, "another verdict", 3 * PATIENCE)
    assert verdicts()[0]["champion"] == 1
    for row in open_files(deployment.home, NBA).manifests():
        assert (row.feed, row.rows) == ("virtual_bets", row.inserted)
    below = psutil.Process(launcher.pid).children(recursive=True)
    launcher.send_signal(signal.SIGINT)
    assert launcher.wait(PATIENCE) == 0
    assert not any(running(p.pid) for p in below)
    assert not any(map(taken, (deployment.api, deployment.dagster, deployment.mlflow, deployment.ui, deployment.feed)))


@pytest.mark.slow
def test_a_season_comes_back_as_predictions_and_the_platform_moves_to_mongodb(
    deployment: Deployment, mongo_server: str, mongo_database: Database[dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A platform on files from the first start to the last process ended, then the same one on MongoDB."""
    unprepare(deployment)
    launcher = started(deployment)
    assert fetch(f"http://127.0.0.1:{deployment.api}/health/live")
    assert fetch(f"http://127.0.0.1:{deployment.mlflow}/health") == "OK"
    until(lambda: loaded(deployment.dagster) == ["parivision"], "Dagster has loaded the code", PATIENCE)

    (copy,) = (c for c in commands() if c.startswith("cp "))
    season = shots.season(games=160, shots=75, skill=1.5)
    right = season.loc[7, "PLAYER_ID"]
    season.loc[7, "PLAYER_ID"] = "no-player"
    shots.write(season, deployment.folder / copy.split()[1])
    copy = copy.replace(".real/", f"{deployment.home}/")
    subprocess.run(copy, shell=True, cwd=deployment.folder, check=True)
    (deployment.home / "inbox" / "poisoned.csv").write_text("what,is,this\n1,2,3\n")
    until(lambda: ready(deployment) or launcher.poll() is not None, "a champion is served", 3 * PATIENCE)
    store = open_files(deployment.home, NBA)
    check_answers(deployment, store)
    assert [v.decision for v in store.verdicts()] == ["pass"]
    assert [m.source for m in store.manifests()] == [copy.split()[1]]
    assert "unknown layout" in store.failures()[0].error

    below = psutil.Process(launcher.pid).children(recursive=True)
    open_to_others = [
        c.laddr for p in below for c in p.net_connections("inet") if c.status == "LISTEN" and c.laddr.ip != "127.0.0.1"
    ]
    assert not open_to_others
    launcher.send_signal(signal.SIGINT)
    assert launcher.wait(PATIENCE) == 0
    assert "was killed" not in deployment.output, deployment.output
    assert not any(running(p.pid) for p in below)
    assert not any(map(taken, (deployment.api, deployment.dagster, deployment.mlflow)))

    move_to_mongodb(deployment, str(right), named(mongo_server, mongo_database.name), monkeypatch)
    launcher = started(deployment, times=2)  # Dagster learns of the replayed batch, and refreshes the downstream assets
    moved = open_mongo(mongo_database, NBA)

    def served() -> bool:
        rows, stamp = moved.warehouse_state().rows, moved.feature_state_stamp()
        return rows == 12_000 and ready(deployment) and predict(deployment, **CLICKED)["feature_state_stamp"] == stamp

    until(lambda: served() or launcher.poll() is not None, "the corrected shot is served", 5 * PATIENCE)
    assert launcher.poll() is None, deployment.output
    assert moved.lake(["_id"]).num_rows == 12_000
    assert len(store.manifests()) == 2  # the platform uses the copy
    launcher.send_signal(signal.SIGINT)
    assert launcher.wait(PATIENCE) == 0


def check_answers(deployment: Deployment, store: Store) -> None:
    """Every curl command of the pages is answered, and answers are those of the champion and the feature state."""
    assert curl(deployment, "/health/ready").startswith("HTTP/1.1 200")
    assert json.loads(curl(deployment, "/players")) == []  # no player here has this name
    assert (
        json.loads(fetch(f"http://127.0.0.1:{deployment.api}/api/v1/players?search=200370"))[0]["player_id"] == 200_370
    )
    clicked, again = json.loads(curl(deployment, "/api/v1/predict -H")), predict(deployment, **CLICKED)
    assert clicked.pop("id") != again.pop("id")
    assert clicked == again
    more = {"player_id": 200_370, "team": "ATL", "kind": "jump"}
    known = predict(deployment, **CLICKED, **more)
    registry = ModelRegistry(f"sqlite:///{deployment.home}/mlflow/mlflow.db", "parivision")
    champion, record = registry.bundle(1), store.get_feature_state()
    assert record is not None
    feature_state = NBA.load_feature_state(record)
    for answer, question in ((clicked, CLICKED), (known, CLICKED | more)):
        prepared = NBA.prepare(msgspec.convert(question, NBA.request), feature_state)
        assert answer["probability"] == pytest.approx(float(champion.predict(prepared.features, prepared.offset)[0]))
        assert (answer["champion_version"], answer["feature_state_stamp"]) == (1, record.stamp)
    assert clicked["probability"] != known["probability"]
    for command in (c for c in commands() if c.startswith("curl ") and ":8000/" in c):
        assert run_curl(deployment, command, str(known["id"]))
    bulk = json.loads(curl(deployment, "/predict/bulk"))
    assert (len(bulk["predictions"]), [problem["row"] for problem in bulk["problems"]]) == (2, [1])
    assert "%" in make(deployment, deployment.folder, "client", "--explain")


def move_to_mongodb(deployment: Deployment, right: str, url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Correct the row in quarantine with the commands of the pages, and copy the store; `right` is its player."""
    corrections = deployment.folder / "corrections.jsonl"
    assert "1 rows written" in make(deployment, corrections, "quarantine", "--write")
    corrections.write_text(corrections.read_text().replace("no-player", right))
    assert "1 corrections replayed" in make(deployment, corrections, "replay", "corrections.jsonl")
    monkeypatch.setattr(Deployment, "env", {**deployment.env, "PARIVISION_MONGO_URL": url})
    assert "Both hold 2 batches, 12,000 shots, 0 hidden shots, 1 quarantined" in make(deployment, corrections, "copy")
