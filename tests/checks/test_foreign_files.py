"""Files of others: what the options say of them, and what they cannot be asked."""

from __future__ import annotations

import json
import random

import pyarrow as pa
import pytest
from logs import as_table, random_rows

import negprep
from negprep.checks import results
from negprep.checks.promises import Promised
from negprep.checks.verify import verify
from negprep.cli.exit_codes import guarded
from negprep.cli.group import invoke
from negprep.errors import BadDataError, UsageError

ROWS = random_rows(5, users=300, items=150, most=20, times=10**6, duplicates=0)
LOG = as_table(ROWS)
LOG_OF_VALUES = LOG.append_column("value", pa.array([1.0] * len(ROWS)))


def split():
    """Each user's positives, the latest last."""
    users = {}
    for user, item, time in sorted(ROWS, key=lambda row: row[2]):
        users.setdefault(user, []).append((item, time))
    return users


def ncf(folder, *, own=(), seen=(), latest=True, twice=()):
    """NCF's three files; ``own`` users have their holdout among the negatives, ``seen`` users another positive."""
    chance = random.Random(9)
    items = sorted({row[1] for row in ROWS})
    train, test, negatives = [], [], []
    for user, mine in split().items():
        if len(mine) < 2:
            train += [f"{user}\t{item}\t1\t{time}\n" for item, time in mine]
            continue
        *kept, (held, at) = mine if latest else mine[::-1]
        train += [f"{user}\t{item}\t1\t{time}\n" for item, time in kept]
        test.append(f"{user}\t{held}\t1\t{at}\n")
        drawn = chance.sample([item for item in items if item not in {item for item, _ in mine}], 99)
        drawn[40] = held if user in own else kept[0][0] if user in seen else drawn[41] if user in twice else drawn[40]
        negatives.append("\t".join([f"({user},{held})", *map(str, drawn)]) + "\n")
    for name, lines in (("train.rating", train), ("test.rating", test), ("test.negative", negatives)):
        (folder / f"x.{name}").write_text("".join(lines))
    return [(str(folder / f"x.{name}"), None) for name in ("train.rating", "test.rating", "test.negative")], negatives


def by_name(checks):
    return {check.name: check for check in checks}


def failing(report):
    return {check.name: check.count for check in report.checks if check.status == "failed"}


def test_right_ncf_files_pass(tmp_path):
    files, _ = ncf(tmp_path)
    report = verify(files, LOG, promised=Promised(holdout="last", num_neg=99, sampler=("uniform",)))
    assert failing(report) == {}
    assert [file.part for file in report.files] == ["train", "test", "test"]
    assert by_name(report.files[2].checks)[results.HOLDOUTS].status == "passed"
    assert by_name(report.files[2].checks)["uniform draws by tenths of ids"].status == "passed"


@pytest.mark.parametrize("holdout", [None, "last"])
def test_holdouts_among_their_own_negatives_are_counted_exactly(tmp_path, holdout):
    """The fault of published files: 156 of 6,040 users of NCF's MovieLens file have theirs among the 99."""
    users = [user for user, mine in split().items() if len(mine) > 1]
    own, seen, twice = users[10:166], users[200:203], users[210:215]
    files, lines = ncf(tmp_path, own=own, seen=seen, twice=twice)
    report = verify(files[2:], LOG, promised=Promised(holdout=holdout), n_examples=200)
    assert failing(report) == {results.OWN: 156, results.SEEN: 3}
    found = by_name(report.checks)[results.OWN]
    named = {next(place for place, line in enumerate(lines, 1) if line.startswith(f"({user},")) for user in own}
    assert {int(example.split(":")[1]) for example in found.examples} == named
    assert all(f"user {user}, " in "\n".join(found.examples) for user in own)
    promised = verify(files[2:], LOG, promised=Promised(holdout=holdout, distinct=True))
    assert failing(promised) == {results.OWN: 156, results.SEEN: 3, results.DISTINCT: 5}


