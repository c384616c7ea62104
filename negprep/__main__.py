"""``python -m negprep``."""

from negprep.cli.main import run

run()
