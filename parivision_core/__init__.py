"""PariVision's domain and thin adapters around it; without Dagster, web framework or training library."""

__version__ = "0.2.0"
