"""``--per user``: a group has all train positives of a user and negatives drawn once; against plain sets."""

from __future__ import annotations

import json
from collections import Counter

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import reference
from logs import as_table, random_rows

import negprep
from negprep.checks import ranges
from negprep.checks.promises import Promised
from negprep.checks.verify import verify
from negprep.encode import memory
from negprep.options.conflicts import refuse_on_spark
from negprep.options.options import Options
from negprep.pipeline import prepare

ROWS = random_rows(5, users=60, items=45, most=44)
LOG = as_table(ROWS)
WEAK = pa.table({"user": [-3, -3, 4, 11, 18], "item": [100, 103, 106, 109, 100]})
LAYOUTS = pytest.mark.parametrize("layout", ["pointwise", "listwise"])


def train_positives(rows=ROWS, *, held_out=True):
    """Of each user, without the latest by time; between equal times the reference decides."""
    times = {}
    for user, item, time in rows:
        times.setdefault(user, {})[item] = max(time, times.get(user, {}).get(item, time))
    held = {
        user: reference.hold_out(of, user, "last" if held_out else "none", 0, with_valid=False)[0]
        for user, of in times.items()
    }
    return {user: sorted(set(of) - set(held[user])) for user, of in sorted(times.items())}


def groups_of(rows):
    """(user, positives, negatives) in the order of rows."""
    columns = rows.to_pydict()
    if "pos_items" in columns:
        return list(zip(columns["user"], columns["pos_items"], columns["neg_items"], strict=True))
    groups = []
    for user, item, label in zip(columns["user"], columns["item"], columns["label"], strict=True):
        if not groups or groups[-1][0] != user:
            groups.append((user, [], []))
        assert not (label and groups[-1][2]), "a positive after a negative"
        groups[-1][2 - label].append(item)
    return groups


def user_key(seed, user, epoch=0):
    purpose = reference.word(reference.word(seed, 0), reference.PURPOSES["negatives"] + epoch * 2**32)
    return reference.mix(purpose ^ reference.id_key(user))


@LAYOUTS
@pytest.mark.parametrize("distinct", [False, True])
@pytest.mark.parametrize(("num_neg", "seed", "epoch"), [(6, 0, 0), (40, 2**64 - 1, 3)])
def test_rows_are_those_of_the_reference(layout, distinct, num_neg, seed, epoch):
    options = {"num_neg": num_neg, "distinct": distinct, "seed": seed, "epoch": epoch, "layout": layout}
    catalog = sorted({item for _, item, _ in ROWS})
    wanted = []
    for user, positives in train_positives().items():
        codes = [code for code, item in enumerate(catalog) if item not in positives]
        key = user_key(seed, user, epoch)
        drawn = reference.draw_negatives(key, codes, len(catalog), num_neg, distinct=distinct)
        wanted.append((user, positives, [catalog[code] for code in drawn]))
    assert groups_of(negprep.train(LOG, per="user", holdout="last", **options)) == wanted


@LAYOUTS
@pytest.mark.parametrize(
    "options",
    [
        {"sampler": "popularity", "distinct": True},
        {"sampler": ("uniform:0.5", "popularity:0.5"), "smooth": 1.0},
        {"sampler": ("uniform=4", "weak=2"), "weak": WEAK},
        {"distinct": True, "with_log_q": True, "exclude": WEAK},
    ],
    ids=str,
)
def test_samplers(layout, options):
    """Every positive once, as many negatives as asked for, none of them seen; log q and sources beside each."""
    made = negprep.train(LOG, per="user", num_neg=6, layout=layout, holdout="last", **options)
    excluded = {(row["user"], row["item"]) for row in WEAK.to_pylist()} if "exclude" in options else set()
    positives = train_positives()
    assert [(user, of) for user, of, _ in groups_of(made)] == list(positives.items())
    for user, of, negatives in groups_of(made):
        eligible = {item for _, item, _ in ROWS} - set(of) - {item for other, item in excluded if other == user}
        assert set(negatives) <= eligible
        assert len(negatives) == (min(6, len(eligible)) if options.get("distinct") else 6 * bool(eligible))
        assert not options.get("distinct") or len(set(negatives)) == len(negatives)
    beside = made.to_pydict()
    if layout == "listwise":
        lengths = [(len(of), len(negatives)) for _, of, negatives in groups_of(made)]
        for name, side in (("source", 1), ("pos_log_q", 0), ("neg_log_q", 1)):
            assert name not in beside or [len(each) for each in beside[name]] == [each[side] for each in lengths]
    elif "source" in beside:
        assert {source == "positive" for source, label in zip(beside["source"], beside["label"], strict=True) if label}
        counts = Counter(zip(beside["user"], beside["source"], strict=True))
        assert all(counts[user, "uniform"] + counts[user, "popularity"] <= 6 for user in positives)


