"""Sections, ranges of users with all that their rows need; and shards, the ranges of their rows that threads make."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import cached_property
from itertools import pairwise
from typing import Literal, Protocol, TypeAlias

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from negprep.arrays import Codes, Mask, Positions, Times, Words
from negprep.assemble.layout import Groups, Ids, RowLayout
from negprep.encode.pairs import Interactions, Items, Pairs, as_seen, merge_pairs, subtract_pairs
from negprep.encode.vocabulary import Values, Vocabulary
from negprep.errors import BadDataError, UsageError
from negprep.holdout import Split, hold_out
from negprep.options.options import Options
from negprep.options.specs import IMPRESSION, MAX_NUM_NEG, HoldoutRule
from negprep.sample.measures import Impressions
from negprep.sample.rng import Bootstrap, Purpose, bounded, combine, purpose_key, word
from negprep.sample.sampler import Heads, Plan, Sampling
from negprep.sample.scores import Scores
from negprep.sample.seen import Seen, ranges_of
from negprep.threads import go_on
from negprep.write.output import Part
from negprep.write.parquet import ROW_GROUP_ROWS

_BLOCK_WORDS = 1 << 15

ORDER_BITS = 40
"""Of a word, by which rows are shuffled: with the ids of a row and its label most fit into 64."""

_SHOWN_AT_MOST = 1 << 6
"""Items of most impressions."""

_MOST_CELLS = 1 << 22
"""Of the table of negatives, with a row for each group and as many columns as the largest has: eight usual shards."""


@dataclass(frozen=True, eq=False)
class History:
    """The train positives of a section's users in the order of time; of one time, in that of their ids.

    ``items``: int32, shape (n_train,). Codes, by user.
    ``starts``: int64, shape (n_users + 1,). Where those of each user begin.
    ``times``: int64, shape (n_times,). All times, each once, ascending.
    ``ranks``: int64, shape (n_train,). Ascending: user * n_times + the place of the time among ``times``.
    ``most``: Items of a history.
    """

    items: Codes
    starts: Positions
    times: Times
    ranks: Positions
    most: int

    @classmethod
    def of(cls, train: Pairs, items: Items, most: int) -> History:
        """Of the positives that stay in train, with their times."""
        given = np.empty(0, np.int64) if train.times is None else train.times
        times, ranks = np.unique(given, return_inverse=True)
        ranks = ranks + train.users().astype(np.int64) * len(times)
        if len(items.others):  # then codes do not ascend as ids do
            order = np.lexsort((items.vocabulary[1][train.items], ranks))
        else:
            order = np.argsort(ranks, kind="stable")
        return cls(train.items[order], train.starts, times, ranks[order], most)

    def none(self, heads: Heads) -> int:
        """How many of the heads have no item in their history."""
        if heads.times is None:
            return len(heads)
        firsts = np.full(len(self.starts) - 1, np.iinfo(np.int64).max)
        some = np.flatnonzero(np.diff(self.starts))
        firsts[some] = self.times[self.ranks[self.starts[some]] - some * len(self.times)]
        return int(np.count_nonzero(heads.times <= firsts[heads.users]))

    def before(self, heads: Heads) -> tuple[Positions, Codes]:
        """The last items of each head's user before its time: where those of each begin, and the end; their codes."""
        times = np.empty(0, np.int64) if heads.times is None else heads.times
        users = heads.users.astype(np.int64)
        ends = np.searchsorted(self.ranks, users * len(self.times) + np.searchsorted(self.times, times))
        begins = np.maximum(ends - self.most, self.starts[users])
        bounds = np.concatenate([[0], np.cumsum(ends - begins)])
        return bounds, self.items[np.arange(bounds[-1]) + np.repeat(begins - bounds[:-1], ends - begins)]


