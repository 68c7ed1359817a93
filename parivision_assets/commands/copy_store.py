"""`make copy FROM=... TO=...`: copy a whole store into one of another kind or place."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path

from parivision_core.nba.shots import NBA
from parivision_core.problems import ConfigurationError, PariVisionError
from parivision_core.rights import keep_private
from parivision_core.settings import Settings
from parivision_core.sport import Sport
from parivision_core.store import open_files, open_store
from parivision_core.store.base import Store
from parivision_core.store.copying import copy

PLACES = (
    "`files` is the embedded store in PARIVISION_HOME, `mongo` the database of PARIVISION_MONGO_URL; anything else is "
    "a state folder or a URL that begins with mongodb"
)


def address(name: str, settings: Settings) -> str:
    """The state folder or URL that one word names. Raises ConfigurationError when it names none."""
    if name == "mongo" and not settings.mongo_url:
        raise ConfigurationError("set PARIVISION_MONGO_URL, which is the database that `mongo` names")
    if name == "mongo" or name.startswith("mongodb"):
        return settings.mongo_url if name == "mongo" else name
    return str(settings.home if name == "files" else Path(name).expanduser().resolve())


def store_at(place: str, settings: Settings, sport: Sport) -> Store:
    """The store of a sport at an address."""
    if place.startswith("mongodb"):
        return open_store(replace(settings, mongo_url=place), sport)
    return open_files(Path(place), sport)


def main(arguments: Sequence[str] | None = None) -> int:
    """Copy and print the progress; the exit code."""
    parser = argparse.ArgumentParser(prog="make copy", description=__doc__, epilog=PLACES)
    parser.add_argument("source", metavar="FROM")
    parser.add_argument("target", metavar="TO")
    chosen = parser.parse_args(arguments)
    began = time.monotonic()
    try:
        settings = Settings.from_env()
        places = [address(name, settings) for name in (chosen.source, chosen.target)]
        if places[0] == places[1]:
            raise ConfigurationError(f"{chosen.source} and {chosen.target} are the same store")
        source, target = (store_at(place, settings, NBA) for place in places)
        counts = copy(source, target, lambda line: print(f"{time.monotonic() - began:7.1f} s  {line}", flush=True))
    except PariVisionError as error:
        print(error, file=sys.stderr)
        print("What was copied stays; run the same command again to continue.", file=sys.stderr)
        return 1
    print("Both hold " + ", ".join(f"{n:,} {name.replace('_', ' ')}" for name, n in asdict(counts).items()) + ".")
    return 0


if __name__ == "__main__":
    keep_private()
    sys.exit(main())