@LAYOUTS
@pytest.mark.parametrize("sampler", ["uniform", "popularity", ("uniform:0.3", "popularity:0.7")])
def test_log_q_is_that_of_one_draw(layout, sampler):
    """As beside a positive of its own, whose log q depends on user and item alone."""
    options = {"sampler": sampler, "smooth": 1.0, "with_log_q": True, "holdout": "last", "layout": layout}
    options = options if "popularity" in str(sampler) else {**options, "smooth": None}
    for_each = negprep.train(LOG, num_neg=200, **options).to_pydict()
    known = {}
    if layout == "pointwise":
        for user, item, label, log_q in zip(*(for_each[n] for n in ("user", "item", "label", "log_q")), strict=True):
            known[user, item, label] = log_q
    else:
        names = ("user", "pos_item", "neg_items", "pos_log_q", "neg_log_q")
        for user, positive, negatives, of_positive, values in zip(*(for_each[name] for name in names), strict=True):
            known[user, positive, 1] = of_positive
            known |= {(user, item, 0): value for item, value in zip(negatives, values, strict=True)}
    made = negprep.train(LOG, per="user", num_neg=9, **options).to_pydict()
    if layout == "pointwise":
        found = zip(*(made[name] for name in ("user", "item", "label", "log_q")), strict=True)
        assert all(known.get((user, item, label), log_q) == log_q for user, item, label, log_q in found)
    else:
        for user, positives, of, negatives, values in zip(
            *(made[n] for n in ("user", "pos_items", "pos_log_q", "neg_items", "neg_log_q")), strict=True
        ):
            assert [known[user, item, 1] for item in positives] == of
            beside = dict(zip(negatives, values, strict=True))
            assert all(known.get((user, item, 0), value) == value for item, value in beside.items())


@LAYOUTS
def test_a_model_draws_for_users(tmp_path, layout):
    """From a pool of all that is eligible, distinct draws are those with the highest scores, one after the other."""
    chance = np.random.default_rng(0)
    users, items = sorted({row[0] for row in ROWS}), sorted({row[1] for row in ROWS})
    x, y = chance.normal(size=(len(users), 4)), chance.normal(size=(len(items), 4))
    np.savez(tmp_path / "model.npz", users=users, items=items, user_factors=x, item_factors=y)
    options = {"sampler": "hard", "model": tmp_path / "model.npz", "pool": 100, "distinct": True}
    made = negprep.train(LOG, per="user", num_neg=4, layout=layout, holdout="last", **options)
    for user, positives, negatives in groups_of(made):
        scores = dict(zip(items, (y @ x[users.index(user)]).tolist(), strict=True))
        assert not set(negatives) & set(positives)
        best = sorted((scores[item] for item in set(items) - set(positives)), reverse=True)
        assert [scores[item] for item in negatives] == pytest.approx(best[:4], abs=0.02)  # scores are rounded


def test_every_eligible_item_is_as_likely():
    """Chi-square over users who have seen the same: one of 12 items, drawn anew by each user."""
    from scipy import stats

    log = as_table([(user, user % 3, 0) for user in range(3000)] + [(3000, item, 0) for item in range(12)])
    for distinct in (False, True):
        groups = groups_of(negprep.train(log, per="user", num_neg=3, distinct=distinct, holdout="none", seed=4))
        for seen in range(3):
            drawn = Counter(item for user, _, of in groups if user < 3000 and user % 3 == seen for item in of)
            assert seen not in drawn
            assert stats.chisquare([drawn[item] for item in range(12) if item != seen]).pvalue > 1e-3


