"""Where alerts go: to Slack when a token is set, otherwise to the log of the code server, which `make up` shows."""

from __future__ import annotations

import logging
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING

import dagster as dg

if TYPE_CHECKING:
    from parivision_assets.steps.messages import Alert
    from parivision_core.settings import Settings

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


def notifier_of(settings: Settings) -> NotifierResource:
    """Where alerts go with these settings."""
    _show_log()
    if not settings.slack_token:
        return LogNotifier()
    from parivision_assets.slack import SlackNotifier

    # Named and not given, so that the token never shows on a page of Dagster.
    return SlackNotifier(token=dg.EnvVar("PARIVISION_SLACK_TOKEN"), channel=settings.slack_channel)


def _show_log() -> None:
    """Let the log reach the terminal, each line once and as it is, unless whoever started the process set up its own.

    A sensor runs in the code server, where Dagster shows its own loggers alone, behind a long prefix that repeats the
    time, and where Python by itself drops what is below WARNING.
    """
    if not LOG.hasHandlers():
        LOG.addHandler(logging.StreamHandler())
        LOG.propagate = False
    LOG.setLevel(logging.INFO)
