"""The texts of alerts: from failed runs, verdicts and failed checks to a title and one line of detail."""

from __future__ import annotations

import logging
import re
from collections.abc import Sequence

import msgspec

from parivision_core.records import Verdict

LONGEST = 500
"""Characters of a detail: a run may name hundreds of failed batches."""

_MODULES = re.compile(r"^(?:\w+\.)+(?=\w+(?::|$))")


class Alert(msgspec.Struct, frozen=True):
    """A short text, ready for a log or a chat."""

    title: str
    detail: str
    link: str = ""
    """Address of a page that shows more."""
    level: int = logging.WARNING

    def repeated(self, count: int, again: bool) -> Alert:
        """The alert for `count` events with its key, `again` when earlier ones were sent already."""
        if count == 1 and not again:
            return self
        times = "again" if count == 1 else f"{count} more times" if again else f"{count} times"
        return msgspec.structs.replace(self, title=f"{self.title} ({times})")

    def line(self) -> str:
        """The alert for a log."""
        return f"{self.title}: {self.detail}" + (f" ({self.link})" if self.link else "")


def failed_run(job: str, step: str | None, reason: str, link: str) -> Alert:
    """A run that failed, in a step or as a whole."""
    where = f", step {step}" if step and step != job else ""
    return Alert(f"run failed: {job}{where}", one_line(reason), link)


def interrupted_run(job: str, link: str) -> Alert:
    """A run that was cut off when the platform stopped, and that is requested again by itself."""
    return Alert(f"{job} was interrupted when the platform stopped", "it will run again by itself", link, logging.INFO)


def judged(verdict: Verdict, topic: str) -> Alert | None:
    """A new verdict; None for `not_yet`, which decides nothing."""
    if verdict.decision == "not_yet":
        return None
    rival = "the baseline" if verdict.champion is None else f"version {verdict.champion}"
    if verdict.decision == "pass":
        title = f"{topic}: version {verdict.candidate} passed, to replace {rival}"
    else:
        title = f"{topic}: version {verdict.candidate} refused, {rival} stays"
    return Alert(title, one_line(verdict.reason), level=logging.INFO)


def failed_check(topic: str, description: str | None, advice: str, link: str) -> Alert:
    """A check that failed; `advice` says what to do about it."""
    reason = one_line(description or "the check failed without a description")
    return Alert(topic, f"{reason}; {advice}" if advice else reason, link)


def unseen(ledger: Sequence[Verdict], last: str) -> list[Verdict]:
    """Verdicts of a ledger (newest first) that came after the one with the mark `last`, oldest first.

    A ledger without that verdict is that of another store: then everything judged later counts as new.
    """
    marks = [mark(verdict) for verdict in ledger]
    if last in marks:
        new = ledger[: marks.index(last)]
    else:
        then = int(last.partition(":")[0] or 0)
        new = [verdict for verdict in ledger if verdict.judged_at > then]
    return list(reversed(new))


def mark(verdict: Verdict) -> str:
    """What identifies a verdict."""
    return f"{verdict.judged_at}:{verdict.candidate}"


def error_in_words(message: str) -> str:
    """An exception's message as Python prints it, without the module path of its class."""
    return _MODULES.sub("", message.strip())


def one_line(text: str) -> str:
    """The text in one line, cut where it gets too long."""
    line = " ".join(text.split())
    return line if len(line) <= LONGEST else line[: LONGEST - 4] + " ..."
