"""What negprep states as log q is found right, by formulas of its own; and what is not right is found and named."""

from __future__ import annotations

import math
import random

import numpy as np
import pyarrow as pa
import pyarrow.csv as pacsv
import pyarrow.parquet as pq
import pytest
from logs import as_table, random_rows
from reference_samplers import popularity_units

import negprep
from negprep.checks.log_q import units_of_counts, units_of_weights
from negprep.checks.promises import Promised
from negprep.checks.results import LOG_Q
from negprep.checks.verify import verify
from negprep.errors import BadDataError

TINY = as_table(random_rows(3, users=60, items=30, most=20, times=50))
EVENTS = TINY.append_column("event", pa.array(["buy" if row % 3 else "view" for row in range(TINY.num_rows)]))
KINDS = pa.table({"item": [item * 3 + 100 for item in range(30)], "kind": ["abc"[item % 3] for item in range(30)]})
FULL = pa.table(  # users with all items, all but one, and fewer
    {
        "user": [user for user in range(9) for _ in range(10 - user)],
        "item": [item for user in range(9) for item in range(10 - user)],
        "time": list(range(54)),
        "event": ["buy" if place % 4 else "view" for place in range(54)],
    }
)
WEIGHTS = pa.table({"item": [100, 103, 106, 109, 112], "weight": [3.5, 1e-9, 0.0, 700.0, 1.0]})
BUY = {"positive": "buy", "log": EVENTS}
THREE = ("uniform:0.2", "popularity:0.3", "weak:0.5")
SAME = {"items": KINDS, "same": "kind"}
CASES = {
    "uniform": {},
    "uniform of full users": {"log": FULL, "holdout": "none"},
    "popularity": {"sampler": "popularity"},
    "popularity, smoothed": {"sampler": "popularity", "alpha": -0.5, "smooth": 0.1},
    "popularity, steep": {"sampler": "popularity", "alpha": 9.0},
    "popularity of full users": {"sampler": "popularity", "log": FULL, "holdout": "none"},
    "weights": {"sampler": "popularity", "weights": WEIGHTS},
    "weights mixed": {"sampler": ("uniform:0.5", "popularity:0.5"), "weights": WEIGHTS},
    "mixture": {"sampler": ("uniform:0.5", "popularity:0.5")},
    "same": SAME,
    "time": {"available_at_time": True},
    "popularity there and alike": {"sampler": ("popularity:0.9", "uniform:0.1"), "available_at_time": True, **SAME},
    "excluded": {"exclude": pa.table({"user": [-3, 4, 11], "item": [100, 106, 109]}), "sampler": "popularity"},
}
TRAIN_CASES = {
    "weak": {"sampler": "weak", **BUY},
    "weak of full users": {"sampler": ("uniform:0.5", "weak:0.5"), "log": FULL, "positive": "buy", "holdout": "none"},
    "three": {"sampler": THREE, **BUY},
    "counted": {"sampler": ("popularity=3", "weak=1"), "distinct": True, **BUY},
    "three there and alike": {"sampler": THREE, "available_at_time": True, **SAME, **BUY},
    "shuffled": {"shuffle": True, "sampler": "popularity"},
    "epochs": {"epochs": 2, "sampler": "popularity"},
}
BESIDE = ("items", "exclude", "weak", "weights")


def made(path, command="train", **options):
    """A file with log q; its log, and the files beside it."""
    log = options.pop("log", TINY)
    if command == "test":
        options = {"num_neg": 7, **options}
    getattr(negprep, command)(log, path, **{"holdout": "last", "with_log_q": True, **options})
    return log, Promised(**{name: options[name] for name in BESIDE if name in options})


def judged(path, log, claims):
    return next(check for check in verify([(str(path), None)], log, promised=claims).checks if check.name == LOG_Q)


@pytest.mark.parametrize("layout", ["pointwise", "pairwise", "listwise"])
@pytest.mark.parametrize(
    ("command", "case"), [*(("train", case) for case in CASES | TRAIN_CASES), *(("test", case) for case in CASES)]
)
def test_what_is_stated_is_right(tmp_path, command, case, layout):
    options = {"layout": layout, **(CASES | TRAIN_CASES)[case]}
    if command == "test" and options.get("holdout") == "none":
        options["holdout"] = "random"
    check = judged(tmp_path / "o.parquet", *made(tmp_path / "o.parquet", command, **options))
    hidden = (case, command, layout) == (
        "popularity of full users",
        "test",
        "pairwise",
    )  # a random holdout without a row
    assert (check.status, check.examples) == ("not checked" if hidden else "passed", [])


