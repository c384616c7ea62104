"""Files compared with each other: what is in train must not be in test, and everything must be somewhere."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations

import numpy as np

from negprep.verifying.checking import Checked, Led
from negprep.verifying.findings import Findings
from negprep.verifying.names import LEAK, SOMEWHERE
from negprep.verifying.pairs import Rows


def compare(files: Sequence[Checked], findings: Findings) -> None:
    """Compare the files pair by pair.

    Two files of one part, such as NCF's ``.test.rating`` and ``.test.negative``, may have the same positives.
    """
    for number, (one, other) in enumerate(combinations(files, 2)):
        if one.terms.part == other.terms.part:
            continue
        train, test = (one, other) if one.terms.is_train else (other, one)
        findings.ask(LEAK)
        for at in range(len(train.truths.ranges)):
            _leaks(train, test, train.led(at), test.led(at), findings, number)
    trains = [file for file in files if file.terms.is_train]
    unsaid = any(file.terms.rule is None for file in trains)
    if unsaid and len(trains) < len(files) and len({id(file.truths) for file in files}) == 1:
        for at in range(len(files[0].truths.ranges)):
            truth = files[0].led(at).truth
            somewhere = np.zeros(len(truth.positives), bool)
            for file in files:
                somewhere |= file.led(at).present
            pairs, users, items = truth.positives, truth.users, truth.items
            findings.found(
                SOMEWHERE,
                np.flatnonzero(~somewhere),
                lambda at, pairs=pairs, users=users, items=items: (  # type: ignore[misc]
                    f"user {users.name(pairs.users[at])}, item {items.name(pairs.items[at])}"
                ),
            )


def _leaks(train: Checked, test: Checked, in_train: Led, in_test: Led, findings: Findings, stage: int) -> None:
    mine, here = _places(in_train, in_test)
    pairs, truth = in_test.truth.positives, in_test.truth

    def describe(at: int) -> str:
        place = here[at]
        row = test.prepared.place(int(in_test.first_rows[place]))
        where = train.prepared.place(int(in_train.first_rows[mine[at]]))
        user, item = truth.users.name(pairs.users[place]), truth.items.name(pairs.items[place])
        return f"{row}: user {user}, item {item}: also in {where}"

    findings.found(LEAK, range(len(mine)), describe, stage=stage)


def _places(train: Led, test: Led) -> tuple[Rows, Rows]:
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
