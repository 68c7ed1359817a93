"""A MongoDB server that fails on demand, for tests of failures of the database.

Alone it answers only the commands with which a client connects (hello, ping, buildInfo, endSessions). With an
`upstream` it forwards every command to that server and changes nothing until a fault is switched on::

    with ScriptedServer(upstream=("127.0.0.1", 27017)) as server:
        client = MongoClient(server.url)
        server.fault("insert", cut=True, after=True, at=2)  # the 2nd insert is applied, its reply never arrives
        server.fault("find", delay=math.inf)  # finds hang until the fault is switched off
        with server.fault("update", reply={"ok": 0, "code": 13, "codeName": "Unauthorized", "errmsg": "no"}):
            ...  # refused inside this block only
        server.fault("insert", delay=0.5, where=lambda c: c.document["insert"] == "verdicts")
        server.stop()  # a server that is down: connections are cut, new ones refused
        server.start()  # and up again, on the same port
        assert server.names().count("insert") == 2

What to know:

- Only the first fault that matches a command acts; faults are tried in the order in which they were made.
- `hello` means the handshake under each of its names. pymongo also sends it every 10 s from a thread that monitors the
  server: a fault on "*" reaches that thread too, so that the client soon considers the server down.
- A delayed command that is released is carried out even when its client has gone, as by a server that was frozen.
- Give clients `server.url`: it has directConnection=true, because a replica set would otherwise report its members' own
  addresses and clients would bypass this server.
- `lambda command: {**command.forward(), "maxWireVersion": 5}` as `reply` edits the upstream's answer.
"""

from __future__ import annotations

import contextlib
import math
import select
import socket
import ssl
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Self

from bson import ObjectId

from tests.helpers import wire
from tests.helpers.wire import Document

HELLO_NAMES = {"hello", "ismaster", "isMaster"}
HELLO: Document = {
    "isWritablePrimary": True,
    "helloOk": True,
    "maxBsonObjectSize": 16 * 1024 * 1024,
    "maxMessageSizeBytes": 48_000_000,
    "maxWriteBatchSize": 100_000,
    "logicalSessionTimeoutMinutes": 30,
    "minWireVersion": 0,
    "maxWireVersion": 21,  # MongoDB 7.0
    "readOnly": False,
    "ok": 1.0,
}
POLL_SECONDS = 0.02


class _Cut(Exception):  # noqa: N818 (not an error: a fault requires it)
    """Close this connection now."""


@dataclass(frozen=True)
class Command:
    """One request, as a fault's `where` and `reply` see it."""

    name: str
    """First key of the command; "hello" for the handshake under each of its names."""
    document: Document
    """The whole command; an insert's documents are the list `documents`."""
    connection: int
    """Number of its connection, from 1."""
    forward: Callable[[], Document] = field(repr=False, compare=False)
    """Carry it out, by the upstream if there is one, and return the reply."""


Reply = Mapping[str, Any] | Callable[[Command], Mapping[str, Any] | None]


@dataclass(eq=False)
class Fault:
    """Changes the replies to some commands while it is switched on. Made by `ScriptedServer.fault`.

    As a context manager it is switched off at the end of the block.
    """

    command: str
    reply: Reply | None = None
    delay: float = 0.0
    cut: bool = False
    after: bool = False
    at: int = 1
    times: float = math.inf
    where: Callable[[Command], bool] | None = None
    enabled: bool = True
    seen: int = 0
    """Matching commands that arrived while it was switched on."""
    hits: int = 0
    """Commands that it changed."""

    def on(self) -> Self:
        """Switch on."""
        self.enabled = True
        return self

    def off(self) -> Self:
        """Switch off, and release delayed commands at once."""
        self.enabled = False
        return self

    def strikes(self, command: Command) -> bool:
        """Whether it acts on this command; counts the command."""
        if not self.enabled or self.command not in ("*", command.name):
            return False
        if self.where is not None and not self.where(command):
            return False
        self.seen += 1
        if not self.at <= self.seen < self.at + self.times:
            return False
        self.hits += 1
        return True

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.off()