@LAYOUTS
@pytest.mark.parametrize("shuffle", [False, True])
def test_nothing_else_matters(tmp_path, layout, shuffle, monkeypatch):
    options = {"per": "user", "num_neg": 6, "layout": layout, "epochs": 2, "shuffle": shuffle, "holdout": "last"}
    options["sampler"] = ("uniform:0.5", "popularity:0.5")
    once = negprep.train(LOG, **options)
    monkeypatch.setattr(memory, "_FEWEST_ROWS", 40)
    backwards = LOG.take(list(range(len(LOG)))[::-1])
    for log, more in ((LOG, {"jobs": 2, "shard_rows": 53}), (backwards, {"memory": 1})):
        assert negprep.train(log, **options, **more).equals(once)
    each = [negprep.train(LOG, **{**options, "epochs": None, "epoch": epoch}) for epoch in range(2)]
    assert pa.concat_tables(each).equals(once.drop_columns("epoch"))
    assert not each[0].equals(each[1])
    negprep.train(LOG, f"{tmp_path}/o/", **options, encode=True, jobs=2)
    report = verify([(f"{tmp_path}/o/", None)], LOG)
    assert [check for check in report.checks if check.status == "failed"] == []
    plain = negprep.train(LOG, **{**options, "shuffle": False})
    names = plain.column_names
    flat = [[tuple(cell) if isinstance(cell, list) else cell for cell in row.values()] for row in once.to_pylist()]
    other = [[tuple(cell) if isinstance(cell, list) else cell for cell in row.values()] for row in plain.to_pylist()]
    assert (once.column_names, Counter(map(tuple, flat))) == (names, Counter(map(tuple, other)))


def test_a_user_more_changes_nobody_else():
    catalog = pa.table({"item": sorted({item for _, item, _ in ROWS})})
    options = {"per": "user", "num_neg": 5, "items": catalog, "holdout": "last"}
    before = groups_of(negprep.train(LOG, **options))
    after = groups_of(negprep.train(as_table([*ROWS, (-100, 100, 1), (-100, 103, 2)]), **options))
    assert after[1:] == before


@LAYOUTS
def test_users_who_are_short(layout):
    catalog = {item for _, item, _ in ROWS}
    options = {"per": "user", "num_neg": 12, "distinct": True, "layout": layout, "holdout": "last"}
    eligible = {user: len(catalog) - len(positives) for user, positives in train_positives().items()}
    assert 0 < sum(size < 12 for size in eligible.values()) < len(eligible)
    fewer = groups_of(negprep.train(LOG, **options))
    assert {user: len(negatives) for user, _, negatives in fewer} == {u: min(12, m) for u, m in eligible.items()}
    dropped = groups_of(negprep.train(LOG, on_short="drop", **options))
    assert dropped == [group for group in fewer if eligible[group[0]] >= 12]
    with pytest.raises(negprep.BadDataError, match=r"eligible items? of the 12 needed"):
        negprep.train(LOG, on_short="error", **options)


@LAYOUTS
@pytest.mark.parametrize("epochs", [None, 2])
def test_counts_are_those_of_the_rows(tmp_path, layout, epochs):
    options = {"per": "user", "num_neg": 12, "layout": layout, "holdout": "last", "epochs": epochs, "distinct": True}
    summary = prepare(LOG, f"{tmp_path}/o.parquet", Options(command="train", **options))
    rows = pq.read_table(tmp_path / "o.parquet")
    facts = json.loads(rows.schema.metadata[b"negprep"])
    groups = groups_of(rows)
    negatives = sum(len(negatives) for _, _, negatives in groups)
    assert (facts["per"], summary.per) == ("user", "user")
    assert facts["counts"]["groups"] == len(groups) // (epochs or 1) == 60
    assert facts["counts"]["negatives"] == summary.negatives == negatives
    assert facts["counts"]["rows"] == summary.rows_written == rows.num_rows
    seen = negprep.inspect(LOG, **options)
    assert (seen.train.rows, seen.train.negatives, seen.train.groups) == (rows.num_rows, negatives, 60)
    assert (seen.train.per, seen.test.per, seen.test.refused) == ("user", "user", None)
    assert seen.test.groups == 60
    assert "per" not in json.loads(negprep_metadata(tmp_path))


def negprep_metadata(folder):
    negprep.train(LOG, folder / "plain.parquet")
    return pq.read_schema(folder / "plain.parquet").metadata[b"negprep"]