def test_parts_are_compared_and_nothing_is_lost(tmp_path):
    files, _ = ncf(tmp_path)
    with (tmp_path / "x.train.rating").open("a") as file:
        file.write((tmp_path / "x.test.rating").read_text().splitlines()[4] + "\n")
    report = verify(files, LOG)
    assert by_name(report.across)[results.LEAK].count == 2  # with both files of test
    assert by_name(report.files[0].checks)[results.MISSING].status == "not checked"
    lines = (tmp_path / "x.train.rating").read_text().splitlines(keepends=True)
    (tmp_path / "x.train.rating").write_text("".join(lines[1:-1]))
    assert failing(verify(files, LOG)) == {}
    lost = failing(verify(files, LOG, promised=Promised(holdout="last")))
    assert sum(lost.values()) == 1
    assert lost.keys() <= {results.MISSING, results.ABSENT}


def test_holdouts_that_are_not_the_latest(tmp_path):
    files, _ = ncf(tmp_path, latest=False)
    found = failing(verify(files, LOG, promised=Promised(holdout="last")))
    assert found[results.HOLDOUTS] > 250
    assert results.HOLDOUTS not in failing(verify(files, LOG))


def plain(folder, rows, name="x.csv"):
    (folder / name).write_text("user,item,label\n" + "".join(f"{u},{i},{label}\n" for u, i, label in rows))
    return str(folder / name)


def candidates(*, first=False, size=20):
    chance = random.Random(3)
    items = sorted({row[1] for row in ROWS})
    rows = []
    for user, mine in split().items():
        if len(mine) > 1:
            unseen = [item for item in items if item not in {item for item, _ in mine}]
            group = [(user, item, 0) for item in chance.sample(unseen, size)]
            group.insert(0 if first else chance.randrange(size + 1), (user, mine[-1][0], 1))
            rows += group
    return rows


def test_plain_candidates(tmp_path):
    path = plain(tmp_path, candidates())
    report = verify([(path, "test")], LOG, promised=Promised(holdout="last", num_neg=20))
    assert failing(report) == {}
    assert by_name(report.checks)[results.SLOT].status == "passed"
    path = plain(tmp_path, candidates(first=True))
    report = verify([(path, "test")], LOG)
    assert failing(report) == {results.SLOT: 1}
    assert (
        failing(verify([(path, "test")], LOG, promised=Promised(num_neg=21)))[results.COUNTS] == len(candidates()) // 21
    )


def test_plain_train_rows_in_any_order(tmp_path):
    chance = random.Random(4)
    items = sorted({row[1] for row in ROWS})
    rows = []
    for user, mine in split().items():
        known = {item for item, _ in mine}
        for item in known:
            rows.append((user, item, 1))
            rows += [(user, chance.choice([item for item in items if item not in known]), 0) for _ in range(3)]
    chance.shuffle(rows)
    path = plain(tmp_path, rows)
    report = verify([(path, "train")], LOG, promised=Promised(holdout="none", num_neg=3))
    assert failing(report) == {}
    assert by_name(report.checks)[results.OWN].status == "not checked"
    where = next(place for place, row in enumerate(rows) if row[2] == 0)
    rows[where] = (rows[where][0], split()[rows[where][0]][0][0], 0)
    report = verify([(plain(tmp_path, rows), "train")], LOG, promised=Promised(holdout="none", num_neg=3))
    assert f"x.csv:{where + 2}: " in by_name(report.checks)[results.SEEN].examples[0]