def changed(path, column, row, change):
    """Change one value; in a list, that of its second negative."""
    table = pq.read_table(path)
    values = table[column].to_pylist()
    if isinstance(values[row], list):
        values[row][1] = change(values[row][1])
    else:
        values[row] = change(values[row])
    place = table.schema.get_field_index(column)
    table = table.set_column(place, table.schema.field(column), pa.array(values, table.schema.field(column).type))
    pq.write_table(table, path)


@pytest.mark.parametrize("change", [lambda q: q + 1e-8, lambda q: q - 1e-8, lambda _: -math.inf, lambda _: math.nan])
@pytest.mark.parametrize("row", [0, 41, 77])  # a positive, and two negatives
@pytest.mark.parametrize("case", ["uniform", "three there and alike"])
def test_one_wrong_row_is_found_and_named(tmp_path, case, row, change):
    given = made(tmp_path / "o.parquet", **(CASES | TRAIN_CASES)[case])
    changed(tmp_path / "o.parquet", "log_q", row, change)
    check = judged(tmp_path / "o.parquet", *given)
    assert (check.status, check.count) == ("failed", 1)
    assert f": row {row + 1}: user " in check.examples[0]


@pytest.mark.parametrize("column", ["pos_log_q", "neg_log_q"])
@pytest.mark.parametrize("layout", ["pairwise", "listwise"])
@pytest.mark.parametrize("options", [{}, SAME, {"epochs": 2}])
def test_one_wrong_pair_or_list_is_found_and_named(tmp_path, layout, column, options):
    given = made(tmp_path / "o.parquet", layout=layout, **options)
    row = pq.read_table(tmp_path / "o.parquet").num_rows - 7
    changed(tmp_path / "o.parquet", column, row, lambda q: q + 2e-9)
    check = judged(tmp_path / "o.parquet", *given)
    assert (check.status, check.count) == ("failed", 1)
    assert f": row {row + 1}: user " in check.examples[0]


def test_a_mixture_that_forgets_a_component_is_found(tmp_path):
    """Each negative with the q of the sampler that drew it, instead of the sum over those that could have."""
    options = {"sampler": ("uniform:0.5", "popularity:0.5")}
    given = made(tmp_path / "o.parquet", **options)
    alone = {}
    for name in ("uniform", "popularity"):
        made(tmp_path / "alone.parquet", sampler=name, layout="listwise")
        rows = pq.read_table(tmp_path / "alone.parquet").to_pylist()
        alone[name] = {
            (row["user"], item): q for row in rows for item, q in zip(row["neg_items"], row["neg_log_q"], strict=True)
        }
    table = pq.read_table(tmp_path / "o.parquet")
    rows, wrong = table.to_pylist(), 0
    for row in rows:
        q = alone.get(row["source"], {}).get((row["user"], row["item"]))
        if q is not None:
            wrong += abs(q - row["log_q"]) > 1e-9
            row["log_q"] = q
    pq.write_table(pa.Table.from_pylist(rows, schema=table.schema), tmp_path / "o.parquet")
    assert wrong > 100
    assert judged(tmp_path / "o.parquet", *given).count == wrong


def test_shares_before_the_fall_back_are_found(tmp_path):
    """The mixture of users without weak items is uniform alone: half of it is too little."""
    given = made(tmp_path / "o.parquet", sampler=("uniform:0.5", "weak:0.5"), **BUY)
    table = pq.read_table(tmp_path / "o.parquet")
    rows = table.to_pylist()
    fallen = {row["user"] for row in rows if row["source"] == "fallback"}
    wrong = [place for place, row in enumerate(rows) if row["user"] in fallen]
    for place in wrong:
        rows[place]["log_q"] += math.log(0.5)
    pq.write_table(pa.Table.from_pylist(rows, schema=table.schema), tmp_path / "o.parquet")
    assert 0 < len(wrong) < len(rows)
    assert judged(tmp_path / "o.parquet", *given).count == len(wrong)


@pytest.mark.parametrize("layout", ["pointwise", "pairwise", "listwise"])
def test_texts_say_it_too(tmp_path, layout):
    """The file has no metadata, so that options say what it promises."""
    made(tmp_path / "o.csv", layout=layout, sampler="popularity")
    claims = Promised(holdout="last", sampler=("popularity",))

    def check():
        found = verify([(str(tmp_path / "o.csv"), "train")], TINY, promised=claims)
        return next(check for check in found.checks if check.name == LOG_Q)

    assert check().status == "passed"
    lines = (tmp_path / "o.csv").read_text().splitlines()
    lines[7] = lines[7][:-1] + ("1" if lines[7][-1] != "1" else "2")  # the last digit: too little to count
    (tmp_path / "o.csv").write_text("\n".join(lines))
    assert check().status == "passed"
    at = lines[7].rindex("-")
    lines[7] = lines[7][:at] + "-0.5" + lines[7][at + 2 :].partition(".")[2]
    (tmp_path / "o.csv").write_text("\n".join(lines))
    assert (check().status, check().count) == ("failed", 1)
    assert "o.csv:8: " in check().examples[0]
    lines[7] = lines[7].replace("-0.5", "x")
    (tmp_path / "o.csv").write_text("\n".join(lines))
    with pytest.raises(BadDataError, match=r"o\.csv:8: the column '(neg_)?log_q' has .* which is not a number"):
        check()


