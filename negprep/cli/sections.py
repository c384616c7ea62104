"""Options in titled sections, so that fifty of them read as a handful of questions."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import click

Function = Callable[..., Any]
Decorator = Callable[[Function], Function]


class SectionOption(click.Option):
    """An option that names the section of the help where it stands."""

    def __init__(self, *args: Any, section: str, **attributes: Any) -> None:  # noqa: ANN401
        super().__init__(*args, **attributes)
        self.section = section


class SectionCommand(click.Command):
    """A command whose help lists the options by section, in the order of their declaration."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Parse the words; whatever is wrong with them names this command, also where click leaves that out."""
        try:
            return super().parse_args(ctx, args)
        except click.UsageError as error:
            error.ctx = error.ctx or ctx
            raise

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write one definition list a section."""
        sections: dict[str, list[tuple[str, str]]] = {}
        for parameter in self.get_params(ctx):
            record = parameter.get_help_record(ctx)
            if isinstance(parameter, click.Option) and record is not None:
                sections.setdefault(getattr(parameter, "section", "Help"), []).append(record)
        for title, records in sections.items():
            with formatter.section(title):
                formatter.write_dl(records, col_max=28)


def in_section(title: str) -> Callable[..., Decorator]:
    """What ``click.option`` is, for options of one section."""

    def option(*names: str, **attributes: Any) -> Decorator:  # noqa: ANN401
        return click.option(*names, cls=SectionOption, section=title, **attributes)

    return option


def together(*decorators: Decorator) -> Decorator:
    """One decorator out of several; the help shows the options in this order."""

    def decorate(command: Function) -> Function:
        for decorator in reversed(decorators):
            command = decorator(command)
        return command

    return decorate
