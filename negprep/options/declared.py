"""Declarations of options: each stands once, as the field of the record that keeps its value.

The options of the commands and their help, the keywords of the functions, the checks of type and limits, the reference
page and the metadata of a run follow from it.
"""

from __future__ import annotations

import os
import types
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

from negprep.errors import UsageError
from negprep.options.specs import OR_DECIMAL, check_bool, check_real, decimal, whole


@dataclass(frozen=True)
class Declared:
    """An option, besides its name, its type and its default.

    ``commands`` take it, and the short help of ``common`` shows it. ``spelling`` is given where it does not follow from
    the name (``--from``), ``reads`` where the command line spells a value that is not a plain number or text, ``shown``
    is the default in words. ``decimals``: besides whole numbers, decimal ones above 0 are taken. The metadata of a run
    hold the value of a ``fact``. ``python``: the functions take it, too. ``differs`` has by command what is different
    there: ``help``, ``section``, ``shown``, ``default``, ``limits``, ``decimals``, ``required``.
    """

    help: str
    section: str
    commands: tuple[str, ...]
    common: tuple[str, ...] = ()
    metavar: str | None = None
    limits: tuple[float, float] | None = None
    spelling: str | None = None
    reads: Literal["size", "seed", "names", "delimiter", "cpus"] | None = None
    shown: str | None = None
    decimals: bool = False
    fact: bool = False
    python: bool = True
    differs: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)


def option(
    default: Any,  # noqa: ANN401
    help: str,  # noqa: A002
    place: tuple[str, str],
    *,
    common: str = "",
    differs: Mapping[str, Mapping[str, Any]] | None = None,
    **more: Any,  # noqa: ANN401
) -> Any:  # noqa: ANN401
    """A field of a dataclass with its declaration.

    ``place`` is the section of the help, and the commands that take the option, with spaces between them.
    """
    declared = Declared(help, place[0], tuple(place[1].split()), tuple(common.split()), differs=differs or {}, **more)
    return field(default=default, metadata={"declared": declared})


@dataclass(frozen=True)
class Option:
    """A declaration with its name, its type and its default.

    ``kind`` is ``bool``, ``int``, ``float``, ``str`` or ``object``, or has the choices; ``words`` may stand in place of
    a number; ``several`` and ``optional``: a tuple, or None, is taken, too; ``annotation`` is the type as written.
    """

    name: str
    default: Any
    declared: Declared
    kind: type | tuple[str, ...]
    words: tuple[str, ...]
    several: bool
    optional: bool
    annotation: str

    def of(self, command: str, what: str) -> Any:  # noqa: ANN401
        """Something of the declaration, as it is in a command; ``default`` and ``required``, too."""
        usual = {"default": self.default, "required": False} | vars(self.declared)
        return self.declared.differs.get(command, {}).get(what, usual[what])


_KNOWN: dict[type[Any], dict[str, Option]] = {}


def options_of(record: type[Any]) -> dict[str, Option]:
    """The declared options of a dataclass by name, in order."""
    if record not in _KNOWN:
        # Tables and frames need no check here, and naming their types would import their libraries.
        hints = get_type_hints(record, localns={"LogSource": object})
        _KNOWN[record] = {
            each.name: Option(
                each.name, each.default, each.metadata["declared"], *_kind(hints[each.name]), str(each.type)
            )
            for each in fields(record)
            if "declared" in each.metadata
        }
    return _KNOWN[record]


def _kind(hint: Any) -> tuple[type | tuple[str, ...], tuple[str, ...], bool, bool]:  # noqa: ANN401
    """The kind of a type, its words, whether it takes several and whether it takes None."""
    parts = get_args(hint) if get_origin(hint) in (Union, types.UnionType) else (hint,)
    choices = tuple(word for part in parts if get_origin(part) is Literal for word in get_args(part))
    is_path = any(get_origin(part) is os.PathLike for part in parts)
    plain = [object] if is_path else [part for part in parts if part in (bool, int, float, str, object)]
    several = any(get_origin(part) is tuple for part in parts)
    kind: type | tuple[str, ...] = plain[0] if plain else choices or str
    return kind, choices if plain else (), several, type(None) in parts


def checked(option: Option, value: Any, command: str = "", *, told_for: str | None = None) -> Any:  # noqa: ANN401
    """The value of an option, with numbers as Python's; None is a value where it is the default of the command.

    ``told_for``: The command whose limits a message names, where other checks see to those of the command.

    Raises ``UsageError`` for another type, a number out of the limits, or a word that is not one of the choices.
    """
    name, limits = option.name, option.declared.limits
    if value is None and (option.optional or option.of(command, "default") is None):
        return value
    if option.several or (isinstance(value, str) and value in option.words):
        return value
    if isinstance(option.kind, tuple):
        if value not in option.kind:
            raise UsageError(f"{name} is {value!r}", remedy=f"choose one of {', '.join(option.kind)}")
    elif option.kind is bool:
        check_bool(name, value)
    elif option.kind is int and limits is not None:
        if option.of(command, "decimals") and isinstance(value, float):
            return decimal(name, value, int(limits[1]))
        or_else = OR_DECIMAL if option.of(command if told_for is None else told_for, "decimals") else ""
        return whole(name, value, int(limits[0]), int(limits[1]), or_else=or_else)
    elif option.kind is float and limits is not None:
        check_real(name, value, *limits)
        return float(value)
    elif option.kind is str and not isinstance(value, str):
        raise UsageError(f"{name} is {value!r}", remedy="give a string")
    return value


def check_options(record: Any) -> None:  # noqa: ANN401
    """Check every declared option of a frozen record, and settle its numbers."""
    for name, each in options_of(type(record)).items():
        told_for = getattr(record, "command", "")
        object.__setattr__(record, name, checked(each, getattr(record, name), told_for=told_for))
