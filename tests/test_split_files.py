"""A split of one's own: `--holdout file:TEST` and `--valid-file` give what one log gives that is split so by itself."""

from __future__ import annotations

import random
from collections import Counter

import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq
import pytest
from independent import groups_of
from logs import as_table, random_rows

import negprep
from negprep import BadDataError, NegprepWarning, Options, UsageError
from negprep.checks.results import ABSENT, HOLDOUTS, LEAK, METADATA, OWN
from negprep.cli.exit_codes import guarded
from negprep.cli.group import invoke
from negprep.model_file import read_model
from negprep.options.conflicts import refuse_on_spark

WHOLE = as_table(sorted(set(random_rows(21, users=50, items=40, most=18, times=200, duplicates=0.0))))


def heads(rows, *, whole_users=True):
    """The pairs that lead rows."""
    return {(group.user, group.positive) for group in groups_of(rows, whole_users=whole_users)}


def pairs_of(table):
    """The pairs of a log, in its order."""
    return list(zip(table["user"].to_pylist(), table["item"].to_pylist(), strict=True))


def only(table, pairs, *, but=False):
    """The rows of some pairs, or of all others."""
    return table.filter(pa.array([(pair in pairs) != but for pair in pairs_of(table)]))


def parts_of(holdout, **options):
    """The rows of the log by part, as negprep splits it."""
    test = {
        fold: negprep.test(WHOLE, holdout=holdout, num_neg=1, fold=fold, **options)
        for fold in ("test", "valid")[: 1 + options.get("with_valid", False)]
    }
    found = {name: heads(rows) for name, rows in test.items()}
    return {"train": only(WHOLE, set().union(*found.values()), but=True)} | {
        name: only(WHOLE, mine) for name, mine in found.items()
    }


def write(folder, tables, form="csv"):
    for name, table in tables.items():
        if form == "csv":
            pa.csv.write_csv(table, folder / f"{name}.csv")
        else:
            pq.write_table(table, folder / f"{name}.parquet")


# What the same pairs give as one log


@pytest.mark.parametrize("form", ["csv", "parquet"])
@pytest.mark.parametrize(
    ("holdout", "more"),
    [
        *(("random:0.3", {}), ("random-global:0.2", {"with_valid": True}), ("last", {"with_valid": True})),
        *(("after:100", {"available_at_time": True}), ("session", {"sampler": "popularity"})),
        ("last:2", {"with_history": 3}),
        *(("random:2", {"core": 4}), ("random:2", {"min_positives": 8}), ("last:2", {"encode": True})),
    ],
)
def test_the_rows_are_those_of_one_log(tmp_path, holdout, more, form):
    """Users and items of the files join the others, pairs count for --core, items have the times of all rows."""
    of_split = ("with_valid", "core", "min_positives")
    tables = parts_of(holdout, **{name: value for name, value in more.items() if name in of_split})
    write(tmp_path, tables, form)
    pq.write_table(WHOLE, tmp_path / "whole.parquet")
    own = {"holdout": f"file:{tmp_path / f'test.{form}'}"}
    if "valid" in tables:
        own["valid_file"] = str(tmp_path / f"valid.{form}")
    for command in ("train", "test"):
        shared = {"command": command, "distinct": command == "test", "num_neg": 3, **more}
        paths = [tmp_path / f"{command}-{name}.parquet" for name in ("one", "other")]
        negprep.prepare(str(tmp_path / "whole.parquet"), str(paths[0]), Options(holdout=holdout, **shared))
        chosen = Options(**{**shared, "with_valid": False, **own})
        negprep.prepare(str(tmp_path / f"train.{form}"), str(paths[1]), chosen)
        one, other = map(pq.read_table, paths)
        assert other.replace_schema_metadata().equals(one.replace_schema_metadata())
        assert len(other)
        if more.get("encode"):
            for name in ("users", "items"):
                codes = [pq.read_table(path.with_suffix(f".{name}.parquet")).to_pydict() for path in paths]
                assert codes[0] == codes[1]
        found = negprep.verify([str(paths[1])], str(tmp_path / f"train.{form}"), **own)
        assert not found.failed


