"""Rows from JSON lines; the public files that are known by their names, and by their first lines."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from functools import cached_property, partial
from itertools import chain, islice
from typing import Any

import pyarrow as pa

from negprep.arrow import strings
from negprep.errors import BadDataError, UsageError
from negprep.options.reading import ReadOptions
from negprep.read.columns import CARRIED, FLAG, NUMBER, ROLES, VALUE, WATCHED, role_of
from negprep.read.dialect import Unnamed
from negprep.read.item_lists import IMPRESSION_LINE, LISTED
from negprep.read.lines import filled_lines, line_blocks, place_of
from negprep.read.nested import Leaf, Path, holders, named, schema_of
from negprep.read.sources import Piece, Source, one_line

_FOUR = ("user", "item", "value", "time")
_JSON_NAME = re.compile(r"\.(jsonl|ndjson)(\.(gz|zst|bz2|zip))?$", re.IGNORECASE)
_ATOMIC = re.compile(r"\.(inter|user|item|kg|link|net)(\.(gz|zst|bz2|zip))?$")
_OBJECT = re.compile(r'\s*\{\s*("([^"\\]|\\.)*"\s*:|\})')
_NUMBER = re.compile(r"-?\d+(\.\d+)?")
_NAMES = {
    "ncf": r".+\.rating",
    "movielens": r"ratings\.(csv|dat)|u\.data",
    "recbole": r".+(?<!\.candidates)\.inter",
    "lightgcn": r"(train|valid|test)\.txt",
    "mind": r"behaviors\.tsv",
}


def is_file_of(name: str, form: str | None) -> bool:
    """Whether a file in a folder belongs to the log, not to what else other programs put there."""
    return form not in _NAMES or re.fullmatch(_NAMES[form], name) is not None


def form_of_file(source: Source, options: ReadOptions, lines: list[tuple[int, str]]) -> str | None:
    """The form that ``--from`` names, else what the first lines show; None for CSV and its relatives.

    JSON lines start with a brace and a key, or are named ``.jsonl`` or ``.ndjson``. MIND's impressions have labels:
    ``N1-1 N2-0``. NCF's ``.rating`` files have three or four numbers between tabs, MovieLens' ``ratings.dat`` and
    ``u.data`` four. Raises ``UsageError`` for ``--from`` beside options that mean the same.
    """
    if options.from_ is not None:
        for option, value in (("--columns", options.columns), ("--delimiter", options.delimiter)):
            if value is not None:
                raise UsageError(f"--from {options.from_} and {option} are both given", remedy="leave one out")
        return options.from_
    if options.columns is not None or options.delimiter is not None:
        return None
    line = lines[0][1] if lines else ""
    if IMPRESSION_LINE.fullmatch(line):
        return "mind"
    if _JSON_NAME.search(source.name) or _OBJECT.match(line):
        return "jsonl"
    name = source.name.rpartition("/")[2]
    name = name if source.codec is None else name.rpartition(".")[0]
    separator = "::" if "::" in line else "\t"
    fields = line.split(separator)
    if not all(map(_NUMBER.fullmatch, fields)):
        return None
    if name.endswith(".rating") and len(fields) in (3, 4) and separator == "\t":
        return "ncf"
    return "movielens" if name in ("ratings.dat", "u.data") and len(fields) == 4 else None


_ARRAY = re.compile(rb"(?:\xef\xbb\xbf)?\s*\[\s*([\[{\]]|\Z)")
_LINE_OF_VALUES = re.compile(rb"(?:\xef\xbb\xbf)?\s*(\[[^\n]*\]),?\s*(?:\n|$)")


def as_rows(source: Source, options: ReadOptions, unnamed: Unnamed) -> tuple[Source, ReadOptions]:
    """A JSON array as JSON lines, with the options that read these; anything else as it is.

    Lists get the names of ``--columns``, or beside the log those of ``unnamed``. Raises ``UsageError`` if they have
    none, or objects are to have some; ``BadDataError`` if each line is a list.
    """
    found = _ARRAY.match(source.head)
    if options.delimiter is not None or options.from_ not in (None, "jsonl"):
        return source, options
    if found is None:
        _refuse_lists(source)
        return source, options
    names = options.columns
    if found[1] != b"[":
        if names is not None:
            what = "--columns names columns, and this is a JSON array of objects, whose keys are their names"
            raise UsageError(what, place=source.name, remedy="leave it out")
        return replace(source, array=()), replace(options, from_="jsonl")
    if names is None and not unnamed.by_option:
        names = unnamed.columns or unnamed.wanted
    if names is None:
        what = "this is a JSON array of lists, which have no names"
        raise UsageError(what, place=source.name, remedy="name their values: --columns user,item,...")
    return replace(source, array=tuple(names)), replace(options, columns=None, from_="jsonl")


def _refuse_lists(source: Source) -> None:
    """Refuse lists of JSON on lines of their own, which could pass for CSV with brackets in its outer ids."""
    line = _LINE_OF_VALUES.match(source.head)
    try:
        is_list = line is not None and isinstance(json.loads(line[1]), list)
    except (ValueError, RecursionError):
        is_list = False
    if is_list:
        what = "this is a JSON list on a line of its own, where a row is an object"
        remedy = "make one array of all lines, [[1, 2], [3, 4]], or take the brackets away"
        raise BadDataError(what, place=f"{source.name}:1", remedy=remedy)


def with_quotes(source: Source, options: ReadOptions, form: str | None = None) -> ReadOptions:
    """The options; the quotes of RecBole's atomic files are text, unless ``--quote`` says otherwise.

    In the folders of atomic files that negprep writes, ids with quotes stand in quotes.
    """
    folder = source.path.parent if source.path is not None else None
    ours = folder is not None and (folder / "_negprep.json").exists()
    if options.quote is None and (form == "recbole" or _ATOMIC.search(source.name)):
        return replace(options, quote='"' if ours else "none")
    return options


def as_text(source: Source, form: str | None, options: ReadOptions, lines: list[tuple[int, str]]) -> ReadOptions:
    """The options that read a text of that form: its delimiter and its columns."""
    if form is None:
        return options
    options = replace(options, from_=None)
    if not lines:
        return options
    number, line = lines[0]
    place = f"{source.name}:{number}"
    if form == "recbole":
        if ":token" not in line:
            what = "the header names no field of type token (user_id:token)"
            raise BadDataError(what, place=place, remedy="leave --from out, or name a RecBole file")
        return replace(options, delimiter="\t")
    if form == "movielens" and not _NUMBER.match(line):
        return options  # the later ones are CSV with a header
    separator = " " if form == "sasrec" else "::" if "::" in line and form == "movielens" else "\t"
    fields = len(line.split(separator))
    allowed = {"ncf": (3, 4), "movielens": (4,), "sasrec": (2,)}[form]
    if fields not in allowed:
        shown = {" ": "spaces", "\t": "tabs"}.get(separator, separator)
        what = f"{fields} field{'s' * (fields != 1)} between {shown}, where --from {form} has"
        wanted = " or ".join(", ".join(_FOUR[:count]) for count in allowed)
        raise BadDataError(f"{what} {wanted}", place=place, remedy="leave --from out, or name another file")
    return replace(options, columns=_FOUR[:fields], delimiter=separator)


_LOOKED_AT = 100
_LOOSE = ("time", "value", VALUE, NUMBER, FLAG)
"""Roles whose numbers may be integers here and fractions there."""
_LOOKED_AT_WHOLE = 1 << 24
_SAMPLED = 64


class _Object(list[tuple[str, Any]]):
    """The pairs of a JSON object, which may have the same key twice."""


_HOLD: tuple[type, ...] = (list, _Object)
"""The types of values that hold others."""


_KINDS: dict[type, str] = {
    str: "a string",
    int: "an integer",
    float: "a number with a fraction",
    bool: "true or false",
    type(None): "null",
    list: "a list",
    _Object: "an object",
}


@dataclass(frozen=True)
class JsonInput:
    """One file of JSON lines, ready to be read from ``start``, its first line, on; ``warnings`` grow while it is read.

    ``kinds`` has the keys of the first lines, in order, and the type of their first value; ``str`` where all are null;
    ``nested`` the leaves of lists and objects, by name.
    """

    source: Source
    start: int
    kinds: dict[str, type]
    nested: dict[str, Leaf] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)
    _late: set[bytes] = field(default_factory=set)

    @property
    def names(self) -> tuple[str, ...]:
        """The keys, in order."""
        return tuple(self.kinds)

    def pieces(self, columns: dict[str, str]) -> Iterator[Callable[[], Piece]]:
        """The rows, as functions that parse a block each and may run in any thread. A key that is absent is null.

        ``columns`` may be leaves, of which their columns are given, with no others.
        """
        self.warnings.clear()
        self._late.clear()
        watched = {role: name for role, name in columns.items() if role.startswith(WATCHED)}
        needed = {role: name for role, name in columns.items() if role not in watched}
        if any(self._kind(name) in _HOLD for name in needed.values()):
            raise self._explained(needed, self.start, "a value is nested")
        for offset, block in line_blocks(self.source, self.start, self.warnings):
            yield partial(self._piece, needed, watched, offset, block)

    def _piece(self, columns: dict[str, str], watched: dict[str, str], offset: int, block: bytes) -> Piece:
        table, reason = None, ""
        plain = {role: name for role, name in watched.items() if self._kind(name) not in _HOLD}
        for wanted in (columns | plain, columns) if plain else (columns,):
            for numbers_as in ("int64", "float64"):
                try:
                    table = table or _parsed(block, self._schema(wanted, numbers_as))
                except ValueError as error:  # of Arrow, and of text that is not UTF-8
                    reason = one_line(error)
        if table is None:
            raise self._explained(columns, offset, reason)
        if table.num_rows != sum(1 for line in block.splitlines() if line.strip()):
            raise self._explained(columns, offset, "a line does not hold one whole object")
        self._warn_of_late_keys(block, offset)
        there = {role: self._path(name)[0] for role, name in (columns | watched).items()}
        there = {role: name for role, name in there.items() if name in table.column_names}
        arrays = {role: table.column(name).combine_chunks() for role, name in there.items()}
        if len(there) < len(columns | watched):  # whatever they are: of these columns nothing is refused
            rows = [json.loads(line) for line in block.splitlines() if line.strip()]
            for role in watched.keys() - there.keys():
                arrays[role] = _texts([row.get(watched[role]) for row in rows])
        return Piece(arrays, partial(place_of, self.source, offset))

    def _path(self, name: str) -> Path:
        return self.nested[name].path if name in self.nested else (name,)

    def _kind(self, name: str) -> type:
        kind: type = self.nested[name].kind if name in self.nested else self.kinds[name]
        return kind

    @cached_property
    def _unknown(self) -> re.Pattern[bytes]:
        """A key in an object, nested or not, that the first lines lack."""
        known = b"|".join(re.escape(json.dumps(name, ensure_ascii=False)[1:-1].encode()) for name in self._keys)
        return re.compile(rb'[{,]\s*"(?!(?:' + known + rb')"\s*:)([^"\\]+)"\s*:')

    @cached_property
    def _written(self) -> list[bytes]:
        """The keys of the first lines, as a line has them."""
        return [f"{json.dumps(name, ensure_ascii=False)}:".encode() for name in self._keys]

    @cached_property
    def _keys(self) -> list[str]:
        """The keys of the first lines, within objects, too."""
        inner = (step for leaf in self.nested.values() for step in leaf.path if step is not None)
        return list(dict.fromkeys([*self.kinds, *inner]))

    @cached_property
    def _free(self) -> set[str]:
        """The roles that no key of the first lines has by its name."""
        return set(ROLES) - {role_of(name) for name in self.kinds}

    def _warn_of_late_keys(self, block: bytes, offset: int) -> None:
        """Warn once of each key that the first lines lack and that could have a role.

        All lines near the start of the file are looked at, and then some of each block. Where as many keys are written
        as the known ones are, none is unknown: to count them takes a quarter of the time of looking for others.
        """
        if not self._free:
            return
        matches: Iterable[re.Match[bytes]] = ()
        if offset >= _LOOKED_AT_WHOLE:
            spots = range(0, len(block), max(1, len(block) // _SAMPLED))
            starts = dict.fromkeys(block.rfind(b"\n", 0, spot) + 1 for spot in (*spots, len(block) - 1))
            ends = ((start, block.find(b"\n", start)) for start in starts)
            matches = chain.from_iterable(
                self._unknown.finditer(block, start, end if end >= 0 else len(block)) for start, end in ends
            )
        elif b'" :' in block or block.count(b'":') != sum(map(block.count, self._written)):
            matches = self._unknown.finditer(block)
        for match in matches:
            if match[1] in self._late:
                continue
            self._late.add(match[1])
            name = match[1].decode("utf-8", "replace")
            role = role_of(name)
            start = block.rfind(b"\n", 0, match.start()) + 1
            if role not in self._free or name not in json.loads(block[start:].split(b"\n", 1)[0]):
                continue
            row = sum(1 for line in block[:start].splitlines() if line.strip())
            what = f"the key {name!r}, which the first {_LOOKED_AT} lines lack, is not read"
            place = place_of(self.source, offset, row)
            self.warnings.append(f"{place}: {what}; --{role}-col {name} reads it")

    def _schema(self, columns: dict[str, str], numbers_as: str) -> pa.Schema:
        """Ids keep their type; values and times may be integers here and fractions there."""
        types = {str: pa.string(), int: pa.int64(), float: pa.float64(), bool: pa.bool_()}
        fields: dict[Path, pa.DataType] = {}
        for role, name in columns.items():
            path, first = self._path(name), self._kind(name)
            loose = (role in _LOOSE or role.startswith((WATCHED, CARRIED))) and first is int
            fields[path] = pa.type_for_alias(numbers_as) if loose and fields.get(path) != pa.int64() else types[first]
        return schema_of(fields)

    def _explained(self, columns: dict[str, str], offset: int, reason: str) -> BadDataError:
        """Why the text from ``offset`` on cannot be parsed: ``reason``, unless the slow scan finds more."""
        try:
            for number, line in filled_lines(self.source, offset):
                place = self.source.line(number)
                found = object_of(line, place)
                for role, name in columns.items():
                    for element, value, wanted in _values_at(found, self._path(name)):
                        where = place if element is None else f"{place}, element {element}"
                        problem = self._problem(role, wanted or self._kind(name), value, where)
                        if problem is not None:
                            return problem
        except BadDataError as error:
            return error
        return BadDataError(reason, place=self.source.name)

    def _problem(self, role: str, first: type, value: Any, place: str) -> BadDataError | None:  # noqa: ANN401
        kind = type(value)
        numeric = (role in _LOOSE or role.startswith(CARRIED)) and {kind, first} <= {int, float}
        if role == LISTED and kind is not first and value is not None and kind not in _HOLD and first not in _HOLD:
            what = f"the {role} hold {value!r}, which is {_KINDS[kind]}, but another is {_KINDS[first]}"
            return BadDataError(what, place=place, remedy="write all as strings")
        if kind in _HOLD:
            what, remedy = f"the {role} is {_KINDS[kind]}", "write a string or a number"
            if first in _HOLD and kind is not first:
                what, remedy = f"{what}, but another is {_KINDS[first]}", "write all in one form"
            return BadDataError(what, place=place, remedy=remedy)
        if kind is str and any("\ud800" <= character <= "\udfff" for character in value):
            return BadDataError(f"the {role} holds half a surrogate pair", place=place, remedy="repair the text")
        if value is None or (kind is first and kind is not int) or numeric:
            return None
        if kind is int and first is int:
            if -(2**63) <= value < 2**63:
                return None
            return BadDataError(
                f"the {role} {value} is not a 64-bit integer", place=place, remedy="write all as strings"
            )
        what = f"the {role} {value!r} is {_KINDS[kind]}, but another is {_KINDS[first]}"
        return BadDataError(what, place=place, remedy="write all in one form")


def json_input(source: Source, start: int, asked: Iterable[str] = ()) -> JsonInput:
    """Look at the first lines of a file, and at as many more as it takes to find the keys that are asked for.

    Raises ``BadDataError`` if it is empty, or a line does not hold an object.
    """
    kinds: dict[str, type] = {}
    leaves: dict[Path, type] = {}
    first_lines = list(islice(filled_lines(source, 0), _LOOKED_AT))
    if not first_lines:
        raise BadDataError("the file is empty", place=source.name)
    for number, line in first_lines:
        for name, value in object_of(line, source.line(number)).items():
            if kinds.get(name, type(None)) is type(None):
                kinds[name] = type(value)
            _collect((name,), value, leaves)
    known = {name for name, leaf in _nested(kinds, leaves).items() if leaves[leaf.path] is not type(None)}
    known |= {name for name, kind in kinds.items() if kind not in (type(None), list)} | holders(_nested(kinds, leaves))
    late = {name for name in asked if name not in known}
    if late:
        _look_later(source, late, kinds, leaves)
    nested = _nested(kinds, leaves)
    return JsonInput(source, start, {name: str if kind is type(None) else kind for name, kind in kinds.items()}, nested)


def _look_later(source: Source, wanted: set[str], kinds: dict[str, type], leaves: dict[Path, type]) -> None:
    """Add the type of the first value of each key or leaf that the first lines lack or have as null."""
    lacking = set(wanted)
    for number, line in islice(filled_lines(source, 0), _LOOKED_AT, None):
        here = {name for name in lacking if any(json.dumps(word, ensure_ascii=False) in line for word in _ends(name))}
        if not here:
            continue
        later: dict[Path, type] = {}
        value_of = object_of(line, source.line(number))
        for name, value in value_of.items():
            _collect((name,), value, later)
        for path, kind in later.items():
            name = ".".join(step for step in path if step is not None)
            if kind is not type(None) and name in here:
                leaves[path] = kind
                lacking.discard(name)
                column = str(path[0])
                if kinds.get(column, type(None)) is type(None):
                    kinds[column] = type(value_of[column])
        if not lacking:
            break


def _ends(name: str) -> tuple[str, str]:
    """What may stand as a key in a line that has a key or a leaf of this name."""
    return name, name.rpartition(".")[2]


def _collect(path: Path, value: Any, leaves: dict[Path, type]) -> None:  # noqa: ANN401
    """Add the type of the first value at each path within a value."""
    if type(value) is _Object:
        for key, inner in value:
            _collect((*path, key), inner, leaves)
    elif type(value) is list:
        for each in value[:_LOOKED_AT] or [None]:
            _collect((*path, None), each, leaves)
    elif leaves.get(path, type(None)) is type(None):
        leaves[path] = type(value)


def _nested(kinds: dict[str, type], leaves: dict[Path, type]) -> dict[str, Leaf]:
    """The leaves below columns of lists and objects; ``str`` where all values are null."""
    there = {path: kind for path, kind in leaves.items() if len(path) > 1 and kinds[str(path[0])] in _HOLD}
    above = {path: {path[:length] for length in range(1, len(path))} for path in there}
    holding = set().union(*above.values())
    real = {path for path, kind in there.items() if kind is not type(None)}
    kept = [path for path in there if not above[path] & real and (path in real or path not in holding)]
    return named([Leaf(path, there[path] if path in real else str) for path in kept], list(kinds))


def _values_at(value: Any, path: Path, element: int | None = None) -> Iterator[tuple[int | None, Any, type | None]]:  # noqa: ANN401
    """The values at the end of a path, with the number of the element of the first list, from 1.

    A value that has another form than the path on its way is given with what it should be: a list or an object.
    """
    if not path or value is None:
        yield element, value, None
    elif path[0] is None:
        if type(value) is not list:
            yield element, value, list
            return
        for number, each in enumerate(value, 1):
            yield from _values_at(each, path[1:], element or number)
    elif type(value) is _Object or isinstance(value, dict):
        yield from _values_at(dict(value).get(path[0]), path[1:], element)
    else:
        yield element, value, _Object


def object_of(line: str, place: str) -> dict[str, Any]:
    """The keys and values of the object that a line holds; ``BadDataError`` for another value, or a key twice."""
    remedy = "a row is one object, in JSON lines on a line of its own; repair or remove it"
    try:
        found = json.loads(line, object_pairs_hook=_Object)
    except (ValueError, RecursionError) as error:
        where = f"at column {error.colno}" if isinstance(error, json.JSONDecodeError) else "nested too deeply"
        what = f"this is not a JSON object ({where})"
        raise BadDataError(what, place=place, remedy=remedy) from None
    if not isinstance(found, _Object):
        raise BadDataError(f"this is {_KINDS[type(found)]}, not an object", place=place, remedy=remedy)
    made = dict(found)
    if len(made) < len(found):
        name = next(key for key, count in Counter(key for key, _ in found).items() if count > 1)
        raise BadDataError(f"the key {name!r} is there twice", place=place, remedy=remedy)
    return made


def _texts(values: list[Any]) -> pa.Array:
    """Values of any type as text, null as the empty string."""
    return strings(["" if value is None else str(value).encode(errors="replace").decode() for value in values])


def _parsed(block: bytes, schema: pa.Schema) -> pa.Table:
    """The columns of a schema, of objects that may have more."""
    from pyarrow import json as arrow_json

    return arrow_json.read_json(
        pa.BufferReader(block),
        read_options=arrow_json.ReadOptions(use_threads=False, block_size=len(block) + 1),
        parse_options=arrow_json.ParseOptions(
            explicit_schema=schema, newlines_in_values=False, unexpected_field_behavior="ignore"
        ),
    )
