"""Columns of labels: named like one, and holding 0 and 1 or the like, where 0 marks a row that is not a positive."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from negprep.positive_rule import spelled_column
from negprep.reading.columns import is_number, plain_name, without_type
from negprep.reading.pieces import numbers

if TYPE_CHECKING:
    import numpy.typing as npt
    import pyarrow as pa

WATCHED = "watched "
"""How the role of a column begins that is looked at, and not used."""

_NAMES = """
label labels target targets y ylabel ytrue outcome response feedback click clicks clicked isclick isclicked hasclicked
clk isclk like likes liked islike isliked positive ispositive relevant isrelevant relevance buy bought isbuy isbought
purchase purchased ispurchase ispurchased ordered isordered converted conversion isconverted isconversion interacted
isinteracted engaged isengaged watched iswatched isview longview isread isplay isplayed isfollow isfavorite isfavourite
"""
_WORDS = {
    **{word: ("numbers", is_positive) for word, is_positive in (("1", True), ("0", False), ("-1", False))},
    **{word: ("yes", word == "yes") for word in ("yes", "no")},
    **{word: ("y", word == "y") for word in ("y", "n")},
    **{word: ("t", word == "t") for word in ("t", "f")},
}
"""What a label may be, in small letters: which of them go together, and which one is that of a positive."""

_TRUTH = {"true": "1", "false": "0"}
_NOTHING = ("", "nan", "na", "n/a", "null", "none", r"\n")
_MOST_WORDS = 16
_OTHER = "\0"


def label_columns(names: Sequence[str], taken: Iterable[str | None]) -> tuple[str, ...]:
    """The columns that are named like labels, without those that were taken for something else."""
    others = set(taken)
    return tuple(name for name in names if name not in others and plain_name(name) in _NAMES.split())


class Labels:
    """The values of a column, as long as all of them may be labels. May be told from any thread."""

    def __init__(self) -> None:
        self._words: set[str] = set()

    def look_at(self, column: pa.Array) -> None:
        """Take some rows, of any type."""
        if _OTHER not in self._words:
            self._words |= _words_of(column)

    @property
    def negatives(self) -> list[str]:
        """Those of the labels that are not a positive's; empty where there is none, or something that is no label."""
        if len({_kind(word) for word in self._words}) != 1 or _OTHER in self._words:
            return []
        return sorted(word for word in self._words if not _WORDS[word.casefold()][1])

    def rule(self, name: str) -> str:
        """The rule by which a column takes its positives: ``label=1``."""
        kind = _kind(next(iter(self._words)))
        positive = "1" if kind == "numbers" else kind
        spelled = sorted(word for word in self._words if word.casefold() == positive) or [positive]
        return f"{spelled_column(without_type(name))}={','.join(spelled)}"

    def held(self) -> str:
        """The values, in words: ``0 and 1``."""
        *most, last = sorted(self._words, key=lambda word: (word in self.negatives, word), reverse=True)
        return f"{', '.join(most)} and {last}" if most else f"{last} alone"


def _kind(word: str) -> str:
    return _WORDS[word.casefold()][0] if word != _OTHER else word


def _words_of(column: pa.Array) -> set[str]:
    """The distinct labels among the values, nulls left out; or that there is something else."""
    import pyarrow as pa

    types, kind = pa.types, column.type
    if types.is_dictionary(kind):
        used = column.indices.unique().drop_null()
        return _words_of(column.dictionary.take(used)) if len(used) <= _MOST_WORDS else {_OTHER}
    if types.is_integer(kind) or types.is_floating(kind):
        return _words_of_numbers(numbers(column.drop_null() if column.null_count else column))
    is_listed = (types.is_boolean, types.is_decimal, types.is_string, types.is_large_string, types.is_string_view)
    if any(fits(kind) for fits in is_listed):
        distinct = column.unique().drop_null()
        return _words_of_texts(map(str, distinct.to_pylist())) if len(distinct) <= _MOST_WORDS else {_OTHER}
    return set() if types.is_null(kind) else {_OTHER}


def _words_of_numbers(values: npt.NDArray[Any]) -> set[str]:
    found = {word: int(np.count_nonzero(values == number)) for word, number in (("0", 0), ("1", 1), ("-1", -1))}
    others = len(values) - sum(found.values()) - int(np.count_nonzero(values != values))  # the last are NaN
    return {word for word, count in found.items() if count} | ({_OTHER} if others else set())


def _words_of_texts(texts: Iterable[str]) -> set[str]:
    found = set()
    for text in texts:
        lower = text.strip().casefold()
        if lower in _NOTHING:
            continue
        if lower in _TRUTH:
            found.add(_TRUTH[lower])
        elif is_number(lower):
            found.add(f"{float(lower):g}" if float(lower) in (0.0, 1.0, -1.0) else _OTHER)
        else:
            found.add(text if text == text.strip() and lower in _WORDS else _OTHER)
    return {"0" if word == "-0" else word for word in found}
