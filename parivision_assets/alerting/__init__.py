"""Alerts for the person on duty: failed runs, drift, quarantined rows and verdicts, sent to Slack or to the log."""
