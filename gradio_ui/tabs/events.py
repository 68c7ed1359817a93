"""Options for Gradio's event handlers."""

from __future__ import annotations

from typing import Any

SWIFT: dict[str, Any] = {
    "queue": False,
    "show_progress": "hidden",
    "trigger_mode": "always_last",
    "api_visibility": "private",
}
"""Outside Gradio's queue an answer is one request, and several visitors are answered at once. Of several events in a
row only the last counts: earlier questions are out of date."""

EACH: dict[str, Any] = {**SWIFT, "trigger_mode": "multiple"}
"""For clicks: with `always_last`, Gradio would handle the last of several with the position of the first."""
