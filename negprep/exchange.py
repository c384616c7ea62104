"""The folders that other programs read: the positives of each part, and the candidates, as the rows of a run arrive.

======== ====================================================== =============================================
form     what reads it                                          source
======== ====================================================== =============================================
ncf      ``Dataset.load_rating_file_as_matrix`` and its         github.com/hexiangnan/
         neighbours: tabs, integers, no header                  neural_collaborative_filtering, Dataset.py
recbole  ``Dataset._load_feat``: pandas, tabs, a typed header;  github.com/RUCAIBox/RecBole,
         ``benchmark_filename`` names the parts                 recbole/data/dataset/dataset.py
lightgcn ``Loader.__init__``: a user and its items, integers    github.com/gusye1234/LightGCN-PyTorch,
         between spaces, at least one item a line               code/dataloader.py
======== ====================================================== =============================================
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import numpy as np
import pyarrow as pa

from negprep.arrow import from_numpy, pc, strings
from negprep.errors import BadDataError, UsageError
from negprep.write.text import TEXT_ROWS, Fields, word

if TYPE_CHECKING:
    from collections.abc import Sequence

    from negprep.arrays import Times
    from negprep.assemble.layout import RowLayout
    from negprep.assemble.section import Section
    from negprep.encode.pairs import Pairs
    from negprep.options.options import Options
    from negprep.write.output import NamedText

_UNITS = {"in seconds": 10**9, "in milliseconds": 10**6, "in microseconds": 10**3, "in nanoseconds": 1}
_RECBOLE = {"user": "user_id:token", "item": "item_id:token", "label": "label:float", "log_q": "log_q:float"}
# What `pandas.read_csv` takes for a missing value by default, and RecBole's own word for one.
_NO_VALUE = "#N/A|#N/A N/A|#NA|-1.#IND|-1.#QNAN|-NaN|-nan|1.#IND|1.#QNAN|<NA>|N/A|NA|NULL|NaN|None|n/a|nan|null|[PAD]"
_MISSING = strings(_NO_VALUE.split("|"))


class TextFolder(Protocol):
    """Where the files of a form are."""

    def start_text(self, name: str, header: Sequence[str] = (), separator: str = "\t") -> NamedText:
        """Begin a text of that name."""


def unit_of(kind: str | None) -> int:
    """Nanoseconds of the unit in which times are written: that of the log, or seconds where it has dates."""
    return _UNITS.get(kind or "", 10**9)


def open_exchange(
    options: Options, folder: TextFolder, target: str, form: RowLayout, schema: pa.Schema, *, timed: bool
) -> NcfFiles | LightgcnFiles | RecboleFiles:
    """Begin the files of ``options.to`` in a folder.

    ``target``: The folder, after which files are named.
    ``form``: Of the run.
    ``schema``: Of its rows.
    ``timed``: Whether the interactions have times.
    Raises UsageError: The ids do not fit the form.
    """
    name = Path(os.path.realpath(target)).name
    if options.to == "recbole":
        return RecboleFiles(options, folder, name, form, schema, timed=timed)
    for noun, ids in (("user", form.users), ("item", form.items)):
        if not isinstance(ids.values, np.ndarray) or (len(ids.values) and ids.values.min() < 0):
            what = f"the {noun} ids are not all integers from 0 on, as --to {options.to} needs them"
            raise UsageError(what, remedy="add --encode, which writes codes")
    return NcfFiles(folder, name) if options.to == "ncf" else LightgcnFiles(options, folder)


class NcfFiles:
    """``NAME.train.rating``, ``NAME.test.rating`` and ``NAME.test.negative``."""

    def __init__(self, folder: TextFolder, name: str) -> None:
        self._train, self._test, self._negative = (
            folder.start_text(f"{name}.{part}") for part in ("train.rating", "test.rating", "test.negative")
        )
        self._fields = Fields("\t")

    def add(self, section: Section, unit: int) -> None:
        """Write the ratings of the next users."""
        _write_pairs(self._train, section, section.interactions.positives.where(section.split.part("train")), unit)
        _write_pairs(self._test, section, section.heads, unit)

    def write(self, batch: pa.RecordBatch) -> None:
        """Write the negatives of some holdouts: ``(user,item)`` and the items, all after a tab."""
        for start in range(0, len(batch), TEXT_ROWS):
            user, item, lists, *_ = batch.slice(start, TEXT_ROWS).columns
            pair = pc.binary_join_element_wise(
                word("("), self._fields.of(0, user), word(","), self._fields.of(1, item), word(")"), word("")
            )
            self._negative.write_fields(_with_list([pair], self._fields.listed(2, lists, "\t"), "\t"))


class LightgcnFiles:
    """``train.txt``, ``test.txt``, perhaps ``valid.txt``: a user and its items a line; ``candidates.txt``."""

    def __init__(self, options: Options, folder: TextFolder) -> None:
        names = ["train", *(["valid"] if options.with_valid else []), "test"]
        self._files = {name: folder.start_text(f"{name}.txt", separator=" ") for name in names}
        self._candidates = folder.start_text("candidates.txt", separator=" ")
        self._fields = Fields(" ")

    def add(self, section: Section, unit: int) -> None:  # noqa: ARG002
        """Write the lists of the next users; without users who have no item: LightGCN's loader fails on them."""
        positives, form = section.interactions.positives, section.form
        for name, file in self._files.items():
            pairs = positives.where(section.split.part(name))
            last = 0
            while (first := last) < pairs.n_users:
                enough = int(np.searchsorted(pairs.starts, pairs.starts[first] + TEXT_ROWS))
                last = min(max(enough, first + 1), pairs.n_users)
                some = pairs.of_users(first, last)
                users = np.flatnonzero(some.counts).astype(np.int32)
                starts = np.concatenate([some.starts[users], some.starts[-1:]])
                items = self._fields.of(1, form.items.take(some.items))
                lists = pc.binary_join(pa.LargeListArray.from_arrays(from_numpy(starts), items), word(" "))
                file.write_fields([self._fields.of(0, form.users.take(users + np.int32(first))), lists])

    def write(self, batch: pa.RecordBatch) -> None:
        """Write the candidates of some holdouts: the user, the holdout and its negatives."""
        for start in range(0, len(batch), TEXT_ROWS):
            user, item, lists, *_ = batch.slice(start, TEXT_ROWS).columns
            pair = [self._fields.of(0, user), self._fields.of(1, item)]
            self._candidates.write_fields(_with_list(pair, self._fields.listed(2, lists, " "), " "))


