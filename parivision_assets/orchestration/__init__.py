"""How Dagster is used: asset keys and tags, partitions, automation, run requests, run history and the run launcher."""
