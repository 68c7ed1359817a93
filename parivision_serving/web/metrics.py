"""What Prometheus reads at /metrics: requests, predictions, prediction log, champion and drift, summed over all workers."""

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
"""Route of requests that match none: their paths would be labels without end."""

_REQUEST_SECONDS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0)
_INFERENCE_SECONDS = (0.00001, 0.000025, 0.00005, 0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.01, 0.05, 0.25, 1.0)
_PROBABILITIES = tuple(round(0.05 * i, 2) for i in range(1, 20))

Reading = Mapping[str, tuple[str, Mapping[str, float]]]
"""Name -> help text and value by label, or by "" without one."""


class BulkHistogram(Histogram):
    """A histogram that takes many values at once: 2 us for each would cost a request a tenth of its time."""

    def observe_many(self, values: NDArray[np.floating[Any]]) -> None:
        """Observe values (n,) that are finite."""
        counts = np.bincount(np.searchsorted(self._upper_bounds, values), minlength=len(self._buckets))
        for bucket, count in zip(self._buckets, counts.tolist(), strict=True):
            if count:
                bucket.inc(count)
        self._sum.inc(float(values.sum()))


class Metrics:
    """The metrics of one worker. Counters and histograms add up over workers; readings are the same in all of them."""

    def __init__(self, read: Callable[[], Reading] = dict) -> None:
        """Take what is read anew at every scrape, as gauges."""
        folder = os.environ.get(MULTIPROCESS_FOLDER)
        self._registry = CollectorRegistry()
        own: Any = None if folder else self._registry  # of several workers, the files hold the values
        self.requests = BulkHistogram(
            "parivision_request_seconds",
            "From the arrival of a request to the end of its answer.",
            ("route", "method", "status"),
            buckets=_REQUEST_SECONDS,
            registry=own,
        )
        self.predictions = Counter(
            "parivision_predictions", "Shots predicted, by version of the champion.", ("version",), registry=own
        )
        self.probability = BulkHistogram(
            "parivision_probability", "Predicted chances of a make.", buckets=_PROBABILITIES, registry=own
        )
        self.inference = BulkHistogram(
            "inference_time_seconds",
            "Features and model, for one request.",
            buckets=_INFERENCE_SECONDS,
            registry=own,
        )
        self.prediction_log_depth = Gauge(
            "parivision_prediction_log_depth",
            "Answered requests that wait to be written.",
            multiprocess_mode="livesum",
            registry=own,
        )
        self.prediction_log_written = Counter(
            "parivision_prediction_log_written", "Requests written to the prediction log.", registry=own
        )
        self.prediction_log_dropped = Counter(
            "parivision_prediction_log_dropped", "Requests that the prediction log had no room for.", registry=own
        )
        self.reload_failures = Counter(
            "parivision_reload_failures",
            "Looks for a new champion or feature state that went wrong in a new way.",
            registry=own,
        )
        if folder:
            _bury(Path(folder))
            MultiProcessCollector(self._registry, folder)  # type: ignore[no-untyped-call]
        self._registry.register(_Readings(read))
        self._seconds: defaultdict[tuple[str, str, int], list[float]] = defaultdict(list)
        """Route, method and status -> what requests took since the last `settle`."""
        self._predicted: defaultdict[int, list[tuple[float, float]]] = defaultdict(list)
        self._settling = threading.Lock()

    def request(self, route: str, method: str, status: int, seconds: float) -> None:
        """Count an answered request."""
        self._seconds[route, method, status].append(seconds)

    def predicted(self, version: int, probability: float, seconds: float) -> None:
        """Count a prediction and the seconds that it took."""
        self._predicted[version].append((probability, seconds))

    def predicted_many(self, version: int, probability: NDArray[np.floating[Any]], seconds: float) -> None:
        """Count a batch of predictions (n,); NaN stands for a row that was refused."""
        answered = probability[np.isfinite(probability)]
        self.predictions.labels(str(version)).inc(len(answered))
        self.probability.observe_many(answered)
        self.inference.observe(seconds)

    def settle(self) -> None:
        """Bring what was counted since the last time into the metrics: once a second, and before each scrape."""
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
    """Collects gauges that are read at the moment of the scrape."""

    def __init__(self, read: Callable[[], Reading]) -> None:
        self._read = read

    def collect(self) -> Iterable[Metric]:
        for name, (explanation, values) in self._read().items():
            gauge = GaugeMetricFamily(name, explanation, labels=[] if "" in values else ["name"])
            for label, value in values.items():
                gauge.add_metric([label] if label else [], value)
            yield gauge


def _bury(folder: Path) -> None:
    """Take gauges of workers that died out of the sum, in the folder where each has its files."""
    for file in folder.glob("gauge_live*_*.db"):
        worker = file.stem.rpartition("_")[2]
        if worker.isdigit() and not Path(f"/proc/{worker}").exists():
            mark_process_dead(int(worker), str(folder))  # type: ignore[no-untyped-call]
