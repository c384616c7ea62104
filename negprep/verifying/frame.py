"""What a log says on the whole: its users and items, the catalog, and its pairs, batch by batch."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from negprep.arrow import as_numpy, mask_as_numpy, strings
from negprep.compute import pc
from negprep.encoding import DistinctIds, raw_ids
from negprep.errors import BadDataError, UsageError
from negprep.options import ReadOptions
from negprep.positive_rule import PositiveRule, quoted_for_shell
from negprep.reading import LogReader
from negprep.reading.columns import plain_name
from negprep.reading.times import Clock
from negprep.verifying import beside
from negprep.verifying.claims import Claims
from negprep.verifying.codebook import Codebook
from negprep.verifying.pairs import Codes, Rows
from negprep.verifying.terms import TruthTerms

POSITIVE, WEAK, EXCLUDED = range(3)
_NEVER = np.iinfo(np.int64).max


@dataclass(frozen=True, eq=False)
class Records:
    """Pairs as they are read.

    Attributes
    ----------
    users, items : int32, shape (n,)
    kinds : int8, shape (n,)
        ``POSITIVE``, ``WEAK`` (or listed as such) or ``EXCLUDED``.
    times : int64, shape (n,), or None
    """

    users: Codes
    items: Codes
    kinds: npt.NDArray[np.int8]
    times: Rows | None

    def take(self, places: Rows | slice | npt.NDArray[np.bool_]) -> Records:
        """Some of them."""
        times = None if self.times is None else self.times[places]
        return Records(self.users[places], self.items[places], self.kinds[places], times)


class Frame:
    """A log that was read once, for its ids.

    Attributes
    ----------
    users, items : Codebook
        Those of the log, and items of a catalog file besides.
    catalog : bool, shape (n_items,)
        Before ``--core``.
    firsts : int64, shape (n_items,), or None
        From when on each item is available, once ``records`` were gone through.
    categories : int64, shape (n_items,), or None
    rows : int
        Of the log.

    Raises
    ------
    UsageError, BadDataError
        What does not fit the log.
    """

    def __init__(self, log: LogReader, terms: TruthTerms, claims: Claims, read: ReadOptions) -> None:
        self.terms = terms
        self._rule = None if terms.positive is None else PositiveRule.parse(terms.positive)
        self._compared = {} if self._rule is None else log.compared(self._rule)
        self._log, self._claims, self._read = log, claims, read
        user_ids, item_ids = DistinctIds(), DistinctIds()
        for batch in log.batches(["user", "item"], watched=() if self._rule else log.label_columns):
            user_ids.add(raw_ids(batch.column("user")))
            item_ids.add(raw_ids(batch.column("item")))
        self._refuse_labels()
        in_log = item_ids.finish()
        vocabulary, catalog_ids = in_log, None
        if terms.items and claims.items is not None:
            catalog_ids = beside.catalog_ids(claims.items, read)
            vocabulary = in_log.union(catalog_ids)
        self.users, self.items = Codebook(user_ids.finish(), "user"), Codebook(vocabulary, "item")
        self.catalog = np.ones(len(self.items), bool)
        if catalog_ids is not None:
            self.catalog[:] = False
            self.catalog[self.items(catalog_ids.ids)] = True
            if not self.catalog[self.items(in_log.ids)].any():
                raise BadDataError("no item of the log is in --items", remedy="is it the catalog of this log?")
        self.firsts = self._listed_firsts() if terms.with_firsts else None
        self.categories = None
        if terms.same is not None:
            if claims.items is None:
                raise UsageError(f"made with --same {terms.same}", remedy="add --items FILE, the same file")
            self.categories = beside.categories(claims.items, read, terms.same, self.items)

    @property
    def rows(self) -> int:
        """Rows of the log."""
        return self._log.rows_read

    @property
    def clock(self) -> Clock | None:
        """How the log writes its times, once ``records`` were gone through."""
        return self._log.clock

    def user_counts(self) -> Rows:
        """How many records each user has: int64, shape (n_users,)."""
        counts = np.zeros(len(self.users), np.int64)
        for batch in self._log.batches(["user"]):
            np.add.at(counts, self.users(batch.column("user")), 1)
        for records in self._listed():
            np.add.at(counts, records.users, 1)
        return counts

    def records(self) -> Iterator[Records]:
        """The pairs of the log, and of the files beside it that count."""
        with_times = self.terms.with_times or self.firsts is not None
        roles = ["user", "item", *(["time"] if with_times else [])]
        for batch in self._log.batches(roles, also=self._compared):
            users, items = self.users(batch.column("user")), self.items(batch.column("item"))
            when = as_numpy(batch.column("time")) if with_times else None
            if self.firsts is not None and when is not None:
                np.minimum.at(self.firsts, items, when)
            kinds = np.full(len(users), POSITIVE, np.int8)
            for role in self._compared:
                if self._rule is not None:
                    kinds[~is_positive(self._rule, batch.column(role))] = WEAK
            yield Records(users, items, kinds, when if self.terms.with_times else None)
        yield from self._listed()

    def _listed(self) -> Iterator[Records]:
        claims, terms = self._claims, self.terms
        for listed, source, kind in ((terms.weak, claims.weak, WEAK), (terms.exclude, claims.exclude, EXCLUDED)):
            if listed and source is not None:
                taken = self._taken if kind == EXCLUDED else None
                for users, items in beside.known_pairs(source, self._read, self.users, self.items, taken):
                    times = np.zeros(len(users), np.int64) if terms.with_times else None
                    yield Records(users, items, np.full(len(users), kind, np.int8), times)

    def _taken(self, file: LogReader) -> beside.Taken | None:
        """Which rows of a file of pairs count, where it has the labels that the rule compares; else all."""
        for role, column in self._compared.items():
            for name in file.label_columns:
                if self._rule is not None and plain_name(name) == plain_name(column):
                    return beside.Taken({role: name}, partial(is_positive, self._rule))
        return None

    def _refuse_labels(self) -> None:
        """A log with labels that no rule uses: whoever made a file of it took its negatives for positives."""
        for name, labels in self._log.labels.items():
            if labels.negatives:
                negative = " and ".join(labels.negatives)
                raise BadDataError(
                    f"the column {name!r} holds {labels.held()}, and the files were made without --positive: rows of "
                    f"{negative} would be positives",
                    place=self._log.place,
                    remedy=f"make them with --positive {quoted_for_shell(labels.rule(name))} or --positive all; of "
                    "files without metadata, give it here",
                )

    def _listed_firsts(self) -> Rows:
        firsts = np.full(len(self.items), _NEVER)
        if self.terms.items and self._claims.items is not None:
            for codes, given in beside.first_times(self._claims.items, self._read, self.items):
                np.minimum.at(firsts, codes, given)
        return firsts


def is_positive(rule: PositiveRule, column: pa.Array) -> npt.NDArray[np.bool_]:
    """Which values or names are those of positives: bool, one a row."""
    if not pa.types.is_floating(column.type):
        names = strings(sorted(set(rule.names)))
        named = mask_as_numpy(pc.is_in(column.cast(pa.string()), value_set=names))
        return named if rule.operator == "=" else ~named
    values = as_numpy(column)
    if rule.operator in (">=", "<=", ">", "<"):
        bound = rule.ranges[0][0]
        at_least, at_most = values >= bound, values <= bound
        return {">=": at_least, "<=": at_most, ">": ~at_most, "<": ~at_least}[rule.operator]
    # A name alone is that of a column of true and false.
    low, high = np.array(rule.ranges or [(1.0, 1.0)]).T
    inside: npt.NDArray[np.bool_] = ((values[:, None] >= low) & (values[:, None] <= high)).any(axis=1)
    return inside if rule.operator == "=" else ~inside
