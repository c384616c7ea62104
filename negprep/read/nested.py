"""Columns within columns, by dotted names: fields of objects, and lists whose elements become rows."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, partial
from typing import Any, NamedTuple, TypeAlias

import numpy as np
import pyarrow as pa

from negprep.arrays import Counts, Mask
from negprep.arrow import as_numpy, from_numpy, mask_as_numpy, pc, strings
from negprep.errors import BadDataError, UsageError
from negprep.read.columns import ROLES, WATCHED, Roles, is_label, usual
from negprep.read.sources import Piece

ROWS = 1 << 17
"""The most rows that are made of lists at a time."""

Path: TypeAlias = tuple[str | None, ...]
"""The way to a value from its row: the column, then a key, or None for the elements of a list."""


@dataclass(frozen=True)
class Leaf:
    """Single values within a column: those at the end of a path.

    ``kind`` is their type: of Arrow, or in JSON of Python. ``number`` counts the leaves of a whole schema.
    """

    path: Path
    kind: Any
    number: int = 0

    @cached_property
    def name(self) -> str:
        """Its name: the keys with dots between them."""
        return ".".join(self._keys)

    @property
    def column(self) -> str:
        """The column that holds it."""
        return self._keys[0]

    @property
    def depth(self) -> int:
        """How many lists each value is in."""
        return self.path.count(None)

    @property
    def root(self) -> Path:
        """The path of the first list; empty if there is none."""
        return self.path[: self.path.index(None) + 1] if None in self.path else ()

    @property
    def is_plain(self) -> bool:
        """Whether no object is on the way: a column of lists."""
        return len(self._keys) == 1

    @property
    def words(self) -> list[str]:
        """What its name says: ``aid`` for ``events.aid``, ``item_id`` for ``items.id``, ``time`` for ``times``."""
        *above, last = self._keys
        words = [f"{above[-1]}_{last}", f"{_singular(above[-1])}_{last}", last] if above else [last]
        return words + [_singular(word) for word in words[-1:] if self.path[-1] is None]

    @cached_property
    def _keys(self) -> tuple[str, ...]:
        return tuple(step for step in self.path if step is not None)


def _singular(word: str) -> str:
    return word[:-1] if word.endswith(("s", "S")) else word


def leaves_of(schema: Iterable[tuple[str, pa.DataType]]) -> dict[str, Leaf]:
    """The leaves of all columns that hold objects or lists, by name; a column's own name takes precedence."""
    fields = list(schema)
    found: list[Leaf] = []
    before = 0
    for name, kind in fields:
        try:
            paths = list(_paths((name,), kind))
        except UnicodeDecodeError:  # a key that no option could name
            return {}
        found += [Leaf(path, leaf, before + number) for number, (path, leaf) in enumerate(paths)]
        before += len(paths)
    return named(found, [name for name, _ in fields])


def named(leaves: Iterable[Leaf], columns: Sequence[str]) -> dict[str, Leaf]:
    """The leaves below the columns, by name."""
    made: dict[str, Leaf] = {}
    columns_too = set(columns)
    for leaf in leaves:
        if len(leaf.path) > 1 and (leaf.name not in columns_too or leaf.is_plain):
            made.setdefault(leaf.name, leaf)
    return made


def _paths(path: Path, kind: pa.DataType) -> Iterator[tuple[Path, pa.DataType]]:
    """The paths and types of all leaves, as Parquet numbers its columns; those within maps and the like have no own."""
    inner: list[pa.DataType] = []
    if isinstance(kind, pa.BaseExtensionType):
        inner = [kind.storage_type]
    elif pa.types.is_map(kind):
        inner = [kind.key_type, kind.item_type]
    if inner:
        n_leaves = sum(1 for each in inner for _ in _paths((), each))
        yield from [(path if n_leaves == 1 else path[:1], kind)] * n_leaves
    elif pa.types.is_struct(kind):
        for field in kind:
            yield from _paths((*path, field.name), field.type)
    elif is_list(kind):
        yield from _paths((*path, None), kind.value_type)
    else:
        yield path, kind


def is_list(kind: pa.DataType) -> bool:
    """Whether the values of an Arrow type are lists."""
    types = pa.types
    lists = (types.is_list, types.is_large_list, types.is_fixed_size_list, types.is_list_view, types.is_large_list_view)
    return any(fits(kind) for fits in lists)


def schema_of(kinds: Mapping[Path, pa.DataType]) -> pa.Schema:
    """The schema whose leaves have these paths and types."""
    return pa.schema(list(_type_of(kinds))) if kinds else pa.schema([])


