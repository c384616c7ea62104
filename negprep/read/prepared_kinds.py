"""The kinds of prepared files: columns, lines of ids, lists in text, and the folders of other programs."""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import PurePath
from typing import Any, Literal, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from negprep.arrow import as_numpy, from_numpy, mask_as_numpy, pc, strings
from negprep.errors import BadDataError, NegprepError
from negprep.options.formats import is_exchanged
from negprep.options.reading import ReadOptions
from negprep.read.columns import find_roles, listed
from negprep.read.lines import filled_lines
from negprep.read.prepared_metadata import FOLDER_METADATA, parts_of_data_set
from negprep.read.sources import HEAD, Piece, Source
from negprep.stores import path_of

Kind = Literal["negprep", "parquet", "text", "recbole", "ncf", "ncf negatives", "lightgcn", "exchanged"]
Layout = Literal["pointwise", "pairwise", "listwise", "positives"]
Part = Literal["train", "valid", "test"]

OPTIONAL = ("source", "epoch")
"""Columns that any layout may have besides those that it must have."""

PER_USER = {"pos_items", "neg_items"}
"""Columns of lists that have all positives of a user."""

RATING_COLUMNS = ("user", "item", "value", "time")
"""Those of NCF's ``.rating``, which has no header."""

_RATING = re.compile(r"\.rating(\.(gz|zst|bz2|zip))?$")
_PART = re.compile(
    r"(?:^|[./_-])(train|valid|test|dev|val)\.(rating|negative|inter|csv|tsv|txt|parquet)(\.(gz|zst|bz2|zip))?$"
)
_CANDIDATES = re.compile(r"(^|[./])candidates\.(inter|txt)$|\.negative$")
_OF_EXCHANGE = (".csv", ".tsv", ".parquet")
_TYPED = re.compile(r":(token|float)(_seq)?$")
_RECBOLE_TYPE = re.compile(r"(\w+):(token|float)(_seq)?")


@dataclass(frozen=True)
class Shape:
    """How the columns of a file become canonical ones: ``columns`` gives the file's own name of each.

    The kind ``negprep`` is Parquet with its metadata, ``exchanged`` a file for another program that no other kind
    describes; in the layout ``positives`` each row is a positive of a user.
    """

    kind: Kind
    layout: Layout
    columns: dict[str, str]


def part_of(name: str, facts: dict[str, Any] | None) -> Part | None:
    """What a file is for: by its name if it is one of several of a run, else by its metadata; None if unknown."""
    found = _PART.search(name)
    use: Any = None
    if facts is not None:
        use = (facts.get("fold") or "test") if facts.get("command") == "test" else facts.get("command")
        of_folder = name.endswith((".rating", ".inter", ".txt")) or is_of_exchange(name)
        whole = use == "train" or found is None or not of_folder
        # NCF's test.rating has the holdouts of test.negative, whichever fold's they are.
        if whole or _CANDIDATES.search(name) or name.endswith("test.rating"):
            return use if use in ("train", "valid", "test") else None
    word = found[1] if found else None
    return "valid" if word in ("dev", "val") else word  # type: ignore[return-value]  # the expression matches these alone


def holds_positives_alone(name: str, facts: dict[str, Any] | None) -> bool:
    """Whether labels do not matter: RecBole's parts, as negprep writes them, have a label that is always 1.

    ``test`` writes them; an output of ``train`` may have such a name, in a folder that has one.
    """
    return (
        facts is not None
        and facts.get("command") == "test"
        and _PART.search(name) is not None
        and name.endswith(".inter")
    )


def is_of_exchange(name: str) -> bool:
    """Whether a table is one of those of a folder for another program, which shows in its name and beside it."""
    path = path_of(name)
    return path.suffix in _OF_EXCHANGE and is_exchanged(path.name) and (path.parent / FOLDER_METADATA).is_file()


def is_bare(name: str) -> bool:
    """Whether a table of such a folder has neither a header nor quotes: Elliot's, Cornac's and DaisyRec's positives."""
    return name.endswith(".tsv") and _PART.search(name) is not None and is_of_exchange(name)


def is_rating_file(name: str) -> bool:
    """Whether a text file is named like one of NCF's ratings."""
    return _RATING.search(name) is not None


