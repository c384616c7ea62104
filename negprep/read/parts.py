"""What the parts of a log, its files, have in common: kinds, columns and types."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from typing import Protocol

from negprep.errors import BadDataError, UsageError
from negprep.read.columns import Roles, listed
from negprep.read.parquet import ParquetInput


class Part(Protocol):
    """One file of a log."""

    @property
    def place(self) -> str:
        """What messages call it."""

    @property
    def input(self) -> object:
        """What reads it."""

    @property
    def names(self) -> tuple[str, ...]:
        """Its columns, in order."""

    @property
    def spare(self) -> tuple[str, ...]:
        """What is beside them: the keys in its path."""


def common_names(everywhere: list[tuple[str, ...]]) -> tuple[str, ...]:
    """The names that all have, in the order of the first."""
    return tuple(name for name in everywhere[0] if all(name in names for names in everywhere))


def check_parts(parts: Sequence[Part]) -> list[str]:
    """Refuse parts of different logs: all must have the columns of the one that has fewest.

    Returns a warning if some have more.
    """
    first = parts[0]
    fewest = min((set(part.names) for part in parts), key=len)
    warnings: list[str] = []
    for part in parts:
        kind, other = ("Parquet" if isinstance(each.input, ParquetInput) else "text" for each in (part, first))
        if kind != other:
            what = f"this is {kind}, but {first.place} is {other}"
            raise BadDataError(what, place=part.place, remedy="the parts of a log must be of one kind")
        if not fewest <= set(first.names) or not fewest <= set(part.names):
            if set(part.names) == set(first.names):
                continue
            what = f"the columns are {listed(part.names)}, but in {first.place} {listed(first.names)}"
            raise BadDataError(what, place=part.place, remedy="the parts of a log must have the same columns")
        more = [name for name in part.names if name not in fewest]
        if more and not warnings:
            warnings.append(f"{part.place}: other parts lack the columns {listed(more)}, which are not read")
    return warnings


def lack_of(name: str, parts: Sequence[Part], everywhere: list[tuple[str, ...]]) -> BadDataError:
    """The error that some of the parts lack a column."""
    part = next(at for at, names in enumerate(everywhere) if name not in names)
    other = next(at for at, names in enumerate(everywhere) if name in names)
    what = f"no column {name!r} (found: {listed(everywhere[part])}), but {parts[other].place} has it"
    return BadDataError(what, place=parts[part].place, remedy="a column that is needed must be in all parts of a log")


def check_compared(name: str, parts: Sequence[Part], roles: Roles, place: str) -> None:
    """Refuse a column of --where that no part has, or that one lacks."""
    everywhere = [part.names + part.spare for part in parts]
    common = common_names(everywhere)
    if name in common:
        return
    if any(name in names for names in everywhere):
        raise lack_of(name, parts, everywhere)
    near = difflib.get_close_matches(
        name.casefold(), {each.casefold(): each for each in common[:1000]}, n=1, cutoff=0.6
    )
    folded = {each.casefold(): each for each in common}
    found = roles.found.get(name) or (folded[near[0]] if near else None)
    remedy = "name one of them" if found is None else f"did you mean {found!r}?"
    raise UsageError(f"no column {name!r}, which --where names (found: {listed(common)})", place=place, remedy=remedy)
