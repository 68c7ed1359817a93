"""A whole deployment in one process, in which a test lets days pass: VirtualBets over HTTP and the real definitions.

Only the run launcher and the daemon are missing: the sensors and automation conditions are evaluated here, and the runs
that they request are executed in process.
"""

from __future__ import annotations

import datetime as dt
import shutil
import socket
import sqlite3
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import anyio
import dagster as dg
import msgspec
import pytest
import uvicorn
from dagster._core.definitions.asset_daemon_cursor import AssetDaemonCursor

from parivision_assets.definitions import build
from parivision_assets.defs.feed import sensors as feed_sensors
from parivision_assets.defs.monitoring import sensors as monitoring_sensors
from parivision_assets.defs.promotion import sensors as promotion_sensors
from parivision_assets.defs.training import sensors as training_sensors
from parivision_assets.feeds import virtual_bets
from parivision_assets.feeds.base import Batch
from parivision_assets.orchestration.keys import DRIFT_CHECK, drift_report_key
from parivision_assets.resources import feeds_of
from parivision_assets.tracking.registry import ModelRegistry
from parivision_core.nba.shots import NBA
from parivision_core.settings import VIRTUAL_BETS, Settings
from parivision_core.store import open_store
from parivision_core.store.base import Store
from parivision_serving.virtual_bets.announcements import AnnouncedBatch, Announcements
from parivision_serving.virtual_bets.app import create_app
from parivision_serving.virtual_bets.clock import State, StateFile
from parivision_serving.virtual_bets.nba.simulator import Simulator
from parivision_serving.virtual_bets.scenarios import Scenario
from parivision_serving.virtual_bets.settings import VirtualBetsSettings
from parivision_serving.virtual_bets.source import Document, Fault
from tests.helpers.small_feed import FakeTime
from tests.helpers.small_models import fit_small_models

SEED = 1
MOST_TICKS = 12
"""A deployment that still requests runs after so many ticks will never stop."""
RUN_KEY_TAG = "dagster/run_key"
MLFLOW = "mlflow.db"
"""Beside the deployments' folders, so that one can replace another while MLflow keeps this file open."""
UNUSABLE = (Fault.CUT, Fault.GARBLED)
"""Batches of which nothing can be used."""
NEVER = 10**9
"""More new shots than any test has: only drift can cause a training."""


