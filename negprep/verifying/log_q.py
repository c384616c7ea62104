"""Whether the log q that a file states is that of its samplers, in a second pass over the rows."""

from __future__ import annotations

import numpy as np

from negprep.verifying.drawn import CHOICES, choice_of
from negprep.verifying.findings import Findings
from negprep.verifying.grouping import Block
from negprep.verifying.names import LOG_Q
from negprep.verifying.odds import Odds, owners_of
from negprep.verifying.pairs import Codes, Floats, Rows
from negprep.verifying.tallies import Totals
from negprep.verifying.terms import Terms
from negprep.verifying.verdict import Settled, Verdict

_APART = 1e-9
"""Of the probability itself, in proportion."""


def why_not(terms: Terms, totals: Totals, settled: Settled, *, known: bool) -> str | None:
    """Why it cannot be judged, if so; ``known`` says whether it is known which positives are held out."""
    if any(choice_of(name) == CHOICES.index("other") for name in terms.samplers):
        return f"what {' and '.join(terms.samplers)} draws depends on a model"
    if "popularity" in terms.samplers and settled.weights is None:
        return "add --weights FILE" if terms.weights else "the train positives are not known"
    if terms.restricted and terms.layout == "pointwise" and terms.is_train and terms.shuffled:
        return "rows are in no order: which negative is beside which positive is not known"
    if terms.draws_weak and not totals.source_counts:
        return "no column says which sampler drew"
    return None if known else "which positives are held out is not known, and so not what can be drawn"


def judge_open(terms: Terms, totals: Totals, settled: Settled, findings: Findings, compared: int) -> None:
    """Say of how many users nothing could be compared; ``compared`` is of how many rows it was."""
    n_open = int((settled.open_users & (totals.negatives_of > 0)).sum()) if terms.is_train else 0
    if n_open:
        note = f"of {n_open} users it is not known which positives are held out"
        if not compared:
            findings.skip(LOG_Q, note)
        findings.ask(LOG_Q).note = f"{note}: their rows are left out"


class LogQ:
    """Compares what is stated with what is right, block by block, of a range of users.

    Parameters
    ----------
    verdict : Verdict
        Of the range.

    Attributes
    ----------
    compared : int
        How many values.
    """

    def __init__(self, verdict: Verdict) -> None:
        self._verdict, self._truth, self._terms = verdict, verdict.truth, verdict.terms
        self._units, self.compared = verdict.settled.units, 0
        if verdict.supply is None:
            raise ValueError("it is not known which positives are held out")
        self._owners = owners_of(self._truth, self._terms, verdict.supply, self._units)
        everybody = np.arange(0 if self._terms.restricted else len(self._truth.users))
        self._of_users = self._odds(everybody)

    def _odds(self, owners: Rows) -> Odds:
        return Odds.of(self._terms, self._owners.points(owners))

    def take(self, block: Block, sources: list[str]) -> None:
        """Check a block."""
        if block.log_q is None:
            return
        weak = None
        if self._terms.draws_weak and block.sources is not None:
            weak = np.array([*(source == "weak" for source in sources), False])[block.sources]
        if self._terms.restricted:
            keys = block.heads * np.int64(len(self._truth.items)) + block.head_items
            keys[(block.heads < 0) | (block.head_items < 0)] = -1
            places = self._truth.positives.find(keys)
            odds, of_heads = self._odds(places.clip(0)), np.where(places >= 0, np.arange(len(places)), -1)
            groups = block.groups if block.groups is not None else np.full(len(block.items), -1)
            of_negatives = np.where(groups >= 0, of_heads.take(groups, mode="clip"), -1) if len(places) else groups
        else:
            odds = self._of_users
            of_heads, of_negatives = block.heads.astype(np.int64), block.users.astype(np.int64)
        if self._terms.is_train and self._verdict.open_users.any():
            of_heads = np.where(self._verdict.open_users[block.heads.clip(0)], -1, of_heads)
            of_negatives = np.where(self._verdict.open_users[block.users.clip(0)], -1, of_negatives)
        known = np.flatnonzero((of_negatives >= 0) & (block.items >= 0))
        part = slice(None) if len(known) == len(block.items) else known
        units = None if self._units is None else self._units[block.items[part]]
        right = odds.of_negatives(of_negatives[part], units, None if weak is None else weak[part])
        self._compare(block.log_q[part], right, block.negative_rows[part], block.users[part], block.items[part])
        if block.head_log_q is not None:
            self._positives(block, odds, of_heads)

    def _positives(self, block: Block, odds: Odds, of_heads: Rows) -> None:
        stated, users, items, rows = block.head_log_q, block.heads, block.head_items, block.head_rows
        if stated is None:
            return
        if self._terms.layout == "pairwise" and block.groups is not None:
            of_heads, rows = of_heads[block.groups], block.negative_rows
            users, items = users[block.groups], items[block.groups]
        known = np.flatnonzero((of_heads >= 0) & (items >= 0))
        at, users, items = of_heads[known], users[known], items[known]
        right = odds.at(at).of_positives(None if self._units is None else self._units[items])
        self._compare(stated[known], right, rows[known], users, items)

    def _compare(self, stated: Floats, right: Floats, rows: Rows, users: Codes, items: Codes) -> None:
        with np.errstate(invalid="ignore"):  # infinity less infinity
            good = (np.abs(stated - right) <= _APART) | (stated == right)
        self.compared += len(stated)
        wrong = np.flatnonzero(~good)
        self._verdict.findings.found(
            LOG_Q,
            wrong,
            lambda at: self._verdict.sweep.name(
                int(rows[at]), users[at], items[at], f": {stated[at]:.12g}, not {right[at]:.12g}"
            ),
            rows=rows[wrong],
        )
