"""`python -m parivision_serving`: one worker on the loopback address, ended gracefully by SIGINT or SIGTERM."""

from __future__ import annotations

import logging
import sys

import uvicorn

from parivision_core.problems import PariVisionError
from parivision_core.settings import Settings
from parivision_serving.app import create_app

GRACE_SECONDS = 5
"""For requests under way. A look into the registry may take another ten, and all must end within twenty."""


def main() -> int:
    """Serve until a signal; 1 when the service can't start."""
    logging.basicConfig(format="%(asctime)s %(levelname)-7s %(message)s", datefmt="%H:%M:%S", level=logging.INFO)
    logging.getLogger("httpx").setLevel(logging.WARNING)  # it logs every look into the registry
    try:
        settings = Settings.from_env()
        app = create_app(settings)
    except PariVisionError as error:
        print(f"parivision_serving can't start: {error}", file=sys.stderr)
        return 1
    uvicorn.run(
        app,
        host="127.0.0.1",
        port=settings.api_port,
        log_config=None,
        access_log=False,
        timeout_graceful_shutdown=GRACE_SECONDS,
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
