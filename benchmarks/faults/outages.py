"""Long outages of what a platform uses elsewhere: an MLflow and a MongoDB that others run.

Predictions must be answered all the time, and be kept. What needs the part that is down must say so, and be done by
itself once it is back.
"""

from __future__ import annotations

import json
import os
import re
import urllib.request
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.faults import shared
from benchmarks.faults.outcome import Outcome
from benchmarks.faults.runs import LIVE, OVER_SECONDS, RUN_SECONDS, UP_SECONDS, VERDICTS, drop, probing
from benchmarks.faults.table import fault
from benchmarks.running_platform import ROOT, RunningPlatform
from benchmarks.serving_peers.deployment import registry
from benchmarks.serving_peers.server import Server
from parivision_core.nba.shots import NBA
from parivision_core.prediction_log import open_prediction_log
from parivision_core.settings import Settings
from parivision_core.store import open_store
from tests.helpers.mongo_server import MongoServer
from tests.helpers.serving_setup import SHOT
from tests.helpers.stores import named

OUTAGE_SECONDS = float(os.environ.get("OUTAGE_SECONDS", "90"))
"""Longer than any pause between two attempts, but for that of ten minutes after a run that failed."""
SEASON: dict[str, Any] = {"games": 160, "shots": 75, "skill": 1.5}
"""Games in a file, shots of each, and how much players differ: a model that learns it is better than the baseline."""
ROWS = SEASON["games"] * SEASON["shots"]
PREDICT = "/api/v1/predict"
MONGO_DOWN = re.compile(rb"MongoDB can't be reached")
MOST_CALLS = 10**6


@dataclass
class Elsewhere:
    """A platform, and what it uses."""

    platform: RunningPlatform
    settings: Settings
    mlflow: Server
    mongo: MongoServer

    def counts(self) -> tuple[int, int, int]:
        """Batches, rows of the features, and verdicts."""
        store = open_store(self.settings, NBA)
        return len(store.manifests()), store.warehouse_state().rows, len(store.verdicts())

    def serves(self) -> bool:
        """Whether a champion is served."""
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.platform.ports['API']}/health/ready", timeout=10):
                return True
        except OSError:
            return False

    def predictions(self) -> int:
        """How many the prediction log holds."""
        return len(open_prediction_log(self.settings, NBA).calls(limit=MOST_CALLS))


@shared.once
def elsewhere() -> Elsewhere:
    """A platform that serves a champion, the same for all of these faults."""
    folder, stack = shared.scratch() / "outages", shared.until_the_end()
    (folder / "mlflow").mkdir(parents=True)
    mongo = MongoServer(folder / "mongo").start()
    stack.callback(mongo.stop)
    mlflow = stack.enter_context(registry(folder, folder / "mlflow.log"))
    given = {
        "MLFLOW_TRACKING_URI": f"http://127.0.0.1:{mlflow.port}",
        "PARIVISION_MONGO_URL": named(mongo.url, "outages"),
        "PARIVISION_FEED": "inbox",
        "PARIVISION_RETRAIN_SHOTS": "10000",
    }
    home = folder / "home"
    settings = Settings.from_env(given | {"PARIVISION_HOME": str(home)})
    platform = stack.enter_context(RunningPlatform(home, PYTHONPATH=str(ROOT), **given))
    made = Elsewhere(platform, settings, mlflow, mongo)
    assert platform.wait_for(lambda: "PariVision is up" in platform.output, UP_SECONDS), platform.output[-2000:]
    drop(home, 0, **SEASON)
    assert platform.wait_for(made.serves, OVER_SECONDS), platform.output[-2000:]
    return made


def outage(end: Callable[[Elsewhere], object], start: Callable[[Elsewhere], object], *, goes_on: bool) -> Outcome:
    """Put a file into the inbox while a part is down; the file must be ingested, and a candidate of it be judged.

    `goes_on` is whether the file must be ingested meanwhile, and the store be read.
    """
    made = elsewhere()
    platform, api = made.platform, made.platform.ports["API"]
    batches, rows, verdicts = made.counts()
    known, said = made.predictions(), len(platform.output)
    shot = json.dumps(SHOT).encode()
    with ExitStack() as stack:
        reads = stack.enter_context(probing(api, (LIVE, VERDICTS), refusal=MONGO_DOWN))
        predicts = stack.enter_context(probing(api, (PREDICT,), shot))
        end(made)
        drop(platform.home, batches, **SEASON)
        platform.wait_for(lambda: False, OUTAGE_SECONDS)
        ingested = not goes_on or made.counts()[0] > batches
        start(made)
        judged = platform.wait_for(lambda: made.counts()[2] > verdicts, 2 * OVER_SECONDS)
    kept = platform.wait_for(lambda: made.predictions() == known + predicts.answered, RUN_SECONDS)
    words = platform.output[said:]
    reported = bool(re.search("MLflow|MongoDB", words)) and not re.search("Stack Trace|Traceback", words)
    folded = made.counts()[1] == rows + ROWS
    good = ingested and judged and folded and reported and predicts.answered > 0
    note = f"{ingested=}, {judged=}, {folded=}, {reported=}, {kept=}, {reads}, {predicts}"
    store = open_store(made.settings, NBA)
    found = shared.balanced(store, ROWS * (batches + 1), note="" if good else note)
    lost = found.lost + max(0, known + predicts.answered - made.predictions())
    failed = predicts.failed + predicts.refused + reads.failed + (reads.refused if goes_on else 0)
    return Outcome(lost, found.doubled, failed, reported=good and kept, note=found.note)


@fault(1, "a platform's MLflow is down for a while", quick=False)
def without_mlflow(folder: Path, seed: int) -> Outcome:
    """Shots are ingested and folded meanwhile, and a candidate is trained afterwards."""
    return outage(lambda made: made.mlflow.end(), lambda made: made.mlflow.__enter__(), goes_on=True)


@fault(1, "a platform's MongoDB is down for a while", quick=False)
def without_mongodb(folder: Path, seed: int) -> Outcome:
    """What was predicted meanwhile waits in memory for the prediction log."""
    return outage(lambda made: made.mongo.stop(), lambda made: made.mongo.start(), goes_on=False)
