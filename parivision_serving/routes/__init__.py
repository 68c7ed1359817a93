"""The service's routes, one file per subject; each is a function that builds its handlers for a sport and a watcher."""
