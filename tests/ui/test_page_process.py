"""The page as a process: it ends on a signal, also with a visitor, and takes its own port or none."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys

import httpx
import pytest

from parivision_core.settings import Settings
from tests.helpers.page_process import ROOT, PageProcess
from tests.helpers.processes import free_port


@pytest.mark.process
def test_it_refuses_files_and_ends_in_time_with_a_visitor_on_the_page() -> None:
    """On SIGINT; the page of the browser's tests ends on SIGTERM."""
    page = PageProcess("http://127.0.0.1:9")
    try:
        with httpx.stream("GET", f"{page.ready()}/gradio_api/heartbeat/visitor", timeout=30) as heartbeat:
            assert heartbeat.status_code == 200
            # Else any website that a visitor has open could fill the disk.
            assert httpx.post(f"{page.url}/gradio_api/upload", files={"files": b"0" * 1000}).status_code == 403
            assert not list(page.home.rglob("*.txt"))
            code, log = page.end(signal.SIGINT)
    finally:
        page.kill()
    assert code == 0, log
    assert "Traceback" not in log
    with socket.socket() as probe:
        assert probe.connect_ex(("127.0.0.1", page.port)) != 0, "the port is free again"


@pytest.mark.process
def test_a_signal_ends_it_even_in_an_import_that_swallows_exceptions() -> None:
    code = """
import os, signal, time
from gradio_ui import __main__ as page
def importing(*_):
    try:
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(30)
    except BaseException:
        os._exit(3)
page.serve = importing
page.main()
"""
    env = os.environ | {"PARIVISION_UI_PORT": str(free_port())}
    done = subprocess.run([sys.executable, "-c", code], env=env, cwd=ROOT, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.process
def test_a_taken_port_is_reported_and_no_other_is_tried() -> None:
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        holder.listen()
        page = PageProcess("http://127.0.0.1:9", holder.getsockname()[1])
        _, log = page.process.communicate(timeout=30)
    assert page.process.returncode == 1
    assert log.count("\n") == 1
    assert log.startswith(f"gradio_ui can't start: port {page.port} can't be taken") and "PARIVISION_UI_PORT" in log


def test_the_address_of_the_service_is_configurable() -> None:
    assert Settings.from_env({"PARIVISION_API_PORT": "8123"}).api_url == "http://127.0.0.1:8123"
    assert Settings.from_env({"PARIVISION_API_URL": "https://api.example/"}).api_url == "https://api.example"
