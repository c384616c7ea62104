"""Counts of a run, added up section by section."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from negprep.section import Section

_MARKED = 1 << 15
"""Items marked at a time: an index of all would be made 64 bits wide first."""


@dataclass
class Tally:
    """What the sections of an output hold.

    Attributes
    ----------
    n_items : int
    holds_out : bool
        Whether there may be holdouts; else nobody asks which items train has.
    positives, weak : int
        Distinct positive pairs, and observed pairs that are none.
    holdouts, holdout_users, tied_holdouts : int
        Test holdouts, users with one, and users one of whose holdouts a hash chose between equal times.
    cold_users, unheld_users : int
        Users with a test holdout and no train positive, and users with positives but without a test holdout.
    short_users, full_users, dropped_users : int
        Users with too few eligible items, those of them with none, and those left out for it.
    outside_positives, outside_holdouts : int
        Positives and test holdouts of an item that is not in the catalog.
    groups, negatives, rows : int
    eligible_min, eligible_max : int
        Items that can be drawn for a group.
    """

    n_items: int
    holds_out: bool = True
    positives: int = 0
    weak: int = 0
    holdouts: int = 0
    holdout_users: int = 0
    tied_holdouts: int = 0
    cold_users: int = 0
    unheld_users: int = 0
    short_users: int = 0
    full_users: int = 0
    dropped_users: int = 0
    outside_positives: int = 0
    outside_holdouts: int = 0
    groups: int = 0
    negatives: int = 0
    rows: int = 0
    eligible_min: int | None = None
    eligible_max: int | None = None
    _warm: npt.NDArray[np.bool_] = field(init=False)
    _held: npt.NDArray[np.int32] = field(init=False)

    def __post_init__(self) -> None:
        self._warm, self._held = np.zeros(self.n_items, bool), np.zeros(self.n_items, np.int32)

    def add(self, section: Section) -> None:
        """Count one more section: its interactions, which all epochs share, and its rows."""
        self.add_rows(section)
        positives, split, heads = section.interactions.positives, section.split, section.heads
        held = positives.where(split.test)
        has_test = held.counts > 0
        self.positives += len(positives)
        self.weak += len(section.interactions.weak)
        self.holdouts += len(held)
        self.holdout_users += int(has_test.sum())
        self.tied_holdouts += int(split.tied.sum())
        self.cold_users += int((has_test & (section.train.counts == 0)).sum())
        self.unheld_users += int(((positives.counts > 0) & ~has_test).sum())
        self.short_users += int(section.short.sum())
        self.full_users += _users_with_none(section)
        self.dropped_users += int(section.short.sum()) if section.options.on_short == "drop" else 0
        self.groups += len(heads)
        items = section.interactions.items
        if len(items.others):
            self.outside_positives += int(np.count_nonzero(positives.items >= items.n_catalog))
            self.outside_holdouts += int(np.count_nonzero(held.items >= items.n_catalog))
        if self.holds_out:
            for begin in range(0, len(section.train), _MARKED):
                self._warm[section.train.items[begin : begin + _MARKED]] = True
            np.add.at(self._held, held.items, 1)
        eligible = section.supply if section.sampling.by_group else section.supply[heads.counts > 0]
        if eligible.size:
            least, most = int(eligible.min()), int(eligible.max())
            self.eligible_min = least if self.eligible_min is None else min(least, self.eligible_min)
            self.eligible_max = most if self.eligible_max is None else max(most, self.eligible_max)

    def add_rows(self, section: Section) -> None:
        """Count the rows of a section whose interactions were counted in an earlier epoch."""
        sizes = section.counts if section.sampling.by_group else section.heads.counts * section.counts
        self.negatives += int(sizes.sum())
        self.rows += section.n_rows

    @property
    def cold_holdouts(self) -> int:
        """Test holdouts whose item has no train positive."""
        return int(self._held[~self._warm].sum())


def _users_with_none(section: Section) -> int:
    """Users who lead a group for which nothing can be drawn."""
    nothing = section.supply == 0
    if section.sampling.by_group:
        return len(np.unique(section.heads.users()[nothing]))
    return int((nothing & section.short).sum())
