"""Where alerts go: to Slack when a token is set, otherwise to the log of the code server, which `make up` shows."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

import dagster as dg

from parivision_assets.alerting.notifier import LOG, LogNotifier, NotifierResource

if TYPE_CHECKING:
    from parivision_core.settings import Settings


def notifier_of(settings: Settings) -> NotifierResource:
    """Where alerts go with these settings."""
    _show_log()
    if not settings.slack_token:
        return LogNotifier()
    from parivision_assets.alerting.slack import SlackNotifier

    # By the variable's name: a value would be readable on Dagster's pages.
    return SlackNotifier(token=dg.EnvVar("PARIVISION_SLACK_TOKEN"), channel=settings.slack_channel)


def _show_log() -> None:
    """Send the log's lines to the terminal as they are, unless the process has set up handlers of its own.

    Sensors run in the code server, where Dagster prints only its own loggers, with a long prefix, and where Python's
    default drops everything below WARNING.
    """
    if not LOG.hasHandlers():
        LOG.addHandler(logging.StreamHandler())
        LOG.propagate = False
    LOG.setLevel(logging.INFO)
