"""What a model learns from, and how: the same for every kind."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from negprep.interactions import Items
from negprep.pairs import Pairs
from negprep.vocabulary import Vocabulary

Told = Callable[[int, int, str], None]
"""Takes the epochs done, all of them, and in words how the loss is."""


@dataclass(frozen=True, eq=False)
class Training:
    """The train part of a log.

    Attributes
    ----------
    users : Vocabulary
    items : Items
        All of the log, those without a train positive among them.
    positives : Pairs
        The train positives.
    weak : Pairs
        The weak interactions.
    excluded : Pairs
        The pairs of ``--exclude``.
    place : str
        What messages call the log.
    """

    users: Vocabulary
    items: Items
    positives: Pairs
    weak: Pairs
    excluded: Pairs
    place: str


@dataclass(frozen=True, kw_only=True)
class Learning:
    """How a model learns.

    Attributes
    ----------
    factors : int
    epochs : int
    regularization : float
    learning_rate : float or None
        None for a kind that takes no steps.
    seed : int
        0 to 2**64 - 1.
    threads : int
    """

    factors: int
    epochs: int
    regularization: float
    learning_rate: float | None
    seed: int
    threads: int
