"""HR@K, NDCG@K, MRR, AUC and the mean place of one positive among its candidates; ties by expectation."""

from __future__ import annotations

import numpy as np

from negprep.evaluation.lists import Lists
from negprep.evaluation.ranks import Counts, Floats


def metric_names(at: tuple[int, ...]) -> list[str]:
    """The metrics, in the order of every table of them."""
    return [*top_names(at), "auc", "place"]


def top_names(at: tuple[int, ...]) -> list[str]:
    """The metrics that depend on the rank alone, and that are estimated: all but the last two."""
    return [*(f"hr@{cut}" for cut in at), *(f"ndcg@{cut}" for cut in at), "mrr"]


def top_metrics(ranks: Floats | Counts, at: tuple[int, ...]) -> Floats:
    """HR@K and NDCG@K for each K, and MRR, of lists with one relevant item.

    Parameters
    ----------
    ranks : shape (n,)
        Of the relevant item, from 1; an estimate may lie between whole numbers.
    at : tuple of int

    Returns
    -------
    float64, shape (n, 2 * len(at) + 1)
        1 if rank <= K; 1 / log2(1 + rank) if rank <= K (the ideal list has the item first, which counts 1); 1 / rank.
        Source: Järvelin and Kekäläinen, ACM TOIS 2002, for NDCG; Voorhees, TREC-8 1999, for MRR.
    """
    gains = 1 / np.log2(1 + ranks)
    within = [ranks <= cut for cut in at]
    columns = [*(hit.astype(float) for hit in within), *(np.where(hit, gains, 0) for hit in within), 1 / ranks]
    return np.stack(columns, axis=1)


def list_metrics(lists: Lists, at: tuple[int, ...]) -> Floats:
    """All metrics of each list.

    Returns
    -------
    float64, shape (n_lists, 2 * len(at) + 3)
        The last two are AUC, the share of the negatives below the positive, and the place, from 1.

    Notes
    -----
    A positive with the same score as t negatives is at each of the t + 1 places with the same probability; a metric is
    its mean over these places.
    """
    last = int(lists.candidates.max()) + 1
    tops = spread(top_metrics(np.arange(1, last + 1), at), lists.above, lists.tied)
    above = lists.above + lists.tied / 2
    return np.column_stack([tops, 1 - above / lists.candidates, 1 + above])


def spread(table: Floats, first: Counts, tied: Counts) -> Floats:
    """Means of rows ``first`` to ``first + tied`` of a table: shape (n_lists, n_columns)."""
    values: Floats = table[first]
    ties = np.flatnonzero(tied)
    if ties.size:
        sums = np.concatenate([np.zeros((1, table.shape[1])), np.cumsum(table, axis=0)])
        start, stop = first[ties], first[ties] + tied[ties] + 1
        values[ties] = (sums[stop] - sums[start]) / (tied[ties] + 1)[:, None]
    return values
