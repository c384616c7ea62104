"""One pass over the rows of a file, or of a range of users."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cached_property

import numpy as np
import numpy.typing as npt

from negprep.prepared import Prepared
from negprep.verifying.findings import Findings
from negprep.verifying.grouping import Block
from negprep.verifying.heads import Heads
from negprep.verifying.names import (
    CATALOG,
    COUNTS,
    DISTINCT,
    DRAWN_WEAK,
    EXCLUDED,
    ITEMS,
    LABELS,
    ONCE,
    OWN,
    POSITIVES,
    SEEN,
    USERS,
    WEAK,
    WITHIN,
)
from negprep.verifying.negatives import Negatives
from negprep.verifying.pairs import PairSet, Rows
from negprep.verifying.tallies import Tallies
from negprep.verifying.terms import Terms
from negprep.verifying.truth import Truth
from negprep.verifying.truths import Truths


class Sweep:
    """Goes over the rows of a range of users once: finds what a row or a group can have wrong, counts for all else.

    Attributes
    ----------
    prepared : Prepared
    truth : Truth
        Of the range.
    terms : Terms
    findings : Findings
    tallies : Tallies
    """

    def __init__(self, prepared: Prepared, truth: Truth, terms: Terms, findings: Findings, tallies: Tallies) -> None:
        self.prepared, self.truth, self.terms, self.findings = prepared, truth, terms, findings
        self.tallies = tallies

    def count_again(self, blocks: Iterable[Block], sources: list[str], wrong_hits: npt.NDArray[np.bool_]) -> None:
        """Count the draws of all rows anew, now that it is known which positives must not be drawn.

        Parameters
        ----------
        blocks, sources
            As of ``run``.
        wrong_hits : bool, shape (n_positives,)
        """
        negatives = Negatives(self, wrong_hits)
        for block in blocks:
            negatives.take(block, self._places(block), sources)

    def _places(self, block: Block) -> Rows:
        """Where the positives of a block are among those of the log; below 0 for one that is none."""
        keys = block.heads * np.int64(len(self.truth.items)) + block.head_items
        keys[(block.heads < 0) | (block.head_items < 0)] = -1
        return self.truth.positives.find(keys)

    def run(self, blocks: Iterable[Block], sources: list[str]) -> None:
        """Go over all rows.

        Parameters
        ----------
        blocks : iterable of Block
        sources : list of str
            As ``Blocks.sources``.
        """
        heads, negatives = Heads(self), Negatives(self)
        for block in blocks:
            places = heads.take(block)
            if self.terms.layout != "positives":
                negatives.take(block, places, sources)
        heads.finish()

    @cached_property
    def weak(self) -> PairSet:
        """What the sampler weak may draw."""
        return self.truth.weak.without(self.truth.excluded)

    def user(self, row: int, user: int) -> str:
        """A row and its user, for a person."""
        return f"{self.prepared.place(row)}: user {self.truth.users.name(user)}"

    def name(self, row: int, user: int, item: int, note: str = "") -> str:
        """A row, for a person."""
        truth = self.truth
        return f"{self.prepared.place(row)}: user {truth.users.name(user)}, item {truth.items.name(item)}{note}"


def ask(findings: Findings, terms: Terms, truths: Truths) -> None:
    """Ask what a sweep answers, in the order in which the checks are told."""
    for name in (USERS, ITEMS, POSITIVES):
        findings.ask(name)
    if terms.layout == "pointwise":
        findings.ask(LABELS)
    if terms.layout != "pairwise" and not terms.heads_repeat:
        findings.ask(ONCE)
    if terms.layout == "positives":
        return
    findings.ask(SEEN)
    if truths.n_weak:
        findings.ask(WEAK)
    if terms.draws_weak:
        findings.ask(DRAWN_WEAK)
    if truths.n_excluded:
        findings.ask(EXCLUDED)
    for name in (CATALOG, OWN, DISTINCT, COUNTS):
        findings.ask(name)
    if terms.restricted:
        findings.ask(WITHIN)
        if terms.levels:
            findings.skip(WITHIN, "weak items stand in the place of positives, whose time and kind it is")
    ungrouped = terms.is_train and terms.shuffled and terms.layout == "pointwise"
    if not terms.distinct:
        findings.skip(DISTINCT, "they may repeat")
    if ungrouped:
        for name in (OWN, *([WITHIN] if terms.restricted else [])):
            findings.skip(name, "rows are in no order: which negative is beside which positive is not known")
        if terms.distinct:
            findings.skip(DISTINCT, "rows are in no order")
    apart = terms.heads_repeat or (terms.shuffled and terms.is_train)
    if terms.distinct and terms.layout == "pairwise" and apart:
        findings.skip(DISTINCT, "the pairs of one positive are not side by side")
