"""Files and folders that are not read: how they are recognised, and a command that makes them readable."""

from __future__ import annotations

import json
import os
import re
import shlex
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import BinaryIO

from negprep.errors import BadDataError

HEAD = 512
"""Bytes from the start of a file that ``refuse_foreign`` looks at."""

UNPACK = {"gzip": "gzip -dc", "zstd": "zstd -dc", "bz2": "bzip2 -dc", "zip": "unzip -p"}
"""The command that decompresses a file to standard output, by codec."""

READABLE = "negprep reads CSV, TSV, JSON lines and Parquet, and text in gzip, zstd, bzip2 or zip"

_PACKED = re.compile(r"\.(gz|zst|bz2|zip)$", re.IGNORECASE)
_HIDDEN = re.compile(r"(^|/)(__MACOSX/|\._|\.DS_Store$)")
_LISTED = 3
_PICKLE = re.compile(rb"\x80[\x02-\x05](\x95|[\]})(c}q])")
_CONTROL = re.compile(rb"[\x00-\x08\x0e-\x1f]")

# First bytes -> the kind, and how to convert it; FILE, NEW and "IN", "OUT" are put in.
_BINARY: list[tuple[bytes, str, str]] = [
    (rb"\xfd7zXZ\x00", "xz data", "xz -dc FILE | negprep train - OUTPUT"),
    (rb"\x04\x22\x4d\x18", "lz4 data", "lz4 -dc FILE | negprep train - OUTPUT"),
    (rb"\x1f\x9d", "data of compress (.Z)", "gzip -dc FILE | negprep train - OUTPUT"),
    (rb"7z\xbc\xaf\x27\x1c", "a 7z archive", "7z x -so FILE MEMBER | negprep train - OUTPUT"),
    (rb"Rar!\x1a\x07", "a RAR archive", "unrar p -inul FILE MEMBER | negprep train - OUTPUT"),
    (
        rb"ARROW1|FEA1",
        "an Arrow (Feather) file",
        'PYTHON import pyarrow.feather as f, pyarrow.parquet as p; p.write_table(f.read_table("IN"), "OUT")',
    ),
    (
        rb"\xff\xff\xff\xff[\s\S]{2}\x00\x00",
        "an Arrow stream",
        'PYTHON import pyarrow as a, pyarrow.parquet as p; p.write_table(a.ipc.open_stream("IN").read_all(), "OUT")',
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
]
_EXCEL = 'PYTHON import pandas; pandas.read_excel("IN", dtype=str).to_csv("NEW.csv", index=False)'
_PICKLED = 'PYTHON import pandas; pandas.read_pickle("IN").to_parquet("OUT", index=False) (if you trust it)'
_SPARSE = (
    'PYTHON import pandas, scipy.sparse as s; m = s.load_npz("IN").tocoo(); '
    'pandas.DataFrame({"user": m.row, "item": m.col, "value": m.data}).to_parquet("OUT")'
)


def refuse_foreign(head: bytes, name: str, codec: str | None) -> None:
    """Raise ``BadDataError`` if the first bytes are those of a file that negprep does not read.

    Parameters
    ----------
    head : bytes
        The first ``HEAD`` bytes, decompressed.
    name : str
        What messages call the file.
    codec : str or None
        How the file is compressed.
    """
    found = _recognised(head, name, codec)
    if found is None:
        return
    kind, remedy = found
    if codec is not None and not kind.startswith(("a tar", "a Matrix")) and not remedy.startswith("git"):
        remedy = f"decompress it ({UNPACK[codec]} {_quoted(name)} > {_quoted(unpacked(name))}), then name that file"
    raise BadDataError(f"this is {kind}", place=name, remedy=remedy)


def _recognised(head: bytes, name: str, codec: str | None) -> tuple[str, str] | None:
    """What the bytes are, and what to do about it; None if they may be text or Parquet."""
    for magic, kind, command in _BINARY:
        if re.match(magic, head):
            return kind, _command(command, name)
    if _PICKLE.match(head) and _CONTROL.search(head):
        return "a Python pickle", _command(_PICKLED, name)
    if head.startswith(b"version https://git-lfs.github.com/spec/"):
        return "a Git LFS pointer, not the file that it stands for", "fetch the file: git lfs pull"
    if head.lower().startswith(b"%%matrixmarket"):
        return "a MatrixMarket file", _matrix_market(head, name, codec)
    if _is_tar(head):
        member = head[:100].split(b"\0", 1)[0].decode("utf-8", "replace")
        file, inside = _quoted(name), "MEMBER" if head[156:157] not in b"0\0" else shlex.quote(member)
        return "a tar archive", (
            f"give one of its files: tar -xOf {file} {inside} | negprep train - OUTPUT (tar -tf {file} lists them)"
        )
    return None


def _matrix_market(head: bytes, name: str, codec: str | None) -> str:
    words = head.split(b"\n", 1)[0].lower().split()
    if b"coordinate" not in words:
        return "write the pairs as CSV, with a header user,item"
    columns = "user,item" if b"pattern" in words else "user,item,value"
    command = f"{'cat' if codec is None else UNPACK[codec]} {_quoted(name)} | grep -v '^%' | tail -n +2"
    return f"convert it: {command} | negprep train --columns {columns} - OUTPUT"


def _is_tar(head: bytes) -> bool:
    """Whether the bytes are the header of a member: its check sum is the sum of all bytes but its own eight."""
    stated = re.match(rb"[ \0]*([0-7]+)[ \0]", head[148:156])
    return (
        len(head) == HEAD and stated is not None and sum(head[:148] + b" " * 8 + head[156:]) == int(stated[1], base=8)
    )


def _command(template: str, name: str) -> str:
    """The remedy, for the file at hand."""
    target = renamed(name, ".parquet")
    if not template.startswith("PYTHON "):
        return f"convert it: {template.replace('FILE', _quoted(name))}"
    code, bracket, note = template.removeprefix("PYTHON ").partition(" (if ")
    given = "FILE" if name == "stdin" else name
    values = {'"IN"': given, '"OUT"': target, '"NEW.csv"': renamed(name, ".csv")}
    for mark, value in values.items():
        code = code.replace(mark, json.dumps(value, ensure_ascii=False))
    return f"convert it: python3 -c {shlex.quote(code)}{bracket}{note}"


def through(code: str, name: str, codec: str | None, ending: str = ".jsonl") -> str:
    """A shell command that sends a file through Python code, from its standard input to its standard output.

    Parameters
    ----------
    code : str
    name : str
        The file.
    codec : str or None
        How it is compressed.
    ending : str
        Of the name of what comes out.
    """
    command, target = f"python3 -c {shlex.quote(code)}", shlex.quote(renamed(name, ending))
    if codec is None:
        return f"{command} < {_quoted(name)} > {target}"
    return f"{UNPACK[codec]} {_quoted(name)} | {command} > {target}"


def renamed(name: str, ending: str) -> str:
    """A new name, in the working folder, with another ending: ``log.jsonl`` for ``logs/log.json.gz``."""
    stem = Path(unpacked(name)).stem
    names = (f"{stem}{number}{ending}" for number in ("", *(f"-{count}" for count in range(2, 1000))))
    return next((free for free in names if not Path(free).exists()), f"NEW{ending}")


def unpacked(name: str) -> str:
    """The name of a file that is decompressed into the working folder."""
    plain = _PACKED.sub("", Path(name).name)
    return plain if plain != Path(name).name else f"{plain}-unpacked"


def _quoted(name: str) -> str:
    return "FILE" if name == "stdin" else shlex.quote(name)


def only_member(archive: zipfile.ZipFile, name: str) -> zipfile.ZipInfo:
    """The one file in a zip archive.

    Raises
    ------
    BadDataError
        There are none or several, it is encrypted, or the archive is the form of another kind of file (Excel, NumPy).
    """
    members = [each for each in archive.infolist() if not each.is_dir() and not _HIDDEN.search(each.filename)]
    names = [each.filename for each in members]
    if "[Content_Types].xml" in names:
        raise BadDataError("this is an Excel file", place=name, remedy=_command(_EXCEL, name))
    if "mimetype" in names:
        what = "this is an OpenDocument file"
        raise BadDataError(what, place=name, remedy=f"convert it: soffice --convert-to csv {_quoted(name)}")
    if names and all(each.endswith(".npy") for each in names):
        arrays = [each.removesuffix(".npy") for each in names]
        raise BadDataError("this is a NumPy archive (.npz)", place=name, remedy=_npz_remedy(arrays, name))
    if not names:
        raise BadDataError("the zip archive holds no file", place=name)
    file = _quoted(name)
    if len(names) > 1:
        largest = shlex.quote(max(members, key=lambda each: each.file_size).filename)
        more = f" and {len(names) - _LISTED} more" if len(names) > _LISTED else ""
        what = f"this is a zip archive of {len(names)} files: {', '.join(names[:_LISTED])}{more}"
        remedy = f"give one of them: unzip -p {file} {largest} | negprep train - OUTPUT"
        raise BadDataError(what, place=name, remedy=remedy)
    (member,) = members
    if member.flag_bits & 1:
        raise BadDataError("the zip archive is encrypted", place=name, remedy=f"unpack it first: unzip {file}")
    if member.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA):
        what = f"the zip archive is compressed by method {member.compress_type}"
        raise BadDataError(what, place=name, remedy=f"unpack it: 7z x -so {file} | negprep train - OUTPUT")
    return member


