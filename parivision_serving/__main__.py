"""`python -m parivision_serving`: the service of predictions as a process."""

from __future__ import annotations

import sys

from litestar import Litestar

from parivision_core.settings import Settings
from parivision_serving.app import create_app
from parivision_serving.process import serve


def _wire() -> tuple[Litestar, int]:
    settings = Settings.from_env()
    return create_app(settings), settings.api_port


if __name__ == "__main__":
    sys.exit(serve("parivision_serving", _wire))
