"""With ``drop_invalid`` every command drops the same rows, whichever columns it needs."""

import itertools
import json
import random

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq
import pytest

import negprep
from negprep.options.options import Options, ReadOptions
from negprep.pipeline import Run
from negprep.read.log import open_log
from negprep.reports.inspection import inspect_log

SPLITS = ["none", "random", "random:2", "last", "after:2001-09-09T02:00:00"]
MORE = [
    {},
    {"positive": ">=3"},
    {"positive": "buy"},
    {"available_at_time": True},
    {"keep_time": "first"},
    {"core": 2},
    {"min_positives": 3},
    {"with_valid": True},
]


def polluted(seed=3):
    """200 rows of which about a third lack something, and the reasons for which they are dropped."""
    chance = random.Random(seed)
    rows = []
    for place in range(200):
        row = [place % 20, 100 + chance.randrange(25), 1_000_000_000 + 60 * place, chance.randrange(6), "buy"]
        row[4] = chance.choice(["buy", "view"])
        for column in range(5):
            if chance.random() < 0.08:
                row[column] = None
        rows.append(row)
    return rows


ROWS = polluted()
NAMES = ["user", "item", "time", "value", "event"]
WORDS = ["null user id", "null item id", "missing or infinite time", "missing or infinite value", "missing event"]
DROPPED = {}
for given in ROWS:
    if None in given:
        reason = WORDS[given.index(None)]
        DROPPED[reason] = DROPPED.get(reason, 0) + 1
WHOLE = [row for row in ROWS if None not in row]
TABLE = pa.table({name: [row[place] for row in ROWS] for place, name in enumerate(NAMES)})


@pytest.fixture(scope="module", params=["table", "csv", "jsonl", "parquet"])
def log(request, tmp_path_factory):
    path = tmp_path_factory.mktemp("polluted") / f"log.{request.param}"
    if request.param == "table":
        return TABLE
    if request.param == "csv":
        lines = [",".join("" if value is None else str(value) for value in row) for row in ROWS]
        path.write_text("\n".join([",".join(NAMES), *lines]) + "\n")
    elif request.param == "jsonl":
        path.write_text("".join(json.dumps(dict(zip(NAMES, row, strict=True))) + "\n" for row in ROWS))
    else:
        pq.write_table(TABLE, path, row_group_size=37)
    return str(path)


def ran(log, command, **options):
    """The rows dropped, the vocabularies, and the labelled pairs of a run."""
    read = ReadOptions(drop_invalid=True)
    with open_log(log, read) as reader, Run(reader, Options(command=command, num_neg=1, read=read, **options)) as run:
        rows = pa.Table.from_batches(run.rows(), run.schema).to_pylist()
        ids = run.loaded.users.ids.to_pylist(), run.loaded.items.ids.to_pylist()
        return dict(reader.rows_dropped), ids, {(row["user"], row["item"]) for row in rows if row["label"]}


def pairs():
    """Options of train and of test that go together."""
    for holdout, more in itertools.product(SPLITS, MORE):
        if more.get("with_valid") and holdout.startswith(("none", "after")):
            continue
        if more.get("keep_time") and not holdout.startswith(("last", "after")):
            continue
        yield holdout, more


def test_all_commands_drop_the_same_rows(log):
    wanted = sorted({row[0] for row in WHOLE}), sorted({row[1] for row in WHOLE})
    for holdout, more in pairs():
        dropped, ids, positives = ran(log, "train", holdout=holdout, **more)
        assert dropped == DROPPED, (holdout, more)
        assert ids == wanted
        if holdout == "none":
            continue
        alone = {name: value for name, value in more.items() if name != "available_at_time"}
        folds = ["valid", "test"] if more.get("with_valid") else ["test"]
        for fold in folds:
            dropped, ids, held_out = ran(log, "test", holdout=holdout, distinct=True, fold=fold, **alone)
            assert (dropped, ids) == (DROPPED, wanted), (holdout, more, fold)
            assert held_out
            assert not held_out & positives, (holdout, more, fold)


def test_inspect_counts_them_alike(log):
    found = inspect_log(log, {"drop_invalid": True, "num_neg": 1})
    assert found.log.rows_dropped == DROPPED
    assert found.log.rows == len(WHOLE)


def test_verify_and_fit_drop_them_too(log, tmp_path):
    for holdout in ("random", "last"):
        files = {command: str(tmp_path / f"{holdout}.{command}.parquet") for command in ("train", "test")}
        negprep.train(log, files["train"], num_neg=1, holdout=holdout, drop_invalid=True)
        negprep.test(log, files["test"], num_neg=1, holdout=holdout, drop_invalid=True)
        assert not negprep.verify(list(files.values()), log, drop_invalid=True).failed


def test_a_column_that_no_command_needs_counts_in_no_file_without_the_option(log):
    with pytest.raises(negprep.BadDataError, match="--drop-invalid drops and counts such rows"):
        negprep.train(log, num_neg=1, holdout="random")
    clean = pa.table({"user": [1, 1, 2], "item": [1, 2, 3], "time": pa.array([None, 5, 6], pa.int64())})
    assert len(negprep.train(clean, num_neg=1, holdout="none")) == 6


