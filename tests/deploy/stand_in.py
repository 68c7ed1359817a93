"""A service for tests of the launcher: answers on a port, has children, and may ignore signals to end.

`stand_in.py FOLDER PORT [stubborn]` writes the ids and roles of its processes to FOLDER/pids.
"""

import http.server
import os
import signal
import sys
import time
from pathlib import Path


class AlwaysHealthy(http.server.BaseHTTPRequestHandler):
    """Every path answers 200."""

    def do_GET(self) -> None:
        """Answer 200."""
        self.send_response(200)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Log nothing."""


def note(folder: Path, role: str) -> None:
    """Write the id and the role of this process."""
    with (folder / "pids").open("a") as pids:
        pids.write(f"{os.getpid()} {role}\n")


def main() -> None:
    """Serve, with a child in the process group and a child that left it."""
    folder, port = Path(sys.argv[1]), int(sys.argv[2])
    if "stubborn" in sys.argv:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        signal.signal(signal.SIGINT, signal.SIG_IGN)
    note(folder, str(port))
    server = http.server.HTTPServer(("127.0.0.1", port), AlwaysHealthy)
    for leaves_group in (False, True):
        if not os.fork():
            if leaves_group:
                os.setsid()
            note(folder, "stray" if leaves_group else "child")
            time.sleep(600)
            os._exit(0)
    print(f"serving on {port}", flush=True)
    server.serve_forever()


if __name__ == "__main__":
    main()
