"""A section: a contiguous range of users with all that is needed to make their rows."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pyarrow as pa

from negprep.draw import Purpose, Words, bounded, combine, purpose_key, word
from negprep.holdout import Split
from negprep.interactions import Interactions
from negprep.layout import Form, Groups
from negprep.options import Options
from negprep.pairs import Pairs
from negprep.plan import Leads
from negprep.sampling import Sampling
from negprep.seen import Codes, Positions

_BLOCK_WORDS = 1 << 15

_MOST_CELLS = 1 << 22
"""Of the table of negatives, with a row for each group and as many columns as the largest has: eight usual shards."""


@dataclass(frozen=True, eq=False)
class Section:
    """The part of an output that belongs to a range of users.

    Attributes
    ----------
    options : Options
    interactions : Interactions
        Of these users.
    split : Split
    train : Pairs
        The positives that stay in train.
    heads : Pairs
        The positives that lead a group of rows: those of train, or the holdouts.
    sampling : Sampling
    supply : int64, shape (n_users,) or (n_groups,)
        Different items that can be drawn, for each user or each group.
    counts : int64, of the same shape
        Negatives of each group.
    short : bool, shape (n_users,)
        Users who lead a group for which too few items can be drawn.
    form : Form
    occurrences : int32, shape (n_groups,), or None
        Which of the groups of its positive each one is, where positives are drawn with replacement.
    """

    options: Options
    interactions: Interactions
    split: Split
    train: Pairs
    heads: Pairs
    sampling: Sampling
    supply: Positions
    counts: Positions
    short: np.ndarray[tuple[int], np.dtype[np.bool_]]
    form: Form
    occurrences: Codes | None = None

    @cached_property
    def row_starts(self) -> Positions:
        """The first row of each user, and the end: int64, shape (n_users + 1,)."""
        if self.sampling.by_group:
            return self._group_rows[self.heads.starts]
        return np.concatenate([[0], np.cumsum(self.heads.counts * self.form.rows_of(self.counts))])

    @cached_property
    def _group_rows(self) -> Positions:
        """The first row of each group, and the end, where the groups of a user differ in size."""
        return np.concatenate([[0], np.cumsum(self.form.rows_of(self.counts))])

    @property
    def n_rows(self) -> int:
        """Rows of all users."""
        return int(self.row_starts[-1])

    def locate(self, row: int) -> tuple[int, int]:
        """The group of a row, and which of the group's rows it is."""
        if row == self.n_rows:
            return len(self.heads), 0
        if self.sampling.by_group:
            group = int(np.searchsorted(self._group_rows, row, side="right")) - 1
            return group, row - int(self._group_rows[group])
        user = int(np.searchsorted(self.row_starts, row, side="right")) - 1
        rows_of_group = int(self.form.rows_of(self.counts[user : user + 1])[0])
        group, within = divmod(row - int(self.row_starts[user]), rows_of_group)
        return int(self.heads.starts[user]) + group, within

    def prepare(self, first_row: int, last_row: int) -> Callable[[], pa.RecordBatch]:
        """What gives the rows from ``first_row`` up to ``last_row``: all is drawn. Both may run in any thread."""
        pieces, skip = self.groups(first_row, last_row)
        drawn, others = next(pieces), [self.form.batch(groups) for groups in pieces]

        def rows() -> pa.RecordBatch:
            made = self.form.batch(drawn)
            return (pa.concat_batches([made, *others]) if others else made).slice(skip, last_row - first_row)

        return rows

    def groups(self, first_row: int, last_row: int) -> tuple[Iterator[Groups], int]:
        """The groups that have the rows of a range, and how many rows come before in the first. In any thread.

        They come in one piece, or, where their sizes are very uneven, in several, each to be let go before the next.
        """
        leads, begin, skip = self._leads_of(first_row, last_row)
        counts = self._counts_of(leads, begin)

        def pieces() -> Iterator[Groups]:
            for first, last in _level_pieces(counts):
                some = leads_of(self.heads, begin + first, begin + last)
                yield self._groups_of(some, counts[first:last], begin + first)

        return pieces(), skip

    def _groups_of(self, leads: Leads, counts: Positions, begin: int) -> Groups:
        """The groups from ``begin`` on that are led by ``leads``, with so many negatives each."""
        options = self.options
        # Apart, so that the negatives a model was trained on are no candidates by construction.
        keys = self._keys("negatives" if options.command == "train" else "candidates", leads, begin)
        # Nobody gets more than the largest count: users who get fewer than num_neg draw alike whatever num_neg is.
        drawn = self.sampling.draw(leads, keys, counts, max(1, int(counts.max(initial=0))))
        slots = None
        if options.command == "test" and options.layout == "pointwise":
            slots = bounded(self._keys("slot", leads, begin), counts + 1, np.zeros_like(counts), attempt=0)
        all_full = bool((counts == options.negatives_each).all())
        return Groups(
            leads.users,
            leads.items,
            drawn.items,
            None if all_full else counts,
            slots,
            sources=drawn.sources,
            log_q=drawn.log_q,
            pos_log_q=drawn.pos_log_q,
            leaders=drawn.leaders,
        )

    def order_words(self, first_row: int, last_row: int) -> Words:
        """By which the rows of a range are shuffled: uint64, shape (last_row - first_row,). May run in any thread."""
        leads, first_group, skip = self._leads_of(first_row, last_row)
        sizes = self.form.rows_of(self._counts_of(leads, first_group))
        keys = self._keys("order", leads, first_group)
        words = _words_of_groups(keys, sizes)
        return words[skip : skip + last_row - first_row]

    def _leads_of(self, first_row: int, last_row: int) -> tuple[Leads, int, int]:
        """What leads the groups of a range of rows, the first of these groups, and how many rows come before in it."""
        (begin, skip), (end, rest) = self.locate(first_row), self.locate(last_row)
        return leads_of(self.heads, begin, end + (rest > 0)), begin, skip

    def _counts_of(self, leads: Leads, begin: int) -> Positions:
        """Negatives of each group, of those from ``begin`` on that are led by ``leads``."""
        return self.counts[begin : begin + len(leads)] if self.sampling.by_group else self.counts.take(leads.users)

    def _keys(self, purpose: Purpose, leads: Leads, begin: int) -> Words:
        """The random key of each group, of those from ``begin`` on that are led by ``leads``."""
        first, last = leads.users[0], leads.users[-1]
        of_users = combine(
            purpose_key(self.options.seed, purpose, self.options.epoch), self.interactions.users.keys[first : last + 1]
        )
        keys = combine(of_users.take(leads.users - first), self.interactions.items.keys.take(leads.items))
        if self.occurrences is None:
            return keys
        return combine(keys, self.occurrences[begin : begin + len(leads)].astype(np.uint64))