def test_negatives_that_avoid_holdouts_too_are_not_called_unfair(tmp_path):
    """Many tools draw train negatives from what was never observed, holdouts included."""
    chance = random.Random(4)
    items = sorted({row[1] for row in ROWS})
    rows = []
    for user, mine in split().items():
        known = {item for item, _ in mine}
        for item, _ in mine[: max(1, len(mine) // 2)]:
            rows.append((user, item, 1))
            rows += [(user, chance.choice([item for item in items if item not in known]), 0) for _ in range(30)]
    report = verify([(plain(tmp_path, rows), "train")], LOG, promised=Promised(sampler=("uniform",)))
    assert failing(report) == {}
    assert by_name(report.checks)["uniform draws by item"].status == "passed"


def test_recbole_parts(tmp_path):
    parts = {"train": [], "test": []}
    for user, mine in split().items():
        kept = mine[:-1] or mine
        parts["train"] += [(user, item) for item, _ in kept]
        parts["test"] += [(user, item) for item, _ in mine[len(kept) :]]
    for part, rows in parts.items():
        text = "user_id:token\titem_id:token\n" + "".join(f"{user}\t{item}\n" for user, item in rows)
        (tmp_path / f"x.{part}.inter").write_text(text)
    files = [(str(tmp_path / f"x.{part}.inter"), None) for part in ("train", "test")]
    assert failing(verify(files, LOG, promised=Promised(holdout="last"))) == {}


def test_what_is_not_known_is_not_passed(tmp_path):
    report = verify([(plain(tmp_path, candidates()), "test")], LOG)
    options = {
        results.HOLDOUTS: "--holdout",
        results.ABSENT: "--holdout",
        results.COUNTS: "--num-neg",
        results.DISTINCT: "--distinct",
        results.DRAWS: "--sampler",
    }
    for name, option in options.items():
        check = by_name(report.checks)[name]
        assert (check.status, option in check.note, "--made-by" in check.note) == ("not checked", True, True)


REFUSED = {
    "of no part": (lambda folder: verify([(plain(folder, candidates()), None)], LOG), UsageError, "--train or --test"),
    "of other ids": (
        lambda folder: verify([(plain(folder, [("a", "b", 1), ("a", "c", 0)]), "test")], LOG),
        BadDataError,
        "no user of the file is in the log, which has users like -3",
    ),
    "a log without times": (
        lambda folder: verify(
            [(plain(folder, candidates()), "test")], LOG.drop_columns(["time"]), promised=Promised(holdout="last")
        ),
        UsageError,
        "the log has no times",
    ),
    "a rule that is none": (
        lambda folder: verify([(plain(folder, candidates()), "test")], LOG, promised=Promised(holdout="first")),
        UsageError,
        "holdout is 'first'",
    ),
    "a catalog in vain": (
        lambda folder: verify([(plain(folder, candidates()), "test")], LOG, promised=Promised(weights=LOG)),
        UsageError,
        "--weights, with which no file was made",
    ),
    "no positive": (
        lambda folder: verify(
            [(plain(folder, candidates()), "test")], LOG_OF_VALUES, promised=Promised(positive=">=9")
        ),
        BadDataError,
        "no interaction of the log is a positive by '>=9'",
    ),
    "a rule that compares with nothing": (
        lambda folder: verify(
            [(plain(folder, candidates()), "test")], LOG_OF_VALUES, promised=Promised(positive=">=x")
        ),
        UsageError,
        "compares with 'x', which is not a number",
    ),
    "an alpha that is none": (
        lambda folder: Promised(sampler=("popularity",), alpha=float("nan")),
        UsageError,
        "alpha",
    ),
    "an alpha in vain": (lambda folder: Promised(alpha=1.0), UsageError, "--alpha without --sampler popularity"),
    "a fold in vain": (lambda folder: Promised(with_valid=True), UsageError, "--with-valid without a holdout"),
    "train as test": (
        lambda folder: (
            negprep.train(LOG, folder / "o.parquet"),
            verify([(str(folder / "o.parquet"), "test")], LOG),
        ),
        UsageError,
        "given as --test, but its metadata say train",
    ),
    "a claim in vain": (
        lambda folder: (
            negprep.train(LOG, folder / "o.parquet"),
            verify([(str(folder / "o.parquet"), None)], LOG, promised=Promised(num_neg=4)),
        ),
        UsageError,
        "--num-neg, which the metadata of the files specify",
    ),
    "made with a catalog": (
        lambda folder: (
            negprep.train(LOG, folder / "o.parquet", items=LOG),
            verify([(str(folder / "o.parquet"), None)], LOG),
        ),
        UsageError,
        "made with --items; add --items FILE, the same file",
    ),
    "made with weak pairs": (
        lambda folder: (
            negprep.train(LOG, folder / "o.parquet", weak=LOG, sampler="weak"),
            verify([(str(folder / "o.parquet"), None)], LOG),
        ),
        UsageError,
        "made with --weak; add --weak FILE, the same file",
    ),
    "an empty file": (lambda folder: verify([(plain(folder, []), "test")], LOG), BadDataError, "no rows"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_bad_inputs_are_one_clear_line(tmp_path, name):
    act, kind, message = REFUSED[name]
    with pytest.raises(kind) as caught:
        act(tmp_path)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def run(*words):
    return guarded(lambda: invoke(["verify", *map(str, words)]))


@pytest.fixture
def log_file(tmp_path):
    path = tmp_path / "log.csv"
    path.write_text("user,item,time\n" + "".join(f"{u},{i},{t}\n" for u, i, t in ROWS))
    return path


def test_the_command_prints_a_table_and_ends_with_one_where_a_check_failed(tmp_path, log_file, capsys):
    path = plain(tmp_path, candidates())
    assert run("--test", path, "--log", log_file, "--holdout", "last") == 0
    assert "holdouts are the right ones" in capsys.readouterr().out
    assert run("--test", path, "--log", log_file, "--quiet") == 0
    assert capsys.readouterr() == ("", "")
    path = plain(tmp_path, [*candidates(), candidates()[0]])
    assert run("--test", path, "--log", log_file, "--quiet", "--examples", 2) == 1
    out, err = capsys.readouterr()
    assert (err, "FAILED" in out) == ("", True)
    assert run("--test", path, "--log", log_file, "--json") == 1
    found = json.loads(capsys.readouterr().out)
    assert found["failed"]
    assert {check["status"] for check in found["files"][0]["checks"]} >= {"passed", "failed", "not checked"}


def test_the_command_refuses_in_one_line(tmp_path, log_file, capsys):
    path = plain(tmp_path, candidates())
    cases = [
        (("--log", log_file), 2, "no file to check"),
        ((path, "--log", log_file), 2, "--train or --test"),
        ((log_file, "--log", log_file), 3, "not a prepared file"),
        ((tmp_path / "none", "--log", log_file), 4, "no such file"),
        (("--test", path, "--log", tmp_path / "none"), 4, "no such file"),
        (("--test", "-", "--log", "-"), 2, "named twice"),
        (("--test", path, "--log", log_file, "--json", "--quiet"), 2, "leave one out"),
        (("--test", path), 2, "--log"),
    ]
    for words, code, message in cases:
        assert run(*words) == code
        out, err = capsys.readouterr()
        assert (out, err.count("\n"), message in err) == ("", 1, True), err


def test_ids_are_printed_without_control_characters(tmp_path, capsys):
    log = pa.table({"user": ["a\x1b[2J", "b"], "item": ["x", "y"]})
    path = tmp_path / "o.csv"
    path.write_text("user,item,label\na\x1b[2J,x,1\na\x1b[2J,x,0\n")
    report = verify([(str(path), "train")], log)
    assert any("\\x1b" in example for check in report.checks for example in check.as_dict()["examples"])


@pytest.mark.parametrize("num_neg", [None, 4])
@pytest.mark.parametrize("shuffle", [False, True])
@pytest.mark.parametrize("layout", ["pointwise", "pairwise", "listwise"])
def test_epochs_of_a_text_are_told_apart(tmp_path, layout, shuffle, num_neg):
    """Its column says that a positive leads rows once in each; not that it may do so twice in one."""
    target = tmp_path / "train.csv"
    negprep.train(LOG, target, layout=layout, shuffle=shuffle, epochs=3, holdout="last")
    claims = Promised(holdout="last", num_neg=num_neg)
    assert failing(verify([(str(target), "train")], LOG, promised=claims)) == {}
    lines = target.read_text().splitlines(keepends=True)
    again = next(line for line in lines[::-1] if layout != "pointwise" or line.split(",")[2] == "1")
    target.write_text("".join([*lines, again]))
    wanted = {results.ONCE: 1} if layout != "pairwise" else {results.COUNTS: 1} if num_neg else {}
    assert failing(verify([(str(target), "train")], LOG, promised=claims)) == wanted
