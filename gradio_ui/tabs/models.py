"""The tab that shows who reigns, since when, and how the candidates were judged."""

from __future__ import annotations

from typing import Any

import gradio as gr

from gradio_ui import verdicts
from gradio_ui.cards import no_answer
from gradio_ui.client import Client, NoAnswerError
from gradio_ui.tabs.events import SWIFT

REFRESH_SECONDS = 5
ASKED = 100
"""Verdicts, which are more than contests: a challenger is judged again and again."""


class ModelsTab:
    """A champion and a table; to be made within the tab."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._champion, self._verdicts = gr.HTML(apply_default_css=False), gr.HTML(apply_default_css=False)
        self._timer = gr.Timer(REFRESH_SECONDS, active=False)

    def wire(self, here: gr.Tab, elsewhere: gr.Tab) -> None:
        """Look whenever the tab is opened, and then again and again until another one is."""
        shown = [self._champion, self._verdicts]
        gr.on([here.select, self._timer.tick], self.look, None, shown, **SWIFT)
        awake: Any = {**SWIFT, "inputs": None, "outputs": self._timer}
        here.select(lambda: gr.Timer(active=True), **awake)
        elsewhere.select(lambda: gr.Timer(active=False), **awake)

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
