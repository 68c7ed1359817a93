"""What the service knows about a request beside its body: its id, its arrival and its caller."""

from __future__ import annotations

from time import perf_counter
from typing import TYPE_CHECKING, Any, cast

from parivision_core.prediction_log.ids import new_id
from parivision_serving.web.keys import ANONYMOUS, Caller

if TYPE_CHECKING:
    from collections.abc import Mapping

KEY = "parivision"


class Context:
    """The context of one request, from its arrival to its answer."""

    __slots__ = ("began", "caller", "headers", "id", "name")

    def __init__(self, headers: Mapping[bytes, bytes], name: str | None = None) -> None:
        self.began = perf_counter()
        self.id = new_id()
        """UUIDv7 of the request, and of the prediction that it asks for."""
        self.name = name or self.id
        """The X-Request-ID of the sender, else `id`; logs and the answer's X-Request-ID hold it."""
        self.headers = headers
        self.caller: Caller = ANONYMOUS

    def latency_us(self) -> int:
        """Microseconds since the request's arrival."""
        return int((perf_counter() - self.began) * 1e6)


def context_of(scope: Any) -> Context:
    """The context that the middleware put into an ASGI scope."""
    return cast("Context", scope[KEY])
