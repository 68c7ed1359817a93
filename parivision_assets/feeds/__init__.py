"""Sources of shots; each offers batches through the protocol in `base`."""
