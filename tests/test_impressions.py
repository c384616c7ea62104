"""`--sampler impression`: rows against plain sets, whatever the machine; and what `verify` finds in them."""

from __future__ import annotations

import json
import random
import re

import pandas as pd
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq
import pytest
from independent_samplers import Model, check

import negprep
from negprep.checks import observed, ranges
from negprep.checks.promises import Promised
from negprep.checks.verify import verify
from negprep.encode import memory
from negprep.errors import NegprepError
from negprep.options.specs import SamplerRule

LAYOUTS = pytest.mark.parametrize("layout", ["pointwise", "pairwise", "listwise"])
NAMES = ("user", "item", "time", "click", "slate")


def shown_rows(seed, users=30, items=25, slates=6, most=8, clicks=0.35):
    """Rows of slates: at distinct times, some items again and again, some rows in no slate."""
    chance = random.Random(seed)
    rows = []
    for user in range(users):
        for slate in range(chance.randint(1, slates)):
            shown = [chance.randrange(items) for _ in range(chance.randint(1, most))]
            for place, item in enumerate(shown):
                click = int(chance.random() < clicks)
                name = None if chance.random() < 0.07 else f"s{chance.choice([slate, slate, slate, 0])}"
                rows.append((user * 7, item, 1000 * slate + 10 * place, click, name))
    chance.shuffle(rows)
    return rows


def as_table(rows):
    return pa.table({name: list(column) for name, column in zip(NAMES, zip(*rows, strict=True), strict=True)})


ROWS = shown_rows(1)
LOG = as_table(ROWS)
CLICKED = {"positive": "click=1", "group_col": "slate"}
CATALOG = pa.table(
    {
        "item": [item for item in range(28) if item % 6],
        "kind": ["ab"[item % 2] for item in range(28) if item % 6],
        "available_from": [10**6 for item in range(28) if item % 6],
    }
)
EXCLUDE = pa.table({"user": [user * 7 for user in range(30)], "item": [user % 25 for user in range(30)]})
RECIPES = [
    ("impression",),
    ("impression:0.5", "uniform:0.5"),
    ("impression=1", "uniform=3"),
    ("popularity:0.25", "impression:0.75"),
    ("weak:0.5", "impression:0.25", "uniform:0.25"),
    ("weak=2", "impression=1"),
]


def liked(row):
    return row["click"] == 1


def model_of(sampler, command, *, beside=False, same=False, at_time=False, **options):
    recipe = SamplerRule.parse(sampler)
    if beside:
        columns = zip(*CATALOG.to_pydict().values(), strict=True)
        catalog = {item: (kind, since) for item, kind, since in columns}
        options |= {"catalog": catalog, "exclude": zip(*EXCLUDE.to_pydict().values(), strict=True)}
    return Model(
        LOG,
        command=command,
        names=recipe.names,
        shares=recipe.shares,
        fixed=recipe.fixed,
        positive=liked,
        group_col="slate",
        same=same,
        at_time=at_time,
        **options,
    )


def made(sampler, command, *, beside=False, same=False, at_time=False, log=LOG, **options):
    options |= {"items": CATALOG, "exclude": EXCLUDE} if beside else {}
    options |= {"same": "kind"} if same else {}
    run = negprep.train if command == "train" else negprep.test
    return run(log, sampler=sampler, available_at_time=at_time, with_log_q=True, **CLICKED, **options)


@pytest.mark.parametrize("distinct", [False, True], ids=["repeats", "distinct"])
@pytest.mark.parametrize("sampler", RECIPES, ids=" ".join)
@pytest.mark.parametrize("given", [{}, {"beside": True}, {"beside": True, "same": True, "at_time": True}], ids=str)
def test_train_rows(sampler, distinct, given):
    """Only what stands in the slate of the positive, with the right log q; else uniform."""
    layout = ("pointwise", "pairwise", "listwise")[(RECIPES.index(sampler) + len(given) + distinct) % 3]
    num_neg = SamplerRule.parse(sampler).num_neg or 5
    for holdout, keep_time in (("none", "first"), ("last", "last")):
        model = model_of(sampler, "train", holdout=holdout, keep_time=keep_time, **given)
        rows = made(
            sampler, "train", holdout=holdout, keep_time=keep_time, layout=layout, distinct=distinct,
            num_neg=num_neg, **given,
        )  # fmt: skip
        groups = check(model, rows, num_neg=num_neg, distinct=distinct)
        sources = {source for group in groups for source in group.sources}
        assert sources >= {*SamplerRule.parse(sampler).names, "fallback"}


