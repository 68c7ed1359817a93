"""Brings the metrics up to date: counters of the prediction log and the watcher, and gauges of what is served."""

from __future__ import annotations

import time
from contextlib import suppress

import anyio

from parivision_core.problems import RegistryError
from parivision_core.tracking.drift_reports import DriftReport, read_drift
from parivision_core.tracking.registry import RegistryReader
from parivision_serving.prediction.champion import Watcher
from parivision_serving.prediction_log.recorder import Recorder
from parivision_serving.web.metrics import Metrics, Reading

UPDATE_SECONDS = 1.0
DRIFT_SECONDS = 60.0


class MetricsUpdater:
    """Copies what other parts of the service count into the metrics."""

    def __init__(self, watcher: Watcher, recorder: Recorder, registry: RegistryReader) -> None:
        self._watcher, self._recorder, self._registry = watcher, recorder, registry
        self._drift: Reading = {}
        self._counted = {"written": 0, "dropped": 0, "failures": 0}

    async def run(self, metrics: Metrics) -> None:
        """Update the metrics once a second, until cancelled."""
        while True:
            self.update(metrics)
            await anyio.sleep(UPDATE_SECONDS)

    async def watch_drift(self) -> None:
        """Read the latest drift report once a minute, until cancelled; if that fails, the last one stays."""
        while True:
            with suppress(RegistryError):
                reports = await anyio.to_thread.run_sync(read_drift, self._registry, 1)
                self._drift = _drift_of(reports[0]) if reports else {}
            await anyio.sleep(DRIFT_SECONDS)

    def update(self, metrics: Metrics) -> None:
        """Bring the metrics up to date."""
        metrics.settle()
        now = {
            "written": self._recorder.written,
            "dropped": self._recorder.dropped,
            "failures": self._watcher.failures,
        }
        grown = {name: count - self._counted[name] for name, count in now.items()}
        metrics.prediction_log_written.inc(grown["written"])
        metrics.prediction_log_dropped.inc(grown["dropped"])
        metrics.reload_failures.inc(grown["failures"])
        metrics.prediction_log_depth.set(self._recorder.depth)
        self._counted = now

    def readings(self) -> Reading:
        """Gauges of what is served now; all workers agree on them within seconds."""
        pair = self._watcher.pair
        served: Reading = {
            **self._drift,
            "parivision_ready": ("1 if predictions are answered, else 0.", {"": float(pair is not None)}),
            "parivision_prediction_log_problem": (
                "1 if the prediction log is damaged or can't be written, else 0.",
                {"": float(self._recorder.problem is not None)},
            ),
        }
        if pair is None:
            return served
        age = time.time() - pair.champion.registered_at / 1000
        return {
            **served,
            "parivision_champion_version": ("Version of the champion in service.", {"": pair.champion.version}),
            "parivision_champion_epoch": (
                "Promotions and rollbacks so far, as of the champion in service.",
                {"": pair.champion.epoch},
            ),
            "parivision_champion_age_seconds": ("Seconds since the champion was registered.", {"": age}),
            "parivision_feature_state_shots": ("Shots in the feature state in service.", {"": pair.record.shots}),
            "parivision_reload_problem": (
                "1 if the latest champion or feature state can't be served, else 0.",
                {"": float(self._watcher.problem is not None)},
            ),
        }


def _drift_of(report: DriftReport) -> Reading:
    return {
        "parivision_drift_distance": (
            "How far a column has moved from the champion's training window.",
            {column.name: column.distance for column in report.columns},
        ),
        "parivision_drift_threshold": (
            "Distance up to which a column's move counts as noise.",
            {column.name: column.threshold for column in report.columns},
        ),
        "parivision_drifted_columns": (
            "Watched columns beyond their thresholds.",
            {"": float(sum(column.alarms for column in report.columns))},
        ),
        "parivision_drift_reported_at_seconds": (
            "When the latest drift report was made, in seconds since 1970.",
            {"": report.reported_at / 1000},
        ),
        "parivision_log_loss": ("Log loss of the champion on the newest shots.", {"": report.log_loss}),
        "parivision_expected_log_loss": (
            "Log loss of the champion on the newest shots if its probabilities were exact.",
            {"": report.expected_log_loss},
        ),
    }
