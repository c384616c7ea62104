"""The formats of a log and of an output: Parquet, text, and those of other programs; which one an OUTPUT has."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from negprep.errors import UsageError

FormName = Literal["parquet", "csv", "tsv", "ncf", "recbole", "lightgcn"]

SourceForm = Literal["ncf", "movielens", "recbole", "lightgcn", "sasrec", "jsonl"]
"""Forms of a log that a file does not always show."""

FOLDERS = ("ncf", "recbole", "lightgcn")
"""Forms of several files, which are written as a folder."""

TEXT = ("csv", "tsv", *FOLDERS)
"""Forms whose numbers have no type."""

TIMED = ("ncf", "recbole")
"""Forms whose interactions have times, where the log has."""

_ENDINGS: dict[str, FormName] = {
    ".parquet": "parquet",
    ".csv": "csv",
    ".csv.gz": "csv",
    ".tsv": "tsv",
    ".tsv.gz": "tsv",
}

_TABLE = "write NAME.parquet, NAME.csv or NAME.tsv"
_FOREIGN = {
    "JSON": (".json", ".jsonl", ".ndjson"),
    "Arrow (Feather)": (".feather", ".arrow", ".ipc"),
    "NumPy arrays": (".npz", ".npy"),
    "Excel": (".xlsx", ".xls", ".ods"),
    "a pickle": (".pkl", ".pickle"),
    "ORC": (".orc",),
    "Avro": (".avro",),
    "HDF5": (".h5", ".hdf5", ".hdf"),
    "a database": (".db", ".sqlite", ".sqlite3", ".duckdb"),
    "MatrixMarket": (".mtx",),
    "a PyTorch file": (".pt", ".pth"),
    "plain text": (".txt", ".dat", ".data"),
    "compressed data": (".gz", ".zst", ".bz2", ".xz", ".lz4", ".zip", ".tar", ".tgz", ".7z"),
    "a web page": (".html", ".htm"),
    "a picture": (".png", ".svg", ".pdf"),
}
_NAMED = {ending: kind for kind, endings in _FOREIGN.items() for ending in endings}
_PACKED = (".gz", ".zst", ".bz2", ".xz", ".lz4", ".zip")
_OF_PROGRAMS = {".inter": "recbole", ".rating": "ncf", ".negative": "ncf"}


def refuse_foreign_ending(name: str, written: str, remedy: str, own: str) -> None:
    """Raise ``UsageError`` if the name of a file ends like another format than ``written``, whose ending is ``own``.

    An ending of compression is removed first; alone, it is refused, too.
    """
    path = Path(name.lower())
    packed = path.suffix in _PACKED
    inner = path.with_suffix("").suffix if packed else path.suffix
    if path.suffix in ("", own):
        return
    if inner in _OF_PROGRAMS:
        what = f"the name says {inner[1:]}, a file of another program, and {written} is written"
        raise UsageError(what, place=name, remedy=f"--to {_OF_PROGRAMS[inner]} NAME/ writes a folder of such files")
    kind = _NAMED.get(inner) or (_NAMED[path.suffix] if packed else _ENDINGS.get(inner))
    if kind is not None:
        raise UsageError(f"the name says {kind}, and {written} is written", place=name, remedy=remedy)


def ending_of(name: str) -> str:
    """The ending of a file's name that names its form, such as ``.csv.gz``, in lower case; else ``""``."""
    lowered = name.lower()
    return max((ending for ending in _ENDINGS if lowered.endswith(ending)), key=len, default="")


def form_of(target: str, asked: FormName | None) -> FormName:
    """The form of an OUTPUT: that of ``--to``, else of its name, else Parquet.

    Raises ``UsageError`` if they contradict each other, the name is of a format that negprep does not write, or a
    folder is needed.
    """
    is_file = target != "-" and not target.endswith("/")
    named = _ENDINGS.get(ending_of(target)) if is_file else None
    if asked in FOLDERS and not target.endswith("/"):
        what = f"--to {asked} writes several files into a folder"
        raise UsageError(what, place=target, remedy="end OUTPUT with a slash: NAME/")
    if asked is not None and named is not None and named != asked:
        what = f"--to {asked}, but the name says {named}"
        raise UsageError(what, place=target, remedy="leave --to out, or name another OUTPUT")
    packing = Path(target).suffix.lower()
    text = _ENDINGS.get(Path(Path(target).stem).suffix.lower()) in TEXT or asked in TEXT
    if is_file and text and packing in (".zst", ".bz2", ".xz", ".zip"):
        raise UsageError(f"text is written plain or as gzip, not as {packing}", place=target, remedy="end it with .gz")
    if is_file and asked is None and named is None:
        refuse_foreign_ending(target, "Parquet", f"{_TABLE}, or name the format with --to", own=".parquet")
    return asked or named or "parquet"


def beside(path: Path, name: str) -> Path:
    """Where a file that belongs to an output stands: ``out.users.csv`` beside ``out.csv``."""
    ending = ending_of(path.name)
    stem = path.name[: -len(ending)] if ending else path.stem
    return path.with_name(f"{stem}.{name}{ending or '.parquet'}")
