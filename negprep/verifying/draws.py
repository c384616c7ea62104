"""Whether each sampler has drawn as it says: by item, by tenths of the ids, and by tenths of popularity."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import numpy.typing as npt

from negprep.verifying.chance import all_items, binned, even_slots, worst_item
from negprep.verifying.drawn import first_draws_alone
from negprep.verifying.evidence import Evidence
from negprep.verifying.expectations import Law
from negprep.verifying.laws import Laws
from negprep.verifying.names import SLOT
from negprep.verifying.pairs import Rows
from negprep.verifying.verdict import Verdict

_FEWEST = 100
_TENTHS = 10
_OPEN = 0.01


def judge_draws(evidence: Evidence, verdicts: Callable[[], Iterator[Verdict]]) -> None:
    """Make the checks of chance.

    Parameters
    ----------
    evidence : Evidence
    verdicts : callable
        Gives the verdict of each range of users, one after the other.
    """
    totals, findings, terms = evidence.totals, evidence.findings, evidence.terms
    if terms.layout == "positives":
        return
    if terms.layout == "pointwise" and not terms.is_train:
        result = even_slots(totals.slots) if totals.slots.size else None
        if result is None:
            findings.skip(SLOT, "the lists differ in length" if terms.takes_all else "too few groups")
        else:
            findings.chance(SLOT, result[2], f"chi-square {result[0]:.1f}, {result[1]} degrees of freedom")
    law = Laws(evidence, verdicts)
    for name, drawn in totals.drawn.items():
        if not drawn.items.any() and name not in terms.samplers:
            continue
        total = int((drawn.items if drawn.first_items is None else drawn.first_items).sum())
        titles = [f"{name} draws by {by}" for by in ("item", "all items", "tenths of ids", "tenths of popularity")]
        reason = _reason(evidence, name, total)
        draws = None if reason else law(name, drawn)
        if draws is None:
            for title in titles:
                findings.skip(title, reason or "which draws belong together is not known")
            continue
        _judge(evidence, draws, titles, "of first draws, " if drawn.first_items is not None else "")


def _reason(evidence: Evidence, name: str, total: int) -> str | None:
    """Why the draws of a sampler cannot be judged, if so."""
    terms, totals, open_users = evidence.terms, evidence.totals, evidence.settled.open_users
    if terms.takes_all:
        return "all items that can be drawn are there"
    if len(terms.samplers) > 1 and not evidence.totals.source_counts:
        return "no column says which sampler drew"
    if name == "other":
        return f"what {' and '.join(terms.samplers)} draws depends on a model"
    if not evidence.known:
        return "which positives are held out is not known, and so not what can be drawn"
    if name == "weak" and not evidence.any_weak:
        return "what is weak is not known: the log has none that could be drawn"
    open_draws = evidence.totals.negatives_of[open_users].sum() if terms.is_train else 0
    if open_draws > _OPEN * evidence.totals.negatives:
        return f"of {int(open_users.sum())} users it is not known which positives are held out"
    if terms.distinct and "popularity" in terms.samplers and not first_draws_alone(terms):
        return "distinct draws by weight have no closed form but for the first, and which is the first is not known"
    if name == "popularity" and evidence.settled.weights is None:
        return "add --weights FILE" if terms.weights else "the train positives are not known"
    if totals.left_out and terms.restricted and terms.is_train and terms.shuffled and terms.layout != "listwise":
        return f"{totals.left_out:,} negatives are wrong, and for which positives they were drawn is not known"
    if total < _FEWEST:
        return f"only {total} {'first ' if first_draws_alone(terms) else ''}draws"
    return None


def _judge(evidence: Evidence, draws: Law, titles: list[str], which: str) -> None:
    """Make the four checks of a sampler; ``which`` draws they are of, if not of all."""
    findings, popularity = evidence.findings, evidence.popularity
    by_item, of_all, by_id, by_popularity = titles
    probability, item = worst_item(draws)
    impossible = np.flatnonzero((draws.items > 0) & (draws.weights == 0) & evidence.catalog)
    if impossible.size:
        probability, item = 0.0, int(impossible[draws.items[impossible].argmax()])
    told = f"item {evidence.items.name(item)}: {draws.items[item]:,} draws, {draws.expected[item]:,.1f} expected"
    findings.chance(by_item, probability, f"{which}the farthest is {told}", [told])
    whole = all_items(draws)
    if whole is None:
        findings.skip(of_all, "too few draws")
    else:
        findings.chance(of_all, whole[2], f"{which}chi-square {whole[0]:.1f}, {whole[1]:.1f} degrees of freedom")
    catalog = np.flatnonzero(evidence.catalog)
    orders = {by_id: catalog, by_popularity: catalog[np.argsort(popularity[catalog], kind="stable")]}
    for title, order in orders.items():
        bins = _tenths(order, draws)
        result = binned(draws, bins, int(bins.max(initial=0)) + 1)
        if result is None:
            findings.skip(title, "too few draws")
            continue
        statistic, freedom, chance, ratios = result
        shown = " ".join(f"{ratio:.2f}" for ratio in ratios)
        findings.chance(
            title,
            chance,
            f"{which}chi-square {statistic:.1f}, {freedom} degrees of freedom",
            [f"drawn over expected, from the first tenth to the last: {shown}"],
        )


def _tenths(order: Rows, draws: Law) -> npt.NDArray[np.int64]:
    """Up to ten bins of as many items each, in an order; an item without a chance has none."""
    order = order[draws.expected[order] > 0]
    bins = np.full(len(draws.items), -1)
    n_bins = min(_TENTHS, len(order), max(1, int(draws.expected.sum() // 50)))
    bins[order] = np.arange(len(order)) * n_bins // max(1, len(order))
    return bins
