"""A section: a contiguous range of users with all that is needed to make their rows."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pyarrow as pa

from negprep.draw import Purpose, Words, bounded, combine, purpose_key
from negprep.errors import BadDataError
from negprep.holdout import Split, hold_out
from negprep.holdout_rule import HoldoutRule
from negprep.interactions import Interactions, Items, Pairs, as_seen, merge_pairs
from negprep.layout import Form, Groups, Ids
from negprep.options import Options
from negprep.samplers.uniform import uniform
from negprep.seen import Codes, MaskBuffer, Positions, Seen
from negprep.vocabulary import Vocabulary


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
    seen : Seen
    counts : int64, shape (n_users,)
        Negatives of each group of a user.
    short : bool, shape (n_users,)
        Users who lead a group and have too few eligible items.
    form : Form
    """

    options: Options
    interactions: Interactions
    split: Split
    train: Pairs
    heads: Pairs
    seen: Seen
    counts: Positions
    short: np.ndarray[tuple[int], np.dtype[np.bool_]]
    form: Form

    @cached_property
    def row_starts(self) -> Positions:
        """The first row of each user, and the end: int64, shape (n_users + 1,)."""
        return np.concatenate([[0], np.cumsum(self.heads.counts * self.form.rows_of(self.counts))])

    @property
    def n_rows(self) -> int:
        """Rows of all users."""
        return int(self.row_starts[-1])

    def locate(self, row: int) -> tuple[int, int]:
        """The group of a row, and which of the group's rows it is."""
        if row == self.n_rows:
            return len(self.heads), 0
        user = int(np.searchsorted(self.row_starts, row, side="right")) - 1
        rows_of_group = int(self.form.rows_of(self.counts[user : user + 1])[0])
        group, within = divmod(row - int(self.row_starts[user]), rows_of_group)
        return int(self.heads.starts[user]) + group, within

    def make(self, first_row: int, last_row: int) -> pa.RecordBatch:
        """The rows from ``first_row`` up to ``last_row``. May run in any thread."""
        (begin, skip), (end, rest) = self.locate(first_row), self.locate(last_row)
        end += rest > 0
        users, positives = self.heads.users(begin, end), self.heads.items[begin:end]
        options, counts = self.options, self.counts[users]
        negatives = uniform(
            self.seen,
            users,
            # Apart, so that the negatives a model was trained on are no candidates by construction.
            self._keys("negatives" if options.command == "train" else "candidates", users, positives),
            # Nobody gets more than this: users who get fewer than num_neg draw alike whatever num_neg is.
            max(1, int(counts.max(initial=0))),
            distinct=options.distinct,
            buffer=_mask_buffer(),
        )
        slots = None
        if options.command == "test" and options.layout == "pointwise":
            slots = bounded(self._keys("slot", users, positives), counts + 1, np.zeros_like(counts), attempt=0)
        all_full = bool((counts == options.num_neg).all())
        rows = self.form.batch(Groups(users, positives, negatives, None if all_full else counts, slots))
        return rows.slice(skip, last_row - first_row)

    def _keys(self, purpose: Purpose, users: Codes, positives: Codes) -> Words:
        first, last = users[0], users[-1]
        of_users = combine(purpose_key(self.options.seed, purpose), self.interactions.users.keys[first : last + 1])
        return combine(of_users[users - first], self.interactions.items.keys[positives])


_threads = threading.local()


def _mask_buffer() -> MaskBuffer:
    """The buffer of this thread."""
    if not hasattr(_threads, "buffer"):
        _threads.buffer = MaskBuffer()
    buffer: MaskBuffer = _threads.buffer
    return buffer


def make_section(
    interactions: Interactions, excluded: Pairs, options: Options, rule: HoldoutRule, first_user: int = 0
) -> Section:
    """Split, and decide for every user how many negatives its groups get.

    Parameters
    ----------
    interactions : Interactions
    excluded : Pairs
        More seen pairs, of the same users.
    options : Options
    rule : HoldoutRule
        Of the holdouts.
    first_user : int
        The code of the first user.

    Raises
    ------
    BadDataError
        With ``on_short="error"``: a user has too few eligible items.
    """
    positives, items = interactions.positives, interactions.items
    split = hold_out(interactions, rule, seed=options.split_seed, with_valid=options.with_valid)
    timeless = positives.without_times()
    train = timeless if rule.kind == "none" else timeless.where(split.train)
    if options.command == "train":
        heads = avoided = train
    else:
        heads, avoided = timeless.where(split.test if options.fold == "test" else split.valid), positives
    seen = as_seen(merge_pairs([avoided, interactions.weak, excluded], len(items)), items)
    needed = options.num_neg if options.distinct else 1
    short = (heads.counts > 0) & (seen.eligible < needed)
    if short.any() and options.on_short == "error":
        user = int(np.flatnonzero(short)[0])
        raise BadDataError(
            f"user {interactions.users.ids[user].as_py()!r} has {seen.eligible[user]} eligible items of the "
            f"{needed} needed",
            remedy="lower --num-neg, or choose --on-short fewer or drop",
        )
    if short.any() and options.on_short == "drop":
        heads = heads.where(np.repeat(~short, heads.counts))
    if options.distinct:
        counts = np.minimum(seen.eligible, options.num_neg)
    else:
        counts = np.where(seen.eligible > 0, options.num_neg, 0)
    return Section(
        options=options,
        interactions=interactions,
        split=split,
        train=train,
        heads=heads,
        seen=seen,
        counts=counts,
        short=short,
        form=make_form(interactions.users, items, options, first_user),
    )


def make_form(users: Vocabulary, items: Items, options: Options, first_user: int = 0) -> Form:
    """The layout and the columns of an output, for the users from code ``first_user`` on."""
    if options.encode:
        codes = np.arange(first_user, first_user + len(users), dtype=np.int32)
        written = (Ids(codes), Ids(items.vocabulary[1]))
    else:
        written = (Ids.of(users.ids), Ids.of(items.ids))
    return Form(options.layout, *written, pa.float32() if options.label_dtype == "float32" else pa.int8())
