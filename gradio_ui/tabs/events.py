"""How events of the page are handled."""

from __future__ import annotations

from typing import Any

SWIFT: dict[str, Any] = {
    "queue": False,
    "show_progress": "hidden",
    "trigger_mode": "always_last",
    "api_visibility": "private",
}
"""Outside Gradio's queue an answer is one request, and several people are answered at once. Of several events in a row
the last one counts, so that nobody waits for answers to what he has left behind."""

EACH: dict[str, Any] = {**SWIFT, "trigger_mode": "multiple"}
"""For events that say where: of several in a row Gradio would ask the last time about the first one's place."""
