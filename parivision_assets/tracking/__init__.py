"""What the pipeline writes to MLflow: runs, registered candidates, the alias of the champion, results of searches."""
