"""Whether the samplers of a mixture have drawn as often as they must."""

from __future__ import annotations

import numpy as np

from negprep.verifying.gamma import chi_square_tail
from negprep.verifying.names import SHARES
from negprep.verifying.tallies import CHOICES, choice_of
from negprep.verifying.usual import TOLD
from negprep.verifying.verdict import Verdict

_FEWEST = 5


def judge_shares(verdict: Verdict) -> None:
    """Make the check, of users for whom every sampler has something: nothing falls back there."""
    terms, supply, findings = verdict.terms, verdict.supply, verdict.findings
    if len(terms.samplers) < 2:
        return
    if "sampler" in terms.unsaid:
        findings.skip(SHARES, f"the shares are not known, unless --sampler {TOLD} says it")
        return
    if not verdict.tallies.source_counts:
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
    wanted = dict.fromkeys(verdict.tallies.drawn, 0.0)
    for name, share in zip(terms.samplers, terms.shares, strict=True):
        wanted[CHOICES[choice_of(name)]] += share / sum(terms.shares)
    used = [name for name, share in wanted.items() if share > 0]
    draws = np.array([verdict.tallies.drawn[name].draws[whole] for name in used])
    shares = np.array([wanted[name] for name in used])
    if terms.fixed:
        wrong = np.flatnonzero((np.abs(draws - draws.sum(axis=0) * shares[:, None]) > 1e-6).any(axis=0))
        users = np.flatnonzero(whole)

        def describe(at: int) -> str:
            numbers = ", ".join(f"{number} {name}" for name, number in zip(used, draws[:, at], strict=True))
            return verdict.user(int(users[at]), f" has {numbers}")

        findings.found(SHARES, wrong, describe)
        return
    found, expected = draws.sum(axis=1), draws.sum() * shares
    if len(used) < 2 or expected.min() < _FEWEST:
        findings.skip(SHARES, "too few draws")
        return
    statistic = float(((found - expected) ** 2 / expected).sum())
    told = ", ".join(f"{name} {number / found.sum():.3f}" for name, number in zip(used, found, strict=True))
    note = f"{told}; chi-square {statistic:.1f}, {len(used) - 1} degrees of freedom"
    findings.chance(SHARES, chi_square_tail(statistic, len(used) - 1), note)
