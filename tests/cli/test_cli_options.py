"""Every option reaches the pipeline; what does not fit is refused in one line, with exit code 2."""

from __future__ import annotations

import os

import pytest

from negprep.options.options import Options, ReadOptions

COMMANDS = ("train", "test")
CPUS = len(os.sched_getaffinity(0))


def test_train_defaults(line):
    assert line.options("train", "log.csv", "out.parquet") == Options(
        command="train", num_neg=4, holdout="auto", distinct=False, jobs=CPUS
    )
    assert (line.asked.source, line.asked.target, line.asked.force) == ("log.csv", "out.parquet", False)


def test_test_defaults(line):
    assert line.options("test", "log.csv", "out.parquet") == Options(
        command="test", num_neg=99, holdout="auto", distinct=True, jobs=CPUS
    )


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize(
    ("words", "name", "value"),
    [
        ("--num-neg 7", "num_neg", 7),
        ("--distinct", "distinct", True),
        ("--repeats", "distinct", False),
        ("--items catalog.csv", "items", "catalog.csv"),
        ("--exclude pairs.csv", "exclude", "pairs.csv"),
        ("--on-short drop", "on_short", "drop"),
        ("--seed 18446744073709551615", "seed", 2**64 - 1),
        ("--positive >=4", "positive", ">=4"),
        ("--keep-time first", "keep_time", "first"),
        ("--min-positives 5", "min_positives", 5),
        ("--core 5", "core", 5),
        ("--holdout last", "holdout", "last"),
        ("--holdout random", "holdout", "random"),
        ("--holdout last:3", "holdout", "last:3"),
        ("--holdout fraction:0.2", "holdout", "fraction:0.2"),
        ("--holdout after:2024-05-01", "holdout", "after:2024-05-01"),
        ("--holdout last --with-valid", "with_valid", True),
        ("--holdout last --split-seed 3", "split_seed", 3),
        ("--layout pairwise", "layout", "pairwise"),
        ("--label-dtype float32", "label_dtype", "float32"),
        ("--encode", "encode", True),
        ("--jobs 3", "jobs", 3),
    ],
)
def test_option_reaches_the_pipeline(line, command, words, name, value):
    assert getattr(line.options(command, "log.csv", "out.parquet", *words.split()), name) == value


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("--user-col u", ReadOptions(user_col="u")),
        ("--item-col i", ReadOptions(item_col="i")),
        ("--time-col t", ReadOptions(time_col="t")),
        ("--value-col v", ReadOptions(value_col="v")),
        ("--event-col e", ReadOptions(event_col="e")),
        ("--columns user,item", ReadOptions(columns=("user", "item"))),
        (r"--delimiter \t", ReadOptions(delimiter="\t")),
        ("--delimiter tab", ReadOptions(delimiter="\t")),
        ("--delimiter ::", ReadOptions(delimiter="::")),
        ("--quote none", ReadOptions(quote="none")),
        ("--quote ' --escape \\", ReadOptions(quote="'", escape="\\")),
        ("--delimiter ;", ReadOptions(delimiter=";")),
        ("--drop-invalid", ReadOptions(drop_invalid=True)),
        ("--expect-rows 12", ReadOptions(expect_rows=12)),
    ],
)
def test_reading_option_reaches_the_pipeline(line, command, words, expected):
    assert line.options(command, "log.csv", "out.parquet", *words.split()).read == expected


def test_force_reaches_the_pipeline(line):
    line.options("train", "log.csv", "out/", "--force")
    assert line.asked.force


