"""Inspecting: what a log holds, and what a run would write, before anything is written."""
