"""`make up`: runs the whole platform in one terminal; checks settings and ports first, and ends every process."""

from __future__ import annotations

import argparse
import contextlib
import fcntl
import os
import sys
import time
from pathlib import Path
from typing import IO

from honcho.environ import parse_procfile

from deploy.dagster_home import code_socket, write_workspace
from deploy.disk import DiskWatch, short_of_space
from deploy.environment import ROOT, for_services, with_dotenv
from deploy.feeds import InboxWatch, simulates, unread_files, with_feeds
from deploy.log import TerminalLog
from deploy.ports import Address, problems, remove_ports, write_ports
from deploy.prepare import prepare
from deploy.progress import StartProgress
from deploy.startup import Startup
from deploy.supervisor import GRACE_SECONDS, Supervisor
from deploy.variables import check_settings, describe_feeds, unknown_variables
from parivision_assets.tracking.databases import check_databases, follow_artifacts
from parivision_core.nba.shots import NBA
from parivision_core.problems import PariVisionError
from parivision_core.rights import keep_private, open_to_others
from parivision_core.settings import INBOX, VIRTUAL_BETS, Settings, without_login
from parivision_core.store import open_store
from parivision_core.store.mongo import reach


def addresses(settings: Settings, names: set[str]) -> dict[str, Address]:
    """The addresses of the services with these names."""
    known = {
        "ui": Address("page", "PARIVISION_UI_PORT", settings.ui_port, "/"),
        "api": Address("API", "PARIVISION_API_PORT", settings.api_port, "/health/live"),
        "webserver": Address("Dagster", "PARIVISION_DAGSTER_PORT", settings.dagster_port, "/server_info"),
        "mlflow": Address("MLflow", "PARIVISION_MLFLOW_PORT", settings.mlflow_port, "/health"),
        "feed": Address("feed", "PARIVISION_FEED_PORT", settings.feed_port, "/health/live"),
    }
    return {name: address for name, address in known.items() if name in names}


def lock_home(home: Path) -> IO[str] | str:
    """The lock of the state folder, or a message that names its holder: two daemons would do everything twice."""
    home.mkdir(parents=True, exist_ok=True)
    lock = (home / "up.lock").open("a+", encoding="utf-8")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        lock.seek(0)
        return f"`make up` is already running on {home} (process {lock.read().strip()})."
    lock.truncate(0)
    lock.write(str(os.getpid()))
    lock.flush()
    return lock


def main(procfile: Path, grace_seconds: float) -> int:
    """Run the platform; returns 0 when a signal ended it, 1 when it couldn't start or a service ended by itself."""
    began = time.monotonic()
    try:
        environ = with_dotenv(os.environ)
        settings = with_feeds(Settings.from_env(environ), when_empty=VIRTUAL_BETS)
        commands = dict(parse_procfile(procfile.read_text("utf-8")).processes)
        if settings.tracking_uri.startswith("http"):
            shown = without_login(settings.tracking_uri)
            print(f"MLflow: using MLFLOW_TRACKING_URI={shown}, so no server is started here.")
            commands.pop("mlflow", None)
        if not simulates(settings):
            commands.pop("feed", None)
        sites = addresses(settings, set(commands))
        check_settings(environ, commands)
        for name in unknown_variables(environ, commands):
            print(f"{name} is no setting of PariVision and has no effect; .env.example lists all settings.")
        lock = lock_home(settings.home)
        # When the platform is up already, it is the one that uses the ports.
        if (
            wrong := [lock]
            if isinstance(lock, str)
            else [*problems(list(sites.values())), *short_of_space(settings.home)]
        ):
            print("Nothing was started:", *wrong, sep="\n  ", file=sys.stderr)
            return 1
        if settings.mongo_url:
            reach(settings.mongo_url)
        env = for_services(environ, settings)
        feeds = describe_feeds(settings, environ, commands)
        started = f"Starting PariVision in {settings.home}, fed by {feeds}"
        print(f"{started}; on a busy machine this takes some minutes ...", flush=True)
        check_databases(settings, Path(env["DAGSTER_HOME"]))
        home = prepare(env)
        if moved := follow_artifacts(settings):
            print(f"The state folder was moved: {moved} addresses of artifacts in MLflow's database now lead into it.")
    except (PariVisionError, RuntimeError, OSError) as error:
        print(f"Nothing was started: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 0
    socket = code_socket(home)
    socket.unlink(missing_ok=True)  # a killed server leaves its socket, which would look like a server that is ready
    with contextlib.suppress(OSError):  # an inbox that can't be made is named with the addresses
        settings.inbox.mkdir(parents=True, exist_ok=True)
    env |= {"UP_CODE_SOCKET": str(socket), "UP_WORKSPACE": str(write_workspace(home, socket))}
    log = TerminalLog()
    supervisor = Supervisor(log, env, settings.home, grace_seconds)
    progress = None
    if {"api", "code", "daemon"} <= set(commands):
        local = settings.feed_url if "feed" in commands else None
        progress = StartProgress(open_store(settings, NBA), sites["api"].url, local, log.say)
    # Simulated shots arrive by themselves, so the first champion is worth waiting for; season files may never come.
    wait_for_champion = VIRTUAL_BETS in settings.feeds
    write_ports(settings.home, sites.values())
    try:
        startup = Startup(supervisor, commands, sites, socket, progress, wait_for_champion, notes(settings), began)
        return run(supervisor, startup, InboxWatch(settings, log.say), DiskWatch({settings.home, home}, log))
    finally:
        remove_ports(settings.home)


def notes(settings: Settings) -> list[str]:
    """Lines that are printed with the addresses, about the inbox and the rights of the state folder."""
    address = [f"inbox    {settings.inbox}  (drop season files here)"] if INBOX in settings.feeds else []
    return [*address, *filter(None, [unread_files(settings), open_to_others(settings.home)])]


def run(supervisor: Supervisor, startup: Startup, inbox: InboxWatch, disk: DiskWatch) -> int:
    """Watch until a signal or the end of a service, then end everything."""
    log, code = supervisor.log, 1
    try:
        while True:
            log.show(wait=0.2)
            if received := supervisor.stop_signal:
                log.say(f"{received.name}: ending everything; the next `make up` goes on with interrupted work")
                log.quiet = True
                code = 0
                break
            if ended := supervisor.first_ended():
                log.show(wait=0.2)  # the last lines of the service
                log.say(f"{ended}; ending everything, because a service is missing. `make up` goes on where it was.")
                break
            startup.step()
            inbox.step()
            disk.step()
    except BrokenPipeError:
        pass  # the reader of the output is gone: treated like a closed terminal
    finally:
        began = time.monotonic()
        killed = supervisor.end()
        with contextlib.suppress(OSError):
            for name in killed:
                log.say(f"{name} didn't end in time and was killed; the next `make up` repeats its unfinished work")
            log.say(f"everything ended, in {time.monotonic() - began:.1f} s")
    return code


if __name__ == "__main__":
    keep_private()
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--procfile", type=Path, default=ROOT / "Procfile", help="the services to run")
    parser.add_argument("--grace", type=float, default=GRACE_SECONDS, help="seconds from SIGTERM to SIGKILL")
    chosen = parser.parse_args()
    sys.exit(main(chosen.procfile, chosen.grace))
