"""The champion's card and the table of verdicts as HTML; all gains are drawn on one common scale."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from gradio_ui.client import ChampionView, DriftView, VerdictView
from gradio_ui.words import NOTHING, count, day, gain, link, moment, through

DECISIONS = {"pass": "passed", "refuse": "refused", "not_yet": "not yet"}  # nosec  # B105: no password
"""The decisions as they are shown."""
SHOWN = 20
"""Candidates in the table."""


def champion_card(champion: ChampionView, judged: Sequence[VerdictView], drift: str) -> str:
    """The champion's card.

    `judged` are verdicts, newest first, from which comes the start of its term; `drift` is a summary as HTML.
    """
    passed = next((v for v in judged if v.candidate == champion.version and v.decision == "pass"), None)
    since = f"since {moment(passed.judged_at)}" if passed else f"registered {moment(champion.registered_at)}"
    made = champion.provenance
    problem = f'<p class="problem">{escape(champion.reload_problem)}</p>' if champion.reload_problem else ""
    return f"""
<section class="card champion">
  <p class="heading">The current champion</p>
  <p class="chance"><span class="number">Version {champion.version}</span> <span class="of">{since}</span></p>
  <p>{escape(champion.model)}, fitted on games from {day(made.first_date)} to {day(made.last_train_date)}</p>
  <p>now with {through(champion.feature_state.through)}, {count(champion.feature_state.shots)} shots</p>
  <p>{link(champion.page, "Version and training run in MLflow")}</p>
  <p>{drift}</p>
  {problem}
</section>"""


def drift_summary(drift: DriftView | None, champion: int) -> str:
    """The result of the latest drift report, which may still be about an earlier champion."""
    if drift is None:
        return "No drift report yet; the first comes a minute after a promotion, once there are enough games."
    moved = [column.name for column in drift.columns if column.alarms]
    found = f"Drift in {', '.join(moved)}" if moved else "No drift"
    window = f"{count(drift.newest.games)} games from {day(drift.newest.first_date)} to {day(drift.newest.last_date)}"
    than = "its training" if drift.champion == champion else f"the training of version {drift.champion}"
    return f"{escape(found)} in the {window} against {than}: {link(drift.page, 'drift report')}"


def latest_per_pair(judged: Sequence[VerdictView]) -> list[VerdictView]:
    """The newest verdict on each pair of candidate and champion, newest first: a challenger is judged many times."""
    newest: dict[tuple[int, int | None, int], VerdictView] = {}
    for verdict in judged:
        newest.setdefault((verdict.candidate, verdict.champion, verdict.epoch), verdict)
    return list(newest.values())


def table(judged: Sequence[VerdictView]) -> str:
    """Two rows per candidate, newest first: the gain with its interval, and the reason for the decision."""
    if not judged:
        return '<p class="quiet">No candidate has been judged yet.</p>'
    judged = latest_per_pair(judged)[:SHOWN]
    low, high = scale(judged)
    rows = "".join(_row(verdict, low, high) for verdict in judged)
    return f"""
<table class="verdicts">
  <caption>How candidates were judged
    <span class="legend">The gain is log loss per shot, in thousandths. A candidate passes when its interval lies right
    of zero and its gain right of the dashed line; until that is decided it stays a challenger. An arrow points to a
    gain that lies beyond the scale.</span></caption>
  <thead><tr><th scope="col">Candidate</th><th scope="col">Decision</th>
  <th scope="col" colspan="2">Gain</th>
  <th scope="col" class="figure wide">Games</th>
  <th scope="col" class="wide">Judged</th></tr></thead>
  <tbody>{rows}</tbody>
</table>"""


def scale(judged: Sequence[VerdictView]) -> tuple[float, float]:
    """Ends of the common scale: it holds zero, the margins, and the intervals of candidates compared with a champion.

    The first candidate is far better than the baseline: on a scale that held it, the other intervals would vanish.
    """
    compared = [v for v in judged if v.champion is not None] or judged
    values = [0.0] + [v.margin for v in judged]
    values += [value for v in compared for value in (v.gain, v.gain_low, v.gain_high) if value is not None]
    padding = 0.06 * (max(values) - min(values)) or 0.001
    return min(values) - padding, max(values) + padding


def plot(verdict: VerdictView, low: float, high: float) -> str:
    """Zero, the margin, the interval and the gain on a scale from `low` to `high`; empty without a gain.

    What lies beyond an end is cut off there; a gain beyond it becomes an arrow.
    """

    def place(value: float) -> float:
        return min(max(100 * (value - low) / (high - low), 0.0), 100.0)

    if verdict.gain is None:
        return ""
    beyond = " over" if verdict.gain > high else " under" if verdict.gain < low else ""
    left, right = (verdict.gain if end is None else end for end in (verdict.gain_low, verdict.gain_high))
    width = place(right) - place(left)
    interval = f'<i class="interval" style="left:{place(left):.2f}%;width:{width:.2f}%"></i>' if width else ""
    return (
        f'<div class="plot {verdict.decision}" aria-hidden="true"><i class="zero" style="left:{place(0):.2f}%"></i>'
        f'<i class="margin" style="left:{place(verdict.margin):.2f}%"></i>'
        f"{interval}"
        f'<i class="gain{beyond}" style="left:{place(verdict.gain):.2f}%"></i></div>'
    )


def _row(verdict: VerdictView, low: float, high: float) -> str:
    opponent = f"against version {verdict.champion}" if verdict.champion is not None else "against the baseline"
    measured = NOTHING if verdict.gain is None else gain(verdict.gain)
    interval = games = ""
    if verdict.gain is not None:  # else there was no comparison
        games = f'{count(verdict.games)}<span class="context">{count(verdict.shots)} shots</span>'
    if verdict.gain_low is not None and verdict.gain_high is not None:
        interval = f'<span class="context">{gain(verdict.gain_low)} to {gain(verdict.gain_high)}</span>'
    return (
        f'<tr class="candidate"><th scope="row">{link(verdict.page, f"Version {verdict.candidate}")}'
        f'<span class="context">{opponent}</span></th>'
        f'<td><span class="decision {verdict.decision}">{DECISIONS[verdict.decision]}</span></td>'
        f'<td class="plot-cell">{plot(verdict, low, high)}</td><td class="figure">{measured}{interval}</td>'
        f'<td class="figure wide">{games}</td>'
        f'<td class="wide">{moment(verdict.judged_at)}</td></tr>'
        f'<tr class="reason"><td colspan="6">{escape(verdict.reason)}</td></tr>'
    )
