"""`python -m gradio_ui`: the page on the loopback address, ended by SIGINT or SIGTERM."""

from __future__ import annotations

import logging
import os
import signal
import socket
import sys

import uvicorn

from parivision_core.cross_origin import CrossOriginProtection
from parivision_core.problems import PariVisionError
from parivision_core.rights import keep_private
from parivision_core.settings import Settings

HOST = "127.0.0.1"
GRACE_SECONDS = 1
"""For answers under way when it ends: a slow prediction isn't waited for."""


def serve(settings: Settings, listener: socket.socket) -> None:
    """Serve on a bound socket: no other program can take the port meanwhile, nor Gradio choose another one."""
    from gradio_ui.app import create_app, end_streams  # noqa: PLC0415 - seconds, which a taken port needn't wait for

    app = create_app(settings)
    hosts = settings.known_ui_hosts(listener.getsockname()[0])
    protected = CrossOriginProtection(app, hosts, "PARIVISION_UI_HOSTS")

    class Server(uvicorn.Server):
        async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
            end_streams(app)
            await super().shutdown(sockets)

    Server(uvicorn.Config(protected, log_config=None, access_log=False, timeout_graceful_shutdown=GRACE_SECONDS)).run(
        sockets=[listener]
    )


def main() -> int:
    """Serve until a signal; 1 when the page can't start."""
    logging.basicConfig(format="%(asctime)s %(levelname)-7s %(message)s", datefmt="%H:%M:%S", level=logging.INFO)
    logging.getLogger("httpx").setLevel(logging.WARNING)
    # While it serves, uvicorn handles both; before, importing Gradio takes seconds in which a signal may come, too. An
    # exception raised here could be swallowed by an import that tries an alternative when the first one fails.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: os._exit(0))
    try:
        settings = Settings.from_env()
    except PariVisionError as error:
        print(f"gradio_ui can't start: {error}", file=sys.stderr)
        return 1
    with socket.socket() as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((HOST, settings.ui_port))
        except OSError as error:
            print(
                f"gradio_ui can't start: port {settings.ui_port} can't be taken ({error.strerror}). End the "
                "program that listens there, or choose another port with PARIVISION_UI_PORT.",
                file=sys.stderr,
            )
            return 1
        serve(settings, listener)
    return 0


if __name__ == "__main__":
    keep_private()
    sys.exit(main())
