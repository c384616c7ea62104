"""Every option of `train` and `test`, on tables, judged by the independent checks."""

from __future__ import annotations

import tracemalloc

import independent
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from independent import check_test, check_train
from logs import as_table, log_of, random_rows

import negprep
from negprep import BadDataError, UsageError
from negprep.options.options import Options
from negprep.pipeline import Run
from negprep.read.log import open_log
from negprep.summary import facts_of

ROWS = random_rows(5, users=50, items=45, most=30)
LOG = as_table(ROWS)
LAYOUTS = pytest.mark.parametrize("layout", ["pointwise", "pairwise", "listwise"])
BOTH = pytest.mark.parametrize("distinct", [False, True], ids=["repeats", "distinct"])


def facts(log, command, **options):
    """The counts of a run."""
    options = {
        "num_neg": 4,
        "holdout": "none" if command == "train" else "auto",
        "distinct": command == "test",
        **options,
    }
    with open_log(log) as reader:
        run = Run(reader, Options(command=command, **options))
        for _ in run.rows():
            pass
        return facts_of(run)["counts"]


@LAYOUTS
@BOTH
@pytest.mark.parametrize("num_neg", [1, 4, 40, 99])
def test_train(layout, distinct, num_neg):
    rows = negprep.train(LOG, num_neg=num_neg, layout=layout, distinct=distinct)
    check_train(LOG, rows, num_neg=num_neg, distinct=distinct)


@BOTH
@pytest.mark.parametrize("num_neg", [1, 20, 99])
def test_test(distinct, num_neg):
    rows = negprep.test(LOG, num_neg=num_neg, distinct=distinct)
    groups = check_test(LOG, rows, num_neg=num_neg, distinct=distinct)
    assert len(groups) == sum(len(known.positives) >= 2 for known in independent.observe(LOG).values())


@pytest.mark.parametrize("layout", ["pairwise", "listwise"])
def test_test_in_other_layouts(layout):
    rows = negprep.test(LOG, num_neg=9, layout=layout)
    pointwise = check_test(LOG, negprep.test(LOG, num_neg=9), num_neg=9)
    found = independent.groups_of(rows)
    assert [(g.user, g.positive, sorted(g.negatives)) for g in found] == [
        (g.user, g.positive, sorted(g.negatives)) for g in pointwise
    ]


def test_the_usual_options():
    wide = as_table([(user, item, time) for user in range(20) for time, item in enumerate(range(user, 300, 20))])
    check_train(wide, negprep.train(wide), num_neg=4)
    check_test(wide, negprep.test(wide), num_neg=99)


@pytest.mark.parametrize("ids", [None, str, lambda given: f"é{given}"], ids=["integers", "canonical text", "text"])
@LAYOUTS
def test_columns_and_types(ids, layout):
    log = as_table(ROWS, ids) if ids else LOG
    kind = pa.int64() if (ids is not None and ids is str) or ids is None else pa.string()
    schema = negprep.train(log, layout=layout).schema
    assert schema.field("user") == pa.field("user", kind, nullable=False)
    names = {"pointwise": ["user", "item", "label"], "pairwise": ["user", "pos_item", "neg_item"]}
    assert schema.names == names.get(layout, ["user", "pos_item", "neg_items"])
    if layout == "pointwise":
        assert schema.field("label").type == pa.int8()
        assert negprep.train(log, label_dtype="float32").schema.field("label").type == pa.float32()
    if layout == "listwise":
        assert schema.field("neg_items").type.value_type == kind


def test_float_labels_are_the_same_labels():
    floats = negprep.test(LOG, num_neg=5, label_dtype="float32")
    assert (
        floats.set_column(2, "label", floats["label"].cast(pa.int8())).to_pydict()
        == negprep.test(LOG, num_neg=5).to_pydict()
    )


