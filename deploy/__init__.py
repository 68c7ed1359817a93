"""Starts the platform: the launcher behind `make up`, and the environment that all its processes share."""
