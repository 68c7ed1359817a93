"""Has the world moved away from what the champion learned? Columns, noise thresholds and the drift report."""