@pytest.mark.parametrize("dtype", ["category", "string", "object"])
def test_frames_with_text_ids(dtype):
    """Of a category with more than 127 members the codes are 16 bits wide."""
    rows = [(f"u{i % 70}", f"i{i * 7 % 300}", i) for i in range(900)]
    frame = pd.DataFrame(rows, columns=["user", "item", "time"])
    frame[["user", "item"]] = frame[["user", "item"]].astype(dtype)
    made = negprep.train(frame)
    assert list(made.columns) == ["user", "item", "label"]
    check_train(rows, made)
    few = pd.DataFrame({"user": ["u1", "u2"], "item": ["i7", "i14"]}).astype(dtype)
    check_train(rows, negprep.train(frame, exclude=few), exclude=[("u1", "i7"), ("u2", "i14")])


@pytest.mark.parametrize(
    "index", [pa.int8(), pa.int16(), pa.int32(), pa.int64(), pa.uint8(), pa.uint16(), pa.uint32()], ids=str
)
def test_dictionary_ids(index):
    users = pa.DictionaryArray.from_arrays(pa.array([0, 1, 1, 2], index), pa.array(["a", "b", "c", "unused"]))
    items = pa.DictionaryArray.from_arrays(pa.array([0, 1, 2, 0], index), pa.array(["x", "y", "z", "unused"]))
    rows = negprep.train(pa.table({"user": users, "item": items}), num_neg=1)
    check_train([("a", "x"), ("b", "y"), ("b", "z"), ("c", "x")], rows, num_neg=1)


# holdouts


def test_users_with_one_positive_stay_in_train():
    log = log_of({1: [10], 2: [10, 11], 3: [10, 11, 12]}, range(10, 20))
    assert set(negprep.test(log, num_neg=2)["user"].to_pylist()) == {-1, 2, 3}
    check_train(log, negprep.train(log, holdout="last"), holdout="last")
    assert set(negprep.test(log, num_neg=2, fold="valid")["user"].to_pylist()) == {-1, 3}
    check_train(log, negprep.train(log, holdout="last", with_valid=True), holdout="last", with_valid=True)


def test_the_last_is_held_out_and_the_one_before_for_validation():
    log = log_of({1: [14, 12, 13], 2: [11, 10]}, range(10, 20))
    held = {group.user: group.positive for group in check_test(log, negprep.test(log, num_neg=3), num_neg=3)}
    assert held[1] == 13
    assert held[2] == 10
    valid = check_test(log, negprep.test(log, num_neg=3, fold="valid"), num_neg=3, fold="valid", with_valid=True)
    assert {group.user: group.positive for group in valid}[1] == 12


def test_an_earlier_duplicate_of_the_holdout_does_not_stay_in_train():
    log = as_table([(1, 10, 1), (1, 11, 2), (1, 10, 3), (2, 12, 1), (2, 13, 2)])
    train = check_train(log, negprep.train(log, num_neg=1, holdout="last"), num_neg=1, holdout="last")
    assert [(group.user, group.positive) for group in train] == [(1, 11), (2, 12)]


@pytest.mark.parametrize(("keep_time", "held"), [("last", 10), ("first", 11)])
def test_keep_time(keep_time, held):
    log = as_table([(1, 10, 1), (1, 11, 2), (1, 10, 3), (2, 12, 1), (2, 13, 2)])
    rows = negprep.test(log, num_neg=1, keep_time=keep_time)
    assert check_test(log, rows, num_neg=1, keep_time=keep_time)[0].positive == held
    check_test(LOG, negprep.test(LOG, num_neg=9, keep_time=keep_time), num_neg=9, keep_time=keep_time)
    train = negprep.train(LOG, holdout="last", keep_time=keep_time)
    check_train(LOG, train, holdout="last", keep_time=keep_time)


def test_auto_is_last_with_times_and_random_without():
    assert negprep.test(LOG, num_neg=5).equals(negprep.test(LOG, num_neg=5, holdout="last"))
    timeless = LOG.select(["user", "item"])
    assert negprep.test(timeless, num_neg=5).equals(negprep.test(timeless, num_neg=5, holdout="random"))
    assert negprep.test(LOG, num_neg=5, holdout="random").equals(negprep.test(timeless, num_neg=5))


