"""Profiles requests to /api into HTML files; for debugging, since a profile costs more than its request."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from anyio import to_thread

from parivision_serving.web.context import context_of

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from litestar.types import Receive, Send
    from pyinstrument import Profiler

    Next = Callable[[Any, Receive, Send], Awaitable[None]]

PROFILED = "/api/"
MOST = 1000
"""Profiles that are kept; the oldest are removed first."""
INTERVAL_SECONDS = 0.001


class Profiling:
    """Wraps the application inside the middleware.

    One request is profiled at a time, and requests beside it aren't: profilers of several requests also record each
    other's work, and eight at once stood still.
    """

    def __init__(self, app: Next, folder: Path) -> None:
        self._app, self._folder = app, folder
        self._busy = False
        folder.mkdir(parents=True, exist_ok=True)

    async def __call__(self, scope: Any, receive: Receive, send: Send) -> None:
        """Handle one request."""
        if self._busy or scope["type"] != "http" or not scope["path"].startswith(PROFILED):
            await self._app(scope, receive, send)
            return
        self._busy = True
        try:
            await self._profiled(scope, receive, send)
        finally:
            self._busy = False

    async def _profiled(self, scope: Any, receive: Receive, send: Send) -> None:
        from pyinstrument import Profiler  # noqa: PLC0415 - only needed for profiles

        with Profiler(interval=INTERVAL_SECONDS, async_mode="enabled") as profiler:
            await self._app(scope, receive, send)
        began = time.strftime("%Y%m%d-%H%M%S")
        path = self._folder / f"{began}-{scope['method']}-{context_of(scope).id}.html"
        await to_thread.run_sync(self._keep, path, profiler)

    def _keep(self, path: Path, profiler: Profiler) -> None:
        path.write_text(profiler.output_html())
        for old in sorted(self._folder.glob("*.html"))[:-MOST]:
            old.unlink(missing_ok=True)