def shape_of(names: Sequence[str], facts: dict[str, Any] | None, place: str, *, parquet: bool, rating: bool) -> Shape:
    """Recognise the columns of a file; ``rating`` for NCF's ``.rating`` and the like, which have no header.

    Raises ``BadDataError`` if they fit no layout.
    """
    ours = facts is not None and is_of_exchange(place)
    if rating:
        return Shape("exchanged" if ours else "ncf", "positives", {"user": "user", "item": "item"})
    typed = not parquet and all(_TYPED.search(name) for name in names)
    plain = {_TYPED.sub("", name): name for name in names} if typed else {name: name for name in names}
    kind: Kind = "recbole" if typed else "text" if not parquet else "parquet" if facts is None else "negprep"
    if ours and "label" not in plain:
        kind = "exchanged"
        plain |= {"label": plain["rating"]} if "test_batch" in plain else {}
    optional = {name: plain[name] for name in OPTIONAL if name in plain and (not typed or facts is not None)}
    user = plain.get("user") or _role(names, "user", place)
    if plain.keys() >= PER_USER:
        return Shape(kind, "listwise", {"user": user} | {name: plain[name] for name in sorted(PER_USER)} | optional)
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
    if typed or kind == "exchanged":
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


_BETWEEN = "\x1f"
_SEPARATORS = ",;|"
_REMEDY = "write it like '10 12', '10,12' or '[10, 12]', with each id whole"
_MISSING = ["...", "None", "nan", "NaN", "null", "NaT", "<NA>"]
"""What stands in brackets where an id was, or where numpy has left some out."""

_WORD = r"""[^\s,'"()\[\]{}\x1f]+"""
_PLAIN = "|".join(
    rf"\{opened}\s*(?:{_WORD}(?:{between}{_WORD})*\s*{last})?\{closed}"
    for opened, closed in ("[]", "()", "{}")
    for between, last in ((r"\s*,\s*", r",?\s*"), (r"\s+", ""))
)
_ENDS = {"[": "]", "(": ")", "{": "}"}
_ELEMENT = re.compile(
    rf"""(?:(?P<single>'(?:[^'\\]|\\.)*')|(?P<double>"(?:[^"\\]|\\.)*")|(?P<word>{_WORD}))(?P<after>\s*,\s*|\s+|$)"""
)
_NUMPY = r"\bnp\.(?:u?int\d*|str_)\(([^()]*)\)"
_ARRAY = r"^array\((.*[\])])(?:,\s*dtype=[^()]*)?\)$"
_NAKED = r"[^\s,;|]\s+[^\s,;|]"
"""Space that is all there is between two words."""


def split_lists(texts: pa.StringArray, place: Callable[[int], str], *, by_spaces: bool) -> pa.LargeListArray:
    """The ids in each text, shape (n_rows,): lists of strings. ``place`` gives the place of a row, for messages.

    With ``by_spaces`` spaces are known to stand between ids, which may hold anything else. Raises ``BadDataError`` at
    the first text that cannot be read.
    """
    trimmed = pc.utf8_trim_whitespace(texts)
    if by_spaces:
        return _cut(trimmed, pc.utf8_split_whitespace(trimmed))
    if mask_as_numpy(pc.match_substring_regex(trimmed, r"np\.|^array")).any():
        trimmed = pc.replace_substring_regex(trimmed, _NUMPY, r"\1")
        trimmed = pc.replace_substring_regex(trimmed, _ARRAY, r"\1")
    bracketed = mask_as_numpy(pc.match_substring_regex(trimmed, r"^[\[({]"))
    others = _one_way(trimmed.filter(_mask(~bracketed)), lambda row: place(_nth(~bracketed, row)))
    if others is None and not bracketed.any():
        return _cut(trimmed, pc.utf8_split_whitespace(trimmed))
    joined = trimmed if others is None else pc.replace_with_mask(trimmed, _mask(~bracketed), others)
    if others is None:
        joined = pc.replace_substring_regex(joined, r"\s+", _BETWEEN)
    if bracketed.any():
        inside = _in_brackets(trimmed.filter(_mask(bracketed)), lambda row: place(_nth(bracketed, row)))
        joined = pc.replace_with_mask(joined, _mask(bracketed), inside)
    lists = _cut(joined, pc.split_pattern(joined, _BETWEEN))
    _refuse(pc.match_substring_regex(joined, rf"^{_BETWEEN}|{_BETWEEN}{{2}}|{_BETWEEN}$"), texts, place)
    return lists


