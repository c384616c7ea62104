"""Users and items with too few positives, left out before the split: by users alone, or as a k-core."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np

from negprep.arrays import Codes, Mask
from negprep.arrow import from_numpy
from negprep.encode.load import Core, Loaded, LoadedSection, Progress
from negprep.encode.pairs import Interactions, Items, Pairs
from negprep.encode.vocabulary import Vocabulary
from negprep.errors import BadDataError
from negprep.options.options import Options


def find_core(loaded: Loaded, options: Options, range_rows: int, progress: Progress) -> Core:
    """Leave out whom ``min_positives`` and ``core`` leave out; what remains can be gone through more than once.

    With ``core``, users and items with fewer positives are removed again and again until nothing changes. What remains
    is the largest set in which every user and item has enough, so that the order of removal decides nothing.

    Raises BadDataError: Nothing remains.

    Every round goes through all positives, and of a spilled log groups them anew.
    """
    least_of_user, least_of_item = max(options.min_positives or 0, options.core or 0), options.core or 0
    sections = loaded.sections(range_rows, again=True)
    users, items, before, after = _alive(loaded, sections, least_of_user, least_of_item, progress)
    if not after:
        asked = (("--core", options.core), ("--min-positives", options.min_positives))
        what = " and ".join(f"{name} {least}" for name, least in asked if least)
        raise BadDataError(f"no user is left by {what}", remedy="choose a smaller number, or look at the log")
    kept = Items(_kept(loaded.items.catalog, items), loaded.items.others) if options.core else loaded.items
    return Core(
        _kept(loaded.users, users),
        kept,
        _Restricted(sections, users, items, kept),
        removed_users=int((~users).sum()),
        removed_items=int((~items).sum()),
        removed_positives=before - after,
    )


def _alive(
    loaded: Loaded, sections: Iterable[LoadedSection], least_of_user: int, least_of_item: int, progress: Progress
) -> tuple[Mask, Mask, int, int]:
    """The users and the items that remain, and how many positives there were and are."""
    users, items = np.ones(len(loaded.users), bool), np.ones(len(loaded.items), bool)
    n_all = None
    while True:  # ends: a round that is not the last removes an item
        counts = np.zeros(len(items), np.int64)
        n_seen = 0
        for section in sections:
            positives = section.interactions.positives
            here = slice(section.first_user, section.first_user + positives.n_users)
            remaining = items[positives.items]
            users[here] &= positives.where(remaining).counts >= least_of_user
            remaining &= np.repeat(users[here], positives.counts)
            counts += np.bincount(positives.items[remaining], minlength=len(items))
            n_seen += len(positives)
            progress("core", n_seen, n_all)
        n_all = n_seen
        enough = items & (counts >= least_of_item)
        if (enough == items).all():
            return users, items, n_all, int(counts.sum())
        items = enough


def _kept(vocabulary: Vocabulary, mask: Mask) -> Vocabulary:
    return Vocabulary(vocabulary.ids.take(from_numpy(np.flatnonzero(mask))))


@dataclass(frozen=True, eq=False)
class _Restricted:
    """Sections without the users and the items that were removed."""

    sections: Iterable[LoadedSection]
    users: Mask
    items: Mask
    kept_items: Items

    def __iter__(self) -> Iterator[LoadedSection]:
        new_codes = np.cumsum(self.items, dtype=np.int32) - np.int32(1)
        first_user = 0
        for section in self.sections:
            whole = section.interactions
            mine = self.users[section.first_user : section.first_user + len(whole.users)]
            if not mine.any():
                continue
            positives, weak, excluded = (
                self._of(pairs, mine, new_codes) for pairs in (whole.positives, whole.weak, section.excluded)
            )
            of_these = Interactions(_kept(whole.users, mine), self.kept_items, positives, weak)
            yield LoadedSection(first_user, of_these, excluded)
            first_user += len(of_these.users)

    def _of(self, pairs: Pairs, users: Mask, new_codes: Codes) -> Pairs:
        kept = pairs.where(self.items[pairs.items] & np.repeat(users, pairs.counts))
        starts = np.append(kept.starts[:-1][users], kept.starts[-1])
        return Pairs(starts, new_codes[kept.items], kept.times)
