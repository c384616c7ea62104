"""After the sweep: what only the whole file can have wrong, such as a positive that is missing."""

from __future__ import annotations

from functools import cached_property

import numpy as np
import numpy.typing as npt

from negprep.verifying.holdouts import Expected, Mask, expected, per_user
from negprep.verifying.names import METADATA, SEEN
from negprep.verifying.supply import Supply, supply_of
from negprep.verifying.sweep import Sweep


class Verdict:
    """Judges a file that was swept.

    Attributes
    ----------
    held : bool, shape (n_positives,), or None
        Which positives are held out of training, as far as the file or the rule settles it.
    open_users : bool, shape (n_users,)
        Of whom the file and the rule do not settle which positives are held out.
    weights : float64, shape (n_items,), or None
        Of popularity, as far as known.
    """

    def __init__(self, sweep: Sweep, given_weights: npt.NDArray[np.float64] | None) -> None:
        self.sweep, self.truth, self.terms, self.findings = sweep, sweep.truth, sweep.terms, sweep.findings
        self.tallies = sweep.tallies
        self.present: Mask = self.tallies.present > 0
        self.expected: Expected | None = None
        if self.terms.rule is not None:
            with_valid = self.terms.with_valid
            self.expected = expected(self.truth, self.terms.rule, self.terms.part, with_valid=with_valid)
        self.open_users: Mask = np.zeros(len(self.truth.users), bool)
        self.held, self._surely_held = self._held()
        self.weights = given_weights if self.terms.weights else self._popularity()

    def _held(self) -> tuple[Mask | None, bool]:
        """Which positives are out of train, None if chance hides it; and whether that is surely all of them."""
        terms, positives = self.terms, self.truth.positives
        if self.expected is None or terms.rule is None:
            return (~self.present if terms.is_train else self.present), not terms.with_valid
        if not terms.is_train and terms.with_valid:
            of_both = expected(self.truth, terms.rule, "train", with_valid=True)
            return (of_both.may if of_both.settled(positives) else None), True
        # A user without a row, or a positive for which nothing could be drawn, tells nothing: there the rule decides.
        nowhere = (per_user(positives, self.present) == 0)[positives.users]
        held = ~self.present if terms.is_train else self.present | nowhere
        held &= self.expected.may if terms.is_train else self.expected.may | ~nowhere
        self.open_users = per_user(positives, held) != self.expected.sizes
        if terms.heads_repeat:
            return (None if self.open_users.any() else held), True
        return held, not self.open_users.any()

    def _popularity(self) -> npt.NDArray[np.float64] | None:
        if "popularity" not in self.terms.samplers or self.held is None or not self._surely_held:
            return None
        items = self.truth.positives.items[~self.held]
        counts = np.bincount(items, minlength=len(self.truth.items)) + self.terms.smooth
        weights = np.zeros(len(counts))
        weights[counts > 0] = counts[counts > 0] ** self.terms.alpha
        return weights

    @cached_property
    def supply(self) -> Supply | None:
        """What can be drawn; None where it is not known which positives are held out."""
        positives = self.truth.positives
        if self.terms.is_train:
            if self.held is None:
                return None
            positives = positives.where(~self.held)
        return supply_of(self.truth, self.terms, positives, self.weights)

    @cached_property
    def least(self) -> Supply:
        """What can be drawn in any case: of positives that are not there, it is not known which are held out."""
        weights = self._some_weights() if self.weights is None else self.weights
        return supply_of(self.truth, self.terms, self.truth.positives, weights)

    def _some_weights(self) -> npt.NDArray[np.float64] | None:
        """One for items that popularity draws whichever positives are held out, else 0; None where it does not draw."""
        if "popularity" not in self.terms.samplers:
            return None
        sure = self.present if self.terms.is_train else np.zeros(len(self.truth.positives), bool)
        if self.expected is not None and self.terms.rule is not None:
            with_valid = self.terms.with_valid
            sure = sure | ~expected(self.truth, self.terms.rule, "train", with_valid=with_valid).may
        counts = np.bincount(self.truth.positives.items[sure], minlength=len(self.truth.items))
        return np.where(counts + self.terms.smooth > 0, 0.0 if self.terms.weights else 1.0, 0.0)

    def judge(self) -> None:
        """Check the metadata, and the positives of the log that were drawn in train."""
        self._metadata()
        self._hits()

    def example(self, place: int, note: str) -> str:
        """A positive of the log, for a person."""
        pairs = self.truth.positives
        user, item = self.truth.users.name(pairs.users[place]), self.truth.items.name(pairs.items[place])
        return f"{self.sweep.prepared.name}: user {user}, item {item}{note}"

    def at_first(self, place: int, note: str = "") -> str:
        """The same, with its first row."""
        pairs, sweep = self.truth.positives, self.sweep
        return sweep.name(int(self.tallies.first_rows[place]), pairs.users[place], pairs.items[place], note)

    def user(self, user: int, note: str) -> str:
        """A user, for a person."""
        return f"{self.sweep.prepared.name}: user {self.truth.users.name(user)}{note}"

    def _metadata(self) -> None:
        counts, truth = self.terms.counts, self.truth
        if not self.terms.says_itself:
            return
        found = {
            "rows": (self.tallies.rows, "of the file"),
            "negatives": (self.tallies.negatives, "of the file"),
            "users": (int(truth.known_users.sum()), "of the log"),
            "catalog_items": (int(truth.catalog.sum()), "of the log"),
            "positives": (len(truth.positives), "of the log"),
            "weak": (len(truth.weak), "of the log"),
            "excluded_pairs": (truth.n_excluded, "of --exclude"),
        }
        kind = self.sweep.prepared.shape.kind
        lists = kind in ("ncf negatives", "lightgcn")  # which have no place for the sources
        for source, number in () if lists else (counts.get("sources") or {}).items():
            found[f"{source} draws"] = (self.tallies.source_counts.get(source, 0), "of the file")
            counts = counts | {f"{source} draws": number}
        if kind not in ("negprep", "text"):  # one of the files of a run
            del found["rows"]
        if self.terms.layout == "positives":
            found = {name: told for name, told in found.items() if told[1] != "of the file"}
        wrong = [name for name, (number, _) in found.items() if counts.get(name) != number]
        self.findings.found(
            METADATA,
            range(len(wrong)),
            lambda at: (
                f"{self.sweep.prepared.name}: {wrong[at]} {counts.get(wrong[at])} in the metadata, "
                f"{found[wrong[at]][0]} {found[wrong[at]][1]}: is the log, or a file beside it, another one?"
            ),
        )

    def _hits(self) -> None:
        """Positives of the log among the negatives of train: wrong unless they are held out."""
        hits = self.tallies.hits
        if hits is None:
            return
        wrong = (hits > 0) & self.present
        if self.terms.heads_repeat and self.expected is not None:
            wrong = (hits > 0) & ~self.expected.may
        if self.terms.heads_repeat:
            wrong |= (hits > 0) & self.present
        places = np.flatnonzero(wrong)
        pairs, sweep = self.truth.positives, self.sweep
        self.findings.found(
            SEEN,
            places[np.argsort(self.tallies.first_hits[places], kind="stable")],
            lambda place: sweep.name(int(self.tallies.first_hits[place]), pairs.users[place], pairs.items[place]),
            int(hits[places].sum()),
        )
        allowed = int(hits.sum() - hits[places].sum())
        if allowed and self.findings.ask(SEEN).status == "passed":
            self.findings.ask(SEEN).note = f"{allowed:,} are held out, which training must not know"
