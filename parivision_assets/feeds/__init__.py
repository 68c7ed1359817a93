"""Feeds: sources of shots, which offer batches through the protocol in `base`."""
