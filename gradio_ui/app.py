"""Wires the page: settings in, an ASGI application out."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from http import HTTPStatus

# Before Gradio is imported: else it reports its start to its makers and asks them for its latest version.
os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"

import gradio as gr
from fastapi import FastAPI, Response
from starlette.routing import Mount

from gradio_ui.client import Client
from gradio_ui.look import ICON, STYLE, theme
from gradio_ui.tabs.models.tab import ModelsTab
from gradio_ui.tabs.services.tab import ServicesTab
from gradio_ui.tabs.shot.fields import lay_out
from gradio_ui.tabs.shot.tab import ShotTab
from parivision_core.settings import Settings

TITLE = "PariVision: will this shot go in?"
HEADER = """
<header class="masthead"><h1>PariVision</h1><p>Will this shot go in? Click a spot on the court.</p></header>"""


def build_page(client: Client) -> gr.Blocks:
    """The page with its three tabs, over one client of the service."""
    page: gr.Blocks
    with gr.Blocks(title=TITLE, analytics_enabled=False, fill_width=True) as page:
        gr.HTML(HEADER, apply_default_css=False)
        with gr.Tabs():
            with gr.Tab("Shot") as shot:
                ShotTab(client, lay_out()).wire(page)
            with gr.Tab("Models") as models:
                models_tab = ModelsTab(client)
            with gr.Tab("Services") as services:
                services_tab = ServicesTab(client)
        models_tab.wire(models, [shot, services])
        services_tab.wire(services, [shot, models])
    return page


def create_app(settings: Settings | None = None) -> FastAPI:
    """The page's server. Raises ConfigurationError when the settings can't be used."""
    settings = settings or Settings.from_env()
    client = Client(settings.api_url, key=settings.api_key)
    # Where Gradio puts the drawn court; its default, one folder for all users of a machine, may belong to another user.
    os.environ.setdefault("GRADIO_TEMP_DIR", str(settings.home / "page"))

    @asynccontextmanager
    async def closing(_: FastAPI) -> AsyncIterator[None]:
        yield
        await client.close()

    server = FastAPI(lifespan=closing, openapi_url=None)

    @server.post("/gradio_api/upload")
    def refuse_files() -> Response:
        """Gradio would accept files of any size from any website that a visitor has open; the page needs none."""
        return Response(status_code=HTTPStatus.FORBIDDEN)

    app: FastAPI = gr.mount_gradio_app(
        server,
        build_page(client),
        path="/",
        favicon_path=str(ICON),
        theme=theme(),
        css_paths=[STYLE],
        footer_links=[],
        run_history=False,
        ssr_mode=False,
        mcp_server=False,
        pwa=False,
    )
    return app


def end_streams(app: FastAPI) -> None:
    """End the connection that every open page holds: it never ends by itself, and the server would wait for it."""
    for route in app.routes:
        if isinstance(route, Mount) and isinstance(route.app, gr.routes.App):
            route.app.stop_event.set()