def words_of(text: str) -> list[str] | None:
    """The ids in one text; None if it cannot be read."""
    try:
        (found,) = split_lists(strings([text]), str, by_spaces=False).to_pylist()
    except BadDataError:
        return None
    return found  # type: ignore[no-any-return]  # a list of strings, as the array's type says


def _one_way(texts: pa.StringArray, place: Callable[[int], str]) -> pa.StringArray | None:
    """Texts without brackets, which all have one separator, with ``_BETWEEN`` in its place; None: it is space."""
    if mask_as_numpy(pc.match_substring_regex(texts, _NAKED)).any():
        return None
    found = [each for each in _SEPARATORS if mask_as_numpy(pc.match_substring(texts, each)).any()]
    if not found:
        return None
    if len(found) > 1:
        row = int(mask_as_numpy(pc.match_substring(texts, found[1])).argmax())
        what = f"the list of ids {_shown(texts[row].as_py())} has {found[1]!r} where others have {found[0]!r}"
        raise BadDataError(what, place=place(row), remedy=_REMEDY)
    return pc.replace_substring_regex(texts, rf"\s*[{found[0]}]\s*", _BETWEEN)


def _in_brackets(texts: pa.StringArray, place: Callable[[int], str]) -> pa.StringArray:
    """What is in the brackets, with ``_BETWEEN`` between the ids."""
    plain = mask_as_numpy(pc.match_substring_regex(texts, rf"^(?:{_PLAIN})$"))
    joined = pc.replace_substring_regex(texts, r"^[\[({]\s*|[\s,]*[\])}]$", "")
    joined = pc.replace_substring_regex(joined, r"\s*,\s*|\s+", _BETWEEN)
    missing = rf"(?:^|{_BETWEEN})(?:{'|'.join(map(re.escape, _MISSING))})(?:{_BETWEEN}|$)"
    _refuse(pc.and_(_mask(plain), pc.match_substring_regex(joined, missing)), texts, place)
    if plain.all():
        return joined
    rest = []
    for row in np.flatnonzero(~plain).tolist():
        words = _elements(texts[row].as_py())
        if words is None:
            raise _unreadable(texts[row].as_py(), place(row))
        rest.append(_BETWEEN.join(words))
    return pc.replace_with_mask(joined, _mask(~plain), strings(rest))


def _elements(text: str) -> list[str] | None:
    """The elements of a list in brackets, with quotes or without; None for another text."""
    if _ENDS[text[0]] != text[-1]:
        return None
    inner, at = text[1:-1].strip(), 0
    words: list[str] = []
    separators = set()
    while at < len(inner):
        found = _ELEMENT.match(inner, at)
        if found is None:
            return None
        word = _unquoted(found)
        if not word or _BETWEEN in word:
            return None
        words.append(word)
        at = found.end()
        if at < len(inner) or found["after"]:
            separators.add(found["after"].strip())
    return words if len(separators) < 2 else None


def _unquoted(found: re.Match[str]) -> str | None:
    word = found["word"]
    if word is not None:
        return None if word in _MISSING else word
    try:
        value = json.loads(found["double"]) if found["double"] else ast.literal_eval(found["single"])
    except (ValueError, SyntaxError):
        return None
    return value if isinstance(value, str) else None


def _cut(texts: pa.StringArray, parts: pa.ListArray) -> pa.LargeListArray:
    """Lists of the parts; an empty text has one empty part, and becomes an empty list."""
    counts = np.where(as_numpy(pc.binary_length(texts)) > 0, as_numpy(pc.list_value_length(parts)), 0)
    words = parts.flatten()
    if int(counts.sum()) < len(words):
        words = words.filter(_mask(np.repeat(counts > 0, as_numpy(pc.list_value_length(parts)))))
    ends = np.concatenate([[0], np.cumsum(counts, dtype=np.int64)])
    return pa.LargeListArray.from_arrays(from_numpy(ends), words)


