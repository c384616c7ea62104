"""Lists of ids that stand in one text, as CSV has them, in whatever way they are written.

Read are: words with spaces between, which is negprep's own way; with one of ``,`` ``;`` ``|`` between; and in brackets,
as Python, JSON, numpy and databases write lists, with quotes or without. What is none of these is refused.
"""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from negprep.arrow import as_numpy, from_numpy, mask_as_numpy, strings
from negprep.compute import pc
from negprep.errors import BadDataError

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
    """The ids in each text.

    Parameters
    ----------
    texts : pa.StringArray, shape (n_rows,)
        Without nulls.
    place : callable
        Row to where it is, for messages.
    by_spaces : bool
        It is known that they were written with spaces between: then an id may hold anything else.

    Returns
    -------
    pa.LargeListArray of string, shape (n_rows,)

    Raises
    ------
    BadDataError
        The first text that cannot be read, at its place.
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
    """The elements of a list in brackets, with quotes or without; None for what is no such list."""
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
        said = json.loads(found["double"]) if found["double"] else ast.literal_eval(found["single"])
    except (ValueError, SyntaxError):
        return None
    return said if isinstance(said, str) else None


def _cut(texts: pa.StringArray, parts: pa.ListArray) -> pa.LargeListArray:
    """Lists of the parts; none of an empty text, of which there is one empty part."""
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
    """The place of the true value of a number, from 0."""
    return int(np.flatnonzero(which)[number])
