"""Print the lower bounds of pyproject.toml as pip constraints (``make test-lowest``)."""

import sys
import tomllib
from pathlib import Path

project = tomllib.loads((Path(__file__).parent.parent / "pyproject.toml").read_text())["project"]
extras = project["optional-dependencies"]
for requirement in [*project["dependencies"], *extras["fit"], *extras["test"]]:
    if "[" not in requirement:  # the other extras of this package
        sys.stdout.write(requirement.replace(">=", "==") + "\n")