def test_codes_are_alike_where_a_user_goes_with_an_invalid_time(tmp_path):
    (tmp_path / "log.csv").write_text("user,item,time\n1,10,1\n1,11,2\n2,12,\n3,10,3\n3,13,4\n")
    found = {}
    for command, holdout in itertools.product(("train", "test"), ("random", "last")):
        _, found[command, holdout], _ = ran(str(tmp_path / "log.csv"), command, holdout=holdout)
    assert set(map(str, found.values())) == {str(([1, 3], [10, 11, 13]))}


def test_times_where_logs_have_none_get_a_warning():
    def warnings(times, **options):
        table = pa.table({"user": [1, 1, 2, 2], "item": [1, 2, 1, 2], "time": times})
        with open_log(table, ReadOptions(**options)) as reader:
            for _ in range(2):
                list(reader.batches(["user", "item", "time"]))
            return reader.warnings

    assert warnings([1, 2, 3, 4]) == []
    assert warnings([1_000_000_000, 2, 3, 4]) == [
        "times in 'time' go from 1970-01-01T00:00:02 to 2001-09-09T01:46:40, 3 of 4 rows before 1990, read as numbers "
        "in seconds since 1970: is it another unit or another column (--time-format, --time-col), or a mark for times "
        "that are missing?"
    ]
    assert "4 of 4 rows after tomorrow" in warnings([9_000_000_000] * 4)[0]
    assert "4 of 4 rows before 1990" in warnings(["1985-01-01"] * 4)[0]
    assert warnings(["2004-01-01"] * 4) == warnings([20040101] * 4) == []
    assert "4 of 4 rows before 1990" in warnings([1_000_000_000] * 4, time_format="milliseconds")[0]


def test_a_cut_is_read_as_the_log_writes_its_times(tmp_path):
    log = pa.table(
        {"user": [1, 1, 2, 2], "item": ["a", "b", "a", "c"], "date": [20240101, 20240105, 20240102, 20240106]}
    )
    for cut in ("2024-01-04", "20240104"):
        rows = negprep.test(log, str(tmp_path / "test.parquet"), holdout=f"after:{cut}", num_neg=1) and pq.read_table(
            tmp_path / "test.parquet"
        )
        held_out = {(row["user"], row["item"]) for row in rows.to_pylist() if row["label"]}
        assert held_out == {(1, "b"), (2, "c")}
        assert not negprep.verify(str(tmp_path / "test.parquet"), log).failed


def test_times_of_96_bits_out_of_range_are_refused(tmp_path):
    times = pa.array([0, 1700000000, 253402300800], pa.timestamp("s"))
    table = pa.table({"user": [1, 1, 2], "item": [1, 2, 1], "time": times})
    pq.write_table(table, tmp_path / "log.parquet", use_deprecated_int96_timestamps=True, row_group_size=1)
    with pytest.raises(negprep.BadDataError) as error:
        negprep.train(str(tmp_path / "log.parquet"), num_neg=1, holdout="last")
    assert "log.parquet: row 3: the time 10000-01-01 00:00:00 is out of range" in str(error.value)
    pq.write_table(table.slice(0, 2), tmp_path / "log.parquet", use_deprecated_int96_timestamps=True)
    with open_log(str(tmp_path / "log.parquet")) as reader:
        times = np.concatenate([batch.column("time").to_numpy() for batch in reader.batches(["time"])])
    assert times.tolist() == [0, 1700000000 * 10**9]


DOUBTFUL = {
    "spaces before": (["a", "b", "c"], [" 10", " 11", " 10"], "all item ids begin with a space, such as ' 10'"),
    "spaces after": (["a ", "b ", "c "], ["x", "y", "x"], "all user ids end with a space, such as 'a '"),
    "quotes": (["a", "b", "c"], ["'10'", "'11'", "'10'"], "all item ids stand in quotes, such as '10'"),
    "NA": (["NA", "b", "NA"], ["x", "y", "z"], "the user id 'NA' has 2 of 3 rows"),
    "\\N": (["a", "\\N", "b"], ["x", "y", "z"], "the user id '\\N' has 1 of 3 rows"),
    "None": (["a", "b", "b"], ["x", "None", "z"], "the item id 'None' has 1 of 3 rows"),
    "null": (["null", "null", "b"], ["x", "y", "z"], "the user id 'null' has 2 of 3 rows"),
}


@pytest.mark.parametrize(("users", "items", "warning"), DOUBTFUL.values(), ids=DOUBTFUL)
def test_doubtful_ids_get_one_warning(users, items, warning):
    log = pa.table({"user": users, "item": items})
    told = [each for each in negprep.inspect(log, num_neg=1).warnings if " id" in each]
    assert len(told) == 1
    assert told[0].startswith(warning)


def test_ordinary_ids_get_none():
    log = pa.table({"user": ["a b", " b", "Nana"], "item": ["'x", "y'", "' "]})
    assert not [each for each in negprep.inspect(log, num_neg=1).warnings if " ids " in each or "the user id" in each]
