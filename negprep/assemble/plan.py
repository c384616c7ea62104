"""From options and a loaded log to the plan of the draws: item weights, first times, the scores of a model."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import numpy as np
import numpy.typing as npt

from negprep.arrays import Codes, Counts, Times
from negprep.assemble.section import split_train
from negprep.encode.load import LoadedSection
from negprep.encode.pairs import Items
from negprep.encode.side_files import CatalogFile, WeightsFit, read_weights
from negprep.encode.vocabulary import Vocabulary
from negprep.errors import BadDataError, UsageError
from negprep.model_file import Model, read_model
from negprep.options.options import Options
from negprep.options.specs import (
    DEFAULT_POLICY_POOL,
    DEFAULT_POOL,
    DEFAULT_POOL_WEAK,
    DEFAULT_SKIP_TOP,
    DEFAULT_TEMPERATURE,
    DEFAULT_TOP,
    HoldoutRule,
)
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
    """

    kind: str
    digest: str
    users: int
    items: int
    unknown_users: int
    unknown_items: int
    split: dict[str, Any] | None

    @classmethod
    def of(cls, model: Model, n_users: int, unknown_users: int, columns: Codes) -> Knowledge:
        """What a model knows of so many users, and of a catalog with these columns of it."""
        unknown = int(np.count_nonzero(columns < 0))
        return cls(model.kind, model.digest, n_users, len(columns), unknown_users, unknown, model.facts.get("split"))


def make_scores(model: Model, rows: Codes, columns: Codes, options: Options) -> Scores:
    """The scores of a model for a run.

    ``rows``, ``columns``: int32, shapes (n_users,) and (n_catalog,). Where the model has each user and each item of the
      catalog, or -1.
    """
    place, precise = str(options.model), options.sampler_rule.scored == "reinforced"  # else their order alone matters
    known_items = np.flatnonzero(columns >= 0)
    of_items = columns[known_items]
    factors = model.item_factors[of_items]
    with np.errstate(over="ignore"):
        weighted: npt.NDArray[np.float32] = factors if model.h is None else factors * model.h
    if not np.isfinite(weighted).all():
        raise BadDataError("item_factors times h are too large for float32", place=place, remedy="scale them down")
    return Scores(
        rows,
        model.user_factors,
        known_items,
        weighted,
        None if model.item_bias is None else model.item_bias[of_items],
        len(columns),
        np.float64 if precise else np.float32,
    )


def find_ids(model: Model, vocabulary: Vocabulary, what: str, place: str) -> Codes:
    """Where the model has each id: int32, -1 for one that it does not know.

    ``what``: What messages call the ids; ``place``: what they call the model.
    Raises BadDataError: The model knows none of them.
    """
    known = model.items if what.startswith("items") else model.users
    found = known.find(vocabulary.ids)
    if not (found >= 0).any():
        raise unknown_to_model(len(found), what, vocabulary.ids[0].as_py(), known, place)
    return found


def unknown_to_model(number: int, what: str, example: object, known: Vocabulary, place: str) -> BadDataError:
    """The error that a model has none of the users, or of the items, of a run."""
    return BadDataError(
        f"none of the {number} {what} is in the model (log: {example!r}, model: {known.ids[0].as_py()!r})",
        place=place,
        remedy="give a model that was made from this log",
    )


_DEFAULT_ALPHA, _DEFAULT_SMOOTH = 0.75, 0.0


def needs_survey(options: Options) -> bool:
    """Whether the users are gone through once before anything is drawn."""
    is_popular = "popularity" in options.sampler_rule.names and options.weights is None
    return is_popular or options.bootstrap is not None or drops_cold_items(options)


def drops_cold_items(options: Options) -> bool:
    """Whether it matters which items have a train positive."""
    return options.drop_cold in ("items", "both")


def popularity_shape(options: Options) -> tuple[float, float]:
    """Alpha and smooth of a popularity that is counted."""
    return (
        _DEFAULT_ALPHA if options.alpha is None else options.alpha,
        _DEFAULT_SMOOTH if options.smooth is None else options.smooth,
    )


