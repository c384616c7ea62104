"""What a prepared file is, from its columns, its name and its metadata: the kind, the layout, the part it plays."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from negprep.errors import BadDataError, NegprepError
from negprep.jsons import json_value
from negprep.options import ReadOptions
from negprep.reading.columns import find_roles, listed

Kind = Literal["negprep", "parquet", "text", "recbole", "ncf", "ncf negatives", "lightgcn"]
Layout = Literal["pointwise", "pairwise", "listwise", "positives"]
Part = Literal["train", "valid", "test"]

METADATA_KEY = b"negprep"
OPTIONAL = ("source", "epoch")
"""Columns that any layout may have besides those that it must have."""

RATING_COLUMNS = ("user", "item", "value", "time")
"""Those of NCF's ``.rating``, which has no header."""

_RATING = re.compile(r"\.rating(\.(gz|zst|bz2|zip))?$")
_PART = re.compile(
    r"(?:^|[./_-])(train|valid|test|dev|val)\.(rating|negative|inter|csv|tsv|txt|parquet)(\.(gz|zst|bz2|zip))?$"
)
_CANDIDATES = re.compile(r"(^|[./])candidates\.(inter|txt)$|\.negative$")
_TYPED = re.compile(r":(token|float)(_seq)?$")
_RECBOLE_TYPE = re.compile(r"(\w+):(token|float)(_seq)?")


@dataclass(frozen=True)
class Shape:
    """How the columns of a file become canonical ones.

    Attributes
    ----------
    kind : {"negprep", "parquet", "text", "recbole", "ncf", "ncf negatives", "lightgcn"}
        ``negprep``: Parquet with its metadata.
    layout : {"pointwise", "pairwise", "listwise", "positives"}
        ``positives``: rows of a user and an item, all of them positives.
    columns : dict of str to str
        Canonical name to the file's own.
    """

    kind: Kind
    layout: Layout
    columns: dict[str, str]


def part_of(name: str, facts: dict[str, Any] | None) -> Part | None:
    """What a file is for: by its name where it is one of several of a run, else by what is said of it.

    None where nothing says it.
    """
    found = _PART.search(name)
    said: Any = None
    if facts is not None:
        said = (facts.get("fold") or "test") if facts.get("command") == "test" else facts.get("command")
        whole = said == "train" or found is None or not name.endswith((".rating", ".inter", ".txt"))
        # NCF's test.rating has the holdouts of test.negative, whichever fold's they are.
        if whole or _CANDIDATES.search(name) or name.endswith("test.rating"):
            return said if said in ("train", "valid", "test") else None
    word = found[1] if found else None
    return "valid" if word in ("dev", "val") else word  # type: ignore[return-value]  # the expression matches these alone


def holds_positives_alone(name: str, facts: dict[str, Any] | None) -> bool:
    """Whether labels can be left aside: RecBole's parts, as negprep writes them, have a label that is always 1.

    They come from ``test``: what ``train`` writes may be called like one, in a folder that is.
    """
    return (
        facts is not None
        and facts.get("command") == "test"
        and _PART.search(name) is not None
        and name.endswith(".inter")
    )


def is_rating_file(name: str) -> bool:
    """Whether a text file is named like one of NCF's ratings."""
    return _RATING.search(name) is not None


def facts_in(text: bytes | None, place: str) -> dict[str, Any] | None:
    """The metadata of negprep, from their text; None where there is none.

    Raises
    ------
    BadDataError
        It is not the JSON object that negprep writes.
    """
    if text is None:
        return None
    try:
        facts = json_value(text)
    except ValueError:
        facts = None
    if not is_facts(facts):
        raise BadDataError(
            "the metadata 'negprep' is not what negprep writes", place=place, remedy="make the file again"
        )
    return facts  # type: ignore[no-any-return]  # an object, as was just asked


def is_facts(said: object) -> bool:
    """Whether it looks like the metadata that negprep writes."""
    return isinstance(said, dict) and {"command", "layout", "counts"} <= set(said)


def shape_of(names: Sequence[str], facts: dict[str, Any] | None, place: str, *, parquet: bool, rating: bool) -> Shape:
    """Recognise the columns of a file.

    Parameters
    ----------
    names : sequence of str
        Its columns.
    facts : dict or None
        Its metadata.
    place : str
        For messages.
    parquet : bool
    rating : bool
        It is a ``.rating`` without a header, whose columns are ``RATING_COLUMNS``.

    Raises
    ------
    BadDataError
        They are those of no layout.
    """
    if rating:
        return Shape("ncf", "positives", {"user": "user", "item": "item"})
    typed = not parquet and all(_TYPED.search(name) for name in names)
    plain = {_TYPED.sub("", name): name for name in names} if typed else {name: name for name in names}
    kind: Kind = "recbole" if typed else "text" if not parquet else "parquet" if facts is None else "negprep"
    optional = {name: plain[name] for name in OPTIONAL if name in plain and (not typed or facts is not None)}
    user = plain.get("user") or _role(names, "user", place)
    layouts: tuple[tuple[Layout, tuple[str, ...]], ...] = (
        ("pairwise", ("pos_item", "neg_item")),
        ("listwise", ("pos_item", "neg_items")),
    )
    for layout, needed in layouts:
        if needed[1] in plain:  # the positive may be called as any item, as ReChorus does
            positive = plain.get(needed[0]) or plain.get("item") or _role(names, "item", place)
            return Shape(kind, layout, {"user": user, needed[0]: positive, needed[1]: plain[needed[1]]} | optional)
    item = plain.get("item") or _role(names, "item", place)
    if "label" in plain and not holds_positives_alone(place, facts):
        return Shape(kind, "pointwise", {"user": user, "item": item, "label": plain["label"]} | optional)
    if typed:
        return Shape(kind, "positives", {"user": user, "item": item})
    roles = find_roles(names, ReadOptions(), place).found
    if not parquet and part_of(place, facts) == "train" and set(names) <= set(roles.values()):
        return Shape(kind, "positives", {"user": user, "item": item})  # those of ReChorus
    raise BadDataError(
        f"not a prepared file: no column 'label', nor 'pos_item' and 'neg_item' (found: {listed(names)})",
        place=place,
        remedy="give a file of train or test rows; a log goes to --log",
    )


def _role(names: Sequence[str], role: str, place: str) -> str:
    """The column of users or of items."""
    roles = find_roles(names, ReadOptions(), place)
    if role in roles.found:
        return roles.found[role]
    problem: NegprepError = roles.problems[role]
    raise BadDataError(f"not a prepared file: {problem.what}", place=place, remedy=f"call it '{role}'")
