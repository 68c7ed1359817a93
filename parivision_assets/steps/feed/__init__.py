"""From a delivered batch to rows of the lake: cleaning, identity, the commit, and the replay of corrected rows."""
