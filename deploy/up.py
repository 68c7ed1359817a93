"""`make up`: the whole house in one terminal, from taken ports to the last process ended."""

from __future__ import annotations

import argparse
import contextlib
import fcntl
import os
import shutil
import sys
import time
from pathlib import Path
from typing import IO

from honcho.environ import parse_procfile

from deploy.dagster_home import code_socket, write_workspace
from deploy.environment import ROOT, for_services, with_dotenv
from deploy.feeds import InboxWatch, simulates, unread, with_feeds
from deploy.log import Log
from deploy.ports import Address, forget, note, problems
from deploy.prepare import prepare
from deploy.progress import StartProgress
from deploy.startup import Startup
from deploy.supervisor import GRACE_SECONDS, Supervisor
from deploy.variables import check, fed_by, misspelt
from parivision_core.nba.shots import NBA
from parivision_core.problems import PariVisionError
from parivision_core.settings import INBOX, VIRTUAL_BETS, Settings, without_login
from parivision_core.store import open_store
from parivision_core.store.mongo import reach

HOW_LONG = "on a busy machine this takes some minutes"
LEAST_FREE_BYTES = 300 * 2**20
"""A simulated season takes 60 MB in the end, and up to three times as much while it is written anew."""


def addresses(settings: Settings, names: set[str]) -> dict[str, Address]:
    """The addresses of the services that are to run."""
    known = {
        "ui": Address("page", "PARIVISION_UI_PORT", settings.ui_port, "/"),
        "api": Address("API", "PARIVISION_API_PORT", settings.api_port, "/health/live"),
        "webserver": Address("Dagster", "PARIVISION_DAGSTER_PORT", settings.dagster_port, "/server_info"),
        "mlflow": Address("MLflow", "PARIVISION_MLFLOW_PORT", settings.mlflow_port, "/health"),
        "feed": Address("feed", "PARIVISION_FEED_PORT", settings.feed_port, "/health/live"),
    }
    return {name: address for name, address in known.items() if name in names}


def only_one(home: Path) -> IO[str] | str:
    """The lock of this folder of state, or who holds it: two daemons on one folder would do everything twice."""
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
    """Run the house; 0 when somebody asked for its end, 1 when it couldn't start or something in it ended."""
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
        check(environ, commands)
        for name in misspelt(environ, commands):
            print(f"{name} is no setting of PariVision and does nothing; .env.example names them all.")
        lock = only_one(settings.home)
        # Of a house that is up already, the ports are no news.
        if wrong := [lock] if isinstance(lock, str) else [*problems(list(sites.values())), *full_disk(settings.home)]:
            print("Nothing was started:", *wrong, sep="\n  ", file=sys.stderr)
            return 1
        if settings.mongo_url:
            reach(settings.mongo_url)
        env = for_services(environ, settings)
        fed = fed_by(settings, environ, commands)
        print(f"Starting PariVision on {settings.home}, fed by {fed}; {HOW_LONG} ...", flush=True)
        home = prepare(env)
    except (PariVisionError, RuntimeError, OSError) as error:
        print(f"Nothing was started: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 0
    socket = code_socket(home)
    socket.unlink(missing_ok=True)  # a killed server leaves it, and it would look like a server that is ready
    settings.inbox.mkdir(parents=True, exist_ok=True)
    env |= {"UP_CODE_SOCKET": str(socket), "UP_WORKSPACE": str(write_workspace(home, socket))}
    log = Log()
    supervisor = Supervisor(log, env, settings.home, grace_seconds)
    progress = None
    if {"api", "code", "daemon"} <= set(commands):
        local = settings.feed_url if "feed" in commands else None
        progress = StartProgress(open_store(settings, NBA), sites["api"].url, local, log.say)
    # Shots that simulate themselves are worth waiting for; files come when somebody puts them there.
    awaited = VIRTUAL_BETS in settings.feeds
    note(settings.home, sites.values())
    try:
        startup = Startup(supervisor, commands, sites, socket, progress, awaited, notes(settings), began)
        return run(supervisor, startup, InboxWatch(settings, log.say))
    finally:
        forget(settings.home)


def full_disk(home: Path) -> list[str]:
    """What is wrong with the room for the state, if anything; of a disk that fills up later the writers tell."""
    free = shutil.disk_usage(home).free
    if free >= LEAST_FREE_BYTES:
        return []
    return [
        f"Only {free >> 20} MB are free where {home} lies, and a season needs up to {LEAST_FREE_BYTES >> 20}. Make "
        "room, or choose another place: PARIVISION_HOME=/path/to/folder make up"
    ]


def notes(settings: Settings) -> list[str]:
    """What a person should know about the feeds."""
    address = [f"inbox    {settings.inbox}  (drop season files here)"] if INBOX in settings.feeds else []
    return [*address, *filter(None, [unread(settings)])]


def run(supervisor: Supervisor, startup: Startup, inbox: InboxWatch) -> int:
    """Watch until a signal or the end of a service, then end everything."""
    log, code = supervisor.log, 1
    try:
        while True:
            log.show(wait=0.2)
            if asked := supervisor.asked_to_end:
                log.say(f"{asked.name}: ending everything; what is interrupted is taken up by the next `make up`")
                log.quiet = True
                code = 0
                break
            if ended := supervisor.first_ended():
                log.show(wait=0.2)  # its last words
                log.say(f"{ended}; ending everything, because half a house misleads. `make up` goes on where it was.")
                break
            startup.step()
            inbox.step()
    except BrokenPipeError:
        pass  # nobody reads any more: the same as a closed terminal
    finally:
        began = time.monotonic()
        stubborn = supervisor.end()
        with contextlib.suppress(OSError):
            for name in stubborn:
                log.say(f"{name} didn't end when asked and was killed; what it was doing is done again")
            log.say(f"everything ended, in {time.monotonic() - began:.1f} s")
    return code


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--procfile", type=Path, default=ROOT / "Procfile", help="what to run")
    parser.add_argument("--grace", type=float, default=GRACE_SECONDS, help="seconds from asking to killing")
    chosen = parser.parse_args()
    sys.exit(main(chosen.procfile, chosen.grace))
