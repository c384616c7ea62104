"""Users and items with too few positives, left out before the split: by users alone, or as a k-core."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

import numpy as np

from negprep.arrays import Counts, Mask
from negprep.arrow import from_numpy
from negprep.encode.load import Core, Loaded, LoadedSection, Progress
from negprep.encode.pairs import Held, Interactions, Items, Pairs, Shown
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
        raise nobody_left(options)
    kept = Items(kept_ids(loaded.items.catalog, items), loaded.items.others) if options.core else loaded.items
    return Core(
        kept_ids(loaded.users, users),
        kept,
        _Restricted(sections, users, items, kept),
        values=loaded.values,
        removed_users=int((~users).sum()),
        removed_items=int((~items).sum()),
        removed_positives=before - after,
    )


def nobody_left(options: Options) -> BadDataError:
    """The error that the options leave out everybody."""
    asked = (("--core", options.core), ("--min-positives", options.min_positives))
    what = " and ".join(f"{name} {least}" for name, least in asked if least)
    return BadDataError(f"no user is left by {what}", remedy="choose a smaller number, or look at the log")


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
            users[here], of_section = count_remaining(positives, items, least_of_user)
            counts += of_section
            n_seen += len(positives)
            progress("core", n_seen, n_all)
        n_all = n_seen
        enough = items & (counts >= least_of_item)
        if (enough == items).all():
            return users, items, n_all, int(counts.sum())
        items = enough


def count_remaining(positives: Pairs, items: Mask, least_of_user: int) -> tuple[Mask, Counts]:
    """Which users of a section have enough positives of the items that remain; how many such positives each item has.

    ``items``: bool, shape (n_items,). The items that remain.
    Returns bool, shape (n_users,); int64, shape (n_items,): Positives of users who have enough.
    """
    remaining = items[positives.items]
    users = positives.where(remaining).counts >= least_of_user
    remaining &= np.repeat(users, positives.counts)
    return users, np.bincount(positives.items[remaining], minlength=len(items))


def restrict(section: LoadedSection, users: Mask, items: Mask, kept: Items, *, first_user: int) -> LoadedSection:
    """A section without the users and the items that were removed.

    ``users``: bool, shape (n_users,). The users of the section that remain.
    ``items``: bool, shape (n_items,). The items that remain, which are ``kept``.
    ``first_user``: The code of the first user that remains, among those that remain.
    """
    whole = section.interactions
    positives, weak, excluded = (_of(pairs, users, items) for pairs in (whole.positives, whole.weak, section.excluded))
    shown, held = whole.shown, whole.held
    if shown is not None:
        shown = _shown_of(shown, users, items)
    if held is not None:
        held = Held(*(_of(pairs, users, items) for pairs in (held.test, held.valid, held.repeated)))
    interactions = Interactions(kept_ids(whole.users, users), kept, positives, weak, shown, held=held)
    return LoadedSection(first_user, interactions, excluded)


def kept_ids(vocabulary: Vocabulary, mask: Mask) -> Vocabulary:
    """The ids that remain."""
    return vocabulary.some(vocabulary.ids.take(from_numpy(np.flatnonzero(mask))))


@dataclass(frozen=True, eq=False)
class _Restricted:
    """Sections without the users and the items that were removed."""

    sections: Iterable[LoadedSection]
    users: Mask
    items: Mask
    kept_items: Items

    def __iter__(self) -> Iterator[LoadedSection]:
        first_user = 0
        for section in self.sections:
            mine = self.users[section.first_user : section.first_user + len(section.interactions.users)]
            if mine.any():
                yield restrict(section, mine, self.items, self.kept_items, first_user=first_user)
                first_user += int(np.count_nonzero(mine))


def _shown_of(shown: Shown, users: Mask, items: Mask) -> Shown:
    impressions = users[shown.users()]
    starts = np.concatenate([[0], np.cumsum(np.diff(shown.starts)[users])])
    return Shown(starts, shown.groups[impressions], _of(shown.pairs, impressions, items))


def _of(pairs: Pairs, users: Mask, items: Mask) -> Pairs:
    kept = pairs.where(items[pairs.items] & np.repeat(users, pairs.counts))
    starts = np.append(kept.starts[:-1][users], kept.starts[-1])
    new_codes = np.cumsum(items, dtype=np.int32) - np.int32(1)
    return replace(kept, starts=starts, items=new_codes[kept.items])
