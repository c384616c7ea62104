"""What a log says, worked out anew: who has which positives, what is weak, excluded, in the catalog, and since when."""

from __future__ import annotations

import re
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from negprep.arrow import as_numpy, mask_as_numpy, strings
from negprep.encoding import DistinctIds, raw_ids
from negprep.errors import BadDataError, UsageError
from negprep.options import ReadOptions
from negprep.reading import LogReader
from negprep.verifying import beside
from negprep.verifying.claims import Claims
from negprep.verifying.codebook import Codebook
from negprep.verifying.pairs import PairSet, Rows, distinct
from negprep.verifying.terms import TruthTerms

_COMPARISON = re.compile(r"\s*(>=|<=|==|!=|>|<|=)\s*(\S+)\s*")
_NEVER = np.iinfo(np.int64).max


@dataclass(frozen=True, eq=False)
class Truth:
    """What is so.

    Attributes
    ----------
    users, items : Codebook
        Those of the log, and items of a catalog file besides.
    catalog : bool, shape (n_items,)
    positives : PairSet
    times : int64, shape (n_positives,), or None
    weak : PairSet
        Observed pairs that are no positives, and those of ``--weak``.
    excluded : PairSet
    seen : PairSet
        All of these.
    known_users : bool, shape (n_users,)
        Users who were not left out.
    firsts : int64, shape (n_items,), or None
        From when on each item is available.
    categories : int64, shape (n_items,), or None
    n_excluded : int
        Excluded pairs, those of users and items that were left out among them.
    rows : int
        Of the log.
    """

    users: Codebook
    items: Codebook
    catalog: npt.NDArray[np.bool_]
    positives: PairSet
    times: npt.NDArray[np.int64] | None
    weak: PairSet
    excluded: PairSet
    seen: PairSet
    known_users: npt.NDArray[np.bool_]
    firsts: npt.NDArray[np.int64] | None
    categories: npt.NDArray[np.int64] | None
    n_excluded: int
    rows: int


def find_truth(log: LogReader, terms: TruthTerms, claims: Claims, read: ReadOptions) -> Truth:
    """Read a log, twice: first for its ids, then for its pairs.

    Raises
    ------
    UsageError, BadDataError
        What does not fit the log.
    """
    role = None if terms.positive is None else "value" if _COMPARISON.fullmatch(terms.positive) else "event"
    with_times = terms.with_times or terms.with_firsts
    user_ids, item_ids = DistinctIds(), DistinctIds()
    for batch in log.batches(["user", "item"]):
        user_ids.add(raw_ids(batch.column("user")))
        item_ids.add(raw_ids(batch.column("item")))
    in_log = item_ids.finish()
    vocabulary, catalog_ids = in_log, None
    if terms.items and claims.items is not None:
        catalog_ids = beside.catalog_ids(claims.items, read)
        vocabulary = in_log.union(catalog_ids)
    users, items = Codebook(user_ids.finish()), Codebook(vocabulary)
    catalog = np.ones(len(items), bool)
    if catalog_ids is not None:
        catalog[:] = False
        catalog[items(catalog_ids.ids)] = True
        if not catalog[items(in_log.ids)].any():
            raise BadDataError("no item of the log is in --items", remedy="is it the catalog of this log?")
    firsts = np.full(len(items), _NEVER) if terms.with_firsts else None
    sizes = (len(users), len(items))
    keys, others, times = [np.empty(0, np.int64)], [np.empty(0, np.int64)], [np.empty(0, np.int64)]
    for batch in log.batches(["user", "item", *(["time"] if with_times else []), *([role] if role else [])]):
        of_items = items(batch.column("item"))
        mine = users(batch.column("user")) * np.int64(len(items)) + of_items
        when = as_numpy(batch.column("time")) if with_times else None
        if firsts is not None and when is not None:
            np.minimum.at(firsts, of_items, when)
        liked = slice(None) if role is None else is_positive(terms.positive or "", batch.column(role))
        keys.append(mine[liked])
        if when is not None:
            times.append(when[liked].copy())
        if role is not None:
            others.append(mine[~liked])  # type: ignore[operator]  # a mask wherever there is a rule
    latest = terms.keep_time == "last"
    pairs, of_pairs = _timed(keys, times if terms.with_times else None, latest)
    positives = PairSet(pairs, *sizes)
    if not len(positives):
        raise BadDataError(
            f"no interaction of the log is a positive by {terms.positive!r}", remedy="is it the right log?"
        )
    weak = PairSet(distinct(np.concatenate(others)), *sizes)
    excluded = PairSet(np.empty(0, np.int64), *sizes)
    if terms.weak and claims.weak is not None:
        weak = weak.union(beside.pairs_in(claims.weak, read, users, items))
    if terms.exclude and claims.exclude is not None:
        excluded = beside.pairs_in(claims.exclude, read, users, items)
    weak, n_excluded = weak.without(positives), len(excluded)
    known = np.ones(len(users), bool)
    if terms.core is not None or terms.min_positives is not None:
        kept, known, left = _core(positives, terms)
        positives, of_pairs = positives.where(kept), None if of_pairs is None else of_pairs[kept]
        weak, excluded = (each.where(known[each.users] & left[each.items]) for each in (weak, excluded))
        catalog &= left
    if firsts is not None and terms.items and claims.items is not None:
        for codes, given in beside.first_times(claims.items, read, items):
            np.minimum.at(firsts, codes, given)
    groups = None
    if terms.same is not None:
        if claims.items is None:
            raise UsageError(f"made with --same {terms.same}", remedy="add --items FILE, the same file")
        groups = beside.categories(claims.items, read, terms.same, items)
    seen = positives.union(weak, excluded)
    rest = (firsts, groups, n_excluded, log.rows_read)
    return Truth(users, items, catalog, positives, of_pairs, weak, excluded, seen, known, *rest)