def test_the_log_may_have_the_pairs_already(tmp_path):
    """They leave train, and are counted; their file needs no times, since the log has them."""
    tables = parts_of("last:2")
    bare = tables["test"].select(["user", "item"])
    write(tmp_path, {"test": pa.concat_tables([bare, bare.slice(0, 5)])})
    pq.write_table(WHOLE, tmp_path / "log.parquet")
    own = {"holdout": f"file:{tmp_path / 'test.csv'}", "available_at_time": True}
    for command in ("train", "test"):
        path = tmp_path / f"{command}.parquet"
        shared = {"command": command, "distinct": command == "test", "num_neg": 3}
        facts = negprep.prepare(str(tmp_path / "log.parquet"), str(path), Options(**shared, **own))
        one = getattr(negprep, command)(WHOLE, num_neg=3, holdout="last:2", available_at_time=True)
        assert pq.read_table(path).cast(one.schema).equals(one)
        assert (facts.repeated_holdouts, facts.held_rows, facts.new_users, facts.new_items) == (
            len(bare),
            len(bare) + 5,
            0,
            0,
        )
        assert facts.metadata["counts"]["repeated_holdouts"] == len(bare)
        assert (facts.metadata["holdout"], facts.metadata["holdout_asked"], facts.holdout) == ("file", "file", "file")
        assert str(tmp_path) not in str(facts.metadata)
        assert not negprep.verify([str(path)], str(tmp_path / "log.parquet"), holdout=own["holdout"]).failed


def test_the_times_of_the_file_come_first(tmp_path):
    """Of a pair in both; of those in the file alone there is no other."""
    log = as_table([(1, 10, 5), (1, 11, 1), (2, 12, 3), (2, 13, 9)])
    write(tmp_path, {"test": as_table([(1, 10, 2), (2, 14, 4)])})
    own = {"holdout": f"file:{tmp_path / 'test.csv'}", "available_at_time": True, "num_neg": 9}
    found = {(g.user, g.positive): set(g.negatives) for g in groups_of(negprep.test(log, **own), whole_users=True)}
    assert found == {(1, 10): set(), (2, 14): {10, 11}}  # at time 2 there are 10 and 11, at time 4 12 and 14 as well
    pq.write_table(log, tmp_path / "log.parquet")
    chosen = Options(command="test", distinct=True, **own)
    negprep.prepare(str(tmp_path / "log.parquet"), str(tmp_path / "o.parquet"), chosen)
    assert not negprep.verify(
        [str(tmp_path / "o.parquet")], str(tmp_path / "log.parquet"), holdout=own["holdout"]
    ).failed


def test_a_pair_without_a_time(tmp_path):
    write(tmp_path, {"test": pa.table({"user": [1, 1], "item": [11, 99]})})
    log, own = as_table([(1, 10, 5), (1, 11, 1)]), f"file:{tmp_path / 'test.csv'}"
    assert heads(negprep.test(log, holdout=own, num_neg=1)) == {(1, 11), (1, 99)}
    with pytest.raises(
        BadDataError, match="some pairs of --holdout file have no time: neither their file nor the log has"
    ):
        negprep.test(log, holdout=own, num_neg=1, available_at_time=True)


def test_what_does_not_matter(tmp_path, monkeypatch):
    """Threads, memory, the order of rows, and the format."""
    tables = parts_of("random:0.3", with_valid=True)
    write(tmp_path, tables)
    own = {"holdout": f"file:{tmp_path / 'test.csv'}", "valid_file": tmp_path / "valid.csv", "num_neg": 5}
    one = {fold: negprep.test(tmp_path / "train.csv", fold=fold, **own) for fold in ("test", "valid")}
    shuffled = {
        name: table.take(random.Random(1).sample(range(len(table)), len(table))) for name, table in tables.items()
    }
    (tmp_path / "more").mkdir()
    write(tmp_path / "more", shuffled, "parquet")
    again = {"holdout": f"file:{tmp_path / 'more' / 'test.parquet'}", "valid_file": tables["valid"], "num_neg": 5}
    for fold, rows in one.items():
        assert negprep.test(tmp_path / "more" / "train.parquet", fold=fold, jobs=2, **again).equals(rows)
    for name in ("_FEWEST_ROWS", "_MOST_ROWS"):
        monkeypatch.setattr(f"negprep.encode.memory.{name}", 30)
    for fold, rows in one.items():
        assert negprep.test(tmp_path / "train.csv", fold=fold, memory=1 << 20, **own).equals(rows)


# Users and items that the log lacks; rules; ids