def _npz_remedy(arrays: list[str], name: str) -> str:
    if "format" in arrays and "shape" in arrays:
        return _command(_SPARSE, name)
    first, second = (arrays * 2)[:2] if {"user", "item"} - set(arrays) else ("user", "item")
    pair = f'{{"user": a[{json.dumps(first)}], "item": a[{json.dumps(second)}]}}'
    code = f'PYTHON import numpy, pandas; a = numpy.load("IN"); pandas.DataFrame({pair}).to_parquet("OUT")'
    return f"{_command(code, name)} (if these are the users and the items; it holds {', '.join(arrays[:10])})"


def open_zip(raw: BinaryIO, name: str) -> zipfile.ZipFile:
    """The archive.

    Raises
    ------
    BadDataError
        It is damaged.
    """
    try:
        return zipfile.ZipFile(raw)
    except zipfile.BadZipFile as error:
        what = f"the zip archive is cut short or damaged ({str(error).strip().rstrip('.')})"
        raise BadDataError(what, place=name, remedy="copy or make the file again") from None


_DUCKDB = "duckdb -c \"COPY (FROM {scan}('{path}')) TO '/dev/stdout' (FORMAT parquet)\" | negprep train - OUTPUT"
_SPARK = "spark.read.{format}('{path}').write.parquet('log/') in Spark writes them"
_LEFTOVERS = "_temporary"


