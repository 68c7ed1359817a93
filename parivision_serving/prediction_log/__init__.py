"""Brings predictions into the prediction log, and outcomes to the predictions that wait for them."""
