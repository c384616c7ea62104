"""The model of the kind rns: from the interactions of a log to a policy that draws negatives."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict

import numpy as np
import numpy.typing as npt

from negprep.errors import BadDataError, UsageError
from negprep.interactions import Items, Pairs, as_seen, merge_pairs, subtract_pairs
from negprep.learning.game import Epoch, Settings
from negprep.learning.rns import fit
from negprep.model import Model
from negprep.model.factors import sorted_model
from negprep.vocabulary import Vocabulary


def learn(
    users: Vocabulary,
    items: Items,
    train: Pairs,
    weak: Pairs,
    excluded: Pairs,
    settings: Settings,
    *,
    seed: int,
    told: Callable[[Epoch], None],
    place: str,
) -> Model:
    """Learn a sampler from train positives and exposures.

    Parameters
    ----------
    users : Vocabulary
    items : Items
    train : Pairs
        The positives that are not held out.
    weak : Pairs
        The exposures: weak interactions, which are no positives, held-out ones neither.
    excluded : Pairs
        More pairs that are no negatives, whatever else they are.
    settings : Settings
    seed : int
    told : callable
        Is given each epoch when it ends.
    place : str
        What messages call the log.

    Returns
    -------
    Model
        Of the kind rns: users with a train positive or an exposure, and items, of the sampler G.

    Raises
    ------
    UsageError
        There are no exposures.
    BadDataError
        There is nothing to learn from, or the factors grew past all bounds.
    """
    shown = subtract_pairs(weak, excluded, len(items))
    exposures = as_seen(shown, items)
    if not len(exposures.items):
        raise UsageError(
            "no weak interactions of catalog items, and --kind rns learns from what was shown and not liked",
            place=place,
            remedy="say with --positive which interactions are positives, or give --weak FILE; or choose --kind bpr",
        )
    if not len(train):
        raise BadDataError("no train positives", place=place, remedy="hold out less, or look at --positive")
    seen = as_seen(merge_pairs([train, weak, excluded], len(items)), items)
    fitted = fit(train.users(), train.items, seen, exposures, settings, seed=seed, told=told)
    known = (train.counts > 0) | (shown.counts > 0)
    sampler = fitted.sampler
    n_items = len(sampler.items)
    chosen = {
        "user_factors": as_float32(sampler.users[known]),
        "item_factors": as_float32(sampler.items),
        "h": as_float32(sampler.h),
    }
    codes = np.flatnonzero(known)
    from negprep.arrow import from_numpy

    facts = {
        "settings": asdict(settings),
        "seed": seed,
        "positives": len(train),
        "exposures": len(exposures.items),
        "epochs": [asdict(epoch) for epoch in fitted.game],
    }
    return sorted_model("rns", users.ids.take(from_numpy(codes)), items.ids.slice(0, n_items), chosen, facts, place)


def as_float32(values: npt.NDArray[np.floating]) -> npt.NDArray[np.float32]:
    return values.astype(np.float32, copy=False)
