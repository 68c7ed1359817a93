"""The *Services* tab: the platform's data, and its services with their addresses."""

from __future__ import annotations

from gradio_ui.client import NoAnswerError
from gradio_ui.tabs.live import LiveTab
from gradio_ui.tabs.notices import no_answer
from gradio_ui.tabs.services import overview


class ServicesTab(LiveTab):
    """The data card and the table of services."""

    async def refresh(self) -> tuple[str, str]:
        """The card of the data and the table of the services."""
        try:
            services = await self._client.services()
            return overview.data_card(await self._client.lake(), services), overview.table(services, self._client.url)
        except NoAnswerError as problem:
            return no_answer(problem), ""