def checks_of(path, log=LOG, **promised):
    """The same whether all users are held in memory, or a range of them at a time."""
    report = verify([(str(path), None)], log, promised=Promised(**promised))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ranges, "_FEWEST_ROWS", 150)
        patch.setattr(ranges, "_LEAST_GATHERED", 3_000)
        spilled = verify([(str(path), None)], log, promised=Promised(**promised), memory=1)
    assert spilled.as_dict() == report.as_dict()
    return {check.name: check for check in report.checks}


def failed(checks):
    return {name for name, check in checks.items() if check.status == "failed"}


@LAYOUTS
@pytest.mark.parametrize(
    ("options", "beside"),
    [
        ({"distinct": True, "epochs": 2, "encode": True}, {}),
        ({"distinct": True, "on_short": "drop", "num_neg": 12}, {}),
        ({"distinct": True, "shuffle": True, "num_neg": 12}, {}),
        ({"sampler": "popularity", "distinct": True, "with_log_q": True}, {}),
        ({"sampler": ("uniform=4", "popularity=2"), "holdout": "last:2"}, {}),
        ({"sampler": ("uniform:0.4", "weak:0.6"), "with_log_q": True}, {"weak": WEAK}),
        ({"exclude": WEAK}, {"exclude": WEAK}),
    ],
    ids=str,
)
def test_verify_passes_what_is_right(tmp_path, layout, options, beside):
    negprep.train(LOG, tmp_path / "o.parquet", per="user", layout=layout, **{"holdout": "last", **options, **beside})
    checks = checks_of(tmp_path / "o.parquet", **beside)
    assert failed(checks) == set()
    assert checks["each user has as many negatives as it must"].status == "passed"
    assert "no positive is among its own negatives" not in checks


def change(rows, layout, user, do):
    """The rows with other positives and negatives of a user (None: all), as (positives, negatives) becomes."""
    groups = [(who, *(do(list(of), list(no)) if user in (who, None) else (of, no))) for who, of, no in groups_of(rows)]
    if layout == "listwise":
        columns = dict(zip(("user", "pos_items", "neg_items"), map(list, zip(*groups, strict=True)), strict=True))
    else:
        flat = [(who, item, label) for who, of, no in groups for items, label in ((of, 1), (no, 0)) for item in items]
        columns = dict(zip(("user", "item", "label"), map(list, zip(*flat, strict=True)), strict=True))
    return pa.table(columns, rows.schema)


FAULTS = {
    "a positive twice": (lambda of, no: ([*of, of[0]], no), {"no positive occurs twice"}),
    "a positive missing": (lambda of, no: (of[1:], no), {"no positive is missing", "holdouts are the right ones"}),
    "a negative twice": (lambda of, no: (of, [*no[:-1], no[0]]), {"the negatives of a user differ"}),
    "a negative less": (lambda of, no: (of, no[:-1]), {"each user has as many negatives as it must"}),
    "a seen negative": (lambda of, no: (of, [of[-1], *no[1:]]), {"no negative is a positive of its user"}),
    "an unknown negative": (lambda of, no: (of, [999, *no[1:]]), {"every item is in the log or the catalog"}),
    "no positive": (lambda of, no: ([], no), {"no user is missing", "each user has as many negatives as it must"}),
}


@LAYOUTS
@pytest.mark.parametrize("name", FAULTS)
def test_verify_finds_a_fault(tmp_path, layout, name):
    do, wanted = FAULTS[name]
    negprep.train(LOG, tmp_path / "o.parquet", per="user", num_neg=6, layout=layout, holdout="last", distinct=True)
    rows = pq.read_table(tmp_path / "o.parquet")
    user = next(user for user, of, no in groups_of(rows) if len(of) > 3 and len(no) == 6)
    pq.write_table(change(rows, layout, user, do), tmp_path / "o.parquet")
    found = failed(checks_of(tmp_path / "o.parquet")) - {"the metadata fit rows and log"}
    assert found <= wanted
    assert found


