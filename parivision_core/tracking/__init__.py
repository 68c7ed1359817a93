"""Reads MLflow over HTTP, without its library: the champion's alias, reports on versions and on drift."""
