"""The answer as HTML: its card, the cards that stand in its place, and the table of earlier questions."""

from __future__ import annotations

from html import escape

from gradio_ui.client import ChampionView
from gradio_ui.tabs.shot.questions import AnsweredQuestion, History
from gradio_ui.words import NBSP, compared, count, distance, link, percent, through

ANYONE = "Any shooter"
LONGEST_NAME = 40
"""Characters of a typed name that are shown."""


def answer(answered: AnsweredQuestion, page: str = "", not_chosen: str = "") -> str:
    """The chance of a make, the league's average and the model that answered; `page` is the model's address.

    `not_chosen` is a name that was typed but not chosen from the list.
    """
    p, shot = answered.prediction, answered.prediction.shot
    facts = "".join(
        f"<div><dt>{term}</dt><dd>{value}</dd></div>"
        for term, value in (
            ("Expected points", f"{p.expected_points:.2f}"),
            ("League\N{RIGHT SINGLE QUOTATION MARK}s average", percent(p.league_average)),
            ("A make counts", f"{shot.points}{NBSP}points"),
        )
    )
    return f"""
<section class="card answer {answered.side}" data-question="{answered.number}">
  <p class="heading"><strong>{escape(answered.shooter or ANYONE)}</strong>{_asides(answered, not_chosen)}</p>
  <p class="chance"><span class="number">{percent(p.probability)}</span> <span class="of">chance of a make</span></p>
  {_gauge(p.probability, p.league_average)}
  <p class="compared">{compared(p.probability, p.league_average)}</p>
  <dl class="facts">{facts}</dl>
  <p class="where">{distance(shot.distance_feet)} from the hoop, {escape(shot.zone_name)}</p>
  <p class="source">{link(page, f"Champion version {p.champion_version}")}, {through(p.feature_state_through)}</p>
</section>"""


def invitation(champion: ChampionView) -> str:
    """The card before the first question."""
    version = link(champion.page, f"Champion version {champion.version}")
    source = f"{version}, {through(champion.feature_state.through)}"
    return f"""
<section class="card no-answer invitation">
  <p class="lead">Where does the shot come from?</p>
  <p>Click the court, or choose a player by name. The chance that it goes in appears here, with what it is worth and how
  the league does from there.</p>
  <p class="source">{source}</p>
</section>"""


def incomplete() -> str:
    """The card while a number is missing."""
    return """
<section class="card no-answer refused">
  <p class="lead">Which spot, and when?</p>
  <p>Click the court or fill both of its fields, and say how many seconds are left in the period.</p>
</section>"""


def table(history: History) -> str:
    """The latest questions, newest first; empty before the first."""
    if not history:
        return ""
    rows = "".join(
        f'<tr><td><span class="mark {a.side}">{a.number}</span></td>'
        f'<td>{escape(a.shooter or ANYONE)}<span class="context">{escape(_context(a))}</span></td>'
        f"<td>{distance(a.prediction.shot.distance_feet)}"
        f'<span class="context">{escape(a.prediction.shot.zone_name)}</span></td>'
        f'<td class="figure">{percent(a.prediction.probability)}</td>'
        f'<td class="figure">{a.prediction.expected_points:.2f}</td></tr>'
        for a in history
    )
    return f"""
<table class="history">
  <caption>The latest questions
    <span class="legend"><i class="mark much-below"></i>below the league<i class="mark much-above"></i>above</span>
  </caption>
  <thead><tr><th scope="col"><span class="sr">Number</span></th><th scope="col">Shooter</th><th scope="col">Where</th>
  <th scope="col" class="figure">Chance</th><th scope="col" class="figure">Points</th></tr></thead>
  <tbody>{rows}</tbody>
</table>"""


def _asides(answered: AnsweredQuestion, not_chosen: str) -> str:
    """What stands beside the shooter's name: the number of known shots, and a typed name that wasn't chosen."""
    texts = []
    if answered.shooter:
        shots = answered.prediction.shot.shooter_shots
        texts.append(f"{count(shots) if shots else 'no'} earlier shots known")
    if not_chosen:
        typed = f"\N{LEFT DOUBLE QUOTATION MARK}{not_chosen[:LONGEST_NAME]}\N{RIGHT DOUBLE QUOTATION MARK}"
        texts.append(f"{typed} isn\N{RIGHT SINGLE QUOTATION MARK}t chosen")
    return "".join(f" <span>{escape(text)}</span>" for text in texts)


def _gauge(probability: float, league: float) -> str:
    """A bar from 0 to 100 % with a tick at the league's average; hidden from screen readers: a text repeats it."""
    return (
        f'<div class="gauge" aria-hidden="true"><i class="bar" style="width:{100 * probability:.1f}%"></i>'
        f'<i class="league" style="left:{100 * league:.1f}%"></i></div>'
    )


def _context(answered: AnsweredQuestion) -> str:
    """What else was given, in a few words: kind, opponent, home or away, period and clock."""
    q = answered.question
    clock = divmod(int(q.seconds_remaining), 60)
    parts = [
        q.kind or "",
        f"against {q.opponent}" if q.opponent else "",
        {True: "home", False: "away", None: ""}[q.home],
        f"{f'Q{q.period}' if q.period <= 4 else f'OT{q.period - 4}'} {clock[0]}:{clock[1]:02}",
    ]
    return ", ".join(part for part in parts if part)
