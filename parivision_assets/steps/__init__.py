"""The pipeline's work without Dagster: cleaning, identity, folding, splitting, fitting, converting, judging, promoting."""
