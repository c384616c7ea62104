"""Makes the modules beside this file (`independent`, `logs`, `reference`, `randomness`) importable in every test."""

import compileall
from pathlib import Path

# Some 300 processes are started. Where Python may keep no compiled code (PYTHONDONTWRITEBYTECODE), or none is there
# yet, each would compile negprep, for 0.3 s; and one that may write no whole file would leave half of one for all.
compileall.compile_dir(Path(__file__).parents[1] / "negprep", quiet=2)
