"""The samplers beyond uniform by ints and lists alone, to be read beside ``reference``: popularity, weak, mixtures,
restrictions.

A *measure* is a list of (code, points), in the order of positions: what a user may get by one sampler, and how often.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Context, Decimal
from typing import Any

from reference import (
    PROPOSALS,
    ROUND,
    bounded,
    draw_eligible,
    hold_out,
    in_order,
    mix,
    pair_key,
    purpose_key,
    scale,
    word,
)

Measure = list[tuple[int, int]]

CHOICE, COIN, LEADER = 1 << 62, 3 << 61, 5 << 60
ROUNDS = 12
DIGITS = Context(prec=40)


def column_bits(n_items: int) -> int:
    return 62 - (n_items - 1).bit_length()


def quantised(weights: list[Decimal]) -> list[int]:
    """Units of each item; they add up to n_items * 2**column_bits."""
    total = len(weights) << column_bits(len(weights))
    whole = [int(DIGITS.multiply(DIGITS.divide(weight, max(weights)), 10**30)) for weight in weights]
    units = [
        max(1, part * total // sum(whole)) if weight > 0 else 0 for part, weight in zip(whole, weights, strict=True)
    ]
    heavy = [code for code, given in enumerate(units) if given]
    missing = total - sum(units)
    if missing >= 0:
        for place, code in enumerate(heavy):
            units[code] += missing // len(heavy) + (place < missing % len(heavy))
    for code in sorted(heavy, key=lambda code: -units[code]):  # sorted is stable: of equal ones the smaller code
        if missing < 0:
            paid = min(units[code] - 1, -missing)
            units[code] -= paid
            missing += paid
    return units


def popularity_units(counts: list[int], alpha: str, smooth: str) -> list[int]:
    bases = [Decimal(count) + Decimal(smooth) for count in counts]
    return quantised([DIGITS.power(base, Decimal(alpha)) if base > 0 else Decimal(0) for base in bases])


def alias_table(units: list[int]) -> tuple[list[int], list[int]]:
    """Threshold and alias of each column. A column that is always itself has the threshold 0."""
    column = 1 << column_bits(len(units))
    thresholds, aliases, left = [0] * len(units), list(range(len(units))), list(units)
    large = [code for code, given in enumerate(units) if given >= column]
    at = 0
    for small in (code for code, given in enumerate(units) if given < column):
        while left[large[at]] == column:
            at += 1
        thresholds[small], aliases[small] = units[small], large[at]
        left[large[at]] -= column - units[small]
        while left[large[at]] < column:
            thresholds[large[at]], aliases[large[at]] = left[large[at]], large[at + 1]
            left[large[at + 1]] -= column - left[large[at]]
            at += 1
    return thresholds, aliases


def propose(key: int, counter: int, table: tuple[list[int], list[int]]) -> int | None:
    """An item of the whole catalog by its weight; None: the word must be thrown away."""
    thresholds, aliases = table
    drawn = word(key, counter)
    column = scale(drawn >> 32, len(thresholds), bits=32)
    if column is None:
        return None
    fine = column_bits(len(thresholds)) - 32
    coin, upper = drawn & 0xFFFFFFFF, thresholds[column] >> fine
    is_itself = coin < upper
    if coin == upper:
        rest = word(key, counter + COIN) >> (64 - fine) if fine else 0
        is_itself = rest < thresholds[column] & ((1 << fine) - 1)
    return column if is_itself else aliases[column]


def mass(measure: Measure) -> int:
    return sum(points for _, points in measure)


def item_at(measure: Measure, point: int) -> int:
    for code, points in measure:
        if point < points:
            return code
        point -= points
    raise AssertionError("no such point")


@dataclass
class Mixture:
    """What is drawn from for one positive.

    ``n_items``: of the catalog, where nothing is restricted. ``table``: of popularity, then.
    """

    names: list[str]
    shares: list[int]
    fixed: bool
    measures: list[Measure]
    fallback: Measure | None
    seen: set[int]
    n_items: int | None
    table: tuple[list[int], list[int]] | None

    def choose(self, key: int, draw: int, attempt: int) -> int:
        ends = [sum(self.shares[: place + 1]) for place in range(len(self.shares))]
        if len(ends) == 1:
            return 0
        point = draw if self.fixed else bounded(key, ends[-1], draw + CHOICE, attempt)
        return sum(end <= point for end in ends)

    def attempt(self, key: int, draw: int, attempt: int) -> tuple[int, int]:
        """An item and its source."""
        source = self.choose(key, draw, attempt)
        name, measure = self.names[source], self.measures[source]
        if not mass(measure):
            assert self.fallback is not None
            source, name, measure = len(self.names), "uniform", self.fallback
            if not measure:
                source = next(place for place, measure in enumerate(self.measures) if measure)
                name, measure = self.names[source], self.measures[source]
        if self.n_items is not None and name in {"uniform", "level"}:
            return draw_eligible(key, [code for code, _ in measure], self.n_items, draw, attempt), source
        total = 0 if self.n_items is None else self.n_items << column_bits(self.n_items)
        if name == "popularity" and self.table is not None and 4 * mass(measure) >= total:
            for _ in range(PROPOSALS):
                item = propose(key, draw + (attempt << 32), self.table)
                if item is not None and item not in self.seen:
                    return item, source
                attempt += 1
        return item_at(measure, bounded(key, mass(measure), draw, attempt)), source

    def from_rest(self, key: int, draw: int, taken: list[int]) -> tuple[int, int]:
        attempt = (ROUNDS + 1) * ROUND
        measures = self.measures if self.fallback is None else [*self.measures, self.fallback]
        rests = [[(code, points) for code, points in measure if code not in taken] for measure in measures]
        if self.fixed:
            source = self.choose(key, draw, attempt)
        else:
            shares = [share if mass(measure) else 0 for share, measure in zip(self.shares, self.measures, strict=True)]
            shares += [sum(self.shares) - sum(shares)]
            ends, end = [], 0.0
            for share, measure, rest in zip(shares, measures, rests, strict=False):
                end += share * (float(mass(rest)) / float(max(mass(measure), 1)))
                ends.append(end)
            point = float(word(key, draw + (attempt << 32))) * 2.0**-64 * end
            source = min(sum(end <= point for end in ends), len(rests) - 1)
        if not mass(rests[source]) and self.fallback is not None:
            source = len(self.names)
        if not mass(rests[source]):
            source = next(place for place, rest in enumerate(rests) if mass(rest))
        return item_at(rests[source], bounded(key, mass(rests[source]), draw, attempt + 1)), source

    def draw(self, key: int, count: int, *, distinct: bool) -> list[tuple[int, int]]:
        drawn = [self.attempt(key, draw, 0) for draw in range(count)]

        def is_again(draw: int) -> bool:
            return drawn[draw][0] in [item for item, _ in drawn[:draw]]

        for round_ in range(1, ROUNDS + 1) if distinct else []:
            repeated = [draw for draw in range(count) if is_again(draw)]
            for draw in repeated:
                drawn[draw] = self.attempt(key, draw, round_ * ROUND)
        for draw in range(count) if distinct else []:
            if is_again(draw):
                drawn[draw] = self.from_rest(key, draw, [item for item, _ in drawn[:draw]])
        return drawn


def train_rows(
    log: list[tuple[Any, Any, int, int]],
    names: list[str],
    shares: list[int],
    num_neg: int,
    *,
    fixed: bool = False,
    least: int = 0,
    distinct: bool = False,
    alpha: str = "0.75",
    smooth: str = "0.0",
    weights: dict[Any, float] | None = None,
    at_time: bool = False,
    categories: dict[Any, str] | None = None,
    holdout: str = "none",
    shown: Callable[[Any, Any], set[Any]] = lambda user, positive: set(),
    bootstrap: int | None = None,
    as_pairs: bool = False,
    seed: int = 0,
    split_seed: int = 0,
) -> list[tuple[Any, Any, Any, str]]:
    """(user, item, label, source) rows of a log of (user, item, time, value) rows; values of ``least`` on are liked.

    ``shown`` has the weak items beside a positive. ``as_pairs``: (user, pos_item, neg_item, source) instead. The names
    of ``--levels`` are weak, uniform and level.
    """
    catalog = in_order({item for _, item, _, _ in log})
    codes = {item: code for code, item in enumerate(catalog)}
    users = in_order({user for user, _, _, _ in log})
    positives: dict[Any, dict[Any, int]] = {user: {} for user in users}
    for user, item, time, value in log:
        if value >= least:
            positives[user][item] = max(time, positives[user].get(item, time))
    weak = {user: {row[1] for row in log if row[0] == user} - set(positives[user]) for user in users}
    held = {user: hold_out(positives[user], user, holdout, split_seed, with_valid=False)[0] for user in users}
    train = {user: [item for item in catalog if item in positives[user] and item not in held[user]] for user in users}
    counts = Counter(item for mine in train.values() for item in mine)
    units = [0] * len(catalog)
    if "popularity" in names and weights is None:
        units = popularity_units([counts[item] for item in catalog], alpha, smooth)
    elif weights is not None:
        units = quantised([Decimal(weights.get(item, 0.0)) for item in catalog])
    first = {item: min(row[2] for row in log if row[1] == item) for item in catalog}
    restricted = at_time or categories is not None
    order = sorted(catalog, key=lambda item: (first[item] if at_time else 0, codes[item]))
    falls_back = names != ["popularity"]
    leads = [(user, positive) for user in users for positive in train[user]]
    times = Counter(bounded(purpose_key(seed, "bootstrap"), len(leads), draw, 0) for draw in range(bootstrap or 0))
    rows = []
    for place, (user, positive) in enumerate(leads):
        for occurrence in range(1 if bootstrap is None else times[place]):
            seen = {codes[item] for item in {*train[user], *weak[user]}}
            window = [
                codes[item]
                for item in order
                if (not at_time or first[item] <= positives[user][positive])
                and (categories is None or categories[item] == categories[positive])
            ]
            eligible = [(code, 1) for code in window if code not in seen]
            measures = {
                "uniform": eligible,
                "popularity": [(code, units[code]) for code, _ in eligible],
                "weak": [(code, 1) for code in window if catalog[code] in weak[user]],
                "impression": [(code, 1) for code in window if catalog[code] in shown(user, positive) & weak[user]],
            }
            measures["level"] = eligible if measures["weak"] else []
            mixture = Mixture(
                names,
                shares,
                fixed,
                [measures[name] for name in names],
                eligible if falls_back else None,
                seen,
                None if restricted else len(catalog),
                alias_table(units) if "popularity" in names and not restricted else None,
            )
            supply = len(eligible) if falls_back else sum(points > 0 for _, points in measures["popularity"])
            listed = next((name for name in ("weak", "impression") if name in names), None)
            supply += len(measures[listed]) if listed else 0
            count = min(num_neg, supply) if distinct else num_neg if supply else 0
            key = pair_key(seed, "negatives", user, positive)
            if bootstrap is not None:
                key = mix(key ^ occurrence)
            drawn = [
                (code, [*names, "fallback"][source]) for code, source in mixture.draw(key, count, distinct=distinct)
            ]
            if not as_pairs:
                rows.append((user, positive, 1, "positive"))
                rows += [(user, catalog[code], 0, source) for code, source in drawn]
                continue
            for draw, (code, source) in enumerate(drawn):
                leader = positive
                if source == "level":
                    listed = measures["weak"]
                    leader = catalog[item_at(listed, bounded(key, mass(listed), draw + LEADER, 0))]
                rows.append((user, leader, catalog[code], source))
    return rows
