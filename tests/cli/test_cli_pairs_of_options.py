"""Every pair of options of a command: it works, or it is refused in one line that names one of the two.

Pairs that work are tried many at a time: up to `MOST` options that go together two by two, in one run. Where one fails,
each of its pairs is tried alone; and the heavy test tries all of them alone.

The options are those of the command itself, so that a new one is not forgotten: it must get a value here.
"""

from __future__ import annotations

import random
import shutil
from dataclasses import dataclass, field
from functools import cache
from itertools import combinations

import click
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq
import pytest

from negprep.cli import test as test_command
from negprep.cli import train as train_command
from negprep.cli.exit_codes import guarded
from negprep.cli.group import invoke

COMMANDS = {"train": train_command.command, "test": test_command.command}
N_ITEMS = 20


@dataclass(frozen=True)
class Choice:
    """An option with a value, and what it needs beside it: words for other options, unless the pair says those."""

    words: str
    needs: dict[str, str] = field(default_factory=dict, hash=False)

    @property
    def option(self):
        return self.words.split()[0]

    def __str__(self):
        return self.words


POPULAR = {"--sampler": "--sampler popularity"}
RATED = {"--positive": "--positive >=3"}
PAIRS = {"--layout": "--layout pairwise"}
HELD = {"--holdout": "--holdout last"}
HARD = {"--sampler": "--sampler hard", "--model": "--model own.parquet", "--pool": "--pool 5"}
REINFORCED = {"--sampler": "--sampler reinforced", "--model": "--model own.parquet"}
MODEL = {"--model": "--model own.parquet"}
CHOICES = [
    Choice("--num-neg 3"),
    Choice("--num-neg 0.5"),
    Choice("--num-neg all"),
    Choice("--per user"),
    Choice("--sampler popularity"),
    Choice("--sampler weak", RATED),
    Choice("--sampler uniform:0.5 --sampler weak:0.5", RATED),
    Choice("--sampler uniform=2 --sampler popularity=1"),
    Choice("--sampler hard", MODEL | {"--pool": "--pool 5"}),
    Choice("--sampler uniform:0.5 --sampler hard:0.5", MODEL | {"--pool": "--pool 5"}),
    Choice("--sampler reinforced", MODEL),
    Choice("--model own.parquet", {"--sampler": "--sampler hard", "--pool": "--pool 5"}),
    Choice("--pool 5", HARD),
    Choice("--top 2", HARD),
    Choice("--skip-top 1", HARD),
    Choice("--pool-weak 2", REINFORCED | RATED),
    Choice("--temperature 0.5", REINFORCED),
    Choice("--sampler impression", RATED | {"--group-col": "--group-col event"}),
    Choice("--group-col event", RATED | {"--sampler": "--sampler impression"}),
    Choice("--alpha 1", POPULAR),
    Choice("--smooth 0.5", POPULAR),
    Choice("--weights weights.csv", POPULAR),
    Choice("--weak weak.csv"),
    Choice("--available-at-time"),
    Choice("--same category", {"--items": "--items catalog.csv"}),
    Choice("--with-log-q"),
    Choice("--distinct"),
    Choice("--repeats"),
    Choice("--items catalog.csv"),
    Choice("--exclude pairs.csv"),
    Choice("--on-short drop"),
    Choice("--on-short error"),
    Choice("--seed 7"),
    Choice("--bootstrap 25", PAIRS),
    Choice("--levels 0.4,0.3", PAIRS | RATED),
    Choice("--epoch 2"),
    Choice("--epochs 2"),
    Choice("--shuffle"),
    Choice("--positive >=3"),
    Choice("--positive buy,cart"),
    Choice("--keep-time first"),
    Choice("--min-positives 3"),
    Choice("--core 2"),
    Choice("--holdout none"),
    Choice("--holdout last"),
    Choice("--holdout last:2"),
    Choice("--holdout random"),
    Choice("--holdout random:0.2"),
    Choice("--holdout random-global:0.3"),
    Choice("--holdout session"),
    Choice("--holdout after:1970-01-01T00:00:50"),
    Choice("--session-col event", {"--holdout": "--holdout session"}),
    Choice("--holdout file:held.csv"),
    Choice("--valid-file later.csv", {"--holdout": "--holdout file:held.csv"}),
    Choice("--test-users 15"),
    Choice("--test-users 0.5"),
    Choice("--drop-cold both"),
    Choice("--with-valid", HELD),
    Choice("--fold valid"),
    Choice("--split-seed 5", {"--holdout": "--holdout random"}),
    Choice("--layout pairwise"),
    Choice("--layout listwise"),
    Choice("--label-dtype float32"),
    Choice("--keep rating"),
    Choice("--with-time"),
    Choice("--with-history 3"),
    Choice("--encode"),
    Choice("--to parquet"),
    Choice("--to csv"),
    Choice("--to ncf"),
    Choice("--to recbole"),
    Choice("--to lightgcn"),
    Choice("--force"),
    Choice("--user-col user"),
    Choice("--item-col item"),
    Choice("--time-col time"),
    Choice("--time-format seconds"),
    Choice("--value-col rating"),
    Choice("--event-col event"),
    Choice("--columns user,item,time,rating,event"),
    Choice("--delimiter ,"),
    Choice("--quote none"),
    Choice("--escape \\"),
    Choice("--from movielens"),
    Choice("--drop-invalid"),
    Choice("--expect-rows 160"),
    Choice("--jobs 2"),
    Choice("--memory 300M"),
    Choice("--spill-dir ."),
    Choice("--summary facts.json"),
    Choice("--strict"),
    Choice("--quiet"),
    Choice("--progress"),
    Choice("--no-progress"),
]

