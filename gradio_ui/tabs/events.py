"""How events of the page are handled."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import gradio as gr

SWIFT: dict[str, Any] = {
    "queue": False,
    "show_progress": "hidden",
    "trigger_mode": "always_last",
    "api_visibility": "private",
}
"""Outside Gradio's queue an answer is one request, and several people are answered at once. Of several events in a row
the last one counts, so that nobody waits for answers to what he has left behind."""

EACH: dict[str, Any] = {**SWIFT, "trigger_mode": "multiple"}
"""For events that say where: of several in a row Gradio would ask the last time about the first one's place."""

REFRESH_SECONDS = 5


class WhileOpen:
    """Looks whenever a tab is opened, and then again and again until another one is; to be made within the tab."""

    def __init__(self) -> None:
        self._timer = gr.Timer(REFRESH_SECONDS, active=False)

    def wire(
        self, here: gr.Tab, elsewhere: Sequence[gr.Tab], look: Callable[[], Awaitable[Any]], shown: list[Any]
    ) -> None:
        """Show what `look` finds in the components `shown`."""
        gr.on([here.select, self._timer.tick], look, None, shown, **SWIFT)
        awake: Any = {**SWIFT, "inputs": None, "outputs": self._timer}
        here.select(lambda: gr.Timer(active=True), **awake)
        gr.on([tab.select for tab in elsewhere], lambda: gr.Timer(active=False), **awake)
