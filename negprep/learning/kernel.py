"""Feature matching: how near a feature is to those of exposures, by a sum of Gaussian kernels.

The reward of a negative is the part that its feature has in the (negative) maximum mean discrepancy between the
features of exposures and those of negatives. Source: Ding et al., IJCAI 2019, section 3.3; Gretton et al., A kernel
two-sample test, JMLR 2012, for the discrepancy and for taking the median distance as the width.
"""

from __future__ import annotations

import numpy as np

from negprep.learning.gmf import Floats

WIDTHS = (0.5, 0.5**0.5, 1.0, 2**0.5, 2.0)
"""The widths of the kernels, in median distances."""

_LEAST_WIDTH = 1e-9
"""Where its square would still be a number of float32."""


def rewards(exposed: Floats, drawn: Floats, width: float) -> Floats:
    """The reward of each drawn feature.

    Parameters
    ----------
    exposed, drawn : shape (n, n_factors)
        X and Y: the features of exposures, and of what the sampler drew.
    width : float
        The median distance; above 0.

    Returns
    -------
    shape (n,)
        2 mean_l K(X_l, Y_b) - 2 mean_l K(Y_l, Y_b), where K(a, b) is the sum over ``WIDTHS`` of
        exp(-|a - b|^2 / (2 (w width)^2)).
    """
    with_exposed = _kernels(_squared_distances(exposed, drawn), width).mean(axis=0)
    among_drawn = _kernels(_squared_distances(drawn, drawn), width).mean(axis=0)
    difference: Floats = 2 * (with_exposed - among_drawn)
    return difference


def median_distance(exposed: Floats, drawn: Floats) -> float:
    """The median distance between two of all features; 1 where there is none, or where it is next to nothing."""
    both = np.concatenate([exposed, drawn])
    squared = _squared_distances(both, both)[np.triu_indices(len(both), 1)]
    median = float(np.sqrt(np.median(squared)))
    return median if median > _LEAST_WIDTH else 1.0


def _squared_distances(left: Floats, right: Floats) -> Floats:
    """|a|^2 - 2 a . b + |b|^2 of each row a of one with each row b of the other, as one matrix product."""
    ones = np.ones((len(left), 1), left.dtype), np.ones((len(right), 1), right.dtype)
    of_left = np.hstack([left, (left * left).sum(axis=1, keepdims=True), ones[0]])
    of_right = np.hstack([-2 * right, ones[1], (right * right).sum(axis=1, keepdims=True)])
    squared: Floats = of_left @ of_right.T
    return np.maximum(squared, 0, out=squared)


def _kernels(squared: Floats, width: float) -> Floats:
    """The sum of the kernels; ``squared`` is overwritten.

    Each width is sqrt 2 times the one before, so that each kernel is the square of the next wider one: one exp for all.
    """
    squared *= squared.dtype.type(-0.5 / (WIDTHS[-1] * width) ** 2)
    kernel = np.exp(squared, out=squared)
    total = kernel.copy()
    for _ in WIDTHS[1:]:
        kernel *= kernel
        total += kernel
    return total