def _type_of(kinds: Mapping[Path, pa.DataType]) -> pa.DataType:
    if () in kinds:
        return kinds[()]
    below: dict[str | None, dict[Path, pa.DataType]] = {}
    for path, kind in kinds.items():
        below.setdefault(path[0], {})[path[1:]] = kind
    if None in below:
        return pa.list_(_type_of(below[None]))
    return pa.struct([(name, _type_of(inner)) for name, inner in below.items() if name is not None])


def holders(leaves: Mapping[str, Leaf]) -> set[str]:
    """The columns that hold objects, or lists of them: no values of their own."""
    return {leaf.column for leaf in leaves.values() if not leaf.is_plain}


def shown(columns: Sequence[str], leaves: Mapping[str, Leaf]) -> tuple[str, ...]:
    """The names of columns for a message, with the leaves in the place of the columns that hold them."""
    above = holders(leaves)
    names: list[str] = []
    for column in columns:
        names += [name for name, leaf in leaves.items() if leaf.column == column] if column in above else [column]
    return tuple(names)


def refuse_holder(name: str, option: str, leaves: Mapping[str, Leaf], place: str) -> None:
    """Raise ``UsageError`` if a name that an option gives is that of a column that holds objects."""
    inner = [each for each, leaf in leaves.items() if leaf.column == name]
    if name in holders(leaves):
        what = f"the column {name!r} holds objects, with {', '.join(inner[:10])}"
        raise UsageError(what, place=place, remedy=f"name one of them, such as {option} {inner[0]}")


def find_nested(roles: Roles, leaves: Mapping[str, Leaf], columns: Sequence[str], place: str) -> None:
    """Give roles that no column has to leaves, where the users or the items are not columns of single values.

    Other roles are found beside the items: in the same list, among lists of single values if the items are one, or in
    no list.
    """
    alone = [role in roles.found and roles.found[role] not in leaves for role in ("user", "item")]
    if not leaves or all(alone):
        return
    for role in ("item", *(role for role in ROLES if role != "item")):
        if role in roles.found or role in roles.ambiguous:
            continue
        item = leaves.get(roles.found.get("item", ""))
        fitting = [leaf for leaf in leaves.values() if leaf.depth <= 1 and (item is None or _goes_with(leaf, item))]
        words = [(word, leaf.name) for leaf in fitting if leaf.name not in roles.found.values() for word in leaf.words]
        right = set(usual([word for word, _ in words], role))
        choices = list(dict.fromkeys(name for word, name in words if word in right))
        remedy = roles.problems[role].remedy or ""
        roles.problems.pop(role)
        roles.settle(role, choices, shown(columns, leaves), place, remedy)
    in_order = {role: roles.found.pop(role) for role in ROLES if role in roles.found}
    roles.found.update(in_order)


def _goes_with(leaf: Leaf, item: Leaf) -> bool:
    """Whether a leaf is in no list, or in one that has an element for each item by its form."""
    if not leaf.depth or not item.depth:
        return True
    return leaf.root == item.root or (leaf.path[:-2] == item.path[:-2] and leaf.path[-1] is item.path[-1] is None)


class Lists(NamedTuple):
    """What the rows of a log are made of: the lists that the column of a role is in."""

    role: str
    name: str


def lists_of(roles: Roles, leaves: Mapping[str, Leaf], asked: set[str]) -> Lists | None:
    """The lists whose elements are the rows: those of the items, else of the users, else of what an option names."""
    for role in ("item", *(role for role in ROLES if role != "item")):
        name = roles.found.get(role, "")
        if name in leaves and leaves[name].depth and (role in ("user", "item") or name in asked):
            return Lists(role, name)
    return None


def refuse_deep(name: str, leaves: Mapping[str, Leaf], lists: Lists | None, place: str) -> None:
    """Raise ``BadDataError`` if a column is in lists within lists, or in lists where nothing else is."""
    leaf = leaves.get(name)
    if leaf is None or not leaf.depth or (leaf.depth == 1 and (lists is not None or name == leaf.column)):
        return
    what = f"the column {name!r} is in lists" + (" within lists" if leaf.depth > 1 else ", and the items are not")
    raise BadDataError(what, place=place, remedy="write a row of each, or choose another column")


