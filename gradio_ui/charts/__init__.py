"""What is drawn: the court."""