NEVER = {
    "train": ("--num-neg all", "--to ncf", "--to lightgcn"),
    "test": (
        *("--sampler weak", "--sampler uniform:0.5", "--sampler hard", "--sampler reinforced", "--holdout none"),
        "--num-neg 0.5",
    ),
}
"""Refused with anything and alone."""

OTHER_SAMPLERS = (
    "--sampler popularity",
    "--sampler weak",
    "--sampler uniform:0.5 --sampler weak",
    "--sampler uniform=2",
)
"""Those without a model."""

BESIDE_ROWS = ("--keep ", "--with-time", "--with-history")
"""What writes something of the positive beside its rows."""

REFUSED = [
    ("--num-neg", "--bootstrap"),
    ("--num-neg 0.5", "--sampler uniform=2"),
    *(
        ("--per", other)
        for other in (
            "--num-neg 0.5",
            "--available-at-time",
            "--same",
            "--bootstrap",
            "--levels",
            "--layout pairwise",
            "--sampler impression",
            "--group-col",
            "--to ncf",
            "--to lightgcn",
        )
    ),
    *(("--num-neg all", other) for other in ("--sampler popularity", "--sampler uniform", "--repeats")),
    *(("--num-neg all", other) for other in ("--alpha", "--smooth", "--weights")),
    *(
        (each, other)
        for each in ("--sampler impression", "--group-col")
        for other in (
            *("--alpha", "--smooth", "--weights", "--levels", "--weak ", "--model", "--pool ", "--top", "--skip-top"),
            *("--pool-weak", "--temperature"),
        )
    ),
    *(("--group-col", f"--sampler {other}") for other in ("popularity", "weak", "uniform", "hard", "reinforced")),
    ("--sampler", "--levels"),
    ("--alpha", "--levels"),
    ("--smooth", "--levels"),
    ("--weights", "--levels"),
    ("--sampler weak", "--alpha"),
    ("--sampler weak", "--smooth"),
    ("--sampler weak", "--weights"),
    ("--sampler uniform:0.5", "--alpha"),
    ("--sampler uniform:0.5", "--smooth"),
    ("--sampler uniform:0.5", "--weights"),
    ("--sampler uniform=2", "--bootstrap"),
    *(
        (option, other)
        for option in ("--model", "--pool ", "--top", "--skip-top", "--pool-weak", "--temperature")
        for other in ("--levels", "--alpha", "--smooth", "--weights", *OTHER_SAMPLERS)
    ),
    *(
        (sampler, option)
        for sampler in (
            "--sampler hard",
            "--sampler uniform:0.5 --sampler hard",
            "--model",
            "--pool ",
            "--top",
            "--skip-top",
        )
        for option in ("--pool-weak", "--temperature")
    ),
    *(
        (sampler, option)
        for sampler in ("--sampler hard", "--sampler uniform:0.5 --sampler hard", "--sampler reinforced")
        for option in ("--alpha", "--smooth", "--weights", "--levels")
    ),
    ("--sampler reinforced", "--top"),
    ("--sampler reinforced", "--skip-top"),
    ("--alpha", "--weights"),
    ("--smooth", "--weights"),
    ("--same", "--core"),
    ("--items", "--core"),
    ("--with-log-q", "--levels"),
    ("--layout listwise", "--bootstrap"),
    ("--layout listwise", "--levels"),
    *((beside, other) for beside in BESIDE_ROWS for other in ("--levels", "--per")),
    *((beside, f"--to {form}") for beside in BESIDE_ROWS for form in ("ncf", "recbole", "lightgcn")),
    *((beside, own) for beside in BESIDE_ROWS[:2] for own in ("--holdout file", "--valid-file")),
    ("--label-dtype", "--layout"),
    ("--label-dtype", "--bootstrap"),
    ("--label-dtype", "--levels"),
    ("--label-dtype", "--to csv"),
    ("--label-dtype", "--to ncf"),
    ("--label-dtype", "--to recbole"),
    ("--label-dtype", "--to lightgcn"),
    ("--layout", "--to ncf"),
    ("--layout", "--to recbole"),
    ("--layout", "--to lightgcn"),
    ("--bootstrap", "--to recbole"),
    ("--levels", "--to recbole"),
    ("--with-log-q", "--to ncf"),
    ("--with-log-q", "--to lightgcn"),
    ("--epoch ", "--epochs"),
    ("--holdout none", "--with-valid"),
    ("--holdout none", "--split-seed"),
    ("--holdout none", "--test-users"),
    ("--holdout session", "--split-seed"),
    ("--holdout file", "--split-seed"),
    ("--holdout file", "--with-valid"),
    ("--holdout file", "--fold"),
    *(("--valid-file", f"--holdout {kind}") for kind in ("none", "last", "random", "session", "after")),
    ("--valid-file", "--split-seed"),
    *((own, other) for own in ("--holdout file", "--valid-file") for other in ("--group-col", "--sampler impression")),
    *(("--session-col", other) for other in ("--valid-file", "--group-col", "--sampler impression")),
    *(("--session-col", f"--holdout {kind}") for kind in ("none", "last", "random", "after", "file")),
    ("--holdout after", "--with-valid"),
    ("--holdout after", "--fold"),
    ("--holdout after", "--split-seed"),
    ("--from", "--columns"),
    ("--from", "--delimiter"),
    ("--quiet", "--progress"),
]
"""Pairs that contradict each other, as the beginnings of their words; in both commands."""


