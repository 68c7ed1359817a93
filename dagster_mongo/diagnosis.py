"""What a driver's error means in plain words, and what to do about it.

pymongo reports most troubles as "no server found in time" and keeps the causes apart, in what it knows of each server,
without their types: only their text tells a refused connection from an untrusted certificate. Hence rules about text,
the most telling first; numbers of errors are matched, for their texts differ between systems.
"""

from __future__ import annotations

import errno
import re
import socket
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from pymongo.errors import (
    ConfigurationError,
    ExecutionTimeout,
    NetworkTimeout,
    NotPrimaryError,
    OperationFailure,
    PyMongoError,
    ServerSelectionTimeoutError,
)
from pymongo.topology_description import TopologyDescription

from dagster_mongo.errors import MongoUnavailableError, Reason

BAD_CREDENTIALS = {18, 8000}  # AuthenticationFailed, and what Atlas says instead
NOT_AUTHORISED = {13}


def _numbered(*numbers: int) -> tuple[str, ...]:
    """How Python writes errors of these numbers."""
    return tuple(f"[Errno {number}]" for number in numbers)


UNRESOLVABLE = (*_numbered(socket.EAI_NONAME, socket.EAI_AGAIN, socket.EAI_FAIL), "getaddrinfo failed")
REFUSED = _numbered(errno.ECONNREFUSED)
UNREACHABLE = _numbered(errno.ENETUNREACH, errno.EHOSTUNREACH, errno.ENETDOWN, errno.EHOSTDOWN)
CUT = (*_numbered(errno.ECONNRESET, errno.EPIPE, errno.ECONNABORTED), "connection closed")
OWN_WORDS = (r"certificate verify failed: ([^(]+)", r"\[Errno -?\d+\] ([^(,[]+)")


@dataclass(frozen=True)
class Trouble:
    """An error of pymongo, and all that it and its causes say."""

    error: PyMongoError
    text: str

    @property
    def code(self) -> int | None:
        """The number of the error that a server answered with."""
        return self.error.code if isinstance(self.error, OperationFailure) else None

    def says(self, *words: str) -> bool:
        """Whether any of these words occurs."""
        return any(word in self.text for word in words)

    def own_words(self) -> str:
        """The part of the text that tells the cause."""
        if isinstance(self.error, OperationFailure):
            return f"{self.code} ({(self.error.details or {}).get('errmsg', self.error)})"
        found = (re.search(pattern, self.text) for pattern in OWN_WORDS)
        first_part = re.split(r" \(configured timeouts|, Timeout:|, Topology Description", str(self.error))[0]
        return next((match[1].strip() for match in found if match), first_part)


@dataclass(frozen=True)
class Rule:
    """When it applies, and what to say; `{}` in `what` is filled with the trouble's own words."""

    applies: Callable[[Trouble], bool]
    reason: Reason
    what: str
    advice: str


RULES = (
    Rule(
        lambda t: t.code in BAD_CREDENTIALS,
        "authentication",
        "it doesn't accept the user name or the password",
        "Check both in the URL, and authSource: the database in which the user was created.",
    ),
    Rule(
        lambda t: t.code in NOT_AUTHORISED and t.says("requires authentication"),
        "authentication",
        "it wants a user name and a password, and the URL has none",
        "Write them into the URL: mongodb://user:password@host:port/database.",
    ),
    Rule(
        lambda t: t.code in NOT_AUTHORISED,
        "authorisation",
        "the user may not do this: {}",
        "Grant the user a role on this database (read or readWrite), or name a collection that it may read.",
    ),
    Rule(
        lambda t: isinstance(t.error, ConfigurationError) and t.says("wire version"),
        "version",
        "it doesn't fit the installed pymongo: {}",
        "Update the older of the two.",
    ),
    Rule(
        lambda t: is_name_trouble(t.error) or t.says(*UNRESOLVABLE),
        "unresolvable",
        "the name has no address",
        "Check the host in the URL, and DNS where this process runs.",
    ),
    Rule(
        lambda t: t.says("certificate verify failed"),
        "tls",
        "its certificate isn't trusted: {}",
        "Set tls_ca_file to the authority that signed it, and use the host name that the certificate has.",
    ),
    Rule(
        lambda t: t.says("SSL handshake failed", "[SSL", "EOF occurred in violation of protocol"),
        "tls",
        "the TLS handshake failed",
        "Perhaps the server speaks no TLS (then leave tls unset), or wants a certificate (tls_certificate_key_file).",
    ),
    Rule(
        lambda t: isinstance(t.error, NotPrimaryError),
        "no primary",
        "it is no longer the primary of its replica set",
        "Try again when the election is over; leave directConnection out of the URL, so that the primary is found.",
    ),
    Rule(
        lambda t: isinstance(t.error, (NetworkTimeout, ExecutionTimeout)) or t.says("timed out"),
        "time-out",
        "it didn't answer in time",
        "Check that it isn't overloaded, and that no firewall is in between.",
    ),
    Rule(
        lambda t: t.says(*REFUSED),
        "absent",
        "nothing listens there",
        "Start the server, or correct host and port in the URL.",
    ),
    Rule(lambda t: t.says(*UNREACHABLE), "absent", "it can't be reached: {}", "Check the network, host and port."),
    Rule(
        lambda t: t.says(*CUT),
        "cut",
        "it closed the connection without an answer",
        "Perhaps it demands TLS (set tls), has reached its limit of connections, or was stopped just now.",
    ),
    Rule(lambda t: t.code is not None, "refused", "it answered with error {}", "See the server's log for more."),
    Rule(
        lambda t: isinstance(t.error, ServerSelectionTimeoutError),
        "time-out",
        "no server could be used in time: {}",
        "Check host and port, and that no firewall is in between.",
    ),
    Rule(lambda t: True, "refused", "it can't be used: {}", "See the server's log for more."),
)


def diagnose(error: PyMongoError, address: str, topology: TopologyDescription | None = None) -> MongoUnavailableError:
    """What to raise in place of an error of pymongo, with that as its cause.

    `address` is host:port, without credentials; `topology` is what the client knows of its servers, if there is one.
    """
    members = _members(topology)
    if isinstance(error, ServerSelectionTimeoutError) and any(member != "Unknown" for member in members):
        what = f"no member of its replica set can serve (they are: {', '.join(members)})"
        return MongoUnavailableError(address, "no primary", what, "See rs.status(), and replicaSet in the URL.")
    trouble = Trouble(error, " ".join(str(cause) for cause in _chain(error)))
    rule = next(rule for rule in RULES if rule.applies(trouble))
    return MongoUnavailableError(address, rule.reason, rule.what.replace("{}", trouble.own_words()), rule.advice)


def is_name_trouble(error: BaseException) -> bool:
    """Whether the DNS lookup of a mongodb+srv:// name failed; pymongo uses dnspython for that alone."""
    return any(type(cause).__module__.startswith("dns.") for cause in _chain(error))


def _members(topology: TopologyDescription | None) -> list[str]:
    """What the members of a replica set are; empty where there is none."""
    if topology is None or not topology.topology_type_name.startswith("ReplicaSet"):
        return []
    return [server.server_type_name for server in topology.server_descriptions().values()]


def _chain(error: BaseException) -> Iterator[BaseException]:
    cause: BaseException | None = error
    while cause is not None:
        yield cause
        cause = cause.__cause__ or cause.__context__  # older releases of pymongo hide the cause of a failed look-up
