"""A prepared file checked against its log, a range of users after the other."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from negprep.errors import BadDataError
from negprep.prepared import Prepared
from negprep.verifying.belonging import Belonging
from negprep.verifying.blocks import Blocks
from negprep.verifying.draws import judge_draws
from negprep.verifying.evidence import Evidence
from negprep.verifying.findings import Findings
from negprep.verifying.group_sizes import GroupSizes, judge_sizes, settle_number
from negprep.verifying.grouping import Block
from negprep.verifying.log_q import LogQ, judge_open, why_not
from negprep.verifying.metadata import judge_metadata
from negprep.verifying.names import CATALOG, ITEMS, LOG_Q, SEEN
from negprep.verifying.pairs import Rows
from negprep.verifying.row_parts import RowParts
from negprep.verifying.shares import Shares
from negprep.verifying.shelf import Laid, Shelf
from negprep.verifying.stated import NOTHING, StatedColumns
from negprep.verifying.supply import WINDOW_WORK, WINDOWS
from negprep.verifying.sweep import Sweep, ask
from negprep.verifying.tallies import Tallies, Totals
from negprep.verifying.terms import Terms
from negprep.verifying.truth import Truth
from negprep.verifying.truths import Truths
from negprep.verifying.units import units_of_counts, units_of_weights
from negprep.verifying.unsaid import doubt_unsaid
from negprep.verifying.verdict import Settled, Verdict, holdouts_certain, holdouts_known


@dataclass(frozen=True, eq=False)
class Led:
    """Which positives of a range of users lead rows, and where first.

    Attributes
    ----------
    truth : Truth
    present : bool, shape (n_positives,)
    first_rows : int64, shape (n_positives,)
    """

    truth: Truth
    present: npt.NDArray[np.bool_]
    first_rows: Rows


class Checked:
    """A file, and what was found in it.

    Parameters
    ----------
    prepared : Prepared
    truths : Truths
    terms : Terms
    findings : Findings
    shelf : Shelf
        Where what was counted is laid aside.
    kept_bytes : int
        Of rows that are gathered before they are laid aside.

    Attributes
    ----------
    totals : Totals
    """

    def __init__(
        self, prepared: Prepared, truths: Truths, terms: Terms, findings: Findings, shelf: Shelf, kept_bytes: int
    ) -> None:
        self.prepared, self.truths, self.terms, self.findings = prepared, truths, terms, findings
        self._shelf, self._kept_bytes = shelf, kept_bytes
        self.totals = Totals(len(truths.frame.users), len(truths.frame.items), terms)
        self._tallies: list[Tallies | Laid] = []
        self._verdicts: dict[int, Verdict] = {}
        windows = min(WINDOWS, WINDOW_WORK // max(1, len(truths.frame.items)))
        self._settled = Settled(windows=windows, windows_of_lost=windows, windows_of_unsure=windows)
        self._settled.open_users = np.zeros(len(truths.frame.users), bool)

    def check(self, given_weights: npt.NDArray[np.float64] | None) -> None:
        """Make all checks of the file.

        Parameters
        ----------
        given_weights : float64, shape (n_items,), or None
            Of popularity, where they come from a file.

        Raises
        ------
        BadDataError
            It has no rows, or other users than the log.
        """
        ask(self.findings, self.terms, self.truths)
        self._sweep()
        self._refuse_strange()
        self._settle(given_weights)
        judge_metadata(self.prepared, self.truths, self.terms, self.totals, self.findings)
        if "num_neg" in self.terms.unsaid and self.terms.layout != "positives":
            for verdict in self._all_verdicts():
                GroupSizes(verdict).count_usual()
            settle_number(self.terms, self.totals, self._settled)
        shares = Shares(self.terms, self.totals, self.findings)
        evidence = Evidence(self.truths, self.terms, self.totals, self._settled, self.findings, self._shelf)
        for verdict in self._all_verdicts():
            verdict.judge_hits()
            if self.terms.layout != "positives":
                GroupSizes(verdict).judge()
            Belonging(verdict).judge()
            if self.terms.layout != "positives":
                shares.add(verdict)
                evidence.add(verdict)
        if self._settled.hits and self.findings.ask(SEEN).status == "passed":
            self.findings.ask(SEEN).note = f"{self._settled.hits:,} are held out, which training must not know"
        if self.terms.layout != "positives":
            self._count_again()
            judge_sizes(self.terms, self.totals, self._settled, self.findings, self.prepared.name)
            shares.judge()
            self._judge_log_q(known=evidence.known)
            judge_draws(evidence, self._all_verdicts)
        doubt_unsaid(evidence)
        listed = self.terms.layout != "positives" and self.findings.ask(CATALOG).status == "passed"
        if listed and self.findings.ask(ITEMS).status == "failed":
            self.findings.ask(CATALOG).note = "those that are known"

    def led(self, at: int) -> Led:
        """What leads rows, of a range by its number."""
        tallies = self._tallies_of(at)
        return Led(self.truths.of_range(at), tallies.present > 0, tallies.first_rows)

    def _sweep(self) -> None:
        for at, blocks, sources in self._by_range(NOTHING, self._seen):
            truth = self.truths.of_range(at)
            tallies = Tallies(self.totals, truth.users.first, truth, self.terms)
            Sweep(self.prepared, truth, self.terms, self.findings, tallies).run(blocks, sources)
            self._tallies.append(self._shelf.put(tallies.laid()) if self._shelf.spilled else tallies)

    def _count_again(self) -> None:
        """Leave out of what was drawn in train the positives that must not be, in another pass over the rows."""
        if self.findings.ask(SEEN).status != "failed" or not self.terms.is_train:
            return
        self.totals.forget_draws()
        for at, blocks, sources in self._by_range(NOTHING, iter):
            verdict = self._verdict(at)
            verdict.tallies.forget_draws()
            verdict.sweep.count_again(blocks, sources, verdict.wrong_hits())
            if self._shelf.spilled:
                self._tallies[at] = self._shelf.put(verdict.tallies.laid())

    def _by_range(
        self, stated: StatedColumns, see: Callable[[Blocks], Iterable[Block]]
    ) -> Iterator[tuple[int, Iterable[Block], list[str]]]:
        """The rows of each range of users, and the names of the sources."""
        blocks, ranges = Blocks(self.prepared, self.truths.frame, self.terms, stated), self.truths.ranges
        if len(ranges) == 1:
            yield 0, see(blocks), blocks.sources
            return
        parts = RowParts(ranges, self._shelf, self._kept_bytes)
        for block in see(blocks):
            parts.add(block)
        parts.lay_aside()
        for at in range(len(ranges)):
            yield at, parts.of_range(at), blocks.sources

    def _judge_log_q(self, *, known: bool) -> None:
        """In a second pass over the rows, of a file that has a column for it."""
        stated = StatedColumns.of(self.prepared)
        if stated.negatives is None:
            return
        reason = why_not(self.terms, self.totals, self._settled, known=known)
        if reason is not None:
            self.findings.skip(LOG_Q, reason)
            return
        self.findings.ask(LOG_Q)
        compared = 0
        for at, blocks, sources in self._by_range(stated, iter):
            check = LogQ(self._verdict(at))
            for block in blocks:
                check.take(block, sources)
            compared += check.compared
        judge_open(self.terms, self.totals, self._settled, self.findings, compared)

    def _seen(self, blocks: Blocks) -> Iterator[Block]:
        for block in blocks:
            self.totals.see(block, self.terms.layout)
            yield block

    def _refuse_strange(self) -> None:
        if not self.totals.rows and not self.terms.says_itself:
            raise BadDataError("no rows", place=self.prepared.name, remedy="is it the right file?")
        if self.totals.rows and self.terms.layout != "positives" and not self.terms.says_itself:
            for number, noun in ((self.totals.heads, "positive"), (self.totals.negatives, "negative")):
                if not number:
                    what = f"no {noun} in {self.totals.rows:,} rows: there is nothing to check"
                    remedy = f"is it the right file, and are its {noun}s where they should be?"
                    raise BadDataError(what, place=self.prepared.name, remedy=remedy)
        if self.totals.rows and not self.totals.known_users:
            shown = self.truths.frame.users.name(0)
            raise BadDataError(
                f"no user of the file is in the log, which has users like {shown}",
                place=self.prepared.name,
                remedy="is it the log that the file was made of, and the right --user-col?",
            )

    def _settle(self, given_weights: npt.NDArray[np.float64] | None) -> None:
        """Find out what all ranges together tell."""
        terms, settled = self.terms, self._settled
        settled.taken = self.totals.num_neg or 0
        popular, n_items = "popularity" in terms.samplers, len(self.truths.frame.items)
        counts, sure = np.zeros(n_items, np.int64), np.zeros(n_items, np.int64)
        for verdict in self._all_verdicts():
            settled.closed &= verdict.closed
            settled.any_exceptions |= bool(verdict.tallies.exceptions.size)
            first = verdict.truth.users.first
            settled.open_users[first : first + len(verdict.open_users)] = verdict.open_users
            if popular:
                counts += np.bincount(verdict.truth.positives.items[~verdict.held_here], minlength=n_items)
                sure += verdict.surely_train()
        inside = np.flatnonzero(self.truths.catalog)
        if terms.weights:
            settled.weights = given_weights
            if given_weights is not None:
                settled.units = units_of_weights(given_weights, inside)
        elif popular and holdouts_known(terms, settled) and holdouts_certain(terms, settled):
            smoothed = counts + terms.smooth
            settled.weights = np.zeros(n_items)
            settled.weights[smoothed > 0] = smoothed[smoothed > 0] ** terms.alpha
            settled.units = units_of_counts(counts, inside, terms.alpha, terms.smooth)
        if popular:
            settled.some_weights = np.where(sure + terms.smooth > 0, 0.0 if terms.weights else 1.0, 0.0)

    def _all_verdicts(self) -> Iterator[Verdict]:
        return (self._verdict(at) for at in range(len(self.truths.ranges)))

    def _verdict(self, at: int) -> Verdict:
        if at in self._verdicts:
            return self._verdicts[at]
        truth = self.truths.of_range(at)
        sweep = Sweep(self.prepared, truth, self.terms, self.findings, self._tallies_of(at))
        verdict = Verdict(sweep, self._settled)
        if not self._shelf.spilled:
            self._verdicts[at] = verdict
        return verdict

    def _tallies_of(self, at: int) -> Tallies:
        kept = self._tallies[at]
        if isinstance(kept, Tallies):
            return kept
        truth = self.truths.of_range(at)
        tallies = Tallies(self.totals, truth.users.first, truth, self.terms)
        tallies.take_back(self._shelf.get(kept))
        return tallies
