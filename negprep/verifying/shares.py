"""Whether the samplers of a mixture have drawn as often as they must."""

from __future__ import annotations

import numpy as np

from negprep.verifying.drawn import CHOICES, choice_of
from negprep.verifying.findings import Findings
from negprep.verifying.gamma import chi_square_tail
from negprep.verifying.names import SHARES
from negprep.verifying.tallies import Totals
from negprep.verifying.terms import Terms
from negprep.verifying.usual import TOLD
from negprep.verifying.verdict import Verdict

_FEWEST = 5


class Shares:
    """Adds up, range by range, what the samplers drew for users for whom each has something: nothing falls back there.

    Parameters
    ----------
    terms : Terms
    totals : Totals
    findings : Findings
    """

    def __init__(self, terms: Terms, totals: Totals, findings: Findings) -> None:
        self._terms, self._totals, self._findings = terms, totals, findings
        wanted = dict.fromkeys(totals.drawn, 0.0)
        for name, share in zip(terms.samplers, terms.shares, strict=True):
            wanted[CHOICES[choice_of(name)]] += share / sum(terms.shares)
        self._used = [name for name, share in wanted.items() if share > 0]
        self._shares = np.array([wanted[name] for name in self._used])
        self._found = np.zeros(len(self._used), np.int64)

    def add(self, verdict: Verdict) -> None:
        """Take the next users."""
        terms, supply, findings = self._terms, verdict.supply, self._findings
        if len(terms.samplers) < 2:
            return
        if "sampler" in terms.unsaid:
            findings.skip(SHARES, f"the shares are not known, unless --sampler {TOLD} says it")
            return
        if not self._totals.source_counts:
            findings.skip(SHARES, "no column says which sampler drew")
            return
        popular = "popularity" in terms.samplers
        if terms.distinct or terms.restricted or supply is None or (popular and supply.weights is None):
            findings.skip(SHARES, "what falls back is not known")
            return
        whole = supply.eligible > 0
        if terms.draws_weak:
            whole &= supply.weak.counts > 0
        if popular and supply.weights is not None:
            heavy = supply.weights > 0
            taken = np.bincount(supply.avoided.users[heavy[supply.avoided.items]], minlength=len(whole))
            whole &= int(heavy.sum()) > taken
        draws = np.array([verdict.tallies.drawn[name].draws[whole] for name in self._used])
        self._found += draws.sum(axis=1)
        if not terms.fixed:
            return
        wrong = np.flatnonzero((np.abs(draws - draws.sum(axis=0) * self._shares[:, None]) > 1e-6).any(axis=0))
        users = np.flatnonzero(whole)

        def describe(at: int) -> str:
            numbers = ", ".join(f"{number} {name}" for name, number in zip(self._used, draws[:, at], strict=True))
            return verdict.user(int(users[at]), f" has {numbers}")

        findings.found(SHARES, wrong, describe)

    def judge(self) -> None:
        """Make the check."""
        findings = self._findings
        if len(self._terms.samplers) < 2 or self._terms.fixed or findings.ask(SHARES).status == "not checked":
            return
        found, expected = self._found, self._found.sum() * self._shares
        if len(self._used) < 2 or expected.min() < _FEWEST:
            findings.skip(SHARES, "too few draws")
            return
        statistic = float(((found - expected) ** 2 / expected).sum())
        told = ", ".join(f"{name} {number / found.sum():.3f}" for name, number in zip(self._used, found, strict=True))
        note = f"{told}; chi-square {statistic:.1f}, {len(self._used) - 1} degrees of freedom"
        findings.chance(SHARES, chi_square_tail(statistic, len(self._used) - 1), note)
