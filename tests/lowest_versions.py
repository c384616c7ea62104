"""Print the lower bounds of pyproject.toml as pip constraints (``make test-lowest``)."""

import sys
import tomllib
from pathlib import Path

project = tomllib.loads((Path(__file__).parent.parent / "pyproject.toml").read_text())["project"]
for requirement in [*project["dependencies"], *project["optional-dependencies"]["test"]]:
    sys.stdout.write(requirement.replace(">=", "==") + "\n")
