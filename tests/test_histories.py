"""``--with-history`` and ``--with-time``: what each user had before, by plain loops; and what verify finds planted."""

from __future__ import annotations

import json
import random
from datetime import datetime

import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq
import pytest
from logs import as_table, random_rows

import negprep
from negprep.checks import verify as verifying
from negprep.cli.exit_codes import guarded
from negprep.cli.group import invoke
from negprep.encode import load

LAYOUTS = pytest.mark.parametrize("layout", ["pointwise", "pairwise", "listwise"])
HISTORY = "histories hold what came before"
ROWS = random_rows(8, users=40, items=50, most=18, times=7, duplicates=0.3)
LOG = as_table(ROWS)
CATALOG = pa.table({"item": [f"{number}x" for number in range(9)] + [str(item) for item in range(100, 130)]})
"""Text that has few of the items: the others are outside, and of one time come in the order of all ids."""


def times_of(rows, keep_time="last"):
    times = {}
    for user, item, time in rows:
        times.setdefault((user, item), []).append(time)
    return {pair: (max if keep_time == "last" else min)(given) for pair, given in times.items()}


def held_of(log, **split):
    """The positives of each user that are not for training."""
    folds = ("test", "valid") if split.get("with_valid") else ("test",)
    held = {}
    for fold in folds:
        rows = negprep.test(log, layout="listwise", num_neg=1, fold=fold, **split).to_pylist()
        for row in rows:
            held.setdefault(row["user"], set()).add(int(row["pos_item"]))
    return held


def wanted(times, held, most, ids=lambda item: item):
    """By user and item, the history of the pair."""
    mine = {}
    for (user, item), time in times.items():
        if item not in held.get(user, ()):
            mine.setdefault(user, []).append((time, ids(item)))
    return {
        (user, item): [other for before, other in sorted(mine.get(user, ())) if before < time][-most:]
        for (user, item), time in times.items()
    }


def heads_of(rows, command, num_neg):
    """Each row with the positive that leads its group."""
    listed = rows.to_pylist()
    if "label" not in rows.schema.names:
        return [(row, row["pos_item"]) for row in listed]
    size = num_neg + 1
    found = []
    for begin in range(0, len(listed), size):
        group = listed[begin : begin + size]
        (head,) = (row["item"] for row in group if row["label"] == 1)
        assert command == "test" or group[0]["label"] == 1
        found += [(row, head) for row in group]
    return found


@LAYOUTS
@pytest.mark.parametrize("command", ["train", "test"])
@pytest.mark.parametrize(
    "split",
    [
        {"holdout": "last"},
        {"holdout": "last:2", "with_valid": True},
        {"holdout": "random", "with_valid": True, "keep_time": "first"},
        {"holdout": "after:4"},
        {"holdout": "session"},
    ],
    ids=str,
)
@pytest.mark.parametrize("more", [{"with_history": 3}, {"with_history": 10_000, "items": CATALOG}], ids=["3", "all"])
def test_the_last_train_positives_before(layout, command, split, more):
    given = {**split, **more, "with_time": True, "layout": layout, "num_neg": 2}
    if "items" in more:
        with pytest.warns(negprep.NegprepWarning, match="not in --items"):
            rows = getattr(negprep, command)(LOG, **given)
    else:
        rows = getattr(negprep, command)(LOG, **given)
    times = times_of(ROWS, split.get("keep_time", "last"))
    ids = str if "items" in more else int
    histories = wanted(times, held_of(LOG, **split), more["with_history"], ids)
    assert rows.schema.names[-2:] == ["time", "history"]
    assert rows.schema.field("time").type == pa.int64()
    lengths = set()
    for row, head in heads_of(rows, command, 2):
        assert row["history"] == histories[row["user"], int(head)]
        assert row["time"] == times[row["user"], int(head)]
        lengths.add(len(row["history"]))
    assert len(lengths) > 2