def _level_pieces(counts: Positions) -> list[tuple[int, int]]:
    """Ranges of groups whose negatives, each as many as the most of the range, fit a table of bounded size."""
    pieces, todo = [], [(0, len(counts))]
    while todo:
        first, last = todo.pop()
        if last - first > 1 and (last - first) * int(counts[first:last].max()) > _MOST_CELLS:
            middle = (first + last) // 2
            todo += [(middle, last), (first, middle)]
        else:
            pieces.append((first, last))
    return pieces


def _words_of_groups(keys: Words, sizes: Positions) -> Words:
    """The words 0 to size - 1 of each key, end to end: uint64."""
    words = np.empty(int(sizes.sum()), np.uint64)
    size = int(sizes.max(initial=0))
    if size and sizes.min() == size:
        of_groups, counters, block = words.reshape(-1, size), np.arange(size), max(1, _BLOCK_WORDS // size)
        for begin in range(0, len(keys), block):  # few enough for a core's second-level cache
            here = slice(begin, begin + block)
            of_groups[here] = word(keys[here, None], counters)
        return words
    keys = np.repeat(keys, sizes)
    counters = np.arange(len(keys)) - np.repeat(np.cumsum(sizes) - sizes, sizes)
    for begin in range(0, len(words), _BLOCK_WORDS):
        here = slice(begin, begin + _BLOCK_WORDS)
        words[here] = word(keys[here], counters[here])
    return words


def leads_of(heads: Pairs, begin: int = 0, end: int | None = None) -> Leads:
    """The pairs from ``begin`` up to ``end``, as what leads groups of rows."""
    end = len(heads) if end is None else end
    times = None if heads.times is None else heads.times[begin:end]
    return Leads(heads.users(begin, end), heads.items[begin:end], times)
