"""The errors of this package: a configuration that can't be used, and a database that can't be used.

Their messages never contain a user name or a password.
"""

from __future__ import annotations

from typing import Literal

Reason = Literal[
    "absent",  # nothing listens there, or there is no route to it
    "unresolvable",  # the name has no address
    "authentication",  # wrong credentials, or none where they are required
    "authorisation",  # valid credentials without the necessary role
    "tls",  # the two sides don't agree on TLS, or a certificate isn't trusted
    "time-out",  # no answer in time
    "version",  # the server is too old or too new for the installed pymongo
    "cut",  # the connection was closed without an answer
    "no primary",  # a replica set without a member that could serve
    "refused",  # the server answered with some other error
]


class MongoConfigError(Exception):
    """The configuration can't be used; the message says what to change.

    It is no ValueError: pydantic would wrap that and print the input, which may be a URL with a password.
    """


class MongoUnavailableError(Exception):
    """The database can't be used now. The message names its address, the reason and a remedy.

    `address` is host:port (several are joined with commas), `reason` is for programs, `what` is the reason in plain
    words, and `advice` is what to do about it.
    """

    def __init__(self, address: str, reason: Reason, what: str, advice: str) -> None:
        super().__init__(address, reason, what, advice)  # all four, so that it can be pickled
        self.address = address
        self.reason = reason
        self.what = what
        self.advice = advice

    def __str__(self) -> str:
        return f"MongoDB at {self.address}: {self.what}. {self.advice}"
