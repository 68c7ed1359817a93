"""What brings the house up: the launcher behind `make up`, and the environment that its processes share."""
