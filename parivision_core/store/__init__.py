"""The store: what it must do (`base`) and what it can be made of."""
