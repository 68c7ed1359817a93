"""The tab that leads to the other parts of the house, and tells which of them answer and where the shots come from."""

from __future__ import annotations

from collections.abc import Sequence

import gradio as gr

from gradio_ui import house
from gradio_ui.cards import no_answer
from gradio_ui.client import Client, NoAnswerError
from gradio_ui.tabs.events import WhileOpen


class HouseTab:
    """A card and a table; to be made within the tab."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._data, self._services = gr.HTML(apply_default_css=False), gr.HTML(apply_default_css=False)
        self._while_open = WhileOpen()

    def wire(self, here: gr.Tab, elsewhere: Sequence[gr.Tab]) -> None:
        """Keep it new while the tab is open."""
        self._while_open.wire(here, elsewhere, self.look, [self._data, self._services])

    async def look(self) -> tuple[str, str]:
        """The card of the data and the table of the services."""
        try:
            return house.data(await self._client.lake()), house.table(await self._client.services(), self._client.url)
        except NoAnswerError as problem:
            return no_answer(problem), ""
