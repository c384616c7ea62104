"""How improbable it is that fair draws look like those of a file."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator

import numpy as np
import numpy.typing as npt

from negprep.arrays import Floats
from negprep.checks.completeness import RangeCheck, by_user, heads_due
from negprep.checks.draws import Drawable, Law, law_of
from negprep.checks.expected import window_sizes
from negprep.checks.pair_set import Rows
from negprep.checks.promises import Promise
from negprep.checks.results import DRAWS, FRACTION, OR_SUMMARY, SHARES, SLOT, Findings
from negprep.checks.sweep import CHOICES, Totals, choice_of, first_draws_alone

_STEPS = 100_000
_TINY = 1e-300
_CLOSE = 1e-15


def chi_square_tail(statistic: float, freedom: float) -> float:
    """The probability that chi-square exceeds a value.

    Q(freedom / 2, statistic / 2): below the mean by the series of P = 1 - Q, above it by the continued fraction, which
    keeps small tails exact in proportion. Source: Abramowitz and Stegun, Handbook of Mathematical Functions, 6.5.29 and
    6.5.31, evaluated as Lentz does.
    """
    shape, bound = freedom / 2, statistic / 2
    if bound <= 0:
        return 1.0
    scale = shape * math.log(bound) - bound - math.lgamma(shape)
    if bound < shape + 1:
        return max(0.0, 1.0 - math.exp(scale) * _series(shape, bound))
    return math.exp(scale) * _fraction(shape, bound) if scale > -745 else 0.0


def _series(shape: float, bound: float) -> float:
    term = total = 1 / shape
    for step in range(1, _STEPS):
        term *= bound / (shape + step)
        total += term
        if term < total * _CLOSE:
            break
    return total


def _fraction(shape: float, bound: float) -> float:
    level = bound + 1 - shape
    upper, lower = 1 / _TINY, 1 / level
    value = lower
    for step in range(1, _STEPS):
        factor = -step * (step - shape)
        level += 2
        lower = 1 / _nonzero(factor * lower + level)
        upper = _nonzero(level + factor / upper)
        value *= upper * lower
        if abs(upper * lower - 1) < _CLOSE:
            break
    return value


def _nonzero(value: float) -> float:
    return value if abs(value) > _TINY else _TINY


_PROBED = 4_000
_MOST_PROBES = 16
_CELL = 10.0
_BIN = 25.0


def worst_item(drawn: Law) -> tuple[float, int]:
    """The probability that any item is as far from what it expects as the worst one is, and which one that is.

    An item's number is a sum of independent draws (or groups) that take it or not, for which Chernoff's bound holds
    (Hoeffding, Probability inequalities for sums of bounded random variables, JASA 1963, theorem 1), however rare the
    item; times twice the number of items (Bonferroni).
    """
    trials = drawn.trials
    expected, found = drawn.expected, drawn.items.astype(np.float64)
    some = np.flatnonzero((trials > 0.5) & (drawn.weights > 0))
    if not some.size:
        return 1.0, 0
    n = np.maximum(trials[some], found[some])
    p = np.clip(expected[some] / n, 1e-300, 1 - 1e-15)
    q = np.clip(found[some] / n, 0, 1)
    with np.errstate(divide="ignore", invalid="ignore"):
        far = np.where(q > 0, q * np.log(q / p), 0.0) + np.where(q < 1, (1 - q) * np.log((1 - q) / (1 - p)), 0.0)
    exponents = n * np.maximum(far, 0)
    at = int(exponents.argmax())
    return min(1.0, 2 * len(some) * math.exp(-min(700.0, float(exponents[at])))), int(some[at])


def all_items(drawn: Law) -> tuple[float, float, float] | None:
    """The chi-square of all items against what they expect: the statistic, its degrees of freedom, the probability.

    Neighbours are added up until each cell expects ten. Cells are not independent: the statistic is taken for a
    multiple of a chi-square with its mean and variance (Box, Some theorems on quadratic forms, Ann. Math. Statist.
    1954, theorem 3.1), and these are estimated by products of the covariance with random signs. None: too few cells.
    """
    cells = _cells(drawn.expected)
    n_cells = int(cells.max(initial=-1)) + 1
    if n_cells < 5:
        return None
    inside = cells >= 0

    def summed(values: Floats) -> Floats:
        sums: Floats = np.asarray(np.bincount(cells[inside], weights=values[inside], minlength=n_cells), np.float64)
        return sums

    scale = np.sqrt(summed(drawn.variances))
    if not (scale > 0).all():
        return None
    apart = summed(drawn.items - drawn.expected) / scale
    first = second = 0.0
    n_probes = min(_MOST_PROBES, -(-_PROBED // n_cells))  # each cell is a trial of its own
    probes = [_signs(n_cells, number) for number in range(n_probes)]
    vectors = []
    for probe in probes:
        values = np.zeros(len(cells))
        values[inside] = (probe / scale)[cells[inside]]
        vectors.append(values)
    for probe, covaried in zip(probes, drawn.products(vectors), strict=True):
        product = summed(covaried) / scale
        first += float(probe @ product) / n_probes
        second += float(product @ product) / n_probes
    if first <= 0 or second <= 0:
        return None
    factor, freedom = second / first, first * first / second
    statistic = float(apart @ apart) / factor
    return statistic, freedom, chi_square_tail(statistic, freedom)


def _signs(size: int, number: int) -> Floats:
    """Ones and minus ones that look random, the same with every version of numpy."""
    words = np.arange(size, dtype=np.uint64) + np.uint64(number << 40)
    for factor, shift in ((0x9E3779B97F4A7C15, 31), (0xBF58476D1CE4E5B9, 27), (0x94D049BB133111EB, 31)):
        words = words * np.uint64(factor)
        words ^= words >> np.uint64(shift)
    found: Floats = np.where(words >> np.uint64(63), 1.0, -1.0)
    return found


def _cells(expected: Floats) -> npt.NDArray[np.int64]:
    """Neighbouring items in cells that expect ten at least: the cell of each, -1 for an item that expects nothing."""
    some = np.flatnonzero(expected > 0)
    cells = np.full(len(expected), -1)
    if not some.size:
        return cells
    before = np.floor(np.cumsum(expected[some]) / (2 * _CELL) - 1e-9)
    where = np.concatenate([[0], np.cumsum(before[1:] != before[:-1])]).astype(np.int64)
    sums = np.bincount(where, weights=expected[some])
    while len(sums) > 1 and sums[-1] < _CELL:
        where[where == len(sums) - 1] -= 1
        sums = np.bincount(where, weights=expected[some])
    cells[some] = where
    return cells


def binned(drawn: Law, bins: npt.NDArray[np.int64], n_bins: int) -> tuple[float, int, float, Floats] | None:
    """The chi-square of bins of items: statistic, degrees of freedom, probability, and drawn over expected of each bin.

    d' pinv(C) d, where C is the exact covariance of the bins, summed over the users. None: too few draws.
    """
    inside = bins >= 0
    found = np.bincount(bins[inside], weights=drawn.items[inside], minlength=n_bins)
    expected = np.bincount(bins[inside], weights=drawn.expected[inside], minlength=n_bins)
    if (expected > 0).sum() < 2 or expected[expected > 0].min() < _BIN:
        return None
    covariance = drawn.covariance(bins, n_bins)
    sizes, directions = np.linalg.eigh(covariance)
    kept = sizes > sizes.max(initial=0) * 1e-9
    if not kept.any():
        return None
    along = directions[:, kept].T @ (found - expected)
    statistic = float((along * along / sizes[kept]).sum())
    ratios = np.divide(found, expected, out=np.zeros(n_bins), where=expected > 0)
    return statistic, int(kept.sum()), chi_square_tail(statistic, int(kept.sum())), ratios


def even_slots(slots: Rows) -> tuple[float, int, float] | None:
    """The chi-square of places that are all as likely: statistic, degrees of freedom, probability. None: too few."""
    total = int(slots.sum())
    n_cells = min(len(slots), total // 5)
    if n_cells < 2:
        return None
    cells = np.arange(len(slots)) * n_cells // len(slots)
    found = np.bincount(cells, weights=slots, minlength=n_cells)
    expected = np.bincount(cells, minlength=n_cells) * (total / len(slots))
    statistic = float(((found - expected) ** 2 / expected).sum())
    return statistic, n_cells - 1, chi_square_tail(statistic, n_cells - 1)


_FEWEST = 100
_TENTHS = 10
_OPEN = 0.01


def check_draws(drawable: Drawable, each_range: Callable[[], Iterator[RangeCheck]]) -> None:
    """Make the checks of chance."""
    totals, findings, terms = drawable.totals, drawable.findings, drawable.terms
    if terms.layout == "positives":
        return
    if terms.layout == "pointwise" and terms.has_slots and not terms.is_train:
        result = even_slots(totals.slots) if totals.slots.size else None
        if terms.mixes_rows and totals.place_variance:
            squared = totals.place_sum**2 / totals.place_variance
            note = f"chi-square {squared:.1f} of the sum of places, 1 degree of freedom"
            findings.chance(SLOT, chi_square_tail(squared, 1), note)
        elif result is None:
            findings.skip(SLOT, "the lists differ in length" if terms.takes_all else "too few groups")
        else:
            findings.chance(SLOT, result[2], f"chi-square {result[0]:.1f}, {result[1]} degrees of freedom")
    if "sampler" in terms.unspecified:
        findings.skip(DRAWS, f"what drew them is not specified: add --sampler {OR_SUMMARY}")
        return
    for name, drawn in totals.drawn.items():
        if not drawn.items.any() and name not in terms.samplers:
            continue
        total = int((drawn.items if drawn.first_items is None else drawn.first_items).sum())
        titles = [f"{name} draws by {by}" for by in ("item", "all items", "tenths of ids", "tenths of popularity")]
        reason = _reason(drawable, name, total)
        draws = None if reason else law_of(drawable, each_range, name, drawn)
        if draws is None:
            for title in titles:
                findings.skip(title, reason or "which draws belong together is not known")
            continue
        _check(drawable, draws, titles, "of first draws, " if drawn.first_items is not None else "")


def _reason(drawable: Drawable, name: str, total: int) -> str | None:
    """Why the draws of a sampler cannot be checked, if so."""
    terms, totals, open_users = drawable.terms, drawable.totals, drawable.settled.open_users
    if terms.takes_all:
        return "all items that can be drawn are there"
    if (len(terms.samplers) > 1 or terms.draws_shown) and not drawable.totals.source_counts:
        return "no column says which sampler drew"
    if name == "other":
        return f"what {' and '.join(terms.samplers)} draws depends on a model"
    if not drawable.known:
        return "which positives are held out is not known, and so not what can be drawn"
    if name == "weak" and not drawable.any_weak:
        return "what is weak is not known: the log has none that could be drawn"
    if name == "weak" and terms.draws_shown and terms.distinct:
        return "what impression draws, weak draws no more: the rest has no closed form"
    open_draws = drawable.totals.negatives_of[open_users].sum() if terms.is_train else 0
    if open_draws > _OPEN * drawable.totals.negatives:
        return f"of {int(open_users.sum())} users it is not known which positives are held out"
    if terms.distinct is None and "popularity" in terms.samplers:
        return f"whether negatives of a positive differ is not specified: add --distinct, --repeats {OR_SUMMARY}"
    if terms.distinct and "popularity" in terms.samplers and not first_draws_alone(terms):
        return "distinct draws by weight have no closed form but for the first, and which is the first is not known"
    if name == "popularity" and drawable.settled.weights is None:
        return "add --weights FILE" if terms.weights else "the train positives are not known"
    if totals.left_out and terms.restricted and terms.is_train and terms.shuffled and terms.layout != "listwise":
        return f"{totals.left_out:,} negatives are wrong, and for which positives they were drawn is not known"
    if total < _FEWEST:
        return f"only {total} {'first ' if first_draws_alone(terms) else ''}draws"
    return None


def _check(drawable: Drawable, draws: Law, titles: list[str], which: str) -> None:
    """Make the four checks of a sampler; ``which`` draws they are of, if not of all."""
    findings, popularity = drawable.findings, drawable.popularity
    by_item, of_all, by_id, by_popularity = titles
    probability, item = worst_item(draws)
    impossible = np.flatnonzero((draws.items > 0) & (draws.weights == 0) & drawable.catalog)
    if impossible.size:
        probability, item = 0.0, int(impossible[draws.items[impossible].argmax()])
    text = f"item {drawable.items.name(item)}: {draws.items[item]:,} draws, {draws.expected[item]:,.1f} expected"
    findings.chance(by_item, probability, f"{which}the farthest is {text}", [text])
    whole = all_items(draws)
    if whole is None:
        findings.skip(of_all, "too few draws")
    else:
        findings.chance(of_all, whole[2], f"{which}chi-square {whole[0]:.1f}, {whole[1]:.1f} degrees of freedom")
    catalog = np.flatnonzero(drawable.catalog)
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


class LastNegatives:
    """Adds up how many positives have one more negative, where chance decides it and enough can be drawn."""

    def __init__(self, terms: Promise, findings: Findings) -> None:
        self._terms, self._findings = terms, findings
        self._positives = self._found = 0

    def add(self, checked: RangeCheck) -> None:
        """Take the next users."""
        terms, supply = self._terms, checked.supply
        if terms.chance is None or terms.num_neg is None:
            return
        hidden = terms.samplers == ("popularity",) and checked.weights is None
        if supply is None or hidden or (terms.restricted and by_user(terms)):
            self._findings.skip(FRACTION, "it is not known what can be drawn for each positive")
            return
        enough, tallies = 1 if terms.distinct is False else terms.num_neg, checked.tallies
        if not terms.restricted:
            sure = (supply.sizes >= enough) & ~checked.open_users
            heads, negatives = int(heads_due(checked)[sure].sum()), int(tallies.negatives_of[sure].sum())
        else:
            due = ~checked.held_here if terms.heads_may_lack else checked.present
            places = np.flatnonzero(due & ~checked.open_users[checked.in_log.positives.users])
            places = places[window_sizes(checked.in_log, terms, supply, places) >= enough]
            of_positives: list[npt.NDArray[np.integer]] = [tallies.present]
            if terms.layout != "pairwise":
                of_positives = [drawn.draws for drawn in tallies.drawn.values()]
            heads, negatives = len(places) * terms.epochs, sum(int(each[places].sum()) for each in of_positives)
        self._positives += heads
        self._found += negatives - heads * (terms.num_neg - 1)

    def check(self) -> None:
        """Make the check: of a binomial, by the bound of Chernoff and Hoeffding, as for an item."""
        terms, findings, n = self._terms, self._findings, self._positives
        if terms.chance is None or findings.ask(FRACTION).status == "not checked":
            return
        if not n:
            findings.skip(FRACTION, "enough can be drawn for no positive")
            return
        p, q = float(terms.chance), min(max(self._found / n, 0.0), 1.0)
        far = sum(part * math.log(part / whole) for part, whole in ((q, p), (1 - q, 1 - p)) if part > 0)
        note = f"{self._found:,} of {n:,} positives have {terms.num_neg}, {n * p:,.1f} expected"
        findings.chance(FRACTION, min(1.0, 2 * math.exp(-min(700.0, n * far))), note)


_FEWEST_ROWS = 5


class Shares:
    """Adds up what the samplers drew for users for whom each has something: nothing falls back there."""

    def __init__(self, terms: Promise, totals: Totals, findings: Findings) -> None:
        self._terms, self._totals, self._findings = terms, totals, findings
        wanted = dict.fromkeys(totals.drawn, 0.0)
        for name, share in zip(terms.samplers, terms.shares, strict=True):
            wanted[CHOICES[choice_of(name)]] += share / sum(terms.shares)
        self._used = [name for name, share in wanted.items() if share > 0]
        self._shares = np.array([wanted[name] for name in self._used])
        self._found = np.zeros(len(self._used), np.int64)

    def add(self, checked: RangeCheck) -> None:
        """Take the next users."""
        terms, supply, findings = self._terms, checked.supply, self._findings
        if len(terms.samplers) < 2:
            return
        if "sampler" in terms.unspecified:
            findings.skip(SHARES, f"the shares are not specified: add --sampler {OR_SUMMARY}")
            return
        if not self._totals.source_counts:
            findings.skip(SHARES, "no column says which sampler drew")
            return
        popular = "popularity" in terms.samplers
        if terms.distinct is not False or terms.restricted or supply is None or (popular and supply.weights is None):
            findings.skip(SHARES, "what falls back is not known")
            return
        whole = supply.eligible > 0
        if terms.draws_weak:
            whole &= supply.weak.counts > 0
        if popular and supply.weights is not None:
            heavy = supply.weights > 0
            taken = np.bincount(supply.avoided.users[heavy[supply.avoided.items]], minlength=len(whole))
            whole &= int(heavy.sum()) > taken
        draws = np.array([checked.tallies.drawn[name].draws[whole] for name in self._used])
        self._found += draws.sum(axis=1)
        if not terms.fixed:
            return
        wrong = np.flatnonzero((np.abs(draws - draws.sum(axis=0) * self._shares[:, None]) > 1e-6).any(axis=0))
        users = np.flatnonzero(whole)

        def describe(at: int) -> str:
            numbers = ", ".join(f"{number} {name}" for name, number in zip(self._used, draws[:, at], strict=True))
            return checked.user(int(users[at]), f" has {numbers}")

        findings.found(SHARES, wrong, describe)

    def check(self) -> None:
        """Make the check."""
        findings = self._findings
        if len(self._terms.samplers) < 2 or self._terms.fixed or findings.ask(SHARES).status == "not checked":
            return
        found, expected = self._found, self._found.sum() * self._shares
        if len(self._used) < 2 or expected.min() < _FEWEST_ROWS:
            findings.skip(SHARES, "too few draws")
            return
        statistic = float(((found - expected) ** 2 / expected).sum())
        text = ", ".join(f"{name} {number / found.sum():.3f}" for name, number in zip(self._used, found, strict=True))
        note = f"{text}; chi-square {statistic:.1f}, {len(self._used) - 1} degrees of freedom"
        findings.chance(SHARES, chi_square_tail(statistic, len(self._used) - 1), note)