def test_counts_of_holdouts():
    log = as_table([(1, 10, 1), (2, 10, 5), (2, 11, 5), (3, 10, 1), (3, 12, 2), (4, 10, 3), (4, 11, 1), (4, 13, 3)])
    counts = facts(log, "test")
    assert counts["holdouts"] == 3
    assert counts["tied_holdouts"] == 2  # users 2 and 4
    held = {
        group.user: group.positive for group in independent.groups_of(negprep.test(log, num_neg=1), whole_users=True)
    }
    train = {g.positive for g in independent.groups_of(negprep.train(log, holdout="last"))}
    assert counts["cold_holdouts"] == sum(item not in train for item in held.values()) >= 1
    assert facts(log, "train", holdout="last")["tied_holdouts"] == 2
    assert facts(log, "train", holdout="random")["tied_holdouts"] == 0
    assert facts(log, "train")["holdouts"] == 0


HELD = pytest.mark.parametrize(
    "holdout", ["last:2", "last:4", "random:3", "random:0.4", "fraction:0.2", "fraction:0.5", "session", "after:5"]
)


@HELD
@LAYOUTS
def test_several_holdouts_of_a_user(holdout, layout):
    check_train(LOG, negprep.train(LOG, num_neg=3, holdout=holdout, layout=layout), num_neg=3, holdout=holdout)
    rows = negprep.test(LOG, num_neg=8, holdout=holdout, layout=layout)
    if layout == "pointwise":
        groups = check_test(LOG, rows, num_neg=8, holdout=holdout)
        assert facts(LOG, "test", num_neg=8, holdout=holdout)["groups"] == len(groups)
    else:
        groups = independent.groups_of(rows)
        assert len(groups) == facts(LOG, "test", num_neg=8, holdout=holdout)["holdouts"]
    assert [(g.user, g.positive) for g in groups] == sorted((g.user, g.positive) for g in groups)
    of_one = [sorted(g.negatives) for g in groups if g.user == groups[0].user]
    assert len({tuple(one) for one in of_one}) == len(of_one), "each group has negatives of its own"


@HELD
def test_counts_of_several_holdouts(holdout):
    counts = facts(LOG, "test", num_neg=2, holdout=holdout)
    groups = check_test(LOG, negprep.test(LOG, num_neg=2, holdout=holdout), num_neg=2, holdout=holdout)
    train = independent.groups_of(negprep.train(LOG, num_neg=1, holdout=holdout))
    assert counts["holdouts"] == len(groups)
    assert counts["holdout_users"] == len({group.user for group in groups})
    assert counts["cold_users"] == len({group.user for group in groups} - {group.user for group in train})
    known = {group.positive for group in train}
    assert counts["cold_holdouts"] == sum(group.positive not in known for group in groups)


def test_users_without_a_train_positive_are_tested_all_the_same():
    log = as_table([(1, 10, 1), (1, 11, 7), (2, 12, 7), (2, 13, 8), (3, 14, 1)])
    rows = negprep.test(log, num_neg=2, holdout="after:7")
    assert [(g.user, g.positive) for g in check_test(log, rows, num_neg=2, holdout="after:7")] == [
        (1, 11),
        (2, 12),
        (2, 13),
    ]
    counts = facts(log, "test", num_neg=2, holdout="after:7")
    assert (counts["holdouts"], counts["holdout_users"], counts["cold_users"]) == (3, 2, 1)


DATED = pa.table({"user": [1, 1, 2, 2], "item": [10, 11, 10, 12], "time": ["2024-05-01", "2024-05-02"] * 2})
SECONDS = DATED.set_column(2, "time", pa.array([1714521600, 1714608000] * 2))
MILLISECONDS = DATED.set_column(2, "time", pa.array([1714521600000, 1714608000000] * 2))
INSTANTS = DATED.set_column(2, "time", pa.array([1714521600, 1714608000] * 2, pa.timestamp("s", "Europe/Zurich")))


