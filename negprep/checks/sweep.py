"""One pass over the rows of a file: the faults of rows and groups, and counts for all other checks."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import numpy.typing as npt

from negprep.arrays import Codes
from negprep.checks.observed import LogByRange, UsersOfLog
from negprep.checks.pair_set import Gathered, Ordered, PairSet, Rows, count_into, distinct, in_order, in_succession
from negprep.checks.promises import Promise
from negprep.checks.ranges import Arrays, end_to_end, taken
from negprep.checks.results import (
    CATALOG,
    COUNTS,
    DISTINCT,
    DRAWN_SHOWN,
    DRAWN_WEAK,
    EXCLUDED,
    FELL_BACK,
    HISTORY,
    ITEMS,
    KEPT,
    LABELS,
    ONCE,
    OR_SUMMARY,
    OWN,
    POSITIVES,
    SEEN,
    USERS,
    WEAK,
    WITHIN,
    Findings,
)
from negprep.checks.rows import NO_ROWS, Block
from negprep.read.prepared import Prepared

CHOICES = ("uniform", "popularity", "weak", "impression", "other")
_CHOICE_OF = {
    "uniform": 0,
    "fallback": 0,
    "positive>unobserved": 0,
    "weak>unobserved": 0,
    "popularity": 1,
    "weak": 2,
    "positive>weak": 2,
    "impression": 3,
}


def choice_of(source: str) -> int:
    """From what a sampler draws, as a place in ``CHOICES``."""
    return _CHOICE_OF.get(source, CHOICES.index("other"))


def first_draws_alone(terms: Promise) -> bool:
    """Whether only the first draw of a group has a law in closed form; and it is known which one that is."""
    apart = terms.shuffled and terms.is_train and terms.layout in ("pointwise", "pairwise")
    apart |= terms.mixes_rows
    return bool(terms.distinct) and "popularity" in terms.samplers and terms.has_metadata and not apart


@dataclass(eq=False)
class Drawn:
    """What one sampler has drawn."""

    items: Rows  # int64 (n_items,): How often each item
    draws: Rows  # int64 (n_owners,)
    squares: Rows  # int64 (n_owners,)
    groups: Rows  # int64 (n_owners,)
    first_items: Rows | None = None  # The first draws of groups alone, where later ones have another law
    first_draws: Rows | None = None  # The first draws of groups alone, where later ones have another law

    def forget(self) -> None:
        """Set all counts to 0."""
        for array in (self.items, self.draws, self.squares, self.groups, self.first_items, self.first_draws):
            if array is not None:
                array[:] = 0

    def of_owners(self, mine: slice) -> Drawn:
        """Of some owners: what is counted there is counted here."""
        firsts = None if self.first_draws is None else self.first_draws[mine]
        return Drawn(self.items, self.draws[mine], self.squares[mine], self.groups[mine], self.first_items, firsts)

    def with_owners(self, n_owners: int, terms: Promise) -> Drawn:
        """Of owners of its own."""
        drawn = nothing_drawn(0, n_owners, terms)
        return replace(drawn, items=self.items, first_items=self.first_items)


_OF_ODD = ("users", "items", "rows", "counts")
OWNED = ("draws", "squares", "groups", "first_draws")
"""The arrays of owners."""


def nothing_drawn(n_items: int, n_owners: int, terms: Promise) -> Drawn:
    """Counts of 0."""
    of_groups = n_owners if terms.distinct else 0
    firsts = (n_items, n_owners) if first_draws_alone(terms) else ()
    return Drawn(*(np.zeros(size, np.int64) for size in (n_items, n_owners, of_groups, of_groups, *firsts)))


@dataclass(frozen=True, eq=False)
class OddGroups:
    """Groups with another number of negatives than was asked for."""

    users: Codes  # int32 (n,): Below 0 for one that the log does not have
    items: Codes  # int32 (n,): Below 0 for one that the log does not have
    rows: Rows  # int64 (n,): The first row of each
    counts: Rows  # int64 (n,): Negatives of each


class Epochs:
    """In which epochs each positive led rows: a bit for each, in whatever order epochs come."""

    def __init__(self, n_positives: int) -> None:
        self._n_positives = n_positives
        self._numbers: dict[int, int] = {}
        self._bits: list[npt.NDArray[np.uint8]] = []

    def add(self, places: Rows, epoch: int) -> npt.NDArray[np.bool_]:
        """Positives led rows in an epoch. Which of them had done so in a call before: bool, the shape of ``places``."""
        word, bit = divmod(self._numbers.setdefault(epoch, len(self._numbers)), 8)
        if word == len(self._bits):
            self._bits.append(np.zeros(self._n_positives, np.uint8))
        before = self._bits[word][places]
        self._bits[word][places] = before | np.uint8(1 << bit)
        found: npt.NDArray[np.bool_] = (before & np.uint8(1 << bit)) > 0
        return found


class Totals:
    """Counts of a file for each user, each item, and on the whole."""

    def __init__(self, n_users: int, n_items: int, terms: Promise) -> None:
        drawing = {CHOICES[choice_of(sampler)] for sampler in (*terms.samplers, "uniform")}
        self.drawn = {
            name: nothing_drawn(n_items, 0 if terms.restricted else n_users, terms)
            for name in CHOICES
            if name in drawing
        }
        self.slots = np.zeros(0, np.int64)  # How often the positive stood at each place
        self.list_size = terms.num_neg
        self.mixes_rows = terms.mixes_rows
        self.place_sum = self.place_variance = 0.0  # Of the places of positives, less what can be expected
        self.negatives_of = np.zeros(n_users, np.int64)  # int64 (n_users,): Negatives of each user
        self.source_counts = Counter[str]()  # Negatives by the column ``source``
        self.heads = self.left_out = 0  # Positives that lead rows
        self.strays = self.rows = self.negatives = 0  # Negatives, or users, without a positive
        self.knows_users = False  # Whether the log has any user of the file
        self.hit = False  # Whether a positive of the log was drawn as a negative in train

    def see(self, block: Block, layout: str) -> None:
        """Count the next rows of the file, those of all ranges."""
        self.rows += block.rows
        self.heads += len(block.heads)
        counts = block.counts
        if self.mixes_rows and counts is not None and block.groups is not None:
            self._see_places(block, counts, block.groups)
        if self.list_size is None and counts is not None and len(counts) and layout == "pointwise":
            full = counts[counts >= 0]
            self.list_size = int(np.bincount(full).argmax()) if full.size else 0

    def _see_places(self, block: Block, counts: Rows, groups: Rows) -> None:
        """The ranks of the positives among the rows of each user (Wilcoxon, Biometrics Bulletin 1945)."""
        firsts = np.flatnonzero(counts >= 0)
        n, k = np.diff(firsts, append=len(counts)), counts[firsts]
        starts = block.head_rows.copy()
        np.minimum.at(starts, groups[groups >= 0], block.negative_rows[groups >= 0])
        places = block.head_rows - np.repeat(starts[firsts], n)
        self.place_sum += float(places.sum() - (n * (n + k - 1) / 2).sum())
        self.place_variance += float((n * k * (n + k + 1) / 12).sum())

    def forget_draws(self) -> None:
        """Set the counts of draws to 0."""
        self.left_out = 0  # Negatives that a check calls wrong, and that are not counted among what was drawn
        for drawn in self.drawn.values():
            drawn.forget()


FirstRows = npt.NDArray[np.int32] | npt.NDArray[np.int64]


class Tallies:
    """Counts of a file, as far as it was swept, for the positives of a range of users."""

    def __init__(self, totals: Totals, first_user: int, in_log: UsersOfLog, terms: Promise) -> None:
        n_positives, mine = len(in_log.positives), slice(first_user, first_user + len(in_log.users))
        self.totals = totals  # Of all ranges
        self.drawn = {name: drawn.of_owners(mine) for name, drawn in totals.drawn.items()}
        if terms.restricted:
            self.drawn = {name: drawn.with_owners(n_positives, terms) for name, drawn in totals.drawn.items()}
        self._by_positive, self._terms = terms.restricted, terms
        self.negatives_of = totals.negatives_of[mine]  # int64 (n_users,)
        self.present = np.zeros(n_positives, np.int32)  # int32 (n_positives,)
        self.first_rows: FirstRows = np.zeros(n_positives, np.int32)  # (n_positives,): Where it did so first
        self.epochs = Epochs(n_positives) if terms.epochs > 1 else None  # In which epochs it did so
        self.hits: npt.NDArray[np.int32] | None = None  # int32 (n_positives,), or None
        self.first_hits: FirstRows = np.zeros(0, np.int32)  # (n_positives,): In which row first
        self.exceptions: list[OddGroups] = []

    @property
    def odd_groups(self) -> OddGroups:
        """All exceptions."""
        none, numbers = np.empty(0, np.int32), np.empty(0, np.int64)
        return end_to_end([OddGroups(none, none, numbers, numbers), *self.exceptions])

    def forget_draws(self) -> None:
        """Count the draws of positives, where they have their own, from nothing."""
        if self._by_positive:
            n_positives = len(self.present)
            self.drawn = {
                name: drawn.with_owners(n_positives, self._terms) for name, drawn in self.totals.drawn.items()
            }

    def laid(self) -> Arrays:
        """What was counted, to be laid aside."""
        return {
            "present": self.present,
            "first_rows": self.first_rows,
            "hits": self.hits,
            "first_hits": self.first_hits,
            **{name: getattr(self.odd_groups, name) for name in _OF_ODD},
            **{f"{name} {each}": array for name, each, array in self._owned()},
        }

    def take_back(self, laid: Arrays) -> None:
        """What was laid aside."""
        members = {name: laid[name] for name in ("present", "first_rows", "hits", "first_hits")}
        vars(self).update(members)
        self.exceptions = [OddGroups(**{name: laid[name] for name in _OF_ODD})]  # type: ignore[arg-type]
        for name, each, _ in self._owned():
            setattr(self.drawn[name], each, laid[f"{name} {each}"])

    def _owned(self) -> Iterator[tuple[str, str, Rows | None]]:
        """What was counted for positives of the range, by the name of the sampler and of the array."""
        for name, drawn in self.drawn.items() if self._by_positive else ():
            for each in OWNED:
                yield name, each, getattr(drawn, each)

    def lead(self, places: Rows, rows: Rows, times: npt.NDArray[np.int32] | int) -> None:
        """Positives lead rows."""
        self.first_rows = _wide_enough(self.first_rows, rows)
        if (places[1:] > places[:-1]).all():  # each once, as usual: much faster than counting
            here = in_succession(places)
            before = self.present[here]
            self.first_rows[here] = np.where(before == 0, rows, self.first_rows[here])
            self.present[here] = before + times
            return
        fresh = np.flatnonzero(self.present[places] == 0)[::-1]  # the first of equal ones is written last, and stays
        self.first_rows[places[fresh]] = rows[fresh]
        np.add.at(self.present, places, times)

    def hit(self, places: Rows, rows: Rows) -> None:
        """Positives of the log were drawn as negatives."""
        if self.hits is None:
            self.totals.hit = True
            self.hits = np.zeros(len(self.present), np.int32)
            self.first_hits = np.zeros(len(self.present), np.int32)
        self.first_hits = _wide_enough(self.first_hits, rows)
        fresh = np.flatnonzero(self.hits[places] == 0)[::-1]
        self.first_hits[places[fresh]] = rows[fresh]
        np.add.at(self.hits, places, 1)


def _wide_enough(first: FirstRows, rows: Rows) -> FirstRows:
    """What holds the rows as well: most files have few enough for half the memory."""
    return first if int(rows.max(initial=0)) <= np.iinfo(first.dtype).max else first.astype(np.int64)


class Heads:
    """Checks the positives of blocks."""

    def __init__(self, sweep: Sweep) -> None:
        self._sweep, self._tallies, self._findings = sweep, sweep.tallies, sweep.findings
        self._prepared, self._in_log, self._terms = sweep.prepared, sweep.in_log, sweep.terms
        self._totals = sweep.tallies.totals
        self._waiting = Gathered(self._in_log.positives)

    def take(self, block: Block) -> Rows:
        """Check the positives of a block. Their places in the log, below 0 for none; nothing if they do not matter."""
        found, users = self._findings.found, block.heads
        self._totals.knows_users |= max(int(each.max(initial=-1)) for each in (users, block.users)) >= 0
        strangers = np.flatnonzero(users < 0)
        self._sweep.found(USERS, strangers, block.head_rows, users)
        self._sweep.found(ITEMS, np.flatnonzero(block.head_items < 0), block.head_rows, users, block.head_items)
        if block.odd_labels.size:
            found(LABELS, block.odd_labels, self._prepared.place, rows=block.odd_labels)
        if block.odd_groups.size and not self._terms.restricted and self._terms.num_neg is not None:
            note = ": the candidates of this user are not groups of one size with one positive in each"
            found(COUNTS, block.odd_groups, lambda row: f"{self._prepared.place(row)}{note}", rows=block.odd_groups)
        if block.strays.size:
            note = ": a negative without a positive of its user"
            self._totals.strays += len(block.strays)
            found(COUNTS, block.strays, lambda row: f"{self._prepared.place(row)}{note}", rows=block.strays)
        self._counts(block)
        places = self._look_up(block)
        self._kept(block, places)
        return places

    def _kept(self, block: Block, places: Rows) -> None:
        """Whether the columns kept hold what the log has in the row of the positive, beside its negatives, too."""
        if block.head_kept is None or block.kept is None:
            return
        columns = [each for each in self._in_log.columns if each.name in self._terms.kept]
        at = [self._in_log.columns.index(each) for each in columns]
        is_text = self._prepared.shape.kind == "text"

        def expected(some: Rows) -> Codes:
            if self._in_log.kept is None or not at:
                return np.empty((len(some), 0), np.int32)
            codes = self._in_log.kept[some][:, at]
            if is_text:
                codes = np.stack([each.first_alike[codes[:, i]] for i, each in enumerate(columns)], axis=1)
            return codes

        def report(users: Codes, items: Codes, rows: Rows, some: Rows, found: Codes) -> None:
            right = expected(some)
            wrong = np.flatnonzero((found[:, : len(at)] != right).any(axis=1))

            def describe(place: int) -> str:
                differs = np.flatnonzero(found[place, : len(at)] != right[place])
                values = ", ".join(f"{columns[i].name} {columns[i].shown(right[place, i])}" for i in differs)
                return self._sweep.name(int(rows[place]), users[place], items[place], f": the log has {values}")

            self._findings.found(KEPT, wrong, describe, rows=rows[wrong])

        if self._terms.layout != "pairwise":  # in pairs the rows of positives are those of negatives
            known = np.flatnonzero(places >= 0)
            of_heads = block.heads[known], block.head_items[known], block.head_rows[known]
            report(*of_heads, places[known], block.head_kept[known])
        if block.groups is None or not len(places) or self._terms.layout == "listwise":
            return
        mates = np.flatnonzero(np.where(block.groups >= 0, places.take(block.groups, mode="clip"), -1) >= 0)
        some = places[block.groups[mates]]
        report(block.users[mates], block.items[mates], block.negative_rows[mates], some, block.kept[mates])
        if self._terms.compares_histories:  # those of positives are compared with the log once it is known what is held
            others = block.head_kept[block.groups[mates], -2:] != block.kept[mates, -2:]
            self._others(block, mates[others.any(axis=1)])

    def _others(self, block: Block, negatives: Rows) -> None:
        """Report negatives with other histories than their positives."""
        rows, users, items = block.negative_rows, block.users, block.items

        def describe(at: int) -> str:
            return self._sweep.name(int(rows[at]), users[at], items[at], ": another history than its positive has")

        self._findings.found(HISTORY, negatives, describe, rows=rows[negatives])

    def _look_up(self, block: Block) -> Rows:
        """Where positives are among those of the log, and count them."""
        users, items, rows = block.heads, block.head_items, block.head_rows
        keys = self._in_log.keys(users, items)
        if self._terms.shuffled and block.groups is None and block.head_kept is None:
            in_log = keys >= 0
            self._sweep.found(POSITIVES, np.flatnonzero(~in_log & (users >= 0)), rows, users, items)
            self._look_up_later(self._waiting.add(keys[in_log], rows[in_log], block.epoch))
            return NO_ROWS
        order, ordered = in_order(keys)
        places = np.empty(len(keys), np.int64)
        places[order] = self._in_log.positives.find(ordered)
        if self._terms.levels and block.head_sources is not None:
            places[self._sweep.weak.find(keys) >= 0] = -2
        wrong = np.flatnonzero((places == -1) & (users >= 0))
        self._sweep.found(POSITIVES, wrong, rows, users, items)
        known = order[places[order] >= 0]  # neighbours in memory, one after the other
        if self._terms.layout == "pairwise" and block.counts is not None:
            self._tallies.lead(places[known], rows[known], block.counts[known].astype(np.int32))
        else:
            self._once(places[known], rows[known], block.epoch)
        return places

    def finish(self) -> None:
        """Look up those that wait for others."""
        self._look_up_later(self._waiting.take())

    def _look_up_later(self, gathered: Iterable[Ordered]) -> None:
        for keys, rows, epoch in gathered:
            places = self._in_log.positives.find(keys)
            lost = places < 0
            if lost.any():
                self._sweep.found(POSITIVES, np.flatnonzero(lost), rows, *np.divmod(keys, len(self._in_log.items)))
            self._once(places[~lost], rows[~lost], epoch)

    def _once(self, places: Rows, rows: Rows, epoch: int) -> None:
        """Positives, ascending, lead rows: each once in an epoch."""
        epochs = self._tallies.epochs
        again = self._tallies.present[in_succession(places)] > 0 if epochs is None else epochs.add(places, epoch)
        again[1:] |= places[1:] == places[:-1]
        self._tallies.lead(places, rows, 1)
        if again.any() and not self._terms.heads_repeat:
            twice = np.flatnonzero(again)
            users, items = self._in_log.positives.users[places], self._in_log.positives.items[places]
            self._sweep.found(ONCE, twice, rows, users, items)

    def _counts(self, block: Block) -> None:
        """Groups with another number of negatives than was asked for; and the places of positives."""
        if block.counts is None or self._terms.layout in ("pairwise", "positives") or not len(block.counts):
            return
        totals = self._totals
        is_odd = (block.counts != self._terms.num_neg) & (block.counts >= 0)
        if self._terms.chance is not None:
            is_odd &= block.counts != self._terms.fewest
        odd = np.flatnonzero(is_odd)
        if odd.size and self._terms.num_neg is not None:
            heads = OddGroups(block.heads, block.head_items, block.head_rows, block.counts)
            self._tallies.exceptions.append(taken(heads, odd))
        if block.slots is not None and not self._terms.takes_all:  # lists of one size, which whole ones are not
            slots = block.slots[(block.counts == totals.list_size) & (block.slots >= 0)]
            if not totals.slots.size:
                totals.slots = np.zeros((totals.list_size or 0) + 1, np.int64)
            totals.slots += np.bincount(slots, minlength=len(totals.slots))


Found = Callable[[str, Rows], None]
"""Takes the name of a check, and which negatives of a block it is about."""


class Negatives:
    """Checks the negatives of blocks, and counts what was drawn. A wrong negative does not count as drawn."""

    def __init__(self, sweep: Sweep, wrong_hits: npt.NDArray[np.bool_] | None = None) -> None:
        self._wrong_hits = wrong_hits
        self._sweep, self._tallies, self._findings = sweep, sweep.tallies, sweep.findings
        self._prepared, self._in_log, self._terms = sweep.prepared, sweep.in_log, sweep.terms
        self._whole_catalog = bool(sweep.in_log.catalog.all())

    def take(self, block: Block, places: Rows, sources: list[str]) -> None:
        """Check the negatives of a block; where the log has its positives is known wherever that matters."""
        in_log, terms = self._in_log, self._terms
        wrong = np.zeros(len(block.items), bool)

        def found(check: str, where: Rows) -> None:
            wrong[where] = True
            if self._wrong_hits is None:
                self._sweep.found(check, where, block.negative_rows, block.users, block.items)

        if self._wrong_hits is None:
            self._count(block)
        unknown = block.items < 0
        found(ITEMS, np.flatnonzero(unknown))
        if not self._whole_catalog:
            found(CATALOG, np.flatnonzero(~unknown & ~in_log.catalog[block.items.clip(0)]))
        own = self._own(block)
        if not terms.per_user:
            found(OWN, np.flatnonzero(own))
        keys = in_log.keys(block.users, block.items)
        choices = self._choices(block, sources)
        for name, check in (("weak", DRAWN_WEAK), ("impression", DRAWN_SHOWN)):
            listed = None if choices is None else choices == CHOICES.index(name)
            if listed is not None and listed.any():
                where = np.flatnonzero(listed)
                found(check, where[self._sweep.weak.find(keys[where]) < 0])
                keys[listed] = -1
        if terms.draws_shown:
            drawn = self._sweep.weak.find(keys) >= 0 if choices is None else choices == CHOICES.index("impression")
            keys[drawn] = -1
            self._shown(block, places, drawn, sources, found)
        keys[own] = -1
        self._seen(keys, self._exposed(block, sources), block, found)
        if terms.windowed and block.groups is not None and not terms.levels:
            self._within(block, places, found)
        if block.groups is not None and self._findings.ask(DISTINCT).status != "not checked":
            self._repeated(block, found)
        self._tallies.totals.left_out += int(np.count_nonzero(wrong))
        self._draws(block, places, choices, wrong)

    def _count(self, block: Block) -> None:
        """Count the negatives of each user, and find those of users whom the log does not have."""
        self._tallies.totals.negatives += len(block.items)
        known, counts, heads = block.users >= 0, block.counts, block.heads
        whole, least = bool(known.all()), 0 if counts is None else min(counts.min(initial=0), heads.min(initial=0))
        if whole and counts is not None and least == 0 and counts.sum() == len(block.users):
            count_into(self._tallies.negatives_of, heads, counts)  # who have them all
        else:
            count_into(self._tallies.negatives_of, block.users if whole else block.users[known])
        if self._terms.layout == "pointwise":
            self._sweep.found(USERS, np.flatnonzero(~known), block.negative_rows, block.users)

    def _own(self, block: Block) -> npt.NDArray[np.bool_]:
        """Which negatives are the positive of their own group."""
        if block.groups is None or not len(block.heads) or self._terms.levels or self._terms.per_user:
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
        in_log = self._in_log
        rows = in_log.seen.rows_in(keys)
        if not rows.size:
            return
        for pairs, check, asked in ((in_log.weak, WEAK, rows[~exposed[rows]]), (in_log.excluded, EXCLUDED, rows)):
            if len(pairs):
                found(check, asked[pairs.find(keys[asked]) >= 0])
        places = in_log.positives.find(keys[rows])
        rows, places = rows[places >= 0], places[places >= 0]
        if not self._terms.is_train:
            found(SEEN, rows)
            return
        if self._wrong_hits is not None:
            found(SEEN, rows[self._wrong_hits[places]])
            return
        # Whether the positive is in train is known at the end.
        self._tallies.hit(places, block.negative_rows[rows])

    def _shown(
        self, block: Block, places: Rows, drawn: npt.NDArray[np.bool_], sources: list[str], found: Found
    ) -> None:
        """Of what was ``drawn`` from impressions, items of another one; and draws that fall back with an item left."""
        shown, groups = self._in_log.drawable_shown, block.groups
        if shown is None or groups is None or not len(places):
            return
        places = np.where(groups >= 0, places.take(groups, mode="clip"), -1)
        known, impressions = places >= 0, shown.of_positives.take(places, mode="clip")
        is_shown = shown.has(impressions, block.items) & known
        found(DRAWN_SHOWN, np.flatnonzero(drawn & ~is_shown & known))
        if block.sources is None:
            self._findings.skip(FELL_BACK, "no column says which sampler drew")
            return
        if self._findings.ask(FELL_BACK).status == "not checked":
            return
        fell_back = np.array([*(source == "fallback" for source in sources), False])[block.sources] & known
        left = shown.sizes(impressions)
        if self._terms.distinct:
            left = left - np.bincount(groups[is_shown], minlength=len(block.heads))[groups]
        found(FELL_BACK, np.flatnonzero(fell_back & (left > 0)))

    def _within(self, block: Block, places: Rows, found: Found) -> None:
        in_log, groups = self._in_log, block.groups if block.groups is not None else block.negative_rows
        wrong = np.zeros(len(groups), bool)
        if in_log.categories is not None:
            wrong |= in_log.categories[block.items.clip(0)] != in_log.categories[block.head_items.clip(0)][groups]
        if in_log.firsts is not None and in_log.times is not None and self._terms.available:
            times = np.where(places >= 0, in_log.times.take(places, mode="clip"), np.iinfo(np.int64).max)
            wrong |= in_log.firsts[block.items.clip(0)] > times[groups]
        where = np.flatnonzero(wrong & (groups >= 0) & (block.items >= 0))
        found(WITHIN, where)

    def _repeated(self, block: Block, found: Found) -> None:
        groups = block.groups if block.groups is not None else block.negative_rows
        lowest = min(0, int(block.items.min(initial=0)))  # unknown items have codes below 0
        keys = groups * np.int64(len(self._in_log.items) - lowest) + (block.items - np.int64(lowest))
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
        names = sources.copy()  # the thread that reads the next block may add some
        if self._wrong_hits is None:
            numbers = np.bincount(block.sources[block.sources >= 0], minlength=len(names)).tolist()
            self._tallies.totals.source_counts.update(dict(zip(names, numbers, strict=True)))
        table = np.array([*(self._choice_of(source) for source in names), 0], np.int8)
        found: npt.NDArray[np.int8] = table[block.sources]
        return found

    def _choice_of(self, source: str) -> int:
        """Where a model draws, the fall-back depends on it, too: on the items that the model does not know."""
        follows_a_model = any(choice_of(sampler) == CHOICES.index("other") for sampler in self._terms.samplers)
        return CHOICES.index("other") if follows_a_model and source == "fallback" else choice_of(source)

    def _draws(
        self,
        block: Block,
        places: Rows,
        choices: npt.NDArray[np.int8] | None,
        wrong: npt.NDArray[np.bool_],
    ) -> None:
        users, groups, distinct_draws = block.users, block.groups, self._terms.distinct
        known = (users >= 0) & ~wrong
        owners: npt.NDArray[np.integer] = block.heads
        if self._terms.restricted and groups is not None:
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


class Sweep:
    """Checks the rows and groups of a range of users in one pass, and counts what the other checks need."""

    def __init__(
        self, prepared: Prepared, in_log: UsersOfLog, terms: Promise, findings: Findings, tallies: Tallies
    ) -> None:
        self.prepared, self.in_log, self.terms, self.findings = prepared, in_log, terms, findings
        self.tallies = tallies

    def count_again(self, blocks: Iterable[Block], sources: list[str], wrong_hits: npt.NDArray[np.bool_]) -> None:
        """Count the draws of all rows anew, now that it is known which positives must not be drawn."""
        negatives = Negatives(self, wrong_hits)
        for block in blocks:
            keys = self.in_log.keys(block.heads, block.head_items)
            negatives.take(block, self.in_log.positives.find(keys), sources)

    def run(self, blocks: Iterable[Block], sources: list[str]) -> None:
        """Go over all rows."""
        heads, negatives = Heads(self), Negatives(self)
        for block in blocks:
            places = heads.take(block)
            if self.terms.layout != "positives":
                negatives.take(block, places, sources)
        heads.finish()

    @cached_property
    def weak(self) -> PairSet:
        """What the sampler weak may draw."""
        return self.in_log.weak.without(self.in_log.excluded)

    def found(self, check: str, places: Rows, rows: Rows, users: Codes, items: Codes | None = None) -> None:
        """Report what a check finds at some places of the arrays, which name a row, its user and perhaps an item."""

        def describe(at: int) -> str:
            if items is not None:
                return self.name(int(rows[at]), users[at], items[at])
            return f"{self.prepared.place(int(rows[at]))}: user {self.in_log.users.name(users[at])}"

        self.findings.found(check, places, describe, rows=rows[places])

    def name(self, row: int, user: int, item: int, note: str = "") -> str:
        """A row, for a person."""
        in_log = self.in_log
        return f"{self.prepared.place(row)}: user {in_log.users.name(user)}, item {in_log.items.name(item)}{note}"


def ask(findings: Findings, terms: Promise, log: LogByRange) -> None:
    """Register the checks that a sweep makes, in the order of the report."""
    for name in (USERS, ITEMS, POSITIVES):
        findings.ask(name)
    if terms.layout == "pointwise":
        findings.ask(LABELS)
    if terms.layout != "pairwise" and not terms.heads_repeat:
        findings.ask(ONCE)
    no_weak = f"which pairs are weak is not specified: add --positive RULE, --weak FILE {OR_SUMMARY}"
    if terms.levels and "weak" in terms.unspecified:
        findings.skip(POSITIVES, no_weak)
    if terms.kept:
        findings.ask(KEPT)
    if terms.history is not None:
        findings.ask(HISTORY)
    if terms.layout == "positives":
        return
    findings.ask(SEEN)
    if log.n_weak:
        findings.ask(WEAK)
        if terms.is_train and "sampler" in terms.unspecified:
            findings.skip(WEAK, f"whether a sampler draws weak items is not specified: add --sampler {OR_SUMMARY}")
    if terms.draws_weak:
        findings.ask(DRAWN_WEAK)
        if "weak" in terms.unspecified:
            findings.skip(DRAWN_WEAK, no_weak)
    if terms.draws_shown:
        _ask_of_impressions(findings, terms)
    if log.n_excluded:
        findings.ask(EXCLUDED)
    for name in (CATALOG, *([] if terms.per_user else [OWN]), DISTINCT, COUNTS):
        findings.ask(name)
    if terms.windowed:
        findings.ask(WITHIN)
        if terms.levels:
            findings.skip(WITHIN, "weak items stand in the place of positives, whose time and kind it is")
    ungrouped = terms.is_train and terms.shuffled and terms.layout == "pointwise"
    if terms.distinct is None:
        findings.skip(DISTINCT, f"whether they differ is not specified: add --distinct {OR_SUMMARY}")
    elif not terms.distinct:
        findings.skip(DISTINCT, "they may repeat")
    if ungrouped:
        for name in (*([] if terms.per_user else [OWN]), *([WITHIN] if terms.windowed else [])):
            findings.skip(name, "rows are in no order: which negative is beside which positive is not known")
        if terms.distinct:
            findings.skip(DISTINCT, "rows are in no order")
        for name in (*([KEPT] if terms.kept else []), *([HISTORY] if terms.history is not None else [])):
            findings.ask(name).note = "beside positives: which negative is beside which is not known"
    apart = terms.heads_repeat or (terms.shuffled and terms.is_train)
    if terms.distinct and terms.layout == "pairwise" and apart:
        findings.skip(DISTINCT, "the pairs of one positive are not side by side")


def _ask_of_impressions(findings: Findings, terms: Promise) -> None:
    """Register the checks of draws from impressions."""
    for name in (DRAWN_SHOWN, FELL_BACK):
        findings.ask(name)
    if terms.is_train and terms.shuffled and terms.layout == "pointwise":
        findings.ask(DRAWN_SHOWN).note = "to their user: which negative is beside which positive is not known"
        findings.skip(FELL_BACK, "rows are in no order: which negative is beside which positive is not known")
    if terms.windowed:
        findings.skip(FELL_BACK, "what is left of an impression depends on the restriction")
    if not set(terms.samplers) <= {"impression", "uniform"}:
        findings.skip(FELL_BACK, "another sampler may have had nothing to draw")
    if terms.distinct is not False and terms.is_train and terms.shuffled and terms.layout == "pairwise":
        findings.skip(FELL_BACK, "the pairs of one positive are not side by side")
