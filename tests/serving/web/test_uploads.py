"""Large bodies: one that stalls blocks no other, and all of them together stay within the memory limit."""

from __future__ import annotations

from typing import Any

import anyio
import pytest
from litestar.exceptions import ClientException

from parivision_serving.web import uploads as module
from parivision_serving.web.admission import TooManyRequestsError
from parivision_serving.web.problems import SlowBodyError, TooLargeError
from parivision_serving.web.uploads import MEGABYTE, Uploads


class Sender:
    """A request whose body arrives in these pieces; an unfinished one stalls after the last."""

    def __init__(self, *pieces: bytes, finished: bool = True) -> None:
        self._pieces, self._finished = list(pieces), finished
        self.stalled = anyio.Event()

    async def receive(self) -> dict[str, Any]:
        if not self._pieces:
            self.stalled.set()
            await anyio.sleep_forever()
        piece = self._pieces.pop(0)
        return {"type": "http.request", "body": piece, "more_body": bool(self._pieces) or not self._finished}


async def read(uploads: Uploads, sender: Any) -> bytes:
    async with uploads.body(sender) as body:
        assert uploads.held >= len(body)
        return body


def test_a_body_that_stalls_blocks_no_other() -> None:
    async def scene() -> None:
        uploads = Uploads(largest=100, most=200)
        async with anyio.create_task_group() as tasks:
            senders = [Sender(b"[", finished=False) for _ in range(50)]
            for sender in senders:
                tasks.start_soon(read, uploads, sender)
            for sender in senders:
                await sender.stalled.wait()
            assert uploads.held == 50
            assert await read(uploads, Sender(b"[1,", b"2]")) == b"[1,2]"
            tasks.cancel_scope.cancel()
        assert uploads.held == 0

    anyio.run(scene)


def test_all_bodies_together_have_a_limit() -> None:
    async def scene() -> None:
        uploads = Uploads(largest=100, most=150)
        async with uploads.body(Sender(b"x" * 100)):  # type: ignore[arg-type]
            with pytest.raises(TooManyRequestsError) as caught:
                await read(uploads, Sender(b"x" * 50, b"x"))
            assert caught.value.headers == {"Retry-After": "2"}
            assert await read(uploads, Sender(b"x" * 50)) == b"x" * 50
        assert await read(uploads, Sender(b"x" * 100)) == b"x" * 100
        assert uploads.held == 0

    anyio.run(scene)


def test_each_body_has_a_limit_and_may_be_aborted() -> None:
    class Gone:
        async def receive(self) -> dict[str, Any]:
            return {"type": "http.disconnect"}

    async def scene() -> None:
        uploads = Uploads(largest=MEGABYTE, most=10 * MEGABYTE)
        with pytest.raises(TooLargeError, match="at most 1 MB"):
            await read(uploads, Sender(b"x" * MEGABYTE, b"x"))
        with pytest.raises(ClientException, match="disconnected"):
            await read(uploads, Gone())
        assert uploads.held == 0

    anyio.run(scene)


def test_a_large_body_must_keep_a_pace(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "PACE_SECONDS", 0.01)

    async def scene() -> None:
        uploads = Uploads(largest=2 * MEGABYTE, most=10 * MEGABYTE)
        with pytest.raises(SlowBodyError, match="for a megabyte after the first"):
            await read(uploads, Sender(b"x" * MEGABYTE, finished=False))
        assert uploads.held == 0

    anyio.run(scene)
