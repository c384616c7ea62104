"""What in the facts of a log, and in what a run would write, is seldom meant so."""

from __future__ import annotations

from collections.abc import Iterator

from negprep.inspecting.contents import MOST_SINGLE, Values
from negprep.inspecting.forecast import Forecast
from negprep.inspecting.record import FloatIds, LogFacts
from negprep.positive_rule import quoted_for_shell

MOST_OF_USERS = 0.5
"""An item that more of the users have is told of."""

MOST_OF_ROWS = 0.1
"""A user with more of the rows is told of, if it is also ten times what users have on average."""

MOST_DUPLICATES = 0.3
"""Of the rows, that name a pair again."""

MOST_TIED = 0.5
"""Of the users with several items, whose latest time is that of several."""

FEWEST_USERS = 10
"""Below, shares of users mean little."""

_NAMES_SHOWN = 5

_COUNTED = ("count", "playcount", "plays", "quantity", "weight")
"""Headers of values that say how often, in small letters and without marks; low ones are no dislike."""


def suspicions(facts: LogFacts, positive: str | None, forecasts: list[Forecast]) -> list[str]:
    """Warnings, one line each, in the order in which the facts are read.

    Parameters
    ----------
    facts : LogFacts
    positive : str or None
        The rule of what is positive, if there is one.
    forecasts : list of Forecast
    """
    found = [f"not looked at: {problem}" for problem in facts.unusable]
    for noun, ids in (("user", facts.float_users), ("item", facts.float_items)):
        found += _of_ids(noun, ids)
    found += _of_shares(facts)
    if positive is None:
        found += _of_labels(facts)
    if facts.values is not None and positive is None:
        found += _of_values(facts.values, facts.columns["value"])
    if facts.events is not None and positive is None and len(facts.events.rows) > 1:
        names = list(facts.events.rows)
        found.append(
            f"'{facts.columns['event']}' has {_listed(names)}: all count as positives, unless --positive {names[-1]} "
            "or the like says otherwise"
        )
    found += _of_times(facts)
    for each in forecasts:
        found += _of_short(each)
        found += [warning for warning in each.warnings if warning not in found]
    return found


def _listed(names: list[str]) -> str:
    shown = ", ".join(names[:_NAMES_SHOWN])
    return shown if len(names) <= _NAMES_SHOWN else f"{shown} and others"


def _of_ids(noun: str, ids: FloatIds) -> Iterator[str]:
    if ids.count:
        twins = f", and {ids.twins:,} of them are there without it, too" if ids.twins else ""
        yield (
            f"{ids.count:,} {noun} ids look like floats, such as '{ids.example}'{twins}: "
            "written by a program that took a column with gaps for numbers?"
        )


def _of_shares(facts: LogFacts) -> Iterator[str]:
    if facts.duplicates > MOST_DUPLICATES * facts.rows:
        yield (
            f"{facts.duplicates:,} of {facts.rows:,} rows name a pair of user and item again: they add nothing, a pair "
            "is one positive"
        )
    rows = facts.top_user.count
    if rows > MOST_OF_ROWS * facts.rows and rows > 10 * facts.rows / facts.users:
        yield (
            f"user {facts.top_user.id} has {rows:,} of {facts.rows:,} rows: a robot, or an id that stands for all who "
            "are not known?"
        )
    users = facts.top_item.count
    if facts.users >= FEWEST_USERS and users > MOST_OF_USERS * facts.users:
        yield (
            f"item {facts.top_item.id} is with {users:,} of {facts.users:,} users, who do not get it as a negative: is "
            "it a choice of theirs?"
        )


def _of_labels(facts: LogFacts) -> Iterator[str]:
    for name, rule in facts.labels.items():
        yield (
            f"{name!r} holds labels, and not all are those of positives: train and test refuse such a log until it is "
            f"said which rows count: --positive {quoted_for_shell(rule)} (the other pairs are weak) or --positive all"
        )


def _of_values(values: Values, header: str) -> Iterator[str]:
    """Low values that count as positives, where the values are of a scale as ratings have."""
    levels = [each.low for each in values.histogram]
    is_scale = values.distinct is not None and 2 <= values.distinct <= MOST_SINGLE
    is_scale = is_scale and all(float(2 * level).is_integer() for level in levels) and values.most <= 10
    if not is_scale or "".join(filter(str.isalpha, header.lower())) in _COUNTED:
        return
    middle = (values.least + values.most) / 2
    low = sum(each.rows for each in values.histogram if each.low < middle)
    rows = sum(each.rows for each in values.histogram)
    if low:
        least = min(level for level in levels if level > middle)
        yield (
            f"'{header}' goes from {values.least:g} to {values.most:g}, and {low:,} of {rows:,} rows are below the "
            f"middle: all count as positives, unless --positive '>={least:g}' or the like says otherwise"
        )


def _of_times(facts: LogFacts) -> Iterator[str]:
    times, several = facts.times, facts.users - facts.user_degrees.one
    if times is None:
        return
    if times.seconds == 0 and facts.rows > 1:
        yield "all times are equal: by time no holdout is later than what is trained on, and a hash chooses it"
    elif times.tied_users > MOST_TIED * several:
        yield (
            f"the latest time of {times.tied_users:,} of {several:,} users with several items is that of more than one "
            "item: a hash chooses their holdout"
        )


def _of_short(forecast: Forecast) -> Iterator[str]:
    if forecast.short_users:
        fewer = "no eligible item"
        if forecast.needed > 1:
            none = f", {forecast.full_users:,} of them none" if forecast.full_users else ""
            fewer = f"fewer eligible items than the {forecast.needed:,} needed{none}"
        users = "1 user has" if forecast.short_users == 1 else f"{forecast.short_users:,} users have"
        yield f"{forecast.command}: {users} {fewer}"
