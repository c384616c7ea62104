"""The small files that may stand beside a log: the catalog, item weights, and pairs to exclude or to draw."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from negprep.arrays import Codes, Mask
from negprep.arrow import as_numpy, from_numpy, mask_as_numpy, number, pc, strings, take_rows
from negprep.encode.pairs import Held, Items, Pairs, group_pairs, merge_pairs, no_pairs, subtract_pairs
from negprep.encode.positives import Positives
from negprep.encode.vocabulary import DistinctIds, Encoder, GivenIds, Vocabulary, raw_ids
from negprep.errors import BadDataError
from negprep.options.conflicts import AVAILABLE_FROM
from negprep.options.options import Options
from negprep.options.reading import LogSource, ReadOptions
from negprep.options.specs import quoted_for_shell
from negprep.read.columns import VALUE, Labels, plain_name
from negprep.read.log import LogReader, open_beside
from negprep.sample.popularity import Weights, quantised

WEIGHT = "weight"
"""The column of weights in a file of them."""

_NEVER = np.iinfo(np.int64).max

_GATHERED = 1 << 20
"""Rows of a file of pairs, before those that repeat one are left out."""


@dataclass(frozen=True, eq=False)
class CatalogFile:
    """The content of a catalog file.

    ``categories`` (int32, shape (n_items,)) are numbered from 0, -1 for an item without one; ``available`` (int64, same
    shape) has the nanoseconds since 1970 of the first availability, the end of time for an item without one.
    """

    items: Vocabulary
    categories: Codes | None = None
    available: npt.NDArray[np.int64] | None = None


def read_catalog(source: LogSource, read: ReadOptions, *, same: str | None, with_available: bool) -> CatalogFile:
    """The distinct items of a catalog file, with their categories and times.

    ``read`` has the options of the log, ``same`` names the column of categories, and with ``with_available`` the column
    ``available_from`` is read, if there is one. Raises ``BadDataError`` without the column ``same``, or for an item
    that occurs with two categories or times.
    """
    extra = ({"event_col": same} if same is not None else {}) | ({"time_col": AVAILABLE_FROM} if with_available else {})
    items = DistinctIds()
    parts: list[tuple[GivenIds, pa.Array | None, pa.Array | None]] = []
    with _in_words_of(same), open_beside(source, read, ("item",), extra, may_lack=("event", "time")) as file:
        place = str(file.paths[0]) if file.paths else "--items"
        has_times = with_available and file.columns.get("time") == AVAILABLE_FROM
        if same is not None and file.columns.get("event") != same:
            raise BadDataError(f"no column {same!r} among those of the items", place=place, remedy="correct --same")
        roles = ["item", *(["event"] if same is not None else []), *(["time"] if has_times else [])]
        for batch in file.batches(roles):
            ids = raw_ids(batch.column("item"))
            items.add(ids)
            if len(roles) > 1:
                events = batch.column("event").cast(pa.string()) if same is not None else None
                parts.append((ids, events, batch.column("time") if has_times else None))
    vocabulary = items.finish()
    if not parts:
        return CatalogFile(vocabulary)
    encode = Encoder(vocabulary)
    codes = np.concatenate([encode(ids) for ids, _, _ in parts])
    categories = available = None
    if same is not None:
        words = pa.concat_arrays([events for _, events, _ in parts if events is not None]).dictionary_encode()
        categories = _of_items(codes, _without_null(words.indices, -1), vocabulary, same, place)
    if has_times:
        times = np.concatenate([_without_null(times, _NEVER) for _, _, times in parts if times is not None])
        available = _of_items(codes, times, vocabulary, AVAILABLE_FROM, place)
    return CatalogFile(vocabulary, categories, available)


@dataclass(frozen=True)
class WeightsFit:
    """How a file of weights fits the catalog.

    ``rows`` of the file, ``unknown`` ones whose item is not in the catalog, ``unweighted`` items of the catalog that
    the file lacks, and ``forms``: how unknown ids differ from known ones, if that can be seen.
    """

    rows: int = 0
    unknown: int = 0
    unweighted: int = 0
    forms: str = ""

    def warnings(self, n_catalog: int) -> list[str]:
        """The warnings for a catalog of so many items."""
        found = []
        if is_many(self.unknown, self.rows):
            what = f"{self.unknown} of {self.rows} rows of --weights name an item that is not in the catalog"
            found.append(f"{what}: are its ids the log's?{self.forms}")
        if is_many(self.unweighted, n_catalog):
            found.append(
                f"{self.unweighted} of {n_catalog} items of the catalog are not in --weights, and popularity never "
                "draws them"
            )
        return found


def read_weights(source: LogSource, read: ReadOptions, items: Items) -> tuple[Weights, WeightsFit]:
    """The weights of the catalog's items, 0 for those that the file lacks; and how the file fits.

    Raises ``BadDataError`` without a column ``weight``, for a negative weight, an item with two weights, or if no item
    of the catalog has a positive one.
    """
    catalog = items.catalog
    with open_beside(source, read, ("item",), {"value_col": WEIGHT}) as file:
        place = str(file.paths[0]) if file.paths else "--weights"
        if file.columns.get("value") != WEIGHT:
            raise BadDataError(f"no column {WEIGHT!r}, which --weights needs", place=place, remedy="name it so")
        parts, strangers = [], Strangers(catalog)
        for batch in file.batches(["item", "value"]):
            parts.append((catalog.find(batch.column("item")), as_numpy(batch.column("value"))))
            strangers.look_at(batch.column("item"), parts[-1][0])
    codes = np.concatenate([np.empty(0, np.int32), *(codes for codes, _ in parts)])
    given = np.concatenate([np.empty(0), *(values for _, values in parts)])
    known = codes >= 0
    codes, given = codes[known], given[known]
    values = _of_items(codes, given, catalog, WEIGHT, place)
    if (values < 0).any():
        item = int(np.flatnonzero(values < 0)[0])
        raise BadDataError(
            f"item {catalog.ids[item].as_py()!r} has the weight {values[item]:g}",
            place=place,
            remedy="give weights of 0 and more",
        )
    if not values.any():
        raise BadDataError("no item of the catalog has a weight above 0", place=place, remedy="are its ids the log's?")
    distinct, which = np.unique(values, return_inverse=True)
    unknown, unweighted = int((~known).sum()), len(catalog) - len(np.unique(codes))
    forms = strangers.forms("--weights", "the catalog") if is_many(unknown, len(known)) else ""
    fit = WeightsFit(len(known), unknown, unweighted, forms)
    return quantised([Decimal(float(value)) for value in distinct], which), fit


@dataclass(frozen=True)
class Listed:
    """A file of pairs, compared with the log.

    ``pairs`` are those whose user and item are known; ``rows`` of the file count, ``unknown`` ones name a user or an
    item that occurs nowhere else, ``left_out`` ones have the label of a negative; ``forms``: how unknown ids differ
    from known ones, if that can be seen.
    """

    pairs: Pairs
    rows: int = 0
    unknown: int = 0
    left_out: int = 0
    forms: str = ""


def read_pairs(
    source: LogSource,
    read: ReadOptions,
    users: Vocabulary,
    items: Items,
    *,
    option: str,
    positives: Positives | None = None,
    takes_all: bool = False,
) -> Listed:
    """The pairs of a file beside the log.

    Parameters
    ----------
    source : str, path, pyarrow.Table, pandas.DataFrame or None
    read : ReadOptions
        Those of the log.
    users : Vocabulary
    items : Items
    option : str
        ``--exclude`` or ``--weak``, for messages.
    positives : Positives, optional
        The rule of the log. If it compares a column of labels that the file has as well, it also selects the rows of
        ``--exclude``.
    takes_all : bool
        The rule is ``all``: labels do not matter.

    Raises
    ------
    BadDataError
        The file has labels, and no rule tells which of its rows count.
    """
    known_items = Vocabulary(items.ids)
    gathered, n_gathered, n_rows, unknown, left_out = list[tuple[Codes, Codes]](), 0, 0, 0, 0
    pairs = no_pairs(len(users))
    strangers = Strangers(users), Strangers(known_items)

    def joined() -> Pairs:
        parts = [(pairs.users(), pairs.items), *gathered]
        gathered.clear()
        found_users, found_items = (np.concatenate([part[which] for part in parts]) for which in range(2))
        return group_pairs(found_users, found_items, len(users), len(items))

    if source is not None:
        with open_beside(source, read, ("user", "item")) as file:
            rule = LabelRule.of(file, option, positives, takes_all=takes_all)
            for batch, n_left_out in rule.rows(file):
                left_out += n_left_out
                user_codes, item_codes = users.find(batch.column("user")), known_items.find(batch.column("item"))
                for each, role, codes in zip(strangers, ("user", "item"), (user_codes, item_codes), strict=True):
                    each.look_at(batch.column(role), codes)
                known = (user_codes >= 0) & (item_codes >= 0)
                n_rows += len(known)
                unknown += int((~known).sum())
                gathered.append((user_codes[known], item_codes[known]))
                n_gathered += len(gathered[-1][0])
                if n_gathered > max(_GATHERED, len(pairs)):  # so that memory grows with the pairs, not with the rows
                    pairs, n_gathered = joined(), 0
            refuse_labelled(file, option)
    forms = "".join(each.forms(option, "the log") for each in strangers) if is_many(unknown, n_rows) else ""
    return Listed(joined(), n_rows, unknown, left_out, forms)


@dataclass(frozen=True)
class HeldFit:
    """How the files that hold out fit the log.

    ``rows`` of the files, those ``left_out`` by ``--positive``, and users and items that the log lacks.
    """

    rows: int = 0
    left_out: int = 0
    new_users: int = 0
    new_items: int = 0
    warnings: tuple[str, ...] = ()


@dataclass
class _HeldRows:
    """The rows of one file: their ids, their times (none, where the file has none), and whether they count."""

    users: list[GivenIds] = field(default_factory=list)
    items: list[GivenIds] = field(default_factory=list)
    times: list[npt.NDArray[np.int64]] = field(default_factory=list)
    counts: list[Mask] = field(default_factory=list)


class HeldFiles:
    """The files of ``--holdout file``, read before ids have codes: their users and items join those of the log.

    Parameters
    ----------
    options : Options
    positives : Positives, optional
        The rule of the log. It selects the rows of a file that has its column, too; others are weak.
    with_times : bool
        Whether times are read, where a file has some.

    Raises
    ------
    BadDataError
        A file has labels, and no rule tells which of its rows count.
    """

    def __init__(self, options: Options, positives: Positives | None, *, with_times: bool) -> None:
        self._positives, self._with_times = positives, with_times
        self._takes_all = options.positive is not None and positives is None
        self._latest = options.keep_time == "last"
        self._users, self._items = DistinctIds(), DistinctIds()
        files = (("--holdout file", options.rule.path), ("--valid-file", options.valid_file))
        self._files = [self._read(source, options.read, option) for option, source in files if source is not None]

    def _read(self, source: LogSource, read: ReadOptions, option: str) -> _HeldRows:
        roles = ("time_col", "value_col", "event_col")
        named = {role: name for role in roles if (name := getattr(read, role)) is not None}
        rows, positives = _HeldRows(), self._positives
        with open_beside(source, read, ("user", "item"), named, form=read.from_) as file:
            also = {} if positives is None else compared_in(file, positives)
            has_times = "time" in file.columns or file.problem("time") is not None
            timed = self._with_times and has_times and not file.is_ordered
            watched = () if self._takes_all or also else file.label_columns
            wanted = ["user", "item", *(["time"] if timed else [])]
            for batch in file.batches(wanted, also=also, watched=watched):
                rows.users.append(raw_ids(batch.column("user")))
                rows.items.append(raw_ids(batch.column("item")))
                self._users.add(rows.users[-1])
                self._items.add(rows.items[-1])
                rows.times += [as_numpy(batch.column("time")).copy()] if timed else []
                is_compared = positives is not None and also
                rows.counts.append(
                    positives.mask(batch.column(positives.role))
                    if positives is not None and is_compared
                    else np.ones(len(batch), bool)
                )
            refuse_labelled(file, option)
        return rows

    def join(self, users: Vocabulary, items: Vocabulary) -> tuple[Vocabulary, Vocabulary]:
        """The users and the items of the log and of the files."""
        self._of_log = users, items
        self._all = users.union(self._users.finish()), items.union(self._items.finish())
        return self._all

    def coded(self, recode: Codes | None, n_items: int) -> tuple[Held, Pairs, HeldFit]:
        """The pairs that the files hold out, the weak ones among them, and how the files fit the log.

        ``recode``: The code of each item among all items of the run, n_items, as ``join_catalog`` gives it.
        """
        of_users, of_items = Encoder(self._all[0]), Encoder(self._all[1])
        n_users = len(self._all[0])
        is_new = np.ones(n_users, bool)
        is_new[self._all[0].find(self._of_log[0].ids)] = False
        folds, weak = list[Pairs](), no_pairs(n_users)
        rows = left_out = unknown = 0
        for file in self._files:
            users, items = np.concatenate([*map(of_users, file.users)]), np.concatenate([*map(of_items, file.items)])
            items = items if recode is None else recode[items]
            counts = np.concatenate(file.counts)
            times = np.concatenate(file.times)[counts] if file.times else None
            folds.append(group_pairs(users[counts], items[counts], n_users, n_items, times=times, latest=self._latest))
            others = group_pairs(users[~counts], items[~counts], n_users, n_items)
            weak = merge_pairs([weak, others], n_items)
            rows, left_out = rows + len(users), left_out + len(users) - int(np.count_nonzero(counts))
            unknown += int(np.count_nonzero(is_new[users]))
        test, valid = folds if len(folds) > 1 else (*folds, no_pairs(n_users))
        warnings = self._strangers(is_new, unknown, rows)
        n_both = len(test) + len(valid) - len(merge_pairs([test, valid], n_items))
        if n_both:
            warnings += [f"{n_both} pairs of --valid-file are in the test file, too, and count as test items alone"]
            valid = subtract_pairs(valid, test, n_items)
        new_users, new_items = (len(both) - len(mine) for both, mine in zip(self._all, self._of_log, strict=True))
        fit = HeldFit(rows, left_out, new_users, new_items, tuple(warnings))
        return Held(test, valid, no_pairs(n_users)), weak, fit

    def _strangers(self, is_new: Mask, unknown: int, rows: int) -> list[str]:
        """The warning that many rows are of users whom the log lacks."""
        if not is_many(unknown, rows):
            return []
        strangers = Strangers(self._of_log[0])
        ids = self._all[0].ids.take(from_numpy(np.flatnonzero(is_new)))
        strangers.look_at(ids, np.full(len(ids), -1, np.int32))
        what = f"{unknown} of {rows} rows of --holdout file are of users whom the log lacks"
        return [f"{what}: are its ids the log's?{strangers.forms('--holdout file', 'the log')}"]


def compared_in(file: LogReader, positives: Positives) -> dict[str, str]:
    """The column of a file that the rule of the log compares, by its role; empty where the file has none."""
    alike = [name for name in file.names if plain_name(name) == plain_name(positives.column)]
    if len(alike) == 1:
        return {positives.role: alike[0]}
    role = "value" if positives.role == VALUE else positives.role
    return {positives.role: file.columns[role]} if role in file.columns else {}


@dataclass(frozen=True)
class LabelRule:
    """Which rows of a file of pairs count, by its columns of labels.

    ``positives`` selects them by ``compared``, the column with the name of the one that the rule of the log compares.
    Without such a column the values of those ``watched`` are collected.
    """

    watched: tuple[str, ...]
    positives: Positives | None = None
    compared: str | None = None

    @classmethod
    def of(cls, file: LogReader, option: str, positives: Positives | None, *, takes_all: bool) -> LabelRule:
        """The rule for a file of ``--exclude`` or ``--weak``, given that of the log."""
        watched = () if takes_all else file.label_columns
        if positives is not None and option == "--exclude":
            alike = [name for name in watched if plain_name(name) == plain_name(positives.column)]
            if len(alike) == 1:
                return cls((), positives, alike[0])
        return cls(watched)

    def rows(self, file: LogReader) -> Iterator[tuple[pa.RecordBatch, int]]:
        """The rows that count, user and item, and how many of each batch do not."""
        if self.positives is None or self.compared is None:
            for batch in file.batches(["user", "item"], watched=self.watched):
                yield batch, 0
            return
        role = self.positives.role
        for batch in file.batches(["user", "item"], also={role: self.compared}):
            mask = self.positives.mask(batch.column(role))
            yield take_rows(batch, np.flatnonzero(mask)), len(mask) - int(np.count_nonzero(mask))


def refuse_labelled(file: LogReader, option: str) -> None:
    """Refuse a file, which was read, whose labels say that its rows do not all mean the same."""
    for name, labels in file.labels.items():
        if labels.negatives:
            raise _labelled(file.place, name, labels, option)


def _labelled(place: str, name: str, labels: Labels, option: str) -> BadDataError:
    """Why a file whose rows do not all mean the same is refused."""
    negative = " and ".join(labels.negatives)
    what = f"the column {name!r} holds {labels.held()}, and {option} would take its rows of {negative} as well"
    rule = quoted_for_shell(labels.rule(name))
    if option != "--weak":
        remedy = f"--positive {rule} leaves them out if the log has this column, too; else "
    else:
        remedy = "--weak wants pairs that are not positives: "
    remedy += "keep only the rows that are meant, and remove the column (--positive all takes every row)"
    return BadDataError(what, place=place, remedy=remedy)


def catalog_misfits(items: Items, *, positives: tuple[int, int], holdouts: tuple[int, int] = (0, 0)) -> list[str]:
    """Warnings about a catalog file that lacks items of the log.

    ``positives`` and ``holdouts`` count those of an item that is not in the catalog, and all.
    """
    if not (is_many(*positives) or is_many(*holdouts)):
        return []
    others, n_others = items.others.ids, len(items.others)
    strangers = Strangers(items.catalog)
    strangers.look_at(others, np.full(n_others, -1, np.int32))
    shown = ", ".join(map(str, others.slice(0, 3).to_pylist())) + (", ..." if n_others > 3 else "")
    noun = "1 item of the log is" if n_others == 1 else f"{n_others} items of the log are"
    counts = f"{positives[0]} of {positives[1]} positives"
    counts += f", {holdouts[0]} of {holdouts[1]} holdouts" if holdouts[1] else ""
    forms = strangers.forms("the log", "--items")
    return [f"{noun} not in --items ({shown}), with {counts}: is it the catalog of this log?{forms}"]


def is_many(unknown: int, rows: int) -> bool:
    """Whether so many of the rows fit nothing that the user should know: one in twenty."""
    return unknown > 0 and 20 * unknown >= rows


class Strangers:
    """Some ids that a vocabulary lacks, and whether it has them in another form."""

    _MOST = 1000

    def __init__(self, vocabulary: Vocabulary) -> None:
        self._vocabulary, self._ids = vocabulary, dict[str, None]()

    def look_at(self, ids: pa.Array, codes: Codes) -> None:
        """Take some ids and their codes, -1 for an unknown id."""
        if len(self._ids) < self._MOST and (missing := np.flatnonzero(codes < 0)[: self._MOST]).size:
            self._ids.update(dict.fromkeys(map(str, ids.take(from_numpy(missing)).to_pylist())))

    def forms(self, of_these: str, of_those: str) -> str:
        """An example of an id of these that differs only in form from one of those, in words; empty without one."""
        if not self._ids or not len(self._vocabulary):
            return ""
        given, known = strings(list(self._ids)), self._vocabulary.ids.cast(pa.string())
        places = pc.index_in(_folded(given), value_set=_folded(known))
        hits = np.flatnonzero(mask_as_numpy(places.is_valid()))
        if not hits.size:
            return ""
        here, there = given[int(hits[0])].as_py(), known[places[int(hits[0])].as_py()].as_py()
        return f"; {here!r} of {of_these} is perhaps {there!r} of {of_those}"


def _folded(ids: pa.Array) -> pa.Array:
    """Ids without what programs add or remove: spaces, quotes, case, leading zeros, a fraction of zeros."""
    plain = pc.utf8_lower(pc.utf8_trim(ids, " \t\u00a0'\""))
    return pc.replace_substring_regex(pc.replace_substring_regex(plain, r"^0+(\w)", r"\1"), r"\.0+$", "")


@contextmanager
def _in_words_of(same: str | None) -> Iterator[None]:
    """Call the column of categories by its name in errors: the reader takes it for events."""
    try:
        yield
    except BadDataError as error:
        if same is None or not error.what.startswith("the event "):
            raise
        what = error.what.replace("the event", f"the column {same!r}", 1)
        typed = "--same needs names or whole numbers: write them as strings or integers"
        remedy = typed if " has the type " in what else error.remedy
        raise BadDataError(what, place=error.place, remedy=remedy) from None


def _without_null(values: pa.Array, instead: int) -> npt.NDArray[Any]:
    return as_numpy(values.fill_null(number(instead, values.type)))


def _of_items(codes: Codes, values: npt.NDArray[Any], items: Vocabulary, column: str, place: str) -> npt.NDArray[Any]:
    """The value of each item, 0 for one without; refuses an item with two."""
    of_items = np.zeros(len(items), values.dtype)
    of_items[codes] = values
    other = np.flatnonzero(of_items[codes] != values)
    if other.size:
        item = items.ids[int(codes[other[0]])].as_py()
        raise BadDataError(f"item {item!r} has two values of {column}", place=place, remedy="give one row an item")
    return of_items
