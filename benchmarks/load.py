"""HTTP load generator for the loopback address, run as its own process with `python -m benchmarks.load`.

It reads a LoadRun as a line of JSON from stdin and prints a LoadResult. Requests are prebuilt bytes on raw sockets,
about 20 us of CPU each, so that a server on the other core is the bottleneck. Every response is read, and counts as an
error unless it contains the expected numbers.
"""

from __future__ import annotations

import asyncio
import io
import math
import os
import re
import sys
import time
from collections.abc import Callable, Iterator
from functools import cache
from itertools import cycle
from pathlib import Path
from typing import Literal, cast

import msgspec
import uvloop

TIMEOUT_SECONDS = 60.0
"""Seconds to wait for the last responses after the end of a run."""
TICKS = os.sysconf("SC_CLK_TCK")
_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)\r\n", re.IGNORECASE)


class LoadRun(msgspec.Struct, kw_only=True):
    """A number of connections that each send one request after another, for some seconds."""

    port: int
    path: str
    media_type: str
    bodies: str
    """File with request bodies, see `write_bodies`."""
    connections: int
    seconds: float
    pids: list[int]
    """Processes of the server, whose CPU time is read."""
    field: str
    """Field of the response that contains the predictions."""
    shape: Literal["number", "numbers", "rows", "arrow"] = "number"
    """What the field is: a number, a list of them, a list of objects with a probability, or a column of Arrow."""
    rows: int = 1
    per_second: float = 0.0
    """Requests per second, evenly spread, with latencies from the time a request was due; 0 for as many as possible."""


class LoadResult(msgspec.Struct, kw_only=True):
    """The result of a run."""

    requests: int
    errors: int
    first_error: str
    per_second: float
    p50_ms: float
    p99_ms: float
    server_cpu_us: float
    """CPU time of the server's processes per request, user and system."""
    client_cpu_us: float


def write_bodies(path: Path, bodies: list[bytes]) -> str:
    """Write request bodies to a file; returns the path for LoadRun."""
    path.write_bytes(msgspec.msgpack.encode(bodies))
    return str(path)


@cache
def _requests(bodies: str, path: str, media_type: str) -> list[bytes]:
    head = f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: {media_type}\r\nContent-Length: "
    found = msgspec.msgpack.decode(Path(bodies).read_bytes(), type=list[bytes])
    return [f"{head}{len(body)}\r\n\r\n".encode() + body for body in found]


class _Row(msgspec.Struct):
    probability: float


def checker(run: LoadRun) -> Callable[[bytes], bool]:
    """A function that says whether a response body has the right count of finite numbers; it may raise."""
    if run.shape == "arrow":
        return lambda body: _arrow_numbers(body, run.field) == run.rows
    kinds = {"number": float, "numbers": list[float], "rows": list[_Row]}
    decode = msgspec.json.Decoder(msgspec.defstruct("Answer", [(run.field, kinds[run.shape])])).decode

    def holds(body: bytes) -> bool:
        found = getattr(decode(body), run.field)
        return math.isfinite(found) if run.shape == "number" else len(found) == run.rows

    return holds


def _arrow_numbers(body: bytes, column: str) -> int:
    from arro3.io import read_ipc_stream  # noqa: PLC0415 - only runs with Arrow need it

    numbers = read_ipc_stream(io.BytesIO(body)).read_all()[column]
    return len(numbers) - numbers.null_count


class _Tally:
    """The state of one run, shared by its connections."""

    def __init__(self, run: LoadRun, requests: Iterator[bytes]) -> None:
        self.next_request = requests.__next__
        self.holds = checker(run)
        self.end = math.inf
        self.seconds: list[float] = []
        self.errors = 0
        self.first_error = ""
        self.busy = 0
        self.pause = 1 / run.per_second if run.per_second else 0.0
        self.due = time.perf_counter()
        self.over = asyncio.get_running_loop().create_future()

    def next_due(self, now: float) -> float:
        """When the next request is due."""
        self.due = self.due + self.pause if self.pause else now
        return self.due

    def fail(self, what: str) -> None:
        self.errors += 1
        self.first_error = self.first_error or what

    def leave(self) -> None:
        self.busy -= 1
        if not self.busy and not self.over.done():
            self.over.set_result(None)


