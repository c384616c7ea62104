"""Whether the first line of a text is a header, and what its columns could be called where it is not."""

from __future__ import annotations

import re
import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from negprep.errors import BadDataError, NegprepError, printable
from negprep.read.columns import is_id_name, role_of

if TYPE_CHECKING:
    from negprep.options.options import ReadOptions
    from negprep.read.sources import Source


Verdict = Literal["header", "doubt", "row"]
Row = Sequence[str]

SAMPLE = 1000
"""Rows after the first line that are looked at."""

_NUMBER = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d+)?", re.ASCII)
_INTEGER = re.compile(r"-?\d+", re.ASCII)
_DATE = re.compile(
    r"\d{4}[-/.]\d{1,2}([-/.]\d{1,2})?([T ]+\d{1,2}:\d{2}.*)?"
    r"|\d{1,2}[-/.]\d{1,2}[-/.]\d{2,4}([T ]+\d{1,2}:\d{2}.*)?"
    r"|([A-Z][a-z]{2},? )?(\d{1,2} [A-Z][a-z]{2}|[A-Z][a-z]{2} \d{1,2})\b.*\d{4}.*",
    re.ASCII,
)
_MISSING = {"", "na", "n/a", "nan", "nat", "null", "none", r"\n"}
_WORD = re.compile(r"[^\W\d][\w.:\-/()#%]*( [\w.:\-/()#%]+){0,2}")
_EVENTS = re.compile(
    r"""(page)?views?|viewed|pv|clicks?|clicked|(add|remove)_?(to|from)_?cart|cart|fav|favou?rite|collect|buy|buys|bought
    |purchased?|transaction|order|checkout|play|played|listen|skip|(dis)?liked?|shared?|comment|rated?|read|impression
    |show|watch|wishlist|bookmark|save|download|install|follow|search""",
    re.VERBOSE | re.IGNORECASE,
)
_AMAZON_ITEM = re.compile(r"B[0-9A-Z]{9}|\d{9}[\dX]", re.ASCII)
_AMAZON_USER = re.compile(r"A[0-9A-Z]{10,}", re.ASCII)
_IMPRESSION = re.compile(r"\S+-[01]")
_LISTED = re.compile(r"\S*\d\S*")
_SECONDS = (631_152_000, 2_524_608_000)  # 1990 to 2050
_READERS = {None: "", "gzip": "gzip -dc", "bz2": "bzip2 -dc", "zstd": "zstd -dc"}
_SHOWN = 60
_MANY = 20


@dataclass(frozen=True)
class Unnamed:
    """What becomes of a text without a header.

    Attributes
    ----------
    wanted : tuple of str
        The names of its first columns, where the values do not show another order.
    by_option : bool
        Whether ``--columns`` names its columns. Else a header must be added; but a file of one column, of items, is
        read without.
    columns : tuple of str or None
        The names that the log was given: those of a file of as many columns beside it.
    """

    wanted: tuple[str, ...] = ("user", "item")
    by_option: bool = True
    columns: tuple[str, ...] | None = None

    @property
    def is_items(self) -> bool:
        """Whether one column says all."""
        return not self.by_option and self.wanted[0] == "item"


def judged(first: Row, rest: Sequence[Row]) -> Verdict:
    """Whether a first line is a header.

    Parameters
    ----------
    first : sequence of str
        Its fields.
    rest : sequence of sequences of str
        Those of some lines after it, as many in each.

    Returns
    -------
    {"header", "doubt", "row"}
        ``doubt``: it could be either, and is probably a header.

    Notes
    -----
    As the CSV sniffer of DuckDB: a field that is no number or date, above a column that holds nothing else, is a name.
    Columns of text tell by the names that are known, by what occurs again below, and by ids that look alike.
    """
    if {"user", "item"} <= {role_of(name) for name in first}:
        return "header"
    rows = [row for row in rest if list(row) != list(first)]
    columns = [_Column([row[position] for row in rows]) for position in range(len(first))]
    filled = [(field, column) for field, column in zip(first, columns, strict=True) if kind_of(field) is not None]
    new = [field for field, column in filled if field.strip() not in column.values]
    roles = {role for field in new if (role := role_of(field)) is not None}
    typed = [(kind, column) for field, column in filled if (kind := kind_of(field)) != "text"]
    if any(column.kind in (kind, None) for kind, column in typed):
        has_id = any(role_of(field) in ("user", "item") and is_id_name(field) for field in new)
        return "header" if len(roles) > 1 or has_id else "row"
    if any(map(is_id_name, new)):
        return "header"
    if any(column.kind == "text" and field.strip() in column.values for field, column in filled):
        return "row"
    is_alike = any(column.is_like(field) for field, column in filled)
    if roles or any(column.kind in ("number", "date") for _, column in filled):
        return "doubt" if is_alike else "header"
    fields = [field.strip() for field, _ in filled]
    if is_alike or len(set(fields)) < len(fields) or not all(map(_WORD.fullmatch, fields)):
        return "row"
    return "doubt"


