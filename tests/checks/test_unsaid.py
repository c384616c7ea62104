"""Texts of which nobody says what they promise: no fault is made of what was taken for granted, but a doubt."""

from __future__ import annotations

import json
import random

import numpy as np
import pyarrow as pa
import pytest
from logs import as_table, random_rows
from test_any_run import FORMS, Draw, draws_of, run, split_of, write_log

import negprep
from negprep.checks import results
from negprep.checks.judge import Usual
from negprep.checks.promises import Claims
from negprep.checks.verify import verify

LOG = as_table(random_rows(5, users=300, items=150, most=20, times=10**6, duplicates=0))
SMALL = as_table(random_rows(6, users=60, items=12, most=9, times=50))
FAIR = "uniform draws by tenths of popularity"


def explained(count, size, number, distinct):
    repeated = number if size else 0
    return count in {True: {min(size, number)}, False: {repeated}, None: {min(size, number), repeated}}[distinct]


@pytest.mark.parametrize("distinct", [True, False, None])
def test_the_number_that_explains_most_is_found(distinct):
    chance = random.Random(5)
    for _ in range(300):
        number, size = chance.randint(0, 6), chance.randint(1, 12)
        sizes = [chance.randint(0, 8) for _ in range(size)]
        counts = [min(number, each) if chance.random() < 0.7 else chance.randint(-1, 8) for each in sizes]
        groups = [chance.randint(0, 3) for _ in sizes]
        usual = Usual()
        for part in (slice(0, 3), slice(3, None)):  # as of two ranges of users
            usual.add(*(np.array(values[part], np.int64) for values in (counts, sizes, groups)), distinct=distinct)
        found, share = usual.number, usual.share
        there = [each for each in zip(counts, sizes, groups, strict=True) if each[0] >= 0 and each[2]]
        if not there:
            assert (found, share) == (0, 0.0)
            continue
        scores = {
            one: sum(weight for count, each, weight in there if explained(count, each, one, distinct))
            for one, _, _ in there
        }
        assert found == max(one for one, score in scores.items() if score == max(scores.values()))
        assert share == pytest.approx(scores[found] / sum(groups))


def found(path, log, part, **claims):
    report = verify([(str(path), part)], log, claims=Claims(**claims))
    return {check.name: check for check in report.checks if check.status in ("failed", "warning")}


def status(path, log, part, name, **claims):
    check = found(path, log, part, **claims).get(name)
    return (None, "") if check is None else (check.status, check.note)


@pytest.mark.parametrize("layout", ["pointwise", "pairwise", "listwise"])
@pytest.mark.parametrize("num_neg", [3, 6, 99])
def test_short_users_have_what_there_is(tmp_path, layout, num_neg):
    """Most users of a catalog of 12 have fewer than 6 items left."""
    negprep.test(SMALL, tmp_path / "o.csv", layout=layout, num_neg=num_neg)
    assert found(tmp_path / "o.csv", SMALL, "test", holdout="last") == {}
    negprep.train(SMALL, tmp_path / "o.csv", layout=layout, num_neg=num_neg, distinct=True, holdout="last")
    assert found(tmp_path / "o.csv", SMALL, "train", holdout="last") == {}


def lines_of(path):
    head, *rows = path.read_text().splitlines(keepends=True)
    return head, rows


def test_one_too_few_is_a_doubt_until_the_number_is_said_and_one_too_many_a_fault(tmp_path):
    path = tmp_path / "o.csv"
    negprep.test(LOG, path, layout="listwise", num_neg=8)
    head, rows = lines_of(path)
    user, positive, items = rows[3].strip().split(",")
    path.write_text("".join([head, *rows[:3], f"{user},{positive},{items.rpartition(' ')[0]}\n", *rows[4:]]))
    kind, note = status(path, LOG, "test", results.COUNTS)
    assert (kind, "--num-neg" in note, "--made-by" in note) == ("warning", True, True)
    assert status(path, LOG, "test", results.COUNTS, num_neg=8)[0] == "failed"
    mine = {
        *items.split(),
        positive,
        *map(str, LOG.filter(pa.compute.equal(LOG["user"], int(user)))["item"].to_pylist()),
    }
    more = next(item for item in map(str, LOG["item"].to_pylist()) if item not in mine)
    path.write_text("".join([head, *rows[:3], f"{user},{positive},{items} {more}\n", *rows[4:]]))
    assert {name: check.status for name, check in found(path, LOG, "test").items()} == {results.COUNTS: "failed"}


def test_a_negative_without_a_positive_is_a_fault(tmp_path):
    path = tmp_path / "o.csv"
    negprep.test(LOG, path, num_neg=8)
    head, rows = lines_of(path)
    path.write_text(
        "".join(
            [head, *(row for row in rows if not (row.startswith(rows[0].split(",")[0] + ",") and row.endswith("1\n")))]
        )
    )
    assert status(path, LOG, "test", results.COUNTS)[0] == "failed"


