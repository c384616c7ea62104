"""The folders for libraries that train and test: each is read as the library's own loader reads it, line by line.

The loaders are those that negprep/exchange.py names; tests/test_libraries.py runs the libraries themselves.
"""

from __future__ import annotations

import csv
import json
import re
from ast import literal_eval
from collections import Counter
from contextlib import ExitStack, closing
from functools import partial

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

import negprep
from negprep.checks import results
from negprep.checks.verify import verify
from negprep.errors import BadDataError, NegprepError, UsageError
from negprep.exchange import ExchangeFiles, unit_of
from negprep.holdout import in_form
from negprep.options.formats import EXCHANGES
from negprep.options.options import Options
from negprep.options.reading import ReadOptions
from negprep.pipeline import ReadLog, Run, silent, write_rows
from negprep.read.log import open_log
from negprep.summary import facts_of
from negprep.write.output import kind_of, open_output

LIBRARIES = ("elliot", "cornac", "lenskit", "rechorus", "recpack", "daisyrec", "recommenders", "clayrs")
OF_WORDS = ("cornac", "lenskit", "clayrs")
SPLIT = {"holdout": "last", "with_valid": True}
START = 1_700_000_000


def make_log(n_users=40, n_items=60, *, words=False, seed=1):
    """Every item has a positive; users and items are integers from 1, or words that need quotes in CSV."""
    chance = np.random.default_rng(seed)
    users = np.concatenate([np.repeat(np.arange(n_users), 3), chance.integers(0, n_users, n_users * 5)])
    items = np.concatenate([np.arange(n_users * 3) % n_items, chance.integers(0, n_items, n_users * 5)])
    log = pd.DataFrame({"user": users + 1, "item": items + 1, "time": START + chance.permutation(len(users))})
    if words:
        kinds = ["plain", "a,b", 'a "quote"', "=1", "é", "'", "#x", "NA"]
        log["user"] = [f"{kinds[user % 8]} {user}" if user > 8 else kinds[user % 8] for user in log["user"]]
        log["item"] = [f" {kinds[item % 8]}{item} " for item in log["item"]]
    return log


def bare(path):
    """pandas with ``header=None``, or Cornac's ``Reader``: the line stripped and split at tabs; ``int`` times."""
    with path.open(encoding="utf-8") as file:
        rows = [line.strip().split("\t") for line in file]
    assert {float(row[2]) for row in rows} == {1.0}
    return [(row[0], row[1], int(row[3]) if len(row) > 3 else None) for row in rows]


def table(path, user, item, time, separator=","):
    """``csv.DictReader``, as Recommenders and ClayRS; pandas reads the same of integers."""
    with path.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file, delimiter=separator))
    assert all(float(row[name]) == 1 for row in rows for name in ("rating", "score") if name in row)
    return [(row[user], row[item], int(row[time]) if time in row else None) for row in rows]


def labelled(path, separator=","):
    """Labelled rows: user, item, whether it is the holdout."""
    with path.open(encoding="utf-8", newline="") as file:
        return [(row["user"], row["item"], row["label"] == "1") for row in csv.DictReader(file, delimiter=separator)]


def elliot(folder):
    """``DataSetLoader`` with fixed files, and ``NegativeSampler.read_from_files``."""
    parts = {part: bare(folder / name) for part, name in EXCHANGES["elliot"].parts.items() if (folder / name).exists()}
    negatives = {}
    for line in (folder / "test_negative.tsv").read_text().splitlines():
        pair, *items = line.split("\t")
        user, item = literal_eval(pair)
        assert int(user) not in negatives
        negatives[int(user)] = (str(item), [str(int(each)) for each in items])
    rows = [(str(user), each, False) for user, (_, items) in negatives.items() for each in items]
    return parts, rows + [(str(user), item, True) for user, (item, _) in negatives.items()]


def cornac(folder):
    return {path.stem: bare(path) for path in folder.glob("t*.tsv")} | {
        path.stem: bare(path) for path in folder.glob("valid.tsv")
    }, labelled(folder / "candidates.tsv", "\t")


