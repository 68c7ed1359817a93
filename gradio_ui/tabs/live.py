"""A tab of two parts that refreshes itself while it is open."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any

import gradio as gr

from gradio_ui.client import Client
from gradio_ui.tabs.events import SWIFT

REFRESH_SECONDS = 5


class LiveTab(ABC):
    """A card and what stands below it; to be created within the tab."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._shown = [gr.HTML(apply_default_css=False), gr.HTML(apply_default_css=False)]
        self._timer = gr.Timer(REFRESH_SECONDS, active=False)

    def wire(self, here: gr.Tab, elsewhere: Sequence[gr.Tab]) -> None:
        """Refresh when the tab is opened, and then regularly until another one is."""
        gr.on([here.select, self._timer.tick], self.refresh, None, self._shown, **SWIFT)
        timer: Any = {**SWIFT, "inputs": None, "outputs": self._timer}
        here.select(lambda: gr.Timer(active=True), **timer)
        gr.on([tab.select for tab in elsewhere], lambda: gr.Timer(active=False), **timer)

    @abstractmethod
    async def refresh(self) -> tuple[str, str]:
        """Both parts as HTML."""
