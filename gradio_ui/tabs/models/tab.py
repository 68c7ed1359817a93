"""The *Models* tab: the champion, its term, and the verdicts on candidates."""

from __future__ import annotations

from html import escape

from gradio_ui.client import NoAnswerError
from gradio_ui.tabs.live import LiveTab
from gradio_ui.tabs.models import verdicts
from gradio_ui.tabs.notices import no_answer

VERDICTS = 100
"""Verdicts to read: several may belong to one row of the table, for a challenger is judged again and again."""


class ModelsTab(LiveTab):
    """The champion's card and the table of verdicts."""

    async def refresh(self) -> tuple[str, str]:
        """The champion's card and the verdicts' table."""
        try:
            judged = await self._client.verdicts(VERDICTS)
        except NoAnswerError as problem:
            return no_answer(problem), ""
        table = verdicts.table(judged)
        try:
            champion = await self._client.champion()
        except NoAnswerError as problem:
            return no_answer(problem), table
        try:
            drift = verdicts.drift_summary(await self._client.drift(), champion.version)
        except NoAnswerError as problem:  # the registry may be down while the champion goes on answering
            drift = escape(f"The drift reports can't be read now: {problem}")
        return verdicts.champion_card(champion, judged, drift), table