@pytest.mark.parametrize(
    ("log", "time"),
    [
        *((log, "2024-05-02") for log in (DATED, SECONDS, MILLISECONDS, INSTANTS)),
        *((log, "2024-05-02T02:00:00+02:00") for log in (DATED, SECONDS, MILLISECONDS, INSTANTS)),
        (DATED, "2024-05-01T00:00:01"),
        (DATED, "2024-05-01 23:59"),
        (SECONDS, "1714608000"),
        (SECONDS, "1714607999.5"),
        (MILLISECONDS, "1714608000000"),
    ],
    ids=str,
)
def test_a_cut_is_a_date_or_a_time_of_the_log(log, time):
    rows = negprep.test(log, num_neg=1, holdout=f"after:{time}")
    assert [(g.user, g.positive) for g in independent.groups_of(rows, whole_users=True)] == [(1, 11), (2, 12)]


@pytest.mark.parametrize(
    ("log", "time", "complaint"),
    [
        (MILLISECONDS, "1714608000", "the time 1714608000 is in seconds, but 1714521600000 is in milliseconds; write"),
        (DATED, "1714608000", "the time 1714608000 is in seconds, but 2024-05-01 is without a zone; write TIME as"),
        (DATED, "2024-13-01", "--holdout after:2024-13-01: '2024-13-01' is not a time"),
        (DATED, "3024-01-01", "--holdout after:3024-01-01: the time 3024-01-01 is out of range"),
    ],
    ids=str,
)
def test_a_cut_that_does_not_fit(log, time, complaint):
    for make in (negprep.train, negprep.test):
        with pytest.raises(UsageError) as caught:
            make(log, num_neg=1, holdout=f"after:{time}")
        assert complaint in str(caught.value)


def test_a_cut_with_nothing_on_one_side():
    with pytest.raises(BadDataError, match="no positive is at or after 2024-05-03; cut at an earlier time"):
        negprep.test(DATED, num_neg=1, holdout="after:2024-05-03")
    with pytest.raises(BadDataError, match="no positive is before 2024-05-01; cut at a later time"):
        negprep.train(DATED, num_neg=1, holdout="after:2024-05-01")
    assert negprep.train(DATED, num_neg=1, holdout="after:2024-05-03").equals(
        negprep.train(DATED, num_neg=1, holdout="none")
    )


def test_one_cut_has_no_second():
    complaint = (
        "holdout after:5 with a validation holdout: one cut has no second; tune with a run of its own, with an earlier"
    )
    with pytest.raises(UsageError, match=complaint):
        negprep.train(LOG, holdout="after:5", with_valid=True)
    with pytest.raises(UsageError, match=complaint):
        negprep.test(LOG, holdout="after:5", fold="valid")


@pytest.mark.parametrize("holdout", ["last:2", "fraction:0.5", "after:5"])
def test_holdouts_that_need_times(holdout):
    with pytest.raises(UsageError, match=f"--holdout {holdout.partition(':')[0]} needs times"):
        negprep.train(LOG.select(["user", "item"]), holdout=holdout)


def test_nobody_to_hold_out():
    with pytest.raises(BadDataError, match=r"a test holdout needs 2 positives of a user, a validation holdout 4"):
        negprep.test(log_of({1: [10, 11, 12]}), holdout="last:2", fold="valid")
    with pytest.raises(BadDataError, match=r"for a test holdout; that part of a user's positives must round to one"):
        negprep.test(log_of({1: [10, 11, 12]}), holdout="fraction:0.1")
    with pytest.raises(BadDataError, match="no user has enough positives for a test holdout"):
        negprep.test(as_table([(1, 10, 1), (2, 11, 1)]))
    with pytest.raises(BadDataError, match="no user has enough positives for a valid holdout"):
        negprep.test(as_table([(1, 10, 1), (1, 11, 1)]), fold="valid")