@dataclass(frozen=True, eq=False)
class Section:
    """The part of an output that belongs to a range of users.

    ``train``: The positives that stay in train.
    ``heads``: The positives that lead a group of rows: those of train, or the holdouts.
    ``supply``: int64, shape (n_users,) or (n_groups,). Different items that can be drawn, for each user or each group.
    ``counts``: int64, shape (n_users,), or, ``by_group``, (n_groups,). Negatives of each group, at most ``num_neg``.
    ``by_chance``: Whether chance has decided if a group has the last of them.
    ``per_user``: Whether a group has all heads of a user. Then groups are numbered as their users, and those of users
      without a head have no rows.
    ``short``: bool, shape (n_users,). Users who lead a group for which too few items can be drawn; ``drops_short``:
      they get no rows.
    ``purpose``: {"negatives", "candidates"}. Apart, so that the negatives a model was trained on are not candidates by
      construction.
    ``has_slots``: Whether positives stand at random places among their negatives; else first.
    ``fold``: Whose holdouts lead the groups, in test.
    ``occurrences``: int32, shape (n_groups,), or None. Which of the groups of its positive each one is, where positives
      are drawn with replacement.
    ``history``: What users had before each head, if it is written.
    ``excluded``: The pairs of ``--exclude``.
    """

    interactions: Interactions
    split: Split
    train: Pairs
    heads: Pairs
    sampling: Sampling
    supply: Positions
    counts: Positions
    short: Mask
    form: RowLayout
    num_neg: int
    seed: int
    epoch: int
    purpose: Purpose
    has_slots: bool
    drops_short: bool
    fold: Literal["valid", "test"] = "test"
    occurrences: Codes | None = None
    by_chance: bool = False
    history: History | None = None
    per_user: bool = False
    excluded: Pairs | None = None

    def with_scores(self, scores: Scores) -> Section:
        """The same, whose negatives are drawn by other scores."""
        return replace(self, sampling=self.sampling.with_scores(scores))

    @property
    def by_group(self) -> bool:
        """Whether the groups of a user may differ in size."""
        return self.by_chance or self.sampling.by_group

    @cached_property
    def row_starts(self) -> Positions:
        """The first row of each user, and the end: int64, shape (n_users + 1,)."""
        if self.per_user:
            sizes = self.form.rows_of_users(self.heads.counts, self.counts)
            return np.concatenate([[0], np.cumsum(np.where(self.heads.counts > 0, sizes, 0))])
        if self.by_group:
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

    @property
    def n_groups(self) -> int:
        """Groups of all users."""
        return len(self._users) if self.per_user else len(self.heads)

    @property
    def n_negatives(self) -> int:
        """Negatives of all groups."""
        if self.per_user:
            return int(self.counts[self._users].sum())
        return int((self.counts if self.by_group else self.heads.counts * self.counts).sum())

    @cached_property
    def _users(self) -> Codes:
        """``per_user``: those with a group."""
        return np.flatnonzero(self.heads.counts).astype(np.int32)

    def locate(self, row: int) -> tuple[int, int]:
        """The group of a row, and which of the group's rows it is."""
        if row == self.n_rows:
            return self.heads.n_users if self.per_user else len(self.heads), 0
        if self.by_group:
            group = int(np.searchsorted(self._group_rows, row, side="right")) - 1
            return group, row - int(self._group_rows[group])
        user = int(np.searchsorted(self.row_starts, row, side="right")) - 1
        if self.per_user:
            return user, row - int(self.row_starts[user])
        rows_of_group = int(self.form.rows_of(self.counts[user : user + 1])[0])
        group, within = divmod(row - int(self.row_starts[user]), rows_of_group)
        return int(self.heads.starts[user]) + group, within

    def make(self, first_row: int, last_row: int) -> pa.RecordBatch:
        """The rows from ``first_row`` up to ``last_row``, in any thread."""
        pieces, skip = self.groups(first_row, last_row)
        made = [self.form.batch(groups) for groups in pieces]
        return (pa.concat_batches(made) if len(made) > 1 else made[0]).slice(skip, last_row - first_row)

    def groups(self, first_row: int, last_row: int) -> tuple[Iterator[Groups], int]:
        """The groups that have the rows of a range, and how many rows come before in the first. In any thread.

        They come in one piece, or, where their sizes are very uneven, in several, each to be let go before the next.
        """
        if self.per_user:
            users, skip = self._users_of(first_row, last_row)
            parts = _level_pieces(self.counts[users])
            return (self._groups_of_users(users[first:last]) for first, last in parts), skip
        heads, begin, skip = self._heads_of(first_row, last_row)
        counts = self._counts_of(heads, slice(begin, begin + len(heads)))

        def pieces() -> Iterator[Groups]:
            for first, last in _level_pieces(counts):
                where = slice(begin + first, begin + last)
                yield self._groups_of(as_heads(self.heads, where), counts[first:last], where)

        return pieces(), skip

    def groups_at(self, places: Positions) -> Iterator[Groups]:
        """The groups at some places of all ``n_groups``: int64, ascending. In pieces as those of `groups`."""
        if self.per_user:
            users = self._users[places]
            for first, last in _level_pieces(self.counts[users]):
                yield self._groups_of_users(users[first:last])
            return
        heads = as_heads(self.heads, places)
        counts = self._counts_of(heads, places)
        pieces = _level_pieces(counts)
        if len(pieces) == 1:
            yield self._groups_of(heads, counts, places)
            return
        for first, last in pieces:
            where = places[first:last]
            yield self._groups_of(as_heads(self.heads, where), counts[first:last], where)

    @cached_property
    def group_sizes(self) -> int | npt.NDArray[np.int32]:
        """The rows of each group: int32, shape (n_groups,); a number where all have as many."""
        if self.per_user:
            sizes = self.form.rows_of_users(self.heads.counts, self.counts)[self._users]
        elif self.by_group:
            sizes = self.form.rows_of(self.counts)
        else:
            sizes = self.form.rows_of(self.counts)
            some = sizes[self.heads.counts > 0]
            if some.size and some.min() < some.max():
                return np.repeat(sizes.astype(np.int32), self.heads.counts)
            sizes = some
        if not sizes.size or sizes.min() == sizes.max():
            return int(sizes.max(initial=0))
        return sizes.astype(np.int32)

    def _groups_of(self, heads: Heads, counts: Positions, where: Where) -> Groups:
        """The groups at some places, with these heads and so many negatives each."""
        # Nobody gets more than the largest count: users who get fewer than num_neg draw alike whatever num_neg is.
        keys = self._keys(self.purpose, heads, where)
        # By chance, a group may have one more than the largest, and must draw as if it had.
        most = min(int(counts.max(initial=0)) + self.by_chance, self.num_neg)
        drawn = self.sampling.draw(heads, keys, counts, max(1, most))
        slots = None
        if self.has_slots:
            slots = bounded(self._keys("slot", heads, where), counts + 1, np.zeros_like(counts), attempt=0)
        all_full = bool((counts == self.num_neg).all())
        return Groups(
            heads.users,
            heads.items,
            drawn.items,
            None if all_full else counts,
            slots,
            sources=drawn.sources,
            log_q=drawn.log_q,
            pos_log_q=drawn.pos_log_q,
            upper=drawn.upper,
            kept={name: self.heads.carried[name][where] for name in self.form.kept},
            history=None if self.history is None else self.history.before(heads),
        )

    def _groups_of_users(self, users: Codes) -> Groups:
        """``per_user``: the groups of ascending users."""
        starts, counts = self.heads.starts, self.counts[users]
        firsts = Heads(users, self.heads.items[starts[users]], None)
        drawn = self.sampling.draw(
            firsts, self._user_keys(self.purpose, users), counts, max(1, int(counts.max(initial=0)))
        )
        order, pos_counts = None, self.heads.counts[users]
        heads = as_heads(self.heads, ranges_of(starts[users], pos_counts))
        if self.has_slots:
            sizes = self.form.rows_of_users(pos_counts, counts)
            words = _words_of_groups(self._user_keys("slot", users), sizes)
            order = np.lexsort((words, np.repeat(np.arange(len(users)), sizes)))
        return Groups(
            users,
            heads.items,
            drawn.items,
            None if bool((counts == drawn.items.shape[1]).all()) else counts,
            sources=drawn.sources,
            log_q=drawn.log_q,
            pos_log_q=None if drawn.pos_log_q is None else self.sampling.log_q_of_heads(heads),
            pos_counts=pos_counts,
            order=order,
        )

    def order_words(self, first_row: int, last_row: int) -> Words:
        """By which the rows of a range are shuffled: of `ORDER_BITS`, uint64, shape (last_row - first_row,).

        May run in any thread. Rows with equal words ascend by user, then by item.
        """
        if self.per_user:
            users, skip = self._users_of(first_row, last_row)
            sizes = self.form.rows_of_users(self.heads.counts[users], self.counts[users])
            words = _words_of_groups(self._user_keys("order", users), sizes, ORDER_BITS)
            return words[skip : skip + last_row - first_row]
        heads, first_group, skip = self._heads_of(first_row, last_row)
        where = slice(first_group, first_group + len(heads))
        sizes = self.form.rows_of(self._counts_of(heads, where))
        keys = self._keys("order", heads, where)
        return _words_of_groups(keys, sizes, ORDER_BITS)[skip : skip + last_row - first_row]

    def _heads_of(self, first_row: int, last_row: int) -> tuple[Heads, int, int]:
        """The heads of a range of rows, the first of their groups, and how many rows come before in it."""
        (begin, skip), (end, rest) = self.locate(first_row), self.locate(last_row)
        return as_heads(self.heads, slice(begin, end + (rest > 0))), begin, skip

    def _users_of(self, first_row: int, last_row: int) -> tuple[Codes, int]:
        """``per_user``: those with the rows of a range, and how many rows come before in the group of the first."""
        (begin, skip), (end, rest) = self.locate(first_row), self.locate(last_row)
        first, last = np.searchsorted(self._users, [begin, end + (rest > 0)])
        return self._users[first:last], skip

    def _user_keys(self, purpose: Purpose, users: Codes) -> Words:
        """The random key of each user."""
        return combine(purpose_key(self.seed, purpose, self.epoch), self.interactions.users.keys[users])

    def _counts_of(self, heads: Heads, where: Where) -> Positions:
        """Negatives of each group at some places, with these heads."""
        return self.counts[where] if self.by_group else self.counts.take(heads.users)

    def _keys(self, purpose: Purpose, heads: Heads, where: Where) -> Words:
        """The random key of each group at some places, with these heads."""
        first, last = int(heads.users[0]), int(heads.users[-1]) + 1
        purpose_word, users = purpose_key(self.seed, purpose, self.epoch), self.interactions.users.keys
        if last - first > len(heads):
            of_users = combine(purpose_word, users.take(heads.users))
        else:
            of_users = combine(purpose_word, users[first:last]).take(heads.users - np.int32(first))
        keys = combine(of_users, self.interactions.items.keys.take(heads.items))
        if self.occurrences is None:
            return keys
        return combine(keys, self.occurrences[where].astype(np.uint64))

    def with_chance(self, chance: Fraction) -> Section:
        """The same, where a group has the last of its ``num_neg`` negatives with a probability of its own."""
        counts, limits, draws = np.empty(len(self.heads), np.int64), np.array([chance.denominator]), np.zeros(1, int)
        for begin in range(0, len(counts), _BLOCK_WORDS):
            where = slice(begin, min(begin + _BLOCK_WORDS, len(counts)))
            heads = as_heads(self.heads, where)
            most = self._counts_of(heads, where)
            lacks = bounded(self._keys("number", heads, where), limits, draws, attempt=0) >= chance.numerator
            counts[where] = most - (lacks & (most == self.num_neg))
        return replace(self, counts=counts, by_chance=True)


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


