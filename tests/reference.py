"""Train and test rows by ints and lists alone: the specification of the random choices, made to be read.

Everything is written out from the documentation, slowly and without numpy: the word mixer, the keys of ids, the
bounded integers, the uniform sampler in both forms, the holdouts and the order of candidates. Whoever wants the same
rows in another language can port this file.
"""

from __future__ import annotations

from fractions import Fraction
from math import ceil, floor, sqrt
from typing import Any

WRAP = (1 << 64) - 1
GAMMA = 0x9E3779B97F4A7C15
PURPOSES = {
    "negatives": 1,
    "slot": 2,
    "split": 3,
    "candidates": 4,
    "bootstrap": 6,
    "number": 9,
    "test users": 20,
    "batches": 21,
}
SHUFFLE = 1 << 63
PROPOSALS, ROUND = 24, 64


def mix(word: int) -> int:
    word = (word ^ (word >> 30)) * 0xBF58476D1CE4E5B9 & WRAP
    word = (word ^ (word >> 27)) * 0x94D049BB133111EB & WRAP
    return word ^ (word >> 31)


def unmix(word: int) -> int:
    """The inverse of ``mix``: that there is one makes it a bijection."""
    word = word ^ (word >> 31) ^ (word >> 62)
    word = word * pow(0x94D049BB133111EB, -1, 1 << 64) & WRAP
    word = word ^ (word >> 27) ^ (word >> 54)
    word = word * pow(0xBF58476D1CE4E5B9, -1, 1 << 64) & WRAP
    return word ^ (word >> 30) ^ (word >> 60)


def word(key: int, counter: int) -> int:
    return mix((key + (counter + 1) * GAMMA) & WRAP)


def id_key(given: int | str) -> int:
    """The key of an id. A string that is the canonical decimal text of a 64-bit integer has the integer's."""
    if isinstance(given, str):
        digits = given.removeprefix("-")
        if digits.isascii() and digits.isdigit() and str(int(given)) == given and -(1 << 63) <= int(given) < 1 << 63:
            return id_key(int(given))
        data = given.encode()
        key = mix(~len(data) & WRAP)
        for start in range(0, len(data), 8):
            key = mix((key + GAMMA & WRAP) ^ int.from_bytes(data[start : start + 8], "little"))
        return key
    return word(given & WRAP, 0)


def purpose_key(seed: int, purpose: str) -> int:
    return word(word(seed, 0), PURPOSES[purpose])


def pair_key(seed: int, purpose: str, user: Any, item: Any) -> int:
    return mix(mix(purpose_key(seed, purpose) ^ id_key(user)) ^ id_key(item))


def scale(drawn: int, limit: int, bits: int = 64) -> int | None:
    """An integer below ``limit`` from a word of so many bits; None: the word must be thrown away."""
    product = drawn * limit
    return None if product & ((1 << bits) - 1) < (1 << bits) % limit else product >> bits


def bounded(key: int, limit: int, draw: int, attempt: int) -> int:
    while (value := scale(word(key, draw + (attempt << 32)), limit)) is None:
        attempt += 1
    return value


