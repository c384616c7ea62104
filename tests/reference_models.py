"""The samplers that draw by a model, by ints, floats and lists alone, to be read beside ``reference_samplers``."""

from __future__ import annotations

from dataclasses import dataclass
from math import exp, frexp, sqrt
from typing import Any

from reference import bounded, draw_negatives, in_order, pair_key, word
from reference_samplers import CHOICE, ROUND, ROUNDS, Mixture

POOL, STRANGER, EXPOSED, TOP = 2 << 60, 3 << 60, 3 << 60, 1 << 62
SHUFFLE = 1 << 63
LENGTHS = {"hard": 2.0**12 - 20, "reinforced": 2.0**26 - 20}


def length(vector: list[float]) -> float:
    total = 0.0
    for number in vector:
        total += number * number
    return sqrt(total)


@dataclass
class Plain:
    """A model: factors by id, a bias by item or none, weights of the factors or none."""

    users: dict[Any, list[float]]
    items: dict[Any, list[float]]
    bias: dict[Any, float] | None = None

    def whole(self, catalog: list[Any], size: float) -> tuple[dict[Any, list[int]], dict[Any, list[int]], Any]:
        """Whole factors of users and of the items of the catalog, and what a score of a user is multiplied with."""
        known = [item for item in catalog if item in self.items]
        stretch = 1.0
        if self.bias is not None:
            most = [
                max(length(vector) for vector in vectors)
                for vectors in (
                    self.users.values(),
                    [self.items[item] for item in known],
                    [[self.bias[item]] for item in known],
                )
            ]
            stretch = 2.0 ** (frexp(most[0] * most[2] / most[1])[1] // 2)
        wide_users = {user: vector + ([stretch] if self.bias else []) for user, vector in self.users.items()}
        wide_items = {
            item: self.items[item] + ([self.bias[item] * (1 / stretch)] if self.bias else []) for item in known
        }
        item_scale = size / max(map(length, wide_items.values()))
        user_scales = {user: size / length(vector) for user, vector in wide_users.items()}
        return (
            {user: [round(number * user_scales[user]) for number in vector] for user, vector in wide_users.items()},
            {item: [round(number * item_scale) for number in vector] for item, vector in wide_items.items()},
            {user: 1 / (scale * item_scale) for user, scale in user_scales.items()},
        )


@dataclass
class ByModel(Mixture):
    """A mixture with ``hard`` or ``reinforced`` as its first component."""

    known: list[int] = None  # eligible items that the model knows, in the order of positions
    strange: list[int] = None  # the other eligible items
    n_known: int = 0  # of the catalog
    ranks: dict[int, int] = None  # the number of each known item of the catalog, where nothing is restricted
    listed: list[int] = None  # weak items that the model knows, in the window
    scores: dict[int, int] | None = None
    unit: float = 1.0
    rule: tuple[float, ...] = ()

    def attempt(self, key: int, draw: int, attempt: int) -> tuple[int, int]:
        source = self.choose(key, draw, attempt)
        if source or self.scores is None:
            return super().attempt(key, draw, attempt)
        return self.by_model(key, draw, attempt, self.known, self.strange, whole=True)

    def by_model(
        self, key: int, draw: int, attempt: int, known: list[int], strange: list[int], *, whole: bool
    ) -> tuple[int, int]:
        if strange:
            point = bounded(key, len(strange) + len(known), draw + STRANGER, attempt)
            if point < len(strange):
                return strange[point], len(self.names)
        key = word(key, draw + (attempt << 32) + POOL)
        size = int(self.rule[0])
        if whole and self.ranks is not None:
            numbers = {self.ranks[code]: code for code in known}
            pool = draw_negatives(key, sorted(numbers), self.n_known, size, distinct=True)
            pool = [numbers[number] for number in pool]
        else:
            pool = [known[rank] for rank in distinct_ranks(key, len(known), size)]
        return (self.hardest if self.names[0] == "hard" else self.likely)(key, pool), 0

    def hardest(self, key: int, pool: list[int]) -> int:
        _, top, skip = self.rule
        skip = min(len(pool) - 1, int(skip))
        top = min(int(top), len(pool) - skip)
        place = skip + (bounded(key, top, TOP, 0) if self.rule[1] > 1 else 0)
        return sorted(pool, key=lambda code: -self.scores[code])[place]  # stable: of equal ones the earlier slot

    def likely(self, key: int, pool: list[int]) -> int:
        size, exposed, temperature = self.rule
        slots = [*pool, *[None] * (int(size) - len(pool))]
        for place, rank in enumerate(distinct_ranks(word(key, EXPOSED), len(self.listed), int(exposed))):
            slots[-1 - place] = self.listed[rank]
        logits = [None if code is None else self.scores[code] * (self.unit / temperature) for code in slots]
        highest = max(logit for logit in logits if logit is not None)
        units = [
            0 if logit is None or logit - highest <= -700 else round(exp(logit - highest) * 2.0**40) for logit in logits
        ]
        point = bounded(key, sum(units), TOP, 0)
        for code, some in zip(slots, units, strict=True):
            if point < some:
                return code
            point -= some
        raise AssertionError("no such point")

    def from_rest(self, key: int, draw: int, taken: list[int]) -> tuple[int, int]:
        attempt = (ROUNDS + 1) * ROUND
        known, strange = ([code for code in codes if code not in taken] for codes in (self.known, self.strange))
        left = len(known) + len(strange)
        if len(self.names) > 1 or self.scores is None or not left:
            raise NotImplementedError
        return self.by_model(key, draw, attempt + 1, known, strange, whole=False)


def distinct_ranks(key: int, count: int, size: int) -> list[int]:
    if count < 4 * size:
        return sorted(range(count), key=lambda rank: word(key, SHUFFLE + rank))[:size]
    drawn = [bounded(key, count, slot, 1) for slot in range(size)]
    attempt = 2
    while len(set(drawn)) < size:
        for slot in [slot for slot in range(size) if drawn[slot] in drawn[:slot]]:
            drawn[slot] = bounded(key, count, slot, attempt)
        attempt += 1
    return drawn


def train_rows(
    log: list[tuple[Any, Any, int]],
    weak: list[tuple[Any, Any]],
    model: Plain,
    names: list[str],
    shares: list[int],
    rule: tuple[float, ...],
    num_neg: int,
    *,
    at_time: bool = False,
    distinct: bool = False,
    seed: int = 0,
) -> list[tuple[Any, Any, Any, str]]:
    """(user, pos_item, neg_item, source) rows of a log of (user, item, time).

    ``names`` begins with hard or reinforced.
    """
    assert CHOICE == TOP
    catalog = in_order({item for _, item, _ in log})
    codes = {item: code for code, item in enumerate(catalog)}
    users, items, units = model.whole(catalog, LENGTHS[names[0]])
    first = {item: min(row[2] for row in log if row[1] == item) for item in catalog}
    order = sorted(catalog, key=lambda item: (first[item] if at_time else 0, codes[item]))
    rows = []
    for user in in_order({user for user, _, _ in log}):
        times = {item: time for other, item, time in log if other == user}
        own_weak = {item for other, item in weak if other == user and item in codes} - set(times)
        scores = None
        if user in users:
            scores = {
                codes[item]: sum(x * y for x, y in zip(users[user], vector, strict=True))
                for item, vector in items.items()
            }
        for positive in sorted(times, key=codes.__getitem__):
            window = [codes[item] for item in order if not at_time or first[item] <= times[positive]]
            seen = {codes[item] for item in {*times, *own_weak}}
            eligible = [code for code in window if code not in seen]
            known = [code for code in eligible if catalog[code] in items]
            mixture = ByModel(
                names,
                shares,
                False,
                [[(code, 1) for code in eligible] if user in users or name == "uniform" else [] for name in names],
                [(code, 1) for code in eligible],
                seen,
                None if at_time else len(catalog),
                None,
                known,
                [code for code in eligible if code not in known],
                len(items),
                None if at_time else {codes[item]: number for number, item in enumerate(order_of(catalog, items))},
                [code for code in window if catalog[code] in own_weak and catalog[code] in items],
                scores,
                units.get(user, 1.0),
                rule,
            )
            count = min(num_neg, len(eligible)) if distinct else num_neg if eligible else 0
            drawn = mixture.draw(pair_key(seed, "negatives", user, positive), count, distinct=distinct)
            rows += [(user, positive, catalog[code], [*names, "fallback"][source]) for code, source in drawn]
    return rows


def order_of(catalog: list[Any], items: dict[Any, Any]) -> list[Any]:
    return [item for item in catalog if item in items]
