"""What a tab says beside its content, as HTML: why there is no answer, and remarks below fields."""

from __future__ import annotations

import re
from html import escape

from gradio_ui.client import NoAnswerError


def no_answer(problem: NoAnswerError) -> str:
    """Why there is no answer, and that the page will look again by itself where that may help."""
    lead = "No answer yet." if problem.passing else "That can\N{RIGHT SINGLE QUOTATION MARK}t be asked."
    again = '<p class="again">This page looks again by itself.</p>' if problem.passing else ""
    return f"""
<section class="card no-answer {"waiting" if problem.passing else "refused"}">
  <p class="lead">{lead}</p>
  <p>{_prose(str(problem))}</p>
  {again}
</section>"""


def hint(sentence: str) -> str:
    """A remark below a field; empty when there is nothing to say."""
    return f'<p class="hint" role="status">{_prose(sentence)}</p>' if sentence else ""


def _prose(sentence: str) -> str:
    """A message of the platform, whose commands stand between backticks."""
    return re.sub("`([^`]+)`", r"<code>\1</code>", escape(sentence))