def _refuse(wrong: pa.BooleanArray, texts: pa.StringArray, place: Callable[[int], str]) -> None:
    """Refuse the first text that is wrong."""
    rows = np.flatnonzero(mask_as_numpy(wrong))
    if rows.size:
        raise _unreadable(texts[int(rows[0])].as_py(), place(int(rows[0])))


def _unreadable(text: str, place: str) -> BadDataError:
    return BadDataError(f"the list of ids {_shown(text)} cannot be read", place=place, remedy=_REMEDY)


def _shown(text: str) -> str:
    return repr(text if len(text) <= 40 else f"{text[:37]}...")


def _mask(which: npt.NDArray[np.bool_]) -> pa.BooleanArray:
    return from_numpy(which.view(np.uint8)).cast(pa.bool_())


def _nth(which: npt.NDArray[np.bool_], number: int) -> int:
    """The place of the true value with a number, from 0."""
    return int(np.flatnonzero(which)[number])


Form = Literal["negatives", "candidates", "items"]
"""``(user,item)`` and negatives; a user, a positive and negatives; or a user and positives."""

_PAIR = r"\(\s*([^(),\s]+)\s*,\s*([^(),\s]+)\s*\)"
_HEAD = re.compile(_PAIR)
_FIRST = re.compile(_PAIR + r"\s*(?:[\t,;| ]|$)")
_LISTS: dict[str, Form] = {
    "train.txt": "items",
    "valid.txt": "items",
    "test.txt": "items",
    "candidates.txt": "candidates",
    "valid.candidates.txt": "candidates",
}
_EMPTY: dict[str, Form] = {".negative": "negatives", "_negative.tsv": "negatives", ".rating": "items"}
_OF_NEGATIVES = re.compile(r"\.negative(\.(gz|zst|bz2))?$")
_HEADER = {
    *("user", "item", "uid", "iid", "user_id", "item_id", "userid", "itemid"),
    *("pos_item", "neg_item", "neg_items", "label"),
}
_NUMBERS = r"[-0-9\s,;|\[\](){}'\"]+"
_MANY = 10
_ROWS = 1 << 18


@dataclass(frozen=True)
class Lines:
    """One file of lines of ids: their form, and the character between ids (None: any space); ``warnings`` stay empty.

    After ``(user,item)`` it is a tab, or lists are read as ``split_lists`` reads texts.
    """

    source: Source
    form: Form
    between: str | None
    warnings: tuple[str, ...] = ()

    @property
    def names(self) -> tuple[str, ...]:
        """The columns, in order."""
        return ("user", "item") if self.form == "items" else ("user", "pos_item", "neg_items")

    def pieces(self, columns: dict[str, str]) -> Iterator[Callable[[], Piece]]:  # noqa: ARG002 - it has these alone
        """All rows, as functions that make a piece each; ``BadDataError`` at a line of another form."""
        rows: list[_Line] = []
        n_items = 0
        for number, text in filled_lines(self.source, 0):
            head = self._head(text)
            if head is None or any("\udc80" <= letter <= "\udcff" for letter in text):
                wanted = "(user,item) and item ids" if self.form == "negatives" else "ids of a user and of items"
                between = {"\t": "tabs", None: "spaces"}.get(self.between, repr(self.between))
                what = f"the line is not {wanted} in UTF-8, with {between} between"
                raise BadDataError(what, place=f"{self.source.name}:{number}", remedy="is it the right file?")
            rows.append(_Line(*head, number))
            n_items += len(head[2])
            if n_items >= _ROWS:
                yield partial(self._piece, rows)
                rows, n_items = [], 0
        if rows:
            yield partial(self._piece, rows)

    def _head(self, line: str) -> tuple[str, str, list[str]] | None:
        """A user, a positive (or nothing) and the items of a line; None for a line of another form."""
        if self.form == "negatives":
            text = line.strip()
            found = _HEAD.match(text)
            items = None if found is None else _rest(text[found.end() :])
            return None if found is None or items is None else (found[1], found[2], items)
        if self.form == "items":
            words = line.split()
            return words[0], "", words[1:]
        words = [word.strip() for word in line.strip().split(self.between, 2)]
        if len(words) < 2 or not all(words[:2]):
            return None
        if len(words) < 3:
            return words[0], words[1], []
        if self.between is not None and self.between not in words[2]:
            items = words_of(words[2])
        else:
            items = [word.strip() for word in words[2].split(self.between)]
            items = items if all(items) else None
        return None if items is None else (words[0], words[1], items)

    def _piece(self, rows: list[_Line]) -> Piece:
        users, items = strings([row.user for row in rows]), strings([item for row in rows for item in row.items])
        counts = np.array([len(row.items) for row in rows])
        place: Callable[[int], str] = lambda row: f"{self.source.name}:{rows[row].number}"  # noqa: E731
        if self.form == "items":
            of_rows = np.repeat(np.arange(len(rows)), counts)
            return Piece({"user": users.take(from_numpy(of_rows)), "item": items}, lambda row: place(int(of_rows[row])))
        lists = pa.LargeListArray.from_arrays(from_numpy(np.concatenate([[0], np.cumsum(counts)])), items)
        return Piece({"user": users, "pos_item": strings([row.positive for row in rows]), "neg_items": lists}, place)