def is_positive(rule: str, column: pa.Array) -> npt.NDArray[np.bool_]:
    """Which values or events are those of positives: bool, one a row."""
    found = _COMPARISON.fullmatch(rule)
    if not found:
        names = strings(sorted({name.strip() for name in rule.split(",")}))
        return mask_as_numpy(pc.is_in(column.cast(pa.string()), value_set=names))
    try:
        bound = float(found[2])
    except ValueError:
        raise UsageError(f"--positive {rule!r} compares with no number", remedy="write it like '>=4'") from None
    values = as_numpy(column)
    at_least, at_most = values >= bound, values <= bound
    by_operator = {
        ">=": at_least,
        "<=": at_most,
        ">": ~at_most,
        "<": ~at_least,
        "=": at_least & at_most,
        "==": at_least & at_most,
        "!=": ~(at_least & at_most),
    }
    return by_operator[found[1]]


def _timed(keys: list[Rows], times: list[Rows] | None, latest: bool) -> tuple[Rows, Rows | None]:
    """The distinct keys, ascending, and the latest or the earliest time of each."""
    joined = np.concatenate(keys)
    keys.clear()
    if times is None:
        return distinct(joined), None
    when = np.concatenate(times)
    times.clear()
    if not joined.size:
        return joined, when
    if not (joined[1:] >= joined[:-1]).all():
        order = np.argsort(joined)
        joined, when = joined[order], when[order]
    firsts = np.flatnonzero(np.append(True, joined[1:] != joined[:-1]))
    if len(firsts) == len(joined):
        return joined, when
    return joined[firsts], (np.maximum if latest else np.minimum).reduceat(when, firsts)


def _core(
    positives: PairSet, terms: TruthTerms
) -> tuple[npt.NDArray[np.bool_], npt.NDArray[np.bool_], npt.NDArray[np.bool_]]:
    """Which positives, users and items are left once those with too few positives are gone, again and again."""
    of_user = max(terms.core or 0, terms.min_positives or 0)
    users, items = positives.users, positives.items
    kept = np.ones(len(positives), bool)
    while True:
        per_user = np.bincount(users[kept], minlength=positives.n_users)
        per_item = np.bincount(items[kept], minlength=positives.n_items)
        good = kept & (per_user >= of_user)[users] & (per_item >= (terms.core or 0))[items]
        if good.sum() == kept.sum():
            left = np.ones(positives.n_items, bool) if terms.core is None else per_item > 0
            return kept, per_user >= max(of_user, 1), left
        kept = good
