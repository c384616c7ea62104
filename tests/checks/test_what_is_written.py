"""Whatever negprep writes passes: each layout, sampler, restriction, holdout and form."""

from __future__ import annotations

import json
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pacsv
import pyarrow.parquet as pq
import pytest
from logs import as_table, random_rows

import negprep
from negprep.checks.promises import Promised
from negprep.checks.verify import verify

SAMPLE = Path(__file__).parents[2] / "sample_data"
SAMPLE_LOG, CATALOG = str(SAMPLE / "log.parquet"), str(SAMPLE / "catalog.csv")
QUARTER = pq.read_table(SAMPLE_LOG).filter(pc.field("user") < 1_250)  # of users from 1,000 to 1,999
TINY = as_table(random_rows(3, users=60, items=30, most=20, times=6))
TEXTS = as_table(random_rows(4, users=60, items=30, most=20, times=6), "id {}".format)
FULL = pa.table(  # users with all items, all but one, and one
    {
        "user": [user for user in range(12) for _ in range(10 if user < 2 else 9 if user < 4 else user - 3)],
        "item": [item for user in range(12) for item in range(10 if user < 2 else 9 if user < 4 else user - 3)],
        "time": list(range(10 + 10 + 9 + 9 + sum(range(1, 9)))),
    }
)
EXCLUDED = pa.table({"user": [-3, -3, 4, 11, 999], "item": [100, 103, 106, 109, 100]})
PURCHASE = {"positive": "purchase"}
CASES = {
    "plain": (TINY, {}),
    "texts": (TEXTS, {"holdout": "last"}),
    "last": (TINY, {"holdout": "last"}),
    "last two": (TINY, {"holdout": "last:2"}),
    "last three and valid": (TINY, {"holdout": "last:3", "with_valid": True}),
    "valid": (TINY, {"holdout": "last", "with_valid": True}),
    "random": (TINY, {"holdout": "random"}),
    "random two and valid": (TINY, {"holdout": "random:2", "with_valid": True}),
    "fraction": (TINY, {"holdout": "fraction:0.3"}),
    "fraction and valid": (TINY, {"holdout": "fraction:0.3", "with_valid": True}),
    "after": (TINY, {"holdout": "after:4"}),
    "first times": (TINY, {"holdout": "last", "keep_time": "first"}),
    "users with enough": (TINY, {"holdout": "last", "min_positives": 6}),
    "core": (TINY, {"holdout": "last", "core": 5}),
    "core and users": (TINY, {"holdout": "last", "core": 5, "min_positives": 8}),
    "distinct": (TINY, {"distinct": True, "holdout": "last"}),
    "repeats": (TINY, {"distinct": False, "holdout": "last"}),
    "full users": (FULL, {"holdout": "last"}),
    "full users dropped": (FULL, {"holdout": "last", "on_short": "drop", "distinct": True}),
    "short users dropped": (FULL, {"holdout": "random", "on_short": "drop"}),
    "many negatives": (FULL, {"holdout": "last", "num_neg": 7, "distinct": True}),
    "excluded": (TINY, {"exclude": EXCLUDED, "holdout": "last"}),
    "catalog": (SAMPLE_LOG, {"items": CATALOG, "holdout": "last"}),
    "events": (SAMPLE_LOG, {**PURCHASE, "holdout": "last"}),
    "values": (SAMPLE_LOG, {"positive": ">=2", "holdout": "fraction:0.2"}),
    "popularity": (SAMPLE_LOG, {"sampler": "popularity", "holdout": "last"}),
    "popularity smoothed": (SAMPLE_LOG, {"sampler": "popularity", "alpha": -0.5, "smooth": 1.0, "holdout": "last"}),
    "popularity of few": (FULL, {"sampler": "popularity", "holdout": "last"}),
    "popularity distinct": (TINY, {"sampler": "popularity", "distinct": True, "holdout": "last"}),
    "mixture": (SAMPLE_LOG, {"sampler": ("uniform:0.5", "popularity:0.5"), "holdout": "last"}),
    "time": (SAMPLE_LOG, {"available_at_time": True, "holdout": "last"}),
    "time, distinct": (TINY, {"available_at_time": True, "holdout": "last:2", "distinct": True}),
    "time, dropped": (TINY, {"available_at_time": True, "holdout": "last:2", "on_short": "drop", "num_neg": 6}),
    "same": (SAMPLE_LOG, {"items": CATALOG, "same": "category", "holdout": "last"}),
    "same, popularity": (
        SAMPLE_LOG,
        {"items": CATALOG, "same": "category", "sampler": "popularity", "holdout": "last"},
    ),
    "same and time": (
        SAMPLE_LOG,
        {"items": CATALOG, "same": "category", "available_at_time": True, "holdout": "last:2", "distinct": True},
    ),
    "encoded": (TEXTS, {"encode": True, "holdout": "last"}),
    "log q": (TINY, {"with_log_q": True, "holdout": "last"}),
}
TRAIN_CASES = {
    "weak": (SAMPLE_LOG, {**PURCHASE, "sampler": "weak"}),
    "weak distinct": (SAMPLE_LOG, {**PURCHASE, "sampler": "weak", "distinct": True, "holdout": "last"}),
    "weak mixed": (SAMPLE_LOG, {**PURCHASE, "sampler": ("uniform:0.7", "weak:0.3"), "holdout": "last"}),
    "weak counted": (SAMPLE_LOG, {**PURCHASE, "sampler": ("uniform=3", "weak=1"), "distinct": True}),
    "weak listed": (TINY, {"weak": EXCLUDED, "sampler": "weak", "holdout": "last"}),
    "all three": (SAMPLE_LOG, {**PURCHASE, "sampler": ("uniform:0.2", "popularity:0.3", "weak:0.5")}),
    "shuffled": (TINY, {"shuffle": True, "holdout": "last"}),
    "shuffled, distinct": (SAMPLE_LOG, {"shuffle": True, "distinct": True, "holdout": "last"}),
    "shuffled full": (FULL, {"shuffle": True, "holdout": "last", "on_short": "drop"}),
    "epochs": (TINY, {"epochs": 3, "holdout": "last"}),
    "epochs shuffled": (TINY, {"epochs": 2, "shuffle": True, "holdout": "last"}),
    "weak, time": (SAMPLE_LOG, {**PURCHASE, "sampler": "weak", "available_at_time": True, "distinct": True}),
}
PAIR_CASES = {
    "bootstrap": (TINY, {"bootstrap": 5_000, "holdout": "last"}),
    "bootstrap of full": (FULL, {"bootstrap": 500, "epochs": 2}),
    "bootstrap random": (TINY, {"bootstrap": 5_000, "holdout": "random"}),
    "levels": (SAMPLE_LOG, {**PURCHASE, "levels": "0.3,0.5"}),
    "levels held out": (SAMPLE_LOG, {**PURCHASE, "levels": "0.3,0.5", "holdout": "last", "num_neg": 2}),
}
BESIDE = ("items", "exclude", "weak", "weights")


