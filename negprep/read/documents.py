"""Data without a row for each interaction (JSON documents, Python dicts, lists of items), and how to convert them."""

from __future__ import annotations

import json
import re
import shlex
from itertools import islice
from typing import TYPE_CHECKING, Any

from negprep.errors import BadDataError
from negprep.options.options import ReadOptions
from negprep.read.columns import find_roles
from negprep.read.foreign import renamed, through
from negprep.read.lines import MAX_LINE, filled_lines

if TYPE_CHECKING:
    from collections.abc import Iterable

    import pyarrow as pa

    from negprep.read.sources import Source


_LOAD = "import json, sys; t = json.load(sys.stdin); "
_CODE = {
    "an array of objects": "import json, sys; [print(json.dumps(row)) for row in json.load(sys.stdin)]",
    "an array of arrays": "import csv, json, sys; csv.writer(sys.stdout).writerows(json.load(sys.stdin))",
    "a table by columns": (
        _LOAD + "[print(json.dumps({name: t[name][row] for name in t})) for row in next(iter(t.values()))]"
    ),
    "a table by rows": "import json, sys; [print(json.dumps(row)) for row in json.load(sys.stdin).values()]",
    "a table in parts": _LOAD + '[print(json.dumps(dict(zip(t["columns"], row)))) for row in t["data"]]',
    "columns as lists": _LOAD + "[print(json.dumps(dict(zip(t, row)))) for row in zip(*t.values())]",
}
_DICTS = "import ast, json, sys; [print(json.dumps(ast.literal_eval(line))) for line in sys.stdin if line.strip()]"
_DICT = re.compile(r"\s*\{\s*[uU]?'")
_SPLIT_KEYS = {"columns", "data"}


def refuse_documents(source: Source) -> None:
    """Raise ``BadDataError`` if a text is JSON, but not an object a line, or has lines of Python dicts.

    Parameters
    ----------
    source : Source
        A text whose first character that is not a space is ``{`` or ``[``; others pass.
    """
    with source.open() as stream:
        head = stream.read(1 << 12)
        start = head.removeprefix(b"\xef\xbb\xbf").lstrip()[:1]
        if start not in (b"{", b"["):
            return
        if b"\n" not in head.strip():
            head += stream.read(MAX_LINE)
    text = head.removeprefix(b"\xef\xbb\xbf").decode("utf-8", "replace").lstrip()
    if _DICT.match(text):
        raise _refusal("lines of Python dicts, not JSON", _DICTS, source)
    if start == b"[":
        if re.match(r"\[\s*\[", text):
            raise _refusal("a JSON array of arrays", _CODE["an array of arrays"], source, ".csv", _NAMED)
        if re.match(r"\[\s*[{\]]", text):
            raise _refusal("a JSON array", _CODE["an array of objects"], source)
        return
    kind = _kind(text)
    if kind is None:
        return
    if kind.startswith("["):
        code = f"import json, sys; [print(json.dumps(row)) for row in json.load(sys.stdin)[{kind[1:]}]]"
        raise _refusal("one JSON object, whose rows are in a list", code, source)
    if kind == "objects over several lines":
        what = "this is JSON in objects over several lines; JSON lines have an object a line"
        file = "FILE" if source.name == "stdin" else source.name
        raise BadDataError(what, place=source.name, remedy=f"convert it: jq -c . {file} > NEW.jsonl (jq 1.7 or newer)")
    raise _refusal(f"one JSON object, {kind}", _CODE[kind], source)


_NAMED = ", and name the columns: --columns user,item,..."


def _refusal(what: str, code: str, source: Source, ending: str = ".jsonl", more: str = "") -> BadDataError:
    remedy = f"convert it, and name what it gives: {through(code, source.name, source.codec, ending)}{more}"
    return BadDataError(f"this is {what}", place=source.name, remedy=remedy)


def _kind(text: str) -> str | None:
    """What an object is, where it is not the first of JSON lines."""
    lines = [line for line in text.splitlines() if line.strip()]
    try:
        found = json.loads(lines[0])
    except (ValueError, RecursionError):
        return _kind_of_start(text, several=len(lines) > 1)
    if len(lines) > 1 or not isinstance(found, dict) or not found:
        return None
    return _kind_of_object(found)


def _kind_of_object(found: dict[str, Any]) -> str | None:
    """What the only object of a file is; None for one row."""
    if set(found) >= _SPLIT_KEYS and isinstance(found["data"], list):
        return "a table in parts"
    if set(found) == {"schema", "data"}:
        return '["data"'
    values = list(found.values())
    if all(isinstance(value, dict) and value.keys() == values[0].keys() for value in values) and values[0]:
        return _orientation(list(found), list(values[0]))
    if all(isinstance(value, list) and len(value) == len(values[0]) for value in values):
        if len(found) > 1 and not any(isinstance(each, dict | list) for value in values for each in value):
            return "columns as lists"
        if len(found) == 1 and values[0] and all(isinstance(each, dict) for each in values[0]):
            return "[" + json.dumps(next(iter(found)))
    return None