def test_users_and_items_that_the_log_lacks(tmp_path):
    log = pa.table({"user": ["1", "1", "2", "2"], "item": ["a", "b", "a", "c"]})
    write(tmp_path, {"test": pa.table({"user": ["1", "02", "9"], "item": ["c", "a", "z"]})})
    with pytest.warns(
        NegprepWarning, match="2 of 3 rows of --holdout file are of users whom the log lacks.*'02' of --hol"
    ):
        rows = negprep.test(log, holdout=f"file:{tmp_path / 'test.csv'}", num_neg=9)
    found = {(g.user, g.positive): sorted(g.negatives) for g in groups_of(rows, whole_users=True)}
    assert found == {("1", "c"): ["z"], ("02", "a"): ["b", "c", "z"], ("9", "z"): ["a", "b", "c"]}
    with pytest.warns(NegprepWarning, match="whom the log lacks"):
        train = negprep.train(log, holdout=f"file:{tmp_path / 'test.csv'}", num_neg=2, distinct=True)
    assert Counter(train.filter(pa.array([label == 0 for label in train["label"].to_pylist()]))["item"].to_pylist())[
        "z"
    ]
    facts = negprep.prepare(
        log, str(tmp_path / "o.parquet"), Options(command="train", holdout=f"file:{tmp_path / 'test.csv'}")
    )
    assert (facts.new_users, facts.new_items, facts.users, facts.cold_users, facts.unheld_users) == (2, 1, 4, 2, 1)


def test_integers_and_text(tmp_path):
    """One id that is not an integer makes all of them text, as in one log."""
    write(tmp_path, {"test": pa.table({"user": ["3", "x"], "item": ["10", "11"]})})
    log = pa.table({"user": [3] * 25, "item": list(range(11, 36))})
    with pytest.warns(NegprepWarning, match="whom the log lacks"):
        rows = negprep.train(log, holdout=f"file:{tmp_path / 'test.csv'}", num_neg=1)
    assert rows.schema.field("user").type == pa.string()
    assert rows.schema.field("item").type == pa.int64()
    assert set(rows["item"].to_pylist()[1::2]) == {10}


@pytest.mark.parametrize("value", ["rating", "score"])
def test_the_rule_of_the_log_chooses_in_the_files_too(tmp_path, value):
    log = pa.table({"user": [1, 1, 1, 2, 2], "item": [10, 11, 12, 10, 13], "rating": [5, 4, 1, 4, 5]})
    test = pa.table({"user": [1, 1, 2, 2], "item": [12, 13, 11, 14], value: [4, 2, 5, 1]})
    write(tmp_path, {"test": test})
    pq.write_table(log, tmp_path / "log.parquet")
    chosen = Options(command="test", distinct=True, positive=">=4", num_neg=9, holdout=f"file:{tmp_path / 'test.csv'}")
    facts = negprep.prepare(str(tmp_path / "log.parquet"), str(tmp_path / "o.parquet"), chosen)
    found = {
        (g.user, g.positive): sorted(g.negatives)
        for g in groups_of(pq.read_table(tmp_path / "o.parquet"), whole_users=True)
    }
    assert found == {(1, 12): [14], (2, 11): [12]}  # 13 and 14 are weak, and 12 is a positive by the file
    assert (facts.held_left_out, facts.weak, facts.repeated_holdouts) == (2, 2, 0)
    assert not negprep.verify(
        [str(tmp_path / "o.parquet")], str(tmp_path / "log.parquet"), holdout=chosen.holdout
    ).failed


def test_labels_without_a_rule(tmp_path):
    log = pa.table({"user": [1, 1], "item": [10, 11]})
    write(tmp_path, {"test": pa.table({"user": [1, 1], "item": [12, 13], "label": [1, 0]})})
    own = f"file:{tmp_path / 'test.csv'}"
    with pytest.raises(
        BadDataError, match="'label' holds 0 and 1, and --holdout file would take its rows of 0 as well"
    ):
        negprep.test(log, holdout=own)
    assert heads(negprep.test(log, holdout=own, positive="all", num_neg=1)) == {(1, 12), (1, 13)}
    labelled = log.append_column("label", pa.array([1, 1]))
    assert heads(negprep.test(labelled, holdout=own, positive="label=1", num_neg=1)) == {(1, 12)}


def test_a_pair_of_both_files(tmp_path):
    write(
        tmp_path, {"test": pa.table({"user": [1], "item": [12]}), "valid": pa.table({"user": [1, 1], "item": [12, 13]})}
    )
    own = {"holdout": f"file:{tmp_path / 'test.csv'}", "valid_file": tmp_path / "valid.csv", "num_neg": 1}
    with pytest.warns(
        NegprepWarning, match="1 pairs of --valid-file are in the test file, too, and count as test items"
    ):
        rows = negprep.test(pa.table({"user": [1, 1], "item": [10, 11]}), fold="valid", **own)
    assert heads(rows) == {(1, 13)}


