"""The values of options that click does not know, and the sections of the help."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import click

from negprep.options.specs import MAX_NUM_NEG

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


_SPELLED = {r"\t": "\t", "tab": "\t"}


def delimiter(_context: click.Context, _option: click.Parameter, value: str | None) -> str | None:
    r"""Take one character, ``::``, or a tab as ``\t`` or ``tab``; return the characters that the file holds."""
    if value is None or value == "::":
        return value
    characters = _SPELLED.get(value, value)
    if len(characters) != 1 or not characters.isascii() or characters in '"\n\r\0':
        raise click.BadParameter(rf"{value!r} is neither one ASCII character, nor '::', '\t' or 'tab'")
    return characters


def column_names(_context: click.Context, _option: click.Parameter, value: str | None) -> tuple[str, ...] | None:
    """Take names with commas between them, all different, at least two; return them in the order of the file."""
    if value is None:
        return None
    names = tuple(name.strip() for name in value.split(","))
    if "" in names:
        raise click.BadParameter(f"name {names.index('') + 1} of {len(names)} is empty")
    if len(set(names)) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise click.BadParameter(f"{twice!r} is there twice")
    if len(names) < 2:
        raise click.BadParameter("at least a user and an item column are needed, such as user,item")
    return names


class NumNeg(click.IntRange):
    """A number of negatives, or ``all``."""

    def __init__(self) -> None:
        super().__init__(1, MAX_NUM_NEG)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:  # noqa: ANN401
        """The number, or the word."""
        return value if value == "all" else super().convert(value, param, ctx)


def seed(_context: click.Context, _option: click.Parameter, value: str) -> int:
    """Take a whole number from 0 to 2**64 - 1."""
    # `int` alone takes 1_000, spaces, signs and the digits of every script as well.
    number = int(value) if value.isascii() and value.isdecimal() and len(value) <= 20 else -1
    if not 0 <= number < 1 << 64:
        raise click.BadParameter(f"{value!r} is not a whole number from 0 to 2**64 - 1")
    return number


def memory(_context: click.Context, _option: click.Parameter, value: str | None) -> int | None:
    """Take a number of bytes, with K, M, G or T for the powers of 1024; at least 1 MiB."""
    if value is None:
        return None
    found = re.fullmatch(r"([0-9]{1,15})([KMGT]?)(i?B)?", value.strip(), re.IGNORECASE | re.ASCII)
    size = int(found[1]) << {"": 0, "K": 10, "M": 20, "G": 30, "T": 40}[found[2].upper()] if found else 0
    if size < 1 << 20:
        raise click.BadParameter(f"{value!r} is not a size of at least 1M, such as 512M or 4G")
    return size
