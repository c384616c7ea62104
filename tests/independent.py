"""Outputs recomputed from their log in plain Python: nothing here is shared with the package that is under test.

``check_train`` and ``check_test`` take a log and the rows that were made of it, in any layout, and raise an
``AssertionError`` that says what is wrong with which user. ``check_partition`` takes the rows of both.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from decimal import ROUND_HALF_UP, Decimal
from typing import Any


@dataclass
class Observed:
    """What a log says of one user."""

    times: dict[Any, Any] = field(default_factory=dict)  # of every observed item
    positives: set[Any] = field(default_factory=set)

    @property
    def items(self) -> set[Any]:
        return set(self.times)


@dataclass
class Group:
    """A positive, the negatives beside it, and its place among them (None where the layout has no places)."""

    user: Any
    positive: Any
    negatives: list[Any]
    slot: int | None = None


def columns_of(table: Any) -> dict[str, list[Any]]:
    """The columns of an Arrow table or a frame as lists; of a list of tuples: user, item, and perhaps time."""
    if hasattr(table, "to_pydict"):
        return dict(table.to_pydict())
    if hasattr(table, "to_dict"):
        return {str(name): table[name].tolist() for name in table.columns}
    rows = list(table)
    names = ("user", "item", "time")[: len(rows[0])] if rows else ("user", "item")
    return {name: [row[place] for row in rows] for place, name in enumerate(names)}


def observe(
    log: Any, *, positive: Callable[[dict[str, Any]], bool] | None = None, keep_time: str = "last", ids: Any = None
) -> dict[Any, Observed]:
    """Each user's items, their times and which are positives. ``ids`` is a function on ids, such as ``str``."""
    columns = columns_of(log)
    ids = ids or (lambda given: given)
    choose = max if keep_time == "last" else min
    users: dict[Any, Observed] = {}
    times: dict[tuple[Any, Any, bool], Any] = {}
    names = list(columns)
    for row in zip(*columns.values(), strict=True):
        values = dict(zip(names, row, strict=True))
        user, item, time = ids(values["user"]), ids(values["item"]), values.get("time")
        known = users.setdefault(user, Observed())
        liked = positive is None or positive(values)
        if liked:
            known.positives.add(item)
        known.times.setdefault(item, None)
        if time is not None:
            key = (user, item, liked)  # the time of a positive is that of its positive rows
            times[key] = choose(times.get(key, time), time)
    for (user, item, liked), time in times.items():
        if liked == (item in users[user].positives):
            users[user].times[item] = time
    return users


def groups_of(rows: Any, *, whole_users: bool = False) -> list[Group]:
    """The groups of an output of any layout, in order.

    Pointwise rows of train begin a group with its positive; with ``whole_users`` (test) the rows of a user are groups
    of one size.
    """
    columns = columns_of(rows)
    if "neg_items" in columns:
        lists = (columns["user"], columns["pos_item"], columns["neg_items"])
        return [Group(user, item, list(negatives)) for user, item, negatives in zip(*lists, strict=True)]
    groups: list[Group] = []
    if "neg_item" in columns:
        for user, positive, negative in zip(columns["user"], columns["pos_item"], columns["neg_item"], strict=True):
            if not groups or (groups[-1].user, groups[-1].positive) != (user, positive):
                groups.append(Group(user, positive, []))
            groups[-1].negatives.append(negative)
        return groups
    extra = set(columns) - {"user", "item", "label"}
    assert extra <= {"source", "log_q"}, f"no layout has the columns {sorted(columns)}"
    pending: list[tuple[Any, Any, Any]] = []

    def close() -> None:
        user, n_groups = pending[0][0], sum(row[2] for row in pending)
        assert n_groups, f"user {user!r} has no positive among the candidates"
        assert len(pending) % n_groups == 0, f"{n_groups} groups of user {user!r} have {len(pending)} rows"
        size = len(pending) // n_groups
        for start in range(0, len(pending), size):
            rows = pending[start : start + size]
            places = [place for place, row in enumerate(rows) if row[2] == 1]
            assert len(places) == 1, f"user {user!r} has {len(places)} positives in one group of candidates"
            place = places[0]
            others = [row[1] for row in rows[:place] + rows[place + 1 :]]
            groups.append(Group(user, rows[place][1], others, place))

    for row in zip(columns["user"], columns["item"], columns["label"], strict=True):
        assert row[2] in (0, 1), f"a label is {row[2]!r}"
        if whole_users:
            if pending and pending[0][0] != row[0]:
                close()
                pending.clear()
            pending.append(row)
        elif row[2] == 1:
            groups.append(Group(row[0], row[1], [], 0))
        else:
            assert groups, "the rows begin with a negative"
            assert groups[-1].user == row[0], f"a negative of user {row[0]!r} follows rows of {groups[-1].user!r}"
            groups[-1].negatives.append(row[1])
    if pending:
        close()
    return groups