class ScriptedServer:
    """A server on a free port of 127.0.0.1; see the module's docstring.

    `upstream` is the (host, port) to which commands are forwarded. `hello` adds to or replaces keys of the handshake's
    reply. `streaming` gives the handshake's reply a topology version, so that clients wait for changes of it: alone,
    this server answers such a request when its time is up, with several replies if allowed. `tls` makes it a TLS
    server. Threads are daemons: one that accepts, one for each connection.
    """

    def __init__(
        self,
        upstream: tuple[str, int] | None = None,
        *,
        hello: Mapping[str, Any] | None = None,
        streaming: bool = False,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self.upstream = upstream
        self.port = 0
        self.accepted = 0
        """Connections accepted so far."""
        self.commands: list[Command] = []
        """Every command that arrived, in order."""
        self._hello = dict(hello or {})
        self._topology_version = {"processId": ObjectId(), "counter": 0} if streaming else None
        self._tls = tls
        self._faults: list[Fault] = []
        self._lock = threading.Lock()
        self._links: set[_Link] = set()
        self._listener: socket.socket | None = None

    @property
    def address(self) -> tuple[str, int]:
        """Host and port; the port is chosen by the first `start` and kept."""
        return "127.0.0.1", self.port

    @property
    def url(self) -> str:
        """The URL for clients."""
        return f"mongodb://127.0.0.1:{self.port}/?directConnection=true"

    @property
    def open_connections(self) -> int:
        """Connections of clients that are open now."""
        return len(self._links)

    def names(self) -> list[str]:
        """The names of the commands that arrived."""
        return [command.name for command in list(self.commands)]

    def fault(
        self,
        command: str,
        *,
        reply: Reply | None = None,
        delay: float = 0.0,
        cut: bool = False,
        after: bool = False,
        at: int = 1,
        times: float = math.inf,
        where: Callable[[Command], bool] | None = None,
        enabled: bool = True,
    ) -> Fault:
        """From now on, do this to commands of a name ("*": of every name).

        `reply` is sent in place of carrying the command out: a document, or a function of the command (which may call
        `command.forward()`; None means no reply at all). `delay` waits so many seconds first, `math.inf` until it is
        switched off. `cut` closes the connection in place of an answer. With `after` the command is carried out before
        the delay and the cut. It acts from the `at`-th matching command on, `times` times; `where` narrows the match.
        """
        made = Fault(command, reply, delay, cut, after, at, times, where, enabled)
        with self._lock:
            self._faults.append(made)
        return made

    def clear(self) -> None:
        """Switch every fault off and forget it."""
        with self._lock:
            for fault in self._faults:
                fault.off()
            self._faults.clear()

    def start(self) -> Self:
        """Listen; again on the same port after a stop."""
        listener = socket.create_server(("127.0.0.1", self.port), backlog=128)
        self.port = listener.getsockname()[1]
        self._listener = listener
        threading.Thread(target=self._accept, args=(listener,), daemon=True).start()
        return self

    def stop(self) -> None:
        """Refuse new connections and cut those that are open."""
        with self._lock:
            listener, self._listener = self._listener, None
        if listener is not None:
            with contextlib.suppress(OSError):
                listener.shutdown(socket.SHUT_RDWR)  # wakes the thread that accepts
            listener.close()
        self.cut_all()

    def cut_all(self) -> None:
        """Cut every connection that is open now."""
        with self._lock:
            links = list(self._links)
        for link in links:
            link.cut()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.clear()
        self.stop()

    def _accept(self, listener: socket.socket) -> None:
        while True:
            try:
                client, _ = listener.accept()
            except OSError:
                return
            with self._lock:
                if self._listener is not listener:
                    client.close()
                    return
                self.accepted += 1
                link = _Link(self, client, self.accepted, listener)
                self._links.add(link)
            threading.Thread(target=self._serve, args=(link,), daemon=True).start()

    def _serve(self, link: _Link) -> None:
        """One connection, until either side closes it."""
        try:
            link.open(self._tls)
            while True:
                link.answer(wire.receive(link.client))
        except (EOFError, OSError, _Cut, wire.NotMongoError):
            pass  # any other exception is a mistake in a test's script and shows as a warning of pytest
        finally:
            with self._lock:
                self._links.discard(link)
            link.close()

    def _fault_for(self, command: Command) -> Fault | None:
        with self._lock:
            self.commands.append(command)
            return next((fault for fault in self._faults if fault.strikes(command)), None)

    def _own_reply(self, name: str, document: Document) -> Document:
        """The reply of this server without an upstream."""
        if name == "hello":
            version = {"topologyVersion": self._topology_version} if self._topology_version else {}
            balanced = {"serviceId": ObjectId()} if document.get("loadBalanced") else {}
            return {**HELLO, **version, **balanced, **self._hello}
        if name.lower() == "buildinfo":
            return {"version": "7.0.0", "versionArray": [7, 0, 0, 0], "ok": 1.0}
        if name in ("ping", "endSessions"):
            return {"ok": 1.0}
        return {"ok": 0.0, "code": 59, "codeName": "CommandNotFound", "errmsg": f"no such command: '{name}'"}


class _Link:
    """The connection of a client and, if needed, its connection to the upstream."""

    def __init__(self, server: ScriptedServer, client: socket.socket, number: int, listener: socket.socket) -> None:
        self.server = server
        self.client = client
        self.number = number
        self.listener = listener  # a server that was restarted has another one
        self.upstream: socket.socket | None = None

    def open(self, tls: ssl.SSLContext | None) -> None:
        """Do the TLS handshake, if there is TLS."""
        self.client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if tls is not None:
            self.client = tls.wrap_socket(self.client, server_side=True)

    def answer(self, request: wire.Message) -> None:
        """Answer one request, or act as a fault requires."""
        document = wire.decode(request)
        name = next(iter(document))
        name = "hello" if name in HELLO_NAMES else name
        flags = request.flags if request.opcode == wire.OP_MSG else 0
        more = bool(flags & wire.EXHAUST_ALLOWED) and self.awaits_change(document)
        command = Command(name, document, self.number, lambda: wire.decode(self.carry_out(name, document, request)))
        while True:
            reply = self.reply(command, request)
            if reply is not None and not flags & wire.MORE_TO_COME:
                body = wire.with_more_to_come(reply) if more else reply.body
                self.client.sendall(wire.packed(reply.opcode, body, reply.request_id, request.request_id))
            if not more:
                return

    def reply(self, command: Command, request: wire.Message) -> wire.Message | None:
        """The reply to a command, changed by a fault if one matches; None for no reply."""
        fault = self.server._fault_for(command)
        if fault is None:
            return self.carry_out(command.name, command.document, request)
        done = self.carry_out(command.name, command.document, request) if fault.after else None
        self.sleep(fault.delay, lambda: fault.enabled)
        if fault.cut:
            raise _Cut
        if fault.reply is None:
            return done or self.carry_out(command.name, command.document, request)
        document = fault.reply(command) if callable(fault.reply) else fault.reply
        return None if document is None else wire.reply_to(request, document)

    def carry_out(self, name: str, document: Document, request: wire.Message) -> wire.Message:
        """The reply of the upstream, else of this server alone."""
        server = self.server
        if server.upstream is None:
            if self.awaits_change(document):
                self.sleep(document.get("maxAwaitTimeMS", 0) / 1000, self.client_is_there)
            return wire.reply_to(request, server._own_reply(name, document))
        if name == "hello" and request.opcode == wire.OP_MSG:
            # Without compression, which this server could not decode.
            bare = {key: value for key, value in document.items() if key != "compression"}
            request = wire.Message(request.request_id, wire.OP_MSG, wire.op_msg(bare))
        reply = self.forward_upstream(server.upstream, request)
        if name == "hello" and server._hello:
            return wire.reply_to(request, {**wire.decode(reply), **server._hello})
        return reply

    def forward_upstream(self, address: tuple[str, int], request: wire.Message) -> wire.Message:
        """Forward a request and wait for the reply, as long as the client waits for it too."""
        if self.upstream is None:
            self.upstream = socket.create_connection(address)
            self.upstream.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.upstream.sendall(wire.packed(request.opcode, request.body, request.request_id))
        if request.opcode == wire.OP_MSG and request.flags & wire.MORE_TO_COME:
            return wire.reply_to(request, {"ok": 1.0})  # an unacknowledged write: it is never sent
        while not select.select([self.upstream], [], [], POLL_SECONDS)[0]:
            if not self.client_is_there():
                raise EOFError
        return wire.receive(self.upstream)

    def awaits_change(self, document: Document) -> bool:
        """Whether the request waits for another topology version; without upstream, the version never changes."""
        known = self.server._topology_version
        return self.server.upstream is None and known is not None and document.get("topologyVersion") == known

    def client_is_there(self) -> bool:
        """Whether the client hasn't closed its side; always true with TLS, where this can't be checked."""
        if isinstance(self.client, ssl.SSLSocket):
            return True
        try:
            return self.client.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT) != b""
        except BlockingIOError:
            return True

    def sleep(self, seconds: float, waiting: Callable[[], bool]) -> None:
        """Sleep as long as `waiting` holds; when the server is stopped, cut the connection."""
        end = time.monotonic() + seconds
        while time.monotonic() < end and waiting():
            if self.server._listener is not self.listener:
                raise _Cut
            time.sleep(max(0.0, min(POLL_SECONDS, end - time.monotonic())))

    def cut(self) -> None:
        """Cut both connections; close() alone wouldn't wake the reading thread."""
        for each in (self.client, self.upstream):
            if each is not None:
                with contextlib.suppress(OSError):
                    each.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        """Close both connections."""
        for each in (self.client, self.upstream):
            if each is not None:
                each.close()
