"""Each warning on a log that deserves it, and not on its neighbour that does not."""

from __future__ import annotations

import random
import re
from pathlib import Path

import pandas as pd
import pytest

import negprep


def a_log(users=40, items=300, each=5, seed=0):
    """Nothing to warn of: different times, whole ids, no item that is popular."""
    chance = random.Random(seed)
    rows = [(user, item) for user in range(users) for item in chance.sample(range(items), each)]
    return pd.DataFrame(rows, columns=["user", "item"]).assign(time=range(1, len(rows) + 1))


def rated(values, name="rating"):
    log = a_log()
    return log.assign(**{name: [values[row % len(values)] for row in range(len(log))]})


def with_rows(log, rows):
    more = pd.DataFrame(rows, columns=["user", "item"])
    return pd.concat([log, more.assign(time=range(10_000, 10_000 + len(more)))])


def tied(share):
    """A log in which that share of the users have their last two items at one time."""
    log, users = a_log(), 40
    last = log.groupby("user").tail(1).index[: int(share * users)]
    log.loc[last, "time"] -= 1
    return log


def greedy(size):
    """Of 300 items two users have so many, and fifty have six each that no other of the fifty has."""
    few = pd.DataFrame({"user": [item // 6 for item in range(300)], "item": range(300), "time": range(1, 301)})
    return with_rows(few, [(user, item) for user in (98, 99) for item in range(size)])


def kind(warning):
    """A warning without its figures and names."""
    return re.sub(r"'[^']*'|[\d,.]+", "", warning)


def test_nothing_to_warn_of():
    assert negprep.inspect(a_log()).warnings == ()


CASES = {
    "ratings": (
        rated([1, 2, 3, 4, 5]),
        rated([5]),
        "'rating' goes from 1 to 5, and 80 of 200 rows are below the middle: all count as positives, unless --positive "
        "'>=4' or the like says otherwise",
    ),
    "ratings in halves": (rated([0.5, 4.5, 5]), rated([0.25, 4.5, 5]), "unless --positive '>=4.5'"),
    "up and down": (rated([-1, 1]), rated([1, 1]), "unless --positive '>=1'"),
    "how often is no rating": (rated([1, 2, 5], "score"), rated([1, 2, 5], "count"), "'score' goes from 1 to 5"),
    "play counts are no ratings": (rated([1, 2, 10]), rated([1, 2, 11]), "'rating' goes from"),
    "many levels are no ratings": (
        rated([level / 2 for level in range(20)]),
        rated([level / 2 for level in range(21)]),
        "'rating' goes from 0 to 9.5",
    ),
    "events": (
        rated(["view", "buy", "view"], "event"),
        rated(["buy"], "event"),
        "'event' has view, buy: all count as positives, unless --positive buy or the like says otherwise",
    ),
    "equal times": (
        a_log().assign(time=7),
        a_log(),
        "all times are equal: no holdout is later than the training data, and a hash chooses it",
    ),
    "ties": (
        tied(0.6),
        tied(0.4),
        "the latest time of 24 of 40 users with several items belongs to more than one item: a hash chooses their "
        "holdout",
    ),
    "float users": (
        a_log().assign(user=lambda log: log["user"].astype(str) + ".0"),
        a_log().assign(user=lambda log: log["user"].astype(str) + ".5"),
        "40 user ids look like floats, such as '0.0': did a program read a column with gaps as numbers?",
    ),
    "float items": (
        a_log().assign(item=lambda log: ["7.0", *log["item"].astype(str)[1:-1], "7"]),
        a_log().assign(item=lambda log: ["v7.0", *log["item"].astype(str)[1:-1], "7"]),
        "1 item ids look like floats, such as '7.0', and 1 of them occur without it, too: ",
    ),
    "a popular item": (
        with_rows(a_log(), [(user, 999) for user in range(21)]),
        with_rows(a_log(), [(user, 999) for user in range(20)]),
        "item 999 is with 21 of 40 users, who never get it as a negative: is it a choice of theirs?",
    ),
    "a robot": (
        with_rows(a_log(), [(99, item) for item in range(100)]),
        with_rows(a_log(), [(99, item) for item in range(20)]),
        "user 99 has 100 of 300 rows: a robot, or an id shared by all unknown users?",
    ),
    "duplicates": (
        pd.concat([a_log(), a_log().head(90)]),
        pd.concat([a_log(), a_log().head(80)]),
        "90 of 290 rows repeat a pair of user and item: they add nothing, a pair is one positive",
    ),
    "too few items for 99": (
        greedy(202),
        greedy(201),
        "test: 2 users have fewer eligible items than the 99 needed",
    ),
    "no item at all": (
        pd.DataFrame({"user": [1, 1, 1, 2], "item": [1, 2, 3, 1]}),
        pd.DataFrame({"user": [1, 1, 2, 2], "item": [1, 2, 3, 1]}),
        "test: 1 user has fewer eligible items than the 99 needed, 1 of them none",
    ),
    "no times": (
        a_log()[["user", "item"]],
        a_log(),
        "the log has no times: each user's holdout is random (--time-col NAME if a column is the time, --holdout "
        "random if that is meant)",
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_a_warning_where_it_is_due_and_nowhere_else(name):
    bad, good, words = CASES[name]
    (due,) = (warning for warning in negprep.inspect(bad).warnings if words in warning)
    assert kind(due) not in map(kind, negprep.inspect(good).warnings)


@pytest.mark.parametrize(("column", "values", "rule"), [("rating", [1, 5], ">=4"), ("event", ["view", "buy"], "buy")])
def test_a_rule_for_positives_settles_it(column, values, rule):
    log = rated(values, column)
    assert len(negprep.inspect(log).warnings) == 1
    assert negprep.inspect(log, positive=rule).warnings == ()


def test_the_options_decide_who_is_short():
    def short(**options):
        return {w.partition(":")[0] for w in negprep.inspect(greedy(202), **options).warnings if "eligible" in w}

    assert short() == {"test"}
    assert short(num_neg=98) == set()
    assert short(num_neg=99, distinct=True) == {"test"}  # in train the holdout is eligible
    assert short(num_neg=100, distinct=True) == {"train", "test"}
    assert short(num_neg=98, exclude=pd.DataFrame({"user": [99], "item": [299]})) == {"test"}


def test_warnings_of_files_beside_the_log():
    pairs = pd.DataFrame({"user": [-1], "item": [-1]})
    (warning,) = negprep.inspect(a_log(), exclude=pairs).warnings
    assert warning.startswith("none of the 1 pairs of --exclude")


PAGE = (Path(__file__).parents[2] / "docs" / "reference" / "inspect.md").read_text(encoding="utf-8")
QUOTED = re.findall(r"^\|`(.*?)`\|", PAGE.partition("## Warnings\n")[2].partition("\n## ")[0], flags=re.MULTILINE)


@pytest.fixture(scope="module")
def all_warnings():
    unusable = a_log().assign(timestamp=1)
    logs = [unusable, rated([0, 1], "label"), *(bad for bad, _, _ in CASES.values())]
    stranger = pd.DataFrame({"user": [-1, 1], "item": [-1, a_log()["item"][0]], "weight": [1, 1]})
    beside = {"items": stranger, "exclude": stranger, "weak": stranger, "weights": stranger, "sampler": "popularity"}
    beside = negprep.inspect(a_log(), **beside).warnings
    return {*beside, *(warning for log in logs for warning in negprep.inspect(log).warnings)}


@pytest.mark.parametrize("quoted", QUOTED)
def test_the_docs_quote_warnings_that_there_are(quoted, all_warnings):
    pattern = ".*".join(map(re.escape, quoted.split("...")))
    assert any(re.match(pattern, warning) for warning in all_warnings)
