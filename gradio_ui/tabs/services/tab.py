"""The tab that leads to the other parts of the house, and tells which of them answer and where the shots come from."""

from __future__ import annotations

from gradio_ui.client import NoAnswerError
from gradio_ui.tabs.live import LiveTab
from gradio_ui.tabs.notices import no_answer
from gradio_ui.tabs.services import parts as deployment


class ServicesTab(LiveTab):
    """What is known and the parts of the house."""

    async def look(self) -> tuple[str, str]:
        """The card of the data and the table of the services."""
        try:
            services = await self._client.services()
            return deployment.data(await self._client.lake(), services), deployment.table(services, self._client.url)
        except NoAnswerError as problem:
            return no_answer(problem), ""
