"""`negprep completion`."""

from __future__ import annotations

import click
from click.shell_completion import ShellComplete, get_completion_class

from negprep.cli.group import COMPLETES, negprep


@click.command(name="completion", short_help="Print a script that completes commands in a shell.")
@click.argument("shell", metavar="SHELL", type=click.Choice(["bash", "zsh", "fish"]))
def command(shell: str) -> None:
    """Print a script that completes commands, options, choices and file names in SHELL: bash, zsh or fish.

    \b
      source <(negprep completion bash)
      negprep completion zsh > ~/.zfunc/_negprep
      negprep completion fish > ~/.config/fish/completions/negprep.fish

    The folders must be there, and ~/.zfunc in fpath. bash must be 4.4 or newer; put its line into ~/.bashrc.
    """  # noqa: D301
    made = get_completion_class(shell)
    if made is not None:
        # Not its own `source`, which starts bash to ask for its version.
        click.echo(ShellComplete.source(made(negprep, {}, "negprep", COMPLETES)))