def labels_in(leaves: Mapping[str, Leaf], lists: Lists | None) -> tuple[str, ...]:
    """The leaves that are named like labels and stand beside what the rows are made of."""
    if lists is None:
        return ()
    item = leaves.get(lists.name)
    beside = (leaf for leaf in leaves.values() if item is not None and leaf.depth < 2 and _goes_with(leaf, item))
    return tuple(leaf.name for leaf in beside if not leaf.is_plain and any(map(is_label, leaf.words)))


def with_leaves(
    read: Callable[[dict[str, str]], Iterator[Callable[[], Piece]]],
    columns: dict[str, str],
    leaves: Mapping[str, Leaf],
    lists: Lists | None,
    *,
    prunes: bool,
    in_threads: bool,
) -> Iterator[Callable[[], Piece]]:
    """The rows of the columns, by role, some of them leaves, as functions that may run in any thread.

    ``read``: What gives the pieces of whole columns, a row for each row of the input.
    ``prunes``: Whether it is given the names of leaves, and reads no others, or those of columns.
    ``in_threads``: Whether its functions have much to do; if not, a piece is cut where its lists are long.
    """
    wanted = {role: leaves[name] for role, name in columns.items() if name in leaves}
    wanted = {role: leaf for role, leaf in wanted.items() if lists is not None or not leaf.depth}
    if lists is not None and lists.role not in columns:
        wanted[lists.role] = leaves[lists.name]
    if not wanted:
        return read(columns)
    asked = columns | {role: leaf.name if prunes else leaf.column for role, leaf in wanted.items()}
    return _spread(read(asked), list(columns), wanted, in_threads=in_threads)


def _spread(
    tasks: Iterator[Callable[[], Piece]], roles: list[str], leaves: dict[str, Leaf], *, in_threads: bool
) -> Iterator[Callable[[], Piece]]:
    try:
        for task in tasks:
            if in_threads:
                yield partial(_spread_whole, task, roles, leaves)
            else:
                yield from _Spread(task(), roles, leaves).parts()
    finally:  # an error keeps this frame, and a thread that reads ahead must not outlive it
        if isinstance(tasks, Generator):
            tasks.close()


def _spread_whole(task: Callable[[], Piece], roles: list[str], leaves: dict[str, Leaf]) -> Piece:
    spread = _Spread(task(), roles, leaves)
    return spread.part(0, spread.size)


class _List(NamedTuple):
    """The lengths of the lists of each row, 0 for null; and which are null, if some are."""

    lengths: Counts
    is_null: Mask | None

    def fits_each(self, counts: Counts) -> Mask:
        """Which of the lists are null or have as many elements."""
        fits: Mask = self.lengths == counts
        return fits if self.is_null is None else fits | self.is_null

    def fits(self, counts: Counts) -> bool:
        """Whether all are."""
        return bool(self.fits_each(counts).all())