def lenskit(folder):
    """``from_interactions_df`` knows the columns; in a flat collection, all but the key are fields of the items."""
    parts = {}
    for path in [*folder.glob("t*.parquet"), *folder.glob("valid.parquet")]:
        rows = pq.read_table(path)
        assert rows.column_names in (["user_id", "item_id", "timestamp"], ["user_id", "item_id"])
        times = [None] * len(rows)
        if "timestamp" in rows.column_names:
            assert rows.schema.field("timestamp").type == pa.timestamp("ns")
            times = [time // 10**9 for time in rows["timestamp"].cast(pa.int64()).to_pylist()]
        ids = (map(str, rows[name].to_pylist()) for name in ("user_id", "item_id"))
        parts[path.stem] = list(zip(*ids, times, strict=True))
    rows = pq.read_table(folder / "candidates.parquet")
    assert rows.column_names == ["user_id", "item_id", "label"]
    return parts, [(str(user), str(item), label == 1) for user, item, label in zip(*rows.to_pydict().values())]  # noqa: B905


def rechorus(folder):
    """``BaseReader``: what it asserts of ids and negatives, and that histories ascend in time."""
    parts, histories, rows = {}, {}, []
    for part, name in EXCHANGES["rechorus"].parts.items():
        parts[part] = table(folder / name, "user_id", "item_id", "time", "\t")
        for user, item, time in parts[part]:
            assert min(int(user), int(item)) >= 1
            histories.setdefault(user, []).append(time)
    assert all(times == sorted(times) for times in histories.values())
    n_items = max(int(item) for part in parts.values() for _, item, _ in part) + 1
    lengths = set()
    with (folder / "test.csv").open() as file:
        for row in csv.DictReader(file, delimiter="\t"):
            found = literal_eval(row["neg_items"])
            assert max(found) < n_items
            lengths.add(len(found))
            rows += [(row["user_id"], row["item_id"], True), *((row["user_id"], str(each), False) for each in found)]
    assert len(lengths) == 1
    return parts, rows


def recpack(folder):
    """``InteractionMatrix.load``: a CSV, and the shape of the matrix."""
    parts = {}
    for path in folder.glob("*_properties.yaml"):
        said = dict(re.fullmatch(r"(\w+): (\w+)", line).groups() for line in path.read_text().splitlines())
        part = path.name.removesuffix("_properties.yaml")
        parts[part] = table(folder / f"{part}.csv", "uid", "iid", "ts")
        assert set(said) == {"num_users", "num_items", "has_timestamps"}
        assert all(
            int(user) < int(said["num_users"]) and int(item) < int(said["num_items"]) for user, item, _ in parts[part]
        )
        assert {time is not None for *_, time in parts[part]} == {said["has_timestamps"] == "true"}
    return parts, labelled(folder / "candidates.csv")


def recommenders(folder):
    """``Dataset`` of NCF: by user, and by ``test_batch`` from 0, whose first row is the holdout."""
    parts = {name: table(folder / f"{name}.csv", "userID", "itemID", "timestamp") for name in ("train", "test")}
    if (folder / "valid.csv").exists():
        parts["valid"] = table(folder / "valid.csv", "userID", "itemID", "timestamp")
    with (folder / "test_full.csv").open() as file:
        full = list(csv.DictReader(file))
    for users in [[int(user) for user, *_ in part] for part in parts.values()] + [[int(row["userID"]) for row in full]]:
        assert users == sorted(users)
    batches = [int(row["test_batch"]) for row in full]
    assert batches == sorted(batches)
    assert sorted(set(batches)) == list(range(len(set(batches))))
    firsts = [row for row, before in zip(full, [None, *batches], strict=False) if int(row["test_batch"]) != before]
    assert [row["rating"] for row in full].count("1") == len(firsts)
    assert {row["rating"] for row in firsts} == {"1"}
    return parts, [(row["userID"], row["itemID"], float(row["rating"]) > 0) for row in full]


def daisyrec(folder):
    return cornac(folder)


def clayrs(folder):
    """``Ratings`` of a ``CSVFile``: the first three columns, and the time by its name."""
    names = [name for name in ("train", "valid", "test") if (folder / f"{name}.csv").exists()]
    parts = {name: table(folder / f"{name}.csv", "user_id", "item_id", "timestamp") for name in names}
    return parts, labelled(folder / "candidates.csv")


READERS = {each.__name__: each for each in (elliot, cornac, lenskit, rechorus, recpack, daisyrec, recommenders, clayrs)}


def decoder(folder, *, encoded):
    """From what a file has to the id in the log: by the vocabularies, or itself."""
    if not encoded:
        return str, str
    return [codes(folder, name).__getitem__ for name in ("user", "item")]


def codes(folder, name):
    """The id of each code, as text."""
    ids = pd.read_csv(folder / f"_{name}s.tsv", sep="\t", dtype=str, keep_default_na=False)
    return dict(zip(ids["code"], ids[name], strict=True))


def expected(log, options):
    """The pairs of each part with their latest times, and the candidates, as negprep gives them in memory."""
    latest = log.groupby(["user", "item"])["time"].max().to_dict() if "time" in log else {}
    rows = {"train": negprep.train(log, num_neg=1, **{**SPLIT, **options})}
    for fold in ("valid", "test"):
        rows[fold] = negprep.test(log, fold=fold, num_neg=7, **{**SPLIT, **options})
    parts = {}
    for part, found in rows.items():
        pairs = found[found["label"] == 1][["user", "item"]].itertuples(index=False, name=None)
        parts[part] = Counter((str(user), str(item), latest.get((user, item))) for user, item in pairs)
    test = rows["test"].itertuples(index=False, name=None)
    return parts, Counter((str(user), str(item), label == 1) for user, item, label in test)


def holds(folder, form, log, *, encoded=False, **options):
    parts, rows = READERS[form](folder)
    user_of, item_of = decoder(folder, encoded=encoded)
    found = {
        part: Counter((user_of(user), item_of(item), time) for user, item, time in each) for part, each in parts.items()
    }
    wanted, candidates = expected(log, options)
    assert found == wanted
    assert Counter((user_of(user), item_of(item), label) for user, item, label in rows) == candidates


def failing(folder, log):
    return {check.name: check.count for check in verify([(f"{folder}/", None)], log).checks if check.status == "failed"}


@pytest.mark.parametrize("form", LIBRARIES)
@pytest.mark.parametrize("ids", ["integers", "codes", "words"])
def test_a_library_reads_what_parquet_holds(tmp_path, form, ids):
    log = make_log(words=ids != "integers")
    if ids == "words" and form not in OF_WORDS:
        first = 1 if form == "rechorus" else 0
        with pytest.raises(
            UsageError, match=f"user ids are not all integers from {first} on, as --to {form} needs them"
        ):
            negprep.test(log, f"{tmp_path}/o/", to=form, num_neg=7, **SPLIT)
        assert list(tmp_path.iterdir()) == []
        return
    negprep.test(log, f"{tmp_path}/o/", to=form, num_neg=7, encode=ids == "codes", **SPLIT)
    holds(tmp_path / "o", form, log, encoded=ids == "codes")
    assert failing(tmp_path / "o", pa.Table.from_pandas(log)) == {}


@pytest.mark.parametrize("form", [form for form in LIBRARIES if form != "rechorus"])
def test_a_log_without_times(tmp_path, form):
    log = make_log()[["user", "item"]]
    split = {"holdout": "random", "with_valid": True}
    negprep.test(log, f"{tmp_path}/o/", to=form, num_neg=7, **split)
    holds(tmp_path / "o", form, log, **split)


def test_rechorus_needs_times_and_a_validation_part(tmp_path):
    log = make_log()
    with pytest.raises(
        UsageError, match="--to rechorus without --with-valid: ReChorus reads a validation part; add it"
    ):
        negprep.test(log, f"{tmp_path}/o/", to="rechorus")
    with pytest.raises(UsageError, match="--to rechorus needs times, and the log has no column"):
        negprep.test(log[["user", "item"]], f"{tmp_path}/o/", to="rechorus", with_valid=True, holdout="random")
    assert list(tmp_path.iterdir()) == []


def test_rechorus_reads_lists_of_one_length_and_items_that_have_a_positive(tmp_path):
    log = make_log(n_items=12)
    with pytest.raises(BadDataError, match=r"user \d+ has \d negatives and others \d: ReChorus reads as many for each"):
        negprep.test(log, f"{tmp_path}/o/", to="rechorus", num_neg=8, **SPLIT)
    negprep.test(log, f"{tmp_path}/o/", to="rechorus", num_neg=6, on_short="drop", **SPLIT)
    parts, _ = rechorus(tmp_path / "o")
    assert 0 < len(parts["test"]) < len(parts["valid"])
    catalog = pa.table({"item": range(1, 300)})
    with pytest.raises(BadDataError, match=r"the item \d+ is a candidate, and ReChorus knows items up to 12, the last"):
        negprep.test(log, f"{tmp_path}/p/", to="rechorus", num_neg=6, items=catalog, **SPLIT)
    assert [path.name for path in tmp_path.iterdir()] == ["o"]


@pytest.mark.parametrize("form", ["cornac", "clayrs"])
def test_times_that_are_not_whole_are_refused(tmp_path, form):
    log = make_log()
    log["time"] = log["time"] + 0.5
    with pytest.raises(BadDataError, match=r"a time has a fraction, and \w+ reads whole numbers; round the times"):
        negprep.test(log, f"{tmp_path}/o/", to=form, num_neg=1)
    negprep.test(log.assign(time=(log["time"] * 1000).astype(int)), f"{tmp_path}/o/", to=form, num_neg=1)
    path = tmp_path / "o" / ("train.tsv" if form == "cornac" else "train.csv")
    assert re.search(r"\d{10}500\n", path.read_text())


@pytest.mark.parametrize("form", ["rechorus", "recpack"])
def test_times_are_seconds(tmp_path, form):
    log = make_log()
    milliseconds = log.assign(time=log["time"] * 1000 + 250)
    negprep.test(milliseconds, f"{tmp_path}/o/", to=form, num_neg=1, **SPLIT)
    lines = (tmp_path / "o" / "train.csv").read_text().splitlines()[1:]
    assert all(re.search(r"[\t,]17000\d{5}\.25$", line) for line in lines)


@pytest.mark.parametrize(
    ("column", "word"),
    [("user", "a\tb"), ("user", "a\nb"), ("user", "a\rb"), ("user", " a"), ("user", "\u2003a"), ("item", "a\tb")],
)
def test_ids_that_cornac_would_cut_are_refused(tmp_path, column, word):
    log = make_log(words=True)
    log.loc[log[column] == log[column][0], column] = word
    with pytest.raises(BadDataError, match=re.escape(f"the {column} id {word!r} would be cut by Cornac")):
        negprep.test(log, f"{tmp_path}/o/", to="cornac", num_neg=1)
    assert list(tmp_path.iterdir()) == []
    negprep.test(log, f"{tmp_path}/o/", to="cornac", num_neg=1, encode=True)


@pytest.mark.parametrize("form", LIBRARIES)
def test_users_who_are_dropped_are_not_tested(tmp_path, form):
    log = make_log(n_items=14)
    options = {"num_neg": 7, "on_short": "drop", **SPLIT}
    wanted = negprep.test(log, **options)
    negprep.test(log, f"{tmp_path}/o/", to=form, **options)
    parts, _ = READERS[form](tmp_path / "o")
    assert {user for user, *_ in parts["test"]} == set(map(str, wanted["user"])) < {user for user, *_ in parts["valid"]}
    assert failing(tmp_path / "o", pa.Table.from_pandas(log)) == {}


@pytest.mark.parametrize("form", EXCHANGES)
def test_a_run_that_drops_everybody_writes_what_is_read(tmp_path, form):
    log = make_log(n_users=8, n_items=9)
    negprep.test(log, f"{tmp_path}/o/", to=form, num_neg=9, on_short="drop", **SPLIT)
    assert failing(tmp_path / "o", pa.Table.from_pandas(log)) == {}


@pytest.mark.parametrize("form", [form for form in LIBRARIES if not EXCHANGES[form].one_holdout])
def test_several_holdouts_of_a_user(tmp_path, form):
    log, options = make_log(), {"holdout": "last:2", "with_valid": False}
    negprep.test(log, f"{tmp_path}/o/", to=form, num_neg=7, holdout="last:2")
    parts, rows = READERS[form](tmp_path / "o")
    wanted = negprep.test(log, num_neg=7, **options).itertuples(index=False, name=None)
    assert [(user, item, label) for user, item, label in rows] != []
    assert Counter(rows) == Counter((str(user), str(item), label == 1) for user, item, label in wanted)
    assert set(Counter(user for user, *_ in parts["test"]).values()) == {2}
    assert failing(tmp_path / "o", pa.Table.from_pandas(log)) == {}


@pytest.mark.parametrize("form", [form for form in LIBRARIES if EXCHANGES[form].one_holdout])
@pytest.mark.parametrize("holdout", ["last:2", "random:2", "fraction:0.3", "random:0.2", "session"])
def test_libraries_of_one_list_a_user_refuse_several_holdouts(tmp_path, form, holdout):
    with pytest.raises(UsageError, match=rf"--holdout {holdout} with --to {form}: \w+ reads one list of candidates"):
        negprep.test(make_log(), f"{tmp_path}/o/", to=form, holdout=holdout, with_valid=True)


@pytest.mark.parametrize("form", LIBRARIES)
def test_the_files_of_validation_candidates(tmp_path, form):
    log = make_log()
    negprep.test(log, f"{tmp_path}/o/", to=form, num_neg=7, fold="valid", holdout="last")
    spec = EXCHANGES[form]
    names = {path.name for path in (tmp_path / "o").iterdir() if not path.name.startswith("_")}
    properties = {spec.properties.format(part) for part in spec.parts if spec.properties}
    assert names == {*spec.parts.values(), spec.candidates["valid"], *properties}
    report = verify([(f"{tmp_path}/o/", None)], pa.Table.from_pandas(log))
    assert {check.name for check in report.checks if check.status == "failed"} == set()
    assert Counter(file.part for file in report.files) == {
        "train": 1, "test": 1, "valid": 1 if form == "rechorus" else 2
    }  # fmt: skip


def planted(path, form):
    """Put an item that the first tested user knows into the place of its first negative."""
    spec = EXCHANGES[form]
    if form == "lenskit":
        rows = pq.read_table(path)
        at = rows["label"].to_pylist().index(0)
        known = pq.read_table(path.with_name("train.parquet")).filter(pc.field("user_id") == rows["user_id"][at])
        items = rows["item_id"].to_pylist()
        items[at] = known["item_id"][0].as_py()
        pq.write_table(
            rows.set_column(1, "item_id", pa.array(items)).replace_schema_metadata(rows.schema.metadata), path
        )
        return
    train = path.with_name(spec.parts["train"]).read_text().splitlines()[spec.header :]
    lines = path.read_text().splitlines()
    user = re.search(r"\d+", lines[spec.style != "pairs"])[0]
    item = next(line for line in train if re.match(rf"{user}\b", line)).split(spec.separator)[1]
    for at, line in enumerate(lines):
        changed = {
            "pairs": rf"^(\({user},\d+\)\t)\d+()",
            "column": rf"^({user}\t.*\[)\d+()",
            "positive first": rf"^({user},)\d+(,0,)",
            "rows": rf"^({user}[\t,])\d+([\t,]0)$",
        }[spec.style]
        if re.search(changed, line):
            lines[at] = re.sub(changed, rf"\g<1>{item}\g<2>", line)
            break
    path.write_text("".join(f"{line}\n" for line in lines))


@pytest.mark.parametrize("form", LIBRARIES)
def test_verify_finds_a_planted_negative_and_a_missing_pair(tmp_path, form):
    log = pa.Table.from_pandas(make_log())
    negprep.test(log, f"{tmp_path}/o/", to=form, num_neg=7, **SPLIT)
    planted(tmp_path / "o" / EXCHANGES[form].candidates["test"], form)
    assert failing(tmp_path / "o", log)[results.SEEN] == 1
    if form != "lenskit":
        train = tmp_path / "o" / EXCHANGES[form].parts["train"]
        lines = train.read_text().splitlines(keepends=True)
        train.write_text("".join([*lines[:5], *lines[6:]]))
        assert {results.MISSING, results.ABSENT} & failing(tmp_path / "o", log).keys()


def test_codes_of_rechorus_begin_with_1_wherever_they_are_read(tmp_path):
    log = make_log(words=True)
    negprep.test(log, f"{tmp_path}/o/", to="rechorus", num_neg=7, encode=True, **SPLIT)
    rows = negprep.test(log, num_neg=7, **SPLIT).assign(score=lambda rows: np.arange(len(rows)) % 11)
    scores = [rows.drop(columns="label")]
    user_of, item_of = (
        {each: int(code) for code, each in codes(tmp_path / "o", name).items()} for name in ("user", "item")
    )
    scores.append(scores[0].assign(user=rows["user"].map(user_of), item=rows["item"].map(item_of)))
    wanted = negprep.evaluate(rows, resamples=0).metrics
    for each in scores:
        each.to_csv(tmp_path / "scores.csv", index=False)
        assert negprep.evaluate(tmp_path / "scores.csv", f"{tmp_path}/o/", resamples=0).metrics == wanted
    lines = (tmp_path / "o" / "_items.tsv").read_text().splitlines()
    (tmp_path / "o" / "_items.tsv").write_text("\n".join([lines[0], *lines[2:]]) + "\n")
    with pytest.raises(BadDataError, match="the codes do not run from 0 without gaps"):
        verify([(f"{tmp_path}/o/", None)], pa.Table.from_pandas(log))


def into_one_folder(log, target, form):
    """What one run writes that has the candidates of both folds: those of each from a run that holds out alike."""
    options = {
        fold: Options(command="test", fold=fold, num_neg=7, distinct=True, to=form, encode=True, **SPLIT)
        for fold in ("valid", "test")
    }
    options = {fold: in_form(each, form) for fold, each in options.items()}
    with ExitStack() as stack:
        reader = stack.enter_context(open_log(log, ReadOptions()))
        read = stack.enter_context(closing(ReadLog(reader, options["test"], None, silent, again=True)))
        runs = {fold: stack.enter_context(Run(reader, each, read=read)) for fold, each in options.items()}
        output = stack.enter_context(open_output(target, runs["test"].form.schema, kind=kind_of(form, target)))
        form_of_rows = runs["test"].form
        files = ExchangeFiles(
            options["test"], output, target, form_of_rows, form_of_rows.schema, timed=True, folds=tuple(runs)
        )
        for fold, run in runs.items():
            run.watch = partial(files.add, unit=unit_of(reader.clock.kind), fold=fold)
            write_rows(run, partial(files.write, fold=fold))
        files.end()
        output.finish({"negprep": json.dumps(facts_of(runs["test"]))})


@pytest.mark.parametrize("form", EXCHANGES)
def test_one_folder_takes_the_candidates_of_both_folds(tmp_path, form):
    """Byte for byte the files of two runs, where NCF, RecBole and LightGCN name them alike."""
    log, held = make_log(), {}
    for name in ("both", "valid", "test"):
        (tmp_path / name).mkdir()
    into_one_folder(log, f"{tmp_path}/both/o/", form)
    for fold in ("valid", "test"):
        negprep.test(log, f"{tmp_path}/{fold}/o/", to=form, num_neg=7, encode=True, fold=fold, **SPLIT)
        held[fold] = {path.name: path for path in (tmp_path / fold / "o").iterdir() if path.name[0] != "_"}
    spec = EXCHANGES[form]
    wanted = dict(held["test"])
    name = spec.candidates["valid"].format("o")
    wanted[name] = held["valid"][name if spec.by_fold else spec.candidates["test"].format("o")]
    if form == "ncf":
        wanted["o.valid.rating"] = held["valid"]["o.test.rating"]
    found = {path.name: path for path in (tmp_path / "both" / "o").iterdir() if path.name[0] != "_"}
    assert found.keys() == wanted.keys()
    for name, path in found.items():
        if form == "lenskit":
            assert pq.read_table(path).equals(pq.read_table(wanted[name]))
        else:
            assert path.read_bytes() == wanted[name].read_bytes()


@pytest.mark.parametrize("form", LIBRARIES)
@pytest.mark.parametrize("options", [{"layout": "pairwise"}, {"with_log_q": True}, {"label_dtype": "float32"}], ids=str)
def test_options_without_effect_are_refused(tmp_path, form, options):
    is_kept = "with_log_q" in options and EXCHANGES[form].style == "rows"
    is_kept |= "label_dtype" in options and form == "lenskit"
    if is_kept:
        negprep.test(make_log(), f"{tmp_path}/o/", to=form, num_neg=2, **SPLIT, **options)
        assert failing(tmp_path / "o", pa.Table.from_pandas(make_log())) == {}
        return
    with pytest.raises(UsageError, match=f"with --to {form}"):
        negprep.test(make_log(), f"{tmp_path}/o/", to=form, **SPLIT, **options)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("form", LIBRARIES)
def test_train_is_refused(tmp_path, form):
    with pytest.raises(NegprepError, match=f"train with --to {form}, whose train file holds positives only"):
        negprep.train(make_log(), f"{tmp_path}/o/", to=form)
    assert list(tmp_path.iterdir()) == []
