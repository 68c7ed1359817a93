"""Dagster's local run launcher, extended by a check whether a run still has a living process.

Without it, a run whose code server died with it (a power cut, `kill -9` of everything) stays "started" for ever and,
where one run executes at a time, blocks every later one.
"""

from __future__ import annotations

import json
import os

import grpc
from dagster import DagsterRun, DefaultRunLauncher, deserialize_value
from dagster._core.errors import DagsterUserCodeUnreachableError
from dagster._core.launcher import CheckRunHealthResult, WorkerStatus
from dagster._core.storage.tags import GRPC_INFO_TAG
from dagster._grpc.client import DagsterGrpcClient
from dagster._grpc.types import CanCancelExecutionRequest, CanCancelExecutionResult

CODE_SERVER_GONE = "the code server is gone"
PID_TAG = "parivision/pid"
"""Tag of a run that executes in the process that created it, such as `make refresh`."""


class WatchedRunLauncher(DefaultRunLauncher):
    """Launches like its parent; asks the code server or the operating system whether a run is still executing."""

    @property
    def supports_check_run_worker_health(self) -> bool:
        """True: it implements check_run_worker_health."""
        return True

    def check_run_worker_health(self, run: DagsterRun) -> CheckRunHealthResult:
        """RUNNING while a process executes the run; run monitoring marks the others as failed."""
        if GRPC_INFO_TAG in run.tags:
            alive, problem = _known_to_code_server(run), f"{CODE_SERVER_GONE} or no longer knows this run"
        elif PID_TAG in run.tags:
            alive, problem = _exists(int(run.tags[PID_TAG])), f"process {run.tags[PID_TAG]} is gone"
        else:
            return CheckRunHealthResult(WorkerStatus.RUNNING, "a run of another process, whose health can't be checked")
        if alive:
            return CheckRunHealthResult(WorkerStatus.RUNNING)
        return CheckRunHealthResult(WorkerStatus.FAILED, problem)


def _known_to_code_server(run: DagsterRun) -> bool:
    info = json.loads(run.tags[GRPC_INFO_TAG])
    client = DagsterGrpcClient(port=info.get("port"), socket=info.get("socket"), host=info.get("host", "localhost"))
    try:
        answer = client.can_cancel_execution(CanCancelExecutionRequest(run_id=run.run_id))
    except DagsterUserCodeUnreachableError as error:
        # A server that isn't there executes no run; one that is too busy to answer in time may well do.
        return not (
            isinstance(error.__cause__, grpc.RpcError) and error.__cause__.code() == grpc.StatusCode.UNAVAILABLE
        )
    return deserialize_value(answer, CanCancelExecutionResult).can_cancel


def _exists(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
