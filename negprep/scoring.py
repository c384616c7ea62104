"""A model file for the users and the catalog of a run."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from negprep.errors import BadDataError, UsageError
from negprep.interactions import Items
from negprep.model import Model
from negprep.samplers.scores import Scores
from negprep.vocabulary import Vocabulary


@dataclass(frozen=True, eq=False)
class Knowledge:
    """What a model knows of a run.

    Attributes
    ----------
    kind : str
    digest : str
        SHA-256 of the model.
    users, items : int
        Of the log, and of the catalog.
    unknown_users, unknown_items : int
        Those of them that the model does not know.
    split : dict of str, or None
        What decided which positives the model learnt from; None where it does not say.
    known : bool, shape (users,)
        Whether the model knows a user.
    """

    kind: str
    digest: str
    users: int
    items: int
    unknown_users: int
    unknown_items: int
    split: dict[str, Any] | None
    known: npt.NDArray[np.bool_]


def check_kind(model: Model, sampler: str, place: str) -> None:
    """Refuse a model that is not for the sampler, ``hard`` or ``reinforced``.

    Raises
    ------
    UsageError
    """
    if sampler == "reinforced" and model.kind in ("als", "bpr"):
        raise UsageError(
            f"the model is of the kind {model.kind}, whose scores are no policy",
            place=place,
            remedy="make one with negprep fit --kind rns, or draw with --sampler hard",
        )
    if sampler == "hard" and model.kind == "rns":
        raise UsageError(
            "the model is of the kind rns, a policy, and ranks no items",
            place=place,
            remedy="make one with negprep fit --kind bpr, or draw with --sampler reinforced",
        )


def make_scores(
    model: Model, users: Vocabulary, items: Items, place: str, *, precise: bool
) -> tuple[Scores, Knowledge]:
    """The scores of a model for a run, and what it knows.

    Parameters
    ----------
    model : Model
    users : Vocabulary
    items : Items
    place : str
        What messages call the model.
    precise : bool
        Whether the values of scores matter, and not only their order.

    Raises
    ------
    BadDataError
        The model knows no user or no item of the run.
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
