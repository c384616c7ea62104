"""The options of a command for click, as they are declared; and the two forms of its help."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from typing import Any

import click
from click.core import ParameterSource

from negprep.errors import UsageError
from negprep.options.commands import takes
from negprep.options.declared import Option
from negprep.options.specs import column_names_of, decimal, delimiter_of, real_in_words, size_of

Function = Callable[..., Any]
Decorator = Callable[[Function], Function]


class SectionOption(click.Option):
    """An option with its section of the help; the short help shows the common ones."""

    def __init__(self, *args: Any, section: str, common: bool = False, **attributes: Any) -> None:  # noqa: ANN401
        super().__init__(*args, **attributes)
        self.section = section
        self.common = common


_ALL = "negprep.help-all"
FILES = "negprep.files"
"""In the context, where files of options were given: what they hold."""


def _show_all(context: click.Context, _option: click.Parameter, asked: bool) -> None:
    if asked and not context.resilient_parsing:
        click.echo(full_help(context))
        context.exit()


def full_help(context: click.Context) -> str:
    """The help of a command with every option, in sections."""
    context.meta[_ALL] = True
    return context.command.get_help(context)


class SectionCommand(click.Command):
    """A command with a short help of the common options, and a full one (``--help-all``) of all by section."""

    def __init__(self, *args: Any, **attributes: Any) -> None:  # noqa: ANN401
        super().__init__(*args, **attributes)
        if any(isinstance(each, SectionOption) and each.common for each in self.params):
            text = "Show all options, in sections, and exit."
            everything = click.Option(
                ["--help-all"], is_flag=True, is_eager=True, expose_value=False, callback=_show_all, help=text
            )
            self.params.append(everything)

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Parse the words; every error names this command, even where click leaves that out.

        What --config and --recipe hold takes the place of the options that the words do not give.
        """
        try:
            rest = super().parse_args(ctx, args)
        except click.UsageError as error:
            error.ctx = error.ctx or ctx
            raise
        if not ctx.resilient_parsing:
            _take_files(ctx)
            for each in self.params:
                if isinstance(each, click.Argument) and ctx.params[each.name or ""] is None:
                    raise click.MissingParameter(ctx=ctx, param=each)
        return rest

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write one definition list a section, or one of the common options."""
        options = [each for each in self.get_params(ctx) if isinstance(each, click.Option)]
        is_short = not ctx.meta.get(_ALL) and any(getattr(each, "common", False) for each in options)
        sections: dict[str, list[tuple[str, str]]] = {}
        for each in options:
            section, record = getattr(each, "section", "Help"), each.get_help_record(ctx)
            if is_short and section != "Help":
                section = "Options" if getattr(each, "common", False) else ""
            if record is not None and section:
                sections.setdefault(section, []).append(record)
        for title, records in sections.items():
            with formatter.section(title):
                formatter.write_dl(records, col_max=28)

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """End the short help with where the rest is."""
        if not ctx.meta.get(_ALL) and any(getattr(each, "common", False) for each in self.params):
            formatter.write(f"\nAll options: {ctx.command_path} --help-all\n")


def own(*names: str, section: str, **attributes: Any) -> Decorator:  # noqa: ANN401
    """An option that one command alone has."""
    return click.option(*names, cls=SectionOption, section=section, **attributes)


def declared(command: str, *names: str) -> Decorator:
    """The declared options of a command: all that it takes, or those that are named."""

    def decorate(function: Function) -> Function:
        for name, option in reversed(takes(command).items()):
            if not names or name in names:
                function = _as_click(option, command)(function)
        return function

    return decorate


def arguments(*metavars: str, by_config: bool = False) -> Decorator:
    """Take a source and a target; with ``by_config``, --config may name them."""

    def decorate(function: Function) -> Function:
        for name, metavar in reversed(list(zip(("source", "target"), metavars, strict=False))):
            function = click.argument(name, metavar=metavar, type=click.Path(), required=not by_config)(function)
        return function

    return decorate


def explicit(*, with_files: bool = True) -> frozenset[str]:
    """The parameters of the command that were given, even if with their default; those of files of options, too."""
    return _given(click.get_current_context(), with_files=with_files)


def _given(context: click.Context, *, with_files: bool) -> frozenset[str]:
    ungiven = (ParameterSource.DEFAULT,) if with_files else (ParameterSource.DEFAULT, ParameterSource.DEFAULT_MAP)
    names = (each.name or "" for each in context.command.params)
    return frozenset(name for name in names if context.get_parameter_source(name) not in ungiven)


def _take_files(context: click.Context) -> None:
    config, recipe = context.params.pop("config", None), context.params.pop("recipe", None)
    if config is None and recipe is None:
        return
    from negprep.options.config import read_options  # only now: most runs have no such file

    found = read_options(context.command.name or "", config, recipe)
    given = context.params
    if found.source is not None and given.get("target", "") is None:  # a lone argument is OUTPUT, if it can be one
        lone = given["source"]
        if lone is None or lone.endswith("/"):
            given |= {"source": found.source, "target": lone or found.target}
    context.params = found.completed(given, _given(context, with_files=False))
    for name in context.params["suggested"]:
        context.set_parameter_source(name, ParameterSource.DEFAULT_MAP)
    context.meta[FILES] = found


def _as_click(option: Option, command: str) -> Decorator:
    default, shown, reads = (option.of(command, what) for what in ("default", "shown", "reads"))
    text = option.of(command, "help") + ("" if shown is None else f"  [default: {shown}]")
    attributes: dict[str, Any] = {"help": text, "metavar": option.declared.metavar}
    if shown is not None:
        attributes["show_default"] = False
    if option.of(command, "required"):
        attributes["required"] = True
    if reads is not None:
        attributes["callback"] = _READERS[reads]
    elif option.several:
        attributes |= {"multiple": True, "callback": lambda _context, _option, values: values or default}
    if option.kind is bool and "/" not in (option.declared.spelling or ""):
        attributes["is_flag"] = True
    elif reads in (None, "cpus") and option.kind is not bool:
        attributes["type"] = _type(option, command)
    if reads == "seed":
        attributes["default"] = str(default)
    elif reads is None and not option.several and default is not None:
        attributes["default"] = default
    elif option.kind is bool:
        attributes["default"] = None
    spelled = option.declared.spelling or f"--{option.name.replace('_', '-')}"
    section, is_common = option.of(command, "section"), command in option.declared.common
    return own(spelled, option.name, section=section, common=is_common, **attributes)


def _type(option: Option, command: str) -> click.ParamType[Any]:
    limits = option.declared.limits
    if isinstance(option.kind, tuple):
        return click.Choice(option.kind)
    if option.kind is int and limits is not None:
        least, most = int(limits[0]), int(limits[1])
        return _WholeOr(option.words, least, most, decimals=option.of(command, "decimals"))
    if option.kind is float and limits is not None:
        return _Number(*limits)
    return click.Path() if option.declared.metavar in ("FILE", "DIR") else click.STRING


class _WholeOr(click.IntRange):
    """A whole number within limits, a word, or a decimal number. The help shows no limit that nobody comes near."""

    def __init__(self, words: tuple[str, ...], least: int, most: int, *, decimals: bool) -> None:
        super().__init__(least, most if most < 2**31 - 1 else None)
        self.words, self.most, self.decimals = words, most, decimals

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:  # noqa: ANN401
        """The number, or the word."""
        if value in self.words:
            return value
        if self.decimals and isinstance(value, str) and re.fullmatch(r"[0-9]*\.[0-9]+", value, re.ASCII):
            try:
                return decimal(param.name or "" if param else "", float(value), self.most)
            except UsageError:
                self.fail(f"{value} is not a number above 0 with up to nine decimals", param, ctx)
        if self.decimals and isinstance(value, str) and not re.fullmatch(r"[+-]?[0-9]+", value, re.ASCII):
            self.fail(f"{value!r} is neither a whole number nor one with decimals, such as 0.5", param, ctx)
        number = super().convert(value, param, ctx)
        if number > self.most:
            self.fail(f"{value} is not in the range {self.min}<=x<={self.most}.", param, ctx)
        return number


class _Number(click.types.FloatParamType):
    """A number within limits, which the help leaves out."""

    def __init__(self, least: float, most: float) -> None:
        self.least, self.most = least, most

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:  # noqa: ANN401
        """The number."""
        number: float = super().convert(value, param, ctx)
        if not self.least <= number <= self.most:
            self.fail(f"{value} is not {real_in_words(self.least, self.most)}", param, ctx)
        return number


def _spelled(read: Callable[[str], Any]) -> Callable[..., Any]:
    """A callback for a value that the command line spells in a way of its own."""

    def take(_context: click.Context, _option: click.Parameter, value: str | None) -> Any:  # noqa: ANN401
        try:
            return None if value is None else read(value)
        except UsageError as error:
            raise click.BadParameter(error.what) from None

    return take


def _seed(_context: click.Context, _option: click.Parameter, value: str) -> int:
    """Take a whole number from 0 to 2**64 - 1."""
    # `int` alone takes 1_000, spaces, signs and the digits of every script as well.
    number = int(value) if value.isascii() and value.isdecimal() and len(value) <= 20 else -1
    if not 0 <= number < 1 << 64:
        raise click.BadParameter(f"{value!r} is not a whole number from 0 to 2**64 - 1")
    return number


def _cpus(_context: click.Context, _option: click.Parameter, value: int | None) -> int:
    """Take a number of threads; by default as many as the CPUs that this process may use."""
    if value is not None:
        return value
    affinity = getattr(os, "sched_getaffinity", None)  # Linux only
    return len(affinity(0)) if affinity else os.cpu_count() or 1


_READERS = {
    "seed": _seed,
    "size": _spelled(size_of),
    "names": _spelled(column_names_of),
    "delimiter": _spelled(delimiter_of),
    "cpus": _cpus,
}
