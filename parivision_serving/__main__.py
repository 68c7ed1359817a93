"""`python -m parivision_serving`: runs the prediction service, as one process or as several that share its port."""

from __future__ import annotations

import sys

from parivision_core.rights import keep_private
from parivision_serving.app import create_app, open_service, worker
from parivision_serving.settings import ServiceSettings
from parivision_serving.web import process
from parivision_serving.web.logs import configure


def _serve() -> None:
    settings = ServiceSettings.from_env()
    configure(settings.log)
    if settings.api_workers == 1:
        process.run(create_app(settings), settings.api_host, settings.api_port)
    else:
        open_service(settings)  # so that a bad setting is reported once, here, and not by every worker
        name = f"{worker.__module__}:{worker.__name__}"
        process.run_workers(name, settings.api_host, settings.api_port, settings.api_workers)


if __name__ == "__main__":
    keep_private()
    sys.exit(process.exit_code("parivision_serving", _serve))
