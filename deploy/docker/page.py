"""The page in its container: `python page.py 0.0.0.0` serves what `python -m gradio_ui` serves on the loopback address.

uvicorn's own command would wait at the end for every open page, then cut it off with a traceback.
"""

from __future__ import annotations

import json
import logging.config
import socket
import sys
from pathlib import Path

from gradio_ui.__main__ import serve
from parivision_core.settings import Settings


def main(host: str) -> None:
    """Serve until a signal, with the log of the other services."""
    logging.config.dictConfig(json.loads(Path(__file__).with_name("log.json").read_text("utf-8")))
    settings = Settings.from_env()
    with socket.create_server((host, settings.ui_port)) as listener:
        serve(settings, listener)


if __name__ == "__main__":
    main(*sys.argv[1:])
