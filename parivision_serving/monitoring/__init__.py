"""What the service reports beside its answers: readings for Prometheus, and which other services are up."""
