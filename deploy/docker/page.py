"""The web page in its container: `python page.py 0.0.0.0` serves on any address what `python -m gradio_ui` serves.

uvicorn's own command isn't used: at the end it waits for every open page, then cuts it off with a traceback.
"""

from __future__ import annotations

import json
import logging.config
import socket
import sys
from pathlib import Path

from gradio_ui.__main__ import serve
from parivision_core.rights import keep_private
from parivision_core.settings import Settings


def main(host: str) -> None:
    """Serve until a signal; logs in the format of the other services."""
    logging.config.dictConfig(json.loads(Path(__file__).with_name("log.json").read_text("utf-8")))
    settings = Settings.from_env()
    with socket.create_server((host, settings.ui_port)) as listener:
        serve(settings, listener)


if __name__ == "__main__":
    keep_private()
    main(*sys.argv[1:])