def _words_of_groups(keys: Words, sizes: Positions, bits: int = 64) -> Words:
    """The top ``bits`` of the words 0 to size - 1 of each key, end to end: uint64."""
    words, dropped = np.empty(int(sizes.sum()), np.uint64), np.uint64(64 - bits)
    size = int(sizes.max(initial=0))
    if size and sizes.min() == size:
        of_groups, counters, block = words.reshape(-1, size), np.arange(size)[:, None], max(1, _BLOCK_WORDS // size)
        for begin in range(0, len(keys), block):  # few enough for a core's second-level cache
            here = slice(begin, begin + block)
            np.right_shift(word(keys[here], counters).T, dropped, out=of_groups[here])
        return words
    keys = np.repeat(keys, sizes)
    counters = np.arange(len(keys)) - np.repeat(np.cumsum(sizes) - sizes, sizes)
    for begin in range(0, len(words), _BLOCK_WORDS):
        here = slice(begin, begin + _BLOCK_WORDS)
        words[here] = word(keys[here], counters[here]) >> dropped
    return words


Where: TypeAlias = slice | Positions
"""Places of groups: from one up to another, or int64, ascending."""


def as_heads(heads: Pairs, where: Where | None = None) -> Heads:
    """The pairs at some places, or all, as heads of groups."""
    where = slice(0, len(heads)) if where is None else where
    times = None if heads.times is None else heads.times[where]
    groups = heads.carried[IMPRESSION][where] if IMPRESSION in heads.carried else None
    users = heads.users(where.start, where.stop) if isinstance(where, slice) else heads.users_at(where)
    return Heads(users, heads.items[where], times, groups)


def split_train(interactions: Interactions, options: Options, rule: HoldoutRule) -> tuple[Split, Pairs]:
    """Hold out; the positives that stay in train, with times where those matter."""
    positives, key = interactions.positives, (rule, options.split_seed, options.with_valid)
    split = interactions.splits.get(key)
    if split is None:
        split = hold_out(interactions, rule, seed=options.split_seed, with_valid=options.with_valid)
        interactions.splits[key] = split
    train = positives if options.times_of_train else positives.without_times()
    return split, train if rule.kind == "none" else train.where(split.train)


def _cold(positives: Pairs, split: Split, train: Pairs, options: Options, warm: Mask | None) -> Mask:
    """Which holdouts ``drop_cold`` drops."""
    cold = np.zeros(len(positives), bool)
    if options.drop_cold != "items":
        cold |= np.repeat(train.counts == 0, positives.counts)
    if warm is not None:
        cold |= ~warm[positives.items]
    return cold & ~split.train


def _impressions(interactions: Interactions, excluded: Pairs) -> Impressions | None:
    """What was shown and passed over, and may be drawn."""
    if interactions.shown is None:
        return None
    shown, items = interactions.shown.without(excluded, len(interactions.items)), interactions.items
    return Impressions(shown.starts, shown.groups, as_seen(shown.pairs, items))


def avoided_in_train(interactions: Interactions, excluded: Pairs, train: Pairs) -> Seen:
    """What the negatives of train instances avoid."""
    known, items = interactions.known.get("seen"), interactions.items
    return known or as_seen(merge_pairs([train, interactions.weak, excluded], len(items)), items)


def drawable_weak(interactions: Interactions, excluded: Pairs) -> Seen:
    """The weak interactions that may be drawn."""
    known, items = interactions.known.get("weak"), interactions.items
    return known or as_seen(subtract_pairs(interactions.weak, excluded, len(items)), items)


def make_section(
    interactions: Interactions,
    excluded: Pairs,
    options: Options,
    rule: HoldoutRule,
    plan: Plan,
    first_user: int = 0,
    bootstrap: Bootstrap | None = None,
    warm: Mask | None = None,
    *,
    values: Mapping[str, Values] | None = None,
) -> Section:
    """Split, and decide for every user how many negatives its groups get.

    ``excluded``: More seen pairs, of the same users.
    ``rule``: Of the holdouts.
    ``first_user``: The code of the first user.
    ``bootstrap``: Draws the positives; those of these users come next.
    ``warm``: bool, shape (n_items,), or None. Which items have a train positive, where ``drop_cold`` asks for that.
    ``values``: Of the columns that are carried along.
    Raises BadDataError: With ``on_short="error"``: a user has too few eligible items.
    Raises UsageError: Where all are taken: a user has more than a list can have.
    """
    positives, items = interactions.positives, interactions.items
    split, train = split_train(interactions, options, rule)
    if options.drop_cold is not None:
        split = replace(split, cold=_cold(positives, split, train, options, warm))
    if options.command == "train":
        heads, seen = train, avoided_in_train(interactions, excluded, train)
    else:
        heads = positives.where(split.part(options.fold))
        seen = as_seen(merge_pairs([positives, interactions.weak, excluded], len(items)), items)
    occurrences = None
    if bootstrap is not None:
        drawn = bootstrap.next(len(train))
        heads = train.repeated(drawn)
        firsts = np.cumsum(drawn) - drawn
        occurrences = (np.arange(len(heads)) - np.repeat(firsts, drawn)).astype(np.int32)
    weak = drawable_weak(interactions, excluded)
    impressions = None if options.group_col is None else _impressions(interactions, excluded)
    sampling = Sampling(plan, seen, weak, first_user, impressions)
    supply = sampling.supply(as_heads(heads))
    needed = options.needed
    if sampling.by_group:
        short_groups = supply < needed
        short = np.bincount(heads.users()[short_groups], minlength=heads.n_users) > 0
    else:
        short = (heads.counts > 0) & (supply < needed)
        short_groups = np.repeat(short, heads.counts)
    most = int(supply.max(initial=0))
    if options.takes_all and most > MAX_NUM_NEG:
        raise UsageError(
            f"--num-neg all would write {most:,} negatives for one holdout, and {MAX_NUM_NEG:,} is the most",
            remedy="sample them with a number, or give a smaller catalog with --items",
        )
    if short.any() and options.on_short == "error":
        user = int(np.flatnonzero(short)[0])
        has = int(supply[short_groups][0] if sampling.by_group else supply[user])
        raise BadDataError(
            f"user {interactions.users.ids[user].as_py()!r} has {has} eligible item{'' if has == 1 else 's'} of the "
            f"{needed} needed",
            remedy=f"{'lower --num-neg, or ' if needed > 1 else ''}choose --on-short fewer or drop",
        )
    if short.any() and options.on_short == "drop":
        heads = heads.where(~short_groups)
        occurrences = None if occurrences is None else occurrences[~short_groups]
        supply = supply[~short_groups] if sampling.by_group else supply
    counts = (
        np.minimum(supply, options.negatives_each)
        if options.distinct
        else np.where(supply > 0, options.negatives_each, 0)
    )
    section = Section(
        interactions=interactions,
        split=split,
        train=train,
        heads=heads,
        sampling=sampling,
        supply=supply,
        counts=counts,
        short=short,
        form=make_form(interactions.users, items, options, first_user, values=values),
        num_neg=options.negatives_each,
        seed=options.seed,
        epoch=options.epoch,
        purpose="negatives" if options.command == "train" else "candidates",
        has_slots=options.command == "test" and options.layout == "pointwise",
        drops_short=options.on_short == "drop",
        fold=options.fold,
        occurrences=occurrences,
        history=None if options.with_history is None else History.of(train, items, options.with_history),
        per_user=options.per_user,
        excluded=excluded,
    )
    return section if options.chance_of_last is None else section.with_chance(options.chance_of_last)


def make_form(
    users: Vocabulary,
    items: Items,
    options: Options,
    first_user: int = 0,
    *,
    values: Mapping[str, Values] | None = None,
) -> RowLayout:
    """The layout and the columns of an output, for the users from code ``first_user`` on.

    ``values``: Of the columns that are carried along.
    """
    if options.encode:
        codes = np.arange(first_user, first_user + len(users), dtype=np.int32)
        written = (Ids(codes), Ids(items.vocabulary[1]))
    else:
        written = (Ids.of(users.written), Ids.of(items.written))
    label_type = pa.float32() if options.label_dtype == "float32" else pa.int8()
    names = (*options.keep, *(["time"] if options.with_time else []))
    return RowLayout(
        options.layout,
        *written,
        label_type,
        options.sampler_rule.sources,
        with_log_q=options.with_log_q,
        per_user=options.per_user,
        kept={name: Ids.of(values[name].values) for name in names} if values else {},
        with_history=options.with_history is not None,
    )


class RowSource(Protocol):
    """What makes ranges of its rows: a section, or rows in random order."""

    @property
    def form(self) -> RowLayout:
        """The layout and the columns."""

    def make(self, first_row: int, last_row: int) -> pa.RecordBatch:
        """The rows from ``first_row`` up to ``last_row``, in any thread."""


@dataclass(frozen=True, eq=False)
class Shard:
    """A range of rows.

    ``begin``, ``end``: Rows of the source.
    ``starts_part``: Whether a new part file begins here, if there are any.
    """

    source: RowSource
    begin: int
    end: int
    starts_part: bool

    def make(self) -> pa.RecordBatch:
        """The rows, in any thread."""
        return self.source.make(self.begin, self.end)


_USUAL_POSITIVES = 100
"""Of a user, where all are in one list."""


def row_group_rows(options: Options) -> int:
    """Rows of a row group, and of a shard at most: fewer where each holds lists, for about as many items."""
    each = (
        _SHOWN_AT_MOST if options.takes_all and "impression" in options.sampler_rule.names else options.negatives_each
    )
    items = (each if options.layout == "listwise" else 0) + (options.with_history or 0)
    items += _USUAL_POSITIVES if options.layout == "listwise" and options.per_user else 0
    return max(1, ROW_GROUP_ROWS // max(1, items))


class Cutter:
    """Cuts one section after the other.

    ``shard_rows``: Shards end at multiples of this many rows, counted from the start of the output or of the part.
    ``part_rows``: A part begins with the first user whose rows start at or after each multiple of this, so that a
      user's rows are in one part. None: there are no parts.
    """

    def __init__(self, shard_rows: int, part_rows: int | None = None) -> None:
        self._shard_rows, self._part_rows = shard_rows, part_rows
        self._rows_before = 0
        self._rows_in_part = 0
        self._part = -1

    def cut(self, section: Section) -> Iterator[Shard]:
        """The shards of the next section."""
        part_starts = self._part_starts(section)
        for begin_part, end_part in pairwise(sorted({0, *part_starts, section.n_rows})):
            starts_part = begin_part in part_starts
            if starts_part:
                self._rows_in_part = 0
            begin = begin_part
            while begin < end_part:
                end = min(end_part, begin + self._shard_rows - self._rows_in_part % self._shard_rows)
                yield Shard(section, begin, end, starts_part and begin == begin_part)
                self._rows_in_part += end - begin
                begin = end
        self._rows_before += section.n_rows

    def _part_starts(self, section: Section) -> list[int]:
        """The rows of the section with which a part begins; without parts, the first row of all."""
        if not section.n_rows:
            return []
        if self._part_rows is None:
            is_first, self._part = self._part < 0, 0
            return [0] if is_first else []
        firsts, ends = section.row_starts[:-1], section.row_starts[1:]
        rows = firsts[firsts < ends]  # of users with rows: strictly ascending
        parts = (rows + self._rows_before) // self._part_rows
        starts: list[int] = rows[np.diff(parts, prepend=self._part) > 0].tolist()
        self._part = int(parts[-1])
        return starts


_ROWS_AT_ONCE = 1 << 18
"""Of a shard, written between two looks at whether to go on: a quarter of a second as text."""


def by_part(shards: Iterable[Shard]) -> Iterator[list[Shard]]:
    """The shards of each part."""
    part: list[Shard] = []
    for shard in shards:
        if shard.starts_part and part:
            yield part
            part = []
        part.append(shard)
    if part:
        yield part


def fill(task: tuple[Part, list[Shard]]) -> npt.NDArray[np.int64]:
    """Write a part; how many negatives come from each source: int64, shape (n_sources,).

    Between shards, and between blocks of their rows, it looks whether anybody waits for the part.
    """
    part, shards = task
    sources = np.zeros(len(shards[0].source.form.sources or ()), np.int64)
    for shard in shards:
        go_on()
        rows = shard.make()
        sources += shard.source.form.source_counts(rows)
        for begin in range(0, len(rows), _ROWS_AT_ONCE):
            go_on()
            part.write(rows.slice(begin, _ROWS_AT_ONCE))
    part.end()
    return sources