@LAYOUTS
@pytest.mark.parametrize("given", [{}, {"beside": True}], ids=str)
@pytest.mark.parametrize("sampler", [recipe for recipe in RECIPES if "weak" not in " ".join(recipe)], ids=" ".join)
def test_candidates(sampler, layout, given):
    num_neg = SamplerRule.parse(sampler).num_neg or 6
    model = model_of(sampler, "test", holdout="last", **given)
    rows = made(sampler, "test", holdout="last", layout=layout, num_neg=num_neg, **given)
    check(model, rows, num_neg=num_neg, distinct=True, whole_users=layout == "pointwise")


@LAYOUTS
@pytest.mark.parametrize("on_short", ["fewer", "drop"])
def test_whole_impressions_are_candidates(layout, on_short):
    """`--num-neg all`: what was shown beside the holdout and not clicked, and nothing where that is nothing."""
    model = model_of(("impression",), "test", holdout="last", takes_all=True)
    lists = {head: model.supply(*head).shown for head in model.heads()}
    assert min(map(len, lists.values())) == 0
    rows = made(("impression",), "test", holdout="last", layout=layout, num_neg="all", on_short=on_short)
    if on_short == "drop":
        model.held = {user: item for user, item in model.held.items() if lists[user, item]}
    groups = check(model, rows, num_neg=100, distinct=True, whole_users=layout == "pointwise")
    for group in groups:
        assert sorted(group.negatives) == sorted(lists[group.user, group.positive])


def test_the_impression_is_that_of_the_row_that_gives_the_time():
    """Clicked in two slates: the later one, with `--keep-time first` the earlier one."""
    rows = [(1, "a", 1, 1, "x"), (1, "b", 1, 0, "x"), (1, "a", 5, 1, "y"), (1, "c", 5, 0, "y"), (1, "d", 9, 0, "z")]
    for log in (rows, rows[::-1]):
        for keep_time, item in (("last", "c"), ("first", "b")):
            found = negprep.train(
                as_table(log), sampler="impression", num_neg=2, keep_time=keep_time, holdout="none", **CLICKED
            )
            assert found["item"].to_pylist() == ["a", item, item]


def machine_cases():
    table = LOG
    yield "jobs and shards", {"jobs": 2, "shard_rows": 7}
    yield "spilled, in sections", {"memory": 1}
    yield "order", {"log": as_table(ROWS[::-1])}
    yield "repeated rows", {"log": as_table([*ROWS, *ROWS[::3]])}
    yield "a frame", {"log": table.to_pandas()}


@pytest.mark.parametrize("given", [given for _, given in machine_cases()], ids=[name for name, _ in machine_cases()])
def test_the_machine_does_not_matter(monkeypatch, given):
    options = {"sampler": ("impression:0.5", "weak:0.5"), "with_log_q": True, "min_positives": 2, **CLICKED}
    test = {"sampler": "impression", "num_neg": "all", "core": 2, **CLICKED}
    wanted = negprep.train(LOG, **options), negprep.test(LOG, **test)
    monkeypatch.setattr(memory, "_FEWEST_ROWS", 40)
    log, more = given.get("log", LOG), {name: value for name, value in given.items() if name != "log"}
    found = negprep.train(log, **options, **more), negprep.test(log, **test, **more)
    for one, other in zip(found, wanted, strict=True):
        assert (one.to_dict("list") if isinstance(one, pd.DataFrame) else one.to_pydict()) == other.to_pydict()


def test_text_and_parquet_give_the_same_rows(tmp_path):
    pq.write_table(LOG, tmp_path / "log.parquet")
    pyarrow.csv.write_csv(LOG, tmp_path / "log.csv")
    for name in ("log.parquet", "log.csv"):
        negprep.train(tmp_path / name, tmp_path / f"{name}.out", sampler="impression", to="parquet", **CLICKED)
    one, other = ((tmp_path / f"{name}.out").read_bytes() for name in ("log.parquet", "log.csv"))
    assert one == other


# What `verify` finds.


def checks_of(path, log=LOG, **options):
    promised = Promised(**options)
    return {check.name: check for check in verify([(str(path), None)], log, promised=promised).checks}


@pytest.mark.parametrize("sampler", [("uniform",), *RECIPES], ids=" ".join)
@pytest.mark.parametrize("more", [{}, {"beside": True, "distinct": True}, {"beside": True, "same": True}], ids=str)
def test_verify_passes_what_is_right(tmp_path, sampler, more):
    layout = ("pointwise", "pairwise", "listwise")[(len(" ".join(sampler)) + len(str(more))) % 3]
    for command in ("train", "test"):
        if command == "test" and "weak" in " ".join(sampler):
            continue
        given = dict(more)
        beside = given.pop("beside", False)
        options = {"items": CATALOG, "exclude": EXCLUDE} if beside else {}
        options |= {"same": "kind"} if given.pop("same", False) else {}
        promised = {name: value for name, value in options.items() if name != "same"}
        options |= {} if sampler == ("uniform",) else {"group_col": "slate"}
        run = negprep.train if command == "train" else negprep.test
        path = tmp_path / f"{command}.parquet"
        run(LOG, path, sampler=sampler, positive="click=1", with_log_q=True, layout=layout, **given, **options)
        checks = checks_of(path, **promised)
        assert [each for each in checks.values() if each.status == "failed"] == []
        assert checks["log q is right"].status == "passed"
        if "group_col" in options:
            assert checks["draws marked as impression were shown with the positive"].status == "passed"


