"""A tab of two parts that is kept new for as long as somebody looks at it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any

import gradio as gr

from gradio_ui.client import Client
from gradio_ui.tabs.events import SWIFT

REFRESH_SECONDS = 5


class LiveTab(ABC):
    """A card and what stands below it; to be made within the tab."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._shown = [gr.HTML(apply_default_css=False), gr.HTML(apply_default_css=False)]
        self._timer = gr.Timer(REFRESH_SECONDS, active=False)

    def wire(self, here: gr.Tab, elsewhere: Sequence[gr.Tab]) -> None:
        """Look whenever the tab is opened, and then again and again until another one is."""
        gr.on([here.select, self._timer.tick], self.look, None, self._shown, **SWIFT)
        awake: Any = {**SWIFT, "inputs": None, "outputs": self._timer}
        here.select(lambda: gr.Timer(active=True), **awake)
        gr.on([tab.select for tab in elsewhere], lambda: gr.Timer(active=False), **awake)

    @abstractmethod
    async def look(self) -> tuple[str, str]:
        """Both parts as HTML."""