def _kind_of_start(text: str, *, several: bool) -> str | None:
    """What an object is whose first line does not hold it whole."""
    first = re.match(r'\{\s*("(?:[^"\\]|\\.)*")\s*:\s*(\{\s*("(?:[^"\\]|\\.)*")|\[\s*(\S)|\S)', text)
    if first is None:
        return None
    if re.search(r'^\{\s*"(columns|index)"\s*:\s*\[', text):
        return "a table in parts"
    if re.search(r'^\{\s*"schema"\s*:\s*\{', text):
        return '["data"'
    if first[3]:
        return _orientation([json.loads(first[1])], [json.loads(first[3])])
    if first[4]:
        return "[" + first[1] if first[4] == "{" else "columns as lists"
    return "objects over several lines" if several and "\n" in text[: first.end() + 1] else None


def _orientation(outer: list[str], inner: list[str]) -> str:
    """Whether the keys outside or inside are the names of columns."""
    if find_roles(outer, ReadOptions(), "").found:
        return "a table by columns"
    by_rows = find_roles(inner, ReadOptions(), "").found or not all(name.isdigit() for name in inner)
    return "a table by rows" if by_rows else "a table by columns"


def nested_remedy(name: str, codec: str | None, rows: Iterable[dict[str, Any]], roles: dict[str, str]) -> str | None:
    """What makes rows of one item each, of JSON lines that hold lists of items or of events; None if none does.

    Parameters
    ----------
    name, codec
        Of the file.
    rows : iterable of dict
        Its first objects.
    roles : dict of str to str
        Role to key, as far as they are recognised.
    """
    filled = ((key, row) for row in rows for key, value in row.items() if isinstance(value, list) and value)
    items = roles.get("item")
    found = next(((key, row) for key, row in filled if items is None or key == items), None)
    if found is None:
        return None
    key, first = found
    others = (other for other, value in first.items() if other != key and not isinstance(value, list | dict))
    user = roles.get("user") or next(others, None)
    if user is None:
        return None
    inner = first[key][0]
    shown, users = json.dumps(key, ensure_ascii=False), json.dumps(user, ensure_ascii=False)
    events = isinstance(inner, dict)
    made = f"{{{users}: row[{users}], **one}}" if events else f'{{{users}: row[{users}], "item": one}}'
    loop = f"for row in map(json.loads, sys.stdin) for one in row[{shown}] or []"
    options = ""
    if find_roles([user], ReadOptions(), "").found.get("user") is None:
        options += f" --user-col {user}"
    if events:
        known = find_roles(list(inner), ReadOptions(), "").found.get("item")
        options += "" if known else f" --item-col {next(iter(inner), 'ITEM')}"
    command = through(f"import json, sys; [print(json.dumps({made})) {loop}]", name, codec)
    return f"make a row of each: {command}" + (f", and name the columns:{options}" if options else "")


def holds_lists(kind: pa.DataType) -> bool:
    """Whether the values of an Arrow type are lists."""
    import pyarrow as pa

    return bool(pa.types.is_list(kind) or pa.types.is_large_list(kind))


def list_remedy(name: str, schema: pa.Schema, found: dict[str, str]) -> str | None:
    """What makes rows of one item each, of Parquet whose rows hold lists of items or of events; None if none do.

    Parameters
    ----------
    name : str
        Of the file.
    schema : pa.Schema
    found : dict of str to str
        Role to column, as far as they are recognised.
    """
    import pyarrow as pa

    kinds = dict(zip(schema.names, schema.types, strict=True))
    lists = [column for column, kind in kinds.items() if holds_lists(kind)]
    others = [column for column, kind in kinds.items() if not pa.types.is_nested(kind)]
    if not lists or not others:
        return None
    spread = [column for column in found.values() if column in lists] or lists[:1]
    kept = [column for column in found.values() if column in others] or others[:1]
    events = pa.types.is_struct(kinds[spread[0]].value_type)
    options = "" if "user" in found else f" --user-col {kept[0]}"
    rows = f"c.list_parent_indices(t[{json.dumps(spread[0])}].combine_chunks())"
    code = f"import pyarrow as a, pyarrow.compute as c, pyarrow.parquet as p; t = p.read_table({json.dumps(name)}); "
    if events:
        try:
            inner = [each.name for each in kinds[spread[0]].value_type]
        except UnicodeDecodeError:  # a command could not name it
            return None
        options += "" if find_roles(inner, ReadOptions(), "").found.get("item") else f" --item-col {inner[0]}"
        code += f"r = a.Table.from_struct_array(c.list_flatten(t[{json.dumps(spread[0])}].combine_chunks())); "
        made = ".".join(
            ["r", *(f"append_column({json.dumps(one)}, t[{json.dumps(one)}].take({rows}))" for one in kept)]
        )
    else:
        columns = {one: f"t[{json.dumps(one)}].take({rows})" for one in kept}
        columns |= {one if one in found.values() else "item": f"c.list_flatten(t[{json.dumps(one)}])" for one in spread}
        made = "a.table({" + ", ".join(f"{json.dumps(one)}: {value}" for one, value in columns.items()) + "})"
    target = renamed(name, ".parquet")
    command = f"python3 -c {shlex.quote(f'{code}p.write_table({made}, {json.dumps(target)})')}"
    return f"make a row of each: {command}" + (f", and name the columns:{options}" if options else "")


def first_objects(source: Source, count: int = 20) -> list[dict[str, Any]]:
    """The first objects of JSON lines that can be read."""
    found = []
    for _, line in islice(filled_lines(source, 0), count):
        try:
            row = json.loads(line)
        except (ValueError, RecursionError):
            continue
        if isinstance(row, dict):
            found.append(row)
    return found