def test_some_users_of_a_file(tmp_path):
    tables = parts_of("random:0.3")
    write(tmp_path, tables)
    own = {"holdout": f"file:{tmp_path / 'test.csv'}", "test_users": 7, "split_seed": 3}
    test, train = negprep.test(tmp_path / "train.csv", num_neg=3, **own), negprep.train(tmp_path / "train.csv", **own)
    users = {user for user, _ in heads(test)}
    assert len(users) == 7
    assert heads(test) | heads(train, whole_users=False) == {
        *heads(negprep.train(WHOLE, holdout="none"), whole_users=False)
    }
    assert not {user for user, _ in heads(test)} - users


# Every command


def test_all_commands_agree(tmp_path):
    tables = parts_of("random:0.2", with_valid=True)
    write(tmp_path, tables)
    log, own = (
        tmp_path / "train.csv",
        {"holdout": f"file:{tmp_path / 'test.csv'}", "valid_file": tmp_path / "valid.csv"},
    )
    found = negprep.prepare(log, tmp_path / "all", test_num_neg=4, **own)
    assert list(found.parts) == ["train", "valid", "test"]
    for name, table in tables.items():
        rows = pq.read_table(tmp_path / "all" / f"{name}.parquet")
        assert heads(rows, whole_users=name != "train") == set(pairs_of(table))
    card = (tmp_path / "all" / "README.md").read_text()
    assert "- The pairs of a second file are for validation.\n" in card
    (check,) = [line for line in card.splitlines() if line.startswith("negprep verify")]
    assert check == "negprep verify . --log ../train.csv --config negprep.toml"
    assert (
        guarded(
            lambda: invoke(
                ["verify", str(tmp_path / "all"), "--log", str(log), "--config", str(tmp_path / "all" / "negprep.toml")]
            )
        )
        == 0
    )
    assert str(tmp_path) not in (tmp_path / "all" / "negprep.json").read_text()
    again = negprep.prepare(config=tmp_path / "all" / "negprep.toml", log=log, output=tmp_path / "again")
    assert again.files == found.files
    assert not negprep.verify(str(tmp_path / "all"), log, **own).failed
    alone = negprep.prepare(log, tmp_path / "alone", test_num_neg=4, holdout=own["holdout"])
    assert list(alone.parts) == ["train", "test"]
    weak = pa.table({"user": WHOLE["user"][:40], "item": WHOLE["item"][40:80]})
    negprep.fit(log, tmp_path / "m.npz", kind="rns", factors=2, epochs=1, start_epochs=1, weak=weak, **own)
    facts = read_model(tmp_path / "m.npz").facts
    assert (facts["train_positives"], facts["split"]["holdout"]) == (len(tables["train"]), "file")
    seen = negprep.inspect(log, num_neg=4, **own)
    assert (seen.train.groups, seen.test.groups, seen.log.pairs) == (
        len(tables["train"]),
        len(tables["test"]),
        len(tables["train"]),
    )


def test_the_folders_of_other_programs(tmp_path):
    """The lists of LightGCN, read as they are, and written again."""
    tables = parts_of("random:0.3")
    whole = {name: tables[name].sort_by([("user", "ascending"), ("item", "ascending")]) for name in ("train", "test")}
    for name, table in whole.items():
        lists = table.group_by("user", use_threads=False).aggregate([("item", "list")]).to_pydict()
        lines = [
            " ".join(map(str, [user + 10, *items]))
            for user, items in zip(lists["user"], lists["item_list"], strict=True)
        ]
        (tmp_path / f"{name}.txt").write_text("\n".join(lines) + "\n")
    chosen = Options(
        command="test",
        distinct=True,
        num_neg=2,
        to="lightgcn",
        holdout=f"file:{tmp_path / 'test.txt'}",
        read=negprep.ReadOptions(from_="lightgcn"),
    )
    negprep.prepare(str(tmp_path / "train.txt"), f"{tmp_path / 'out'}/", chosen)
    for name in whole:
        assert (tmp_path / "out" / f"{name}.txt").read_text() == (tmp_path / f"{name}.txt").read_text()


