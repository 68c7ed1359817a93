"""Drift of the newest shots from the champion's training window: columns, noise thresholds and the report."""

NEWEST_SHOTS = 16_000
"""A report is about the newest games with up to so many shots, about two weeks: enough to distinguish 3 points from
noise, and few enough to notice a change soon."""
