"""Receives large bodies: any number at once, each at a minimum pace, all within a memory limit."""

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
"""Time for each megabyte after the first, beside the time for the whole: a body that holds much memory must go on."""


class Uploads:
    """Bodies that arrive or are worked on.

    They are counted in bytes, as memory is what they take: one that stalls at its beginning blocks no other, however
    many of them there are.
    """

    def __init__(self, largest: int, most: int) -> None:
        """`largest` limits the bytes of one body, `most` those of all together."""
        self._largest, self._most = largest, most
        self.held = 0
        """Bytes in memory."""

    @asynccontextmanager
    async def body(self, request: Request[Any, Any, Any]) -> AsyncIterator[bytes]:
        """The whole body, which counts as held until the block ends.

        Raises TooLargeError, SlowBodyError, or TooManyRequestsError when other bodies take all the memory.
        """
        taken = bytearray()
        size = 0
        try:
            await self._read(request, taken)
            whole, size = bytes(taken), len(taken)
            taken.clear()  # else it would take its memory twice
            yield whole
        finally:
            self.held -= size or len(taken)

    async def _read(self, request: Request[Any, Any, Any], taken: bytearray) -> None:
        """Read into `taken`, and count its bytes in `held`."""
        now = asyncio.get_running_loop().time
        end, more = now() + requests.BODY_SECONDS, True
        try:
            async with asyncio.timeout_at(end) as clock:
                while more:
                    message: Any = await request.receive()
                    if message["type"] == "http.disconnect":
                        raise ClientException("the client disconnected before its body had arrived")
                    piece, more = message.get("body", b""), message.get("more_body", False)
                    megabytes = len(taken) // MEGABYTE
                    taken += piece
                    self.held += len(piece)
                    if len(taken) > self._largest:
                        raise TooLargeError(
                            f"a bulk request has at most {self._largest // MEGABYTE} MB; send it in parts"
                        )
                    if self.held > self._most:
                        raise TooManyRequestsError(
                            "other bulk requests take all the memory; try again later", RETRY_SECONDS
                        )
                    if len(taken) // MEGABYTE > megabytes:
                        clock.reschedule(min(end, now() + PACE_SECONDS))
        except TimeoutError:
            raise SlowBodyError(
                f"the body took more than {requests.BODY_SECONDS:g} seconds to arrive, or {PACE_SECONDS:g} for a "
                "megabyte after the first"
            ) from None
