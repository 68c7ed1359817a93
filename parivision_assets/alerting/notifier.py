"""The resource that sends alerts: its interface, its error, and the channel that needs no account, the log."""

from __future__ import annotations

import logging
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING

import dagster as dg

from parivision_core.problems import PariVisionError

if TYPE_CHECKING:
    from parivision_assets.alerting.messages import Alert

LOG = logging.getLogger("parivision.alerts")


class NotifierError(PariVisionError):
    """An alert wasn't delivered; it has to be sent again, after at least `retry_after` seconds."""

    def __init__(self, message: str, retry_after: float = 0.0) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class NotifierResource(dg.ConfigurableResource, ABC):  # type: ignore[type-arg]
    """Sends alerts to the person on duty."""

    @abstractmethod
    def send(self, alert: Alert) -> None:
        """Send an alert. Raises NotifierError when it wasn't delivered and must be sent again."""


class LogNotifier(NotifierResource):
    """Alerts as lines of the log."""

    def send(self, alert: Alert) -> None:
        """See NotifierResource."""
        LOG.log(alert.level, alert.line())