def test_last_without_times():
    with pytest.raises(UsageError, match="--holdout last needs times"):
        negprep.train(LOG.select(["user", "item"]), holdout="last")


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        ({"num_neg": 0}, "num_neg is 0; choose a whole number from 1 to"),
        ({"seed": -1}, "seed is -1"),
        ({"seed": 2**64}, "seed is 18446744073709551616"),
        ({"split_seed": -1}, "split_seed is -1"),
        ({"jobs": 0}, "jobs is 0"),
        ({"shard_rows": 0}, "shard_rows is 0"),
        ({"layout": "wide"}, "layout is 'wide'; choose one of pointwise, pairwise, listwise"),
        ({"holdout": "first"}, "holdout is 'first'"),
        ({"on_short": "stop"}, "on_short is 'stop'"),
        ({"holdout": "none", "with_valid": True}, "--with-valid with --holdout none, which holds nothing out"),
        ({"encode": True}, "encode without an output"),
    ],
    ids=str,
)
def test_options_that_are_refused(options, complaint):
    with pytest.raises(UsageError, match=complaint):
        negprep.train(LOG, **options)


# positives and weak interactions

VALUED = pa.table(
    {
        "user": [row[0] for row in ROWS],
        "item": [row[1] for row in ROWS],
        "time": [row[2] for row in ROWS],
        "value": [1 + (row[0] * 31 + row[1] * 17 + row[2] * 5) % 5 for row in ROWS],
        "event": [("view", "cart", "purchase")[(row[0] * 3 + row[1] * 7 + row[2]) % 3] for row in ROWS],
    }
)
RULES = {
    ">=4": lambda row: row["value"] >= 4,
    "> 4": lambda row: row["value"] > 4,
    "<=2": lambda row: row["value"] <= 2,
    "<3.5": lambda row: row["value"] < 3.5,
    "=3": lambda row: row["value"] == 3,
    "!=3": lambda row: row["value"] != 3,
    "purchase": lambda row: row["event"] == "purchase",
    "purchase,cart": lambda row: row["event"] in ("purchase", "cart"),
}


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("holdout", ["none", "last", "random"])
def test_weak_interactions_are_neither_positives_nor_negatives(rule, holdout):
    positive = RULES[rule]
    rows = negprep.train(VALUED, positive=rule, holdout=holdout)
    train = check_train(VALUED, rows, positive=positive, holdout=holdout)
    if holdout != "none":
        rows = negprep.test(VALUED, positive=rule, holdout=holdout, num_neg=7)
        test = check_test(VALUED, rows, positive=positive, holdout=holdout, num_neg=7)
        independent.check_partition(VALUED, train, test, positive=positive)


def test_a_pair_that_was_ever_positive_is_not_weak():
    log = pa.table({"user": [1, 1, 1, 2], "item": [10, 10, 11, 12], "event": ["view", "purchase", "view", "purchase"]})
    counts = facts(log, "train", positive="purchase", num_neg=1)
    assert (counts["positives"], counts["weak"]) == (2, 1)
    rows = negprep.train(log, positive="purchase", num_neg=1)
    assert rows.to_pydict()["item"] == [10, 12, 12, rows["item"][3].as_py()]


def test_the_time_of_a_positive_is_not_that_of_a_view():
    log = pa.table(
        {
            "user": [1, 1, 1, 2],
            "item": [10, 11, 10, 12],
            "time": [1, 2, 9, 1],
            "event": ["purchase", "purchase", "view", "purchase"],
        }
    )
    assert (
        check_test(log, negprep.test(log, positive="purchase", num_neg=1), num_neg=1, positive=RULES["purchase"])[
            0
        ].positive
        == 11
    )


def test_a_rule_that_nothing_satisfies():
    with pytest.raises(BadDataError, match=r"no interaction has a value >=6 \(values go from 1 to 5\)"):
        negprep.train(VALUED, positive=">=6")
    with pytest.raises(BadDataError, match=r"no event 'buy' in the log \(found: cart, purchase, view\)"):
        negprep.train(VALUED, positive="buy")
    with pytest.raises(UsageError, match="lacks a name or a number"):
        negprep.train(VALUED, positive="purchase,,cart")


# seen, catalog


