"""Reporting: prepared files -> one page of HTML, with charts, that needs nothing else."""
