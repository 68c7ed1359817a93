"""The calls of the page's client, and a way to make one of them."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from gradio_ui.client import Client, Question

SHOT = Question(x=0, y=240, period=4, seconds_remaining=35)
Call = Callable[[Client], Awaitable[Any]]
CALLS: dict[str, Call] = {
    "predict": lambda client: client.predict(SHOT),
    "players": lambda client: client.players("cur", 8),
    "champion": lambda client: client.champion(),
    "verdicts": lambda client: client.verdicts(20),
    "drift": lambda client: client.drift(),
    "lake": lambda client: client.lake(),
    "services": lambda client: client.services(),
}


def ask(url: str, call: Call = CALLS["predict"], seconds: float = 5) -> Any:
    """What a call of the client returns, or raises, with a service at this address."""

    async def call_and_close() -> Any:
        client = Client(url, seconds)
        try:
            return await call(client)
        finally:
            await client.close()

    return asyncio.run(call_and_close())