@LAYOUTS
def test_verify_finds_a_second_group_of_a_user_and_unfair_draws(tmp_path, layout):
    negprep.train(LOG, tmp_path / "o.parquet", per="user", num_neg=6, layout=layout, holdout="last")
    rows = pq.read_table(tmp_path / "o.parquet")
    groups = groups_of(rows)
    user, of, no = next(group for group in groups if len(group[1]) > 3)
    again = change(rows, layout, user, lambda of, no: (of[:2], no))
    first = change(again, layout, user, lambda _, no: (of[2:], no))
    mine = next(place for place, who in enumerate(again["user"].to_pylist()) if who == user)
    size = 1 if layout == "listwise" else 2 + len(no)
    pq.write_table(pa.concat_tables([first, again.slice(mine, size)]), tmp_path / "o.parquet")
    checks = checks_of(tmp_path / "o.parquet")
    assert failed(checks) - {"the metadata fit rows and log"} == {"each user has as many negatives as it must"}
    assert checks["each user has as many negatives as it must"].examples == [
        f"{tmp_path}/o.parquet: user {user}: 12 negatives, not 6"
    ]
    log = as_table([(user, user % 3, 0) for user in range(900)] + [(900, item, 0) for item in range(12)])
    negprep.train(log, tmp_path / "o.parquet", per="user", num_neg=3, layout=layout, holdout="none")
    rows = pq.read_table(tmp_path / "o.parquet")
    unfair = change(rows, layout, None, lambda of, no: (of, [11, *no[1:]] if 3 in no else no))
    pq.write_table(unfair, tmp_path / "o.parquet")
    assert any("uniform draws" in name for name in failed(checks_of(tmp_path / "o.parquet", log)))


@LAYOUTS
def test_text_with_a_summary(tmp_path, layout):
    options = Options(command="train", per="user", num_neg=5, layout=layout, with_log_q=True, distinct=True)
    prepare(LOG, f"{tmp_path}/o.csv", options, summary=f"{tmp_path}/o.json")
    report = verify([(f"{tmp_path}/o.csv", None)], LOG, made_by=[f"{tmp_path}/o.json"])
    assert [check for check in report.checks if check.status == "failed"] == []
    assert {check.name: check.status for check in report.checks}["log q is right"] == "passed"


def test_others_read_it(tmp_path):
    """A report counts users, and RecBole reads labelled rows."""
    for layout in ("pointwise", "listwise"):
        path = tmp_path / f"{layout}.parquet"
        negprep.train(LOG, path, per="user", num_neg=5, layout=layout)
        negprep.report([path], tmp_path / "o.html", log=LOG)
        assert "Negatives a user" in (tmp_path / "o.html").read_text()
    negprep.train(LOG, f"{tmp_path}/shop/", per="user", num_neg=5, to="recbole")
    lines = (tmp_path / "shop" / "shop.inter").read_text().splitlines()
    assert len(lines) == 1 + negprep.train(LOG, per="user", num_neg=5).num_rows
    negprep.test(LOG, f"{tmp_path}/mall/", per="user", num_neg=5, holdout="last:2", to="recbole")
    report = verify([(f"{tmp_path}/mall/", None)], LOG)
    assert [check for check in report.checks if check.status == "failed"] == []


def test_prepare_draws_for_users_where_it_is_asked_for(tmp_path):
    negprep.prepare(LOG, tmp_path / "data", per="user", num_neg=5, layout="listwise", test_layout="listwise")
    train = pq.read_table(tmp_path / "data" / "train.parquet")
    assert "pos_items" in train.column_names
    assert "pos_item" in pq.read_table(tmp_path / "data" / "test.parquet").column_names
    assert "with 5 negatives for each user" in (tmp_path / "data" / "README.md").read_text()
    negprep.prepare(LOG, tmp_path / "other", test_per="user", test_num_neg=5, test_layout="listwise")
    assert "pos_items" in pq.read_table(tmp_path / "other" / "valid.parquet").column_names
    assert "label" in pq.read_table(tmp_path / "other" / "train.parquet").column_names


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        ({"layout": "pairwise"}, "--layout pairwise with --per user: a pair has one positive; choose pointwise or"),
        ({"levels": "0.3,0.5", "layout": "pairwise"}, "--levels with --per user"),
        ({"bootstrap": 3, "layout": "pairwise"}, "--bootstrap with --per user"),
        ({"available_at_time": True}, "--available-at-time with --per user: it draws by the time of a positive"),
        ({"same": "kind", "items": WEAK}, "--same with --per user"),
        ({"keep": "shop"}, "--keep with --per user: it writes beside each negative what its positive has"),
        ({"with_time": True}, "--with-time with --per user: it writes beside each negative the time of its positive"),
        ({"with_history": 3}, "--with-history with --per user: it writes what came before a positive"),
        ({"num_neg": 0.5}, "--num-neg 0.5 with --per user, which draws one number for everybody"),
        ({"per": "item"}, "per is 'item'; choose one of positive, user"),
    ],
    ids=str,
)
def test_refusals(options, complaint):
    with pytest.raises(negprep.UsageError, match=complaint):
        negprep.train(LOG, **{"per": "user", **options})


