"""`make up` with stand-ins: its checks before anything starts, and that no process is left after its end."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import psutil
import pytest

from deploy.disk import short_of_space
from deploy.environment import ROOT
from deploy.ports import Address, problems, read_ports, taken
from parivision_core.store.files import FileStore
from tests.deploy.conftest import Deployment, running
from tests.helpers.processes import PATIENCE, free_ports, until

PROCESSES = 9  # three services, each with a child in its group and one that left it


def all_gone(deployment: Deployment) -> bool:
    return not any(running(p) for p in deployment.roles) and not any(
        map(taken, (deployment.api, deployment.dagster, deployment.mlflow))
    )


def test_a_taken_port_is_named_before_anything_starts(deployment: Deployment) -> None:
    with socket.create_server(("127.0.0.1", deployment.dagster)):
        assert deployment.up(deployment.procfile()).wait(PATIENCE) == 1
    assert f"Port {deployment.dagster}, wanted by Dagster, is taken" in deployment.output
    assert "End the process that uses it, or choose other ports: PARIVISION_DAGSTER_PORT=" in deployment.output
    assert "wanted by API" not in deployment.output
    assert not deployment.roles


def test_taken_ports_get_different_ones_in_one_command() -> None:
    with socket.create_server(("127.0.0.1", 0)) as one, socket.create_server(("127.0.0.1", 0)) as two:
        a, b = (Address(name, name.upper(), s.getsockname()[1], "/") for name, s in (("a", one), ("b", two)))
        *named, advice = problems([a, b])
        (again, *_) = problems([a, replace(b, port=a.port)])
    assert [line.split(",")[0] for line in named] == [f"Port {a.port}", f"Port {b.port}"]
    chosen = dict(word.split("=") for word in advice.split() if "=" in word)
    assert set(chosen) == {"A", "B"}
    assert len({a.port, b.port, *map(int, chosen.values())}) == 4
    assert again.startswith("A and B are both")


def test_a_setting_of_a_service_that_cannot_be_used_is_named_before_anything_starts(
    deployment: Deployment, monkeypatch: pytest.MonkeyPatch
) -> None:
    simulated = {"PARIVISION_FEED": "virtual_bets", "VIRTUAL_BETS_SPED": "30"}
    monkeypatch.setattr(Deployment, "env", {**deployment.env, **simulated, "VIRTUAL_BETS_SCENARIO": "three_pointers"})
    procfile = deployment.procfile()
    procfile.write_text(procfile.read_text() + "feed: exit 3\n")
    assert deployment.up(procfile).wait(PATIENCE) == 1
    assert (
        "Nothing was started: VIRTUAL_BETS_SCENARIO='three_pointers' is unknown; choose one of calm"
        in deployment.output
    )
    monkeypatch.setattr(Deployment, "env", {**deployment.env, **simulated, "VIRTUAL_BETS_SCENARIO": "bad_batches"})
    assert deployment.up(procfile).wait(PATIENCE) == 1
    assert "VIRTUAL_BETS_SPED is no setting of PariVision" in deployment.output
    assert "fed by virtual_bets (bad_batches); on a busy machine" in deployment.output


def test_a_command_in_another_terminal_finds_the_ports_of_a_platform_that_is_up(deployment: Deployment) -> None:
    launcher = deployment.up(deployment.procfile())
    deployment.wait_until_up()
    env = {name: value for name, value in deployment.env.items() if not name.endswith("_PORT")}
    command = [sys.executable, "-m", "deploy.run", "sh", "-c", "echo $PARIVISION_API_PORT"]
    for given, port in (({}, deployment.api), ({"PARIVISION_API_PORT": "8001"}, 8001)):
        done = subprocess.run(command, cwd=ROOT, env=env | given, capture_output=True, text=True, check=True)
        assert int(done.stdout) == port
    launcher.send_signal(signal.SIGINT)
    assert launcher.wait(PATIENCE) == 0
    assert read_ports(deployment.home) == {}


def test_one_port_for_two_services_is_refused(deployment: Deployment) -> None:
    deployment.mlflow = deployment.api
    assert deployment.up(deployment.procfile()).wait(PATIENCE) == 1
    assert f"PARIVISION_API_PORT and PARIVISION_MLFLOW_PORT are both {deployment.api}" in deployment.output


def test_a_port_that_is_no_number_is_named(deployment: Deployment) -> None:
    deployment.api = "eighty"  # type: ignore[assignment]
    assert deployment.up(deployment.procfile()).wait(PATIENCE) == 1
    assert "PARIVISION_API_PORT='eighty'" in deployment.output


def test_a_database_that_is_absent_is_named_before_anything_starts(
    deployment: Deployment, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = "mongodb://pari:s3cret@127.0.0.1:9/x?serverSelectionTimeoutMS=300"
    monkeypatch.setattr(Deployment, "env", {**deployment.env, "PARIVISION_MONGO_URL": url})
    assert deployment.up(deployment.procfile()).wait(PATIENCE) == 1
    assert "Nothing was started: MongoDB can't be reached" in deployment.output
    assert "correct PARIVISION_MONGO_URL" in deployment.output
    assert "s3cret" not in deployment.output
    assert not deployment.roles


def test_a_state_folder_of_another_version_is_named_with_what_to_do(deployment: Deployment) -> None:
    folder = deployment.home / "store" / "nba"
    FileStore(folder)
    with closing(sqlite3.connect(folder / "meta.sqlite")) as db, db:
        db.execute("UPDATE meta SET value = '0' WHERE key = 'format'")
    assert deployment.up(deployment.procfile()).wait(PATIENCE) == 1
    assert f"Nothing was started: the store in {folder} has format 0" in deployment.output
    assert "move the folder away" in deployment.output
    assert not deployment.roles


def test_too_little_disk_space_is_reported_before_anything_starts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert short_of_space(tmp_path) == []
    usage = shutil.disk_usage(tmp_path)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage._replace(free=20 * 2**20))
    (message,) = short_of_space(tmp_path)
    assert f"Only 20 MB are free on the disk of {tmp_path}" in message
    assert "PARIVISION_HOME=" in message


def test_the_end_of_the_watchdog_ends_the_platform(deployment: Deployment) -> None:
    launcher = deployment.up(deployment.procfile())
    deployment.wait_until_up()
    (watchdog,) = (p for p in psutil.Process(launcher.pid).children() if "watchdog.py" in " ".join(p.cmdline()))
    watchdog.kill()
    assert launcher.wait(PATIENCE) == 1
    assert "the watchdog ended by itself (killed by SIGKILL)" in deployment.output
    assert all_gone(deployment)


def test_a_second_up_says_that_one_is_running(deployment: Deployment) -> None:
    first = deployment.up(deployment.procfile())
    deployment.wait_until_up()
    assert deployment.up(deployment.procfile()).wait(PATIENCE) == 1
    assert f"already running on {deployment.home} (process {first.pid})" in deployment.output
    for port in (deployment.api, deployment.dagster, deployment.mlflow):
        assert f"Port {port}, wanted by" not in deployment.output
    deployment.api, deployment.dagster, deployment.mlflow = free_ports(3)  # other ports, but still the same data
    assert deployment.up(deployment.procfile()).wait(PATIENCE) == 1
    assert first.poll() is None


def test_addresses_are_printed_and_lines_carry_names(deployment: Deployment) -> None:
    """Also when a file lies in the place of the inbox, which is reported with them."""
    (deployment.home / "inbox").touch()
    deployment.up(deployment.procfile())
    deployment.wait_until_up()
    for title, port in (("API", deployment.api), ("Dagster", deployment.dagster), ("MLflow", deployment.mlflow)):
        assert f"  {title:<8} http://127.0.0.1:{port}\n" in deployment.output
    assert f"webserver  | serving on {deployment.dagster}" in deployment.output
    assert f"the inbox {deployment.home / 'inbox'} can't be read: Not a directory" in deployment.output


@pytest.mark.parametrize("request_to_end", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_services_that_ignore_signals_end_with_all_their_children(
    deployment: Deployment, request_to_end: signal.Signals
) -> None:
    launcher = deployment.up(deployment.procfile("stubborn"))
    deployment.wait_until_up()
    until(lambda: len(deployment.roles) == PROCESSES, "every stand-in has its children")
    launcher.send_signal(request_to_end)
    assert launcher.wait(PATIENCE) == 0
    assert all_gone(deployment)
    for name in ("mlflow", "webserver", "api"):
        assert f"{name} didn't end in time and was killed" in deployment.output


def test_a_service_that_ends_by_itself_is_named_and_ends_the_rest(deployment: Deployment) -> None:
    launcher = deployment.up(deployment.procfile())
    deployment.wait_until_up()
    until(lambda: len(deployment.roles) == PROCESSES, "every stand-in has its children")
    os.kill(deployment.leader(deployment.dagster), signal.SIGKILL)
    assert launcher.wait(PATIENCE) == 1
    assert "webserver ended by itself (killed by SIGKILL)" in deployment.output
    assert all_gone(deployment)


def test_a_command_that_fails_shows_its_output_and_exit_code(deployment: Deployment) -> None:
    procfile = deployment.procfile()
    procfile.write_text("api: echo no such luck; exit 3\n")
    assert deployment.up(procfile).wait(PATIENCE) == 1
    assert "api        | no such luck" in deployment.output
    assert "api ended by itself (exit code 3)" in deployment.output


def test_services_end_when_the_launcher_is_killed(deployment: Deployment) -> None:
    launcher = deployment.up(deployment.procfile())
    deployment.wait_until_up()
    until(lambda: len(deployment.roles) == PROCESSES, "every stand-in has its children")
    strays = [pid for pid, role in deployment.roles.items() if role == "stray"]
    in_group = set(deployment.roles) - set(strays)
    launcher.kill()
    try:
        until(lambda: not any(running(p) for p in in_group), "the watchdog ends every group")
    finally:
        for pid in strays:  # a process that left its group can't be found without the launcher
            os.kill(pid, signal.SIGKILL)
