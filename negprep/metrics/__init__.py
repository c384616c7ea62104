"""Ranking metrics of scored candidates."""