def test_a_cluster_and_other_programs_have_positives(tmp_path):
    with pytest.raises(negprep.UsageError, match="--per user with --to lightgcn: LightGCN reads lists of one holdout"):
        negprep.test(LOG, f"{tmp_path}/o/", per="user", to="lightgcn")
    with pytest.raises(negprep.UsageError, match="--per user with --engine spark"):
        refuse_on_spark(Options(command="train", per="user"))


def holdouts(rule, *, fold="test"):
    """The items that each user has held out, by the reference."""
    times = {}
    for user, item, time in ROWS:
        times.setdefault(user, {})[item] = max(time, times.get(user, {}).get(item, time))
    place, valid = ("test", "valid").index(fold), fold == "valid"
    held = {user: reference.hold_out(of, user, rule, 0, with_valid=valid)[place] for user, of in times.items()}
    return {user: set(of) for user, of in sorted(held.items()) if of}


def rows_of_users(rows):
    """Of each user the positives and the negatives, as they stand."""
    columns, found = rows.to_pydict(), {}
    if "pos_items" in columns:
        return {user: (of, no) for user, of, no in groups_of(rows)}
    for user, item, label in zip(columns["user"], columns["item"], columns["label"], strict=True):
        found.setdefault(user, ([], []))[1 - label].append(item)
    return found


@LAYOUTS
@pytest.mark.parametrize("options", [{}, {"num_neg": "all"}, {"fold": "valid"}, {"sampler": "popularity"}], ids=str)
def test_candidates_are_those_of_the_reference(tmp_path, layout, options, monkeypatch):
    options = {"per": "user", "num_neg": 6, "holdout": "last:3", "layout": layout, **options}
    negprep.test(LOG, tmp_path / "test.parquet", **options)
    made = pq.read_table(tmp_path / "test.parquet")
    catalog, purpose = sorted({item for _, item, _ in ROWS}), reference.purpose_key(0, "candidates")
    seen = {user: {item for other, item, _ in ROWS if other == user} for user in {row[0] for row in ROWS}}
    found = rows_of_users(made)
    assert {user: set(of) for user, (of, _) in found.items()} == holdouts("last:3", fold=options.get("fold", "test"))
    for user, (of, negatives) in found.items():
        assert len(of) == len(set(of))
        eligible = [code for code, item in enumerate(catalog) if item not in seen[user]]
        number = len(eligible) if options["num_neg"] == "all" else 6
        assert len(set(negatives)) == len(negatives) == min(number, len(eligible))
        assert not set(negatives) & seen[user]
        if options.get("sampler") is None:
            key = reference.mix(purpose ^ reference.id_key(user))
            drawn = reference.draw_negatives(key, eligible, len(catalog), max(1, number), distinct=True)
            assert set(negatives) == {catalog[code] for code in drawn}
    checks = checks_of(tmp_path / "test.parquet")
    assert failed(checks) == set()
    if layout == "pointwise":
        assert checks["a holdout stands anywhere among its candidates"].status == "passed"
        monkeypatch.setattr(memory, "_FEWEST_ROWS", 40)
        assert negprep.test(LOG, **options, jobs=2, shard_rows=53, memory=1).equals(made)


def test_the_order_of_candidates_is_that_of_words():
    made = negprep.test(LOG, per="user", num_neg=6, holdout="last:2").to_pydict()
    lists = {
        user: (of, no)
        for user, of, no in groups_of(negprep.test(LOG, per="user", num_neg=6, holdout="last:2", layout="listwise"))
    }
    rows = {}
    for user, item, label in zip(made["user"], made["item"], made["label"], strict=True):
        rows.setdefault(user, []).append((item, label))
    for user, (of, no) in lists.items():
        key = reference.mix(reference.purpose_key(0, "slot") ^ reference.id_key(user))
        numbered = sorted(range(len(of) + len(no)), key=lambda row: reference.word(key, row))
        assert rows[user] == [([*of, *no][row], int(row < len(of))) for row in numbered]