def _check_negatives(
    group: Group, seen: set[Any], catalog: set[Any], num_neg: int, *, distinct: bool, on_short: str
) -> None:
    """Exactly as many as there must be; none seen; none outside the catalog; distinct where that is promised."""
    eligible = len(catalog) - len(seen & catalog)
    wanted = min(num_neg, eligible) if distinct else num_neg * (eligible > 0)
    if on_short != "fewer":
        assert wanted == num_neg, f"user {group.user!r} is short ({eligible} eligible items) and is not left out"
    who = f"of user {group.user!r}, positive {group.positive!r}"
    assert len(group.negatives) == wanted, f"{len(group.negatives)} negatives {who}, not {wanted}"
    for item in group.negatives:
        assert item in catalog, f"negative {item!r} {who} is not in the catalog"
        assert item not in seen, f"negative {item!r} {who} is seen"
    if distinct:
        assert len(set(group.negatives)) == wanted, f"a negative {who} occurs twice"


def _is_short(seen: set[Any], catalog: set[Any], num_neg: int, *, distinct: bool) -> bool:
    return len(catalog) - len(seen & catalog) < (num_neg if distinct else 1)


def _settled(holdout: str, log: Any) -> str:
    """The rule that ``auto`` comes to."""
    if holdout != "auto":
        return holdout
    return "last" if "time" in columns_of(log) else "random"


def _sizes(known: Observed, holdout: str, *, with_valid: bool) -> tuple[int, int]:
    """How many of a user's positives are held out for test, and how many for test or validation."""
    kind, _, size = holdout.partition(":")
    n_positives, fewest = len(known.positives), 1
    if kind == "none":
        wanted = 0
    elif kind == "after":
        wanted, fewest = sum(known.times[item] >= int(size) for item in known.positives), 0
    elif kind == "session":
        sizes = [count for _, count in sorted(Counter(known.times[item] for item in known.positives).items())]
        test, valid = (sizes[-back] if len(sizes) > back else 0 for back in (1, 2))
        return test, test + valid * with_valid
    elif kind == "fraction" or "." in size:
        wanted = int(Decimal(n_positives * Decimal(size)).to_integral_value(ROUND_HALF_UP))
    else:
        wanted = int(size or 1)
    most = max(0, n_positives - fewest)
    return min(wanted, most), min(wanted * (1 + with_valid), most)


def _check_held(
    user: Any, known: Observed, held: set[Any], holdout: str, *, with_valid: bool, folds: tuple[str, ...]
) -> None:
    """The number of the holdouts of some folds, and that their times are the latest, or for ``valid`` the next."""
    n_test, n_held = _sizes(known, holdout, with_valid=with_valid)
    first, last = (0 if "test" in folds else n_test), (n_held if "valid" in folds else n_test)
    wanted = last - first
    assert len(held) == wanted, (
        f"user {user!r} with {len(known.positives)} positives has {len(held)} holdouts, not {wanted}"
    )
    if holdout.partition(":")[0] in ("last", "fraction", "after", "session"):
        times = sorted((known.times[item] for item in known.positives), reverse=True)[first:last]
        found = sorted((known.times[item] for item in held), reverse=True)
        assert found == times, f"the holdouts of user {user!r} are of {found}, the latest of {times}"


def _catalog_of(users: Mapping[Any, Observed], catalog: Iterable[Any] | None, ids: Any) -> set[Any]:
    if catalog is not None:
        return {ids(item) for item in catalog} if ids else set(catalog)
    return set().union(*(known.items for known in users.values()))


def _excluded_of(exclude: Iterable[tuple[Any, Any]], ids: Any) -> dict[Any, set[Any]]:
    excluded: dict[Any, set[Any]] = {}
    for user, item in exclude:
        excluded.setdefault(ids(user) if ids else user, set()).add(ids(item) if ids else item)
    return excluded


