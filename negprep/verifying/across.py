"""Files compared with each other: what is in train must not be in test, and everything must be somewhere."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np

from negprep.verifying.checking import Checked, Led
from negprep.verifying.findings import Findings
from negprep.verifying.names import LEAK, SOMEWHERE
from negprep.verifying.pairs import Rows


@dataclass(frozen=True)
class Overlap:
    """Held-out items that are positives of another file: what is learned from the one is what the other asks.

    Attributes
    ----------
    part, held_part : str
        What the two files are for: ``train`` (or ``valid``) and ``test`` (or ``valid``).
    file, held_file : str
        Their names.
    count, held_out : int
        Held-out items of ``held_file`` that are positives in ``file``; all of them.
    """

    part: str
    held_part: str
    file: str
    held_file: str
    count: int
    held_out: int

    def line(self, names: Mapping[str, str] | None = None) -> str:
        """For a person; ``names`` are what the files are called there."""
        file, held_file = ((names or {}).get(name, name) for name in (self.file, self.held_file))
        what = "positives" if self.part == "train" else "held-out items, too,"
        told = f"{self.count:,} of {self.held_out:,} held-out items of {held_file} are {what} in {file}"
        return f"{self.part}/{self.held_part} overlap: {told}"

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {
            "parts": [self.part, self.held_part],
            "files": [self.file, self.held_file],
            "count": self.count,
            "held_out": self.held_out,
        }


PARTS = ("train", "valid", "test")
"""In the order in which an overlap names them."""


def compare(files: Sequence[Checked], findings: Findings) -> list[Overlap]:
    """Compare the files pair by pair.

    Two files of one part, such as NCF's ``.test.rating`` and ``.test.negative``, may have the same positives.

    Returns
    -------
    list of Overlap
        Of the pairs of files that have one.
    """
    overlaps = []
    for number, (one, other) in enumerate(combinations(files, 2)):
        if one.terms.part == other.terms.part:
            continue
        train, test = sorted((one, other), key=lambda file: PARTS.index(file.terms.part))
        findings.ask(LEAK)
        count = held_out = 0
        for at in range(len(train.truths.ranges)):
            in_test = test.led(at)
            count += _leaks(train, test, train.led(at), in_test, findings, number)
            held_out += int(in_test.present.sum())
        if count:
            names = train.prepared.name, test.prepared.name
            overlaps.append(Overlap(train.terms.part, test.terms.part, *names, count, held_out))
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
    return overlaps


def _leaks(train: Checked, test: Checked, in_train: Led, in_test: Led, findings: Findings, stage: int) -> int:
    """Report positives that both files have, and how many there are."""
    mine, here = _places(in_train, in_test)
    pairs, truth = in_test.truth.positives, in_test.truth

    def describe(at: int) -> str:
        place = here[at]
        row = test.prepared.place(int(in_test.first_rows[place]))
        where = train.prepared.place(int(in_train.first_rows[mine[at]]))
        user, item = truth.users.name(pairs.users[place]), truth.items.name(pairs.items[place])
        return f"{row}: user {user}, item {item}: also in {where}"

    findings.found(LEAK, range(len(mine)), describe, stage=stage)
    return len(mine)


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
