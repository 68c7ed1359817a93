"""Drift of the newest shots from the champion's training window: columns, noise thresholds and the report."""
