"""What all routes share: admission, keys, rate limits, request bodies, problems, logs and metrics."""
