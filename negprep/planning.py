"""What must be known of a whole log before the first draw: item weights, and which items were there when."""

from __future__ import annotations

from decimal import Decimal

import numpy as np

from negprep.beside import read_weights
from negprep.core import Core
from negprep.errors import BadDataError
from negprep.holdout_rule import HoldoutRule
from negprep.loading import Loaded
from negprep.options import Options
from negprep.samplers.order import CatalogOrder, Times
from negprep.samplers.weights import Weights, popularity_weights
from negprep.sampling import Plan
from negprep.section import split_train

DEFAULT_ALPHA, DEFAULT_SMOOTH = 0.75, 0.0


def needs_survey(options: Options) -> bool:
    """Whether the users are gone through once before anything is drawn."""
    return "popularity" in options.recipe.names and options.weights is None


def make_plan(
    loaded: Loaded, core: Core, options: Options, rule: HoldoutRule, first_times: Times | None
) -> tuple[Plan, int]:
    """Make the plan of a run.

    Parameters
    ----------
    loaded : Loaded
    core : Core
        Its portions are gone through where ``needs_survey``.
    options : Options
    rule : HoldoutRule
    first_times : int64, shape (n_catalog,), or None
        From when on each item of the loaded catalog is there, where the options restrict by that.

    Returns
    -------
    plan : Plan
    unknown : int
        Rows of ``--weights`` whose item is not in the catalog.

    Raises
    ------
    BadDataError
        No item has a weight.
    """
    recipe = options.recipe
    weights, unknown = None, 0
    if options.weights is not None:
        weights, unknown = read_weights(options.weights, options.read, core.items)
    elif needs_survey(options):
        weights = _popularity(core, options, rule)
    order = None
    if options.same is not None or options.available_at_time:
        if first_times is not None and core.items is not loaded.items:
            first_times = first_times[loaded.items.catalog.find(core.items.catalog.ids)]
        order = CatalogOrder.of(
            core.items.n_catalog,
            segments=None if loaded.catalog is None else loaded.catalog.categories,
            available=first_times,
            drawable=None if weights is None or recipe.falls_back else weights.units > 0,
        )
    return Plan(recipe, options.distinct, options.with_log_q, weights, order), unknown


def _popularity(core: Core, options: Options, rule: HoldoutRule) -> Weights:
    counts = np.zeros(len(core.items), np.int64)
    for portion in core.portions:
        _, train = split_train(portion.interactions, options, rule)
        counts += np.bincount(train.items, minlength=len(counts))
    counts = counts[: core.items.n_catalog]
    alpha = DEFAULT_ALPHA if options.alpha is None else options.alpha
    smooth = DEFAULT_SMOOTH if options.smooth is None else options.smooth
    if not counts.any() and not smooth:
        raise BadDataError(
            "no item of the catalog has a train positive, so that none has a popularity",
            remedy="add --smooth 1, or choose another sampler",
        )
    return popularity_weights(counts, alpha=Decimal(repr(alpha)), smooth=Decimal(repr(smooth)))
