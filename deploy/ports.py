"""The ports of the services: whether they are free, and a file that names them while the platform is up."""

from __future__ import annotations

import socket
from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from honcho.environ import parse

from deploy.dagster_home import write

LOOPBACK = "127.0.0.1"
PORTS_FILE = "up.env"


@dataclass(frozen=True)
class Address:
    """Where a service listens on the loopback address: its title, its setting, and the path of its health check."""

    title: str
    variable: str
    port: int
    health: str

    @property
    def url(self) -> str:
        """The address to open in a browser."""
        return f"http://{LOOPBACK}:{self.port}"


def taken(port: int) -> bool:
    """Whether another process uses this port."""
    # Both tests are needed: macOS allows binding a port on which a wildcard listener listens (AirPlay on 5000), and a
    # socket that is bound but doesn't listen yet refuses connections.
    with socket.socket() as client:
        client.settimeout(1)
        if client.connect_ex((LOOPBACK, port)) == 0:
            return True
    with socket.socket() as listener:
        # Otherwise connections that linger from the last `make up` would count as a taken port.
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((LOOPBACK, port))
        except OSError:
            return True
    return False


def problems(addresses: Sequence[Address]) -> list[str]:
    """What is wrong with the ports, a sentence each: ports that are taken, and ports given to two services."""
    found = []
    uses = Counter(a.port for a in addresses)
    for port in (p for p, n in uses.items() if n > 1):
        names = " and ".join(a.variable for a in addresses if a.port == port)
        found.append(f"{names} are both {port}: each service needs its own port.")
    unavailable = [a for a in addresses if taken(a.port)]
    found += [f"Port {a.port}, wanted by {a.title}, is taken by another process." for a in unavailable]
    if unavailable:
        others, reserved = [], set(uses)
        for a in unavailable:
            free = _free_above(a.port, reserved)
            reserved.add(free)
            others.append(f"{a.variable}={free}")
        which = "it" if len(unavailable) == 1 else "them"
        found.append(f"End the process that uses {which}, or choose other ports: {' '.join(others)} make up")
    return found


def write_ports(home: Path, addresses: Iterable[Address]) -> None:
    """Write the ports in use to a file in the state folder, where commands in another terminal find them."""
    write(home / PORTS_FILE, "".join(f"{a.variable}={a.port}\n" for a in addresses))


def read_ports(home: Path) -> dict[str, str]:
    """The ports of a platform that is up, by variable; empty when it isn't."""
    file = home / PORTS_FILE
    return dict(parse(file.read_text("utf-8"))) if file.exists() else {}


def remove_ports(home: Path) -> None:
    """Remove the file: the platform is down."""
    (home / PORTS_FILE).unlink(missing_ok=True)


def _free_above(port: int, reserved: Collection[int]) -> int:
    candidates = (p for p in range(port + 1, min(port + 100, 65536)) if p not in reserved and not taken(p))
    return next(candidates, port + 1)
