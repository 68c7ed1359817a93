"""How Dagster is used: names of assets, partitions, run requests, what its records say, and the run launcher."""
