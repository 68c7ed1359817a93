"""What takes an alert to a person: the resource that each channel is, and the log, the channel that needs nothing."""

from __future__ import annotations

import logging
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING

import dagster as dg

if TYPE_CHECKING:
    from parivision_assets.alerting.messages import Alert

LOG = logging.getLogger("parivision.alerts")


class NotifierResource(dg.ConfigurableResource, ABC):  # type: ignore[type-arg]
    """Takes alerts to whoever is on duty."""

    @abstractmethod
    def send(self, alert: Alert) -> None:
        """Tell an alert. Raises NotifierError when it wasn't taken and must be sent again."""


class LogNotifier(NotifierResource):
    """Alerts as lines of the log."""

    def send(self, alert: Alert) -> None:
        """See NotifierResource."""
        LOG.log(alert.level, alert.line())
