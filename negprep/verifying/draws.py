"""Whether each sampler has drawn as it says: by item, by tenths of the ids, and by tenths of popularity."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from negprep.verifying.chance import Draws, Sets, all_items, binned, even_slots, worst_item
from negprep.verifying.evidence import Evidence
from negprep.verifying.names import SLOT
from negprep.verifying.pair_parts import PairParts
from negprep.verifying.pairs import Rows
from negprep.verifying.tallies import Drawn

_FEWEST = 100
_TENTHS = 10
_TELLING = 25.0


def judge_draws(evidence: Evidence) -> None:
    """Make the checks of chance."""
    totals, findings, terms = evidence.totals, evidence.findings, evidence.terms
    if terms.layout == "positives":
        return
    if terms.layout == "pointwise" and not terms.is_train:
        result = even_slots(totals.slots) if totals.slots.size else None
        if result is None:
            findings.skip(SLOT, "too few groups")
        else:
            findings.chance(SLOT, result[2], f"chi-square {result[0]:.1f}, {result[1]} degrees of freedom")
    for name, drawn in totals.drawn.items():
        total = int(drawn.draws.sum())
        if not total and name not in terms.samplers:
            continue
        titles = [f"{name} draws by {by}" for by in ("item", "all items", "tenths of ids", "tenths of popularity")]
        reason = _reason(evidence, name, total)
        draws = None if reason else _draws(evidence, name, drawn)
        if draws is None:
            for title in titles:
                findings.skip(title, reason or "which draws belong together is not known")
            continue
        _judge(evidence, draws, titles)


def _reason(evidence: Evidence, name: str, total: int) -> str | None:
    """Why the draws of a sampler cannot be judged, if so."""
    terms = evidence.terms
    if name == "other":
        return f"what {' and '.join(terms.samplers)} draws depends on a model"
    if terms.restricted:
        return "what can be drawn depends on the positive (--same, --available-at-time)"
    if not evidence.known:
        return "which positives are held out is not known, and so not what can be drawn"
    if terms.distinct and "popularity" in terms.samplers:
        return "distinct draws by weight have no closed form"
    if name == "popularity" and evidence.weights is None:
        return "add --weights FILE" if terms.weights else "the train positives are not known"
    if total < _FEWEST:
        return f"only {total} draws"
    return None


def _draws(evidence: Evidence, name: str, drawn: Drawn) -> Draws | None:
    """What was drawn from what; None where it is not known which draws differ from each other."""
    terms, catalog, num_neg = evidence.terms, evidence.catalog, evidence.totals.num_neg
    pairs = evidence.weak if name == "weak" else _all_avoided(evidence, drawn)
    sets = Sets(pairs, name != "weak", catalog)
    weights = np.ones(len(catalog)) if name != "popularity" or evidence.weights is None else evidence.weights
    weights = np.where(catalog, weights, 0.0)
    draws = drawn.draws.astype(np.float64)
    if not terms.distinct:
        return Draws(sets, weights, drawn.items, draws)
    if not terms.shuffled or not terms.is_train:
        if terms.heads_repeat:
            return None
        return Draws(sets, weights, drawn.items, draws, drawn.squares.astype(float), drawn.groups.astype(float))
    if terms.samplers != ("uniform",) or num_neg is None or terms.heads_repeat:
        return None
    sizes = np.minimum(evidence.eligible, num_neg).clip(1)
    return Draws(sets, weights, drawn.items, draws, draws * sizes, draws / sizes)


def _all_avoided(evidence: Evidence, drawn: Drawn) -> PairParts:
    """What the draws avoid: in a foreign train file perhaps the held-out positives, too, which is not said."""
    if evidence.avoided_and_held is None:
        return evidence.avoided
    rates = drawn.draws / np.maximum(evidence.eligible, 1)
    return evidence.avoided if float((rates * evidence.held).sum()) < _TELLING else evidence.avoided_and_held


def _judge(evidence: Evidence, draws: Draws, titles: list[str]) -> None:
    findings, popularity = evidence.findings, evidence.popularity
    by_item, of_all, by_id, by_popularity = titles
    probability, item = worst_item(draws)
    told = f"item {evidence.items.name(item)}: {draws.items[item]:,} draws, {draws.expected[item]:,.1f} expected"
    findings.chance(by_item, probability, f"the farthest is {told}", [told])
    whole = all_items(draws)
    if whole is None:
        findings.skip(of_all, "too few draws")
    else:
        findings.chance(of_all, whole[2], f"chi-square {whole[0]:.1f}, {whole[1]:.1f} degrees of freedom")
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
            f"chi-square {statistic:.1f}, {freedom} degrees of freedom",
            [f"drawn over expected, from the first tenth to the last: {shown}"],
        )


def _tenths(order: Rows, draws: Draws) -> npt.NDArray[np.int64]:
    """Up to ten bins of as many items each, in an order; an item without a chance has none."""
    order = order[draws.expected[order] > 0]
    bins = np.full(len(draws.items), -1)
    n_bins = min(_TENTHS, len(order), max(1, int(draws.expected.sum() // 50)))
    bins[order] = np.arange(len(order)) * n_bins // max(1, len(order))
    return bins