@pytest.mark.parametrize(("fold", "with_valid"), [("valid", True), ("test", False)])
def test_fold_valid_implies_with_valid(line, fold, with_valid):
    options = line.options("test", "log.csv", "out.parquet", "--fold", fold)
    assert (options.fold, options.with_valid) == (fold, with_valid)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("train", "missing argument 'INPUT'; see 'negprep train --help'"),
        ("train a b --summary", "option '--summary' requires an argument; see 'negprep train --help'"),
        ("train a b c", "got unexpected extra argument (c); see 'negprep train --help'"),
        ("trian a b", "no command 'trian' (did you mean train?); see 'negprep --help'"),
        (
            "mutate a",
            "no command 'mutate' (train, test, prepare, fit, verify, inspect, evaluate or report); see",
        ),
        ("train a b --num-neg 0", "invalid value for '--num-neg': 0 is not in the range 1<=x<=1000000; see"),
        ("train a b --num-neg 1e-3", "'1e-3' is neither a whole number nor one with decimals, such as 0.5"),
        ("train a b --num-neg 0.0", "0.0 is not a number above 0 with up to nine decimals"),
        ("train a b --num-neg 0.1234567891", "0.1234567891 is not a number above 0 with up to nine decimals"),
        ("test a b --num-neg 2.5", "'2.5' is not a valid integer"),
        ("train a b --jobs 0", "0 is not in the range 1<=x<=1024"),
        ("train a b --seed -1", "'-1' is not a whole number from 0 to 2**64 - 1"),
        ("train a b --seed 18446744073709551616", "is not a whole number from 0 to 2**64 - 1"),
        ("train a b --seed 1_000", "'1_000' is not a whole number"),
        ("train a b --layout wide", "'wide' is not one of 'pointwise', 'pairwise', 'listwise'"),
        ("train a b --fold valid", "no such option"),
        ("train a b --delimiter ab", r"'ab' is neither one ASCII character, nor '::', '\t' or 'tab'"),
        ("train a b --columns user", "at least a user and an item column are needed, such as user,item"),
        ("train a b --columns user,,item", "name 2 of 3 is empty"),
        ("train a b --columns user,item,user", "'user' is there twice"),
        ("test a b --holdout none", "a test set without a holdout has nothing to test; choose holdout last or random"),
        ("train a b --layout pairwise --label-dtype int8", "--label-dtype with --layout pairwise, which has no label"),
        (
            "test a b --layout listwise --label-dtype float32",
            "--label-dtype with --layout listwise, which has no label",
        ),
        ("train a b --holdout none --with-valid", "--with-valid with --holdout none, which holds nothing out"),
        ("train a b --holdout none --split-seed 1", "--split-seed with --holdout none, which holds nothing out"),
        (
            "train a b --holdout last:0",
            "holdout is 'last:0', but '0' is not a whole number from 1 to 1000000; write, for",
        ),
        (
            "test a b --holdout first",
            "holdout is 'first'; choose one of none, last, last:N, random, random:N, random:F",
        ),
        (
            "train a b --holdout after:5 --with-valid",
            "holdout after:5 with a validation holdout: one cut has no second;",
        ),
        (
            "test a b --holdout after:5 --fold valid",
            "holdout after:5 with a validation holdout: one cut has no second;",
        ),
        (
            "test a b --holdout after:5 --split-seed 1",
            "--split-seed with --holdout after, which leaves nothing to chance",
        ),
        ("train a b --core 1", "1 is not in the range x>=2"),
        ("test a b --min-positives x", "'x' is not a valid integer range"),
        (
            "train a b --core 5 --items c",
            "--core with --items: the catalog of a core is what remains of the log's items",
        ),
        ("train a b --core 5 --min-positives 4", "--min-positives 4 with --core 5, in which every user has as many;"),
        ("train a b --quiet --progress", "--quiet and --progress contradict each other; leave one out"),
        ("train a - --encode", "--encode with OUTPUT '-': the vocabularies need a place beside the output"),
        ("train a - --summary -", "OUTPUT and --summary are both '-'; give a file for one of them"),
        ("train - b --items -", "standard input ('-') is named twice; give files for INPUT or --items"),
        ("train a b --user-col x --item-col x", "--user-col and --item-col both name 'x'; give two columns"),
        ("train a b --columns x,y --time-col t", "--time-col t: --columns has no such name (x, y); name one of those"),
    ],
)
def test_what_does_not_fit_is_refused(line, capsys, words, message):
    assert line.run(*words.split()) == 2
    shown = capsys.readouterr()
    assert message in shown.err
    assert shown.err.startswith("negprep: ")
    assert shown.err.count("\n") == 1
    assert shown.out == ""
    assert line.asked is None


def test_no_command(line, capsys):
    assert line.run() == 2
    assert capsys.readouterr().err == "negprep: missing command; see 'negprep --help'\n"


@pytest.mark.parametrize(("words", "argument"), [(("", "b"), "INPUT"), (("a", ""), "OUTPUT")])
def test_empty_path_is_refused(line, capsys, words, argument):
    assert line.run("train", *words) == 2
    assert capsys.readouterr().err == f"negprep: {argument} is empty; give a path, or - for a pipe\n"


@pytest.mark.parametrize(
    ("stream", "words", "message"),
    [
        ("stdin", ("-", "b"), "INPUT is '-', but standard input is a terminal"),
        ("stdout", ("a", "-"), "OUTPUT is '-', but standard output is a terminal, and Parquet is binary"),
    ],
)
def test_a_terminal_is_no_pipe(line, capsys, monkeypatch, stream, words, message):
    monkeypatch.setattr(f"sys.{stream}.isatty", lambda: True)
    assert line.run("train", *words) == 2
    assert message in capsys.readouterr().err
