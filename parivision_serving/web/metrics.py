"""The metrics at /metrics: requests, predictions, prediction log, champion and drift, summed over all workers."""

from __future__ import annotations

import os
import threading
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.metrics_core import GaugeMetricFamily, Metric
from prometheus_client.multiprocess import MultiProcessCollector, mark_process_dead
from prometheus_client.registry import Collector

from parivision_serving.web.process import MULTIPROCESS_FOLDER

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
UNMATCHED = "none"
"""Label of requests that match no route: their paths would make endless labels."""

_REQUEST_SECONDS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0)
_INFERENCE_SECONDS = (0.00001, 0.000025, 0.00005, 0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.01, 0.05, 0.25, 1.0)
_PROBABILITIES = tuple(round(0.05 * i, 2) for i in range(1, 20))

Reading = Mapping[str, tuple[str, Mapping[str, float]]]
"""Gauge -> help text, and value by label; the label is "" if the gauge has none."""


class BulkHistogram(Histogram):
    """A histogram that takes many values at once: one by one, at 2 us each, they would cost a tenth of a request."""

    def observe_many(self, values: NDArray[np.floating[Any]]) -> None:
        """Observe values (n,) that are finite."""
        counts = np.bincount(np.searchsorted(self._upper_bounds, values), minlength=len(self._buckets))
        for bucket, count in zip(self._buckets, counts.tolist(), strict=True):
            if count:
                bucket.inc(count)
        self._sum.inc(float(values.sum()))


class Metrics:
    """The metrics of one worker. Counters and histograms add up over workers; readings are the same in all workers."""

    def __init__(self, read: Callable[[], Reading] = dict) -> None:
        """`read` gives the gauges that are read anew at every scrape."""
        folder = os.environ.get(MULTIPROCESS_FOLDER)
        self._registry = CollectorRegistry()
        own: Any = None if folder else self._registry  # with several workers, files hold the values
        self.requests = BulkHistogram(
            "parivision_request_seconds",
            "Seconds from the arrival of a request to the end of its answer.",
            ("route", "method", "status"),
            buckets=_REQUEST_SECONDS,
            registry=own,
        )
        self.predictions = Counter(
            "parivision_predictions", "Predicted shots by version of the champion.", ("version",), registry=own
        )
        self.probability = BulkHistogram(
            "parivision_probability", "Predicted probabilities of a make.", buckets=_PROBABILITIES, registry=own
        )
        self.inference = BulkHistogram(
            "inference_time_seconds",
            "Seconds for the features and the model of one request.",
            buckets=_INFERENCE_SECONDS,
            registry=own,
        )
        self.prediction_log_depth = Gauge(
            "parivision_prediction_log_depth",
            "Answered requests that wait to be written to the prediction log.",
            multiprocess_mode="livesum",
            registry=own,
        )
        self.prediction_log_written = Counter(
            "parivision_prediction_log_written", "Requests written to the prediction log.", registry=own
        )
        self.prediction_log_dropped = Counter(
            "parivision_prediction_log_dropped",
            "Answered requests that were not kept because the prediction log was full.",
            registry=own,
        )
        self.reload_failures = Counter(
            "parivision_reload_failures",
            "New problems in looking for a new champion or feature state.",
            registry=own,
        )
        if folder:
            _remove_dead_workers(Path(folder))
            MultiProcessCollector(self._registry, folder)  # type: ignore[no-untyped-call]
        self._registry.register(_Readings(read))
        self._seconds: defaultdict[tuple[str, str, int], list[float]] = defaultdict(list)
        """Route, method and status -> seconds of the requests since the last `settle`."""
        self._predicted: defaultdict[int, list[tuple[float, float]]] = defaultdict(list)
        self._settling = threading.Lock()

    def request(self, route: str, method: str, status: int, seconds: float) -> None:
        """Count an answered request."""
        self._seconds[route, method, status].append(seconds)

    def predicted(self, version: int, probability: float, seconds: float) -> None:
        """Count a prediction and its seconds."""
        self._predicted[version].append((probability, seconds))

    def predicted_many(self, version: int, probability: NDArray[np.floating[Any]], seconds: float) -> None:
        """Count the predictions (n,) of a bulk request; NaN stands for a refused row."""
        answered = probability[np.isfinite(probability)]
        self.predictions.labels(str(version)).inc(len(answered))
        self.probability.observe_many(answered)
        self.inference.observe(seconds)

    def settle(self) -> None:
        """Move what was counted since the last time into the metrics: once a second, and before each scrape."""
        with self._settling:
            seconds, self._seconds = self._seconds, defaultdict(list)
            predicted, self._predicted = self._predicted, defaultdict(list)
            for (route, method, status), values in seconds.items():
                self.requests.labels(route, method, str(status)).observe_many(np.array(values))
            for version, pairs in predicted.items():
                probability, took = np.array(pairs).T
                self.predictions.labels(str(version)).inc(len(pairs))
                self.probability.observe_many(probability)
                self.inference.observe_many(took)

    def exposition(self) -> bytes:
        """All metrics in Prometheus' text format."""
        self.settle()
        return generate_latest(self._registry)


class _Readings(Collector):
    """Collects the gauges that are read at every scrape."""

    def __init__(self, read: Callable[[], Reading]) -> None:
        self._read = read

    def collect(self) -> Iterable[Metric]:
        for name, (explanation, values) in self._read().items():
            gauge = GaugeMetricFamily(name, explanation, labels=[] if "" in values else ["name"])
            for label, value in values.items():
                gauge.add_metric([label] if label else [], value)
            yield gauge


def _remove_dead_workers(folder: Path) -> None:
    """Take the gauges of workers that died out of the sum; each worker has its own files in the folder."""
    for file in folder.glob("gauge_live*_*.db"):
        worker = file.stem.rpartition("_")[2]
        if worker.isdigit() and not Path(f"/proc/{worker}").exists():
            mark_process_dead(int(worker), str(folder))  # type: ignore[no-untyped-call]
