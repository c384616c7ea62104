"""Texts without metadata: what no option specifies is not checked, and the line names the option; what can never be
right fails all the same."""

from __future__ import annotations

import json

import pyarrow as pa
import pytest
from logs import as_table, random_rows
from test_any_run import FORMS, Draw, draws_of, run, split_of, write_log

import negprep
from negprep.checks import results
from negprep.checks.promises import Promised
from negprep.checks.verify import verify

LOG = as_table(random_rows(5, users=300, items=150, most=20, times=10**6, duplicates=0))
SMALL = as_table(random_rows(6, users=60, items=12, most=9, times=50))
FAIR = "uniform draws by tenths of popularity"


def check_of(path, log, part, name, **claims):
    report = verify([(str(path), part)], log, promised=Promised(**claims))
    (check,) = [check for check in report.checks if check.name == name] or [results.Check(name, "not checked")]
    return check.status, check.note


def found(path, log, part, **claims):
    report = verify([(str(path), part)], log, promised=Promised(**claims))
    return {check.name: check for check in report.checks if check.status == "failed"}


@pytest.mark.parametrize("layout", ["pointwise", "pairwise", "listwise"])
@pytest.mark.parametrize("num_neg", [3, 6, 99])
def test_short_users_have_what_there_is(tmp_path, layout, num_neg):
    """Most users of a catalog of 12 have fewer than 6 items left."""
    for distinct in (True, None):
        claims = {"holdout": "last", "num_neg": num_neg, "distinct": distinct, "sampler": ("uniform",)}
        negprep.test(SMALL, tmp_path / "o.csv", layout=layout, num_neg=num_neg)
        assert found(tmp_path / "o.csv", SMALL, "test", **claims) == {}
        negprep.train(SMALL, tmp_path / "o.csv", layout=layout, num_neg=num_neg, distinct=True, holdout="last")
        assert found(tmp_path / "o.csv", SMALL, "train", **claims) == {}


def lines_of(path):
    head, *rows = path.read_text().splitlines(keepends=True)
    return head, rows


@pytest.mark.parametrize("change", [-1, 1])
def test_the_number_of_negatives_is_checked_once_it_is_specified(tmp_path, change):
    path = tmp_path / "o.csv"
    negprep.test(LOG, path, layout="listwise", num_neg=8)
    head, rows = lines_of(path)
    user, positive, items = rows[3].strip().split(",")
    mine = {
        *items.split(),
        positive,
        *map(str, LOG.filter(pa.compute.equal(LOG["user"], int(user)))["item"].to_pylist()),
    }
    more = next(item for item in map(str, LOG["item"].to_pylist()) if item not in mine)
    items = f"{items} {more}" if change > 0 else items.rpartition(" ")[0]
    path.write_text("".join([head, *rows[:3], f"{user},{positive},{items}\n", *rows[4:]]))
    kind, note = check_of(path, LOG, "test", results.COUNTS)
    assert (kind, "--num-neg" in note, "--made-by" in note) == ("not checked", True, True)
    assert found(path, LOG, "test") == {}
    assert found(path, LOG, "test", num_neg=8).keys() == {results.COUNTS}


def test_a_negative_without_a_positive_is_a_fault(tmp_path):
    path = tmp_path / "o.csv"
    negprep.test(LOG, path, num_neg=8)
    head, rows = lines_of(path)
    path.write_text(
        "".join(
            [head, *(row for row in rows if not (row.startswith(rows[0].split(",")[0] + ",") and row.endswith("1\n")))]
        )
    )
    assert check_of(path, LOG, "test", results.COUNTS)[0] == "failed"


def test_draws_are_checked_once_a_sampler_is_specified(tmp_path):
    path = tmp_path / "o.csv"
    negprep.train(LOG, path, sampler="popularity", alpha=1.0, num_neg=20, with_log_q=True)
    for name in (results.DRAWS, results.LOG_Q):
        kind, note = check_of(path, LOG, "train", name)
        assert (kind, "--sampler or --made-by SUMMARY" in note) == ("not checked", True)
    assert {FAIR, results.LOG_Q} <= found(path, LOG, "train", sampler=("uniform",)).keys()
    kind, note = check_of(path, LOG, "train", FAIR.replace("uniform", "popularity"), sampler=("popularity",))
    assert (kind, "--repeats" in note) == ("not checked", True)
    claims = {"sampler": ("popularity",), "holdout": "last", "distinct": False}
    assert FAIR.replace("uniform", "popularity") in found(path, LOG, "train", alpha=0.5, **claims)
    assert found(path, LOG, "train", alpha=1.0, **claims) == {}
    negprep.train(LOG, path, sampler=("uniform:0.2", "popularity:0.8"), alpha=1.0, num_neg=20)
    assert found(path, LOG, "train") == {}


def test_repetitions_are_checked_once_distinct_is_specified(tmp_path):
    path = tmp_path / "o.csv"
    negprep.test(LOG, path, layout="listwise", num_neg=20, distinct=False)
    for claims, status in (({}, "not checked"), ({"distinct": False}, "not checked"), ({"distinct": True}, "failed")):
        kind, note = check_of(path, LOG, "test", results.DISTINCT, **claims)
        assert (kind, "--distinct" in note) == (status, not claims)


def test_items_that_the_log_lacks_are_a_fault_until_the_catalog_is_said(tmp_path):
    path, catalog = tmp_path / "o.csv", pa.table({"item": [*range(1000, 1010), *set(LOG["item"].to_pylist())]})
    negprep.train(LOG, path, items=catalog, layout="pairwise")
    kind, note = check_of(path, LOG, "train", results.ITEMS)
    assert (kind, "--items" in note) == ("failed", True)
    assert results.DISTINCT not in found(path, LOG, "train", distinct=False)
    assert found(path, LOG, "train", items=catalog) == {}
    assert check_of(path, LOG, "train", results.ITEMS, items=LOG)[0] == "failed"
    assert check_of(path, LOG, "train", results.CATALOG, items=LOG.slice(0, 40))[0] == "failed"


def test_what_is_weak_is_not_known_of_a_file_alone(tmp_path):
    log = LOG.append_column("event", pa.array(["buy" if row % 3 else "view" for row in range(LOG.num_rows)]))
    path = tmp_path / "o.csv"
    for options in ({"levels": "0.4,0.3", "layout": "pairwise"}, {"sampler": ("uniform:0.5", "weak:0.5")}):
        negprep.train(log, path, positive="buy", **options)
        assert found(path, log, "train") == {}


def test_missing_users_are_a_fault_with_a_word_on_the_summary(tmp_path):
    negprep.train(LOG, tmp_path / "o.csv", min_positives=4, holdout="last")
    kind, note = check_of(tmp_path / "o.csv", LOG, "train", results.ABSENT, holdout="last")
    assert (kind, "--made-by" in note) == ("failed", True)


@pytest.mark.parametrize("seed", range(24))
def test_nothing_fails_of_texts_of_any_run(tmp_path, monkeypatch, capsys, seed):
    draw = Draw(seed)
    monkeypatch.chdir(tmp_path)
    write_log(tmp_path, draw)
    shared, holdout, valid = split_of(draw)
    if holdout[1].startswith("file"):  # a pair that the log lacks is a fault, unless a file of pairs is specified
        holdout, valid = ["--holdout", "last"], []
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
