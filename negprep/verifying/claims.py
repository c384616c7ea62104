"""What a person says of files that do not say it themselves."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from negprep.errors import UsageError
from negprep.limits import MAX_ALPHA
from negprep.options import LogSource


@dataclass(frozen=True, kw_only=True)
class Claims:
    """What is said of files that do not say it themselves, and what stands beside them.

    Attributes
    ----------
    positive, keep_time, num_neg, alpha, smooth
        As the options of ``train`` and ``test``. ``num_neg`` None: as many as most groups have; ``all``: as many as
        there are.
    holdout : str or None
        None: not known.
    with_valid : bool
    distinct : bool or None
        None: yes in test, no in train.
    sampler : tuple of str
        Empty: uniform.
    items, exclude, weak, weights : path or table, or None
    """

    positive: str | None = None
    keep_time: str = "last"
    holdout: str | None = None
    with_valid: bool = False
    num_neg: int | Literal["all"] | None = None
    distinct: bool | None = None
    sampler: tuple[str, ...] = ()
    alpha: float | None = None
    smooth: float | None = None
    items: LogSource | None = None
    exclude: LogSource | None = None
    weak: LogSource | None = None
    weights: LogSource | None = None

    def __post_init__(self) -> None:
        for name, least, most in (("alpha", -MAX_ALPHA, MAX_ALPHA), ("smooth", 0.0, 1e9)):
            value = getattr(self, name)
            if value is not None and not least <= value <= most:
                raise UsageError(f"--{name} is {value!r}", remedy=f"choose a number from {least:g} to {most:g}")
            if value is not None and not any(term.startswith("popularity") for term in self.sampler):
                raise UsageError(f"--{name} without --sampler popularity", remedy="add it, or leave this out")
        if self.holdout is None and (self.with_valid or self.keep_time != "last"):
            option = "with-valid" if self.with_valid else "keep-time"
            raise UsageError(f"--{option} without a holdout", remedy="add --holdout SPEC")
