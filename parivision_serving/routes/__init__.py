"""The service's routes, one module per subject; each has a function that builds its handlers."""
