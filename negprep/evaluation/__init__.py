"""Metrics of scored candidates, and what they say of the ranking of all items."""