class _Line(NamedTuple):
    user: str
    positive: str
    items: list[str]
    number: int


def _rest(text: str) -> list[str] | None:
    """The items behind ``(user,item)``: with tabs between, or a list that is written in another way."""
    if not text.strip():
        return []
    if text[0] not in "\t,;| ":
        return None
    plain = text.strip()
    if text.lstrip(" ").startswith("\t"):
        items = [item.strip() for item in text.split("\t") if item.strip()]
        return items if len(items) > 1 else words_of(plain)
    return words_of(plain[1:] if plain[0] in ",;|" else plain)


def lines_of(source: Source, *, is_ours: bool) -> Lines | None:
    """How the lines of a text file are written; None for another file.

    ``(user,item)`` shows NCF's form. LightGCN's shows in its name and its first line, which has no separator but
    spaces. Plain ids, a user, a positive and negatives, show in the name ``.negative``; or as whole numbers alone, at
    least ten, or fewer if the name contains ``neg``. With ``is_ours`` a run has written the file, which may be empty:
    then the name decides.
    """
    name = PurePath(source.name).name
    head = source.head
    if is_ours and not head:
        form = next((form for ending, form in _EMPTY.items() if name.endswith(ending)), _LISTS.get(name))
        form = "items" if is_bare(source.name) else form
        return None if form is None else Lines(source, form, "\t" if form == "negatives" else None)
    lines = re.split(r"[\r\n]", head.decode("utf-8-sig", "replace").lstrip(), maxsplit=1)
    first = lines[0] if len(lines) > 1 or len(head) < HEAD else lines[0][: -len(lines[0].split()[-1])]  # cut short
    if _FIRST.match(first):
        return Lines(source, "negatives", "\t")
    form = _LISTS.get(name)
    if form is not None:
        return Lines(source, form, None) if re.fullmatch(r"[^\s,;|]+( [^\s,;|]+)* ?", first) else None
    between = next((each for each in "\t,;|" if each in first), None)
    words = [word.strip() for word in first.split(between) if word.strip()]
    if len(words) < 2 or any(word.lower() in _HEADER for word in words):
        return None
    numbers = all(re.fullmatch(r"-?[0-9]+" if at < 2 else _NUMBERS, word) for at, word in enumerate(words))
    if _OF_NEGATIVES.search(name) or (numbers and (len(words) >= _MANY or ("neg" in name.lower() and len(words) > 2))):
        return Lines(source, "candidates", between)
    return None


def is_gcn_list(name: str) -> bool:
    """Whether a file is called like one of LightGCN's, or like the candidates that negprep writes beside them."""
    return PurePath(name).name in _LISTS


_APART = (".rating", ".negative", ".inter", ".txt", *_OF_EXCHANGE)


def members(where: str) -> list[str]:
    """The files to open one by one: those of a folder that holds several kinds or parts, else what was given."""
    folder = path_of(where)
    if not (folder / FOLDER_METADATA).is_file():
        return [str(folder / name) for name in parts_of_data_set(folder)] or [where]
    files = (file for file in folder.iterdir() if file.suffix in _APART and file.is_file())
    apart = [str(file) for file in files if file.suffix not in _OF_EXCHANGE or is_exchanged(file.name)]
    return sorted(apart) or [where]
