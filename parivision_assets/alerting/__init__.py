"""What a person on duty has to know: alerts on failed runs, drift, quarantine and verdicts, and where they go."""