@pytest.mark.parametrize("command", ["train", "test"])
def test_nobody_elses_rows_and_nothing_else_changes(command):
    for layout in ("pointwise", "listwise"):
        given = {"layout": layout, "num_neg": 3, "with_log_q": True}
        rows = getattr(negprep, command)(LOG, with_history=5, with_time=True, **given)
        assert rows.drop_columns(["time", "history"]).equals(getattr(negprep, command)(LOG, **given))


@pytest.mark.parametrize("layout", ["pointwise", "pairwise"])
@pytest.mark.parametrize("more", [{"shuffle": True}, {"epochs": 2}, {"bootstrap": 300}, {"core": 4}], ids=str)
def test_rows_in_any_order_and_number(layout, more):
    if "bootstrap" in more and layout == "pointwise":
        pytest.skip("pairs alone are drawn with replacement")
    rows = negprep.train(LOG, with_history=4, layout=layout, **({} if "bootstrap" in more else {"num_neg": 2}), **more)
    kept = {(row["user"], row.get("pos_item", row.get("item"))) for row in rows.to_pylist() if row.get("label", 1)}
    times = times_of(ROWS)
    held = held_of(LOG, **{name: value for name, value in more.items() if name == "core"})
    if "core" in more:  # what the core leaves out is in no history
        times = {pair: time for pair, time in times.items() if pair in kept or pair[1] in held.get(pair[0], ())}
    histories = wanted(times, held, 4)
    assert rows.num_rows > 100
    for row in rows.to_pylist():
        if row.get("label", 1) == 1:
            assert row["history"] == histories[row["user"], row.get("pos_item", row.get("item"))]


@pytest.mark.parametrize("form", ["parquet", "csv"])
@pytest.mark.parametrize("more", [{}, {"shuffle": True, "encode": True}], ids=str)
def test_the_same_bytes_whatever_the_order_the_memory_and_the_threads(tmp_path, monkeypatch, form, more):
    order = list(range(len(LOG)))
    random.Random(2).shuffle(order)
    target, made = tmp_path / f"out.{form}", set()
    partition = load.partition
    for log, run in (
        (LOG, {}),
        (LOG.take(pa.array(order)), {"jobs": 2, "shard_rows": 50}),
        (pa.Table.from_batches(LOG.to_batches(max_chunksize=30)), {"memory": 1}),
    ):
        if "memory" in run:  # several sections
            monkeypatch.setattr(load, "partition", lambda *some, **more: partition(*some, **{**more, "range_rows": 60}))
        negprep.train(log, target, with_history=4, with_time=True, num_neg=2, **more, **run)
        made.add(target.read_bytes())
    assert len(made) == 1


def test_codes_and_ids_are_the_same_histories(tmp_path):
    log = as_table(ROWS, lambda number: f"n{number}")
    negprep.test(log, tmp_path / "out.parquet", encode=True, with_history=6, layout="listwise", num_neg=2)
    coded = pq.read_table(tmp_path / "out.parquet")
    assert coded.schema.field("history").type.value_type == pa.int32()
    items = pq.read_table(tmp_path / "out.items.parquet")["item"].to_pylist()
    plain = negprep.test(log, with_history=6, layout="listwise", num_neg=2)
    assert [[items[code] for code in each] for each in coded["history"].to_pylist()] == plain["history"].to_pylist()


