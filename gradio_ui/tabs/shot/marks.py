"""Draws the spots asked about over the court: each coloured by its comparison with the league, the latest ringed."""

from __future__ import annotations

from gradio_ui.charts.court_image import BOTTOM, LEFT, RIGHT, TOP
from gradio_ui.tabs.shot.questions import AnsweredQuestion, History

EARLIER, LATEST, RING = 8, 11, 16
"""Radii in tenths of a foot."""


def draw(history: History, spot: tuple[float, float] | None) -> str:
    """An SVG to lay over the court, with a ring at the current spot, whether it is answered or not."""
    current = [answered for answered in history if answered.spot == spot]
    # The newest is drawn last, on top; of several questions about one spot only the newest is visible.
    drawn = [_dot(answered, EARLIER) for answered in reversed(history) if answered.spot != spot]
    if spot is not None:
        drawn.append(f'<circle class="ring" cx="{spot[0]:g}" cy="{spot[1]:g}" r="{RING}"/>')
    drawn += [_dot(answered, LATEST) for answered in current[:1]]
    box = f"{LEFT} {TOP} {RIGHT - LEFT} {BOTTOM - TOP}"
    return f'<svg class="marks" viewBox="{box}" aria-hidden="true">{"".join(drawn)}</svg>'


def _dot(answered: AnsweredQuestion, radius: int) -> str:
    x, y = answered.spot
    return (
        f'<g class="mark {answered.side}" transform="translate({x:g} {y:g})"><g><circle r="{radius}"/>'
        f'<text text-anchor="middle" dy="0.35em">{answered.number}</text></g></g>'
    )