def kind_of(field: str) -> Literal["number", "date", "text"] | None:
    """What a field holds; None if nothing."""
    text = field.strip()
    if text.casefold() in _MISSING:
        return None
    if _NUMBER.fullmatch(text):
        return "number"
    return "date" if _DATE.fullmatch(text) else "text"


class _Column:
    """The fields of one column in some rows.

    Attributes
    ----------
    texts : list of str
        In order, without those that are missing.
    values : set of str
    kind : {"number", "date", "text"} or None
        What all of them are, or ``text``.
    n_missing : int
    """

    def __init__(self, fields: Sequence[str]) -> None:
        kinds = [kind_of(field) for field in fields]
        self.texts = [field.strip() for field, kind in zip(fields, kinds, strict=True) if kind is not None]
        self.values = set(self.texts)
        self.n_missing = len(fields) - len(self.texts)
        distinct = {kind for kind in kinds if kind is not None}
        self.kind = None if not distinct else next(iter(distinct)) if len(distinct) == 1 else "text"

    def is_like(self, field: str) -> bool:
        """Whether it looks like an id among ids of text: with digits, and made like the others."""
        if self.kind != "text" or not any(map(str.isdigit, field)):
            return False
        if _skeleton(field) in map(_skeleton, self.values):
            return True
        alike = [*self.values, field]
        if len(field) >= 6 and len({len(text) for text in alike}) == 1:
            return True
        return len(field) >= 6 and all(text == text.upper() and any(map(str.isdigit, text)) for text in alike)

    def is_list(self, item: re.Pattern[str]) -> bool:
        """Whether each field is a list of such items, with spaces between, and most have more than one."""
        lists = [text.split() for text in self.texts]
        return 2 * sum(len(each) > 1 for each in lists) > len(lists) > 0 and all(
            item.fullmatch(each) for items in lists for each in items
        )

    @property
    def numbers(self) -> list[float]:
        """Of a column of numbers."""
        return [float(text) for text in self.texts]

    @property
    def is_integer(self) -> bool:
        return self.kind == "number" and all(map(_INTEGER.fullmatch, self.texts))

    @property
    def is_id(self) -> bool:
        """Whether ids could be written so."""
        return self.is_integer or self.kind == "text"

    @property
    def is_time(self) -> bool:
        """Whether it holds dates, or numbers that are seconds (or milliseconds, ...) of our days."""
        if self.kind != "number":
            return self.kind == "date"
        low, high = min(self.numbers), max(self.numbers)
        return any(_SECONDS[0] <= low / unit and high / unit <= _SECONDS[1] for unit in (1, 1e3, 1e6, 1e9))

    @property
    def is_event(self) -> bool:
        return self.kind == "text" and all(map(_EVENTS.fullmatch, self.values))

    @property
    def is_rating(self) -> bool:
        return self.kind == "number" and all(0 <= number <= 10 for number in self.numbers)

    @property
    def is_value(self) -> bool:
        """Whether it could be a rating or a count."""
        return self.is_fraction or (self.kind == "number" and min(self.numbers) >= 0)

    @property
    def is_fraction(self) -> bool:
        return self.kind == "number" and not self.is_integer

    @property
    def is_degree(self) -> bool:
        """Whether it could be a latitude or a longitude."""
        fine = any(len(text.partition(".")[2]) >= 3 for text in self.texts)
        return self.is_fraction and fine and all(abs(number) <= 180 for number in self.numbers)


def _skeleton(text: str) -> str:
    return re.sub(r"\d+", "0", text)


def guessed(rows: Sequence[Row], wanted: tuple[str, ...] = ("user", "item")) -> tuple[str, ...]:
    """Names for the columns of rows, by their values where that is known to matter.

    Parameters
    ----------
    rows : sequence of sequences of str
        At least one, all of one length.
    wanted : tuple of str
        What the first columns are; of a user and an item, times, values and events are told apart, too.
    """
    columns = [_Column([row[position] for row in rows]) for position in range(len(rows[0]))]
    found = (
        _roles(columns, len(rows))
        if wanted == ("user", "item")
        else dict(zip(wanted, range(len(columns)), strict=False))
    )
    names = {position: role for role, position in found.items()}
    others = iter(range(1, len(columns) + 1))
    return tuple(names.get(position) or f"other{next(others)}" for position in range(len(columns)))


