"""The formats of a log and of an output: Parquet, text, and those of other programs; which one an OUTPUT has."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, TypeAlias

from negprep.errors import UsageError

FormName = Literal[
    "parquet",
    "arrow",
    "csv",
    "tsv",
    "ncf",
    "recbole",
    "lightgcn",
    "elliot",
    "cornac",
    "lenskit",
    "rechorus",
    "recpack",
    "daisyrec",
    "recommenders",
    "clayrs",
]

SAMPLER_FILE = "sampler.npz"
"""The file of a folder that ``Sampler.open`` opens."""

SourceForm = Literal["ncf", "movielens", "recbole", "lightgcn", "sasrec", "jsonl", "mind"]
"""Forms of a log that a file does not always show."""

Content: TypeAlias = Literal["user", "item", "one", "time"]
"""What a column of positives holds; ``one``: a rating or a label that is always 1."""

Candidates: TypeAlias = Literal["pairs", "lists", "rows", "positive first", "column"]
"""How candidates are written.

``pairs``: A line each, ``(user,item)`` and the negatives. ``lists``: A line each, a user, a holdout and the negatives.
``rows``: Labelled rows, as in ``csv``. ``positive first``: Rows of a user, an item, 1 or 0, and the number of the list.
``column``: The negatives are a column beside the holdouts.
"""

_RATINGS: dict[Content, str] = {"user": "user", "item": "item", "one": "rating", "time": "timestamp"}


@dataclass(frozen=True, kw_only=True)
class Exchange:
    """The folder of another program: the positives of each part and the candidates, in the files that it reads.

    ``program``: Its name.
    ``parts``: The file of the positives of each part; ``{}`` is the name of the folder.
    ``candidates``: The file of the candidates of each fold.
    ``columns``: Those of the positives, in order: the name by the content. Empty: a user and its items a line.
    ``style``: How the candidates are written.
    ``header``: Whether a file of positives begins with the names.
    ``separator``: Between fields; ``""``: the files are Parquet.
    ``renamed``: What columns of labelled rows are called instead; those that it lacks: as ``other`` says.
    ``properties``: The file beside each part that says how many users and items there are; ``{}`` is that part.
    ``first_code``: The lowest id that it takes, if ids must be integers: with ``--encode`` the first code.
    ``lost``: Users and items that it would not read back, as regular expressions; ``losing``: what it does with them.
    ``time``: How times are written: in the unit of the log, whole or with a fraction, in seconds, or with their type.
    ``needs``: What the split must have besides a train and a test part.
    ``one_holdout``: Whether it reads one list of candidates for each user.
    ``reads_rows``: Whether it trains on labelled rows: then ``train`` writes them.
    ``of_heads``: Whether the part whose holdouts get candidates leaves out those of dropped users, who get none.
    ``by_fold``: Whether candidates of ``--fold valid`` have a name of their own.
    """

    program: str
    parts: dict[str, str]
    candidates: dict[str, str]
    columns: dict[Content, str] = field(default_factory=lambda: dict(_RATINGS))
    style: Candidates = "rows"
    header: bool = True
    separator: str = "\t"
    renamed: dict[str, str] = field(default_factory=dict)
    other: str = "{}"
    properties: str = ""
    first_code: int | None = None
    lost: tuple[str, str] = ("", "")
    losing: str = ""
    time: Literal["as in the log", "whole", "in seconds", "typed"] = "as in the log"
    needs: tuple[Literal["valid", "time"], ...] = ()
    one_holdout: bool = False
    reads_rows: bool = False
    of_heads: bool = True
    by_fold: bool = True

    @property
    def layout(self) -> Literal["pointwise", "listwise"]:
        """The layout of the rows that become candidates."""
        return "pointwise" if self.style == "rows" else "listwise"


def _parts(ending: str, valid: str = "valid") -> dict[str, str]:
    return {"train": f"train.{ending}", "valid": f"{valid}.{ending}", "test": f"test.{ending}"}


def _beside(ending: str, name: str = "") -> dict[str, str]:
    """Names of candidates that a program does not look for."""
    return {"test": f"{name}candidates.{ending}", "valid": f"{name}valid.candidates.{ending}"}


# What `pandas.read_csv` takes for a missing value by default, and RecBole's own word for one.
_NO_VALUE = (
    r"#N/A|#N/A N/A|#NA|-1\.#IND|-1\.#QNAN|-NaN|-nan|1\.#IND|1\.#QNAN|<NA>|N/A|NA|NULL|NaN|None|n/a|nan|null|\[PAD\]"
)
# Cornac strips each line, which begins with the user, and splits it at tabs.
_SPLIT = r"[\t\r\n]"
_STRIPPED = r"^[\x0b\x0c\x1c-\x1f\x{85}\p{Z}]"

EXCHANGES: dict[str, Exchange] = {
    "ncf": Exchange(
        program="NCF",
        parts={"train": "{}.train.rating", "test": "{}.test.rating"},
        candidates={"test": "{}.test.negative", "valid": "{}.valid.negative"},
        style="pairs",
        header=False,
        first_code=0,
        by_fold=False,
    ),
    "recbole": Exchange(
        program="RecBole",
        parts={"train": "{}.train.inter", "valid": "{}.valid.inter", "test": "{}.test.inter"},
        candidates=_beside("inter", "{}."),
        columns={"user": "user_id:token", "item": "item_id:token", "one": "label:float", "time": "timestamp:float"},
        renamed={"user": "user_id:token", "item": "item_id:token", "label": "label:float", "log_q": "log_q:float"},
        other="{}:token",
        lost=(f"^({_NO_VALUE})$", f"^({_NO_VALUE})$"),
        losing="be read by RecBole as a missing value",
        reads_rows=True,
        of_heads=False,
        by_fold=False,
    ),
    "lightgcn": Exchange(
        program="LightGCN",
        parts=_parts("txt"),
        candidates=_beside("txt"),
        columns={},
        style="lists",
        header=False,
        separator=" ",
        first_code=0,
        of_heads=False,
        by_fold=False,
    ),
    "elliot": Exchange(
        program="Elliot",
        parts=_parts("tsv", "val"),
        candidates={"test": "test_negative.tsv", "valid": "val_negative.tsv"},
        style="pairs",
        header=False,
        first_code=0,
        one_holdout=True,
    ),
    "cornac": Exchange(
        program="Cornac",
        parts=_parts("tsv"),
        candidates=_beside("tsv"),
        header=False,
        lost=(f"{_SPLIT}|{_STRIPPED}", _SPLIT),
        losing="be cut by Cornac at its white space",
        time="whole",
    ),
    "lenskit": Exchange(
        program="LensKit",
        parts=_parts("parquet"),
        candidates=_beside("parquet"),
        columns={"user": "user_id", "item": "item_id", "time": "timestamp"},
        separator="",
        renamed={"user": "user_id", "item": "item_id"},
        time="typed",
        one_holdout=True,
    ),
    "rechorus": Exchange(
        program="ReChorus",
        parts=_parts("csv", "dev"),
        candidates=_parts("csv", "dev"),
        columns={"user": "user_id", "item": "item_id", "time": "time"},
        style="column",
        first_code=1,
        time="in seconds",
        needs=("valid", "time"),
        one_holdout=True,
    ),
    "recpack": Exchange(
        program="RecPack",
        parts=_parts("csv"),
        candidates=_beside("csv"),
        columns={"user": "uid", "item": "iid", "time": "ts"},
        separator=",",
        properties="{}_properties.yaml",
        first_code=0,
        time="in seconds",
    ),
    "daisyrec": Exchange(
        program="DaisyRec", parts=_parts("tsv"), candidates=_beside("tsv"), header=False, first_code=0
    ),
    "recommenders": Exchange(
        program="Recommenders",
        parts=_parts("csv"),
        candidates={"test": "test_full.csv", "valid": "valid_full.csv"},
        columns={"user": "userID", "item": "itemID", "one": "rating", "time": "timestamp"},
        style="positive first",
        separator=",",
        first_code=0,
    ),
    "clayrs": Exchange(
        program="ClayRS",
        parts=_parts("csv"),
        candidates=_beside("csv"),
        columns={"user": "user_id", "item": "item_id", "one": "score", "time": "timestamp"},
        separator=",",
        time="whole",
    ),
}
"""Forms of several files, which are written as a folder."""

FOLDERS = tuple(EXCHANGES)
"""Their names."""

TEXT = ("csv", "tsv", *(name for name, each in EXCHANGES.items() if each.separator))
"""Forms whose numbers have no type."""

TIMED = tuple(name for name, each in EXCHANGES.items() if "time" in each.columns)
"""Forms whose interactions have times, where the log has."""

_NAMES = {
    "{}.inter",
    *(name for each in EXCHANGES.values() for name in (*each.parts.values(), *each.candidates.values())),
    *(each.properties.format(part) for each in EXCHANGES.values() if each.properties for part in each.parts),
}
_EXCHANGED = re.compile("|".join(sorted(re.escape(name).replace(re.escape("{}"), ".+") for name in _NAMES)))


def first_code(form: str) -> int:
    """The first code of a form with ``--encode``."""
    return (EXCHANGES[form].first_code or 0) if form in EXCHANGES else 0


def is_exchanged(name: str) -> bool:
    """Whether a file in the folder of a run is called like one of those for another program."""
    return _EXCHANGED.fullmatch(name) is not None


_ENDINGS: dict[str, FormName] = {
    ".parquet": "parquet",
    ".arrow": "arrow",
    ".feather": "arrow",
    ".csv": "csv",
    ".csv.gz": "csv",
    ".tsv": "tsv",
    ".tsv.gz": "tsv",
}

_TABLE = "write NAME.parquet, NAME.arrow, NAME.csv or NAME.tsv"
_FOREIGN = {
    "JSON": (".json", ".jsonl", ".ndjson"),
    "an Arrow stream": (".arrows", ".ipc"),
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
