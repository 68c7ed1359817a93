"""`make correct ARGS="SHOT_ID ... --write FILE"`: write stored shots out for correction, for `make replay`."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from parivision_assets.commands.quarantine import write_corrections
from parivision_assets.steps.feed.replaying import shots_to_correct
from parivision_core.nba.shots import NBA
from parivision_core.problems import PariVisionError
from parivision_core.rights import keep_private
from parivision_core.settings import Settings
from parivision_core.store import open_store


def main(arguments: Sequence[str] | None = None) -> int:
    """Write the documents of shots to a file; the exit code."""
    parser = argparse.ArgumentParser(prog="make correct", description=__doc__)
    parser.add_argument("shots", metavar="SHOT_ID", nargs="+", help="`_id` of a shot, as GET /api/v1/shots shows it")
    parser.add_argument("--write", metavar="FILE", type=Path, required=True, help="a new file of JSON Lines")
    chosen = parser.parse_args(arguments)
    try:
        lines = shots_to_correct(chosen.shots, open_store(Settings.from_env(), NBA))
    except PariVisionError as error:
        print(error, file=sys.stderr)
        return 1
    return write_corrections(chosen.write, lines)


if __name__ == "__main__":
    keep_private()
    sys.exit(main())
