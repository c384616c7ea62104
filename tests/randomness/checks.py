"""Statistical checks: each takes draws (small integers) and returns a p-value. They know nothing of how draws are made.

A p-value near 0 says that the draws deviate too much; where it is noted, one near 1 that they are too even.
"""

from __future__ import annotations

from itertools import combinations, permutations

import numpy as np
from scipy import stats


def inclusion(draws, m):
    """One user, k distinct draws of m eligible items in each of R rows: are all items included equally often?

    T = (m-1)/m * sum (X_i - R p)^2 / (R p (1-p)), p = k/m, against chi2(m-1): Pearson's statistic, made right for draws
    that exclude each other. Plain Pearson never rejects at k close to m.
    """
    rounds, k = draws.shape
    p = k / m
    counts = np.bincount(draws.ravel(), minlength=m)
    assert len(counts) == m, "a draw is not below m"
    statistic = (m - 1) / m * ((counts - rounds * p) ** 2).sum() / (rounds * p * (1 - p))
    return stats.chi2.sf(statistic, m - 1)


def multinomial(draws, m):
    """Independent draws of m items: Pearson's chi-square."""
    counts = np.bincount(np.ravel(draws), minlength=m)
    assert len(counts) == m, "a draw is not below m"
    expected = counts.sum() / m
    assert expected >= 5, "too few draws for the approximation"
    return stats.chi2.sf(((counts - expected) ** 2).sum() / expected, m - 1)


def largest_deviation(draws, m):
    """The item that deviates most, Bonferroni over all: finds a single item that is never, or too often, drawn."""
    rounds, k = draws.shape
    p = k / m
    counts = np.bincount(draws.ravel(), minlength=m)
    z = (counts - rounds * p) / np.sqrt(rounds * p * (1 - p))
    return min(1.0, 2 * m * stats.norm.sf(np.abs(z).max()))


def pooled(draws, eligible, k, *, distinct):
    """Users with different seen sets together.

    Parameters
    ----------
    draws : item codes, shape (n_users, rounds, k)
    eligible : bool, shape (n_users, n_items)

    Notes
    -----
    d = X - E; d' pinv(Sigma) d against chi2(rank), with for each user and row
    Sigma_u = p (1-p) m/(m-1) (diag A - A A'/m), p = k/m (distinct), or k/m (diag A - A A'/m) (independent draws).
    """
    rounds = draws.shape[1]
    n_items = eligible.shape[1]
    m = eligible.sum(1)
    observed = np.bincount(draws.ravel(), minlength=n_items)
    expected = rounds * (eligible * (k / m)[:, None]).sum(0)
    p = k / m
    scale = rounds * (p * (1 - p) * m / (m - 1) if distinct else k / m)
    weighted = eligible * scale[:, None]
    sigma = np.diag(weighted.sum(0)) - (weighted / m[:, None]).T @ eligible
    values, vectors = np.linalg.eigh(sigma)
    solid = values > 1e-9 * values.max()
    projected = vectors.T[solid] @ (observed - expected)
    return stats.chi2.sf((projected**2 / values[solid]).sum(), int(solid.sum()))


def of_laws(draws, laws):
    """Independent draws of items, each by a law of its own: counts together.

    Parameters
    ----------
    draws : item codes, shape (n,)
    laws : probabilities, shape (n, n_items)

    Notes
    -----
    d' pinv(Sigma) d against chi2(rank), d = X - sum of the laws, Sigma = sum of diag p - p p'.
    """
    assert (laws[np.arange(len(draws)), draws] > 0).all(), "an item that cannot be drawn"
    assert np.allclose(laws.sum(1), 1)
    difference = np.bincount(draws, minlength=laws.shape[1]) - laws.sum(0)
    values, vectors = np.linalg.eigh(np.diag(laws.sum(0)) - laws.T @ laws)
    solid = values > 1e-9 * values.max()
    projected = vectors.T[solid] @ difference
    return stats.chi2.sf((projected**2 / values[solid]).sum(), int(solid.sum()))


def subsets(draws, m):
    """Every subset of k of m equally often."""
    k = draws.shape[1]
    code = {chosen: place for place, chosen in enumerate(combinations(range(m), k))}
    found = np.array([code[tuple(row)] for row in np.sort(draws, axis=1).tolist()])
    return multinomial(found, len(code))


def ordered_subsets(draws, m):
    """Every ordered choice of k of m equally often."""
    k = draws.shape[1]
    code = {chosen: place for place, chosen in enumerate(permutations(range(m), k))}
    return multinomial(np.array([code[tuple(row)] for row in draws.tolist()]), len(code))


def slot_of_extreme(draws):
    """The places of the smallest and of the largest item of each row; the less likely of the two, doubled."""
    k = draws.shape[1]
    return min(1.0, 2 * min(multinomial(draws.argmin(1), k), multinomial(draws.argmax(1), k)))


def overlap(chosen, lags, k, m):
    """Rows of a bool matrix (n_users, n_items) at each lag: how many items two users share.

    Hypergeometric: mean k^2/m, variance k^2/m (1 - k/m) (m - k)/(m - 1). Two-sided normal, Bonferroni over lags: too
    much sharing is a stream that was used twice, too little one that was dealt out.
    """
    smallest = 1.0
    variance = k * k / m * (1 - k / m) * (m - k) / (m - 1)
    for lag in lags:
        pairs = len(chosen) - lag
        shared = int((chosen[lag:] & chosen[:-lag]).sum())
        z = (shared - pairs * k * k / m) / np.sqrt(pairs * variance)
        smallest = min(smallest, 2 * stats.norm.sf(abs(z)))
    return min(1.0, len(lags) * smallest)


def joint(first, second, m):
    """Two draws of one positive: all m*m pairs equally often (uniform and independent)."""
    return multinomial(np.asarray(first) * m + np.asarray(second), m * m)


def agreement(first, second, m):
    """How often two draws that should be independent and uniform over m agree: binomial, two-sided."""
    return stats.binomtest(int((first == second).sum()), first.size, 1 / m).pvalue


def thirds(values, limit):
    """The share of each third of the range."""
    places = (np.asarray(values, np.uint64) // np.uint64(limit // 3)).astype(np.int64)
    return multinomial(places, 3)


def avalanche(function, words):
    """How often each output bit flips with each input bit: 64 x 64 shares of 1/2.

    Returns the p-value of the most extreme share, Bonferroni over the 4,096.
    """
    worst = 0.0
    for bit in range(64):
        clear = np.unique(words & ~np.uint64(1 << bit))  # one of each pair, or each flip would count twice
        flipped = function(clear) ^ function(clear ^ np.uint64(1 << bit))
        flips = np.unpackbits(flipped.view(np.uint8)).reshape(len(clear), 64).sum(0)
        z = (flips - len(clear) / 2) / np.sqrt(len(clear) / 4)
        worst = max(worst, float(np.abs(z).max()))
    return min(1.0, 2 * 4096 * stats.norm.sf(worst))


def bits(words):
    """The share of ones in each of the 64 bits: chi2(64)."""
    ones = np.unpackbits(words.view(np.uint8)).reshape(len(words), 64).sum(0)
    return stats.chi2.sf(((ones - len(words) / 2) ** 2 / (len(words) / 4)).sum(), 64)
