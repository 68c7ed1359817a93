"""What a person on duty is told of a failed run, a verdict and a failed check: records in, short texts out."""

from __future__ import annotations

import logging
import re
from collections.abc import Sequence

import msgspec

from parivision_core.records import Verdict

LONGEST = 500
"""Characters of a detail: a list of failed batches can be endless."""

_MODULES = re.compile(r"^(?:\w+\.)+(?=\w+(?::|$))")


class Alert(msgspec.Struct, frozen=True):
    """A short text, ready for a log or a chat."""

    title: str
    detail: str
    link: str = ""
    """Address of a page that shows more."""
    level: int = logging.WARNING

    def repeated(self, count: int, again: bool) -> Alert:
        """The alert for `count` events of its kind, `again` when there were earlier ones that have been told."""
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
    """A run that an end of everything cut off, and that comes again by itself."""
    return Alert(f"{job} was interrupted by the last stop", "it is taken up again", link, logging.INFO)


def judged(verdict: Verdict, topic: str) -> Alert | None:
    """A new verdict; None for `not_yet`, which is no news."""
    if verdict.decision == "not_yet":
        return None
    rival = "the baseline" if verdict.champion is None else f"version {verdict.champion}"
    if verdict.decision == "pass":
        title = f"{topic}: version {verdict.candidate} passed, to replace {rival}"
    else:
        title = f"{topic}: version {verdict.candidate} refused, {rival} stays"
    return Alert(title, one_line(verdict.reason), level=logging.INFO)


def failed_check(topic: str, description: str | None, advice: str, link: str) -> Alert:
    """A check that failed; the advice says what to do about it."""
    said = one_line(description or "the check failed and doesn't say why")
    return Alert(topic, f"{said}; {advice}" if advice else said, link)


def unseen(ledger: Sequence[Verdict], last: str) -> list[Verdict]:
    """Verdicts of a ledger (newest first) that came after the one with the mark `last`, oldest first.

    A ledger that doesn't hold that one is another one: then what was judged later counts as new.
    """
    marks = [mark(verdict) for verdict in ledger]
    if last in marks:
        new = ledger[: marks.index(last)]
    else:
        then = int(last.partition(":")[0] or 0)
        new = [verdict for verdict in ledger if verdict.judged_at > then]
    return list(reversed(new))


def mark(verdict: Verdict) -> str:
    """What tells a verdict from all others."""
    return f"{verdict.judged_at}:{verdict.candidate}"


def error_in_words(message: str) -> str:
    """An exception's message as Python prints it, without the modules in which its class lives."""
    return _MODULES.sub("", message.strip())


def one_line(text: str) -> str:
    """The text in one line, cut where it gets too long."""
    line = " ".join(text.split())
    return line if len(line) <= LONGEST else line[: LONGEST - 4] + " ..."
