"""Splits end to end: `train`, `test`, `fit`, `prepare`, `inspect` and `verify` agree on who and what is held out."""

from __future__ import annotations

import json
import random
from collections import Counter
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import reference
from independent import groups_of, observe
from logs import as_table, random_rows

import negprep
from negprep import BadDataError, NegprepWarning, Options, UsageError
from negprep.checks.results import ABSENT, HOLDOUTS, MISSING
from negprep.model_file import read_model
from negprep.options.conflicts import refuse_on_spark

ROWS = random_rows(11, users=60, items=50, most=20, times=6)
LOG = as_table(ROWS)
WEAK = pa.table({"user": LOG["user"][:40], "item": LOG["item"][40:80]})
WEAK_OF_SESSIONS = pa.table({"user": list(range(30)), "item": [51] * 30})
RNS = {"kind": "rns", "factors": 2, "epochs": 1, "start_epochs": 1}
TIMES = {user: known.times for user, known in observe(LOG).items()}


def folds_of(holdout, seed=0, test_users=None):
    """Each user's items for train, valid and test, in plain Python."""
    tested = set(TIMES) if test_users is None else reference.tested(TIMES, holdout, test_users, seed)
    found = {}
    for user, times in TIMES.items():
        test, valid = reference.hold_out(times, user, holdout, seed, with_valid=True) if user in tested else ([], [])
        found[user] = {"train": set(times) - {*test, *valid}, "valid": set(valid), "test": set(test)}
    return found


def heads(rows, *, whole_users=True):
    """The positives of each user that lead rows."""
    found = {}
    for group in groups_of(rows, whole_users=whole_users):
        found.setdefault(group.user, set()).add(group.positive)
    return found


def wanted(folds, part):
    return {user: mine[part] for user, mine in folds.items() if mine[part]}


CASES = {
    "random share": ("random:0.3", {}),
    "global share": ("random-global:0.25", {"split_seed": 4}),
    "session": ("session", {}),
    "some users": ("last:2", {"test_users": 9}),
    "some of a global share": ("random-global:0.2", {"test_users": 0.5, "split_seed": 1}),
    "some sessions": ("session", {"test_users": "0.1", "split_seed": 2}),
}