class _Connection(asyncio.Protocol):
    """Sends a request, reads and checks the response, and sends the next request."""

    def __init__(self, tally: _Tally) -> None:
        self.tally = tally
        self.received = bytearray()
        self.wanted = 0
        self.asking = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)  # uvloop's doesn't derive from it

    def ask(self) -> None:
        self.asking = True
        now = time.perf_counter()
        self.began = self.tally.next_due(now)
        if self.began > now:
            asyncio.get_running_loop().call_later(self.began - now, self.send)
        else:
            self.send()

    def send(self) -> None:
        if self.asking:
            self.transport.write(self.tally.next_request())

    def data_received(self, data: bytes) -> None:
        self.received += data
        if not self.wanted:
            end_of_head = self.received.find(b"\r\n\r\n")
            if end_of_head < 0:
                return
            self.head = end_of_head + 4
            length = _LENGTH.search(self.received, 0, self.head)
            if length is None:
                self.give_up("an answer without Content-Length")
                return
            self.wanted = self.head + int(length[1])
        if len(self.received) >= self.wanted:
            self.answered()

    def answered(self) -> None:
        now, tally = time.perf_counter(), self.tally
        tally.seconds.append(now - self.began)
        try:
            sound = self.received.startswith(b"HTTP/1.1 200") and tally.holds(bytes(self.received[self.head :]))
        except Exception:  # whatever the decoders raise, the response is wrong
            sound = False
        if not sound:
            tally.fail(bytes(self.received[:600]).decode("utf-8", "replace"))
        self.received.clear()
        self.wanted = 0
        if now < tally.end:
            self.ask()
        else:
            self.asking = False
            self.transport.close()
            tally.leave()

    def connection_lost(self, exc: Exception | None) -> None:
        self.give_up(f"the connection broke off: {exc}")

    def give_up(self, problem: str) -> None:
        if self.asking:
            self.asking = False
            self.tally.fail(problem)
            self.transport.close()
            self.tally.leave()


async def measure(run: LoadRun) -> LoadResult:
    """Execute a run."""
    tally = _Tally(run, cycle(_requests(run.bodies, run.path, run.media_type)))
    loop = asyncio.get_running_loop()
    connections = [
        (await loop.create_connection(lambda: _Connection(tally), "127.0.0.1", run.port))[1]
        for _ in range(run.connections)
    ]
    server, client, began = cpu_seconds(run.pids), time.process_time(), time.perf_counter()
    tally.busy, tally.end = len(connections), began + run.seconds
    for connection in connections:
        connection.ask()
    async with asyncio.timeout(run.seconds + TIMEOUT_SECONDS):
        await tally.over
    elapsed = time.perf_counter() - began
    answered = sorted(tally.seconds)
    n = max(len(answered), 1)
    return LoadResult(
        requests=len(answered),
        errors=tally.errors,
        first_error=tally.first_error,
        per_second=len(answered) / elapsed,
        p50_ms=_quantile(answered, 0.5) * 1e3,
        p99_ms=_quantile(answered, 0.99) * 1e3,
        server_cpu_us=(cpu_seconds(run.pids) - server) / n * 1e6,
        client_cpu_us=(time.process_time() - client) / n * 1e6,
    )


def _quantile(ascending: list[float], share: float) -> float:
    return ascending[min(int(share * len(ascending)), len(ascending) - 1)] if ascending else math.nan


def cpu_seconds(pids: list[int]) -> float:
    """CPU time of processes, user and system, including children that have ended."""
    ticks = 0
    for pid in pids:
        # After the program's name, which may contain anything: state, ..., utime, stime, cutime, cstime.
        fields = Path(f"/proc/{pid}/stat").read_text("utf-8", "replace").rsplit(")", 1)[1].split()
        ticks += sum(int(field) for field in fields[11:15])
    return ticks / TICKS


def main() -> None:
    """Execute the runs on stdin until it ends."""
    for line in sys.stdin:
        run = msgspec.json.decode(line, type=LoadRun)
        print(msgspec.json.encode(uvloop.run(measure(run))).decode(), flush=True)


if __name__ == "__main__":
    main()
