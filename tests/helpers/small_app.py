"""A service of a few routes without the rest of the application, and a watcher for it."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from litestar import Litestar
from litestar.handlers import HTTPRouteHandler
from litestar.openapi import OpenAPIConfig
from litestar.openapi.plugins import SwaggerRenderPlugin
from litestar.testing import TestClient
from litestar.types import ASGIApp, Receive, Scope, Send

from parivision_core.bundle import Bundle
from parivision_core.nba.shots import NBA
from parivision_core.records import FeatureStateRecord
from parivision_core.tracking.registry import Champion
from parivision_serving.prediction.champion import NO_CHAMPION, Pair, Watcher
from parivision_serving.web.context import KEY, Context
from parivision_serving.web.problems import problem_response


def client_of(*routes: HTTPRouteHandler) -> TestClient[Any]:
    """A client of these routes alone, started by `with`."""

    def named(app: ASGIApp) -> ASGIApp:
        async def middleware(scope: Scope, receive: Receive, send: Send) -> None:
            scope[KEY] = Context(dict(scope["headers"]))  # type: ignore[typeddict-unknown-key]
            await app(scope, receive, send)

        return middleware

    app = Litestar(
        list(routes),
        middleware=[named],
        exception_handlers={Exception: problem_response},
        openapi_config=OpenAPIConfig("test", "1", use_handler_docstrings=False, render_plugins=[SwaggerRenderPlugin()]),
        logging_config=None,
    )
    return TestClient(app, raise_server_exceptions=False)


def watcher_of(bundle: Bundle | None = None, record: FeatureStateRecord | None = None) -> Watcher:
    """A watcher that serves this pair, or nothing."""
    pair = None
    if bundle is not None and record is not None:
        champion = Champion(version=1, epoch=1, sha256=bundle.sha256, run_id="run", registered_at=1_700_000_000_000)
        pair = Pair(champion, bundle, NBA.load_feature_state(record), record)
    watcher: Any = SimpleNamespace(pair=pair, problem=None if pair else NO_CHAMPION, poll_seconds=2.0)
    return watcher


def problem_of(response: Any, status: int, *fields: str) -> str:
    """The detail of a problem that has this status and names these fields."""
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == "application/problem+json"
    body = response.json()
    assert body["status"] == status
    assert [error["field"] for error in body.get("errors", [])] == list(fields), response.text
    assert "Traceback" not in response.text
    return str(body["detail"])


def operation(client: TestClient[Any], method: str, path: str) -> dict[str, Any]:
    """OpenAPI's operation of a route, which must have everything that a caller needs."""
    document = client.get("/schema/openapi.json").json()
    found: dict[str, Any] = document["paths"][path][method]
    assert found["operationId"] and found["summary"] and found["description"] and found["tags"]
    for status, response in found["responses"].items():
        kinds = response["content"]
        if status == "200":
            assert kinds["application/json"]["examples"], (path, "has no example")
        else:
            assert kinds["application/problem+json"]["schema"] == {"$ref": "#/components/schemas/Problem"}
    for parameter in found.get("parameters", ()):
        assert parameter["description"], parameter
    return found