@pytest.mark.parametrize("case", CASES)
def test_all_commands_agree(tmp_path, case):
    holdout, options = CASES[case]
    log = tmp_path / "log.parquet"
    pq.write_table(LOG, log)
    seed, asked = options.get("split_seed", 0), options.get("test_users")
    if isinstance(asked, float | str):
        can = sum(bool(mine["test"]) for mine in folds_of(holdout, seed).values())
        asked = int(float(asked) * can + 0.5)
    folds = folds_of(holdout, seed, asked)
    shared = {"holdout": holdout, "with_valid": True, **options}
    made = {"train": negprep.train(log, **shared)}
    made |= {fold: negprep.test(log, fold=fold, num_neg=5, **shared) for fold in ("valid", "test")}
    for part, rows in made.items():
        assert heads(rows, whole_users=part != "train") == wanted(folds, part), part
    negprep.fit(log, tmp_path / "model.npz", weak=WEAK, **RNS, **shared)
    facts = read_model(tmp_path / "model.npz").facts
    assert facts["train_positives"] == sum(len(mine["train"]) for mine in folds.values())
    assert facts["split"].get("test_users") == (
        None if asked is None else Options(command="test", **options).test_users
    )
    bundle = negprep.prepare(log, tmp_path / "all", test_num_neg=5, **shared)
    counts = bundle.parts["test"].metadata["counts"]
    assert counts["holdouts"] == sum(len(mine["test"]) for mine in folds.values())
    assert counts["holdout_users"] == len(wanted(folds, "test"))
    if asked is not None:
        assert bundle.parts["test"].metadata["test_users"] == Options(command="test", **options).test_users
        assert counts["spared_users"] == len(wanted(folds_of(holdout, seed), "test")) - asked
    for part, rows in made.items():
        assert pq.read_table(tmp_path / "all" / f"{part}.parquet").cast(rows.schema).equals(rows)
    paths = [str(tmp_path / "all" / f"{part}.parquet") for part in made]
    found = negprep.verify(paths, log)
    assert not found.failed
    # Where a hash alone decides, it is computed again.
    by_hash = {check.name: check.status for check in found.files[0].checks}
    assert {by_hash[name] for name in (HOLDOUTS, ABSENT, MISSING)} == {"passed"}
    again = negprep.prepare(config=tmp_path / "all" / "negprep.toml", log=log, output=tmp_path / "again")
    assert again.files == bundle.files
    seen = negprep.inspect(log, num_neg=5, **shared)
    assert (seen.train.groups, seen.test.groups) == (sum(map(len, wanted(folds, "train").values())), counts["holdouts"])


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("change", ["jobs", "order", "memory", "text"])
def test_what_does_not_matter(tmp_path, case, change):
    holdout, options = CASES[case]
    rows, more = list(ROWS), {}
    if change == "order":
        random.Random(3).shuffle(rows)
    source = tmp_path / ("log.csv" if change == "text" else "log.parquet")
    if change == "text":
        source.write_text("\n".join(["user,item,time", *(",".join(map(str, row)) for row in rows)]) + "\n")
    else:
        pq.write_table(as_table(rows), source)
    if change == "jobs":
        more = {"jobs": 2}
    if change == "memory":
        more = {"memory": 1 << 20}
    for command, extra in (("train", {}), ("test", {"num_neg": 9, "drop_cold": "both"})):
        chosen = {"command": command, "holdout": holdout, "distinct": command == "test", **extra, **options}
        negprep.prepare(str(source), str(tmp_path / "a.parquet"), Options(**chosen, **more))
        pq.write_table(LOG, tmp_path / "first.parquet")
        negprep.prepare(str(tmp_path / "first.parquet"), str(tmp_path / "b.parquet"), Options(**chosen))
        assert (tmp_path / "a.parquet").read_bytes() == (tmp_path / "b.parquet").read_bytes()


@pytest.mark.parametrize("case", ["global share", "some users"])
def test_sections_do_not_matter(monkeypatch, case):
    """A spilled log, in ranges of a few users."""
    holdout, options = CASES[case]
    whole = negprep.test(LOG, num_neg=9, holdout=holdout, drop_cold="items", **options)
    for name in ("_FEWEST_ROWS", "_MOST_ROWS"):
        monkeypatch.setattr(f"negprep.encode.memory.{name}", 40)
    small = negprep.test(LOG, num_neg=9, holdout=holdout, drop_cold="items", memory=1 << 20, **options)
    assert small.equals(whole)


def test_one_more_user_changes_nobody_of_a_global_share():
    catalog = pa.table({"item": sorted(set(LOG["item"].to_pylist()))})
    more = pa.concat_tables([LOG, pa.table({"user": [10**6] * 3, "item": LOG["item"][:3], "time": LOG["time"][:3]})])
    one, other = (negprep.test(log, holdout="random-global:0.3", items=catalog, num_neg=5) for log in (LOG, more))
    mine = other.filter(pa.array([user != 10**6 for user in other["user"].to_pylist()]))
    assert mine.equals(one)


# --session-col


def rows_with_sessions(seed=5):
    """(user, item, time, session) rows: sessions of several times, some interleaved; pairs repeat, also at one time."""
    chance = random.Random(seed)
    rows = []
    for user in range(60):
        sessions = [f"s{chance.randrange(9)}" for _ in range(chance.randint(1, 4))]
        for _ in range(chance.randint(1, 14)):
            rows.append((user * 7 - 3, chance.randrange(40), chance.randrange(6), chance.choice(sessions)))  # noqa: PERF401
    return rows


def sessions_of(rows, seed, *, latest=True):
    """Each user's items for train, valid and test, in plain Python."""
    users = {}
    for user, item, time, session in rows:
        row = (time if latest else -time, [-ord(letter) for letter in session], time, session)
        mine = users.setdefault(user, {})
        mine[item] = max(row, mine.get(item, row))
    found = {}
    for user, mine in users.items():
        left, folds = dict(mine), []
        for _ in range(2):
            last = max(left, key=lambda item: (left[item][2], reference.pair_key(seed, "split", user, item)))
            session = {item for item in left if left[item][3] == left[last][3]}
            session = session if len(session) < len(left) else set()
            folds.append(session)
            left = {item: row for item, row in left.items() if item not in session}
        found[user] = {"test": folds[0], "valid": folds[1], "train": set(left)}
    return found


