"""A profile of each request to /api, as HTML in a folder; for looking closely, as it costs more than the request."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from parivision_serving.context import context_of

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from litestar.types import Receive, Send

    Next = Callable[[Any, Receive, Send], Awaitable[None]]

PROFILED = "/api/"
MOST = 1000
"""Profiles that are kept; the oldest go first."""
INTERVAL_SECONDS = 0.0001


class Profiling:
    """Wraps the application inside the middleware."""

    def __init__(self, app: Next, folder: Path) -> None:
        self._app, self._folder = app, folder
        folder.mkdir(parents=True, exist_ok=True)

    async def __call__(self, scope: Any, receive: Receive, send: Send) -> None:
        """One request."""
        if scope["type"] != "http" or not scope["path"].startswith(PROFILED):
            await self._app(scope, receive, send)
            return
        from pyinstrument import Profiler  # noqa: PLC0415 - of no use to anyone who doesn't profile

        with Profiler(interval=INTERVAL_SECONDS, async_mode="enabled") as profiler:
            await self._app(scope, receive, send)
        began = time.strftime("%Y%m%d-%H%M%S")
        (self._folder / f"{began}-{scope['method']}-{context_of(scope).id}.html").write_text(profiler.output_html())
        for old in sorted(self._folder.glob("*.html"))[:-MOST]:
            old.unlink(missing_ok=True)
