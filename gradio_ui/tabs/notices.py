"""Notices as HTML: why there is no answer, and hints below fields."""

from __future__ import annotations

import re
from html import escape

from gradio_ui.client import NoAnswerError


def no_answer(problem: NoAnswerError) -> str:
    """Why there is no answer, and whether the page will ask again by itself."""
    lead = "No answer yet." if problem.passing else "That can\N{RIGHT SINGLE QUOTATION MARK}t be asked."
    again = '<p class="again">This page asks again by itself.</p>' if problem.passing else ""
    return f"""
<section class="card no-answer {"waiting" if problem.passing else "refused"}">
  <p class="lead">{lead}</p>
  <p>{_prose(str(problem))}</p>
  {again}
</section>"""


def hint(text: str) -> str:
    """A hint below a field; empty without a text."""
    return f'<p class="hint" role="status">{_prose(text)}</p>' if text else ""


def _prose(text: str) -> str:
    """A text as HTML, with what stands between backticks as code."""
    return re.sub("`([^`]+)`", r"<code>\1</code>", escape(text))