def check_train(
    log: Any,
    rows: Any,
    *,
    num_neg: int = 4,
    holdout: str = "auto",
    with_valid: bool = False,
    distinct: bool = False,
    positive: Callable[[dict[str, Any]], bool] | None = None,
    keep_time: str = "last",
    exclude: Iterable[tuple[Any, Any]] = (),
    catalog: Iterable[Any] | None = None,
    on_short: str = "fewer",
    ids: Any = None,
) -> list[Group]:
    """Check train rows against the log that they were made of.

    Parameters
    ----------
    log : pyarrow.Table, pandas.DataFrame or list of tuples
        Columns user, item, and, where they matter, time and what ``positive`` looks at.
    rows : pyarrow.Table or pandas.DataFrame
        What ``train`` gave, in any layout.
    positive : function of a row (a dict) to bool, optional
    exclude : (user, item) pairs
    catalog : items; those of the log by default
    ids : function on the ids of the log, optional
        ``str`` where the output has strings for the integers of ``log``.

    Returns
    -------
    list of Group
        The groups found, in order.
    """
    users = observe(log, positive=positive, keep_time=keep_time, ids=ids)
    all_items, excluded = _catalog_of(users, catalog, ids), _excluded_of(exclude, ids)
    groups = groups_of(rows)
    kept: dict[Any, set[Any]] = {}
    for group in groups:
        assert group.user in users, f"user {group.user!r} is not in the log"
        assert group.positive in users[group.user].positives, f"{group.positive!r} is no positive of {group.user!r}"
        mine = kept.setdefault(group.user, set())
        assert group.positive not in mine, f"the positive {group.positive!r} of user {group.user!r} occurs twice"
        mine.add(group.positive)
    holdout = _settled(holdout, log)
    hides_full = "neg_item" in columns_of(rows)  # a pairwise output has no row for a positive without a negative
    for user, known in users.items():
        weak = known.items - known.positives
        mine = kept.get(user, set())
        n_held = _sizes(known, holdout, with_valid=with_valid)[1]
        seen = (mine or known.positives) | weak | excluded.get(user, set())
        if not mine and len(known.positives) > n_held:
            may_hide = on_short == "drop" or (hides_full and not all_items - seen)
            # whichever positives are held out, at most that many more items are eligible
            short = len(all_items - seen) - n_held < (num_neg if distinct else 1)
            assert may_hide, f"no positive of user {user!r} is in train"
            assert short, f"no positive of user {user!r} is in train, who is not short"
        elif known.positives:
            held = known.positives - mine
            _check_held(user, known, held, holdout, with_valid=with_valid, folds=("test", "valid"))
    for group in groups:
        known = users[group.user]
        seen = kept[group.user] | (known.items - known.positives) | excluded.get(group.user, set())
        _check_negatives(group, seen, all_items, num_neg, distinct=distinct, on_short=on_short)
    return groups


def check_test(
    log: Any,
    rows: Any,
    *,
    num_neg: int = 99,
    holdout: str = "auto",
    with_valid: bool = False,
    fold: str = "test",
    distinct: bool = True,
    positive: Callable[[dict[str, Any]], bool] | None = None,
    keep_time: str = "last",
    exclude: Iterable[tuple[Any, Any]] = (),
    catalog: Iterable[Any] | None = None,
    on_short: str = "fewer",
    ids: Any = None,
) -> list[Group]:
    """Check test rows against their log: a group a holdout, as many candidates as promised. Parameters as above."""
    users = observe(log, positive=positive, keep_time=keep_time, ids=ids)
    all_items, excluded = _catalog_of(users, catalog, ids), _excluded_of(exclude, ids)
    groups = groups_of(rows, whole_users=True)
    held: dict[Any, set[Any]] = {}
    holdout = _settled(holdout, log)
    assert fold == "test" or with_valid
    for group in groups:
        assert group.user in users, f"user {group.user!r} is not in the log"
        known, mine = users[group.user], held.setdefault(group.user, set())
        assert group.positive not in mine, f"the holdout {group.positive!r} of user {group.user!r} occurs twice"
        mine.add(group.positive)
        assert group.positive in known.positives, f"holdout {group.positive!r} of {group.user!r} is no positive"
        seen = known.items | excluded.get(group.user, set())
        _check_negatives(group, seen, all_items, num_neg, distinct=distinct, on_short=on_short)
    for user, known in users.items():
        short = _is_short(known.items | excluded.get(user, set()), all_items, num_neg, distinct=distinct)
        if user in held or not (on_short == "drop" and short):
            _check_held(user, known, held.get(user, set()), holdout, with_valid=with_valid, folds=(fold,))
    return groups


def check_partition(
    log: Any, *folds: list[Group], positive: Callable[[dict[str, Any]], bool] | None = None, ids: Any = None
) -> None:
    """Every positive of the log is in exactly one of the folds (groups of train, test and perhaps valid)."""
    counts = Counter((group.user, group.positive) for fold in folds for group in fold)
    for pair, count in counts.items():
        assert count == 1, f"the positive {pair} is in {count} folds"
    users = observe(log, positive=positive, ids=ids)
    wanted = {(user, item) for user, known in users.items() for item in known.positives}
    assert set(counts) == wanted, f"folds and log differ in {sorted(set(counts) ^ wanted, key=str)[:3]}"
