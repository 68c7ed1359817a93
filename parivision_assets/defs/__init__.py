"""Thin decorated functions, one folder per stage with the same file names in each; every builder takes a sport."""
