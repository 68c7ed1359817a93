"""What earlier shots say about the next one: the feature state and its parts, folded day by day."""
