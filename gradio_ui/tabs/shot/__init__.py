"""The tab for questions about a shot: its fields, its events, and the answer as a card."""
