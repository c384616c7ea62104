"""A prepared file checked against its log, a range of users after the other."""

from __future__ import annotations

from collections.abc import Iterator
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
from negprep.verifying.group_sizes import GroupSizes, heads_due, judge_sizes
from negprep.verifying.grouping import Block
from negprep.verifying.metadata import judge_metadata
from negprep.verifying.names import SEEN
from negprep.verifying.pairs import Rows
from negprep.verifying.row_parts import RowParts
from negprep.verifying.shares import Shares
from negprep.verifying.shelf import Laid, Shelf
from negprep.verifying.supply import WINDOW_WORK, WINDOWS
from negprep.verifying.sweep import Sweep, ask
from negprep.verifying.tallies import Tallies, Totals
from negprep.verifying.terms import Terms
from negprep.verifying.truth import Truth
from negprep.verifying.truths import Truths
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
        self._settled = Settled(windows=windows, windows_of_lost=windows)

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
        shares = Shares(self.terms, self.totals, self.findings)
        evidence = Evidence(self.truths, self.terms, self.totals, self.findings, self._shelf)
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
            judge_sizes(self.terms, self.totals, self._settled, self.findings, self.prepared.name)
            shares.judge()
            judge_draws(evidence)

    def led(self, at: int) -> Led:
        """What leads rows, of a range by its number."""
        tallies = self._tallies_of(at)
        return Led(self.truths.of_range(at), tallies.present > 0, tallies.first_rows)

    def _sweep(self) -> None:
        blocks, ranges = Blocks(self.prepared, self.truths.frame, self.terms), self.truths.ranges
        if len(ranges) == 1:
            self._sweep_range(0, self._seen(blocks), blocks.sources)
            return
        parts = RowParts(ranges, self._shelf, self._kept_bytes)
        for block in self._seen(blocks):
            parts.add(block)
        parts.lay_aside()
        for at in range(len(ranges)):
            self._sweep_range(at, parts.of_range(at), blocks.sources)

    def _seen(self, blocks: Blocks) -> Iterator[Block]:
        for block in blocks:
            self.totals.see(block, self.terms.layout)
            yield block

    def _sweep_range(self, at: int, blocks: Iterator[Block], sources: list[str]) -> None:
        truth = self.truths.of_range(at)
        tallies = Tallies(self.totals, truth.users.first, truth, self.terms)
        Sweep(self.prepared, truth, self.terms, self.findings, tallies).run(blocks, sources)
        self._tallies.append(self._shelf.put(tallies.laid()) if self._shelf.spilled else tallies)

    def _refuse_strange(self) -> None:
        if not self.totals.rows and not self.terms.says_itself:
            raise BadDataError("no rows", place=self.prepared.name, remedy="is it the right file?")
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
        popular = "popularity" in terms.samplers and not terms.weights
        counts = np.zeros(len(self.truths.frame.items), np.int64)
        for verdict in self._all_verdicts():
            settled.closed &= verdict.closed
            settled.heads += int(heads_due(verdict).sum())
            numbers = np.bincount(verdict.tallies.present[verdict.present], minlength=len(settled.numbers))
            numbers[: len(settled.numbers)] += settled.numbers
            settled.numbers = numbers
            if popular:
                counts += np.bincount(verdict.truth.positives.items[~verdict.held_here], minlength=len(counts))
        if terms.weights:
            settled.weights = given_weights
        elif popular and holdouts_known(terms, settled) and holdouts_certain(terms, settled):
            smoothed = counts + terms.smooth
            settled.weights = np.zeros(len(counts))
            settled.weights[smoothed > 0] = smoothed[smoothed > 0] ** terms.alpha

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
