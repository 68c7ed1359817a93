"""The tab on which one asks: components, the question, and the answer as a card."""
