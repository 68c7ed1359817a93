"""The domain of PariVision and the thin adapters around it: no Dagster, no web framework, no training library."""

__version__ = "0.1.0"
