"""Which addresses the house needs, and which of them somebody else holds already."""

from __future__ import annotations

import socket
from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from honcho.environ import parse

from deploy.dagster_home import write

LOOPBACK = "127.0.0.1"
NOTE = "up.env"


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
    lost = [a for a in addresses if taken(a.port)]
    found += [f"Port {a.port}, wanted by {a.title}, is taken by another process." for a in lost]
    if lost:
        others, spoken_for = [], set(uses)
        for a in lost:
            free = _free_above(a.port, spoken_for)
            spoken_for.add(free)
            others.append(f"{a.variable}={free}")
        found.append(f"End what holds {'it' if len(lost) == 1 else 'them'}, or choose: {' '.join(others)} make up")
    return found


def note(home: Path, addresses: Iterable[Address]) -> None:
    """Leave word in the house which ports it has, so that commands in another terminal find it."""
    write(home / NOTE, "".join(f"{a.variable}={a.port}\n" for a in addresses))


def noted(home: Path) -> dict[str, str]:
    """The ports of a house that is up, by variable; empty for one that isn't."""
    file = home / NOTE
    return dict(parse(file.read_text("utf-8"))) if file.exists() else {}


def forget(home: Path) -> None:
    """Take the word back: the house is down."""
    (home / NOTE).unlink(missing_ok=True)


def _free_above(port: int, spoken_for: Collection[int]) -> int:
    ahead = (p for p in range(port + 1, min(port + 100, 65536)) if p not in spoken_for and not taken(p))
    return next(ahead, port + 1)
