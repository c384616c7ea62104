"""`negprep completion`."""

from __future__ import annotations

import click
from click.shell_completion import ShellComplete, get_completion_class

from negprep.cli.group import COMPLETES, negprep


@click.command(name="completion", short_help="Print a script that completes commands in a shell.")
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def command(shell: str) -> None:
    """Print the script by which a shell completes commands, options, choices and file names.

    \b
      negprep completion bash > ~/.local/share/bash-completion/completions/negprep
      negprep completion zsh > ~/.zfunc/_negprep
      negprep completion fish > ~/.config/fish/completions/negprep.fish

    For one session of bash: source <(negprep completion bash). It needs bash 4.4 or newer.
    """  # noqa: D301
    made = get_completion_class(shell)
    if made is not None:
        # Not its own `source`, which starts bash to ask for its version.
        click.echo(ShellComplete.source(made(negprep, {}, "negprep", COMPLETES)))