def faults(report):
    return [(check.name, check.note, check.examples) for check in report.checks if check.status == "failed"]


def check(log, target, options):
    claims = Promised(**{name: options[name] for name in BESIDE if name in options})
    return verify([(str(target), None)], log, promised=claims)


def log_and_options(cases, case, layout):
    """Of the sample, a quarter of the users where the layout is not the usual one."""
    log, options = cases[case]
    return QUARTER if log is SAMPLE_LOG and layout != "pointwise" else log, options


@pytest.mark.parametrize("layout", ["pointwise", "pairwise", "listwise"])
@pytest.mark.parametrize("case", ["plain", *TRAIN_CASES])
def test_train_passes(tmp_path, case, layout):
    log, options = log_and_options(CASES | TRAIN_CASES, case, layout)
    negprep.train(log, tmp_path / "o.parquet", layout=layout, **options)
    assert faults(check(log, tmp_path / "o.parquet", options)) == []


@pytest.mark.parametrize("case", PAIR_CASES)
def test_pairs_pass(tmp_path, case):
    log, options = PAIR_CASES[case]
    negprep.train(log, tmp_path / "o.parquet", layout="pairwise", **options)
    assert faults(check(log, tmp_path / "o.parquet", options)) == []


@pytest.mark.parametrize("layout", ["pointwise", "pairwise", "listwise"])
@pytest.mark.parametrize("case", [case for case in CASES if case != "plain"])
def test_train_and_candidates_pass(tmp_path, case, layout):
    log, options = log_and_options(CASES, case, layout)
    files = [(str(tmp_path / "test.parquet"), None), (str(tmp_path / "train.parquet"), None)]
    of_test = {"num_neg": 4 if log is FULL else 9, **options}
    negprep.test(log, tmp_path / "test.parquet", layout=layout, **of_test)
    negprep.train(log, tmp_path / "train.parquet", layout=layout, **options)
    if options.get("with_valid"):
        negprep.test(log, tmp_path / "valid.parquet", layout=layout, fold="valid", **of_test)
        files.append((str(tmp_path / "valid.parquet"), None))
    claims = Promised(**{name: options[name] for name in BESIDE if name in options})
    report = verify(files, log, promised=claims)
    assert faults(report) == []
    assert [check.name for check in report.across] == ["no positive is in two parts"]


