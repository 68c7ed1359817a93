"""Benchmarks, run by hand; each prints its results as JSON."""
