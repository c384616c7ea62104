"""The ``negprep`` command itself: its subcommands are imported when they are asked for."""

from __future__ import annotations

import difflib
import importlib
import os
from typing import TYPE_CHECKING, cast

import click

from negprep._version import __version__

if TYPE_CHECKING:
    from collections.abc import Sequence

COMMANDS = ("train", "test", "prepare", "fit", "verify", "inspect", "evaluate", "report")
"""Those that are functions of Python, too."""

COMPLETES = "_NEGPREP_COMPLETE"
"""The environment variable with which a shell asks what may follow."""


class LazyGroup(click.Group):
    """A group whose command ``name`` is the attribute ``command`` of the module ``negprep.cli.name``."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002
        """Name the commands in the order of use."""
        return [*COMMANDS, "recipes", "completion"]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import one command, or suggest the name that may have been meant."""
        if cmd_name not in self.list_commands(ctx):
            if ctx.resilient_parsing:
                return None
            near = difflib.get_close_matches(cmd_name, COMMANDS, n=1)
            known = f"{', '.join(COMMANDS[:-1])} or {COMMANDS[-1]}"
            ctx.fail(f"no command '{cmd_name}' ({f'did you mean {near[0]}?' if near else known})")
        return cast("click.Command", importlib.import_module(f"negprep.cli.{cmd_name}").command)


@click.group(
    name="negprep",
    cls=LazyGroup,
    no_args_is_help=False,
    context_settings={"help_option_names": ["-h", "--help"], "show_default": True, "max_content_width": 100},
)
@click.version_option(__version__, prog_name="negprep", message="%(prog)s %(version)s")
def negprep() -> None:
    """Turn an implicit-feedback log into what a recommender trains and is tested on.

    A negative is never an item that the user has seen, every other item has exactly the probability that the sampler
    defines (by default all the same), and one seed gives the same rows on every machine, with any number of threads
    and any order of the rows.

    \b
      negprep train log.csv train.parquet
      negprep test  log.csv test.parquet
      negprep prepare log.csv folder/
      negprep fit log.csv model.npz --kind bpr
      negprep verify train.parquet test.parquet --log log.csv
      negprep inspect log.csv
      negprep evaluate scores.csv --test test.parquet
      negprep report train.parquet test.parquet report.html --log log.csv
      negprep recipes

    Exit codes: 0 done, 1 verify found a fault, 2 usage, 3 bad data, 4 I/O or a limit, 128 + n after signal n. A failed
    run leaves an earlier output as it was.
    """  # noqa: D301


def invoke(arguments: Sequence[str]) -> None:
    """Run the command that `arguments` name. Raises whatever goes wrong, click's exceptions included."""
    if COMPLETES in os.environ:
        from click.shell_completion import shell_complete

        raise click.exceptions.Exit(shell_complete(negprep, {}, "negprep", COMPLETES, os.environ[COMPLETES]))
    # Not `negprep.main()`: it would turn a broken pipe into exit code 1 and an end of file into "Aborted!".
    with negprep.make_context("negprep", list(arguments)) as context:
        negprep.invoke(context)
