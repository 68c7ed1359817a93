"""The routes of VirtualBets, one file per subject; each is a function that builds its handlers for a feed."""