def group_at(place: int, n_groups: int, seed: int, epoch: int) -> int:
    """The group that a sampler has at a place of its random order."""
    key = word(word(seed, 0), PURPOSES["batches"] + (epoch << 32))
    if n_groups <= 65_536:
        return sorted(range(n_groups), key=lambda group: word(key, group))[place]
    rows = ceil(sqrt(n_groups))
    columns = -(-n_groups // rows)
    group = place
    while True:
        row, column = divmod(group, columns)
        for turn in range(3):
            row = (row + bounded(word(key, 0), rows, turn * columns + column, 0)) % rows
            column = (column + bounded(word(key, 1), columns, turn * rows + row, 0)) % columns
        group = row * columns + column
        if group < n_groups:
            return group


def draw_eligible(key: int, eligible: list[int], n_items: int, draw: int, attempt: int) -> int:
    """One code of ``eligible``, which ascends."""
    if 2 * len(eligible) >= n_items:
        for _ in range(PROPOSALS):
            item = scale(word(key, draw + (attempt << 32)) >> 32, n_items, bits=32)
            if item is not None and item in eligible:
                return item
            attempt += 1
    return eligible[bounded(key, len(eligible), draw, attempt)]


def draw_negatives(key: int, eligible: list[int], n_items: int, num_neg: int, *, distinct: bool) -> list[int]:
    """Codes. ``eligible`` ascends; the catalog has the codes 0 to n_items - 1."""
    if not eligible:
        return []
    if distinct and len(eligible) < 4 * num_neg:
        shuffled = sorted(range(len(eligible)), key=lambda rank: word(key, SHUFFLE + rank))
        return [eligible[rank] for rank in shuffled[:num_neg]]
    drawn = [draw_eligible(key, eligible, n_items, draw, 0) for draw in range(num_neg)]
    round_ = 1
    while distinct and len(set(drawn)) < num_neg:
        repeated = [draw for draw in range(num_neg) if drawn[draw] in drawn[:draw]]
        for draw in repeated:
            drawn[draw] = draw_eligible(key, eligible, n_items, draw, round_ * ROUND)
        round_ += 1
    return drawn


def in_order(ids: set[Any]) -> list[Any]:
    """Integers by value; strings by their UTF-8 bytes."""
    return sorted(ids, key=lambda given: given.encode() if isinstance(given, str) else given)


def hold_out(
    positives: dict[Any, int], user: Any, rule: str, split_seed: int, *, with_valid: bool
) -> tuple[list[Any], list[Any]]:
    """A user's holdouts for test and for validation. ``positives`` has the time of each item."""
    kind, _, size = rule.partition(":")
    if kind == "none":
        return [], []
    if kind == "after":
        return [item for item in positives if positives[item] >= int(size)], []

    if kind == "random-global":
        words = {item: pair_key(split_seed, "split", user, item) / Fraction(1 << 64) for item in positives}
        test = [item for item in positives if words[item] < Fraction(size)]
        return test, [item for item in positives if Fraction(size) <= words[item] < 2 * Fraction(size) and with_valid]
    if kind == "session":
        sessions = sorted(set(positives.values()))
        folds = [sessions[-back] if len(sessions) > back else None for back in (1, 2)]
        test, valid = ([item for item in positives if positives[item] == session] for session in folds)
        return test, valid if with_valid else []

    def rank(item: Any) -> tuple[int, int]:
        return (0 if kind == "random" else positives[item], pair_key(split_seed, "split", user, item))

    latest = sorted(positives, key=rank, reverse=True)
    wanted = floor(Fraction(size) * len(positives) + Fraction(1, 2)) if "." in size else int(size or 1)
    most = max(0, len(positives) - 1)
    test = latest[: min(wanted, most)]
    return test, latest[len(test) : min(2 * wanted, most)] if with_valid else []


def tested(users: dict[Any, dict[Any, int]], rule: str, number: int, split_seed: int) -> set[Any]:
    """Whom ``--test-users`` holds out, of users with the time of each item."""
    can = [user for user in users if hold_out(users[user], user, rule, split_seed, with_valid=False)[0]]
    return set(sorted(can, key=lambda user: mix(purpose_key(split_seed, "test users") ^ id_key(user)))[:number])


def rows(
    command: str,
    log: list[tuple[Any, Any, int]],
    num_neg: int,
    *,
    distinct: bool,
    holdout: str = "last",
    with_valid: bool = False,
    fold: str = "test",
    seed: int = 0,
    split_seed: int = 0,
    catalog: set[Any] | None = None,
) -> list[tuple[Any, Any, int]]:
    """(user, item, label) rows of ``train`` or ``test`` of a log of (user, item, time) rows."""
    in_catalog = in_order({item for _, item, _ in log} if catalog is None else catalog)
    others = in_order({item for _, item, _ in log} - set(in_catalog))
    users: dict[Any, dict[Any, int]] = {}
    for user, item, time in log:
        mine = users.setdefault(user, {})
        mine[item] = max(time, mine.get(item, time))
    made = []
    for user in in_order(set(users)):
        held = hold_out(users[user], user, holdout, split_seed, with_valid=with_valid)
        mine = [item for item in [*in_catalog, *others] if item in users[user]]
        if command == "train":
            seen = heads = [item for item in mine if item not in held[0] + held[1]]
        else:
            seen, heads = mine, [item for item in mine if item in held[int(fold == "valid")]]
        eligible = [code for code, item in enumerate(in_catalog) if item not in seen]
        for positive in heads:
            key = pair_key(seed, {"train": "negatives", "test": "candidates"}[command], user, positive)
            drawn = draw_negatives(key, eligible, len(in_catalog), num_neg, distinct=distinct)
            group = [(user, in_catalog[code], 0) for code in drawn]
            if command == "test":
                slot = bounded(pair_key(seed, "slot", user, positive), len(group) + 1, 0, 0)
                group.append((user, positive, 1))
                group[slot], group[-1] = group[-1], group[slot]
            else:
                group.insert(0, (user, positive, 1))
            made += group
    return made
