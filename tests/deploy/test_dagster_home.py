"""DAGSTER_HOME: all of Dagster's state is in this folder, and runs without a process are recognised."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml
from dagster import DagsterInstance, DagsterRun
from dagster._core.events import EngineEventData
from dagster._core.instance import InstanceRef
from dagster._core.launcher import CheckRunHealthResult, WorkerStatus
from dagster._core.storage.tags import GRPC_INFO_TAG

from deploy.dagster_home import LONGEST_SOCKET, PLACE, code_socket, write_workspace
from deploy.environment import ROOT, for_services
from deploy.prepare import prepare, steps
from parivision_assets.orchestration import run_launcher
from parivision_assets.orchestration.run_launcher import PID_TAG, WatchedRunLauncher
from parivision_core.settings import Settings


@pytest.mark.process
def test_all_state_is_below_the_state_folder(tmp_path: Path) -> None:
    environ = {**os.environ, "PARIVISION_HOME": str(tmp_path / "state")}
    environ.pop("DAGSTER_HOME", None)
    environ.pop("MLFLOW_TRACKING_URI", None)
    env = for_services(environ, Settings.from_env(environ))
    home = prepare(env)
    assert (home / "history" / "runs.db").exists()
    assert (tmp_path / "state" / "mlflow" / "mlflow.db").exists()
    assert not any(step.due for step in steps(env))
    files = [file for step in steps(env) for file in step.makes]
    assert len(files) == 4
    for file in files:  # moved away because it is damaged
        away = file.rename(file.with_suffix(".away"))
        assert [step.due for step in steps(env)] == [file in step.makes for step in steps(env)]
        away.rename(file)
    with DagsterInstance.from_config(str(home)) as instance:
        assert Path(instance.storage_directory()).is_relative_to(home)
        assert isinstance(instance.run_launcher, WatchedRunLauncher)
        assert instance.run_monitoring_enabled
        assert not instance.telemetry_enabled
    for data in (InstanceRef.from_dir(str(tmp_path), config_dir=str(home))[:2], _storage(tmp_path, home)):
        for one in data:
            assert str(home) in yaml.safe_load(one.config_yaml)["base_dir"]


def _storage(elsewhere: Path, home: Path) -> list[Any]:
    ref = InstanceRef.from_dir(str(elsewhere), config_dir=str(home))
    return [ref.storage_data, ref.run_storage_data, ref.event_storage_data, ref.schedule_storage_data]


def test_dagster_run_by_hand_in_the_project_folder_uses_the_same_state() -> None:
    text = (ROOT / "dagster.yaml").read_text("utf-8")
    assert yaml.safe_load(text)["storage"] == {"sqlite": {"base_dir": PLACE}}
    assert Settings.from_env({}).home / "dagster" == Path(PLACE).absolute()


def test_both_workspaces_use_one_location_name_so_that_sensors_keep_their_cursors(tmp_path: Path) -> None:
    written = yaml.safe_load(write_workspace(tmp_path, tmp_path / "code.sock").read_text("utf-8"))
    by_hand = yaml.safe_load((ROOT / "workspace.yaml").read_text("utf-8"))
    assert (
        written["load_from"][0]["grpc_server"]["location_name"]
        == by_hand["load_from"][0]["python_module"]["location_name"]
    )


def test_a_long_path_gets_a_short_socket_path_and_always_the_same(tmp_path: Path) -> None:
    deep = tmp_path / ("d" * 120)
    socket = code_socket(deep)
    assert len(str(socket)) <= LONGEST_SOCKET
    assert socket == code_socket(deep)
    socket.parent.rmdir()


@pytest.fixture(scope="module")
def dead_process() -> int:
    process = subprocess.Popen(["true"])
    process.wait()
    return process.pid


def test_a_run_is_running_as_long_as_its_process_exists(tmp_path: Path, dead_process: int) -> None:
    def health(**tags: str) -> WorkerStatus:
        run = DagsterRun(job_name="job", tags=tags)
        return WatchedRunLauncher().check_run_worker_health(run).status

    assert health(**{PID_TAG: str(os.getpid())}) is WorkerStatus.RUNNING
    assert health(**{PID_TAG: str(dead_process)}) is WorkerStatus.FAILED
    assert health(**{GRPC_INFO_TAG: f'{{"socket": "{tmp_path}/absent.sock", "host": "localhost"}}'}) is (
        WorkerStatus.FAILED
    )
    assert health() is WorkerStatus.RUNNING


def test_a_run_whose_process_is_gone_is_failed_although_the_code_server_knows_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its thread that looks for dead runs ends with the first error of Dagster's storage, as while the disk is full."""
    monkeypatch.setattr(run_launcher, "_known_to_code_server", lambda *_: True)
    ended = subprocess.Popen(["true"])  # its parent doesn't look at it
    os.waitid(os.P_PID, ended.pid, os.WEXITED | os.WNOWAIT)
    with DagsterInstance.ephemeral() as instance:
        launcher = WatchedRunLauncher()
        launcher.register_instance(instance)

        def health(pid: int, **address: object) -> CheckRunHealthResult:
            run = instance.add_run(
                DagsterRun("job", tags={GRPC_INFO_TAG: json.dumps({"socket": "code.sock"} | address)})
            )
            assert launcher.check_run_worker_health(run).status is WorkerStatus.RUNNING  # before its process says so
            instance.report_engine_event(f"Started process for run (pid: {pid}).", run, EngineEventData.in_process(pid))
            return launcher.check_run_worker_health(run)

        assert health(os.getpid()).status is WorkerStatus.RUNNING
        found = health(ended.pid)
        assert (found.status, found.msg) == (WorkerStatus.FAILED, f"its process {ended.pid} is gone")
        assert health(ended.pid, socket=None).status is WorkerStatus.RUNNING  # of another machine
    ended.wait()
