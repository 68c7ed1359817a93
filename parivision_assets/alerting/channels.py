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