class Service:
    """VirtualBets at one address, with a clock that a test moves; it can be stopped and made to give wrong answers."""

    def __init__(self, home: Path, scenario: Scenario, days: float) -> None:
        self.settings = VirtualBetsSettings(home=home, scenario=scenario, seed=SEED, ahead_days=0)
        self.clock = FakeTime()
        self.instead: dict[str, tuple[int, bytes]] = {}
        """Path -> the status and body that are answered in place of the application's."""
        self.delay_seconds = 0.0
        """Before each answer."""
        file = StateFile(self.settings.folder)
        file.save(State(source=Simulator(SEED, scenario).name, days=days))
        file.close()
        with socket.create_server(("127.0.0.1", 0)) as found:
            self.port = found.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        self.start()

    def start(self) -> None:
        """Begin to answer; the season goes on where it was left."""
        self._app: Any = create_app(self.settings, self.clock)
        self._server = uvicorn.Server(uvicorn.Config(self._answer, port=self.port, log_config=None, interface="asgi3"))
        self._thread = threading.Thread(target=self._server.run, daemon=True)
        self._thread.start()
        while not self._server.started:
            assert self._thread.is_alive(), f"VirtualBets didn't start on port {self.port}"
            time.sleep(0.01)

    def stop(self) -> None:
        """End as a signal does."""
        self._server.should_exit = True
        self._thread.join(10)
        assert not self._thread.is_alive(), "VirtualBets didn't stop"

    async def _answer(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "http":
            await anyio.sleep(self.delay_seconds)
            if scope["path"] in self.instead:
                status, body = self.instead[scope["path"]]
                await send({"type": "http.response.start", "status": status, "headers": []})
                await send({"type": "http.response.body", "body": body})
                return
        await self._app(scope, receive, send)


@dataclass(frozen=True)
class Done:
    """A run that was requested and executed."""

    requested_by: str
    """A sensor, or the automation."""
    success: bool
    reason: str
    """Why a training was requested; empty for other runs."""


class Memory(msgspec.Struct):
    """The state that the daemon would keep."""

    now: float = msgspec.field(default_factory=time.time)
    """Seconds since the epoch, the time that sensors read."""
    days: float = 0.0
    """Simulated days that have passed."""
    cursors: dict[str, str] = {}
    run_keys: set[tuple[str, str]] = set()
    """Sensor and key of each request; the daemon never launches two runs for the same."""
    automation: str = ""


@dataclass
class Deployment:
    """A deployment in a folder, the only one in its process while it is open.

    Deployments that continue one another use the same folder, because MLflow and the sensors store paths.
    """

    folder: Path
    scenario: Scenario = Scenario.CALM
    retrain_shots: int = NEVER
    asleep: frozenset[str] = frozenset()
    """Sensors that are switched off, as a person may in Dagster."""
    origin: Path | None = None
    """A copy of the deployment that this one continues."""
    skip_messages: dict[str, str] = field(default_factory=dict)
    """Why each sensor requested nothing when it was evaluated last."""
    done: list[Done] = field(default_factory=list)
    """All runs, in their order."""

    def __enter__(self) -> Deployment:
        if self.origin:
            shutil.rmtree(self.folder)
            shutil.copytree(self.origin, self.folder, ignore=shutil.ignore_patterns("feed"))
            _copy_database(self.folder / MLFLOW, self.mlflow)
        (self.folder / "dagster").mkdir(parents=True, exist_ok=True)
        kept = self.folder / "memory.json"
        self.memory = msgspec.json.decode(kept.read_bytes(), type=Memory) if kept.exists() else Memory()
        self.service = Service(self.folder / "feed", self.scenario, self.memory.days)
        self.instance = dg.DagsterInstance.local_temp(str(self.folder / "dagster"))
        self.settings = Settings(
            home=self.folder / "home",
            feed=VIRTUAL_BETS,
            feed_url=self.service.url,
            tracking_uri=f"sqlite:///{self.mlflow}",
            retrain_shots=self.retrain_shots,
        ).resolved()
        self.patch = pytest.MonkeyPatch()
        for module in (feed_sensors, training_sensors, promotion_sensors, monitoring_sensors):
            self.patch.setattr(module, "time", lambda: self.memory.now)
        self.patch.setattr(virtual_bets, "PAUSE_SECONDS", 0.01)
        fit_small_models(self.patch)
        # The first listing simulates a whole season, which may take long on a busy machine.
        self.patch.setattr(virtual_bets, "ANSWER_SECONDS", 120.0)
        return self

    def __exit__(self, *_: object) -> None:
        self.service.stop()
        self.instance.dispose()
        self.patch.undo()
        feed_sensors._logged_problems.clear()
        feed_sensors._logged_ignored.clear()
        virtual_bets._remote.cache_clear()
        (self.folder / "memory.json").write_bytes(msgspec.json.encode(self.memory))

    def keep(self, copy: Path) -> Deployment:
        """Copy the closed deployment, so that others can continue it."""
        self.kept = Path(shutil.copytree(self.folder, copy))
        _copy_database(self.mlflow, copy / MLFLOW)
        return self

    def continued(
        self, scenario: Scenario, retrain_shots: int = NEVER, asleep: frozenset[str] = frozenset()
    ) -> Deployment:
        """A deployment that continues the copy of this one with another scenario."""
        return Deployment(self.folder, scenario, retrain_shots, asleep, self.kept)

    # Its parts

    @property
    def mlflow(self) -> Path:
        return self.folder.with_name(MLFLOW)

    @cached_property
    def definitions(self) -> dg.Definitions:
        return build([NBA], self.settings)

    @cached_property
    def store(self) -> Store:
        return open_store(self.settings, NBA)

    @cached_property
    def registry(self) -> ModelRegistry:
        return ModelRegistry(self.settings.tracking_uri, NBA.registered_model)

    # Passing time

    def live(self, days: int) -> list[Done]:
        """Let so many simulated days pass, and execute all runs that are requested then."""
        self.service.clock.pass_days(days)
        self.memory.days += days
        return self.settle()

    def settle(self) -> list[Done]:
        """Tick until nothing is requested."""
        before = len(self.done)
        for _ in range(MOST_TICKS):
            if not self.tick():
                return self.done[before:]
        raise AssertionError(f"the deployment keeps requesting runs: {self.done[before:]}")

    def wait(self, seconds: float) -> list[Done]:
        """Let time pass for the sensors only, and execute the runs that they request then."""
        self.memory.now += seconds
        return self.settle()

    def tick(self) -> list[Done]:
        """Evaluate each sensor and the automation once, and execute the requested runs one after the other."""
        # Never earlier than Dagster's own records, which have the real time.
        self.memory.now = max(self.memory.now + self.settings.sensor_seconds, time.time())
        names = [s.name for s in self.definitions.sensors or [] if s.name not in {"automation", *self.asleep}]
        return [done for name in names for done in self._evaluated(name)] + self._automated()

    def _evaluated(self, name: str) -> Iterator[Done]:
        sensor, resources = self.definitions.resolve_sensor_def(name), self.definitions.resources or {}
        context = dg.build_sensor_context(
            instance=self.instance,
            cursor=self.memory.cursors.get(name),
            definitions=self.definitions,
            sensor_name=name,
            resources={key: resources[key] for key in sensor.required_resource_keys},
        )
        with context:
            tick = sensor.evaluate_tick(context)
        for added in tick.dynamic_partitions_requests or []:
            self.instance.add_dynamic_partitions(added.partitions_def_name, list(added.partition_keys or []))
        if tick.cursor:
            self.memory.cursors[name] = tick.cursor
        self.skip_messages[name] = tick.skip_message or ""
        for request in tick.run_requests or []:
            assert request.run_key, f"{name} would request the same run again and again"
            if (name, request.run_key) not in self.memory.run_keys:
                self.memory.run_keys.add((name, request.run_key))
                chosen = request.asset_selection
                job = self._assets_job if chosen else self.definitions.resolve_job_def(str(sensor.job_name))
                yield self._execute(name, job, chosen, {**request.tags, RUN_KEY_TAG: request.run_key})

    def _automated(self) -> list[Done]:
        before = self.memory.automation
        result = dg.evaluate_automation_conditions(
            defs=self.definitions,
            instance=self.instance,
            cursor=dg.deserialize_value(before, AssetDaemonCursor) if before else None,
            evaluation_time=dt.datetime.fromtimestamp(self.memory.now, tz=dt.UTC),
        )
        self.memory.automation = dg.serialize_value(result.cursor)
        keys = [r.key for r in result.results if not r.true_subset.is_empty]
        return [self._execute("automation", self._assets_job, keys, {})] if keys else []

    def _execute(
        self, requested_by: str, job: dg.JobDefinition, keys: Sequence[Any] | None, tags: dict[str, str]
    ) -> Done:
        result = job.execute_in_process(
            instance=self.instance, asset_selection=list(keys) if keys else None, tags=tags, raise_on_error=False
        )
        self.done.append(Done(requested_by, result.success, tags.get(training_sensors.REASON_TAG, "")))
        return self.done[-1]

    @cached_property
    def _assets_job(self) -> dg.JobDefinition:
        return self.definitions.resolve_implicit_global_asset_job_def()

    # Its state

    def announced(self) -> list[AnnouncedBatch]:
        """The batches that VirtualBets has announced, as its source says."""
        return announced(self.scenario, self.memory.days)

    def offered(self) -> list[Batch]:
        """What the feed offers, in the order of the announcements."""
        return feeds_of(self.settings).offers().batches

    def through(self) -> str:
        """The last day in the feature state."""
        feature_state = self.store.get_feature_state()
        return str(feature_state.through) if feature_state else ""

    def drift_reports(self) -> list[dg.AssetCheckEvaluation]:
        """The outcomes of the drift check, newest first."""
        records = self.instance.event_log_storage.get_asset_check_execution_history(
            dg.AssetCheckKey(drift_report_key(NBA), DRIFT_CHECK), limit=100
        )
        return [record.evaluation for record in records if isinstance(record.evaluation, dg.AssetCheckEvaluation)]

    def watched_champion(self) -> int:
        """The version that the newest drift report is about."""
        event = self.instance.get_latest_materialization_event(drift_report_key(NBA))
        assert event is not None
        assert event.asset_materialization is not None
        return int(str(event.asset_materialization.metadata["champion"].value))


def _copy_database(source: Path, target: Path) -> None:
    """Copy what is in a database, and not the file, which MLflow may hold open."""
    with closing(sqlite3.connect(source)) as ours, closing(sqlite3.connect(target)) as theirs:
        ours.backup(theirs)


def announced(scenario: Scenario, days: float) -> list[AnnouncedBatch]:
    """The batches of a scenario that are announced after so many days."""
    found = Announcements(Simulator(SEED, scenario))
    found.advance(int(days))
    return found.all


def sound_documents(scenario: Scenario, days: float) -> list[Document]:
    """The usable documents of a scenario's second season, after so many days."""
    source, found = Simulator(SEED, scenario), list[Document]()
    for batch in announced(scenario, days):
        fault = batch.offer.fault
        if batch.season and fault not in UNUSABLE:
            sound = source.documents(batch.season, replace(batch.offer, fault=None))
            if fault is Fault.DOCUMENTS:
                pairs = zip(sound, source.documents(batch.season, batch.offer), strict=True)
                sound = [document for document, delivered in pairs if document == delivered]
            found += sound
    return found
