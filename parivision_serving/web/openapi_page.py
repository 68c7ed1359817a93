"""The OpenAPI page at /schema, with the assets of Swagger UI from a package: it needs nothing from other hosts."""

from __future__ import annotations

from typing import Annotated

from litestar import Response, Router, get
from litestar.openapi.plugins import SwaggerRenderPlugin
from litestar.params import Parameter
from swagger_ui_bundle import swagger_ui_path

from parivision_serving.web.admission import OPEN, SCOPE
from parivision_serving.web.problems import NotFoundError

PATH = "/schema"
ICON, SCRIPT, STYLE, PRESET = (
    "favicon-32x32.png",
    "swagger-ui-bundle.js",
    "swagger-ui.css",
    "swagger-ui-standalone-preset.js",
)
MEDIA_TYPES = {ICON: "image/png", SCRIPT: "text/javascript", STYLE: "text/css", PRESET: "text/javascript"}


@get("/assets/{name:str}", sync_to_thread=True)
def asset(name: Annotated[str, Parameter(description="A file of Swagger UI.")]) -> Response[bytes]:
    """One of the files that the page loads."""
    if name not in MEDIA_TYPES:
        raise NotFoundError(f"the OpenAPI page has no file {name!r}; it loads {', '.join(MEDIA_TYPES)}")
    return Response((swagger_ui_path / name).read_bytes(), media_type=MEDIA_TYPES[name])


def page() -> SwaggerRenderPlugin:
    """Renders the page with links to its assets."""
    assets = f"{PATH}/assets"
    return SwaggerRenderPlugin(
        js_url=f"{assets}/{SCRIPT}",
        css_url=f"{assets}/{STYLE}",
        standalone_preset_js_url=f"{assets}/{PRESET}",
        favicon=f"<link rel='icon' type='image/png' href='{assets}/{ICON}'>",
    )


def router() -> Router:
    """The router of the page and its assets, which need no key and stay out of the OpenAPI document."""
    return Router(PATH, route_handlers=[asset], opt={SCOPE: OPEN}, include_in_schema=False)
