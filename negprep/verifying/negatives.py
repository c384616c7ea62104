"""The negatives of a file, block by block: are they unseen, in the catalog, different, and within the restriction?"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from negprep.verifying.drawn import CHOICES, choice_of
from negprep.verifying.grouping import Block
from negprep.verifying.names import CATALOG, DISTINCT, DRAWN_WEAK, EXCLUDED, ITEMS, OWN, SEEN, USERS, WEAK, WITHIN
from negprep.verifying.pairs import Rows, distinct
from negprep.verifying.tallies import count_into

if TYPE_CHECKING:
    from negprep.verifying.sweep import Sweep

Found = Callable[[str, Rows], None]
"""Takes the name of a check, and which negatives of a block it is about."""


class Negatives:
    """Checks the negatives of blocks, and counts what was drawn. A negative that is wrong is no evidence of chance.

    Parameters
    ----------
    sweep : Sweep
    wrong_hits : bool, shape (n_positives,), optional
        Which positives of train must not be drawn. They are known at the end alone: then draws are counted once more,
        and nothing else.
    """

    def __init__(self, sweep: Sweep, wrong_hits: npt.NDArray[np.bool_] | None = None) -> None:
        self._wrong_hits = wrong_hits
        self._sweep, self._tallies, self._findings = sweep, sweep.tallies, sweep.findings
        self._prepared, self._truth, self._terms = sweep.prepared, sweep.truth, sweep.terms
        self._whole_catalog = bool(sweep.truth.catalog.all())

    def take(self, block: Block, places: Rows | None, sources: list[str]) -> None:
        """Check the negatives of a block; where the log has its positives is known wherever that matters."""
        truth, terms = self._truth, self._terms
        wrong = np.zeros(len(block.items), bool)

        def found(check: str, where: Rows) -> None:
            wrong[where] = True
            if self._wrong_hits is None:
                self._findings.found(check, where, name, rows=block.negative_rows[where])

        def name(at: int) -> str:
            return self._sweep.name(int(block.negative_rows[at]), block.users[at], block.items[at])

        if self._wrong_hits is None:
            self._count(block)
        unknown = block.items < 0
        found(ITEMS, np.flatnonzero(unknown))
        if not self._whole_catalog:
            found(CATALOG, np.flatnonzero(~unknown & ~truth.catalog[block.items.clip(0)]))
        own = self._own(block)
        found(OWN, np.flatnonzero(own))
        keys = block.users * np.int64(len(truth.items)) + block.items
        keys[(block.users < 0) | (block.items < 0)] = -1
        choices = self._choices(block, sources)
        listed = None if choices is None else choices == CHOICES.index("weak")
        if listed is not None and listed.any():
            where = np.flatnonzero(listed)
            where = where[self._sweep.weak.find(keys[where]) < 0]
            found(DRAWN_WEAK, where)
            keys[listed] = -1
        keys[own] = -1
        self._seen(keys, self._exposed(block, sources), block, found)
        if places is not None and terms.restricted and block.groups is not None and not terms.levels:
            self._within(block, places, found)
        if terms.distinct and block.groups is not None and self._findings.ask(DISTINCT).status != "not checked":
            self._repeated(block, found)
        self._tallies.totals.left_out += int(wrong.sum())
        self._draws(block, places, choices, wrong)

    def _count(self, block: Block) -> None:
        """Count the negatives of each user, and find those of users whom the log does not have."""
        self._tallies.totals.negatives += len(block.items)
        known = block.users >= 0
        count_into(self._tallies.negatives_of, block.users if known.all() else block.users[known])
        if self._terms.layout == "pointwise":
            rows, users = block.negative_rows, block.users
            strangers = np.flatnonzero(~known)
            self._findings.found(
                USERS, strangers, lambda at: self._sweep.user(int(rows[at]), users[at]), rows=rows[strangers]
            )

    def _own(self, block: Block) -> npt.NDArray[np.bool_]:
        """Which negatives are the positive of their own group."""
        if block.groups is None or not len(block.heads) or self._terms.levels:
            return np.zeros(len(block.items), bool)  # with levels, a weak item may stand in the positive's place
        found: npt.NDArray[np.bool_] = (block.items == block.head_items[block.groups]) & (block.groups >= 0)
        return found

    def _exposed(self, block: Block, sources: list[str]) -> npt.NDArray[np.bool_]:
        """Which negatives may be weak: those of pools that have weak items."""
        if not self._terms.exposed or block.sources is None:
            return np.full(len(block.items), self._terms.exposed)
        found: npt.NDArray[np.bool_] = np.array([*(source == "reinforced" for source in sources), False])[block.sources]
        return found

    def _seen(self, keys: Rows, exposed: npt.NDArray[np.bool_], block: Block, found: Found) -> None:
        truth = self._truth
        rows = truth.seen.rows_in(keys)
        if not rows.size:
            return
        for pairs, check, judged in ((truth.weak, WEAK, rows[~exposed[rows]]), (truth.excluded, EXCLUDED, rows)):
            if len(pairs):
                found(check, judged[pairs.find(keys[judged]) >= 0])
        places = truth.positives.find(keys[rows])
        rows, places = rows[places >= 0], places[places >= 0]
        if not self._terms.is_train:
            found(SEEN, rows)
            return
        if self._wrong_hits is not None:
            found(SEEN, rows[self._wrong_hits[places]])
            return
        # Whether the positive is in train is known at the end.
        self._tallies.hit(places, block.negative_rows[rows])

    def _within(self, block: Block, places: Rows, found: Found) -> None:
        truth, groups = self._truth, block.groups if block.groups is not None else block.negative_rows
        wrong = np.zeros(len(groups), bool)
        if truth.categories is not None:
            wrong |= truth.categories[block.items.clip(0)] != truth.categories[block.head_items.clip(0)][groups]
        if truth.firsts is not None and truth.times is not None and self._terms.available:
            times = np.where(places >= 0, truth.times.take(places, mode="clip"), np.iinfo(np.int64).max)
            wrong |= truth.firsts[block.items.clip(0)] > times[groups]
        where = np.flatnonzero(wrong & (groups >= 0) & (block.items >= 0))
        found(WITHIN, where)

    def _repeated(self, block: Block, found: Found) -> None:
        groups = block.groups if block.groups is not None else block.negative_rows
        lowest = min(0, int(block.items.min(initial=0)))  # unknown items have codes below 0
        keys = groups * np.int64(len(self._truth.items) - lowest) + (block.items - np.int64(lowest))
        alone = groups < 0
        keys[alone] = -1 - np.arange(int(alone.sum()))
        if len(distinct(keys.copy())) == len(keys):
            return
        order = np.argsort(keys, kind="stable")
        again = np.sort(order[1:][keys[order][1:] == keys[order][:-1]])
        found(DISTINCT, again)

    def _choices(self, block: Block, sources: list[str]) -> npt.NDArray[np.int8] | None:
        """Of each negative the place of its sampler among ``CHOICES``; None where one sampler drew all."""
        if block.sources is None:
            return None
        if self._wrong_hits is None:
            counts = self._tallies.totals.source_counts
            numbers = np.bincount(block.sources[block.sources >= 0], minlength=len(sources))
            for source, number in zip(sources, numbers.tolist(), strict=True):
                counts[source] = counts.get(source, 0) + number
        table = np.array([*(self._choice_of(source) for source in sources), 0], np.int8)
        found: npt.NDArray[np.int8] = table[block.sources]
        return found

    def _choice_of(self, source: str) -> int:
        """Where a model draws, the fall-back depends on it, too: on the items that the model does not know."""
        follows_a_model = any(choice_of(sampler) == CHOICES.index("other") for sampler in self._terms.samplers)
        return CHOICES.index("other") if follows_a_model and source == "fallback" else choice_of(source)

    def _draws(
        self,
        block: Block,
        places: Rows | None,
        choices: npt.NDArray[np.int8] | None,
        wrong: npt.NDArray[np.bool_],
    ) -> None:
        users, groups, distinct_draws = block.users, block.groups, self._terms.distinct
        known = (users >= 0) & ~wrong
        owners: npt.NDArray[np.integer] = block.heads
        if places is not None and self._terms.restricted and groups is not None:
            owners = places
            known &= np.append(places >= 0, False)[groups]
        whole, firsts = bool(known.all()), None
        for name, drawn in self._tallies.drawn.items():
            if choices is None:
                if name != CHOICES[choice_of(self._terms.samplers[0])]:
                    continue
                mine = known
            else:
                mine = known & (choices == CHOICES.index(name))
            every = choices is None and whole
            count_into(drawn.items, block.items if every else block.items[mine])
            if groups is None:
                if not self._terms.restricted:
                    count_into(drawn.draws, users if every else users[mine])
                continue
            of_groups = block.counts if every else np.bincount(groups[mine & (groups >= 0)], minlength=len(block.heads))
            if of_groups is None:
                continue
            some = np.flatnonzero((of_groups > 0) & (owners >= 0))
            counts, of_owners = of_groups[some], owners[some]
            count_into(drawn.draws, of_owners, counts)
            if distinct_draws:
                count_into(drawn.squares, of_owners, counts * counts)
                count_into(drawn.groups, of_owners)
            if drawn.first_items is not None and drawn.first_draws is not None:
                firsts = _first_draws(block, groups) if firsts is None else firsts
                at = firsts[mine[firsts]]
                at = at[owners[groups[at]] >= 0]
                count_into(drawn.first_items, block.items[at])
                count_into(drawn.first_draws, owners[groups[at]])


def _first_draws(block: Block, groups: Rows) -> Rows:
    """Which negatives were the first draw of their group: ascending.

    Negatives stand in the order of draws, but that the one whose place a holdout took among its candidates is last.
    """
    starts = np.flatnonzero(np.append(True, groups[1:] != groups[:-1])[: len(groups)])
    ends = np.append(starts[1:], len(groups)) - 1
    known = groups[starts] >= 0
    starts, ends = starts[known], ends[known]
    if block.slots is None:
        return starts
    slots = block.slots[groups[starts]]
    return np.where(slots == 0, ends, starts)[slots >= 0]
