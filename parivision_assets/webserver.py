"""`python -m parivision_assets.webserver`: Dagster's webserver, which only its own pages and programs can change.

`dagster-webserver` takes GraphQL by GET and under any content type, from any page and for any host name: an image on
another site could launch a job.
"""

from __future__ import annotations

import argparse
import signal
import sys
from http import HTTPStatus
from typing import Any

import uvicorn
from dagster import DagsterInstance
from dagster._core.workspace.context import WorkspaceProcessContext
from dagster._core.workspace.load_target import WorkspaceFileTarget
from dagster._utils.log import configure_loggers
from dagster_webserver.app import create_app_from_workspace_process_context
from dagster_webserver.cli import DEFAULT_DB_STATEMENT_TIMEOUT, DEFAULT_POOL_MAX_OVERFLOW, DEFAULT_POOL_RECYCLE
from dagster_webserver.version import __version__
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from parivision_core.cross_origin import CrossOriginProtection, RefusalLog, refuse
from parivision_core.problems import ConfigurationError
from parivision_core.rights import keep_private
from parivision_core.settings import Settings

GRAPHQL = "/graphql"
JSON = "application/json"
LIVE_DATA_POLL_MS = 2000
"""How often an open page asks for new data, in milliseconds; the default of `dagster-webserver`."""


class GraphQLByPost:
    """ASGI middleware: GraphQL is taken by POST as JSON alone, which a browser asks about before it sends it elsewhere.

    GET shows the page to write queries on, as before.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app, self._log = app, RefusalLog()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request, websocket or lifespan event."""
        if scope["type"] != "http" or scope["path"] != GRAPHQL:
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)  # read as Dagster reads them
        kind = headers.get("content-type", "").partition(";")[0].strip().lower()
        if scope["method"] == "POST":
            taken, status, detail = kind == JSON, HTTPStatus.UNSUPPORTED_MEDIA_TYPE, f"send GraphQL as {JSON}"
        else:
            taken = "text/html" in headers.get("accept", "")
            status, detail = HTTPStatus.METHOD_NOT_ALLOWED, f"send GraphQL by POST, as {JSON}"
        if taken:
            await self._app(scope, receive, send)
        else:
            self._log.note(status, scope, detail)
            await refuse(scope, send, status, detail, allow="POST")


def protected(app: ASGIApp, settings: Settings) -> Any:
    """Dagster's application inside what keeps other origins' pages from using it."""
    return CrossOriginProtection(GraphQLByPost(app), settings.known_dagster_hosts, "PARIVISION_DAGSTER_HOSTS")


def serve(workspace: str, host: str, port: int, settings: Settings) -> None:
    """Serve Dagster's instance (DAGSTER_HOME) and a workspace file until a signal, as `dagster-webserver` does."""
    configure_loggers()
    with DagsterInstance.get() as instance:
        instance.optimize_for_webserver(DEFAULT_DB_STATEMENT_TIMEOUT, DEFAULT_POOL_RECYCLE, DEFAULT_POOL_MAX_OVERFLOW)
        with WorkspaceProcessContext(instance, WorkspaceFileTarget([workspace]), version=__version__) as context:
            app = create_app_from_workspace_process_context(context, live_data_poll_rate=LIVE_DATA_POLL_MS)
            uvicorn.run(protected(app, settings), host=host, port=port, log_level="warning")


def main() -> int:
    """Serve until a signal; 1 when a setting can't be used."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--workspace", required=True, help="the file that names the code locations")
    parser.add_argument("--host", default="127.0.0.1", help="address on which it listens")
    parser.add_argument("--port", type=int, required=True)
    chosen = parser.parse_args()
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # both end it in order, also while it loads the workspace
    try:
        serve(chosen.workspace, chosen.host, chosen.port, Settings.from_env())
    except ConfigurationError as error:
        print(f"Dagster's webserver can't start: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 0
    return 0


if __name__ == "__main__":
    keep_private()
    sys.exit(main())
