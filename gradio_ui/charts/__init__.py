"""Images of the page: the court."""