def test_lists_that_are_too_long_are_refused(tmp_path):
    made(tmp_path / "o.csv", layout="listwise")
    lines = (tmp_path / "o.csv").read_text().splitlines()
    lines[5] += " -3"
    (tmp_path / "o.csv").write_text("\n".join(lines))
    with pytest.raises(BadDataError, match=r"o\.csv:6: .*4 negatives and 5 values of 'neg_log_q'"):
        verify([(str(tmp_path / "o.csv"), "train")], TINY, promised=Promised(sampler=("uniform",)))


def test_recboles_column_is_read(tmp_path):
    given = made(f"{tmp_path}/r/", to="recbole")
    assert judged(tmp_path / "r", *given).status == "passed"
    (file,) = (tmp_path / "r").glob("*.inter")
    table = pacsv.read_csv(file, parse_options=pacsv.ParseOptions(delimiter="\t"))
    place = table.schema.get_field_index("log_q:float")
    table = table.set_column(place, "log_q:float", pa.array(np.array(table["log_q:float"]) + 0.1))
    pacsv.write_csv(table, file, pacsv.WriteOptions(delimiter="\t", quoting_style="none"))
    assert judged(tmp_path / "r", *given).count == table.num_rows


def test_what_cannot_be_judged_says_why(tmp_path):
    given = made(tmp_path / "o.parquet", shuffle=True, **SAME)
    check = judged(tmp_path / "o.parquet", *given)
    assert (check.status, check.note[:23]) == ("not checked", "rows are in no order: w")
    table = pq.read_table(tmp_path / "o.parquet")
    said = table.schema.metadata[b"negprep"].replace(b'"sampler": "uniform"', b'"sampler": "hard"')
    pq.write_table(table.replace_schema_metadata({b"negprep": said}), tmp_path / "o.parquet")
    check = judged(tmp_path / "o.parquet", *given)
    assert (check.status, check.note) == ("not checked", "what hard draws depends on a model")


@pytest.mark.parametrize("seed", range(6))
def test_units_are_those_of_the_page(seed):
    """Against the plain Python that the page of randomness names."""
    chance = random.Random(seed)
    counts = [chance.choice([0, 1, 2, 3, 50, 10**9]) for _ in range(chance.randint(1, 40))] + [7]
    alpha, smooth = chance.choice([0.75, -2.0, 0.0, 10.0]), chance.choice([0.0, 1.0, 0.3])
    inside = np.array(sorted(chance.sample(range(100), len(counts))))
    spread = np.zeros(100, np.int64)
    spread[inside] = counts
    found = units_of_counts(spread, inside, alpha, smooth)
    assert found[inside].tolist() == popularity_units(counts, repr(alpha), repr(smooth))
    assert found.sum() == found[inside].sum()
    weights = spread.astype(float)
    assert units_of_weights(weights, inside)[inside].tolist() == popularity_units(counts, "1", "0")


@pytest.mark.parametrize(
    ("values", "problem"),
    [
        (lambda n: pa.array([None] * n, pa.float64()), "all"),
        (lambda n: pa.array(["-3"] * (n - 1) + ["?"]), r"o\.parquet: row \d+: the column 'log_q' has '\?'"),
        (lambda n: pa.array([[-3.0]] * n), r"o\.parquet: row 1: the column 'log_q' has the type list"),
        (lambda n: pa.array([{"q": -3.0}] * n), r"o\.parquet: row 1: the column 'log_q' has the type struct"),
        (lambda n: pa.array([-3] * n), "all"),
        (lambda n: pa.array(["-3"] * n).dictionary_encode(), "all"),
    ],
)
def test_columns_that_are_none_are_refused_or_wrong(tmp_path, values, problem):
    given = made(tmp_path / "o.parquet")
    table = pq.read_table(tmp_path / "o.parquet")
    column = values(table.num_rows)
    table = table.set_column(table.schema.get_field_index("log_q"), "log_q", column)
    pq.write_table(table, tmp_path / "o.parquet")
    if problem == "all":
        assert judged(tmp_path / "o.parquet", *given).count == table.num_rows
        return
    with pytest.raises(BadDataError, match=problem):
        judged(tmp_path / "o.parquet", *given)
