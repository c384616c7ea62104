"""Which positives may be held out, which must be, and how many of each user: from the rule and the times alone.

Between equal times a hash decides, which is not recomputed here: any of them may be held out.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from negprep.arrays import Mask
from negprep.checks.observed import UsersOfLog
from negprep.checks.pair_set import PairSet, Rows
from negprep.errors import RowError, UsageError
from negprep.options.specs import HoldoutRule
from negprep.read.times import Clock, parse_instant

_NEVER, _ALWAYS = np.iinfo(np.int64).max, np.iinfo(np.int64).min


@dataclass(frozen=True, eq=False)
class Expected:
    """The positives of a fold, as far as the rule says.

    Attributes
    ----------
    sizes : int64, shape (n_users,)
        How many each user has.
    may, must : bool, shape (n_positives,)
        Whether a positive may be one of them; whether it must.
    """

    sizes: Rows
    may: Mask
    must: Mask

    def settled(self, positives: PairSet) -> bool:
        """Whether there is no choice."""
        return bool((per_user(positives, self.may) == self.sizes).all())


def expected(truth: UsersOfLog, rule: HoldoutRule, part: str, *, with_valid: bool) -> Expected:
    """What must be in a fold.

    Parameters
    ----------
    part : {"train", "valid", "test"}
        Of train: the positives that are *not* in it.

    Raises
    ------
    UsageError
        The rule's time is none.
    """
    positives = truth.positives
    counts = positives.counts
    if rule.kind == "none":
        return _nothing(positives)
    if rule.kind == "after":
        held = _times(truth) >= cut_of(rule, truth.clock)
        return _nothing(positives) if part == "valid" else Expected(per_user(positives, held), held, held)
    wanted = _wanted(counts, rule)
    n_test = np.minimum(wanted, counts - 1).clip(0)
    n_all = np.minimum(2 * wanted if with_valid else wanted, counts - 1).clip(0)
    sizes = {"train": n_all, "test": n_test, "valid": n_all - n_test}[part]
    if rule.kind == "random":
        may = np.repeat(sizes > 0, counts)
        return Expected(sizes, may, np.zeros(len(positives), bool))
    times, users = _times(truth), positives.users
    may, must = np.repeat(sizes > 0, counts), np.repeat(sizes > 0, counts)
    if part != "test":  # nothing before the last of those held out
        bound = _nth_latest(times, positives, n_all)[users]
        may &= times >= bound
        must &= times > bound
    if part != "train":
        bound = _nth_latest(times, positives, n_test)[users]
        may &= times >= bound if part == "test" else times <= bound
        must &= times > bound if part == "test" else times < bound
    must |= may & (per_user(positives, may) == sizes)[users]  # where there is no choice between equal times
    return Expected(sizes, may, must)


def cut_of(rule: HoldoutRule, clock: Clock | None = None) -> int:
    """The time of ``after:TIME`` in nanoseconds since 1970, in a log whose times are written as ``clock`` says."""
    try:
        return parse_instant(rule.time, clock)[0]
    except RowError as error:
        raise UsageError(f"--holdout {rule}: {error.what}", remedy=error.remedy) from None


def _nothing(positives: PairSet) -> Expected:
    none = np.zeros(len(positives), bool)
    return Expected(np.zeros(positives.n_users, np.int64), none, none)


def _times(truth: UsersOfLog) -> npt.NDArray[np.int64]:
    if truth.times is None:
        raise ValueError("the truth was found without times")
    return truth.times


def _wanted(counts: Rows, rule: HoldoutRule) -> Rows:
    if rule.kind != "fraction":
        return np.full(len(counts), rule.number)
    numerator, denominator = rule.share
    whole, rest = np.divmod(counts * numerator, denominator)
    return whole + (2 * rest >= denominator)


def per_user(positives: PairSet, which: Mask) -> Rows:
    """How many of each user's positives are among some of them: int64, shape (n_users,)."""
    before = np.concatenate([[0], np.cumsum(which)])
    found: Rows = before[positives.starts[1:]] - before[positives.starts[:-1]]
    return found


def _nth_latest(times: npt.NDArray[np.int64], positives: PairSet, ranks: Rows) -> npt.NDArray[np.int64]:
    """The time of each user's positive of a rank, 1 for the latest; the end of time where the rank is 0."""
    found = np.full(positives.n_users, _NEVER)
    some = np.flatnonzero(ranks > 0)
    if not some.size:
        return found
    if int(ranks.max()) == 1:
        filled = np.flatnonzero(positives.counts > 0)
        latest = np.full(positives.n_users, _ALWAYS)
        latest[filled] = np.maximum.reduceat(times, positives.starts[filled])
        found[some] = latest[some]
        return found
    distinct_times, places = np.unique(times, return_inverse=True)
    ordered = positives.users * np.int64(len(distinct_times)) + places
    ordered.sort()  # by user, and within a user by time
    chosen = ordered[positives.starts[1:][some] - ranks[some]] - some * np.int64(len(distinct_times))
    found[some] = distinct_times[chosen]
    return found
