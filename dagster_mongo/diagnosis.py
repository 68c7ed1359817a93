"""Translates pymongo's errors into plain words with advice.

pymongo reports most problems as "no server found in time". The causes are part of its description of each server, as
text without a type: only the text distinguishes a refused connection from an untrusted certificate. Hence the rules
match text, the most specific first. System errors are matched by number, because their texts differ between systems.
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
    """Python's text for system errors with these numbers."""
    return tuple(f"[Errno {number}]" for number in numbers)


UNRESOLVABLE = (*_numbered(socket.EAI_NONAME, socket.EAI_AGAIN, socket.EAI_FAIL), "getaddrinfo failed")
REFUSED = _numbered(errno.ECONNREFUSED)
UNREACHABLE = _numbered(errno.ENETUNREACH, errno.EHOSTUNREACH, errno.ENETDOWN, errno.EHOSTDOWN)
CUT = (*_numbered(errno.ECONNRESET, errno.EPIPE, errno.ECONNABORTED), "connection closed")
CAUSES = (r"certificate verify failed: ([^(]+)", r"\[Errno -?\d+\] ([^(,[]+)")


@dataclass(frozen=True)
class ConnectionProblem:
    """An error of pymongo, and the text of the error and all its causes."""

    error: PyMongoError
    text: str

    @property
    def code(self) -> int | None:
        """The error code that a server answered with, if it did."""
        return self.error.code if isinstance(self.error, OperationFailure) else None

    def mentions(self, *phrases: str) -> bool:
        """Whether the text contains any of these phrases."""
        return any(phrase in self.text for phrase in phrases)

    def cause(self) -> str:
        """The part of the text that names the cause."""
        if isinstance(self.error, OperationFailure):
            return f"{self.code} ({(self.error.details or {}).get('errmsg', self.error)})"
        found = (re.search(pattern, self.text) for pattern in CAUSES)
        first_part = re.split(r" \(configured timeouts|, Timeout:|, Topology Description", str(self.error))[0]
        return next((match[1].strip() for match in found if match), first_part)


@dataclass(frozen=True)
class Rule:
    """When it applies, and the reason, message and advice; `{}` in `what` stands for the problem's cause."""

    applies: Callable[[ConnectionProblem], bool]
    reason: Reason
    what: str
    advice: str


RULES = (
    Rule(
        lambda p: p.code in BAD_CREDENTIALS,
        "authentication",
        "it doesn't accept the user name or the password",
        "Check both in the URL, and authSource: the database in which the user was created.",
    ),
    Rule(
        lambda p: p.code in NOT_AUTHORISED and p.mentions("requires authentication"),
        "authentication",
        "it requires a user name and a password, and the URL has none",
        "Write them into the URL: mongodb://user:password@host:port/database.",
    ),
    Rule(
        lambda p: p.code in NOT_AUTHORISED,
        "authorisation",
        "the user may not do this: {}",
        "Grant the user a role on this database (read or readWrite), or name a collection that it may read.",
    ),
    Rule(
        lambda p: isinstance(p.error, ConfigurationError) and p.mentions("wire version"),
        "version",
        "it doesn't fit the installed pymongo: {}",
        "Update the older of the two.",
    ),
    Rule(
        lambda p: is_lookup_error(p.error) or p.mentions(*UNRESOLVABLE),
        "unresolvable",
        "the name has no address",
        "Check the host in the URL, and DNS where this process runs.",
    ),
    Rule(
        lambda p: p.mentions("certificate verify failed"),
        "tls",
        "its certificate isn't trusted: {}",
        "Set tls_ca_file to the authority that signed it, and use the host name that the certificate has.",
    ),
    Rule(
        lambda p: p.mentions("SSL handshake failed", "[SSL", "EOF occurred in violation of protocol"),
        "tls",
        "the TLS handshake failed",
        "Perhaps the server has no TLS (then leave tls unset), or requires a certificate (tls_certificate_key_file).",
    ),
    Rule(
        lambda p: isinstance(p.error, NotPrimaryError),
        "no primary",
        "it is no longer the primary of its replica set",
        "Try again when the election is over; leave directConnection out of the URL, so that the primary is found.",
    ),
    Rule(
        lambda p: isinstance(p.error, (NetworkTimeout, ExecutionTimeout)) or p.mentions("timed out"),
        "time-out",
        "it didn't answer in time",
        "Check that it isn't overloaded, and that no firewall is in between.",
    ),
    Rule(
        lambda p: p.mentions(*REFUSED),
        "absent",
        "nothing listens there",
        "Start the server, or correct host and port in the URL.",
    ),
    Rule(lambda p: p.mentions(*UNREACHABLE), "absent", "it can't be reached: {}", "Check the network, host and port."),
    Rule(
        lambda p: p.mentions(*CUT),
        "cut",
        "it closed the connection without an answer",
        "Perhaps it requires TLS (set tls) or a certificate (tls_certificate_key_file; with TLS 1.3 a server just "
        "closes the connection), has reached its limit of connections, or was just stopped.",
    ),
    Rule(lambda p: p.code is not None, "refused", "it answered with error {}", "See the server's log for more."),
    Rule(
        lambda p: isinstance(p.error, ServerSelectionTimeoutError),
        "time-out",
        "no server could be used in time: {}",
        "Check host and port, and that no firewall is in between.",
    ),
    Rule(lambda p: True, "refused", "it can't be used: {}", "See the server's log for more."),
)


def diagnose(error: PyMongoError, address: str, topology: TopologyDescription | None = None) -> MongoUnavailableError:
    """The error to raise from an error of pymongo.

    `address` is host:port, without credentials; `topology` is the client's view of its servers, if there is a client.
    """
    members = _members(topology)
    if isinstance(error, ServerSelectionTimeoutError) and any(member != "Unknown" for member in members):
        what = f"no member of its replica set can serve (they are: {', '.join(members)})"
        return MongoUnavailableError(address, "no primary", what, "See rs.status(), and replicaSet in the URL.")
    problem = ConnectionProblem(error, " ".join(str(cause) for cause in _chain(error)))
    rule = next(rule for rule in RULES if rule.applies(problem))
    return MongoUnavailableError(address, rule.reason, rule.what.replace("{}", problem.cause()), rule.advice)


def is_lookup_error(error: BaseException) -> bool:
    """Whether the DNS lookup of a mongodb+srv:// name failed; pymongo uses dnspython for that alone."""
    return any(type(cause).__module__.startswith("dns.") for cause in _chain(error))


def _members(topology: TopologyDescription | None) -> list[str]:
    """The state of each member of a replica set; empty where there is none."""
    if topology is None or not topology.topology_type_name.startswith("ReplicaSet"):
        return []
    return [server.server_type_name for server in topology.server_descriptions().values()]


def _chain(error: BaseException) -> Iterator[BaseException]:
    cause: BaseException | None = error
    while cause is not None:
        yield cause
        cause = cause.__cause__ or cause.__context__  # older releases of pymongo hide the cause of a failed lookup
