"""The part of MongoDB's wire protocol that a scripted server needs: reading requests, writing replies.

A message is a header of four little-endian integers (length, request id, id answered, operation code) and a body.
pymongo speaks OP_MSG; drivers before 4.20 open a connection with the older OP_QUERY, which is answered with OP_REPLY.
"""

from __future__ import annotations

import itertools
import socket
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import bson

Document = dict[str, Any]

OP_REPLY = 1
OP_QUERY = 2004
OP_MSG = 2013

MORE_TO_COME = 1 << 1  # from a client: an unacknowledged write, without reply; from a server: another reply follows
EXHAUST_ALLOWED = 1 << 16  # the client accepts several replies to one request
CHECKSUM_PRESENT = 1

HEADER = struct.Struct("<iiii")
_ids = itertools.count(1)
LONGEST = 48_000_000  # bytes, as for a real server


class NotMongoError(Exception):
    """The bytes aren't MongoDB's wire protocol."""


@dataclass(frozen=True)
class Message:
    """One message, undecoded."""

    request_id: int
    opcode: int
    body: bytes

    @property
    def flags(self) -> int:
        """OP_MSG's flag bits."""
        return int(struct.unpack_from("<I", self.body)[0])


def receive_exactly(connection: socket.socket, size: int) -> bytes:
    """Read exactly `size` bytes. Raises EOFError when the other side has closed."""
    data = bytearray()
    while len(data) < size:
        piece = connection.recv(size - len(data))
        if not piece:
            raise EOFError
        data += piece
    return bytes(data)


def receive(connection: socket.socket) -> Message:
    """The next message. Raises EOFError at the end of the stream, NotMongoError for another protocol."""
    length, request_id, _, opcode = HEADER.unpack(receive_exactly(connection, HEADER.size))
    if opcode not in (OP_REPLY, OP_QUERY, OP_MSG) or not HEADER.size < length <= LONGEST:
        raise NotMongoError(f"a message of {length} bytes with operation code {opcode}")
    return Message(request_id, opcode, receive_exactly(connection, length - HEADER.size))


def packed(opcode: int, body: bytes, request_id: int, response_to: int = 0) -> bytes:
    """The bytes of a message."""
    return HEADER.pack(HEADER.size + len(body), request_id, response_to, opcode) + body


def op_msg(document: Mapping[str, Any], flags: int = 0) -> bytes:
    """The body of an OP_MSG with one document."""
    return struct.pack("<IB", flags, 0) + bson.encode(document)


def op_reply(document: Mapping[str, Any]) -> bytes:
    """The body of an OP_REPLY with one document."""
    return struct.pack("<iqii", 8, 0, 0, 1) + bson.encode(document)


def reply_to(request: Message, document: Mapping[str, Any]) -> Message:
    """A reply in the format of the request."""
    if request.opcode == OP_QUERY:
        return Message(next(_ids), OP_REPLY, op_reply(document))
    return Message(next(_ids), OP_MSG, op_msg(document))


def with_more_to_come(reply: Message) -> bytes:
    """The body of an OP_MSG reply, with the flag that another one follows."""
    return struct.pack("<I", reply.flags | MORE_TO_COME) + reply.body[4:]


def decode(message: Message) -> Document:
    """The command of a request, or the document of a reply; OP_MSG's document sequences become lists in it."""
    if message.opcode == OP_MSG:
        return _decode_op_msg(message)
    if message.opcode == OP_QUERY:
        start = message.body.index(b"\0", 4) + 1 + 8  # flags, name of the collection, two numbers
        length = struct.unpack_from("<i", message.body, start)[0]
        return bson.decode(message.body[start : start + length])
    if message.opcode == OP_REPLY:
        return bson.decode(message.body[20:])
    raise NotMongoError(f"operation code {message.opcode}")


def _decode_op_msg(message: Message) -> Document:
    body, document, sequences = message.body, {}, {}
    end = len(body) - (4 if message.flags & CHECKSUM_PRESENT else 0)
    at = 4
    while at < end:
        kind, length = struct.unpack_from("<Bi", body, at)
        section = body[at + 1 : at + 1 + length]
        if kind == 0:
            document = bson.decode(section)
        else:
            name_end = section.index(b"\0", 4)
            sequences[section[4:name_end].decode()] = bson.decode_all(section[name_end + 1 :])
        at += 1 + length
    return {**document, **sequences}
