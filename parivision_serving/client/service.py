"""HTTP client of the prediction service: retries while it is busy or restarting, explains a refusal."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from types import TracebackType
from typing import TypeVar

import httpx
import msgspec

from parivision_core.problems import PariVisionError
from parivision_core.sport import FieldProblem

KEY_HEADER = "X-API-Key"
BUSY = {
    HTTPStatus.TOO_MANY_REQUESTS,
    HTTPStatus.BAD_GATEWAY,
    HTTPStatus.SERVICE_UNAVAILABLE,
    HTTPStatus.GATEWAY_TIMEOUT,
}
"""Answers after which a retry may succeed."""
ADVICE: dict[int, str] = {
    HTTPStatus.UNAUTHORIZED: " Give a key with --api-key or PARIVISION_API_KEY.",
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE: " Send fewer rows at once with --size.",
}
CONNECT_SECONDS = 5.0
REPEAT_SECONDS = 10.0

T = TypeVar("T")


class RequestFailedError(PariVisionError):
    """There is no answer; the message says why, and what to do."""


class _ProblemBody(msgspec.Struct):
    """The part of an RFC 9457 answer that is shown."""

    detail: str
    errors: list[FieldProblem] = []


@dataclass(frozen=True)
class Patience:
    """How often a request is repeated, and after what pauses in seconds."""

    retries: int = 6
    first_pause: float = 0.5
    longest_pause: float = 30.0
    longest_wait: float = 120.0
    """When the service asks for a longer wait, the request fails at once."""

    def pause(self, retry: int, asked_for: float) -> float:
        """Seconds before a retry, counted from 0: what the service asked for, and a random part of a doubling limit."""
        longest = min(self.longest_pause, self.first_pause * 2**retry)
        return asked_for + random.uniform(0, longest)  # nosec B311  # spreads retries; protects nothing


class ServiceClient:
    """The service at one address: `async with ServiceClient(...) as service`.

    Raises RequestFailedError for an invalid address.
    """

    def __init__(
        self,
        url: str,
        key: str = "",
        patience: Patience | None = None,
        report: Callable[[str], None] = lambda _: None,
        answer_seconds: float = 60.0,
    ) -> None:
        self.url, self._patience, self._report, self._seconds = url, patience or Patience(), report, answer_seconds
        self._last_report = ("", 0.0)
        if not url.startswith(("http://", "https://")):
            raise RequestFailedError(f"{url!r} is no address of a service: it must begin with http:// or https://")
        try:
            self._http = httpx.AsyncClient(
                base_url=url,
                headers={KEY_HEADER: key} if key else {},
                timeout=httpx.Timeout(answer_seconds, connect=CONNECT_SECONDS),
            )
        except (httpx.InvalidURL, UnicodeEncodeError) as error:
            raise RequestFailedError(f"the address {url!r} or the key can't be sent: {error}") from error

    async def __aenter__(self) -> ServiceClient:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._http.aclose()

    async def post(self, route: str, body: bytes, media_type: str) -> bytes:
        """The body of a successful answer.

        Raises RequestFailedError when the service refuses, or is busy or silent for longer than the retries last.
        """
        headers = {"Content-Type": media_type, "Accept": "application/json"}
        for retry in range(self._patience.retries + 1):
            try:
                answer = await self._http.post(route, content=body, headers=headers)
            except httpx.TransportError as error:
                problem, asked_for = self._no_answer(error), 0.0
            else:
                if answer.is_success:
                    return answer.content
                problem, asked_for = self._refusal(answer), _retry_after(answer)
                if answer.status_code not in BUSY or asked_for > self._patience.longest_wait:
                    break
            if retry < self._patience.retries:
                pause = self._patience.pause(retry, asked_for)
                self._report_once(problem)
                await asyncio.sleep(pause)
        raise RequestFailedError(problem)

    def _report_once(self, problem: str) -> None:
        """Report why it takes longer, but not for each of many requests that wait for the same reason."""
        last, now = self._last_report, time.monotonic()
        if problem != last[0] or now - last[1] >= REPEAT_SECONDS:
            self._last_report = problem, now
            self._report(f"{problem} Asking again.")

    def _no_answer(self, error: httpx.TransportError) -> str:
        if isinstance(error, httpx.ReadTimeout):
            return f"The service at {self.url} took longer than {self._seconds:g} seconds."
        return f"The service at {self.url} doesn't answer ({error or type(error).__name__}). Is it running?"

    def _refusal(self, answer: httpx.Response) -> str:
        advice = ADVICE.get(answer.status_code, "")
        try:
            problem = msgspec.json.decode(answer.content, type=_ProblemBody)
        except msgspec.DecodeError:
            return f"What answers at {self.url} (status {answer.status_code}) isn't PariVision's service.{advice}"
        reason = "; ".join(f"{e.field}: {e.message}" for e in problem.errors) or problem.detail.rstrip(".")
        return f"The service answers {answer.status_code}: {reason}.{advice}"


def decoded(raw: bytes, kind: type[T], url: str) -> T:
    """A successful answer, decoded.

    Raises RequestFailedError when it is of another kind.
    """
    try:
        return msgspec.json.decode(raw, type=kind)
    except msgspec.DecodeError as error:
        raise RequestFailedError(
            f"The answer of {url} can't be read ({error}): is it a service of this version?"
        ) from error


def _retry_after(answer: httpx.Response) -> float:
    """Seconds that the service asks to wait; 0 when it doesn't."""
    value = answer.headers.get("Retry-After", "").strip()
    if value.isdecimal():
        return float(value)
    try:
        then = parsedate_to_datetime(value)
    except ValueError:
        return 0.0
    then = then if then.tzinfo else then.replace(tzinfo=UTC)
    return max((then - datetime.now(UTC)).total_seconds(), 0.0)