def test_verify_finds_an_order_that_gives_holdouts_away(tmp_path):
    negprep.test(LOG, tmp_path / "o.parquet", per="user", num_neg=6, holdout="last:3")
    rows = pq.read_table(tmp_path / "o.parquet")
    for order in ("descending", "ascending"):
        sorted_rows = rows.sort_by([("user", "ascending"), ("label", order)])
        pq.write_table(sorted_rows.replace_schema_metadata(rows.schema.metadata), tmp_path / "o.parquet")
        assert failed(checks_of(tmp_path / "o.parquet")) == {"a holdout stands anywhere among its candidates"}


def scores_of(*tables):
    """A score for each candidate, with many ties."""
    pairs = {
        (user, item) for rows in tables for user, sides in rows_of_users(rows).items() for of in sides for item in of
    }
    users, items = zip(*sorted(pairs), strict=True)
    scores = [(user * 31 + item * 17) % 23 / 7 for user, item in zip(users, items, strict=True)]
    return pa.table({"user": users, "item": items, "score": scores})


@LAYOUTS
def test_evaluate_ranks_each_holdout_among_the_negatives(tmp_path, layout):
    """With all eligible items to the last digit as with a list for each holdout; else by counting."""
    for number, name in (("all", "whole"), (6, "some")):
        options = {"num_neg": number, "holdout": "last:3"}
        negprep.test(LOG, tmp_path / f"{name}.parquet", per="user", layout=layout, **options)
        made = pq.read_table(tmp_path / f"{name}.parquet")
        scores = scores_of(made)
        found = negprep.evaluate(scores, test=tmp_path / f"{name}.parquet", at=(1, 5))
        value = {(row["user"], row["item"]): row["score"] for row in scores.to_pylist()}
        hits = {}
        for user, (of, no) in rows_of_users(made).items():
            for item in of if no else ():
                mine = value[user, item]
                above, tied = (sum(test(value[user, other]) for other in no) for test in (mine.__lt__, mine.__eq__))
                share = [1 / (1 + tied) * (above + place < 5) for place in range(1 + tied)]
                hits.setdefault(user, []).append(sum(share))
        means = [sum(each) / len(each) for each in hits.values()]
        assert found.metrics["hr@5"].value == pytest.approx(sum(means) / len(means))
        assert found.lists == sum(map(len, hits.values()))
        if number == "all":
            negprep.test(LOG, tmp_path / "each.parquet", **options)
            assert negprep.evaluate(scores, test=tmp_path / "each.parquet", at=(1, 5)).metrics == found.metrics
    plain = tmp_path / "o.csv"
    options = Options(command="test", per="user", num_neg=6, holdout="last:3", layout=layout, distinct=True)
    prepare(LOG, str(plain), options, summary=f"{tmp_path}/o.json")
    assert negprep.evaluate(scores, test=plain, made_by=tmp_path / "o.json", at=(1, 5)).metrics == found.metrics


@pytest.mark.parametrize(
    ("do", "complaint"),
    [
        (lambda of, no: ([], no), "has no row with label 1"),
        (lambda of, no: (of, [*no[1:], no[1]]), "is twice in one list; remove one row"),
        (lambda of, no: ([*of, of[0]], no), "is twice in one list; remove one row"),
        (lambda of, no: (of, [of[0], *no[1:]]), "is held out and also among its own negatives"),
    ],
)
def test_evaluate_refuses_what_is_no_list(tmp_path, do, complaint):
    negprep.test(LOG, tmp_path / "o.parquet", per="user", num_neg=6, holdout="last:3", layout="listwise")
    rows = change(pq.read_table(tmp_path / "o.parquet"), "listwise", 4, do)
    pq.write_table(rows, tmp_path / "o.parquet")
    with pytest.raises(negprep.BadDataError, match=complaint):
        negprep.evaluate(scores_of(rows), test=tmp_path / "o.parquet")