def test_exclude():
    pairs = [(user, item) for user, item, _ in random_rows(6, users=50, items=45, most=20)]
    unknown = [(10**9, 100), (ROWS[0][0], 10**9)]
    exclude = pa.table({"user": [u for u, _ in pairs + unknown], "item": [i for _, i in pairs + unknown]})
    check_train(LOG, negprep.train(LOG, exclude=exclude, distinct=True), exclude=pairs, distinct=True)
    check_test(LOG, negprep.test(LOG, exclude=exclude, num_neg=9), exclude=pairs, num_neg=9)
    known = {user for user, _, _ in ROWS}, {item for _, item, _ in ROWS}
    counted = {(user, item) for user, item in pairs if user in known[0] and item in known[1]}
    assert facts(LOG, "train", exclude=exclude)["excluded_pairs"] == len(counted)


def test_exclude_that_changes_nothing_changes_no_row():
    observed = LOG.select(["user", "item"])
    assert negprep.test(LOG, num_neg=9, exclude=observed).equals(negprep.test(LOG, num_neg=9))


def test_exclude_with_ids_as_text():
    text = pa.table({"user": [str(ROWS[0][0]), "nobody"], "item": [str(ROWS[1][1]), "nothing"]})
    numbers = pa.table({"user": [ROWS[0][0]], "item": [ROWS[1][1]]})
    assert negprep.train(LOG, exclude=text).equals(negprep.train(LOG, exclude=numbers))


@pytest.mark.parametrize("catalog", ["more", "less", "both", "one"])
def test_items(catalog):
    items = {item for _, item, _ in ROWS}
    catalog = {
        "more": items | set(range(40)),
        "less": {item for item in items if item % 2},
        "both": {item for item in items if item % 2} | set(range(40)),
        "one": {min(items)},
    }[catalog]
    table = pa.table({"item": sorted(catalog, key=lambda item: item % 7)})
    check_train(LOG, negprep.train(LOG, items=table), catalog=catalog)
    check_test(LOG, negprep.test(LOG, items=table, num_neg=9), catalog=catalog, num_neg=9)
    assert facts(LOG, "train", items=table)["catalog_items"] == len(catalog)


def test_a_catalog_of_the_items_of_the_log_changes_nothing():
    table = pa.table({"item": [item for _, item, _ in reversed(ROWS)]})
    assert negprep.test(LOG, num_neg=9, items=table).equals(negprep.test(LOG, num_neg=9))


def test_a_catalog_of_other_ids():
    with pytest.raises(BadDataError, match="none of the 45 items of the log is in the catalog"):
        negprep.train(LOG, items=pa.table({"item": [1, 2, 3]}))


def test_an_empty_catalog():
    with pytest.raises(BadDataError):
        negprep.train(LOG, items=pa.table({"item": pa.array([], pa.int64())}))


# users who come short

SHORT = log_of({1: [10, 11], 2: list(range(10, 20)), 3: list(range(10, 18)), 4: [12, 13, 14]}, range(10, 20))


@LAYOUTS
@BOTH
def test_on_short_fewer(layout, distinct):
    rows = negprep.train(SHORT, num_neg=5, distinct=distinct, layout=layout, holdout="none")
    groups = check_train(SHORT, rows, num_neg=5, distinct=distinct, holdout="none")
    assert sum(group.user == 3 for group in groups) == 8
    assert sum(group.user == 2 for group in groups) == (0 if layout == "pairwise" else 10)


@LAYOUTS
@BOTH
def test_on_short_drop(layout, distinct):
    rows = negprep.train(SHORT, num_neg=5, distinct=distinct, layout=layout, on_short="drop", holdout="none")
    check_train(SHORT, rows, num_neg=5, distinct=distinct, on_short="drop", holdout="none")
    assert set(rows["user"].to_pylist()) == ({1, 4} if distinct else {1, 3, 4})


def test_on_short_drop_in_test():
    rows = negprep.test(SHORT, num_neg=5, on_short="drop")
    check_test(SHORT, rows, num_neg=5, on_short="drop")
    assert set(rows["user"].to_pylist()) == {1, 4}


def test_on_short_fewer_in_test():
    groups = {group.user: group for group in check_test(SHORT, negprep.test(SHORT, num_neg=5), num_neg=5)}
    assert {user: len(group.negatives) for user, group in groups.items()} == {-1: 0, 1: 5, 2: 0, 3: 2, 4: 5}


