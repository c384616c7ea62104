"""Whether the numbers that the metadata of a file give are those of its rows and of the log."""

from __future__ import annotations

from negprep.prepared import Prepared
from negprep.verifying.findings import Findings
from negprep.verifying.names import METADATA
from negprep.verifying.tallies import Totals
from negprep.verifying.terms import Terms
from negprep.verifying.truths import Truths


def judge_metadata(prepared: Prepared, truths: Truths, terms: Terms, totals: Totals, findings: Findings) -> None:
    """Make the check."""
    counts = terms.counts
    if not terms.says_itself:
        return
    found = {
        "rows": (totals.rows, "of the file"),
        "negatives": (totals.negatives, "of the file"),
        "users": (int(truths.known_users.sum()), "of the log"),
        "catalog_items": (int(truths.catalog.sum()), "of the log"),
        "positives": (truths.n_positives, "of the log"),
        "weak": (truths.n_weak, "of the log"),
        "excluded_pairs": (truths.n_excluded_at_first, "of --exclude"),
    }
    kind = prepared.shape.kind
    lists = kind in ("ncf negatives", "lightgcn")  # which have no place for the sources
    for source, number in () if lists else (counts.get("sources") or {}).items():
        found[f"{source} draws"] = (totals.source_counts.get(source, 0), "of the file")
        counts = counts | {f"{source} draws": number}
    if kind not in ("negprep", "text"):  # one of the files of a run
        del found["rows"]
    if terms.layout == "positives":
        found = {name: told for name, told in found.items() if told[1] != "of the file"}
    wrong = [name for name, (number, _) in found.items() if counts.get(name) != number]
    findings.found(
        METADATA,
        range(len(wrong)),
        lambda at: (
            f"{prepared.name}: {wrong[at]} {counts.get(wrong[at])} in the metadata, "
            f"{found[wrong[at]][0]} {found[wrong[at]][1]}: is the log, or a file beside it, another one?"
        ),
    )
