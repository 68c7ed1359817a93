"""The Dagster code location: feeds, pure steps, and the assets, checks and sensors that run them."""