@pytest.mark.parametrize(
    "options",
    [{}, {"split_seed": 3}, {"keep_time": "first"}, {"test_users": 12, "core": 2}, {"keep": ("price", "a")}],
    ids=str,
)
def test_the_last_session_by_a_column(tmp_path, options):
    """Whatever is kept beside it, and with what the rows are read: the same positives."""
    rows = rows_with_sessions()
    columns = dict(zip(("user", "item", "time", "visit"), zip(*rows, strict=True), strict=True))
    columns |= {"price": [row[1] % 5 for row in rows], "a": [row[2] * 3 for row in rows]}
    log = tmp_path / "log.parquet"
    pq.write_table(pa.table({name: list(values) for name, values in columns.items()}), log)
    shared = {"holdout": "session", "session_col": "visit", "with_valid": True}
    made = negprep.prepare(log, tmp_path / "all", test_num_neg=3, num_neg=2, **shared, **options)
    paths = {part: tmp_path / "all" / f"{part}.parquet" for part in ("train", "valid", "test")}
    read = {part: pq.read_table(path).drop_columns(options.get("keep", ())) for part, path in paths.items()}
    if "core" not in options:
        folds = sessions_of(rows, options.get("split_seed", 0), latest=options.get("keep_time") != "first")
        for part, table in read.items():
            assert heads(table, whole_users=part != "train") == wanted(folds, part)
    facts = made.parts["train"].metadata
    assert (facts["session_col"], made.parts["train"].columns["session"]) == ("visit", "visit")
    assert facts["counts"]["tied_holdouts"] > 0
    for memory in (None, 1 << 20):
        assert not negprep.verify(list(map(str, paths.values())), log, memory=memory).failed
    shuffled = list(rows)
    random.Random(2).shuffle(shuffled)
    if not options:
        text = "\n".join(["user,item,time,visit", *(",".join(map(str, row)) for row in shuffled)]) + "\n"
        (tmp_path / "log.csv").write_text(text)
        for part, table in read.items():
            command = negprep.train if part == "train" else negprep.test
            more = {"num_neg": 2} if part == "train" else {"num_neg": 3, "fold": part}
            again = command(tmp_path / "log.csv", jobs=2, memory=1 << 20, **more, **shared)
            assert again.cast(table.schema).equals(table)


def test_sessions_by_a_column_that_are_refused(tmp_path):
    log = pa.table({"user": [1, 1, 2], "item": [1, 2, 3], "time": [1, 2, 3], "visit": ["a", None, "b"]})
    for options, complaint in (
        ({"holdout": "last"}, "--session-col without --holdout session, whose sessions it names"),
        (
            {"holdout": "session", "group_col": "x", "positive": ">=3", "sampler": "impression"},
            "with --group-col, which",
        ),
    ):
        with pytest.raises(UsageError, match=complaint):
            Options(command="train", session_col="visit", **options)
    with pytest.raises(BadDataError, match="the column 'visit' of --session-col lacks a value in some rows"):
        negprep.test(log, holdout="session", session_col="visit")
    with pytest.raises(UsageError, match=r"no column 'visits' .*did you mean 'visit'"):
        negprep.test(log, holdout="session", session_col="visits")
    with pytest.raises(UsageError, match="--session-col with --engine spark"):
        refuse_on_spark(Options(command="train", holdout="session", session_col="visit"))
    with pytest.raises(UsageError, match="--holdout session needs times"):
        negprep.test(log.select(["user", "item", "visit"]), holdout="session", session_col="visit")


