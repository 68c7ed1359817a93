"""Which addresses the house needs, and which of them somebody else holds already."""

from __future__ import annotations

import socket
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

LOOPBACK = "127.0.0.1"


@dataclass(frozen=True)
class Address:
    """A port of the loopback address, whom it belongs to and how one sees that it answers."""

    title: str
    variable: str
    port: int
    health: str

    @property
    def url(self) -> str:
        """What a person opens in a browser."""
        return f"http://{LOOPBACK}:{self.port}"


def taken(port: int) -> bool:
    """Whether somebody listens on this port."""
    # Both questions, because neither is enough: macOS lets one bind a port that a wildcard listener holds (AirPlay on
    # 5000), and a bound socket that doesn't listen yet refuses connections.
    with socket.socket() as caller:
        caller.settimeout(1)
        if caller.connect_ex((LOOPBACK, port)) == 0:
            return True
    with socket.socket() as listener:
        # Else connections that linger from the last `make up` would count as a taken port.
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((LOOPBACK, port))
        except OSError:
            return True
    return False


def problems(addresses: Sequence[Address]) -> list[str]:
    """What is wrong with the ports, a sentence each: taken ones, and ones given to two services."""
    found = []
    uses = Counter(a.port for a in addresses)
    for port in (p for p, n in uses.items() if n > 1):
        names = " and ".join(a.variable for a in addresses if a.port == port)
        found.append(f"{names} are both {port}: each service needs its own port.")
    found += [
        f"Port {a.port}, wanted by {a.title}, is taken by another process. End it, or choose another port: "
        f"{a.variable}={_free_above(a.port, uses)} make up"
        for a in addresses
        if taken(a.port)
    ]
    return found


def _free_above(port: int, spoken_for: Counter[int]) -> int:
    ahead = (p for p in range(port + 1, min(port + 100, 65536)) if p not in spoken_for and not taken(p))
    return next(ahead, port + 1)
