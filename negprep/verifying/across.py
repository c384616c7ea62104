"""Files compared with each other: what is in train must not be in test, and everything must be somewhere."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations

import numpy as np

from negprep.verifying.findings import Findings
from negprep.verifying.names import LEAK, SOMEWHERE
from negprep.verifying.pairs import Rows
from negprep.verifying.verdict import Verdict


def compare(verdicts: Sequence[Verdict], findings: Findings) -> None:
    """Compare the files pair by pair.

    Two files of one part, such as NCF's ``.test.rating`` and ``.test.negative``, may have the same positives.
    """
    for one, other in combinations(verdicts, 2):
        if one.terms.part == other.terms.part:
            continue
        train, test = (one, other) if one.terms.is_train else (other, one)
        mine, here = _places(train, test)
        findings.found(
            LEAK,
            range(len(mine)),
            lambda at, train=train, test=test, mine=mine, here=here: _both(train, test, mine[at], here[at]),  # type: ignore[misc]
        )
    trains = [verdict for verdict in verdicts if verdict.terms.is_train]
    unsaid = any(verdict.terms.rule is None for verdict in trains)
    if unsaid and len(trains) < len(verdicts) and len({id(verdict.truth) for verdict in verdicts}) == 1:
        somewhere = np.zeros(len(verdicts[0].truth.positives), bool)
        for verdict in verdicts:
            somewhere |= verdict.present
        lost = np.flatnonzero(~somewhere)
        truth = verdicts[0].truth
        pairs = truth.positives
        users, items = truth.users, truth.items
        findings.found(
            SOMEWHERE, lost, lambda at: f"user {users.name(pairs.users[at])}, item {items.name(pairs.items[at])}"
        )


def _places(train: Verdict, test: Verdict) -> tuple[Rows, Rows]:
    """Where the positives that both have are among those of each."""
    if train.truth is test.truth:
        both = np.flatnonzero(train.present & test.present)
        return both, both
    here = np.flatnonzero(test.present)
    pairs = test.truth.positives
    ids = test.truth.items.vocabulary.ids
    items = train.truth.items(ids)[pairs.items[here]]
    keys = pairs.users[here] * np.int64(len(train.truth.items)) + items  # users are those of one log
    keys[items < 0] = -1
    mine = train.truth.positives.find(keys)
    good = mine >= 0
    good[good] = train.present[mine[good]]
    return mine[good], here[good]


def _both(train: Verdict, test: Verdict, mine: int, here: int) -> str:
    pairs = test.truth.positives
    row = int(test.sweep.tallies.first_rows[here])
    where = train.sweep.prepared.place(int(train.sweep.tallies.first_rows[mine]))
    return test.sweep.name(row, pairs.users[here], pairs.items[here], f": also in {where}")
