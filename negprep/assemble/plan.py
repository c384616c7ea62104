"""From options and a loaded log to the plan of the draws: item weights, first times, the scores of a model."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import numpy as np
import numpy.typing as npt

from negprep.arrays import Times
from negprep.assemble.section import split_train
from negprep.encode.load import Core, Loaded
from negprep.encode.pairs import Items
from negprep.encode.side_files import WeightsFit, read_weights
from negprep.encode.vocabulary import Vocabulary
from negprep.errors import BadDataError, UsageError
from negprep.model_file import Model, read_model
from negprep.options.options import Options
from negprep.options.specs import HoldoutRule
from negprep.sample.hard import Hardness
from negprep.sample.popularity import Weights, popularity_weights
from negprep.sample.reinforced import Policy
from negprep.sample.restrictions import CatalogOrder
from negprep.sample.sampler import Plan
from negprep.sample.scores import Scores


@dataclass(frozen=True, eq=False)
class Knowledge:
    """What a model knows of a run.

    ``digest``: SHA-256 of the model.
    ``users``, ``items``: Of the log, and of the catalog.
    ``unknown_users``, ``unknown_items``: Those of them that the model does not know.
    ``split``: What decided which positives the model learnt from; None where the model lacks it.
    ``known``: bool, shape (users,). Whether the model knows a user.
    """

    kind: str
    digest: str
    users: int
    items: int
    unknown_users: int
    unknown_items: int
    split: dict[str, Any] | None
    known: npt.NDArray[np.bool_]


def make_scores(
    model: Model, users: Vocabulary, items: Items, place: str, *, precise: bool
) -> tuple[Scores, Knowledge]:
    """The scores of a model for a run, and what it knows.

    ``place``: What messages call the model.
    ``precise``: Whether the values of scores matter, and not only their order.
    Raises BadDataError: The model knows no user or no item of the run.
    """
    rows = model.users.find(users.ids)
    columns = model.items.find(items.catalog.ids)
    for what, found, ids, known in (
        ("users of the log", rows, users.ids, model.users.ids),
        ("items of the catalog", columns, items.catalog.ids, model.items.ids),
    ):
        if not (found >= 0).any():
            raise BadDataError(
                f"none of the {len(ids)} {what} is in the model (log: {ids[0].as_py()!r}, model: {known[0].as_py()!r})",
                place=place,
                remedy="give a model that was made from this log",
            )
    known_items = np.flatnonzero(columns >= 0)
    of_items = columns[known_items]
    factors = model.item_factors[of_items]
    with np.errstate(over="ignore"):
        weighted: npt.NDArray[np.float32] = factors if model.h is None else factors * model.h
    if not np.isfinite(weighted).all():
        raise BadDataError("item_factors times h are too large for float32", place=place, remedy="scale them down")
    scores = Scores(
        rows,
        model.user_factors,
        known_items,
        weighted,
        None if model.item_bias is None else model.item_bias[of_items],
        items.n_catalog,
        np.float64 if precise else np.float32,
    )
    knowledge = Knowledge(
        model.kind,
        model.digest,
        len(rows),
        len(columns),
        int((rows < 0).sum()),
        len(columns) - len(known_items),
        model.facts.get("split"),
        rows >= 0,
    )
    return scores, knowledge


_DEFAULT_ALPHA, _DEFAULT_SMOOTH = 0.75, 0.0
_DEFAULT_POOL, _DEFAULT_TOP, _DEFAULT_SKIP_TOP = 32, 1, 0
_DEFAULT_POLICY_POOL, _DEFAULT_POOL_WEAK, _DEFAULT_TEMPERATURE = 30, 1, 1.0


def needs_survey(options: Options) -> bool:
    """Whether the users are gone through once before anything is drawn."""
    return ("popularity" in options.recipe.names and options.weights is None) or options.bootstrap is not None


def popularity_shape(options: Options) -> tuple[float, float]:
    """Alpha and smooth of a popularity that is counted."""
    return (
        _DEFAULT_ALPHA if options.alpha is None else options.alpha,
        _DEFAULT_SMOOTH if options.smooth is None else options.smooth,
    )


def model_rule(options: Options) -> Hardness | Policy | None:
    """How a model draws, where one does: the options with their defaults."""
    if options.recipe.scored == "hard":
        size = _DEFAULT_POOL if options.pool is None else options.pool
        top = _DEFAULT_TOP if options.top is None else options.top
        skip = _DEFAULT_SKIP_TOP if options.skip_top is None else options.skip_top
        if top + skip > size:
            raise UsageError(
                f"--top {top} and --skip-top {skip} of a pool of {size}", remedy="enlarge it (--pool), or lower them"
            )
        return Hardness(size, top, skip)
    if options.recipe.scored == "reinforced":
        size = _DEFAULT_POLICY_POOL if options.pool is None else options.pool
        exposed = _DEFAULT_POOL_WEAK if options.pool_weak is None else options.pool_weak
        if exposed > size:
            raise UsageError(f"--pool-weak {exposed} of a pool of {size}", remedy="enlarge it (--pool), or lower it")
        return Policy(size, exposed, _DEFAULT_TEMPERATURE if options.temperature is None else options.temperature)
    return None


def read_model_of(options: Options) -> Model | None:
    """The model that the options name.

    Raises BadDataError: The file is not a model.
    Raises UsageError: Its kind does not fit the sampler, ``hard`` or ``reinforced``.
    """
    sampler = options.recipe.scored
    if options.model is None or sampler is None:
        return None
    model = read_model(options.model)
    if sampler == "reinforced" and model.kind in ("als", "bpr"):
        raise UsageError(
            f"the model is of the kind {model.kind}, which has no policy",
            place=str(options.model),
            remedy="make one with negprep fit --kind rns, or draw with --sampler hard",
        )
    if sampler == "hard" and model.kind == "rns":
        raise UsageError(
            "the model is of the kind rns, a policy, and ranks no items",
            place=str(options.model),
            remedy="make one with negprep fit --kind bpr, or draw with --sampler reinforced",
        )
    return model


def make_plan(
    loaded: Loaded,
    core: Core,
    options: Options,
    rule: HoldoutRule,
    first_times: Times | None,
    model: Model | None = None,
) -> tuple[Plan, WeightsFit, Knowledge | None]:
    """Make the plan of a run.

    ``core``: Its sections are gone through where ``needs_survey``.
    ``first_times``: int64, shape (n_catalog,), or None. From when on each item of the loaded catalog is there, where
      the options restrict by that.
    Returns ``fit``, WeightsFit: How ``--weights`` fits the catalog.
    Returns ``knowledge``, Knowledge or None: What the model knows of the run.
    Raises BadDataError: No item has a weight, or the model knows nobody.
    """
    recipe = options.recipe
    counts = _train_counts(core, options, rule) if needs_survey(options) else np.empty(0, np.int64)
    weights, fit = None, WeightsFit()
    if options.weights is not None:
        weights, fit = read_weights(options.weights, options.read, core.items)
    elif "popularity" in recipe.names:
        weights = _popularity(counts[: core.items.n_catalog], options)
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
    scores, knowledge, how = None, None, model_rule(options)
    if model is not None:
        precise = isinstance(how, Policy)
        scores, knowledge = make_scores(model, core.users, core.items, str(options.model), precise=precise)
    plan = Plan(
        recipe,
        options.distinct,
        options.with_log_q,
        weights,
        order,
        int(counts.sum()),
        scores,
        how,
        options.takes_all,
    )
    return plan, fit, knowledge


def _train_counts(core: Core, options: Options, rule: HoldoutRule) -> npt.NDArray[np.int64]:
    """Train positives of each item, in the catalog or not."""
    counts = np.zeros(len(core.items), np.int64)
    for section in core.sections:
        _, train = split_train(section.interactions, options, rule)
        counts += np.bincount(train.items, minlength=len(counts))
    return counts


def _popularity(counts: npt.NDArray[np.int64], options: Options) -> Weights:
    alpha, smooth = popularity_shape(options)
    if not counts.any() and not smooth:
        raise BadDataError(
            "no item of the catalog has a train positive, so that none has a popularity",
            remedy="add --smooth 1, or choose another sampler",
        )
    return popularity_weights(counts, alpha=Decimal(repr(alpha)), smooth=Decimal(repr(smooth)))
