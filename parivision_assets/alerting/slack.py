"""Alerts in a Slack channel, with errors that say what to do; imported only when a token is set."""

from __future__ import annotations

import logging
from http.client import HTTPException
from typing import TYPE_CHECKING

from dagster_slack import SlackResource
from slack_sdk.errors import SlackApiError, SlackClientError
from slack_sdk.web.client import WebClient

from parivision_assets.alerting.notifier import NotifierError, NotifierResource

if TYPE_CHECKING:
    from slack_sdk.web import SlackResponse

    from parivision_assets.alerting.messages import Alert

TIMEOUT_SECONDS = 10
ADVICE = {
    **dict.fromkeys(
        ("not_authed", "invalid_auth", "account_inactive", "token_revoked", "token_expired"),
        "set PARIVISION_SLACK_TOKEN to a valid bot token",
    ),
    "missing_scope": "give the bot the scope chat:write and install it again",
    "channel_not_found": "set PARIVISION_SLACK_CHANNEL to a channel that exists",
    "not_in_channel": "invite the bot to the channel",
    "is_archived": "set PARIVISION_SLACK_CHANNEL to a channel that isn't archived",
}


class SlackNotifier(SlackResource, NotifierResource):
    """A bot that posts into one channel."""

    channel: str
    base_url: str = WebClient.BASE_URL

    def get_client(self) -> WebClient:
        """See SlackResource. The client neither retries nor logs: the sensor that sends an alert does both."""
        silent = logging.Logger("slack_sdk", level=logging.CRITICAL)
        return WebClient(self.token, base_url=self.base_url, timeout=TIMEOUT_SECONDS, retry_handlers=[], logger=silent)

    def send(self, alert: Alert) -> None:
        """See NotifierResource."""
        try:
            self.get_client().chat_postMessage(channel=self.channel, text=markup(alert), unfurl_links=False)
        except SlackApiError as error:
            raise _refusal(error.response, self.channel) from error
        except (SlackClientError, OSError, HTTPException, ValueError) as error:
            raise NotifierError(f"Slack can't be reached ({error})") from error


def markup(alert: Alert) -> str:
    """The alert in Slack's markup."""
    lines = [f"*{_escaped(alert.title)}*", _escaped(alert.detail), f"<{alert.link}>" if alert.link else ""]
    return "\n".join(line for line in lines if line)


def _escaped(text: str) -> str:
    """The text with the three characters that Slack's markup reserves escaped."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _refusal(response: SlackResponse, channel: str) -> NotifierError:
    if response.status_code == 429:
        return NotifierError("Slack asks for a pause (rate limit)", _seconds(response.headers.get("Retry-After")))
    error = str(response.get("error") or f"HTTP {response.status_code}")
    advice = f"; {ADVICE[error]}" if error in ADVICE else ""
    return NotifierError(f"Slack refused an alert for {channel}: {error}{advice}")


def _seconds(text: object) -> float:
    """Seconds of a `Retry-After` header; 0 without a number, so that the next tick tries again."""
    return float(text) if isinstance(text, str) and text.isdigit() else 0.0
