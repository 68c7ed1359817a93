"""All that is basketball in VirtualBets: a simulated league, and season files read without pandas."""
