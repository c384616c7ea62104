"""Makes the modules beside this file (`independent`, `logs`, `reference`, `randomness`) importable in every test."""

import os

# Some 300 processes are started: where Python may not keep compiled code, each would compile negprep, for 0.3 s.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
