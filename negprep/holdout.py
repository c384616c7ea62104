"""Holdouts: which positives are kept out of training. They are positions in the positives, not copies."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from negprep.draw import purpose_key
from negprep.interactions import Interactions, Mask, Times, pair_keys
from negprep.seen import Positions

NONE = -1
_BEFORE_ALL = np.iinfo(np.int64).min


@dataclass(frozen=True, eq=False)
class Split:
    """The holdouts of every user.

    Attributes
    ----------
    test, valid : int64, shape (n_users,)
        A position in the positives, or -1 for a user without such a holdout.
    tied : bool, shape (n_users,)
        Whether a keyed hash chose between positives of equal time.
    """

    test: Positions
    valid: Positions
    tied: Mask

    def train_mask(self, n_positives: int) -> Mask:
        """Which positives stay in train: bool, shape (n_positives,)."""
        mask = np.ones(n_positives, bool)
        for fold in (self.test, self.valid):
            mask[fold[fold != NONE]] = False
        return mask


def split_none(interactions: Interactions) -> Split:
    """Keep every positive in train."""
    nothing = np.full(interactions.positives.n_users, NONE)
    return Split(nothing, nothing, np.zeros(len(nothing), bool))


def split_last(interactions: Interactions, *, seed: int, with_valid: bool) -> Split:
    """Hold out each user's latest positive, and with ``with_valid`` the one before it for validation.

    Positives of equal time are put in the order of a hash of (seed, user id, item id), so that the rows' order in the
    log, which a cluster does not have, decides nothing. A user with one positive keeps it in train; a user with two has
    no validation holdout. Source of the protocol: He et al., WWW 2017, section 4.1 (leave-one-out).

    Parameters
    ----------
    interactions : Interactions
        Its positives have times.
    seed : int
        0 to 2**64 - 1.
    """
    if interactions.positives.times is None:
        raise ValueError("positives without times have no last one")
    return _split(interactions, interactions.positives.times, seed, with_valid)


def split_random(interactions: Interactions, *, seed: int, with_valid: bool) -> Split:
    """Hold out a positive of each user at random, and with ``with_valid`` another for validation.

    The choice is a hash of (seed, user id, item id). A user with one positive keeps it in train; a user with two has no
    validation holdout.
    """
    return _split(interactions, None, seed, with_valid)


def _split(interactions: Interactions, times: Times | None, seed: int, with_valid: bool) -> Split:
    counts = interactions.positives.counts
    candidates = np.repeat(counts >= 2, counts)
    test, tied = _latest(interactions, candidates, times, seed)
    valid = np.full_like(test, NONE)
    if with_valid:
        candidates = np.repeat(counts >= 3, counts)
        candidates[test[counts >= 3]] = False
        valid, tied_valid = _latest(interactions, candidates, times, seed)
        tied |= tied_valid
    return Split(test, valid, tied if times is not None else np.zeros_like(tied))


def _latest(interactions: Interactions, candidates: Mask, times: Times | None, seed: int) -> tuple[Positions, Mask]:
    """Each user's latest candidate, of those of equal time the one with the largest key; and whether the key chose."""
    positives = interactions.positives
    owners = positives.users()
    if times is not None:
        newest = np.full(positives.n_users, _BEFORE_ALL)
        places = np.flatnonzero(candidates)
        users, first = _runs(owners[places])
        newest[users] = np.maximum.reduceat(times[places], first) if first.size else 0
        candidates = candidates & (times == newest[owners])
    places = np.flatnonzero(candidates)
    chosen, tied = np.full(positives.n_users, NONE), np.zeros(positives.n_users, bool)
    if places.size:
        owners = owners[places]
        users, first = _runs(owners)
        purpose = purpose_key(seed, "split")
        keys = pair_keys(purpose, interactions.users.keys[owners], interactions.items.keys[positives.items[places]])
        largest = np.repeat(np.maximum.reduceat(keys, first), np.diff(first, append=len(keys)))
        winners = np.flatnonzero(keys == largest)
        chosen[owners[winners]] = places[winners]
        tied[users[np.diff(first, append=len(keys)) > 1]] = True
    return chosen, tied


def _runs(owners: npt.NDArray[np.int32]) -> tuple[npt.NDArray[np.int32], Positions]:
    """The users that occur in an ascending array, and where the run of each begins."""
    first = np.flatnonzero(np.append(True, owners[1:] != owners[:-1])) if owners.size else np.empty(0, np.int64)
    return owners[first], first