LARGE = as_table(shown_rows(3, users=400, items=40, slates=4, most=12, clicks=0.3))


def planted(tmp_path, change, layout="pointwise", **options):
    """The checks of a right file, and of the same after a change of its rows."""
    path = tmp_path / "train.parquet"
    negprep.train(LARGE, path, sampler="impression", layout=layout, with_log_q=True, seed=3, **CLICKED, **options)
    before = checks_of(path, LARGE)
    table = pq.read_table(path)
    rows = change(table.to_pandas())
    changed = pa.Table.from_pandas(rows, schema=table.schema, preserve_index=False)
    pq.write_table(changed, path)
    after = checks_of(path, LARGE)
    assert [name for name, check in before.items() if check.status == "failed"] == []
    return {name for name, check in after.items() if check.status == "failed"}, before


def test_fair_draws_are_judged(tmp_path):
    _, before = planted(tmp_path, lambda rows: rows)
    for by in ("item", "all items", "tenths of ids", "tenths of popularity"):
        assert re.search(r"p = ", before[f"impression draws by {by}"].note)


def test_verify_finds_an_item_of_another_impression(tmp_path):
    """A weak item of the user, passed over at another time."""
    model = Model(LARGE, names=("impression",), positive=liked, group_col="slate")

    def change(rows):
        user = head = None
        for at in rows.index:
            if rows.loc[at, "label"] == 1:
                user, head = int(rows.loc[at, "user"]), int(rows.loc[at, "item"])
            elsewhere = model.weak[user] - {*model.supply(user, head).shown}
            if rows.loc[at, "source"] == "impression" and elsewhere:
                rows.loc[at, "item"] = min(elsewhere)
                return rows
        raise AssertionError("no row to change")

    failed, _ = planted(tmp_path, change)
    assert failed == {"draws marked as impression were shown with the positive", "log q is right"}


def test_verify_finds_a_draw_that_should_not_have_fallen_back(tmp_path):
    def change(rows):
        at = rows.index[rows["source"] == "impression"][0]
        user = rows.loc[at, "user"]
        touched = {row[1] for row in zip(*LARGE.to_pydict().values(), strict=True) if row[0] == user}
        rows.loc[at, ["item", "source"]] = [min(set(range(40)) - touched), "fallback"]
        return rows

    failed, _ = planted(tmp_path, change)
    assert failed >= {"no draw falls back while its impression has an item left", "log q is right"}


def test_verify_finds_draws_from_one_end_of_the_impressions(tmp_path):
    """The lowest of the items drawn, again and again: each may be drawn, and together they are unfair."""

    def change(rows):
        drawn = rows["source"] == "impression"
        lowest = rows[drawn].groupby((rows["label"] == 1).cumsum())["item"].transform("min")
        rows.loc[drawn, "item"] = lowest
        return rows

    failed, _ = planted(tmp_path, change, num_neg=8)
    assert failed >= {f"impression draws by {by}" for by in ("item", "all items", "tenths of ids")}


def test_verify_finds_a_wrong_log_q(tmp_path):
    def change(rows):
        at = rows.index[rows["source"] == "impression"][5]
        rows.loc[at, "log_q"] -= 1e-6
        return rows

    failed, _ = planted(tmp_path, change)
    assert failed == {"log q is right"}


def test_verify_finds_a_list_that_lacks_an_item(tmp_path):
    path = tmp_path / "test.parquet"
    negprep.test(LARGE, path, sampler="impression", num_neg="all", layout="listwise", **CLICKED)
    assert [name for name, check in checks_of(path, LARGE).items() if check.status == "failed"] == []
    table = pq.read_table(path)
    rows = table.to_pylist()
    row = next(row for row in rows if len(row["neg_items"]) > 2)
    row["neg_items"].pop()
    row["source"].pop()
    pq.write_table(pa.Table.from_pylist(rows, schema=table.schema), path)
    failed = {name for name, check in checks_of(path, LARGE).items() if check.status == "failed"}
    assert "each positive has as many negatives as it must" in failed