def test_verify_finds_an_earlier_session_in_test(tmp_path):
    rows = [(user, item, item, "ab"[item > 2]) for user in range(30) for item in range(5)] + [
        (99, 50 + n, n, "a") for n in range(9)
    ]
    log = tmp_path / "log.parquet"
    pq.write_table(
        pa.table(dict(zip(("user", "item", "time", "visit"), map(list, zip(*rows, strict=True)), strict=True))), log
    )
    shared = {"command": "test", "distinct": True, "num_neg": 2, "holdout": "session", "layout": "listwise"}
    path = tmp_path / "test.parquet"
    negprep.prepare(str(log), str(path), Options(session_col="visit", **shared))
    table = pq.read_table(path)
    assert set(zip(table["user"].to_pylist(), table["pos_item"].to_pylist(), strict=True)) == {
        (u, i) for u in range(30) for i in (3, 4)
    }
    rows = table.to_pylist()
    rows[0]["pos_item"] = 2
    pq.write_table(pa.Table.from_pylist(rows, table.schema), path)
    found = negprep.verify([str(path)], str(log))
    assert HOLDOUTS in {check.name for check in found.checks if check.status == "failed"}
    facts = negprep.fit(log, tmp_path / "m.npz", weak=WEAK_OF_SESSIONS, **RNS, holdout="session", session_col="visit")
    assert read_model(tmp_path / "m.npz").facts["split"]["session_col"] == "visit"
    assert facts is not None


# --drop-cold


