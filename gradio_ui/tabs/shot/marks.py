"""The spots asked about so far, drawn over the court: the latest in a ring, each coloured by how it compares."""

from __future__ import annotations

from gradio_ui.charts.court_image import BOTTOM, LEFT, RIGHT, TOP
from gradio_ui.tabs.shot.questions import AnsweredQuestion, History

EARLIER, LATEST, RING = 8, 11, 16
"""Radii in tenths of a foot."""


def draw(history: History, spot: tuple[float, float] | None) -> str:
    """An SVG to lie over the court, with a ring at the spot in question, whether it is answered or not."""
    here = [asked for asked in history if asked.spot == spot]
    # The newest comes last, so that it lies on top; of several questions about one spot only the newest can be seen.
    drawn = [_dot(asked, EARLIER) for asked in reversed(history) if asked.spot != spot]
    if spot is not None:
        drawn.append(f'<circle class="ring" cx="{spot[0]:g}" cy="{spot[1]:g}" r="{RING}"/>')
    drawn += [_dot(asked, LATEST) for asked in here[:1]]
    box = f"{LEFT} {TOP} {RIGHT - LEFT} {BOTTOM - TOP}"
    return f'<svg class="marks" viewBox="{box}" aria-hidden="true">{"".join(drawn)}</svg>'


def _dot(asked: AnsweredQuestion, radius: int) -> str:
    x, y = asked.spot
    return (
        f'<g class="mark {asked.side}" transform="translate({x:g} {y:g})"><g><circle r="{radius}"/>'
        f'<text text-anchor="middle" dy="0.35em">{asked.number}</text></g></g>'
    )
