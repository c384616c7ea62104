"""What is to be evaluated, and how."""

from __future__ import annotations

from dataclasses import dataclass, field

from negprep.errors import UsageError
from negprep.reading.scored import ScoredColumns

GAMMA = 0.01
MAX_CUTOFF = 1_000_000
MAX_RESAMPLES = 100_000


@dataclass(frozen=True, kw_only=True)
class EvaluateOptions:
    """How scores are evaluated.

    Attributes
    ----------
    at : tuple of int
        The cutoffs K of HR@K and NDCG@K, 1 to 1,000,000.
    catalog_size : int or None
        Items that a holdout is ranked among in a full ranking, itself among them; None: as the metadata of the test
        file says, if there is any.
    distinct : bool or None
        Whether the candidates of a list were drawn without replacement; None: as the metadata says, else they were.
    gamma : float or None
        Weight of the variance in the bias-variance estimator, 0 to 1; None: 0.01.
    resamples : int
        Of the bootstrap, 0 for no intervals, up to 100,000.
    seed : int
        Of the bootstrap, 0 to 2**64 - 1.
    columns : tuple of str or None
        Names of the columns of a text file of scores without a header.
    delimiter : str or None
        Between the fields of a text file of scores.
    quote, escape : str or None
        As in ``ReadOptions``, of the text files of scores and of candidates.
    named : ScoredColumns
        The columns that are not recognised by their names.
    """

    at: tuple[int, ...] = (5, 10, 20)
    catalog_size: int | None = None
    distinct: bool | None = None
    gamma: float | None = None
    resamples: int = 1000
    seed: int = 0
    columns: tuple[str, ...] | None = None
    delimiter: str | None = None
    quote: str | None = None
    escape: str | None = None
    named: ScoredColumns = field(default_factory=ScoredColumns)

    def __post_init__(self) -> None:
        if not self.at or len(set(self.at)) < len(self.at) or not all(1 <= cut <= MAX_CUTOFF for cut in self.at):
            given = ",".join(map(str, self.at))
            raise UsageError(
                f"--at {given!r} is no list of cutoffs", remedy="give different whole numbers from 1, such as 5,10,20"
            )
        if self.catalog_size is not None and self.catalog_size < 2:
            raise UsageError(f"--catalog-size {self.catalog_size} is below 2", remedy="count all items that are ranked")
        if self.gamma is not None and not 0 <= self.gamma <= 1:
            raise UsageError(f"--gamma {self.gamma:g} is not between 0 and 1", remedy="0.01 is a good start")
        if not 0 <= self.resamples <= MAX_RESAMPLES:
            raise UsageError(f"--resamples {self.resamples} is not from 0 to {MAX_RESAMPLES:,}", remedy="try 1000")
        if not 0 <= self.seed < 1 << 64:
            raise UsageError(f"--seed {self.seed} is not from 0 to 2**64 - 1", remedy="choose another")
