"""What the pipeline writes to MLflow: runs, registered candidates, the champion alias, results of searches."""
