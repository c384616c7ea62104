"""What the draws of a run have in common, what they are asked for, and what they give."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from negprep.recipe import Recipe
from negprep.samplers.hardness import Hardness
from negprep.samplers.mixture import Sources
from negprep.samplers.order import CatalogOrder, Times
from negprep.samplers.reinforced import Policy
from negprep.samplers.scores import Scores
from negprep.samplers.weights import Weights
from negprep.seen import Codes


@dataclass(frozen=True, eq=False)
class Plan:
    """What the draws of all users have in common.

    Attributes
    ----------
    recipe : Recipe
    distinct : bool
    with_log_q : bool
    weights : Weights or None
        Of the catalog's items, where popularity is a component.
    order : CatalogOrder or None
        Where negatives are restricted to a window.
    n_train : int
        Train positives of all users, where they were counted.
    scores : Scores or None
        Of the run's users and catalog, where a model draws.
    rule : Hardness or Policy or None
        How it draws.
    takes_all : bool
        Whether every eligible item is taken, in random order, in place of draws.
    """

    recipe: Recipe
    distinct: bool
    with_log_q: bool = False
    weights: Weights | None = None
    order: CatalogOrder | None = None
    n_train: int = 0
    scores: Scores | None = None
    rule: Hardness | Policy | None = None
    takes_all: bool = False

    @cached_property
    def ordered_weights(self) -> Weights | None:
        """The weights by position."""
        if self.weights is None or self.order is None:
            return self.weights
        return self.weights.reordered(self.order.items)

    @cached_property
    def ordered_scores(self) -> Scores | None:
        """The scores by position."""
        if self.scores is None or self.order is None:
            return self.scores
        return self.scores.reordered(self.order.positions)


@dataclass(frozen=True, eq=False)
class Leads:
    """The positives that lead some groups.

    Attributes
    ----------
    users : int32, shape (n,)
        Ascending.
    items : int32, shape (n,)
    times : int64, shape (n,), or None
        Only where the plan restricts by time.
    """

    users: Codes
    items: Codes
    times: Times | None

    def __len__(self) -> int:
        return len(self.users)


@dataclass(frozen=True, eq=False)
class Drawn:
    """The negatives of some groups.

    Attributes
    ----------
    items : int32, shape (n_groups, num_neg)
        Codes, -1 beyond the group's count.
    sources : int8, of the same shape, or None
        Positions in ``Recipe.sources``.
    log_q : float64, of the same shape, or None
    pos_log_q : float64, shape (n_groups,), or None
    leaders : int32, of the shape of ``items``, or None
        What stands in the place of the positive beside each negative, where that is not always the positive.
    """

    items: Codes
    sources: Sources | None = None
    log_q: npt.NDArray[np.float64] | None = None
    pos_log_q: npt.NDArray[np.float64] | None = None
    leaders: Codes | None = None