def test_the_files_of_ncf(tmp_path):
    tables = parts_of("last")
    for name, table in tables.items():
        rows = [f"{row['user'] + 10}\t{row['item']}\t1\t{row['time'] + 900_000_000}\n" for row in table.to_pylist()]
        (tmp_path / f"ml.{name}.rating").write_text("".join(rows))
    rows = negprep.test(tmp_path / "ml.train.rating", holdout=f"file:{tmp_path / 'ml.test.rating'}", num_neg=2)
    assert heads(rows) == {(user + 10, item) for user, item in pairs_of(tables["test"])}


# verify


def test_a_published_split_is_checked_without_its_log(tmp_path):
    """NCF's three files, and a test item among its own negatives, as in those that are published."""
    chosen = Options(command="test", distinct=True, num_neg=9, to="ncf", encode=True)
    negprep.prepare(WHOLE, f"{tmp_path / 'ml'}/", chosen)
    names = ["ml.train.rating", "ml.test.rating", "ml.test.negative"]
    for name in names:
        (tmp_path / name).write_bytes((tmp_path / "ml" / name).read_bytes())
    paths = [str(tmp_path / name) for name in names]
    own = {"holdout": f"file:{paths[1]}", "num_neg": 9, "distinct": True, "sampler": ("uniform",)}
    found = negprep.verify(paths, paths[0], **own)
    assert {check.status for check in found.checks} == {"passed"}
    lines = (tmp_path / names[2]).read_text().splitlines()
    pair, first, *rest = lines[3].split("\t")
    lines[3] = "\t".join([pair, pair.strip("()").split(",")[1], *rest])
    (tmp_path / names[2]).write_text("\n".join(lines) + "\n")
    assert first != pair
    failed = [check.name for check in negprep.verify(paths, paths[0], **own).checks if check.status == "failed"]
    assert failed == [OWN]


@pytest.fixture
def made(tmp_path):
    """Train and test of a split of one's own, and a function that checks them."""
    tables = parts_of("random:0.2")
    write(tmp_path, tables)
    own = {"holdout": f"file:{tmp_path / 'test.csv'}"}
    for command in ("train", "test"):
        chosen = Options(command=command, distinct=command == "test", num_neg=3, **own)
        negprep.prepare(str(tmp_path / "train.csv"), str(tmp_path / f"{command}.parquet"), chosen)

    def check(*names, memory=None, **more):
        paths = [str(tmp_path / f"{name}.parquet") for name in names]
        found = negprep.verify(paths, str(tmp_path / "train.csv"), memory=memory, **(own | more))
        return {check.name for check in found.checks if check.status == "failed"}

    return tmp_path, tables, check


@pytest.mark.parametrize("memory", [None, 1 << 20])
def test_verify_finds_a_test_item_in_train(made, monkeypatch, memory):
    """The pollution that a split of one's own is checked for: also in ranges of a few users."""
    folder, tables, check = made
    if memory:
        monkeypatch.setattr("negprep.checks.ranges._FEWEST_ROWS", 40)
        monkeypatch.setattr("negprep.checks.ranges._MOST_ROWS", 40)
    assert check("train", "test", memory=memory) == set()
    planted = tables["test"].slice(3, 1).to_pylist()[0]
    rows = pq.read_table(folder / "train.parquet")
    more = rows.filter(pa.array([user == planted["user"] for user in rows["user"].to_pylist()])).slice(0, 4).to_pylist()
    more[0]["item"] = planted["item"]
    polluted = pa.concat_tables([rows, pa.Table.from_pylist(more, rows.schema)])
    pq.write_table(polluted, folder / "train.parquet")
    assert {HOLDOUTS, LEAK} <= check("train", "test", memory=memory)


def test_verify_finds_what_else_is_wrong(made):
    folder, tables, check = made
    rows = pq.read_table(folder / "test.parquet")
    first = rows["user"][0].as_py()
    pq.write_table(rows.filter(pa.array([user != first for user in rows["user"].to_pylist()])), folder / "test.parquet")
    assert ABSENT in check("test")
    write(folder, {"test": tables["test"].slice(1)})
    assert METADATA in check("test") or HOLDOUTS in check("test")


def test_verify_of_files_without_metadata(made):
    folder, tables, _ = made
    for name in ("train", "test"):
        pa.csv.write_csv(pq.read_table(folder / f"{name}.parquet"), folder / f"{name}.rows.csv")
    files = {"train": str(folder / "train.rows.csv"), "test": str(folder / "test.rows.csv")}
    own = f"file:{folder / 'test.csv'}"
    assert not negprep.verify([], str(folder / "train.csv"), holdout=own, num_neg=3, **files).failed
    pa.csv.write_csv(pq.read_table(folder / "test.parquet").slice(4), folder / "test.rows.csv")
    assert negprep.verify([], str(folder / "train.csv"), holdout=own, **files).failed
    assert len(tables) == 2


