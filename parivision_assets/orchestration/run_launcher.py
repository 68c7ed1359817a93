"""Dagster's local run launcher, extended by a check whether a run still has a living process.

Without it, a run whose code server died with it (a power cut, `kill -9` of everything) stays "started" for ever and,
where one run executes at a time, blocks every later one. The same happens to a run that died while the disk was full:
the code server's thread that looks for dead runs ends with the first error of Dagster's storage, and from then on the
server takes every run for a living one.
"""

from __future__ import annotations

import json
import os
import re
from pathlib import Path
from typing import Any

import grpc
from dagster import DagsterEventType, DagsterInstance, DagsterRun, DefaultRunLauncher, deserialize_value
from dagster._core.errors import DagsterUserCodeUnreachableError
from dagster._core.launcher import CheckRunHealthResult, WorkerStatus
from dagster._core.storage.tags import GRPC_INFO_TAG
from dagster._grpc.client import DagsterGrpcClient
from dagster._grpc.types import CanCancelExecutionRequest, CanCancelExecutionResult

CODE_SERVER_GONE = "the code server is gone"
PID_TAG = "parivision/pid"
"""Tag of a run that executes in the process that created it, such as `make refresh`."""
_STARTED = re.compile(r"^Started process for run \(pid: (\d+)\)")
"""Dagster's message, the first of a run's process."""


class WatchedRunLauncher(DefaultRunLauncher):
    """Launches like its parent; asks the code server or the operating system whether a run is still executing."""

    @property
    def supports_check_run_worker_health(self) -> bool:
        """True: it implements check_run_worker_health."""
        return True

    def check_run_worker_health(self, run: DagsterRun) -> CheckRunHealthResult:
        """RUNNING while a process executes the run; run monitoring marks the others as failed."""
        if GRPC_INFO_TAG in run.tags:
            info = json.loads(run.tags[GRPC_INFO_TAG])
            if not _known_to_code_server(run, info):
                return _failed(f"{CODE_SERVER_GONE} or no longer knows this run")
            pid = _pid(run, self._instance) if info.get("socket") else None  # a socket is on this machine
        elif PID_TAG in run.tags:
            pid = int(run.tags[PID_TAG])
        else:
            return CheckRunHealthResult(WorkerStatus.RUNNING, "a run of another process, whose health can't be checked")
        if pid is None or _exists(pid):
            return CheckRunHealthResult(WorkerStatus.RUNNING)
        return _failed(f"its process {pid} is gone")


def _failed(problem: str) -> CheckRunHealthResult:
    return CheckRunHealthResult(WorkerStatus.FAILED, problem)


def _known_to_code_server(run: DagsterRun, info: dict[str, Any]) -> bool:
    client = DagsterGrpcClient(port=info.get("port"), socket=info.get("socket"), host=info.get("host", "localhost"))
    try:
        answer = client.can_cancel_execution(CanCancelExecutionRequest(run_id=run.run_id))
    except DagsterUserCodeUnreachableError as error:
        # A server that isn't there executes no run; one that is too busy to answer in time may well do.
        return not (
            isinstance(error.__cause__, grpc.RpcError) and error.__cause__.code() == grpc.StatusCode.UNAVAILABLE
        )
    return deserialize_value(answer, CanCancelExecutionResult).can_cancel


def _pid(run: DagsterRun, instance: DagsterInstance) -> int | None:
    """The process that executes a run, as its log says; None when it doesn't."""
    records = instance.get_records_for_run(run.run_id, of_type=DagsterEventType.ENGINE_EVENT).records
    found = (_STARTED.match(record.event_log_entry.message) for record in records)
    return next((int(match[1]) for match in found if match), None)


def _exists(pid: int) -> bool:
    """Whether a process runs; one that has ended and that its parent hasn't looked at yet doesn't."""
    try:
        os.kill(pid, 0)
        # The command name in brackets may contain anything, so the fields are counted from the last bracket.
        return Path(f"/proc/{pid}/stat").read_text("utf-8", "replace").rpartition(")")[2].split()[0] not in "ZX"
    except ProcessLookupError:
        return False
    except OSError:  # another user's, or a system without /proc
        return True
