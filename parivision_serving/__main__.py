"""`python -m parivision_serving`: the service of predictions as a process, or as several that share its port."""

from __future__ import annotations

import sys

from parivision_serving.app import create_app, open_service, worker
from parivision_serving.settings import ServiceSettings
from parivision_serving.web import process
from parivision_serving.web.logs import configure


def _work() -> None:
    settings = ServiceSettings.from_env()
    configure(settings.log)
    if settings.api_workers == 1:
        process.run(create_app(settings), settings.api_host, settings.api_port)
    else:
        open_service(settings)  # what can't be used is told once, by us, and not by every worker
        name = f"{worker.__module__}:{worker.__name__}"
        process.run_workers(name, settings.api_host, settings.api_port, settings.api_workers)


if __name__ == "__main__":
    sys.exit(process.told("parivision_serving", _work))
