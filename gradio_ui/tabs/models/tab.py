"""The tab that shows who is champion, since when, and how the candidates were judged."""

from __future__ import annotations

from html import escape

from gradio_ui.client import NoAnswerError
from gradio_ui.tabs.live import LiveTab
from gradio_ui.tabs.models import verdicts
from gradio_ui.tabs.notices import no_answer

ASKED = 100
"""Verdicts, which are more than contests: a challenger is judged again and again."""


class ModelsTab(LiveTab):
    """A champion and a table."""

    async def look(self) -> tuple[str, str]:
        """The champion's card and the verdicts' table."""
        try:
            judged = await self._client.verdicts(ASKED)
        except NoAnswerError as problem:
            return no_answer(problem), ""
        table = verdicts.table(judged)
        try:
            champion = await self._client.champion()
        except NoAnswerError as problem:
            return no_answer(problem), table
        try:
            drift = verdicts.drifted(await self._client.drift(), champion.version)
        except NoAnswerError as problem:  # the registry may be down while the champion goes on answering
            drift = escape(f"The drift reports can't be read now: {problem}")
        return verdicts.term(champion, judged, drift), table
