"""Requests that are malformed, huge, slow or not allowed, and kills and signals, while others ask a running service.

The faulty request is refused with the reason; none of the others may fail, and each answer that was acknowledged as
durable must be in the prediction log.
"""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import struct
from collections import Counter
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

import psutil

from benchmarks.faults import shared
from benchmarks.faults.outcome import Outcome
from benchmarks.faults.service import BODY, CALLERS, PATH, Callers, Service, common, missing_of, running, setup
from benchmarks.faults.table import Inject, fault
from parivision_serving.web.connections import HEADER_BYTES, HEADER_FIELDS
from tests.helpers.processes import PATIENCE, until

TIMES = 4
CONNECTIONS = 32
"""That are kept open when SIGTERM comes."""

Send = Callable[[Service, int], list[bytes]]
"""Sends faulty requests to a service; returns the answers. The number varies them."""


def head(path: str = PATH, host: str = "127.0.0.1", length: int = len(BODY), **headers: str) -> bytes:
    """The head of a request that ends the connection."""
    given = {"host": host, "connection": "close", "content-length": str(length), **headers}
    lines = [f"POST {path} HTTP/1.1", *(f"{name.replace('_', '-')}: {value}" for name, value in given.items())]
    return "\r\n".join([*lines, "", ""]).encode()


JSON = "application/json"
GOOD = head(content_type=JSON) + BODY.encode()


def sent(service: Service, data: bytes) -> bytes:
    """All that comes back."""
    with socket.create_connection(("127.0.0.1", service.port), PATIENCE) as connection:
        connection.sendall(data)
        pieces = []
        while piece := connection.recv(65536):
            pieces.append(piece)
        return b"".join(pieces)


def one(data: Callable[[int], bytes]) -> Send:
    """One request."""
    return lambda service, seed: [sent(service, data(seed))]


def unknown_keys(service: Service, seed: int) -> list[bytes]:
    """Many requests with keys that nobody has."""
    return [sent(service, head(content_type=JSON, x_api_key=f"pv_{seed}_{n}") + BODY.encode()) for n in range(40)]


def leaves(service: Service, seed: int) -> list[bytes]:
    """Callers that reset their connections in the middle of a request, or before its answer."""
    for data in (GOOD[: 40 * (seed + 1)], GOOD[: -5 * (seed + 1)], GOOD):
        with socket.create_connection(("127.0.0.1", service.port), PATIENCE) as connection:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            connection.sendall(data)
    return []


def idle(service: Service, seed: int) -> list[bytes]:
    """Hundreds of connections on which nothing is asked."""
    with ExitStack() as stack:
        for _ in range(100 * (seed + 1)):
            stack.enter_context(socket.create_connection(("127.0.0.1", service.port), PATIENCE))
        return [sent(service, GOOD)]


KINDS: dict[str, tuple[Send, tuple[int, ...]]] = {
    "a header that is too large": (
        one(lambda seed: head(x_long="a" * (HEADER_BYTES * (seed + 1)), content_type=JSON)),
        (431,),
    ),
    "too many headers": (
        one(lambda seed: head(content_type=JSON, **{f"x_{n}": "y" for n in range(HEADER_FIELDS + 9 * seed)})),
        (431,),
    ),
    "headers that arrive too slowly": (one(lambda seed: head(content_type=JSON)[: -4 - 9 * seed]), (408,)),
    "a body that arrives too slowly": (one(lambda seed: GOOD[: -1 - 9 * seed]), (408,)),
    "a body without a content type": (one(lambda _: head() + BODY.encode()), (415,)),
    "a page of a foreign origin": (
        one(lambda seed: head(content_type=JSON, origin=f"http://evil{seed}.example") + BODY.encode()),
        (403,),
    ),
    "an unknown host name": (
        one(lambda seed: head(host=f"evil{seed}.example", content_type=JSON) + BODY.encode()),
        (421,),
    ),
    "many unknown API keys": (unknown_keys, (401, 429)),
    "malformed JSON": (
        one(lambda seed: head(content_type=JSON, length=len(BODY) - 1 - 5 * seed) + BODY[: -1 - 5 * seed].encode()),
        (400, 422),
    ),
    "a huge body": (
        one(lambda seed: head(content_type=JSON, length=10**7 * (seed + 1)) + b"x" * 200_000),
        (413,),
    ),
    "what is no HTTP": (one(lambda seed: b"\x16\x03\x01\x02" + bytes(range(seed, 200))), (400,)),
    "a caller that leaves in the middle": (leaves, ()),
    "hundreds of idle connections": (idle, (200,)),
}
"""Name -> what is sent, and the statuses of its answers."""


