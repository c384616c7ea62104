"""Options from a file: which table, which command, what takes precedence, and what is refused."""

from __future__ import annotations

import json
from pathlib import Path

import pyarrow.parquet as pq
import pytest

import negprep
from negprep.cli.exit_codes import guarded
from negprep.cli.group import invoke
from negprep.errors import UsageError
from negprep.options.config import TABLES, read_options
from negprep.options.declared import options_of
from negprep.options.options import Options, ReadOptions

LOG = "who,what,kind,when\n" + "".join(
    f"{user},{item},{'buy' if item % 3 else 'view'},{item}\n" for user in range(6) for item in range(user, user + 9)
)
CONFIG = """\
[read]
user_col = "who"
item-col = "what"
time_col = "when"
event_col = "kind"

[positives]
positive = "buy"

[split]
holdout = "last:2"

[train]
num_neg = 2
sampler = ["popularity:0.5", "weak:0.5"]
seed = 7

[test]
num_neg = 5
items = "catalog.csv"
"""
MIXTURE = "popularity:0.5 weak:0.5"
RECIPE = """\
[recipe]
name = "mine"
[read]
user_col = "what"
item_col = "what"
time_col = "when"
[split]
holdout = "random"
[train]
num_neg = 9
layout = "pairwise"
"""


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A log, a config and what it names, in a folder beside the one that is worked in."""
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "log.csv").write_text(LOG)
    (tmp_path / "data" / "catalog.csv").write_text("what\n" + "".join(f"{item}\n" for item in range(40)))
    (tmp_path / "data" / "c.toml").write_text(CONFIG)
    (tmp_path / "data" / "r.toml").write_text(RECIPE)
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")
    return tmp_path / "data"


def run(capsys, *words):
    code = guarded(lambda: invoke([str(word) for word in words]))
    out, err = capsys.readouterr()
    return code, out, err


def facts_of(path):
    return json.loads(pq.read_metadata(path).metadata[b"negprep"])


def test_command_and_function_take_what_the_tables_hold(folder, capsys):
    log, config = folder / "log.csv", folder / "c.toml"
    for command in ("train", "test"):
        assert run(capsys, command, log, f"{command}.parquet", "--config", config, "--quiet", "--jobs", "1")[0] == 0
        getattr(negprep, command)(log, f"by_function_{command}.parquet", config=config)
        assert Path(f"{command}.parquet").read_bytes() == Path(f"by_function_{command}.parquet").read_bytes()
    train, test = facts_of("train.parquet"), facts_of("test.parquet")
    assert (train["num_neg"], train["sampler"], train["seed"], train["holdout"]) == (
        2,
        "popularity:0.5 weak:0.5",
        7,
        "last:2",
    )
    assert (test["num_neg"], test["sampler"], test["seed"], test["catalog"]) == (5, "uniform", 0, "a file")
    assert train["positive"] == test["positive"] == "buy"
    assert "recipe" not in train


def test_the_same_as_options(folder, capsys):
    log, config = folder / "log.csv", folder / "c.toml"
    words = "--user-col who --item-col what --time-col when --event-col kind --positive buy --holdout last:2"
    words += " --num-neg 2 --sampler popularity:0.5 --sampler weak:0.5 --seed 7 --quiet"
    assert run(capsys, "train", log, "options.parquet", *words.split())[0] == 0
    assert run(capsys, "train", log, "config.parquet", "--config", config, "--quiet")[0] == 0
    assert Path("options.parquet").read_bytes() == Path("config.parquet").read_bytes()


def test_the_command_line_takes_precedence_over_the_config_and_that_over_the_recipe(folder, capsys):
    log, files = folder / "log.csv", ("--config", folder / "c.toml", "--recipe", folder / "r.toml", "--quiet")
    assert run(capsys, "train", log, "a.parquet", *files)[0] == 0
    assert run(capsys, "train", log, "b.parquet", *files, "--num-neg", "3", "--layout", "pointwise")[0] == 0
    a, b = facts_of("a.parquet"), facts_of("b.parquet")
    assert (a["num_neg"], a["layout"], a["holdout"], a["recipe"]) == (2, "pairwise", "last:2", "mine")
    assert (b["num_neg"], b["layout"], b["holdout"], b["recipe"]) == (3, "pointwise", "last:2", "mine")
    # A default that is given is given.
    rows = negprep.train(log, config=folder / "c.toml", recipe=folder / "r.toml", layout="pointwise", num_neg=4)
    assert rows.column_names == ["user", "item", "label", "source"]


def test_a_config_may_name_its_recipe(folder):
    (folder / "named.toml").write_text('recipe = "r.toml"\n' + CONFIG)
    negprep.train(folder / "log.csv", "named.parquet", config=folder / "named.toml")
    negprep.train(folder / "log.csv", "both.parquet", config=folder / "c.toml", recipe=folder / "r.toml")
    assert Path("named.parquet").read_bytes() == Path("both.parquet").read_bytes()
    assert read_options("train", folder / "named.toml", "movielens-1m").data_set.name == "movielens-1m"


def test_the_options_of_a_config_count_as_given(folder, capsys):
    """So that what excludes each other is refused, even with a default."""
    config = folder / "given.toml"
    config.write_text('[train]\nlayout = "pairwise"\nlabel_dtype = "int8"\n')
    message = "negprep: --label-dtype with --layout pairwise, which has no label; leave one out\n"
    assert run(capsys, "train", folder / "log.csv", "x.parquet", "--config", config)[::2] == (2, message)
    with pytest.raises(UsageError, match="--label-dtype with --layout pairwise"):
        negprep.train(folder / "log.csv", config=config)


def test_inspect_previews_each_command_with_its_table(folder, capsys):
    found = negprep.inspect(folder / "log.csv", config=folder / "c.toml")
    assert (found.train.num_neg, found.train.sampler) == (2, MIXTURE)
    assert (found.test.num_neg, found.test.sampler, found.test.catalog_items) == (5, "uniform", 40)
    assert found.train.holdout == found.test.holdout == "last:2"
    code, out, _ = run(capsys, "inspect", folder / "log.csv", "--config", folder / "c.toml", "--json")
    assert (code, json.loads(out)) == (0, json.loads(json.dumps(found.as_dict())))
    chosen = negprep.inspect(folder / "log.csv", config=folder / "c.toml", num_neg=3)
    assert (chosen.train.num_neg, chosen.test.num_neg) == (3, 3)


@pytest.mark.parametrize("ending", ["parquet", "csv"])
def test_verify_knows_what_the_tables_describe(folder, capsys, ending):
    """Metadata take precedence; of a CSV, the config tells what is true of the log."""
    log, config = folder / "log.csv", folder / "c.toml"
    for command in ("train", "test"):
        assert run(capsys, command, log, f"{command}.{ending}", "--config", config, "--quiet")[0] == 0
    words = ["verify", "--train", f"train.{ending}", "--test", f"test.{ending}", "--log", log, "--config", config]
    words = ["verify", f"train.{ending}", f"test.{ending}", *words[5:]] if ending == "parquet" else words
    code, out, err = run(capsys, *words)
    assert (code, err) == (0, ""), out
    assert "0 failed" in out
    assert "holdout" in out
    assert "FAILED" not in out


def test_with_valid_alone_is_of_the_holdout_that_train_takes(folder):
    config = folder / "valid.toml"
    config.write_text("[split]\nwith_valid = true\n")
    assert read_options("verify", config, None).values == {"with_valid": True, "holdout": "auto"}
    assert read_options("train", config, None).values == {"with_valid": True}


def test_verify_refuses_two_catalogs(folder):
    config = folder / "two.toml"
    config.write_text('[train]\nitems = "a.csv"\n[test]\nitems = "b.csv"\n')
    with pytest.raises(UsageError, match=r"\[train\] and \[test\] have different items"):
        read_options("verify", config, None)
    assert read_options("fit", config, None).values == {"items": str(folder / "a.csv")}


def test_report_needs_a_log_for_an_option_but_not_for_a_config(folder, capsys):
    pytest.importorskip("jinja2")
    log, config = folder / "log.csv", folder / "c.toml"
    negprep.train(log, "train.parquet", config=config)
    code, _, err = run(capsys, "report", "train.parquet", "page.html", "--log", log, "--config", config, "--quiet")
    assert (code, err) == (0, "")
    code, _, err = run(capsys, "report", "train.parquet", "page.html", "--config", config)
    assert (code, err) == (2, "negprep: --config without --log, which it describes; add --log INPUT\n")


def test_every_option_of_the_data_has_its_table():
    """And no other: how a command reports, and where it runs, is for the command line."""
    for name, option in (options_of(ReadOptions) | options_of(Options)).items():
        tables = []
        for table in TABLES:
            with pytest.MonkeyPatch.context() as patch:
                patch.setattr("negprep.options.config._checked_value", lambda *given: given[1])
                try:
                    tables += [table] if _table_takes(table, name) else []
                except UsageError:
                    continue
        assert tables, name
        assert tables in (["read"], ["positives"], ["split"], ["train"], ["test"], ["train", "test"])
        assert all(table in option.declared.commands for table in tables if table in ("train", "test"))


def _table_takes(table, name):
    from negprep.options.config import _checked_table

    return name in _checked_table(table, {name: 1}, Path())


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[trian]\nnum_neg = 1\n", "there is no table [trian]; did you mean train?"),
        ("[xyz]\n", "there is no table [xyz]; choose of read, positives, split, train, test, recipe"),
        ("num_neg = 1\n", "there is no table [num_neg]; choose of"),
        ("train = 1\n", "train is 1, not a table; write [train], and its options below it"),
        ("[[train]]\nnum_neg = 1\n", "train is [{'num_neg': 1}], not a table"),
        ("[train]\nnum_ngs = 1\n", "[train] has no option 'num_ngs'; did you mean num_neg?"),
        ("[read]\nnum_neg = 1\n", "[read] has no option 'num_neg'; it belongs into [train] or [test]"),
        ("[test]\nepochs = 2\n", "[test] has no option 'epochs'; it belongs into [train]"),
        ("[train]\nholdout = 'last'\n", "[train] has no option 'holdout'; it belongs into [split]"),
        ("[train]\nquiet = true\n", "[train] has no option 'quiet'"),
        ("[train]\nforce = true\n", "[train] has no option 'force'"),
        ("[train]\nconfig = 'x'\n", "[train] has no option 'config'"),
        ("[train]\nnum_neg = 1\nnum-neg = 2\n", "[train] has 'num_neg' twice, with - and with _"),
        (
            "[train]\nnum_neg = 'x'\n",
            "[train] num_neg is 'x'; choose a whole number from 1 to 1000000, or one with up to nine decimals",
        ),
        ("[train]\nnum_neg = true\n", "[train] num_neg is True; choose a whole number from 1 to"),
        ("[train]\nnum_neg = 0\n", "[train] num_neg is 0; choose a whole number from 1 to"),
        ("[test]\nnum_neg = 1.5\n", "[test] num_neg is 1.5; choose a whole number from 1 to"),
        ("[train]\nalpha = nan\n", "[train] alpha is nan; choose a number from"),
        ("[train]\nshuffle = 1\n", "[train] shuffle is 1; give True or False"),
        ("[train]\nlayout = 'list'\n", "[train] layout is 'list'; choose one of pointwise, pairwise, listwise"),
        ("[train]\nsampler = 1\n", "[train] sampler is 1; give a string, or a list of strings"),
        ("[train]\nsampler = ['uniform', 1]\n", "[train] sampler is ['uniform', 1]; give a string, or a list"),
        ("[train]\nsampler = 'unifrom'\n", "[train] "),
        ("[train]\nitems = 1\n", "[train] items is 1; give a path, as a string"),
        ("[train]\nitems = ''\n", "[train] items is ''; give a path, as a string"),
        ("[train]\nmemory = 'much'\n", "[train] 'much' is not a size of at least 1M, such as 512M or 4G"),
        ("[split]\nholdout = 'lats'\n", "[split] holdout is 'lats'; choose one of none, last"),
        ("[split]\nholdout = 2024-05-01\n", "[split] holdout is datetime.date(2024, 5, 1); give a string"),
        ("[split]\nsplit_seed = -1\n", "[split] split_seed is -1; choose a whole number from 0"),
        ("[positives]\npositive = '>='\n", "[positives] "),
        ("[positives]\nkeep_time = 'never'\n", "[positives] keep_time is 'never'; choose one of last, first"),
        ("[read]\nquote = 'xy'\n", "[read] --quote 'xy' is not one ASCII character"),
        ("[read]\ndelimiter = 'ab'\n", "[read] 'ab' is neither one ASCII character, nor '::'"),
        ("[read]\ncolumns = ['user']\n", "[read] at least a user and an item column are needed"),
        ("[read]\ncolumns = 'a,a'\n", "[read] 'a' is there twice"),
        ("[read]\ntime_format = '%Q'\n", "[read] "),
        ("[read]\nfrom = 'excel'\n", "[read] from_ is 'excel'; choose one of ncf, movielens"),
        ("recipe = 1\n", "recipe is 1; give a name or a file"),
        ("recipe = 'movilens-1m'\n", None),
        ("[recipe]\nname = 'x'\n", "[recipe] makes a file a recipe; give it with --recipe"),
        ("[expected]\nrows = 1\n", "there is no table [expected]; choose of"),
        ("[train\n", "is not TOML: "),
        ("a" * 3 + "\n", "is not TOML: "),
        ("x = " + "[" * 5_000, "is n"),
        (b"[train]\n# caf\xe9\n", "is not UTF-8: byte 0xe9 at 13; save it as UTF-8"),
    ],
)
@pytest.mark.parametrize("command", ["train", "verify"])
def test_a_mistake_is_one_line_with_its_file(text, message, command, tmp_path):
    """Whatever the command makes of the tables: ``train`` refuses a mistake under [test], too."""
    path = tmp_path / "c.toml"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(UsageError) as caught:
        read_options(command, path, None)
    told = str(caught.value)
    assert told.startswith("there is no recipe" if message is None else f"{path}: {message}"), told
    assert "\n" not in told


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ("nowhere.toml", "nowhere.toml: cannot be read: No such file or directory; check the path, from HERE"),
        (".", ".: cannot be read: Is a directory; check the path, from HERE"),
        ("", "--config is ''; give a file"),
        ("-", "--config is '-'; give a file"),
        (7, "--config is 7; give a file"),
    ],
)
def test_a_config_that_cannot_be_read_is_refused(given, message, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    Path("log.csv").write_text("user,item\n1,2\n1,3\n")
    with pytest.raises(UsageError) as caught:
        negprep.train("log.csv", config=given)
    message = message.replace("HERE", str(tmp_path))
    assert str(caught.value) == message
    if isinstance(given, str):
        assert run(capsys, "train", "log.csv", "x.parquet", "--config", given) == (2, "", f"negprep: {message}\n")
    assert not Path("x.parquet").exists()


def test_text_as_editors_write_it(tmp_path):
    path = tmp_path / "c.toml"
    path.write_bytes(b"\xef\xbb\xbf[read]\r\ncolumns = 'user, item'\r\ndelimiter = 'tab'\r\n")
    assert read_options("train", path, None).values == {"columns": ("user", "item"), "delimiter": "\t"}
    path.write_text('[train]\nmemory = "512M"\n[test]\nmemory = 1_048_576\njobs = 2\n')
    assert read_options("train", path, None).values == {"memory": 512 << 20}
    assert read_options("test", path, None).values == {"memory": 1 << 20, "jobs": 2}


def test_paths_are_taken_from_where_the_file_is(folder):
    (folder / "p.toml").write_text('[train]\nexclude = "a/b.csv"\nitems = "/c.csv"\nweak = "-"\nspill_dir = "."\n')
    values = read_options("train", folder / "p.toml", None).values
    assert values == {"exclude": str(folder / "a/b.csv"), "items": "/c.csv", "weak": "-", "spill_dir": str(folder)}


def test_recipes_are_listed_and_printed(capsys, folder):
    code, out, err = run(capsys, "recipes")
    assert (code, err) == (0, "")
    assert "movielens-1m    MovieLens 1M " in out
    assert "  1,000,209 rows\n" in out
    code, out, err = run(capsys, "recipes", "movielens-1m")
    assert (code, out) == (0, (Path(negprep.__file__).parent / "recipes" / "movielens-1m.toml").read_text())
    assert run(capsys, "recipes", folder / "r.toml")[:2] == (0, RECIPE)
    code, out, err = run(capsys, "recipes", "movilens-1m")
    assert (code, out) == (2, "")
    assert err.startswith("negprep: there is no recipe 'movilens-1m'; did you mean movielens-1m?")
    code, out, err = run(capsys, "recipes", folder / "c.toml")
    assert (code, out) == (2, "")
    assert "there is no table [recipe]" in err


def test_the_summary_names_the_recipe(folder, capsys):
    log = folder / "log.csv"
    words = ("--quiet", "--config", folder / "c.toml")
    assert run(capsys, "train", log, "a.parquet", *words, "--summary", "a.json")[0] == 0
    assert run(capsys, "train", log, "b.parquet", *words, "--recipe", folder / "r.toml", "--summary", "b.json")[0] == 0
    assert "recipe" not in Path("a.json").read_text()
    assert json.loads(Path("b.json").read_text())["metadata"]["recipe"] == "mine"
