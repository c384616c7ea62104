"""What the rows of a prepared file must be like."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from negprep.holdout_rule import HoldoutRule

ALL = (1 << 31) - 1
"""More negatives than any catalog has."""


@dataclass(frozen=True, kw_only=True)
class TruthTerms:
    """What decides which pairs of a log are positives, weak, excluded, and which items may be drawn.

    Attributes
    ----------
    positive, keep_time, min_positives, core, same
        As the options.
    items, exclude, weak : bool
        Whether the files of these names count.
    with_times, with_firsts : bool
        Whether the times of positives, and of the first interaction with each item, are needed.
    """

    positive: str | None = None
    keep_time: str = "last"
    min_positives: int | None = None
    core: int | None = None
    same: str | None = None
    items: bool = False
    exclude: bool = False
    weak: bool = False
    with_times: bool = False
    with_firsts: bool = False


@dataclass(frozen=True, kw_only=True)
class Terms:
    """What the rows of a file must be like.

    Attributes
    ----------
    part : {"train", "valid", "test"}
    layout : {"pointwise", "pairwise", "listwise", "positives"}
    says_itself : bool
        Whether the file has the metadata of negprep.
    num_neg : int or None
        ``ALL``: as many as there are.
    distinct : bool
    samplers : tuple of str
        Names; of ``--levels`` the names of its sources.
    shares : tuple of float
        Of the samplers.
    fixed : bool
        The shares are fixed counts of each group.
    exposed : bool
        The pools of ``reinforced`` have weak items.
    alpha, smooth : float
    weights : bool
        Popularity comes from a file.
    rule : HoldoutRule or None
    with_valid : bool
    drops_short : bool
    bootstrap : int or None
    shuffled : bool
    epochs : int
    available : bool
    truth : TruthTerms
    counts : dict
        The numbers of the metadata.
    unsaid : set of str
        What nobody says, and is taken for granted: ``num_neg``, ``distinct``, ``sampler``, ``items``, ``weak``.
    """

    part: str
    layout: str
    says_itself: bool
    num_neg: int | None
    distinct: bool
    samplers: tuple[str, ...]
    shares: tuple[float, ...]
    fixed: bool
    exposed: bool
    alpha: float
    smooth: float
    weights: bool
    rule: HoldoutRule | None
    with_valid: bool
    drops_short: bool
    bootstrap: int | None
    shuffled: bool
    epochs: int
    available: bool
    truth: TruthTerms
    counts: dict[str, Any]
    unsaid: frozenset[str] = frozenset()

    @property
    def takes_all(self) -> bool:
        """Whether every item that can be drawn is there, so that nothing is left to chance."""
        return self.num_neg == ALL

    @property
    def is_train(self) -> bool:
        """Whether held-out positives may be drawn."""
        return self.part == "train"

    @property
    def levels(self) -> bool:
        """Whether weak items stand in the place of positives."""
        return "weak>unobserved" in self.samplers

    @property
    def restricted(self) -> bool:
        """Whether what can be drawn depends on the positive."""
        return self.available or self.truth.same is not None

    @property
    def draws_weak(self) -> bool:
        """Whether weak items may be negatives."""
        return bool({"weak", "positive>weak"} & set(self.samplers))

    @property
    def heads_repeat(self) -> bool:
        """Whether which positives lead rows, and how many, is left to chance."""
        return self.bootstrap is not None or self.levels
