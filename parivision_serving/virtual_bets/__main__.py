"""`python -m parivision_serving.virtual_bets`: the feed service as a process."""

from __future__ import annotations

import sys

from litestar import Litestar

from parivision_serving.process import serve
from parivision_serving.virtual_bets.app import create_app
from parivision_serving.virtual_bets.settings import VirtualBetsSettings


def _wire() -> tuple[Litestar, int]:
    settings = VirtualBetsSettings.from_env()
    return create_app(settings), settings.port


if __name__ == "__main__":
    sys.exit(serve("parivision_serving.virtual_bets", _wire))
