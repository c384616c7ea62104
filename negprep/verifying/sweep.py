"""One pass over the rows of a file."""

from __future__ import annotations

from negprep.prepared import Prepared
from negprep.verifying.blocks import Blocks
from negprep.verifying.findings import Findings
from negprep.verifying.heads import Heads
from negprep.verifying.names import (
    CATALOG,
    COUNTS,
    DISTINCT,
    DRAWN_WEAK,
    EXCLUDED,
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
from negprep.verifying.tallies import Tallies
from negprep.verifying.terms import Terms
from negprep.verifying.truth import Truth


class Sweep:
    """Goes over the rows of a file once: finds what a row or a group alone can have wrong, and counts for all else.

    Attributes
    ----------
    prepared : Prepared
    truth : Truth
    terms : Terms
    findings : Findings
    tallies : Tallies
    weak : PairSet
        What the sampler weak may draw.
    """

    def __init__(self, prepared: Prepared, truth: Truth, terms: Terms, findings: Findings) -> None:
        self.prepared, self.truth, self.terms, self.findings = prepared, truth, terms, findings
        self.tallies = Tallies(truth, terms)
        self.weak = truth.weak.without(truth.excluded)
        self._ask()

    def run(self) -> None:
        """Go over all rows."""
        blocks, heads, negatives = Blocks(self.prepared, self.truth, self.terms), Heads(self), Negatives(self)
        for block in blocks:
            self.tallies.rows += block.rows
            places = heads.take(block)
            if self.terms.layout != "positives":
                negatives.take(block, places, blocks.sources)
        heads.finish()

    def name(self, row: int, user: int, item: int, note: str = "") -> str:
        """A row, for a person."""
        truth = self.truth
        return f"{self.prepared.place(row)}: user {truth.users.name(user)}, item {truth.items.name(item)}{note}"

    def _ask(self) -> None:
        """In the order in which the checks are told."""
        terms, ask = self.terms, self.findings.ask
        for name in (USERS, POSITIVES):
            ask(name)
        if terms.layout == "pointwise":
            ask(LABELS)
        if terms.layout != "pairwise" and not terms.heads_repeat:
            ask(ONCE)
        if terms.layout == "positives":
            return
        ask(SEEN)
        if len(self.truth.weak):
            ask(WEAK)
        if terms.draws_weak:
            ask(DRAWN_WEAK)
        if len(self.truth.excluded):
            ask(EXCLUDED)
        for name in (CATALOG, OWN, DISTINCT, COUNTS):
            ask(name)
        if terms.restricted:
            ask(WITHIN)
            if terms.levels:
                self.findings.skip(WITHIN, "weak items stand in the place of positives, whose time and kind it is")
        ungrouped = terms.is_train and terms.shuffled and terms.layout == "pointwise"
        if not terms.distinct:
            self.findings.skip(DISTINCT, "they may repeat")
        if ungrouped:
            for name in (OWN, *([WITHIN] if terms.restricted else [])):
                self.findings.skip(name, "rows are in no order: which negative is beside which positive is not known")
            if terms.distinct:
                self.findings.skip(DISTINCT, "rows are in no order")
        apart = terms.heads_repeat or (terms.shuffled and terms.is_train)
        if terms.distinct and terms.layout == "pairwise" and apart:
            self.findings.skip(DISTINCT, "the pairs of one positive are not side by side")
