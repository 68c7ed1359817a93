"""Sends a file's rows in bulk requests, several at once, and writes the answers in the order of the rows."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass, field, replace

import msgspec

from parivision_core.arrow import MEDIA_TYPE as ARROW
from parivision_core.sport import FieldProblem
from parivision_serving.client import arrow
from parivision_serving.client.fields import InputField
from parivision_serving.client.progress import ProgressBar
from parivision_serving.client.results import Answer, Result, Results
from parivision_serving.client.rows import Row, RowSource
from parivision_serving.client.service import RequestFailedError, ServiceClient, decoded

ROUTE = "/api/v1/predict/bulk"
AHEAD = 2
"""Requests in memory for each one under way: a slow answer delays the writing, but not the next requests."""

Ask = Callable[[list[Row]], Awaitable[list[Result]]]


class _RowProblems(msgspec.Struct):
    row: int
    errors: list[FieldProblem]


class _BulkAnswer(msgspec.Struct):
    id: str
    champion_version: int
    predictions: list[Answer | None]
    problems: list[_RowProblems]


@dataclass
class BulkTally:
    """Counts of the rows that were written."""

    left_out: int = 0
    answered: int = 0
    refused: int = 0
    probability: float = 0.0
    """Sum over the answered rows."""
    versions: set[int] = field(default_factory=set)

    def count(self, results: list[Result]) -> None:
        """Count results that were written."""
        for result in results:
            if result.answer is not None and result.champion_version is not None:
                self.answered += 1
                self.probability += result.answer.probability
                self.versions.add(result.champion_version)
            else:
                self.refused += 1


def filtered(source: RowSource, wanted: Callable[[msgspec.Struct], bool], tally: BulkTally) -> RowSource:
    """A source of the wanted rows only; rows with problems stay in, to be reported."""

    def rows() -> Iterator[Row]:
        for row in source.rows:
            if row.request is None or wanted(row.request):
                yield row
            else:
                tally.left_out += 1

    return replace(source, rows=rows())


def ask_with(service: ServiceClient, fields: list[InputField], *, as_arrow: bool) -> Ask:
    """A function that sends one chunk of rows in one request; rows with problems aren't sent."""

    async def ask(chunk: list[Row]) -> list[Result]:
        sound = [row for row in chunk if not row.problems]
        found = {row.number: Result(row, problems=row.problems) for row in chunk if row.problems}
        if sound:
            if as_arrow:
                body = arrow.encoded([row.request for row in sound if row.request is not None], fields)
                raw = await service.post(ROUTE, body, ARROW)
            else:
                body = msgspec.json.encode([row.values for row in sound])
                raw = await service.post(ROUTE, body, "application/json")
            found |= _read(raw, sound, service.url)
        return [found[row.number] for row in chunk]

    return ask


async def send(
    source: RowSource,
    ask: Ask,
    results: Results,
    progress: ProgressBar,
    tally: BulkTally,
    *,
    size: int,
    concurrency: int,
) -> None:
    """Send all rows and write their results in order.

    Raises what `ask` raises; answers that arrived before a failure or a cancellation are still written.
    """
    slots = asyncio.Semaphore(concurrency)

    async def ask_in_turn(chunk: list[Row]) -> list[Result]:
        async with slots:
            return await ask(chunk)

    def write(found: list[Result]) -> None:
        results.write(found)
        tally.count(found)
        progress.reach(found[-1].row.number)

    waiting: deque[asyncio.Task[list[Result]]] = deque()

    async def write_first() -> None:
        write(await waiting[0])
        waiting.popleft()

    try:
        for chunk in source.chunks(size):
            waiting.append(asyncio.create_task(ask_in_turn(chunk)))
            await asyncio.sleep(0)  # the request leaves before the next rows are read
            if len(waiting) >= AHEAD * concurrency:
                await write_first()
        while waiting:
            await write_first()
    except (RequestFailedError, asyncio.CancelledError):
        answered = [task for task in waiting if task.done() and not task.cancelled() and not task.exception()]
        for task in answered:
            write(task.result())
        raise
    finally:
        for task in waiting:
            task.cancel()
        await asyncio.gather(*waiting, return_exceptions=True)


def _read(raw: bytes, sound: list[Row], url: str) -> dict[int, Result]:
    """Row number -> its result."""
    answer = decoded(raw, _BulkAnswer, url)
    if len(answer.predictions) != len(sound):
        raise RequestFailedError(f"The service at {url} answered {len(answer.predictions)} of {len(sound)} rows.")
    problems = {p.row: p.errors for p in answer.problems}
    return {
        row.number: Result(row, prediction, f"{answer.id}:{i}", answer.champion_version)
        if prediction
        else Result(row, problems=problems.get(i, [FieldProblem("row", "the service gives no reason")]))
        for i, (row, prediction) in enumerate(zip(sound, answer.predictions, strict=True))
    }
