"""What the service reports beside predictions: gauges for Prometheus, and which other services are up."""
