"""What nobody said of a file is taken for the usual; where the file is not so, that is a doubt and no fault."""

from __future__ import annotations

import numpy as np

from negprep.verifying.evidence import Evidence
from negprep.verifying.names import (
    ABSENT,
    COUNTS,
    DISTINCT,
    DRAWN_WEAK,
    HOLDOUTS,
    ITEMS,
    LOG_Q,
    MISSING,
    POSITIVES,
    WEAK,
)
from negprep.verifying.usual import TOLD


def doubt_unsaid(evidence: Evidence) -> None:
    """Make doubts of the faults against what was taken for granted, and say how to tell what is so.

    Parameters
    ----------
    evidence : Evidence
        Of a file, all checks made. Its ``terms.unsaid`` names what was taken for granted.
    """
    terms, findings = evidence.terms, evidence.findings
    if terms.says_itself:
        return
    reasons: dict[str, dict[str, str]] = {
        "weak": {DRAWN_WEAK: "what is weak is not known, unless --positive, --weak"},
        "sampler": {LOG_Q: "uniform draws are taken for granted, unless --sampler"},
        "distinct": {},
    }
    if terms.is_train:
        reasons["sampler"][WEAK] = "uniform draws are taken for granted, unless --sampler"
    if terms.levels and not terms.truth.weak:
        reasons["weak"][POSITIVES] = "the first of a pair may be weak, unless --weak"
    if terms.layout != "positives" and "distinct" in terms.unsaid and _may_repeat(evidence):
        reasons["distinct"][DISTINCT] = "they repeat as often as independent draws do, unless --distinct"
    taken = " and ".join(terms.samplers)
    for name in [check.name for check in findings if " draws by " in check.name]:
        reasons["sampler"][name] = f"{taken} is taken for granted, unless --sampler"
    reasons["sampler"][LOG_Q] = f"{taken} is taken for granted, without a restriction, unless --sampler"
    for what, of_checks in reasons.items():
        for name, reason in of_checks.items() if what in terms.unsaid else ():
            findings.doubt(name, f"{reason} {TOLD} says it")
    if "items" in terms.unsaid:
        findings.remark(ITEMS, f"if the catalog has more items than the log, --items {TOLD} says it")
    for name in (ABSENT, MISSING, HOLDOUTS):
        findings.remark(name, "if a run left some out (--min-positives, --core, --on-short), --made-by says it")


def _may_repeat(evidence: Evidence) -> bool:
    """Whether negatives repeat about as often as where nothing hinders it: then it is by intent.

    Of k independent uniform draws from m items, k - m (1 - (1 - 1/m)^k) are expected to repeat an earlier one.
    """
    num_neg = evidence.totals.num_neg
    if not evidence.known or not num_neg or evidence.findings.ask(COUNTS).status != "passed":
        return True
    sizes = np.maximum(evidence.sizes, 1)
    groups = evidence.totals.negatives_of / num_neg
    expected = float((groups * (num_neg - sizes * (1 - (1 - 1 / sizes) ** num_neg))).sum())
    return evidence.findings.ask(DISTINCT).count > expected / 2
