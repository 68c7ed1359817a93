"""The tab that shows who reigns, since when, and how the candidates were judged."""

from __future__ import annotations

from collections.abc import Sequence

import gradio as gr

from gradio_ui import verdicts
from gradio_ui.cards import no_answer
from gradio_ui.client import Client, NoAnswerError
from gradio_ui.tabs.events import WhileOpen

ASKED = 100
"""Verdicts, which are more than contests: a challenger is judged again and again."""


class ModelsTab:
    """A champion and a table; to be made within the tab."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._champion, self._verdicts = gr.HTML(apply_default_css=False), gr.HTML(apply_default_css=False)
        self._while_open = WhileOpen()

    def wire(self, here: gr.Tab, elsewhere: Sequence[gr.Tab]) -> None:
        """Keep it new while the tab is open."""
        self._while_open.wire(here, elsewhere, self.look, [self._champion, self._verdicts])

    async def look(self) -> tuple[str, str]:
        """The champion's card and the verdicts' table."""
        try:
            judged = await self._client.verdicts(ASKED)
        except NoAnswerError as problem:
            return no_answer(problem), ""
        table = verdicts.table(judged)
        try:
            return verdicts.reign(await self._client.champion(), judged), table
        except NoAnswerError as problem:
            return no_answer(problem), table