def _roles(columns: list[_Column], n_rows: int) -> dict[str, int]:
    """Role to position."""
    free = list(range(len(columns)))
    found: dict[str, int] = {}
    if len(columns) > 2:
        times = [position for position in free if columns[position].is_time]
        # The first column is a user rather; of a date and a number, the later one.
        times = times[1:] if times[:1] == [0] and columns[0].kind == "number" else times
        _take(found, free, "time", times[-1:])
        _take(found, free, "event", [position for position in free if columns[position].is_event][:1])
    for left in free[:-1]:
        if left + 1 in free and columns[left].is_degree and columns[left + 1].is_degree:
            free = [position for position in free if position not in (left, left + 1)]
            break
    ids = _ids(columns, free, n_rows)
    for role, position in zip(("user", "item"), ids, strict=False):
        _take(found, free, role, [position])
    if not {"user", "item"} <= set(found):
        return dict(zip(("user", "item", "value", "time"), range(len(columns)), strict=False))
    values = [position for position in free if columns[position].is_value and position > found["user"]]
    if "event" in found:
        values = [position for position in values if columns[position].is_fraction]
    varied = [position for position in values if len(columns[position].values) > 1]
    _take(found, free, "value", (varied or values)[:1])
    return found


def _take(found: dict[str, int], free: list[int], role: str, choices: list[int]) -> None:
    for position in choices:
        found[role] = position
        free.remove(position)


def _ids(columns: list[_Column], free: list[int], n_rows: int) -> list[int]:
    """The columns of users and of items, in this order."""
    ids = [position for position in free if columns[position].is_id]
    if len(ids) > 2 and n_rows >= _MANY and _counts_up(columns[ids[0]], n_rows):
        ids = ids[1:]
    # Of two columns of text, such as an id and a name, the one that is always there.
    whole = [position for position in ids[2:] if columns[position].kind == "text" and not columns[position].n_missing]
    if whole and columns[ids[1]].n_missing and columns[ids[1]].kind == "text":
        ids = [ids[0], *whole]
    # A rating may stand before an item of text. The sample must be large enough to tell small ids from ratings.
    if len(ids) > 2 and n_rows >= _MANY and columns[ids[1]].is_rating and columns[ids[2]].kind == "text":
        ids = [ids[0], *ids[2:]]
    ids = ids[:2]
    if len(ids) == 2 and all(map(_AMAZON_ITEM.fullmatch, columns[ids[0]].texts)):
        second = columns[ids[1]].texts
        if second and all(map(_AMAZON_USER.fullmatch, second)):
            ids.reverse()  # the ratings of 2018 begin with the item, those of 2014 with the user
    return ids


def _counts_up(column: _Column, n_rows: int) -> bool:
    """Whether it numbers the rows."""
    if not column.is_integer or len(column.texts) != n_rows:
        return False
    first = int(column.texts[0][:18])
    return all(text == str(first + row) for row, text in enumerate(column.texts))


def no_header(
    source: Source, place: str, line: str, rows: Sequence[Row], delimiter: str, unnamed: Unnamed, options: ReadOptions
) -> NegprepError:
    """The error that the first line of a text is a row, with what to do.

    Parameters
    ----------
    source : Source
    place : str
        Where the line is.
    line : str
        As it is written.
    rows : sequence of sequences of str
        Its fields, and those of some rows after it.
    delimiter : str
    unnamed : Unnamed
    options : ReadOptions
        Their ``*_col`` must go, where they name fields of a row.
    """
    shown = shortened(line)
    what = f"there is no header: the first line is {shown}"
    if unnamed.by_option and len(rows[0]) == 1:
        remedy = "a log needs a user and an item in a line; is it the right file, and what is its --delimiter?"
        return BadDataError(what, place=place, remedy=remedy)
    problem = lists_problem(source, place, rows, delimiter, 0) if unnamed.by_option else None
    if problem is not None:
        return problem
    names = guessed(rows, unnamed.wanted)
    if not unnamed.by_option:
        return BadDataError(what, place=place, remedy=f"add one: {_with_header(source, names, delimiter)}")
    asked = [role for role in ("user", "item", "time", "value", "event") if getattr(options, f"{role}_col") in rows[0]]
    instead = f" in place of {' and '.join(f'--{role}-col' for role in asked)}" if asked else ""
    whose = " of INPUT" if unnamed == Unnamed() else ""
    remedy = f"add a header, or name the columns{whose}: --columns {','.join(names)}{instead}"
    return BadDataError(what, place=place, remedy=remedy)


def _with_header(source: Source, names: Sequence[str], delimiter: str) -> str:
    """A command that writes the text again with names above."""
    header = shlex.quote(delimiter.join(names).replace("%", "%%").replace("\t", r"\t") + r"\n")
    name, stem, ending = _parts(source)
    reader = _READERS[source.codec] or "cat"
    target = shlex.quote(f"{stem}.named{ending}")
    return f"(printf {header}; {reader} {shlex.quote(name)}) > {target}, and give that"


