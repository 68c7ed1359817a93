"""`python -m parivision_serving.virtual_bets`: one worker on the loopback address, ended by SIGINT or SIGTERM."""

from __future__ import annotations

import logging
import sys

import uvicorn

from parivision_core.problems import PariVisionError
from parivision_serving.virtual_bets.app import create_app
from parivision_serving.virtual_bets.settings import VirtualBetsSettings

GRACE_SECONDS = 5
"""For requests under way."""


def main() -> int:
    """Serve until a signal; 1 when the service can't start."""
    logging.basicConfig(format="%(asctime)s %(levelname)-7s %(message)s", datefmt="%H:%M:%S", level=logging.INFO)
    try:
        settings = VirtualBetsSettings.from_env()
        app = create_app(settings)
    except PariVisionError as error:
        print(f"parivision_serving.virtual_bets can't start: {error}", file=sys.stderr)
        return 1
    uvicorn.run(
        app,
        host="127.0.0.1",
        port=settings.port,
        log_config=None,
        access_log=False,
        timeout_graceful_shutdown=GRACE_SECONDS,
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