def test_another_sampler_is_a_doubt_until_one_is_said(tmp_path):
    path = tmp_path / "o.csv"
    negprep.train(LOG, path, sampler="popularity", alpha=1.0, num_neg=20)
    kind, note = status(path, LOG, "train", FAIR)
    assert (kind, "uniform is taken for granted, unless --sampler or --made-by SUMMARY" in note) == ("warning", True)
    assert status(path, LOG, "train", FAIR, sampler=("uniform",))[0] == "failed"
    negprep.train(LOG, path, sampler=("uniform:0.2", "popularity:0.8"), alpha=1.0, num_neg=20)
    assert {check.status for check in found(path, LOG, "train").values()} <= {"warning"}


def test_repetitions_of_candidates_are_a_doubt_where_they_are_as_many_as_of_independent_draws(tmp_path):
    path = tmp_path / "o.csv"
    negprep.test(LOG, path, layout="listwise", num_neg=20, distinct=False)
    kind, note = status(path, LOG, "test", results.DISTINCT)
    assert (kind, "--distinct" in note) == ("warning", True)
    assert status(path, LOG, "test", results.DISTINCT, distinct=True)[0] == "failed"
    assert status(path, LOG, "test", results.DISTINCT, distinct=False)[0] is None
    negprep.test(LOG, path, layout="listwise", num_neg=20)
    head, rows = lines_of(path)
    user, positive, items = rows[3].strip().split(",")
    again = " ".join([*items.split()[:-1], items.split()[0]])
    path.write_text("".join([head, *rows[:3], f"{user},{positive},{again}\n", *rows[4:]]))
    assert status(path, LOG, "test", results.DISTINCT)[0] == "failed"


def test_items_that_the_log_lacks_are_a_fault_until_the_catalog_is_said(tmp_path):
    path, catalog = tmp_path / "o.csv", pa.table({"item": [*range(1000, 1010), *set(LOG["item"].to_pylist())]})
    negprep.train(LOG, path, items=catalog, layout="pairwise")
    kind, note = status(path, LOG, "train", results.ITEMS)
    assert (kind, "--items" in note) == ("failed", True)
    assert results.DISTINCT not in found(path, LOG, "train", distinct=False)
    assert found(path, LOG, "train", items=catalog) == {}
    assert status(path, LOG, "train", results.ITEMS, items=LOG)[0] == "failed"
    assert status(path, LOG, "train", results.CATALOG, items=LOG.slice(0, 40))[0] == "failed"


def test_what_is_weak_is_not_known_of_a_file_alone(tmp_path):
    log = LOG.append_column("event", pa.array(["buy" if row % 3 else "view" for row in range(LOG.num_rows)]))
    path = tmp_path / "o.csv"
    for options in ({"levels": "0.4,0.3", "layout": "pairwise"}, {"sampler": ("uniform:0.5", "weak:0.5")}):
        negprep.train(log, path, positive="buy", **options)
        assert {check.status for check in found(path, log, "train").values()} <= {"warning"}


def test_missing_users_are_a_fault_with_a_word_on_the_summary(tmp_path):
    negprep.train(LOG, tmp_path / "o.csv", min_positives=4, holdout="last")
    kind, note = status(tmp_path / "o.csv", LOG, "train", results.ABSENT, holdout="last")
    assert (kind, "--made-by" in note) == ("failed", True)


@pytest.mark.parametrize("seed", range(24))
def test_nothing_fails_of_texts_of_any_run(tmp_path, monkeypatch, capsys, seed):
    draw = Draw(seed)
    monkeypatch.chdir(tmp_path)
    write_log(tmp_path, draw)
    shared, holdout, valid = split_of(draw)
    command = draw.chance.choice(["train", "test"])
    words, _ = draws_of(draw, command, shared)
    words = [word for word in words if word not in ("--label-dtype", "float32")]
    target = draw.chance.choice(FORMS[2:5])
    line = [command, "log.csv", target, *shared, *holdout, *valid, *words, "--drop-invalid", "--quiet"]
    code, _, err = run(capsys, *line)
    if code:
        pytest.skip(err)
    beside = ["--items", "catalog.csv"] if "--items" in words else []  # an unknown item is a fault, whoever drew it
    code, out, err = run(
        capsys, "verify", f"--{command}", target, "--log", "log.csv", *beside, "--drop-invalid", "--json"
    )
    if "no rows" in err or "nothing to check" in err:
        return
    checks = json.loads(out)["files"][0]["checks"]
    assert (code, [check for check in checks if check["status"] == "failed"]) == (0, []), " ".join(line)
