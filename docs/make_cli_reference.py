"""Write docs/reference/cli.md: the help of every command, as the commands themselves give it.

``--check`` writes nothing, and fails where the file is not what the commands say.
"""

from __future__ import annotations

import re
import sys
import textwrap
from pathlib import Path

import click

from negprep.cli.group import COMMANDS, negprep

PAGE = Path(__file__).parent / "reference" / "cli.md"
INTRODUCTION = """\
# Command line reference

Made by `docs/make_cli_reference.py` from the commands' own help; do not edit. What an earlier command
has in the same words is left out, and options are named; `--help` of the command shows all.
"""


def reference() -> str:
    """Return the page as Markdown."""
    with negprep.make_context("negprep", [], terminal_width=100, resilient_parsing=True) as parent:
        parts = [INTRODUCTION, _section("negprep", negprep.get_help(parent))]
        for name in COMMANDS:
            command = negprep.get_command(parent, name)
            with click.Context(command, info_name=name, parent=parent) as context:
                parts.append(_section(f"negprep {name}", command.get_help(context)))
    return without_repeats("\n".join(parts))


def without_repeats(page: str) -> str:
    """Leave out paragraphs that an earlier command has in the same words, and options, which are named at the end."""
    first: dict[str, str] = {}
    command, repeated, lines = "", dict[str, list[str]](), list[str]()
    for entry in re.split(r"\n(?=## |```|  -|\S|\n)", page):
        words = " ".join(entry.split())
        if entry.startswith("## "):
            command, repeated = words.removeprefix("## "), {}
        elif words == "```":
            for other, names in repeated.items():
                listed = textwrap.fill(", ".join(names), 98, break_on_hyphens=False)
                lines += [f"\nAs {other}:", textwrap.indent(listed, "  ")]
        elif entry.startswith("  -"):
            if words in first:
                if not words.startswith("-h,"):
                    repeated.setdefault(first[words], []).append(entry.split()[0].rstrip(","))
                continue
            first[words] = command
        elif entry.startswith("\n  "):
            if words in first:
                continue
            first[words] = command
        lines.append(entry)
    return re.sub(r"\n\n[A-Z][\w ,]+:(?=\n\n|\n```)", "", "\n".join(lines))  # headings without an option left


def _section(title: str, help_text: str) -> str:
    return f"## {title}\n\n```text\n{help_text}\n```\n"


if __name__ == "__main__":
    if sys.argv[1:] != ["--check"]:
        PAGE.write_text(reference(), encoding="utf-8")
    elif PAGE.read_text(encoding="utf-8") != reference():
        sys.exit(f"{PAGE} is not what the commands say; run python {Path(__file__).name} and commit it")