def refuse_managed(files: Sequence[Path], folders: Sequence[Path]) -> None:
    """Raise ``BadDataError`` if files belong to a Delta, Iceberg or Hudi table, or to a Spark job that has not ended.

    Parameters
    ----------
    files : sequence of Path
        The files of a log; the folders that they lie in are looked at, all the way up.
    folders : sequence of Path
        Folders at and below INPUT, hidden ones included.
    """
    seen: set[Path] = set()
    for folder in folders:
        seen.add(folder)
        _refuse_table(folder)
        _refuse_leftovers(folder)
    of_jobs = {file.parent for file in files if file.name.startswith("part-")}
    for parent in dict.fromkeys(file.parent for file in files):
        if parent in of_jobs and parent not in seen:
            _refuse_leftovers(parent)
        for above in (parent, *parent.absolute().parents):
            if above not in seen:
                seen.add(above)
                _refuse_table(above)


def _refuse_leftovers(folder: Path) -> None:
    """Refuse what a job has not committed, and what it has beside that."""
    if _LEFTOVERS in folder.parts:
        what = "a Spark or Hadoop job has not committed these files: it is writing, or died before its end"
        raise BadDataError(what, place=str(folder), remedy="run the job again, and name the folder that it writes")
    if (folder / _LEFTOVERS).is_dir():
        what = f"holds {_LEFTOVERS}: a Spark or Hadoop job is writing here, or died before its end"
        remove = f"rm -r {shlex.quote(str(folder / _LEFTOVERS))}"
        remedy = f"run the job again, or, if the other files are whole, {remove}"
        raise BadDataError(what, place=str(folder), remedy=remedy)


def _refuse_table(folder: Path) -> None:
    found = _kind_of(folder)
    if found is not None:
        kind, remedy = found
        what = f"this is {kind}, whose files alone are not its rows (some may be deleted or replaced)"
        raise BadDataError(what, place=str(folder), remedy=remedy)


def _kind_of(folder: Path) -> tuple[str, str] | None:
    """What kind of table a folder is, and how to read it; None if it is a plain folder."""
    path = str(folder).replace("'", "''")
    if (folder / "_delta_log").is_dir():
        return "a Delta Lake table", f"pipe its rows in: {_DUCKDB.format(scan='delta_scan', path=path)}"
    if _is_iceberg(folder / "metadata"):
        return "an Iceberg table", f"pipe its rows in: {_DUCKDB.format(scan='iceberg_scan', path=path)}"
    if (folder / ".hoodie").is_dir():
        return "a Hudi table", _SPARK.format(format="format('hudi').load", path=path)
    if (folder / "_spark_metadata").is_dir():
        kind = "the output of a Spark stream (_spark_metadata)"
        return kind, _SPARK.format(format="parquet", path=path)
    return None


def _is_iceberg(metadata: Path) -> bool:
    try:
        return any(".metadata.json" in name for name in os.listdir(metadata))  # noqa: PTH208 - Path.iterdir is slower
    except OSError:  # not there, or not to be looked into
        return False
