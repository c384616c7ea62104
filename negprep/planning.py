"""What must be known of a whole log before the first draw: item weights, and which items were there when."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal

import numpy as np

from negprep.errors import BadDataError
from negprep.loading import Loaded, Portion
from negprep.options import Holdout, Options
from negprep.samplers.order import CatalogOrder, Times
from negprep.samplers.weights import Weights, popularity_weights
from negprep.sampling import Plan
from negprep.section import split_train

DEFAULT_ALPHA, DEFAULT_SMOOTH = 0.75, 0.0


def needs_survey(options: Options) -> bool:
    """Whether the users are gone through once before anything is drawn."""
    return "popularity" in options.recipe.names and options.weights is None


def make_plan(
    loaded: Loaded, portions: Iterable[Portion], options: Options, holdout: Holdout, first_times: Times | None
) -> Plan:
    """Make the plan of a run.

    Parameters
    ----------
    loaded : Loaded
    portions : iterable of Portion
        Gone through where ``needs_survey``.
    options : Options
    holdout : {"none", "last", "random"}
    first_times : int64, shape (n_catalog,), or None
        From when on each item is there, where the options restrict by that.

    Raises
    ------
    BadDataError
        No item has a weight.
    """
    recipe = options.recipe
    weights = loaded.weights
    if needs_survey(options):
        weights = _popularity(loaded, portions, options, holdout)
    order = None
    if options.same is not None or options.available_at_time:
        order = CatalogOrder.of(
            loaded.items.n_catalog,
            segments=None if loaded.catalog is None else loaded.catalog.categories,
            available=first_times,
            drawable=None if weights is None or recipe.falls_back else weights.units > 0,
        )
    return Plan(recipe, options.distinct, options.with_log_q, weights, order)


def _popularity(loaded: Loaded, portions: Iterable[Portion], options: Options, holdout: Holdout) -> Weights:
    counts = np.zeros(len(loaded.items), np.int64)
    for portion in portions:
        _, train = split_train(portion.interactions, options, holdout)
        counts += np.bincount(train.items, minlength=len(counts))
    counts = counts[: loaded.items.n_catalog]
    alpha = DEFAULT_ALPHA if options.alpha is None else options.alpha
    smooth = DEFAULT_SMOOTH if options.smooth is None else options.smooth
    if not counts.any() and not smooth:
        raise BadDataError(
            "no item of the catalog has a train positive, so that none has a popularity",
            remedy="add --smooth 1, or choose another sampler",
        )
    return popularity_weights(counts, alpha=Decimal(repr(alpha)), smooth=Decimal(repr(smooth)))
