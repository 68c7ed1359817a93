"""What stands between the network and every route: admission, keys, limits, bodies, problems, logs and metrics."""