@pytest.mark.parametrize(
    ("times", "kind"),
    [
        (pa.array([3, 1, 2], pa.int32()), pa.int32()),
        (pa.array([1.5, 2.5, 3.5]), pa.float64()),
        (pa.array([datetime(2024, 5, day) for day in (3, 1, 2)], pa.timestamp("ms")), pa.timestamp("ms")),
        (pa.array(["2024-05-03", "2024-05-01", "2024-05-02"]), pa.string()),
    ],
    ids=["int32", "float", "timestamp", "text"],
)
def test_the_time_is_as_the_log_has_it(times, kind):
    log = pa.table({"user": [1, 1, 2], "item": [7, 8, 9], "when": times})
    rows = negprep.train(log, time_col="when", with_time=True, num_neg=1, holdout="none")
    assert rows.schema.field("time") == pa.field("time", kind, nullable=False)
    wanted = dict(zip(log["item"].to_pylist(), times.to_pylist(), strict=True))
    assert [row["time"] for row in rows.to_pylist() if row["label"] == 1] == [wanted[item] for item in (7, 8, 9)]


def run(*words):
    return guarded(lambda: invoke(list(words)))


def checked(capsys, target, *more):
    """The exit code of verify, and its check of histories."""
    capsys.readouterr()
    code = run("verify", target, "--log", "log.parquet", "--json", *more)
    (check,) = (each for each in json.loads(capsys.readouterr().out)["files"][0]["checks"] if each["check"] == HISTORY)
    return code, check


PLANTED = {
    "the positive itself": lambda history, row, _: [*history, row["head"]][-3:],
    "a later one": lambda history, row, times: [*history[-2:], max(times[row["user"]], key=times[row["user"]].get)],
    "another's": lambda history, row, times: [*history[-2:], min(set(range(100, 250, 3)) - set(times[row["user"]]))],
    "one too few": lambda history, row, _: history[1:] or [row["head"]],
    "another order": lambda history, row, _: history[::-1] if len(history) > 1 else [row["head"]],
}


