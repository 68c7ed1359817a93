"""The web page: an analyst clicks a spot on the court and sees the chance of a make; all numbers come from the API."""