def _parts(source: Source) -> tuple[str, str, str]:
    """The name of a file, and without how it is compressed: what stands before the ending, and the ending."""
    name = source.name if source.path is not None else "FILE"
    found = re.fullmatch(r"(.*?[^/])(\.\w+)?(\.(gz|bz2|zst))?", name, re.DOTALL)
    return name, name if found is None else found[1], "" if found is None else found[2] or ""


def doubtful(source: Source, place: str, line: str, rows: Sequence[Row], delimiter: str, unnamed: Unnamed) -> str:
    """That the first line is read as a header, and what to do if it is a row.

    Raises
    ------
    BadDataError
        The file has one column, of items: nothing could show that one is lost.
    """
    names = guessed(rows, unnamed.wanted)
    shown = shortened(line)
    if unnamed.by_option:
        way = f"--columns {','.join(names)}"
    else:
        way = f"add a header: {_with_header(source, names, delimiter)}"
    if unnamed.is_items and len(names) == 1:
        what = f"the first line ({shown}) could be a header or an item"
        raise BadDataError(what, place=place, remedy=f"if it is a header, call it item; if not, {way}")
    return f"the first line ({shown}) is read as the header; if it is a row, {way}"


def lists_problem(
    source: Source, place: str, rows: Sequence[Row], delimiter: str, skipped: int, item: int | None = None
) -> NegprepError | None:
    """The error that items stand in lists, with the command that writes a row for each; None where they do not.

    Parameters
    ----------
    source : Source
    place : str
    rows : sequence of sequences of str
        Without a header.
    delimiter : str
    skipped : int
        Lines before the first row.
    item : int or None
        The column that is named as that of the items.

    Notes
    -----
    MIND lists what was shown, with 1 if it was clicked: ``N1-1 N2-0``. Elsewhere a list is taken for one only where it
    is in the place of the item.
    """
    columns = [_Column([row[position] for row in rows]) for position in range(len(rows[0]))]
    looked_at = range(len(columns)) if item is None else [item]
    shown = next((position for position in looked_at if columns[position].is_list(_IMPRESSION)), None)
    lists = shown
    if shown is None and skipped == 0 and item is None:
        item = guessed(rows).index("item")
        lists = item if columns[item].is_list(_LISTED) else None
    if lists is None:
        return None
    ids = [position for position in range(lists) if columns[position].is_id and not columns[position].is_time]
    if not ids:
        return None
    # Before a user there may be the number of the row.
    user = ids[1] if len(ids) > 1 and columns[ids[0]].is_integer and columns[ids[1]].kind == "text" else ids[0]
    time = next((position for position, column in enumerate(columns) if column.is_time and position != user), None)
    what = f"column {lists + 1} lists items, where a log has one a row ({shortened(columns[lists].texts[0])})"
    command, made = _awk(source, delimiter, skipped, user, lists, time, labelled=shown is not None)
    return BadDataError(what, place=place, remedy=f"write a row for each: {command}, and give {made}")


def _awk(
    source: Source, delimiter: str, skipped: int, user: int, lists: int, time: int | None, *, labelled: bool
) -> tuple[str, str]:
    """A command that writes the items of lists in rows, and how to read what it writes."""
    name, stem, _ = _parts(source)
    files = {"c": f"{stem}.clicks.tsv", "s": f"{stem}.shown.tsv"} if labelled else {"c": f"{stem}.rows.tsv"}
    header = r"user\titem" + ("" if time is None else r"\ttime")
    begin = "; ".join(f'print "{header}" > {variable}' for variable in files)
    item, target = ("substr(a[i], 1, length(a[i]) - 2)", "(a[i] ~ /-1$/ ? c : s)") if labelled else ("a[i]", "c")
    fields = [f"${user + 1}", item, *([] if time is None else [f"${time + 1}"])]
    print_row = f"print {', '.join(fields)} > {target}"
    condition = f"NR > {skipped} " if skipped else ""
    program = f'BEGIN {{{begin}}} {condition}{{n = split(${lists + 1}, a, " "); for (i = 1; i <= n; i++) {print_row}}}'
    separator = delimiter.replace("\t", r"\t")
    settings = " ".join(f"-v {variable}={shlex.quote(file)}" for variable, file in files.items())
    command = f"awk -F'{separator}' -v OFS='\\t' {settings} '{program}' {shlex.quote(name)}"
    if source.codec is not None:
        command = f"{_READERS[source.codec]} {shlex.quote(name)} | {command.removesuffix(shlex.quote(name)).rstrip()}"
    return command, f"{files['c']} with --weak {files['s']}" if labelled else files["c"]


def shortened(line: str) -> str:
    """A line for a message."""
    text = printable(line.strip("\r\n")).encode("utf-8", "backslashreplace").decode()
    return text if len(text) <= _SHOWN else f"{text[: _SHOWN - 3]}..."
