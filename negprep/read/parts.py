"""The parts of a log, its files: what they must have in common, their columns and roles, the keys in their paths."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, Protocol, TypeVar

import numpy as np
import pyarrow as pa

from negprep.arrow import from_numpy, strings
from negprep.errors import BadDataError, UsageError
from negprep.options.reading import ReadOptions
from negprep.read.columns import CARRIED, ROLES, Roles, find_roles, listed, role_of
from negprep.read.nested import Leaf, Lists, find_nested, holders, lists_of, refuse_holder
from negprep.read.parquet import ParquetInput
from negprep.read.sources import NULL_KEY, Piece, Source
from negprep.read.tables import ArrowInput


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
    def nested(self) -> Mapping[str, Leaf]:
        """What is within them, by name."""

    @property
    def spare(self) -> tuple[str, ...]:
        """What is beside them: the keys in its path."""


Opened = TypeVar("Opened")


def alike(made: Opened, before: object) -> Opened:
    """An input that shares with the one before what is equal: of many files all have the same columns."""
    if not isinstance(made, ParquetInput) or not isinstance(before, ParquetInput) or made.names != before.names:
        return made
    same: dict[str, Any] = {"names": before.names}
    same |= {"schema": before.schema} if made.schema.equals(before.schema) else {}
    same |= {name: getattr(before, name) for name in _SHARED if getattr(made, name) == getattr(before, name)}
    return replace(made, **same)


_SHARED = ("footer", "int96", "nested", "leaves")


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
        kind, other = (_kind_of(each) for each in (part, first))
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


def _kind_of(part: Part) -> str:
    if isinstance(part.input, ParquetInput):
        return "Parquet"
    return "Arrow" if isinstance(part.input, ArrowInput) else "text"


def lack_of(name: str, parts: Sequence[Part], everywhere: list[tuple[str, ...]]) -> BadDataError:
    """The error that some of the parts lack a column."""
    part = next(at for at, names in enumerate(everywhere) if name not in names)
    other = next(at for at, names in enumerate(everywhere) if name in names)
    what = f"no column {name!r} (found: {listed(everywhere[part])}), but {parts[other].place} has it"
    return BadDataError(what, place=parts[part].place, remedy="a column that is needed must be in all parts of a log")


def check_compared(name: str, parts: Sequence[Part], roles: Roles, place: str) -> None:
    """Refuse a column of --where that no part has, or that one lacks."""
    everywhere = [(*part.names, *part.spare, *part.nested) for part in parts]
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


def roles_of(
    parts: Sequence[Part],
    options: ReadOptions,
    fitting: Callable[[tuple[str, ...]], ReadOptions] | None,
    recognise: Callable[[tuple[str, ...], ReadOptions, str], Roles],
    place: str,
) -> tuple[Roles, Lists | None]:
    """Which column has which role, of those that all parts have; and the lists whose elements are the rows.

    What is beside the columns (keys in paths, the index of a frame) serves if it is named, or if no column has the role
    that its name suggests.
    """
    everywhere = [
        (*part.names, *part.spare, *(name for name in part.nested if name not in part.names)) for part in parts
    ]
    common = common_names(everywhere)
    nested = {name: leaf for name, leaf in parts[0].nested.items() if name in common}
    of_objects = holders(nested)
    columns = tuple(name for name in common if name in parts[0].names and name not in of_objects)
    chosen = fitting(common) if fitting else options
    named = {role: header for role in ROLES if (header := getattr(chosen, f"{role}_col")) is not None}
    for asker, header in named.items():
        refuse_holder(header, f"--{asker}-col", nested, place)
    asked = set(named.values())
    if not asked <= set(common):
        columns += tuple(name for name in nested if name not in columns)
    recognised = find_roles(columns, replace(ReadOptions(), columns=chosen.columns), place)
    free = {role for role in recognised.problems if role not in recognised.ambiguous}
    free = {role for role in free if getattr(chosen, f"{role}_col") is None}
    beside = [name for name in common if name not in columns and name not in of_objects]
    columns += tuple(name for name in beside if name in asked or (name not in nested and role_of(name) in free))
    partial_names = dict.fromkeys(name for names in everywhere for name in names if name not in common)
    problems = {name: lack_of(name, parts, everywhere) for name in partial_names}
    for name in problems:
        if name in asked:
            raise problems[name]
    roles = recognise(columns, chosen, place)
    for name, problem in problems.items():
        role = role_of(name)
        if role in roles.problems and role not in roles.ambiguous:
            roles.problems[role] = problem
            roles.ambiguous.add(role)
    if recognise is find_roles:
        find_nested(roles, nested, [name for name in common if name in parts[0].names], place)
    return roles, lists_of(roles, nested, asked)


def with_keys(
    task: Callable[[], Piece], columns: Mapping[str, str], keys: Mapping[str, str | None], spare: Sequence[str]
) -> Piece:
    """A piece with the keys in the path of its part as columns; ``spare`` are those that are not columns as well."""
    piece = task()
    rows = len(next(iter(piece.columns.values())))
    arrays = {}
    for role, name in columns.items():
        if name in spare:
            arrays[role] = _constant(keys[name], rows)
            continue
        arrays[role] = piece.columns[role]
        if name in keys:
            _check_equal(name, keys[name], arrays[role], piece.place)
    return replace(piece, columns=arrays)


def _constant(value: str | None, rows: int) -> pa.Array:
    """A key in the path of a part as the column of its rows."""
    if value is None:
        return pa.nulls(rows, pa.string())
    return pa.DictionaryArray.from_arrays(from_numpy(np.zeros(rows, np.int32)), strings([value]))


def _check_equal(name: str, value: str | None, column: pa.Array, place: Callable[[int], str]) -> None:
    """Refuse a column that is not the same in all rows as the key of its name in the path."""
    if pa.types.is_dictionary(column.type):
        column = column.dictionary_decode()
    try:
        wanted = strings([value]).cast(column.type)[0].as_py() if value is not None else None
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
        wanted = value
    other = next(({found} for found in column.unique().to_pylist() if found != wanted), None)
    if other is not None:
        row = next(at for at, each in enumerate(column.to_pylist()) if each in other)
        what = f"the column {name!r} holds {column[row].as_py()!r}, but the folder is {name}={value or NULL_KEY}"
        raise BadDataError(what, place=place(row), remedy="rename the folders or the column")


def filled(sources: tuple[Source, ...]) -> tuple[tuple[Source, ...], list[str]]:
    """The sources that hold something, and a warning for each other; all, if none does.

    Refuses an empty part of a log in Parquet.
    """
    empty = [source for source in sources if not (source.parquet or source.head)]
    filled = tuple(source for source in sources if source not in empty) if empty else sources
    if not filled or not empty:
        return sources, []
    if filled[0].parquet:
        remedy = "was a copy or a job cut short? Make it again, or remove it"
        raise BadDataError("the file has 0 bytes, and Parquet never has", place=empty[0].name, remedy=remedy)
    return filled, [f"{source.name}: the file is empty" for source in empty]


def check_types(parts: Sequence[Part], columns: Mapping[str, str]) -> None:
    """Refuse times, and columns that are carried along, of types that no type holds together.

    ``columns``: By role. Ids, values and events of all types have one form.
    """
    schemas = {id(each): (part, each) for part in reversed(parts) if (each := _schema_of(part)) is not None}
    for role, name in columns.items():
        if len(schemas) < 2 or not (role == "time" or role.startswith(CARRIED)):
            continue
        found: dict[str, tuple[Part, pa.DataType]] = {}
        for part, schema in reversed(schemas.values()):
            kind = schema.field(name).type if schema.get_field_index(name) >= 0 else pa.null()
            family = _family(kind)
            if family == "nothing" or (role == "time" and family in ("text", str(kind))):
                continue
            family = "times" if role == "time" and family == "dates" else family
            found.setdefault(family, (part, kind))
        if len(found) > 1:
            (first, one), (part, other) = list(found.values())[:2]
            what = f"the column {name!r} has the type {other}, but in {first.place} {one}"
            remedy = "write all times in one form" if role == "time" else "give all parts of the log one type"
            raise BadDataError(what, place=part.place, remedy=remedy)


def _schema_of(part: Part) -> pa.Schema | None:
    return part.input.schema if isinstance(part.input, ParquetInput | ArrowInput) else None


def _family(kind: pa.DataType) -> str:
    """What a type has in common with those that can be joined with it."""
    types = pa.types
    if types.is_dictionary(kind):
        return _family(kind.value_type)
    if types.is_timestamp(kind):
        return "times" if kind.tz is None else "times with a zone"
    families = {
        "nothing": types.is_null,
        "numbers": lambda each: types.is_integer(each) or types.is_floating(each) or types.is_decimal(each),
        "dates": types.is_date,
        "text": lambda each: each in _TEXTS or types.is_binary(each) or types.is_fixed_size_binary(each),
    }
    return next((family for family, fits in families.items() if fits(kind)), str(kind))


_TEXTS = (pa.string(), pa.large_string(), pa.string_view(), pa.large_binary(), pa.binary_view())