def options_of(command):
    return [option for option in COMMANDS[command].params if isinstance(option, click.Option)]


@cache
def choices_of(command):
    names = {name for option in options_of(command) for name in [*option.opts, *option.secondary_opts]}
    never = NEVER[command]
    return [choice for choice in CHOICES if choice.option in names and not choice.words.startswith(never)]


ELSEWHERE = ("--engine", "--master", "--spark-conf", "--config", "--recipe", "--shown-col", "--where")
"""Those that tests/spark, tests/options and tests/read combine with the others."""


@pytest.mark.parametrize("command", COMMANDS)
def test_no_option_is_forgotten(command):
    said = {choice.option for choice in CHOICES}
    missing = [
        name
        for option in options_of(command)
        for name in [*option.opts, *option.secondary_opts]
        if name not in said | {"--help", "-h", "--help-all", *ELSEWHERE}
    ]
    assert missing == [], "give them values in CHOICES"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A tiny log with everything, with and without a header, and the files beside it."""
    folder = tmp_path_factory.mktemp("pairs")
    chance = random.Random(4)
    rows = []
    for user in range(20):
        items = chance.sample(range(N_ITEMS), 8)
        times = chance.sample(range(1, 99), 8)
        rows += [
            f"{user},{item},{time},{chance.randint(1, 5)},{chance.choice(['view', 'cart', 'buy'])}"
            for item, time in zip(items, times, strict=True)
        ]
    (folder / "bare.csv").write_text("\n".join(rows) + "\n")
    (folder / "log.csv").write_text("\n".join(["user,item,time,rating,event", *rows]) + "\n")
    for name, first, last in (("held", 0, 2), ("later", 2, 3)):
        some = [row for at, row in enumerate(rows) if first <= at % 8 < last]
        (folder / f"{name}.csv").write_text("\n".join(["user,item,time,rating,event", *some]) + "\n")
    categories = [f"{item},{'ab'[item % 2]},{1 + item}" for item in range(N_ITEMS + 2)]
    (folder / "catalog.csv").write_text("\n".join(["item,category,available_from", *categories]) + "\n")
    (folder / "weights.csv").write_text("\n".join(["item,weight", *(f"{item},{item % 4}" for item in range(N_ITEMS))]))
    pairs = [f"{user},{(3 * user) % N_ITEMS}" for user in range(20)]
    factors = [[chance.gauss(0, 1), chance.gauss(0, 1)] for _ in range(19 + N_ITEMS)]
    sides = ["user"] * 19 + ["item"] * N_ITEMS
    own = pa.table({"side": sides, "id": [*range(19), *range(N_ITEMS)], "factors": factors})
    pq.write_table(own, folder / "own.parquet")
    (folder / "weak.csv").write_text("\n".join(["user,item", *pairs, "3,1", "4,2"]))
    (folder / "pairs.csv").write_text("\n".join(["user,item", *pairs[::2]]))
    return folder


def observed(folder):
    users: dict[int, set[int]] = {}
    for line in (folder / "bare.csv").read_text().splitlines():
        user, item = map(int, line.split(",")[:2])
        users.setdefault(user, set()).add(item)
    return users


def words_of(choices):
    options = {choice.option for choice in choices}
    needed = {}
    for choice in choices:
        for option, words in choice.needs.items():
            if option not in options:
                needed.setdefault(option, words)
    return " ".join([*needed.values(), *(choice.words for choice in choices)]).split()


def check_rows(rows, command, users):
    """Names only what exists; no item that the user has, as far as the rows alone can tell."""
    assert len(rows) > 0
    columns = rows.to_pydict()
    negatives, positives = {}, {}
    if "label" in columns:
        for user, item, label in zip(columns["user"], columns["item"], columns["label"], strict=True):
            (positives if label else negatives).setdefault(user, set()).add(item)
    else:
        lists = columns.get("neg_items") or [[item] for item in columns["neg_item"]]
        leading = columns.get("pos_items") or [[item] for item in columns["pos_item"]]
        for user, of_row, found in zip(columns["user"], leading, lists, strict=True):
            positives.setdefault(user, set()).update(of_row)
            negatives.setdefault(user, set()).update(found)
    for column in columns.values():
        assert None not in column
    for user, found in negatives.items():
        assert found <= set(range(N_ITEMS + 2))
        if users is not None:
            assert positives[user] <= users[user]
            assert command == "train" or not found & users[user]
        assert command == "train" or not found & positives[user]


def read_csv(path):
    rows = pa.csv.read_csv(path)
    if "neg_items" not in rows.column_names:
        return rows
    for place, name in enumerate(rows.column_names):
        if name.endswith("_items"):
            lists = pa.array(
                [[int(item) for item in str("" if text is None else text).split()] for text in rows[name].to_pylist()]
            )
            rows = rows.set_column(place, name, lists)
    return rows


def read_ncf(folder):
    test = [line.split("\t")[:2] for line in (folder / "out.test.rating").read_text().splitlines()]
    lists = [line.split("\t") for line in (folder / "out.test.negative").read_text().splitlines()]
    assert [pair for pair, *_ in lists] == [f"({user},{item})" for user, item in test]
    users, items = zip(*test, strict=True)
    negatives = pa.array([[int(item) for item in found[1:]] for found in lists])
    return pa.table({"user": list(map(int, users)), "pos_item": list(map(int, items)), "neg_items": negatives})


def read_lightgcn(folder):
    lists = [list(map(int, line.split(" "))) for line in (folder / "candidates.txt").read_text().splitlines()]
    users, items = [user for user, *_ in lists], [item for _, item, *_ in lists]
    return pa.table({"user": users, "pos_item": items, "neg_items": pa.array([found[2:] for found in lists])})


def read_recbole(folder):
    path = next(path for path in (folder / "out.candidates.inter", folder / "out.inter") if path.exists())
    rows = pa.csv.read_csv(path, parse_options=pa.csv.ParseOptions(delimiter="\t"))
    return rows.rename_columns(["user", "item", "label", *rows.column_names[3:]])


OUTPUTS = {
    "parquet": ("out.parquet", pq.read_table),
    "csv": ("out.csv", read_csv),
    "ncf": ("out/", read_ncf),
    "lightgcn": ("out/", read_lightgcn),
    "recbole": ("out/", read_recbole),
}
"""Of a form, the name of an output and what reads it."""


def run_together(folder, capsys, command, *choices):
    """The exit code and standard error; what was written is checked."""
    words, options = words_of(choices), {choice.option for choice in choices}
    target, reader = OUTPUTS[words[words.index("--to") + 1] if "--to" in words else "parquet"]
    output = folder / target
    shutil.rmtree(output) if output.is_dir() else output.unlink(missing_ok=True)
    log = "bare.csv" if "--columns" in options else "log.csv"
    jobs = [] if "--jobs" in options else ["--jobs", "1"]
    num_neg = ["--num-neg", "4"] if command == "test" and "--num-neg" not in words else []
    if any("=" in word and not word.startswith(">") for word in words) or "--bootstrap" in words:
        num_neg = []
    code = guarded(lambda: invoke([command, log, target, *jobs, *num_neg, *words]))
    shown = capsys.readouterr()
    assert shown.out == ""
    if code == 0:
        rows = reader(output)
        named = None if "--encode" in options or "impression" in words else observed(folder)
        plain = not {"--levels", "--shuffle"} & options
        is_dropped = {"drop", "impression"} <= set(words) and not len(rows)  # everybody was shown nothing else
        if plain and not is_dropped:
            check_rows(rows, command, named)
        warned = f"negprep {command}: warning: "
        assert (
            "--quiet" not in options
            or "--progress" in options
            or all(line.startswith(warned) and "--strict" not in options for line in shown.err.splitlines())
        )
    else:
        assert not output.exists()
    return code, shown.err


def is_refused(*pair):
    words = [choice.words + " " for choice in pair]
    return any(
        words[0].startswith(one) and words[-1].startswith(other) for x, y in REFUSED for one, other in ((x, y), (y, x))
    )


def names_one(told, *pair):
    return any(choice.option.removeprefix("--") in told for choice in pair)


MOST = 12
ENDING = ("--strict", "--on-short error")
"""The beginnings of those that end a run for what others do."""

BLIND = {"--encode", "--levels", "--shuffle"}
"""With one of these, fewer checks of the rows are made."""


def pairs_of(group):
    """Those that a run of a group is as good a test of as a run of their own."""
    blind = {choice for choice in group if choice.option in BLIND}
    return [pair for pair in combinations(group, 2) if blind <= set(pair)]


@cache
def groups_of(command):
    """By their first options, groups with every pair that is not refused."""
    choices = choices_of(command)
    fitting = {pair for pair in combinations(choices, 2) if pair[0].option != pair[1].option and not is_refused(*pair)}
    fitting |= {(second, first) for first, second in fitting}
    todo = dict.fromkeys(pair for pair in combinations(choices, 2) if pair in fitting)
    found = {choice: [] for choice in choices}
    while todo:
        group = list(next(iter(todo)))
        blind = [choice for choice in group if choice.option in BLIND]
        others = [one for one in choices if one.option not in BLIND and not one.words.startswith(ENDING)]
        if any(choice.words.startswith(ENDING) for choice in group) or len(blind) == 2:
            others = []
        while len(group) < MOST:
            others = [one for one in others if all((one, each) in fitting for each in group)]
            gains = [sum((a, b) in todo or (b, a) in todo for a in blind or group) for b in others]
            if not any(gains):
                break
            group.append(others[gains.index(max(gains))])
        group.sort(key=choices.index)
        for pair in pairs_of(group):
            todo.pop(pair, None)
        found[group[0]].append(group)
    return found


@pytest.mark.parametrize("command", COMMANDS)
def test_every_pair_is_in_a_group_or_refused(command):
    tried = {pair for groups in groups_of(command).values() for group in groups for pair in pairs_of(group)}
    for pair in combinations(choices_of(command), 2):
        if pair[0].option != pair[1].option:
            assert (pair in tried) != is_refused(*pair), pair


@pytest.mark.parametrize("every", [False, pytest.param(True, marks=pytest.mark.heavy)])
@pytest.mark.parametrize(
    ("command", "first"),
    [(command, choice) for command in COMMANDS for choice in choices_of(command)],
    ids=str,
)
def test_pairs(folder, capsys, monkeypatch, command, first, every):
    """Alone, and with each of the options that follow in the list."""
    monkeypatch.chdir(folder)
    choices, wrong = choices_of(command), []
    pairs = [(first, second) for second in choices[choices.index(first) + 1 :] if second.option != first.option]
    todo = [(first,), *(pair for pair in pairs if every or is_refused(*pair))]
    for group in [] if every else groups_of(command)[first]:
        code, _ = run_together(folder, capsys, command, *group)
        todo += pairs_of(group) if code else []
    for tried in todo:
        code, told = run_together(folder, capsys, command, *tried)
        if code == 3 and "leave out --strict" in told:
            continue
        refused = len(tried) == 2 and is_refused(*tried)
        if code not in ((2, 3) if refused else (0,)):
            wrong.append((code, words_of(tried), told))
        elif refused and not (told.count("\n") == 1 and names_one(told, *tried)):
            wrong.append(("not clear", words_of(tried), told))
    assert wrong == []


@pytest.mark.parametrize("words", NEVER["test"])
def test_what_a_test_set_cannot_be_made_with(folder, capsys, monkeypatch, words):
    monkeypatch.chdir(folder)
    choice = Choice(next(choice.words for choice in CHOICES if choice.words.startswith(words)))
    code, told = run_together(folder, capsys, "test", choice)
    assert code == 2
    assert told.count("\n") == 1
    assert names_one(told, choice)
