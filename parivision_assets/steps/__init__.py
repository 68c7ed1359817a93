"""The pipeline's work without Dagster: cleaning, identity, folding, fitting, converting, judging, promoting."""