@pytest.mark.parametrize("fault", [False, True])
def test_verify_reports_the_same_range_by_range(tmp_path, monkeypatch, fault):
    path = tmp_path / "train.parquet"
    negprep.train(LARGE, path, sampler=("impression:0.6", "weak:0.4"), with_log_q=True, min_positives=3, **CLICKED)
    if fault:  # of each user another one's negatives
        table = pq.read_table(path)
        items, labels = table["item"].to_pylist(), table["label"].to_pylist()
        wrong = [item if labels[at] else items[at - 7] for at, item in enumerate(items)]
        pq.write_table(table.set_column(1, table.schema.field("item"), pa.array(wrong)), path)
    whole = verify([(str(path), None)], LARGE).as_dict()
    monkeypatch.setattr(ranges, "_FEWEST_ROWS", 1_500)
    monkeypatch.setattr(ranges, "_LEAST_GATHERED", 3_000)
    monkeypatch.setattr(observed, "_GATHERED", 40)
    assert verify([(str(path), None)], LARGE, memory=1).as_dict() == whole
    assert whole["failed"] == fault


def test_files_without_metadata_are_checked_by_options(tmp_path):
    path = tmp_path / "train.csv"
    negprep.train(LARGE, path, sampler="impression", holdout="none", layout="pairwise", **CLICKED)
    given = {"positive": "click=1", "holdout": "none", "num_neg": 4, "distinct": False}
    promised = Promised(sampler=("impression",), group_col="slate", **given)
    report = verify([(str(path), "train")], LARGE, promised=promised)
    assert not report.failed
    names = [check.name for check in report.checks if check.status == "passed"]
    assert "draws marked as impression were shown with the positive" in names
    with pytest.raises(NegprepError, match="--sampler impression without --group-col"):
        Promised(sampler=("impression",))
    with pytest.raises(NegprepError, match="--group-col without --sampler impression"):
        Promised(group_col="slate")


# Options.


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"group_col": None}, "--sampler impression without --group-col"),
        ({"sampler": "uniform"}, "--group-col without --sampler impression"),
        ({"group_col": "slat"}, r"no column 'slat' \(found: user, item, time, click, slate\); did you mean 'slate'\?"),
        ({"positive": "all"}, "--sampler impression without weak interactions"),
        ({"weak": EXCLUDE}, "--weak with --sampler impression"),
        ({"layout": "pairwise", "levels": "0.2,0.3", "sampler": None}, "--group-col without --sampler impression"),
    ],
    ids=str,
)
def test_what_does_not_fit_is_refused(options, message):
    with pytest.raises(NegprepError, match=message):
        negprep.train(LOG, **{"sampler": "impression", **CLICKED, **options})


def test_a_log_without_anything_beside_its_positives_is_warned_of():
    rows = [(user, item, item, 1, "s") for user in range(4) for item in range(3)]
    rows += [(9, 8, 1, 0, "s"), (9, 7, 2, 1, "t")]
    with pytest.warns(
        negprep.NegprepWarning, match="no positive has a weak interaction beside it in the column 'slate'"
    ):
        negprep.train(as_table(rows), sampler="impression", holdout="none", **CLICKED)


def test_the_facts_are_recorded(tmp_path):
    negprep.train(LOG, tmp_path / "t.parquet", sampler=("impression:0.5", "uniform:0.5"), **CLICKED)
    facts = json.loads(pq.read_metadata(tmp_path / "t.parquet").metadata[b"negprep"])
    assert (facts["sampler"], facts["group_col"]) == ("impression:0.5 uniform:0.5", "slate")
    assert facts["counts"]["sources"].keys() == {"impression", "uniform", "fallback"}
    assert sum(facts["counts"]["sources"].values()) == facts["counts"]["negatives"]
    found = negprep.inspect(LOG, sampler=("impression:0.5", "uniform:0.5"), **CLICKED)
    assert found.train.sampler == facts["sampler"]


def test_prepare_keeps_columns_as_the_single_commands_do(tmp_path):
    """The impression decides of which row a column kept is, in the parts that draw by it alone."""
    chance = random.Random(3)
    rows = [
        (user, chance.randrange(6), chance.randrange(3), chance.randrange(9)) for user in range(9) for _ in range(30)
    ]
    columns = {
        name: list(column)
        for name, column in zip(("user", "item", "slate", "price"), zip(*rows, strict=True), strict=True)
    }
    log = pa.table({**columns, "click": [chance.randrange(2) for _ in rows]})
    shared = {"positive": "click=1", "keep": "price", "split_seed": 4, "holdout": "random"}
    drawn = {"sampler": "impression", "group_col": "slate"}
    for name, train, test in (("train", drawn, {}), ("test", {}, drawn)):
        folder = tmp_path / name
        of_test = {f"test_{option}": value for option, value in test.items()}
        negprep.prepare(log, folder, with_valid=False, test_num_neg=3, **shared, **train, **of_test)
        for part, made in (
            ("train", negprep.train(log, **shared, **train)),
            ("test", negprep.test(log, num_neg=3, **shared, **test)),
        ):
            assert pq.read_table(folder / f"{part}.parquet").to_pylist() == made.to_pylist()
        assert not negprep.verify(folder, log).failed
