"""What `mlflow server` is told to speak HTTP by: it protects whatever application uvicorn serves."""

from __future__ import annotations

import threading
from typing import Any

import httpx
import uvicorn

from tests.helpers.processes import until


def test_uvicorns_option_protects_the_application() -> None:
    async def application(_scope: Any, _receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200})
        await send({"type": "http.response.body"})

    protocol = "parivision_assets.tracking.server:http"
    config = uvicorn.Config(application, port=0, http=protocol, lifespan="off", log_config=None)
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        until(lambda: server.started, "the server has started")
        url = f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
        for _ in range(2):  # connections
            assert httpx.post(url).status_code == httpx.post(url, headers={"origin": url}).status_code == 200
            assert httpx.post(url, headers={"origin": "http://localhost:1"}).status_code == 403
    finally:
        server.should_exit = True
        thread.join()