@pytest.mark.parametrize("mode", ["users", "items", "both"])
@pytest.mark.parametrize(
    ("holdout", "fold", "options"),
    [
        *(("random-global:0.6", "test", {}), ("after:4", "test", {}), ("session", "valid", {})),
        *(("random-global:0.45", "valid", {"test_users": 30}), ("random:0.9", "test", {})),
        ("last:9", "test", {"sampler": "popularity"}),
    ],
)
def test_cold_holdouts_get_no_group(tmp_path, mode, holdout, fold, options):
    rows = [*ROWS, *((7 * user - 3, 900 + user // 2, 5) for user in range(24))]  # items of two users, and late
    log = as_table(rows)
    pq.write_table(log, tmp_path / "log.parquet")
    chosen = {"holdout": holdout, "with_valid": fold == "valid", **options}
    whole = {fold: negprep.test(log, fold=fold, num_neg=3, **chosen)}
    kept = negprep.train(log, **{name: value for name, value in chosen.items() if name != "sampler"})
    train = heads(kept, whole_users=False)
    known = Counter(item for mine in train.values() for item in mine)
    target = tmp_path / "test.parquet"
    facts = negprep.prepare(
        str(tmp_path / "log.parquet"),
        str(target),
        Options(command="test", distinct=True, num_neg=3, fold=fold, drop_cold=mode, **chosen),
    )
    due = {}
    for user, mine in heads(whole[fold]).items():
        left = {item for item in mine if (mode == "items" or user in train) and (mode == "users" or known[item])}
        due |= {user: left} if left else {}
    assert heads(pq.read_table(target)) == due
    n_dropped = sum(map(len, heads(whole[fold]).values())) - sum(map(len, due.values()))
    assert n_dropped or mode == "users" or holdout == "session"
    assert (facts.dropped_cold, facts.metadata["counts"]["dropped_cold"]) == (n_dropped, n_dropped)
    assert facts.metadata["drop_cold"] == mode
    # The candidates that are left are as they were.
    left = {(g.user, g.positive): g.negatives for g in groups_of(whole[fold], whole_users=True)}
    found = {(g.user, g.positive): g.negatives for g in groups_of(pq.read_table(target), whole_users=True)}
    assert all(left[pair] == negatives for pair, negatives in found.items())
    assert not negprep.verify([str(target)], str(tmp_path / "log.parquet")).failed


def test_all_are_cold():
    log = as_table([(1, 10, 1), (1, 11, 2), (2, 12, 1), (2, 13, 2)])
    with pytest.raises(BadDataError, match="--drop-cold items drops all 2 holdouts; leave it out"):
        negprep.test(log, drop_cold="items")
    with pytest.raises(UsageError, match="--drop-cold in train, which has no candidates"):
        Options(command="train", drop_cold="items")


def test_the_lists_of_other_programs_lack_cold_holdouts(tmp_path):
    options = Options(
        command="test",
        distinct=True,
        num_neg=2,
        holdout="random-global:0.5",
        drop_cold="both",
        to="lightgcn",
        encode=True,
    )
    negprep.prepare(LOG, f"{tmp_path / 'out'}/", options)
    lists, candidates = (
        [list(map(int, line.split())) for line in (tmp_path / "out" / name).read_text().splitlines()]
        for name in ("test.txt", "candidates.txt")
    )
    assert [(user, item) for user, *items in lists for item in items] == [(line[0], line[1]) for line in candidates]


# verify


def written(tmp_path, command, **options):
    """A file with metadata, its rows, and a function that checks it with other rows."""
    path, log = tmp_path / f"{command}.parquet", tmp_path / "log.parquet"
    pq.write_table(LOG, log)
    negprep.prepare(str(log), str(path), Options(command=command, distinct=command == "test", num_neg=2, **options))
    table = pq.read_table(path)

    def check(rows):
        pq.write_table(pa.Table.from_pylist(rows, table.schema), path)
        found = negprep.verify([str(path)], str(log))
        return {check.name for check in found.checks if check.status == "failed"}

    return table.to_pylist(), check


@pytest.mark.parametrize(
    "options", [{"holdout": "random-global:0.3"}, {"holdout": "session", "test_users": 12}], ids=str
)
def test_verify_finds_a_holdout_in_train(tmp_path, options):
    rows, check = written(tmp_path, "train", **options)
    assert check(rows) == set()
    train, test = heads(pa.Table.from_pylist(rows), whole_users=False), heads(negprep.test(LOG, num_neg=2, **options))
    user = next(user for user in test if user in train)
    place = next(at for at, row in enumerate(rows) if row["user"] == user and row["label"] == 1)
    rows[place]["item"] = min(test[user])
    assert HOLDOUTS in check(rows)


@pytest.mark.parametrize(
    ("options", "spoiled"),
    [
        ({"holdout": "random-global:0.3"}, HOLDOUTS),
        ({"holdout": "session"}, HOLDOUTS),
        ({"holdout": "last", "test_users": 20}, HOLDOUTS),
        ({"holdout": "random-global:0.6", "drop_cold": "users"}, HOLDOUTS),
    ],
    ids=str,
)
def test_verify_finds_a_wrong_holdout_in_test(tmp_path, options, spoiled):
    rows, check = written(tmp_path, "test", **options)
    assert check(rows) == set()
    whole = heads(negprep.test(LOG, num_neg=2, **{name: options[name] for name in options if name == "holdout"}))
    mine = heads(pa.Table.from_pylist(rows))
    groups, size = [rows[at : at + 3] for at in range(0, len(rows), 3)], 3
    assert all(len(group) == size for group in groups)
    if "test_users" in options or "drop_cold" in options:  # another user's holdout, in the place of one's own
        other = next(user for user in whole if user not in mine)
        item = min(whole[other])
    else:
        other = rows[0]["user"]
        item = min(set(TIMES[other]) - whole[other])
    groups[0] = [{**row, "user": other, "item": item if row["label"] else row["item"]} for row in groups[0]]
    assert spoiled in check([row for group in sorted(groups, key=lambda group: group[0]["user"]) for row in group])


def test_verify_misses_a_user_of_the_sample(tmp_path):
    rows, check = written(tmp_path, "test", holdout="last", test_users=20)
    assert check([row for row in rows if row["user"] != rows[0]["user"]]) >= {ABSENT}


def test_verify_needs_the_split_seed_of_a_global_share(tmp_path):
    (tmp_path / "test.csv").write_text("user,item,label\n4,103,1\n4,106,0\n")
    with pytest.raises(UsageError, match="follows from the split seed, which the file does not say; give the summary"):
        negprep.verify([], LOG, test=[str(tmp_path / "test.csv")], holdout="random-global:0.3")
    facts = tmp_path / "made.json"
    chosen = Options(command="test", distinct=True, num_neg=3, holdout="random-global:0.3", split_seed=8)
    negprep.prepare(LOG, str(tmp_path / "test.csv"), chosen, summary=str(facts))
    assert not negprep.verify([str(tmp_path / "test.csv")], LOG, made_by=[str(facts)]).failed


# what is said, and refused


def test_a_sample_that_is_larger_than_the_log():
    with pytest.warns(NegprepWarning, match="--test-users 1000, and 56 users have a holdout: all of them are held out"):
        rows = negprep.test(LOG, num_neg=2, test_users=1000)
    assert rows.equals(negprep.test(LOG, num_neg=2))


def test_a_model_of_another_sample(tmp_path):
    negprep.fit(LOG, tmp_path / "m.npz", weak=WEAK, **RNS, test_users=5)
    shared = {"sampler": "reinforced", "model": tmp_path / "m.npz", "holdout": "last", "weak": WEAK}
    with pytest.warns(NegprepWarning, match="made with test_users 5, and this run has none: it may have learnt from"):
        negprep.train(LOG, **shared)
    negprep.train(LOG, test_users=5, **shared)


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        ({"holdout": "none", "test_users": 5}, "--test-users with --holdout none, which holds nothing out"),
        (
            {"holdout": "session", "split_seed": 5, "given": {"split_seed"}},
            "--split-seed with --holdout session, which",
        ),
        (
            {"holdout": "random-global:0.5", "with_valid": True},
            "which leaves nothing in train; choose a share below 0.5",
        ),
        (
            {"test_users": 0},
            "test_users is 0; choose a number of users, such as 10000, or a share of them, such as 0.1",
        ),
        ({"drop_cold": "all", "command": "test"}, "drop_cold is 'all'; choose one of users, items, both"),
    ],
    ids=str,
)
def test_what_is_refused(options, complaint):
    with pytest.raises(UsageError, match=complaint):
        Options(**{"command": "train"} | options)
    if "given" in options:
        Options(command="train", test_users=3, **options)


def test_nobody_to_hold_out():
    one = as_table([(1, 10, 1), (1, 11, 1), (2, 12, 1)])
    with pytest.raises(BadDataError, match="a test holdout needs positives at 2 times, a validation holdout at 3"):
        negprep.test(one, holdout="session")
    with pytest.raises(BadDataError, match="that part of a user's positives must round to one"):
        negprep.test(one, holdout="random:0.1")
    with pytest.raises(BadDataError, match=r"--holdout random-global:0.001 leaves nothing for test; choose another"):
        negprep.test(one, holdout="random-global:0.001")
    with pytest.raises(UsageError, match="--holdout session needs times"):
        negprep.test(one.select(["user", "item"]), holdout="session")


def test_a_log_in_order_of_time_has_no_sessions(tmp_path):
    (tmp_path / "log.txt").write_text("1 2\n1 3\n2 3\n2 4\n")
    with pytest.raises(UsageError, match="no two rows do; choose --holdout last"):
        negprep.test(tmp_path / "log.txt", from_="sasrec", holdout="session")


def test_what_a_person_reads(tmp_path, capsys):
    from negprep.cli.exit_codes import guarded
    from negprep.cli.group import invoke

    pq.write_table(LOG, tmp_path / "log.parquet")
    words = [
        "test",
        str(tmp_path / "log.parquet"),
        str(tmp_path / "o.parquet"),
        "--num-neg",
        "3",
        "--drop-cold",
        "both",
    ]
    words += ["--holdout", "random-global:0.6", "--test-users", "0.5", "--summary", str(tmp_path / "o.json")]
    assert guarded(lambda: invoke(words)) == 0
    told = " ".join(capsys.readouterr().err.split())
    facts = json.loads((tmp_path / "o.json").read_text())
    assert f"whole in train {facts['spared_users']} users that --test-users leaves out" in told
    assert f"dropped cold {facts['dropped_cold']} holdouts of a user or an item without a train positive" in told
    assert "users with none by chance" in told
    assert Path(tmp_path / "o.parquet").exists()


def test_a_sample_of_users_needs_one_machine():
    with pytest.raises(UsageError, match="--test-users with --engine spark: who is in the sample depends on all users"):
        refuse_on_spark(Options(command="test", distinct=True, test_users=5))
