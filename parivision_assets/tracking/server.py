"""Keeps pages of other origins from changing MLflow: `--uvicorn-opts "--http parivision_assets.tracking.server:http"`.

MLflow itself refuses changes by pages of other sites. It accepts those of every page from this machine, on whatever
port and so of whatever program, and checks only some of its paths.
"""

from __future__ import annotations

import asyncio
from typing import Any

from uvicorn import Config
from uvicorn.protocols.http.auto import AutoHTTPProtocol

from parivision_core.cross_origin import CrossOriginProtection


def http(config: Config, **options: Any) -> asyncio.Protocol:
    """A connection's protocol, which uvicorn asks for; the first one protects the application.

    MLflow starts uvicorn by itself, and takes another application only from an installed plugin, but any of uvicorn's
    options. Host names are checked by MLflow (`--allowed-hosts`).
    """
    if not isinstance(config.loaded_app, CrossOriginProtection):
        config.loaded_app = CrossOriginProtection(config.loaded_app, frozenset(), "--allowed-hosts")
    return AutoHTTPProtocol(config=config, **options)  # type: ignore[call-arg]
