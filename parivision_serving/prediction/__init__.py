"""From a request to a probability: the champion and its feature state, single predictions and bulk requests."""
