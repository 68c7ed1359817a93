"""From a batch as it came to rows of the lake: cleaning, identity, the commit, and corrected rows brought back."""
