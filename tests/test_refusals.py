"""What the library refuses before any work, and what it warns of."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

import negprep
from negprep.options.options import Options

LOG = pa.table({"user": [1, 1, 2, 2, 3], "item": [10, 11, 10, 12, 13]})

DECIMALS = "choose a whole number from 1 to 1000000, or one with up to nine decimals, such as 0.5"


@pytest.mark.parametrize(
    ("keywords", "message"),
    [
        ({"num_neg": -0.5}, f"num_neg is -0.5; {DECIMALS}"),
        ({"num_neg": 1e-10}, f"num_neg is 1e-10; {DECIMALS}"),
        ({"num_neg": float("nan")}, f"num_neg is nan; {DECIMALS}"),
        ({"num_neg": 1e6 + 0.5}, f"num_neg is 1000000.5; {DECIMALS}"),
        ({"num_neg": True}, f"num_neg is True; {DECIMALS}"),
        ({"num_neg": "0.5"}, f"num_neg is '0.5'; {DECIMALS} (a number, not text)"),
        ({"num_neg": 0}, f"num_neg is 0; {DECIMALS}"),
        ({"seed": None}, "seed is None; choose a whole number from 0 to 18446744073709551615"),
        ({"seed": 2**64}, "seed is 18446744073709551616; choose a whole number from 0 to 18446744073709551615"),
        ({"jobs": 0}, "jobs is 0; choose a whole number from 1 to 1024"),
        ({"memory": "1G"}, "memory is '1G'; choose a whole number from 1 to 9223372036854775807 (a number, not text)"),
        ({"distinct": "yes"}, "distinct is 'yes'; give True or False"),
        ({"drop_invalid": "no"}, "drop_invalid is 'no'; give True or False"),
        ({"user_col": 5}, "user_col is 5; give a string"),
        ({"positive": 4}, "positive is 4; give a string"),
        ({"expect_rows": -1}, "expect_rows is -1; choose a whole number from 0 to 9223372036854775807"),
        ({"layout": "wide"}, "layout is 'wide'; choose one of pointwise, pairwise, listwise"),
    ],
    ids=str,
)
def test_values_of_the_wrong_kind(keywords, message):
    with pytest.raises(negprep.UsageError) as caught:
        negprep.train(LOG, **keywords)
    assert str(caught.value) == message


def test_the_integers_of_numpy_are_numbers():
    assert negprep.train(LOG, num_neg=np.int64(2), seed=np.uint64(7)).equals(negprep.train(LOG, num_neg=2, seed=7))


def test_an_unknown_keyword_names_the_nearest():
    with pytest.raises(
        TypeError, match=r"train\(\) got an unexpected keyword argument 'spilldir'; did you mean 'spill_dir'"
    ):
        negprep.train(LOG, spilldir="x")


def log_in(folder):
    folder.mkdir()
    (folder / "a.csv").write_text("user,item\n1,10\n1,11\n2,12\n")


def test_an_output_that_the_next_run_would_read(tmp_path):
    log_in(tmp_path / "parts")
    parts, options = tmp_path / "parts", Options(command="train", num_neg=1, holdout="none")
    with pytest.raises(negprep.UsageError, match=r"o\.parquet"):
        negprep.prepare(str(parts), str(parts / "o.parquet"), options)
    with pytest.raises(negprep.UsageError, match=r"z\.csv: would be one of the files that INPUT, .*, matches"):
        negprep.prepare(str(parts / "*.csv"), str(parts / "z.csv"), options)
    assert [path.name for path in parts.iterdir()] == ["a.csv"]
    negprep.prepare(str(parts / "*.csv"), str(parts / "z.parquet"), options)


def test_a_spill_folder_that_is_not_there(tmp_path):
    options = Options(command="train", num_neg=1, holdout="none", spill_dir=str(tmp_path / "no"))
    with pytest.raises(negprep.OutputError, match=r"no: is not a folder; name one that is there with --spill-dir"):
        negprep.prepare(LOG, str(tmp_path / "o.parquet"), options)


def test_pairs_to_exclude_that_nobody_knows(tmp_path):
    options = Options(command="train", num_neg=1, holdout="none", exclude=pa.table({"user": [9], "item": [10]}))
    summary = negprep.prepare(LOG, str(tmp_path / "o.parquet"), options)
    assert summary.warnings == [
        "none of the 1 pairs of --exclude has a user and an item that are known: are its ids the log's?"
    ]


def test_two_columns_of_times_are_no_times_to_guess(tmp_path):
    log = pa.table({"user": [1, 1], "item": [2, 3], "time": [3, 4], "timestamp": [4, 3]})
    for holdout in ("auto", "last"):
        for make in (negprep.train, negprep.test):
            with pytest.raises(negprep.BadDataError, match="more than one column could be the time: time, timestamp"):
                make(log, holdout=holdout)
    assert negprep.train(log, holdout="none").num_rows == 2
