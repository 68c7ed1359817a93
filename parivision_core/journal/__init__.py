"""The journal of predictions: what was asked, what was answered by which pair, and what came of it."""
