"""Data that negprep does not read: what it is, and a command that makes it readable."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path
from typing import Any

from negprep.errors import BadDataError
from negprep.options.reading import ReadOptions
from negprep.read.columns import find_roles
from negprep.read.lines import MAX_LINE
from negprep.read.sources import CODECS, PARQUET, Source, quoted_file, zip_files

UNPACK = {None: "cat", "gzip": "gzip -dc", "zstd": "zstd -dc", "bz2": "bzip2 -dc", "zip": "unzip -p"}
"""The command that decompresses a file to standard output, by codec."""

READABLE = "negprep reads CSV, TSV, JSON lines and arrays, Parquet, Arrow, and text in gzip, zstd, bzip2 or zip"

_TAR = 512
_PACKED = re.compile(r"\.(gz|zst|bz2|zip)$", re.IGNORECASE)

_BINARY = (
    (rb"\xfd7zXZ\x00", "xz data", "xz -dc FILE | negprep train - OUTPUT"),
    (rb"\x04\x22\x4d\x18", "lz4 data", "lz4 -dc FILE | negprep train - OUTPUT"),
    (rb"\x1f\x9d", "data of compress (.Z)", "gzip -dc FILE | negprep train - OUTPUT"),
    (rb"7z\xbc\xaf\x27\x1c", "a 7z archive", "7z x -so FILE MEMBER | negprep train - OUTPUT"),
    (rb"Rar!\x1a\x07", "a RAR archive", "unrar p -inul FILE MEMBER | negprep train - OUTPUT"),
    (
        rb"FEA1",
        "a Feather file of version 1",
        'PYTHON import pyarrow.feather as f, pyarrow.parquet as p; p.write_table(f.read_table("IN"), "OUT")',
    ),
    (
        rb"ORC(?=[\s\S]*[\x00-\x08\x0e-\x1f])",
        "an ORC file",
        'PYTHON import pyarrow.orc as o, pyarrow.parquet as p; p.write_table(o.read_table("IN"), "OUT")',
    ),
    (rb"Obj\x01", "an Avro file", 'PYTHON import polars; polars.read_avro("IN").write_parquet("OUT")'),
    (
        rb"SQLite format 3\x00",
        "an SQLite database",
        "sqlite3 -header -csv FILE 'SELECT * FROM TABLE' | negprep train - OUTPUT (sqlite3 FILE .tables lists them)",
    ),
    (
        rb"\x89HDF",
        "an HDF5 file",
        'PYTHON import pandas; pandas.read_hdf("IN").to_parquet("OUT", index=False) (if pandas wrote it)',
    ),
    (
        rb"\x93NUMPY[\s\S]{4}[^\n]*'descr': *\[",
        "a NumPy file",
        'PYTHON import numpy, pandas; pandas.DataFrame(numpy.load("IN")).to_parquet("OUT")',
    ),
    (
        rb"\x93NUMPY",
        "a NumPy file",
        'PYTHON import numpy, pandas; pandas.DataFrame(numpy.load("IN")[:, :2], columns=["user", "item"])'
        '.to_parquet("OUT") (if these are its first two columns)',
    ),
    (
        rb"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1",
        "an Excel file (.xls)",
        'PYTHON import pandas; pandas.read_excel("IN", dtype=str).to_csv("NEW.csv", index=False)',
    ),
    (
        rb"(?=[\s\S]*[\x00-\x08\x0e-\x1f])\x80[\x02-\x05](\x95|[\]})(c}q])",
        "a Python pickle",
        'PYTHON import pandas; pandas.read_pickle("IN").to_parquet("OUT", index=False) (if you trust it)',
    ),
)
"""First bytes; what they show; and what converts it, with FILE, or "IN" and "OUT" in Python, for the names."""

_EXCEL = 'PYTHON import pandas; pandas.read_excel("IN", dtype=str).to_csv("NEW.csv", index=False)'
_SPARSE = (
    'PYTHON import pandas, scipy.sparse as s; m = s.load_npz("IN").tocoo(); '
    'pandas.DataFrame({"user": m.row, "item": m.col, "value": m.data}).to_parquet("OUT")'
)


def refuse_foreign(source: Source) -> None:
    """Raise ``BadDataError`` if the first bytes of a source, other than Parquet, show a file that cannot be read."""
    name, codec = source.name, source.codec
    if codec == "zip":
        _refuse_archive(source)
    inner = {"Parquet": PARQUET, **CODECS} if codec is not None else {}
    for kind, magic in inner.items():
        if re.match(magic, source.head):
            raise BadDataError(f"{kind} inside {codec}", place=name, remedy=f"decompress the {codec} first")
    found = _recognised(source.head, source)
    if found is not None:
        kind, remedy = found
        if codec is not None and not kind.startswith(("a tar", "a Matrix")):
            target = shlex.quote(unpacked(name))
            remedy = f"decompress it ({UNPACK[codec]} {quoted_file(name)} > {target}), then name that file"
        raise BadDataError(f"this is {kind}", place=name, remedy=remedy)


def _recognised(head: bytes, source: Source) -> tuple[str, str] | None:
    """What the bytes are, and what to do about it; None if they may be text."""
    file = quoted_file(source.name)
    for magic, kind, command in _BINARY:
        if re.match(magic, head):
            return kind, _command(command, source.name)
    if head.startswith(b"version https://git-lfs.github.com/spec/"):
        return "a Git LFS pointer, not the file that it stands for", "fetch the file: git lfs pull"
    if head.lower().startswith(b"%%matrixmarket"):
        words = head.split(b"\n", 1)[0].lower().split()
        if b"coordinate" not in words:
            return "a MatrixMarket file", "write the pairs as CSV, with a header user,item"
        columns = "user,item" if b"pattern" in words else "user,item,value"
        command = f"{UNPACK[source.codec]} {file} | grep -v '^%' | tail -n +2"
        return "a MatrixMarket file", f"convert it: {command} | negprep train --columns {columns} - OUTPUT"
    if _is_tar(head):
        member = head[:100].split(b"\0", 1)[0].decode("utf-8", "replace")
        inside = "MEMBER" if head[156:157] not in b"0\0" else shlex.quote(member)
        command = f"tar -xOf {file} {inside} | negprep train - OUTPUT (tar -tf {file} lists them)"
        return "a tar archive", f"give one of its files: {command}"
    return None


def _is_tar(head: bytes) -> bool:
    """Whether the bytes are the header of a member: its check sum is the sum of all bytes but its own eight."""
    written = re.match(rb"[ \0]*([0-7]+)[ \0]", head[148:156])
    total = sum(head[:148] + b" " * 8 + head[156:_TAR])
    return len(head) >= _TAR and written is not None and total == int(written[1], base=8)


def _refuse_archive(source: Source) -> None:
    """Refuse the zip archives that are files of other programs: Excel, OpenDocument and NumPy."""
    name = source.name
    with source.raw() as raw:
        names = [each.filename for each in zip_files(raw, name)[1]]
    if "[Content_Types].xml" in names:
        raise BadDataError("this is an Excel file", place=name, remedy=_command(_EXCEL, name))
    if "mimetype" in names:
        remedy = f"convert it: soffice --convert-to csv {quoted_file(name)}"
        raise BadDataError("this is an OpenDocument file", place=name, remedy=remedy)
    if names and all(each.endswith(".npy") for each in names):
        remedy = _npz_remedy([each.removesuffix(".npy") for each in names], name)
        raise BadDataError("this is a NumPy archive (.npz)", place=name, remedy=remedy)


def _npz_remedy(arrays: list[str], name: str) -> str:
    if "format" in arrays and "shape" in arrays:
        return _command(_SPARSE, name)
    first, second = (arrays * 2)[:2] if {"user", "item"} - set(arrays) else ("user", "item")
    pair = f'{{"user": a[{json.dumps(first)}], "item": a[{json.dumps(second)}]}}'
    code = f'PYTHON import numpy, pandas; a = numpy.load("IN"); pandas.DataFrame({pair}).to_parquet("OUT")'
    return f"{_command(code, name)} (if these are the users and the items; it holds {', '.join(arrays[:10])})"


def _command(template: str, name: str) -> str:
    """The remedy, for the file at hand."""
    if not template.startswith("PYTHON "):
        return f"convert it: {template.replace('FILE', quoted_file(name))}"
    code, bracket, note = template.removeprefix("PYTHON ").partition(" (if ")
    given = "FILE" if name == "stdin" else name
    for mark, value in {"IN": given, "OUT": renamed(name, ".parquet"), "NEW.csv": renamed(name, ".csv")}.items():
        code = code.replace(f'"{mark}"', json.dumps(value, ensure_ascii=False))
    return f"convert it: python3 -c {shlex.quote(code)}{bracket}{note}"


def _through(code: str, source: Source) -> str:
    """A shell command that sends a file through Python code into a new file of JSON lines."""
    command, target = f"python3 -c {shlex.quote(code)}", shlex.quote(renamed(source.name, ".jsonl"))
    if source.codec is None:
        return f"{command} < {quoted_file(source.name)} > {target}"
    return f"{UNPACK[source.codec]} {quoted_file(source.name)} | {command} > {target}"


def renamed(name: str, ending: str) -> str:
    """A free name in the working folder with another ending: ``log.jsonl`` for ``logs/log.json.gz``."""
    stem = Path(unpacked(name)).stem
    names = (f"{stem}{number}{ending}" for number in ("", *(f"-{count}" for count in range(2, 1000))))
    return next((free for free in names if not Path(free).exists()), f"NEW{ending}")


def unpacked(name: str) -> str:
    """The name that a file has when it is decompressed into the working folder."""
    plain = _PACKED.sub("", Path(name).name)
    return plain if plain != Path(name).name else f"{plain}-unpacked"


_LOAD = "import json, sys; t = json.load(sys.stdin); "
_CODE = {
    "a table by columns": (
        _LOAD + "[print(json.dumps({name: t[name][row] for name in t})) for row in next(iter(t.values()))]"
    ),
    "a table by rows": "import json, sys; [print(json.dumps(row)) for row in json.load(sys.stdin).values()]",
    "a table in parts": _LOAD + '[print(json.dumps(dict(zip(t["columns"], row)))) for row in t["data"]]',
    "columns as lists": _LOAD + "[print(json.dumps(dict(zip(t, row)))) for row in zip(*t.values())]",
}
_DICTS = "import ast, json, sys; [print(json.dumps(ast.literal_eval(line))) for line in sys.stdin if line.strip()]"
_DICT = re.compile(r"\s*\{\s*[uU]?'")


def refuse_documents(source: Source) -> None:
    """Raise ``BadDataError`` if a text is one JSON object, or objects over several lines, or lines of Python dicts."""
    head = source.head.removeprefix(b"\xef\xbb\xbf").lstrip()
    if head and head[:1] != b"{":
        return
    with source.open() as stream:
        head = stream.read(1 << 12)
        if b"\n" not in head.strip():
            head += stream.read(MAX_LINE)
    text = head.removeprefix(b"\xef\xbb\xbf").decode("utf-8", "replace").lstrip()
    if _DICT.match(text):
        raise _refusal("lines of Python dicts, not JSON", _DICTS, source)
    kind = _kind(text) if text.startswith("{") else None
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


def _refusal(what: str, code: str, source: Source) -> BadDataError:
    remedy = f"convert it, and name what it gives: {_through(code, source)}"
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
    if set(found) >= {"columns", "data"} and isinstance(found["data"], list):
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