class _Spread:
    """A piece whose lists become rows."""

    def __init__(self, piece: Piece, roles: list[str], leaves: dict[str, Leaf]) -> None:
        self._piece, self._roles = piece, roles
        self._values: dict[str, pa.Array] = {}
        self._root: dict[str, Path] = {}
        self._lists: dict[Path, _List] = {}
        watched: dict[str, tuple[Path, _List]] = {}
        n_rows = len(next(iter(piece.columns.values())))
        for role, column in piece.columns.items():
            self._values[role] = column
            leaf = leaves.get(role)
            if leaf is None:
                continue
            found, values, is_so = _values_at(column, leaf.path)
            if not is_so and not role.startswith(WATCHED):
                what = f"the column {leaf.column!r} has the type {column.type}, where other rows have lists or objects"
                raise BadDataError(what, place=piece.place(0), remedy="write all in one form")
            self._values[role] = values if is_so else _unlike(n_rows)
            if not leaf.depth or not is_so:
                continue
            found = found or _List(np.zeros(n_rows, np.int64), np.ones(n_rows, bool))
            if role.startswith(WATCHED):
                watched[role] = leaf.root, found
            else:
                self._root[role], self._lists[leaf.root] = leaf.root, found
        counts, self._has_element = self._joined(n_rows)
        self._ends = np.cumsum(counts)
        self._starts = self._ends - counts
        self.size = int(self._ends[-1]) if n_rows else 0
        for role, (root, found) in watched.items():  # nothing in them is refused
            if found.fits(counts):
                self._root[role], self._lists[root] = root, found
            else:
                self._values[role] = _unlike(n_rows)
        for role in self._values.keys() - self._root.keys():
            self._values[role] = _encoded(self._values[role]) if self._lists else self._values[role]

    def _joined(self, n_rows: int) -> tuple[Counts, Mask]:
        """How many rows are made of each row of the piece; and which are made of elements, not of nulls."""
        counts, has_element = np.ones(n_rows, np.int64), np.zeros(n_rows, bool)
        if self._lists:
            counts = np.max([each.lengths for each in self._lists.values()], axis=0)
            for each in self._lists.values():
                has_element |= np.True_ if each.is_null is None else ~each.is_null
            wrong = ~np.all([each.fits_each(counts) for each in self._lists.values()], axis=0)
            if wrong.any():
                raise self._unequal(int(wrong.argmax()))
            counts = np.where(has_element, counts, 1)
        return counts, has_element

    def _unequal(self, row: int) -> BadDataError:
        lengths = {
            ".".join(step for step in root if step is not None): int(each.lengths[row])
            for root, each in self._lists.items()
            if each.is_null is None or not each.is_null[row]
        }
        what = "lists of one row differ in length: " + ", ".join(f"{name!r} has {n}" for name, n in lengths.items())
        return BadDataError(what, place=self._piece.place(row), remedy="each element must have its counterpart")

    def parts(self) -> Iterator[Callable[[], Piece]]:
        """The rows, in parts of not too many."""
        for begin in range(0, self.size, ROWS):
            yield partial(self.part, begin, min(begin + ROWS, self.size))

    def part(self, begin: int, end: int) -> Piece:
        """The rows from ``begin`` up to ``end``."""
        first, last = np.searchsorted(self._ends, [begin, end - 1], side="right") if end > begin else (0, -1)
        rows = np.arange(first, last + 1)
        starts = self._starts[rows]
        parents = np.repeat(rows, np.minimum(self._ends[rows], end) - np.maximum(starts, begin))
        columns = {}
        for role in self._roles:
            values, root = self._values[role], self._root.get(role)
            if root is None:
                columns[role] = values.take(from_numpy(parents)) if self._lists else values.slice(begin, end - begin)
            elif self._lists[root].is_null is None:
                columns[role] = values.slice(begin, end - begin)
            else:
                columns[role] = values.take(self._places(self._lists[root], parents, begin, end))
        return replace(self._piece, columns=columns, place=partial(self._place, begin))

    def _places(self, lists: _List, parents: Counts, begin: int, end: int) -> pa.Array:
        """Where among the values of a list each row has its own; null where the list is null."""
        within = np.arange(begin, end) - self._starts[parents]
        places = (np.cumsum(lists.lengths) - lists.lengths)[parents] + within
        is_there = np.ones(len(parents), bool) if lists.is_null is None else ~lists.is_null[parents]
        buffers = [pa.py_buffer(np.packbits(is_there, bitorder="little")), pa.py_buffer(np.where(is_there, places, 0))]
        return pa.Array.from_buffers(pa.int64(), len(parents), buffers)

    def _place(self, begin: int, row: int) -> str:
        outer = int(np.searchsorted(self._ends, begin + row, side="right"))
        place = self._piece.place(outer)
        return f"{place}, element {begin + row - self._starts[outer] + 1}" if self._has_element[outer] else place


def _values_at(column: pa.Array, path: Path) -> tuple[_List | None, pa.Array, bool]:
    """The lists at a path, None if all are null, and the values at its end; and whether the column is so nested."""
    lists = None
    for step in path[1:]:
        kind = column.type
        if pa.types.is_null(kind):
            continue
        if step is None and is_list(kind):
            lengths = pc.list_value_length(column)
            is_null = mask_as_numpy(lengths.is_null()) if lengths.null_count else None
            lengths = as_numpy(lengths.cast(pa.int64()))
            lists = _List(lengths if is_null is None else np.where(is_null, 0, lengths), is_null)
            column = column.flatten()
        elif step is not None and pa.types.is_struct(kind):
            number = kind.get_field_index(step)
            column = pc.struct_field(column, [number]) if number >= 0 else pa.nulls(len(column))
        else:
            return None, column, False
    return lists, column, True


def _unlike(n_rows: int) -> pa.Array:
    """Values that are no labels."""
    return strings(["?"] * n_rows)


def innermost(column: pa.Array) -> pa.Array:
    """The values of a column that holds one leaf."""
    while is_list(column.type) or pa.types.is_struct(column.type):
        column = column.flatten() if is_list(column.type) else pc.struct_field(column, [0])
    return column


def _encoded(column: pa.Array) -> pa.Array:
    """Text as a dictionary, so that it is not copied for each element of a list."""
    is_text = pa.types.is_string(column.type) or pa.types.is_large_string(column.type)
    return column.dictionary_encode() if is_text else column
