"""Whether each sampler has drawn as it says: by item, by tenths of the ids, and by tenths of popularity."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from negprep.verifying.chance import Draws, Sets, all_items, binned, even_slots, worst_item
from negprep.verifying.names import SLOT
from negprep.verifying.pairs import PairSet, Rows
from negprep.verifying.supply import Supply
from negprep.verifying.tallies import Drawn
from negprep.verifying.verdict import Verdict

_FEWEST = 100
_TENTHS = 10
_TELLING = 25.0


def judge_draws(verdict: Verdict) -> None:
    """Make the checks of chance."""
    sweep, findings, terms = verdict.sweep, verdict.findings, verdict.terms
    if terms.layout == "positives":
        return
    if terms.layout == "pointwise" and not terms.is_train:
        result = even_slots(sweep.tallies.slots) if sweep.tallies.slots.size else None
        if result is None:
            findings.skip(SLOT, "too few groups")
        else:
            findings.chance(SLOT, result[2], f"chi-square {result[0]:.1f}, {result[1]} degrees of freedom")
    for name, drawn in sweep.tallies.drawn.items():
        total = int(drawn.draws.sum())
        if not total and name not in terms.samplers:
            continue
        titles = [f"{name} draws by {by}" for by in ("item", "all items", "tenths of ids", "tenths of popularity")]
        reason = _reason(verdict, name, total)
        draws = None if reason else _draws(verdict, name, drawn)
        if draws is None:
            for title in titles:
                findings.skip(title, reason or "which draws belong together is not known")
            continue
        _judge(verdict, draws, titles)


def _reason(verdict: Verdict, name: str, total: int) -> str | None:
    """Why the draws of a sampler cannot be judged, if so."""
    terms = verdict.terms
    if name == "other":
        return f"what {' and '.join(terms.samplers)} draws depends on a model"
    if terms.restricted:
        return "what can be drawn depends on the positive (--same, --available-at-time)"
    if verdict.supply is None:
        return "which positives are held out is not known, and so not what can be drawn"
    if name == "weak" and not len(verdict.supply.weak):
        return "what is weak is not known: the log has none that could be drawn"
    if terms.distinct and "popularity" in terms.samplers:
        return "distinct draws by weight have no closed form"
    if name == "popularity" and verdict.weights is None:
        return "add --weights FILE" if terms.weights else "the train positives are not known"
    if total < _FEWEST:
        return f"only {total} draws"
    return None


def _draws(verdict: Verdict, name: str, drawn: Drawn) -> Draws | None:
    """What was drawn from what; None where it is not known which draws differ from each other."""
    supply, truth, terms = verdict.supply, verdict.truth, verdict.terms
    if supply is None:
        return None
    if name == "weak":
        sets = Sets(supply.weak, False, truth.catalog)
    else:
        avoided = _all_avoided(verdict, supply, drawn)
        sets = Sets(avoided, True, truth.catalog)
    weights = np.ones(len(truth.items)) if name != "popularity" or supply.weights is None else supply.weights
    weights = np.where(truth.catalog, weights, 0.0)
    draws = drawn.draws.astype(np.float64)
    if not terms.distinct:
        return Draws(sets, weights, drawn.items, draws)
    if not terms.shuffled or not terms.is_train:
        if terms.heads_repeat:
            return None
        return Draws(sets, weights, drawn.items, draws, drawn.squares.astype(float), drawn.groups.astype(float))
    if terms.samplers != ("uniform",) or verdict.sweep.tallies.num_neg is None or terms.heads_repeat:
        return None
    sizes = np.minimum(supply.eligible, verdict.sweep.tallies.num_neg).clip(1)
    return Draws(sets, weights, drawn.items, draws, draws * sizes, draws / sizes)


def _all_avoided(verdict: Verdict, supply: Supply, drawn: Drawn) -> PairSet:
    """What the draws avoid: in a foreign train file perhaps the held-out positives, too, which is not said."""
    terms, truth = verdict.terms, verdict.truth
    if terms.says_itself or not terms.is_train or verdict.held is None or verdict.sweep.tallies.hits is not None:
        return supply.avoided
    held = truth.positives.where(verdict.held)
    rates = drawn.draws / np.maximum(supply.eligible, 1)
    if float(rates[held.users].sum()) < _TELLING:
        return supply.avoided
    held = held.where(truth.catalog[held.items])
    return supply.avoided.union(held)


def _judge(verdict: Verdict, draws: Draws, titles: list[str]) -> None:
    findings, truth = verdict.findings, verdict.truth
    by_item, of_all, by_id, by_popularity = titles
    probability, item = worst_item(draws)
    told = f"item {truth.items.name(item)}: {draws.items[item]:,} draws, {draws.expected[item]:,.1f} expected"
    findings.chance(by_item, probability, f"the farthest is {told}", [told])
    whole = all_items(draws)
    if whole is None:
        findings.skip(of_all, "too few draws")
    else:
        findings.chance(of_all, whole[2], f"chi-square {whole[0]:.1f}, {whole[1]:.1f} degrees of freedom")
    popularity = np.bincount(truth.positives.items, minlength=len(truth.items))
    catalog = np.flatnonzero(truth.catalog)
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