def test_on_short_error_names_a_user_and_both_numbers():
    some = SHORT.filter(pa.array([user > 0 for user in SHORT["user"].to_pylist()]))
    with pytest.raises(BadDataError, match=r"user 2 has 0 eligible items .*1 "):
        negprep.train(some, on_short="error", holdout="none")
    with pytest.raises(BadDataError, match=r"user -1 has 0 eligible items .*5 "):
        negprep.test(SHORT, num_neg=5, on_short="error")
    negprep.train(log_of({1: [10, 11]}, range(10, 12)).slice(0, 1), on_short="fewer")


def test_counts_of_short_users():
    counts = facts(SHORT, "test", num_neg=5)
    assert (counts["short_users"], counts["full_users"], counts["dropped_users"]) == (3, 2, 0)
    counts = facts(SHORT, "test", num_neg=5, on_short="drop")
    assert (counts["short_users"], counts["full_users"], counts["dropped_users"]) == (3, 2, 3)
    counts = facts(SHORT, "train", num_neg=5)
    assert (counts["short_users"], counts["full_users"]) == (2, 2)


@LAYOUTS
def test_everybody_has_everything(layout):
    log = log_of({1: [10, 11], 2: [10, 11]})
    rows = negprep.train(log, layout=layout, holdout="none")
    assert rows.num_rows == (0 if layout == "pairwise" else 4)
    check_train(log, rows, holdout="none")
    assert negprep.train(log, layout=layout, on_short="drop", holdout="none").num_rows == 0


def test_num_neg_beyond_the_catalog_costs_what_can_be_drawn():
    """300 users who can have 50 negatives each: `num_neg` of 100,000 is a way to say all."""
    log = log_of({user: [user % 60, (user + 1) % 60] for user in range(300)}, range(60))
    tracemalloc.start()
    try:
        rows = negprep.test(log, num_neg=100_000)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    check_test(log, rows, num_neg=100_000)
    assert peak < 50e6


# encoded outputs


@LAYOUTS
@pytest.mark.parametrize("ids", [None, lambda given: f"é{given}"], ids=["integers", "text"])
def test_codes_and_vocabularies(tmp_path, layout, ids):
    log = as_table(ROWS, ids) if ids else LOG
    target = tmp_path / "train.parquet"
    assert negprep.train(log, target, encode=True, layout=layout) == target
    beside = {path.name: path for path in tmp_path.iterdir() if path != target}
    users, items = (pq.read_table(next(p for n, p in beside.items() if kind in n)) for kind in ("users", "items"))
    assert users.column_names == ["code", "user"]
    assert items.column_names == ["code", "item"]
    plain = negprep.train(log, layout=layout).to_pydict()
    names = {"user": users["user"].to_pylist()}
    for name in ("item", "pos_item", "neg_item", "neg_items"):
        names[name] = items["item"].to_pylist()
    assert users["code"].to_pylist() == list(range(len(users)))

    def decode(name, values):
        if name == "neg_items":
            return [[names[name][code] for code in one] for one in values]
        return [names[name][code] for code in values] if name in names else values

    encoded = pq.read_table(target).to_pydict()
    assert {name: decode(name, values) for name, values in encoded.items()} == plain


def test_train_and_test_have_the_same_codes(tmp_path):
    catalog = pa.table({"item": [1, 2, 3, *sorted({item for _, item, _ in ROWS if item % 2})]})
    for name, make in (("train", negprep.train), ("test", negprep.test)):
        (tmp_path / name).mkdir()
        make(LOG, tmp_path / name / "rows.parquet", encode=True, items=catalog)
    vocabularies = [
        {
            path.name: pq.read_table(path).to_pydict()
            for path in sorted((tmp_path / name).iterdir())
            if path.name != "rows.parquet"
        }
        for name in ("train", "test")
    ]
    assert [list(table.values())[1:] for table in vocabularies[0].values()] == [
        list(table.values())[1:] for table in vocabularies[1].values()
    ]
    assert len(vocabularies[0]) == 2
