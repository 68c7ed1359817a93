"""A file's rows asked in requests of many, several at once, and their answers written in the rows' order."""

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

ROUTE = "/api/v1/predict/batch"
AHEAD = 2
"""Requests in memory for each that is under way: one slow answer holds up the writing, but not the asking."""

Ask = Callable[[list[Row]], Awaitable[list[Result]]]


class _RowProblems(msgspec.Struct):
    row: int
    errors: list[FieldProblem]


class _Answers(msgspec.Struct):
    id: str
    champion_version: int
    predictions: list[Answer | None]
    problems: list[_RowProblems]


@dataclass
class BulkTally:
    """What came of the rows that were written."""

    left_out: int = 0
    answered: int = 0
    refused: int = 0
    probability: float = 0.0
    """Sum over the answered."""
    versions: set[int] = field(default_factory=set)

    def count(self, results: list[Result]) -> None:
        """Add what was written."""
        for result in results:
            if result.answer is not None and result.champion_version is not None:
                self.answered += 1
                self.probability += result.answer.probability
                self.versions.add(result.champion_version)
            else:
                self.refused += 1


def chosen(source: RowSource, wanted: Callable[[msgspec.Struct], bool], tally: BulkTally) -> RowSource:
    """A source with the wanted rows alone, and those with problems, of which nobody knows."""

    def rows() -> Iterator[Row]:
        for row in source.rows:
            if row.request is None or wanted(row.request):
                yield row
            else:
                tally.left_out += 1

    return replace(source, rows=rows())


def asker(service: ServiceClient, fields: list[InputField], *, as_arrow: bool) -> Ask:
    """How one chunk of rows is asked, in one request; rows with problems aren't sent."""

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
    """Ask about all rows and write what came of them, in their order.

    Raises what `ask` raises; what was answered by then, and when the task is cancelled, is written all the same.
    """
    places = asyncio.Semaphore(concurrency)

    async def asked(chunk: list[Row]) -> list[Result]:
        async with places:
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
            waiting.append(asyncio.create_task(asked(chunk)))
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
    """Row number -> what the service said of it."""
    told = decoded(raw, _Answers, url)
    if len(told.predictions) != len(sound):
        raise RequestFailedError(f"The service at {url} answered {len(told.predictions)} of {len(sound)} rows.")
    problems = {p.row: p.errors for p in told.problems}
    return {
        row.number: Result(row, answer, f"{told.id}:{i}", told.champion_version)
        if answer
        else Result(row, problems=problems.get(i, [FieldProblem("row", "the service doesn't say why")]))
        for i, (row, answer) in enumerate(zip(sound, told.predictions, strict=True))
    }
