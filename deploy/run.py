"""Run one command in the environment of `make up`: `python -m deploy.run python -m dagster --version`."""

from __future__ import annotations

import os
import sys

from deploy.environment import for_services, with_dotenv
from deploy.feeds import with_feeds
from deploy.ports import read_ports
from deploy.prepare import prepare
from parivision_core.problems import PariVisionError
from parivision_core.rights import keep_private
from parivision_core.settings import Settings

STATELESS = "--stateless"
"""Option in front of a command that needs neither the store nor Dagster's tables."""


def main(command: list[str]) -> None:
    """Replace this process by the command; exit with 2 when there is none, with 1 when a setting can't be used."""
    if not command:
        print(__doc__, file=sys.stderr)
        sys.exit(2)
    try:
        environ = with_dotenv(os.environ)
        settings = Settings.from_env(environ)
        if command[0] == STATELESS:
            command, env = command[1:], for_services(environ, settings)
        else:
            environ = read_ports(settings.home) | environ
            env = for_services(environ, with_feeds(Settings.from_env(environ)))
            prepare(env)
    except (PariVisionError, RuntimeError, OSError) as error:
        sys.exit(str(error))
    os.execvpe(command[0], command, env)


if __name__ == "__main__":
    keep_private()
    main(sys.argv[1:])
