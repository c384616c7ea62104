"""Write docs/reference/cli.md: the help of every command, as the commands themselves give it.

``--check`` writes nothing, and fails where the file is not what the commands say.
"""

from __future__ import annotations

import sys
from pathlib import Path

import click

from negprep.cli.group import COMMANDS, negprep

PAGE = Path(__file__).parent / "reference" / "cli.md"
INTRODUCTION = """\
# Command line reference

Made by `docs/make_cli_reference.py` from the commands' own help; do not edit.
"""


def reference() -> str:
    """Return the page as Markdown."""
    with negprep.make_context("negprep", [], terminal_width=100, resilient_parsing=True) as parent:
        parts = [INTRODUCTION, _section("negprep", negprep.get_help(parent))]
        for name in COMMANDS:
            command = negprep.get_command(parent, name)
            with click.Context(command, info_name=name, parent=parent) as context:
                parts.append(_section(f"negprep {name}", command.get_help(context)))
    return "\n".join(parts)


def _section(title: str, help_text: str) -> str:
    return f"## {title}\n\n```text\n{help_text}\n```\n"


if __name__ == "__main__":
    if sys.argv[1:] != ["--check"]:
        PAGE.write_text(reference(), encoding="utf-8")
    elif PAGE.read_text(encoding="utf-8") != reference():
        sys.exit(f"{PAGE} is not what the commands say; run python {Path(__file__).name} and commit it")
