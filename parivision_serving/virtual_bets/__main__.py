"""`python -m parivision_serving.virtual_bets`: the feed service as a process."""

from __future__ import annotations

import sys

from parivision_core.rights import keep_private
from parivision_serving.virtual_bets.app import create_app
from parivision_serving.virtual_bets.settings import VirtualBetsSettings
from parivision_serving.web import process
from parivision_serving.web.logs import configure


def _work() -> None:
    configure("text")
    settings = VirtualBetsSettings.from_env()
    process.run(create_app(settings), "127.0.0.1", settings.port)


if __name__ == "__main__":
    keep_private()
    sys.exit(process.exit_code("parivision_serving.virtual_bets", _work))
