"""Turns requests into probabilities: loads the champion and its feature state, predicts single shots and in bulk."""