def model_rule(options: Options) -> Hardness | Policy | None:
    """How a model draws, where one does: the options with their defaults."""
    if options.sampler_rule.scored == "hard":
        size = DEFAULT_POOL if options.pool is None else options.pool
        top = DEFAULT_TOP if options.top is None else options.top
        skip = DEFAULT_SKIP_TOP if options.skip_top is None else options.skip_top
        if top + skip > size:
            raise UsageError(
                f"--top {top} and --skip-top {skip} of a pool of {size}", remedy="enlarge it (--pool), or lower them"
            )
        return Hardness(size, top, skip)
    if options.sampler_rule.scored == "reinforced":
        size = DEFAULT_POLICY_POOL if options.pool is None else options.pool
        exposed = DEFAULT_POOL_WEAK if options.pool_weak is None else options.pool_weak
        if exposed > size:
            raise UsageError(f"--pool-weak {exposed} of a pool of {size}", remedy="enlarge it (--pool), or lower it")
        return Policy(size, exposed, DEFAULT_TEMPERATURE if options.temperature is None else options.temperature)
    return None


def read_model_of(options: Options) -> Model | None:
    """The model that the options name.

    Raises BadDataError: The file is not a model.
    Raises UsageError: Its kind does not fit the sampler, ``hard`` or ``reinforced``.
    """
    sampler = options.sampler_rule.scored
    if options.model is None or sampler is None:
        return None
    model = read_model(options.model)
    if sampler == "reinforced" and model.kind in ("als", "bpr", "gmf"):
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


def model_warnings(options: Options) -> list[str]:
    """What is known of a sampler that draws with a model."""
    if options.sampler_rule.scored != "reinforced":
        return []
    return [
        "wherever that was measured, rows of reinforced, alone or mixed, made a worse model than uniform ones: its "
        "policy is frozen, and the model learns (docs/guide/samplers.md)"
    ]


def make_plan(
    options: Options,
    items: Items,
    catalog: CatalogFile | None,
    counts: Counts | None,
    first_times: Times | None,
    scores: Scores | None = None,
) -> tuple[Plan, WeightsFit]:
    """Make the plan of a run.

    ``counts``: int64, shape (n_items,). Train positives of each item, where ``needs_survey``.
    ``first_times``: int64, shape (n_catalog,), or None. From when on each item of the catalog is there, where the
      options restrict by that.
    Returns ``fit``, WeightsFit: How ``--weights`` fits the catalog.
    Raises BadDataError: No item has a weight.
    """
    sampler = options.sampler_rule
    weights, fit = None, WeightsFit()
    if options.weights is not None:
        weights, fit = read_weights(options.weights, options.read, items)
    elif "popularity" in sampler.names and counts is not None:
        weights = _popularity(counts[: items.n_catalog], options)
    order = None
    if options.same is not None or options.available_at_time:
        order = CatalogOrder.of(
            items.n_catalog,
            segments=None if catalog is None else catalog.categories,
            available=first_times,
            drawable=None if weights is None or sampler.falls_back else weights.units > 0,
        )
    plan = Plan(
        sampler,
        options.distinct,
        options.with_log_q,
        weights,
        order,
        0 if counts is None else int(counts.sum()),
        scores,
        model_rule(options),
        options.takes_all,
    )
    return plan, fit


def count_train(section: LoadedSection, options: Options, rule: HoldoutRule) -> Counts:
    """Train positives of each item, in the catalog or not, of a section: int64, shape (n_items,)."""
    _, train = split_train(section.interactions, options, rule)
    return np.bincount(train.items, minlength=len(section.interactions.items))


def _popularity(counts: Counts, options: Options) -> Weights:
    alpha, smooth = popularity_shape(options)
    if not counts.any() and not smooth:
        raise BadDataError(
            "no item of the catalog has a train positive, so that none has a popularity",
            remedy="add --smooth 1, or choose another sampler",
        )
    return popularity_weights(counts, alpha=Decimal(repr(alpha)), smooth=Decimal(repr(smooth)))