def test_verify_needs_the_files_again(made):
    folder, tables, check = made
    with pytest.raises(UsageError, match="made with --holdout file:TEST; add --holdout file:TEST, the same file"):
        negprep.verify([str(folder / "test.parquet")], str(folder / "train.csv"))
    with pytest.raises(UsageError, match="--valid-file, with which no file was made; leave it out"):
        check("test", valid_file=tables["test"])
    chosen = Options(command="train", holdout=f"file:{folder / 'test.csv'}", valid_file=tables["test"].slice(0, 3))
    with pytest.warns(NegprepWarning, match="3 pairs of --valid-file are in the test file"):
        negprep.train(str(folder / "train.csv"), holdout=chosen.holdout, valid_file=chosen.valid_file)
    negprep.prepare(str(folder / "train.csv"), str(folder / "o.parquet"), chosen)
    with pytest.raises(UsageError, match="made with --valid-file FILE; add --valid-file FILE, the same file"):
        check("o")
    last = Options(command="train", holdout="last")
    negprep.prepare(WHOLE, str(folder / "last.parquet"), last)
    with pytest.raises(UsageError, match="--holdout, which the metadata of the files specify; leave it out"):
        negprep.verify([str(folder / "last.parquet")], WHOLE, holdout=chosen.holdout)


# What is refused


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        ({"holdout": "file:"}, "holdout is 'file:', but no file is named; write, for example, file:test.csv"),
        ({"holdout": "file:-"}, "holdout is 'file:-', but it cannot be a pipe; write, for example, file:test.csv"),
        ({"holdout": "file"}, "holdout is 'file'; choose one of none, last"),
        ({"holdout": "file:a", "with_valid": True}, "add --valid-file FILE, or leave it out"),
        ({"holdout": "file:a", "fold": "valid", "command": "test"}, "add --valid-file FILE, or leave it out"),
        ({"valid_file": "b"}, "--valid-file without --holdout file:TEST, whose validation items it has; add it, or"),
        ({"holdout": "after:5", "valid_file": "b"}, "--holdout after:5 with a validation holdout|--valid-file without"),
        ({"holdout": "file:a", "keep": "price"}, "--keep with --holdout file or --valid-file, whose pairs may"),
        ({"holdout": "file:a", "with_time": True}, "--with-time with --holdout file or --valid-file, whose pairs"),
        (
            {"holdout": "file:a", "split_seed": 4, "given": {"split_seed"}},
            "--split-seed with --holdout file, which leaves",
        ),
    ],
    ids=str,
)
def test_what_is_refused(options, complaint):
    with pytest.raises(UsageError, match=complaint):
        Options(**{"command": "train"} | options)


def test_files_that_cannot_be_read(tmp_path):
    log = pa.table({"user": [1, 1], "item": [10, 11]})
    with pytest.raises(negprep.OutputError, match=r"nothing\.csv"):
        negprep.test(log, holdout=f"file:{tmp_path / 'nothing.csv'}")
    (tmp_path / "test.csv").write_text("user,thing\n1,2\n")
    with pytest.raises(BadDataError, match=r"test\.csv: no column for the items"):
        negprep.test(log, holdout=f"file:{tmp_path / 'test.csv'}")
    (tmp_path / "test.csv").write_text("user,item\n1,\n")
    with pytest.raises(BadDataError, match=r"test\.csv:2: null item id"):
        negprep.test(log, holdout=f"file:{tmp_path / 'test.csv'}")
    (tmp_path / "test.csv").write_text("user,item\n1,10\n1,11\n")
    with pytest.raises(
        BadDataError, match="--holdout file leaves nothing for train; are the log and the files those of"
    ):
        negprep.train(log, holdout=f"file:{tmp_path / 'test.csv'}")


def test_the_output_is_not_one_of_the_files(tmp_path):
    write(tmp_path, {"test": WHOLE.slice(0, 5)})
    chosen = Options(command="test", distinct=True, holdout=f"file:{tmp_path / 'test.csv'}", to="csv")
    with pytest.raises(UsageError, match=r"test\.csv"):
        negprep.prepare(WHOLE, str(tmp_path / "test.csv"), chosen)


def test_one_machine_alone():
    with pytest.raises(UsageError, match="--holdout file with --engine spark, whose workers look at one log"):
        refuse_on_spark(Options(command="train", holdout="file:a"))