def beside(send: Send, statuses: tuple[int, ...]) -> Inject:
    """Send it while others ask, who must be answered meanwhile and afterwards."""

    def inject(_: Path, seed: int) -> Outcome:
        service = common()
        with Callers(service.port) as callers:
            answers = send(service, seed)
            callers.go_on()
        found = {int(answer[9:12] or b"0") for answer in answers}
        reasons = all(b"detail" in answer or answer[9:12] == b"200" for answer in answers)
        reported = found <= set(statuses) and bool(found) == bool(statuses) and reasons
        reported = reported and "Traceback" not in service.said
        note = "" if reported and not callers.failures else f"{answers[:1]} {callers.failures[:2]}"
        return Outcome(*missing_of(callers.ids), failed=len(callers.failures), reported=reported, note=note)

    return inject


for _name, (_send, _statuses) in KINDS.items():
    fault(TIMES, _name)(beside(_send, _statuses))


@fault(10)
def a_new_champion_under_load(_: Path, seed: int) -> Outcome:
    """Each answer is that of the version before or after the swap."""
    service, before = common(), setup().mlflow.alias
    with Callers(service.port) as callers:
        setup().promote(wanted := 1 if before == 2 else 2)
        until(lambda: callers.versions[-1:] == [wanted], "the new champion")
        callers.go_on()
    swapped = set(callers.versions) == {before, wanted} and callers.versions[-1] == wanted
    note = "" if swapped and not callers.failures else f"{set(callers.versions)} {callers.failures[:2]}"
    return Outcome(*missing_of(callers.ids), failed=len(callers.failures), reported=swapped, note=note)


@fault(5, "kill -9 of the prediction service under load")
def service_killed(_: Path, seed: int) -> Outcome:
    """What was acknowledged is in the prediction log, and a new start answers."""
    with running() as service:
        with Callers(service.port) as callers:
            callers.go_on(20 * (seed + 1))
            service.process.kill()
            service.process.wait()
        with running() as again:
            status, _ = again.ask("POST", PATH, BODY)
    return Outcome(*missing_of(callers.ids), reported=status == 200)


@shared.once
def two_workers() -> Service:
    """A service of two workers."""
    service = Service(workers=2)
    shared.until_the_end().callback(service.end)
    return service


@fault(5, "kill -9 of one of two workers under load", quick=False)
def worker_killed(_: Path, seed: int) -> Outcome:
    """It costs at most one request of each connection to it; a new worker takes its place."""
    service = two_workers()
    workers = _workers(service)
    with Callers(service.port) as callers:
        os.kill(workers[seed % 2], signal.SIGKILL)
        until(lambda: workers[seed % 2] not in _workers(service) and len(_workers(service)) == 2, "a new worker")
        callers.go_on(5 * CALLERS)
    cut = len(callers.failures)
    named = "died" in service.said
    note = "" if cut <= CALLERS and named else f"{callers.failures} {service.said[-300:]}"
    return Outcome(*missing_of(callers.ids), failed=max(0, cut - CALLERS), reported=named, note=note)


def _workers(service: Service) -> list[int]:
    """Process ids of its workers, in the order of their start."""
    children = psutil.Process(service.process.pid).children()
    sound = [child for child in children if child.status() != psutil.STATUS_ZOMBIE]
    return [child.pid for child in sound if "spawn_main" in " ".join(child.cmdline())]


async def _call(port: int, seen: Counter[str], ended: asyncio.Event) -> None:
    """Ask over a connection that is kept, until the service is gone."""
    request = GOOD.replace(b"connection: close", b"connection: keep-alive")
    while True:
        try:
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
        except ConnectionError:
            if ended.is_set():
                return
            await asyncio.sleep(0.01)
            continue
        answer = b""
        while b"connection: close" not in answer and not reader.at_eof():
            try:
                writer.write(request)
                answer = await reader.readuntil(b"\r\n\r\n")
                size = int(answer.lower().partition(b"content-length:")[2].split()[0])
                await reader.readexactly(size)
                seen["answered" if answer.startswith(b"HTTP/1.1 200") else answer[:40].decode()] += 1
            except (OSError, EOFError) as error:
                seen[repr(error)] += 1
                break
        writer.close()


async def _until_gone(service: Service) -> Counter[str]:
    """What became of the requests on many connections while SIGTERM ends the service."""
    seen, ended = Counter[str](), asyncio.Event()
    tasks = [asyncio.create_task(_call(service.port, seen, ended)) for _ in range(CONNECTIONS)]
    while seen["answered"] < 5 * CONNECTIONS:
        await asyncio.sleep(0.01)
    ended.set()
    service.process.send_signal(signal.SIGTERM)
    await asyncio.gather(*tasks)
    return seen


@fault(10, f"SIGTERM under {CONNECTIONS} kept connections")
def service_ended(_: Path, seed: int) -> Outcome:
    """Each request that was sent is answered, and the service ends."""
    with running() as service:
        seen = asyncio.run(_until_gone(service))
        code = service.process.wait(PATIENCE)
        said = service.said
    failed = seen.total() - seen["answered"]
    ended = code in (0, -signal.SIGTERM) and "Traceback" not in said
    return Outcome(failed=failed, reported=ended, note="" if ended and not failed else f"{seen} {code} {said[-300:]}")