@pytest.mark.parametrize("target", ["o.parquet", "o/"])
@pytest.mark.parametrize("options", [{"encode": True}, {"label_dtype": "float32"}, {"epochs": 2, "encode": True}])
def test_files_and_folders_pass(tmp_path, options, target):
    negprep.train(TEXTS, f"{tmp_path}/{target}", holdout="last", **options)
    report = check(TEXTS, f"{tmp_path}/{target}", {})
    assert faults(report) == []
    assert report.files[0].rows == negprep.train(TEXTS, holdout="last").num_rows * options.get("epochs", 1)


@pytest.mark.parametrize("form", ["csv", "texts"])
def test_the_form_of_the_log_does_not_matter(tmp_path, form):
    """The integers of a file are the texts of a log, where another id of it is none."""
    log = TINY
    if form == "csv":
        pacsv.write_csv(TINY, tmp_path / "log.csv")
        log = str(tmp_path / "log.csv")
    else:
        log = TINY.set_column(0, "user", TINY["user"].cast(pa.string()))
        log = pa.concat_tables([log, pa.table({"user": ["x"], "item": [100], "time": [1]})])
    negprep.train(log, tmp_path / "o.parquet", holdout="last")
    assert faults(check(log, tmp_path / "o.parquet", {})) == []


def test_a_sampler_that_follows_a_model_is_not_judged_and_its_fall_back_neither(tmp_path):
    """Popular draws stand for those of a model, a few of them for its fall-back."""
    negprep.train(SAMPLE_LOG, tmp_path / "o.parquet", sampler=("uniform:0.5", "popularity:0.5"))
    table = pq.read_table(tmp_path / "o.parquet")
    named = {"popularity": "hard", "uniform": "uniform", "positive": "positive"}
    sources = [named[source] for source in table["source"].to_pylist()]
    sources = ["fallback" if source == "hard" and row % 7 == 0 else source for row, source in enumerate(sources)]
    facts = json.loads(table.schema.metadata[b"negprep"])
    facts["sampler"] = "uniform:0.5 hard:0.5"
    facts["counts"]["sources"] = {name: sources.count(name) for name in ("uniform", "hard", "fallback")}
    table = table.set_column(3, "source", pa.array(sources).dictionary_encode())
    table = table.replace_schema_metadata({b"negprep": json.dumps(facts)})
    pq.write_table(table, tmp_path / "o.parquet")
    report = check(SAMPLE_LOG, tmp_path / "o.parquet", {})
    assert faults(report) == []
    judged = {check.name: check.status for check in report.checks if "draws by" in check.name}
    assert {status for name, status in judged.items() if name.startswith("other")} == {"not checked"}
    assert {status for name, status in judged.items() if name.startswith("uniform")} == {"passed"}
