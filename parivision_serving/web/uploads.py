"""Takes in large bodies: any number at once, each at a pace, all of them within the memory that there is for them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from litestar import Request
from litestar.exceptions import ClientException

from parivision_serving.web import requests
from parivision_serving.web.admission import RETRY_SECONDS, TooManyRequestsError
from parivision_serving.web.problems import SlowBodyError, TooLargeError

MEGABYTE = 1024 * 1024
PACE_SECONDS = 10.0
"""For each megabyte after the first, beside the time for the whole: who holds much memory has to go on."""


class Uploads:
    """Bodies on their way in, and those that are worked on.

    They are counted in bytes, as memory is what they take: one that has hardly begun and stalls holds nobody up, and
    there is no number of them that shuts others out.
    """

    def __init__(self, largest: int, most: int) -> None:
        """Take the bytes of one body and of all."""
        self._largest, self._most = largest, most
        self.held = 0
        """Bytes in memory."""

    @asynccontextmanager
    async def body(self, request: Request[Any, Any, Any]) -> AsyncIterator[bytes]:
        """The whole body, which is held until the block ends.

        Raises TooLargeError, SlowBodyError, or TooManyRequestsError when others take all the memory.
        """
        taken = bytearray()
        size = 0
        try:
            await self._read(request, taken)
            whole, size = bytes(taken), len(taken)
            taken.clear()  # or it would be held twice
            yield whole
        finally:
            self.held -= size or len(taken)

    async def _read(self, request: Request[Any, Any, Any], taken: bytearray) -> None:
        """Read into `taken`, and count."""
        now = asyncio.get_running_loop().time
        end, more = now() + requests.BODY_SECONDS, True
        try:
            async with asyncio.timeout_at(end) as clock:
                while more:
                    message: Any = await request.receive()
                    if message["type"] == "http.disconnect":
                        raise ClientException("the client went away before its body was there")
                    piece, more = message.get("body", b""), message.get("more_body", False)
                    megabytes = len(taken) // MEGABYTE
                    taken += piece
                    self.held += len(piece)
                    if len(taken) > self._largest:
                        raise TooLargeError(f"a batch has at most {self._largest // MEGABYTE} MB; send it in parts")
                    if self.held > self._most:
                        raise TooManyRequestsError("other batches take all the memory; try again later", RETRY_SECONDS)
                    if len(taken) // MEGABYTE > megabytes:
                        clock.reschedule(min(end, now() + PACE_SECONDS))
        except TimeoutError:
            raise SlowBodyError(
                f"the body took more than {requests.BODY_SECONDS:g} seconds to arrive, or {PACE_SECONDS:g} for a "
                "megabyte after the first"
            ) from None
