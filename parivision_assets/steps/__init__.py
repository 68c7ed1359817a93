"""The pipeline's work as functions without Dagster, by stage: feed, features, training, promotion, monitoring."""