@pytest.mark.parametrize("planted", PLANTED)
@pytest.mark.parametrize(
    "words",
    [
        "train out.parquet",
        "train out.csv --layout pairwise",
        "train out.parquet --shuffle",
        "test out.parquet --layout listwise --num-neg 5",
        "test out.csv --num-neg 5 --with-valid --holdout random",
        "test out.parquet --num-neg 5 --encode --holdout random:0.3 --drop-cold items",
    ],
)
def test_verify_finds_what_is_planted(tmp_path, monkeypatch, capsys, words, planted):
    monkeypatch.chdir(tmp_path)
    pq.write_table(LOG, "log.parquet")
    command, target, *more = words.split()
    line = [command, "log.parquet", target, *more, "--with-history", "3", "--with-time", "--summary", "s.json"]
    assert run(*line, "--quiet") == 0
    told = ["--made-by", "s.json"] if target.endswith("csv") else []
    code, check = checked(capsys, target, *told)
    assert (code, check["status"]) == (0, "passed")
    assert "in order" not in check["note"]  # every history is compared
    rows = pyarrow.csv.read_csv(target) if target.endswith("csv") else pq.read_table(target)
    listed = rows.to_pylist()
    if target.endswith("csv"):
        for row in listed:
            text = "" if row["history"] is None else str(row["history"])
            row["history"] = [int(item) for item in text.split()]
    times = {}
    for (user, item), time in times_of(ROWS).items():
        times.setdefault(user, {})[item] = time
    ids = pq.read_table("out.items.parquet")["item"].to_pylist() if "--encode" in words else None
    users = pq.read_table("out.users.parquet")["user"].to_pylist() if "--encode" in words else None
    long = [place for place, row in enumerate(listed) if len(row["history"]) == 3 and row.get("label", 1) == 1]
    place = long[len(long) // 2]
    row = dict(listed[place])
    head = row.get("pos_item", row.get("item"))
    history = list(row["history"])
    if ids is not None:
        row["user"], head, history = users[row["user"]], ids[head], [ids[code] for code in history]
    changed = PLANTED[planted](history, {"user": row["user"], "head": head}, times)
    if ids is not None:
        changed = [ids.index(item) for item in changed]
    listed[place]["history"] = changed
    if target.endswith("csv"):
        lists = [" ".join(map(str, row["history"])) for row in listed]
        table = rows.set_column(rows.schema.names.index("history"), "history", pa.array(lists))
        pyarrow.csv.write_csv(table, target, pyarrow.csv.WriteOptions(quoting_style="none"))
    else:
        kind = rows.schema.field("history").type
        lists = pa.array([row["history"] for row in listed], kind)
        table = rows.set_column(rows.schema.names.index("history"), "history", lists)
        pq.write_table(table.replace_schema_metadata(rows.schema.metadata), target)
    code, check = checked(capsys, target, *told)
    assert (code, check["status"]) == (1, "failed")
    assert any(f"user {row['user']}" in example for example in check["examples"])
    real = verifying.MemoryBudget.of
    monkeypatch.setattr(verifying.MemoryBudget, "of", lambda _: real(1))
    assert checked(capsys, target, *told)[1] == check


def test_a_negative_with_another_history_is_found(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    pq.write_table(LOG, "log.parquet")
    assert run("train", "log.parquet", "out.parquet", "--with-history", "3", "--quiet") == 0
    rows = pq.read_table("out.parquet")
    lists = rows["history"].to_pylist()
    place = next(at for at, row in enumerate(rows.to_pylist()) if row["label"] == 0 and row["history"])
    lists[place] = lists[place][1:]
    table = rows.set_column(3, "history", pa.array(lists, rows.schema.field("history").type))
    pq.write_table(table.replace_schema_metadata(rows.schema.metadata), "out.parquet")
    code, check = checked(capsys, "out.parquet")
    assert (code, check["count"]) == (1, 1)
    assert check["examples"][0].endswith(": another history than its positive has")


def test_a_data_set_with_histories(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    pq.write_table(LOG, "log.parquet")
    words = ["--with-history", "5", "--with-time", "--encode", "--summary", "s.json"]
    assert run("prepare", "log.parquet", "data/", *words) == 0
    facts = json.loads((tmp_path / "s.json").read_text())["parts"]["train"]
    assert facts["metadata"]["with_history"] == 5
    train = pq.read_table("data/train.parquet").to_pylist()
    empty = sum(row["label"] == 1 and not row["history"] for row in train)
    (note,) = (note for note in facts["notes"] if "history" in note)
    assert note.startswith(f"the history of {empty} of {sum(row['label'] for row in train)} positives is empty")
    assert run("verify", "data", "--log", "log.parquet", "--quiet") == 0
    assert run("report", "data/train.parquet", "report.html", "--quiet") == 0
    assert run("inspect", "log.parquet", "--with-history", "5", "--with-time") == 0


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("--with-history 3", "--with-history needs times, and the log has no column that is recognised as one"),
        ("--with-time", "--with-time needs times, and the log has no column that is recognised as one"),
        ("--with-history 0", "0 is not in the range"),
        ("--with-time --to ncf", "--with-time with --to ncf, which has no place for it"),
        ("--with-history 3 --engine spark", "--with-history with --engine spark, whose workers make no columns"),
    ],
)
def test_refusals(tmp_path, monkeypatch, capsys, words, message):
    monkeypatch.chdir(tmp_path)
    pq.write_table(LOG.drop_columns(["time"]), "log.parquet")
    assert run("test", "log.parquet", "out/", *words.split()) == 2
    assert message in capsys.readouterr().err


def test_a_log_in_order_has_histories_and_no_times(tmp_path):
    (tmp_path / "log.txt").write_text("".join(f"1 {item}\n" for item in (5, 3, 9, 7)))
    rows = negprep.train(
        tmp_path / "log.txt", from_="sasrec", with_history=2, num_neg=1, items=pa.table({"item": range(12)})
    )
    assert [row["history"] for row in rows.to_pylist() if row["label"]] == [[5], [], [5, 3]]
    with pytest.raises(negprep.UsageError, match="one whose order is the time has none; leave it out"):
        negprep.train(tmp_path / "log.txt", from_="sasrec", with_time=True)
