"""VirtualBets: the feed of the original system, simulating seasons or serving a file, day by day."""