class RecboleFiles:
    """``NAME.inter`` of train instances; or ``NAME.train.inter``, ``.valid``, ``.test`` and ``.candidates``.

    All have labels: RecBole joins its parts, and fills what one of them lacks with the mean of the others.
    """

    def __init__(
        self, options: Options, folder: TextFolder, name: str, form: RowLayout, schema: pa.Schema, *, timed: bool
    ) -> None:
        for noun, ids in (("user", form.users), ("item", form.items)):
            if not isinstance(ids.values, np.ndarray):
                _refuse_missing(noun, ids.values)
        header = [_RECBOLE.get(column, f"{column}:token") for column in schema.names]
        is_test = options.command == "test"
        self._rows = folder.start_text(f"{name}{'.candidates' if is_test else ''}.inter", header)
        parts = ["train", *(["valid"] if options.with_valid else []), "test"] if is_test else []
        header = [*header[:2], _RECBOLE["label"], *(["timestamp:float"] if timed else [])]
        self._parts = {part: folder.start_text(f"{name}.{part}.inter", header) for part in parts}

    def add(self, section: Section, unit: int) -> None:
        """Write the positives of the next users, each to its part."""
        for part, file in self._parts.items():
            _write_pairs(file, section, section.interactions.positives.where(section.split.part(part)), unit)

    def write(self, batch: pa.RecordBatch) -> None:
        """Write the next labelled rows."""
        self._rows.write(batch)


def _write_pairs(file: NamedText, section: Section, pairs: Pairs, unit: int) -> None:
    """Write user, item, 1 and, where there are any, times."""
    fields, form = Fields("\t"), section.form
    for begin in range(0, len(pairs), TEXT_ROWS):
        end = min(begin + TEXT_ROWS, len(pairs))
        columns = [form.users.take(pairs.users(begin, end)), form.items.take(pairs.items[begin:end])]
        ones = from_numpy(np.ones(end - begin, np.int8))
        times = [] if pairs.times is None else [_times(pairs.times[begin:end], unit)]
        file.write_fields([*(fields.of(place, column) for place, column in enumerate([*columns, ones])), *times])


def _times(times: Times, unit: int) -> pa.Array:
    """Nanoseconds since 1970 as numbers of a unit, with a fraction where one is needed: ``large_string``."""
    whole, rest = np.divmod(np.abs(times), unit)
    if (rest % 1000).any():
        raise BadDataError(
            "a time is finer than a microsecond, which a number of seconds with a fraction cannot hold",
            remedy="round the times, or write them as integers of nanoseconds",
        )
    texts = from_numpy(np.where(times < 0, -whole, whole)).cast(pa.large_string())
    if not rest.any():
        return texts
    digits = pc.utf8_slice_codeunits(from_numpy(rest + unit).cast(pa.large_string()), 1)
    texts = pc.binary_join_element_wise(texts, pc.utf8_rtrim(digits, "0"), word("."))
    texts = pc.utf8_rtrim(texts, ".")
    small = from_numpy(((times < 0) & (whole == 0)).view(np.uint8)).cast(pa.bool_())
    return pc.if_else(small, pc.binary_join_element_wise(word("-"), texts, word("")), texts)


def _with_list(fields: list[pa.Array], lists: pa.Array, separator: str) -> list[pa.Array]:
    """The fields and a last one; where its list is empty, nothing, not even a separator, follows them."""
    filled = pc.binary_join_element_wise(word(separator), lists, word(""))
    last = pc.binary_join_element_wise(fields[-1], pc.if_else(pc.equal(lists, word("")), word(""), filled), word(""))
    return [*fields[:-1], last]


def _refuse_missing(noun: str, ids: pa.Array) -> None:
    """Refuse an id that RecBole would lose: pandas reads it as a missing value."""
    lost = ids.filter(pc.is_in(ids, _MISSING))
    if len(lost):
        what = f"the {noun} id {lost[0].as_py()!r} would be read by RecBole as a missing value"
        raise BadDataError(what, remedy="add --encode, which writes codes")
