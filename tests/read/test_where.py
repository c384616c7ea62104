"""--where keeps the rows that a plain evaluation of the condition keeps, and reads no more than it must."""

import datetime as dt
import json
import operator
import random
from decimal import Decimal
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import negprep
from negprep.checks import verify as checks
from negprep.errors import BadDataError, NegprepError, UsageError
from negprep.options.conditions import parse_condition
from negprep.options.conflicts import refuse_on_spark
from negprep.options.options import Options
from negprep.options.reading import ReadOptions
from negprep.pipeline import prepare
from negprep.read.log import open_log

OPERATORS = {
    "=": operator.eq,
    "!=": operator.ne,
    "<>": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}
START = dt.datetime(2024, 1, 1)


def values():
    """200 rows: columns of every kind that compares, in Python's values, a quarter of them null."""
    draw = random.Random(5)

    def some(value):
        return None if draw.random() < 0.25 else value

    rows = []
    for row in range(200):
        time = START + dt.timedelta(hours=draw.randrange(48))
        rows.append(
            {
                "user": row % 7,
                "item": row,
                "i": some(draw.choice([-3, 0, 2, 5, 2**53 + 1, 2**62])),
                "f": some(draw.choice([-0.5, 0.1, 2.0, 1e20, float("nan")])),
                "sorted": row // 10,
                "my text": some(draw.choice(["KR", "it's", 'a "b"', "Zürich", "007", ""])),
                "t": some(time),
                "epoch": some(int((time - dt.datetime(1970, 1, 1)).total_seconds())),
                "day": some(time.date()),
                "flag": some(draw.random() < 0.5),
                "price": some(Decimal(draw.randrange(100)) / 10),
            }
        )
    return rows


ROWS = values()
VALUES = {
    "i": ["-3", "0", "2.5", "5", "9007199254740993", "4.6e18", "1e30"],
    "f": ["-0.5", "0.1", "2", "1e20", "-1e300"],
    "sorted": ["3", "17.5", "20", "-1"],
    "my text": ["'KR'", "'it''s'", "'a \"b\"'", "'Zürich'", "'007'", "'M'"],
    "t": ["2024-01-01", "2024-01-01T12:00", "2024-01-02 07:00:00", "2024-01-02T09:00:00+02:00", "2024-01-01T05:00Z"],
    "flag": ["true", "FALSE"],
    "price": ["0.1", "5", "9.95", "3.3"],
}
VALUES["epoch"] = VALUES["day"] = VALUES["t"]


def plain(text):
    """The value in Python."""
    if text[0] == "'":
        return text[1:-1].replace("''", "'")
    if text.lower() in ("true", "false"):
        return text.lower() == "true"
    if text[:5] == "2024-":
        time = dt.datetime.fromisoformat(text)
        return (time.astimezone(dt.UTC).replace(tzinfo=None) if time.tzinfo else time) - dt.datetime(1970, 1, 1)
    return Decimal(text)


def of_row(row, name, empty_is_null):
    """The value of a column in the terms of `plain`."""
    value = row[name]
    if value is None or value != value or (value == "" and empty_is_null):
        return None
    if name in ("t", "day"):
        return (
            dt.datetime.combine(value, dt.time()) - dt.datetime(1970, 1, 1)
            if name == "day"
            else value - (dt.datetime(1970, 1, 1))
        )
    if name == "epoch":
        return dt.timedelta(seconds=value)
    return Decimal(repr(value)) if isinstance(value, float) else value


def condition(draw, depth):
    """A random condition: its text, and the function that gives its truth for a row: True, False or None."""
    kind = draw.random()
    if depth and kind < 0.5:
        (left, is_left), (right, is_right) = condition(draw, depth - 1), condition(draw, depth - 1)
        is_and = draw.random() < 0.5

        def joined(row):
            found = {is_left(row), is_right(row)}
            return (not is_and) if (not is_and) in found else None if None in found else is_and

        return f"({left}) {draw.choice(['and', 'AND'] if is_and else ['or', 'OR'])} ({right})", joined
    if depth and kind < 0.65:
        text, is_true = condition(draw, depth - 1)
        return f"NOT ({text})", lambda row: None if is_true(row) is None else not is_true(row)
    name = draw.choice(sorted(VALUES))
    spelled = f'"{name}"' if " " in name or draw.random() < 0.3 else name
    words = [draw.choice(VALUES[name]) for _ in range(3)]
    chosen = draw.choice(["sign", "sign", "in", "null", "between"])
    negated = draw.random() < 0.4

    def turned(found):
        return found is not negated

    if chosen == "null":
        return f"{spelled} is {'not ' if negated else ''}null", lambda row: turned(row[name] is None)
    known = [plain(word) for word in words]
    if chosen == "in":
        text = f"{spelled} {'NOT ' if negated else ''}in ({', '.join(words)})"
        return text, lambda row: None if row[name] is None else turned(row[name] in known)
    if chosen == "between" and name != "flag":
        text = f"{spelled} {'not ' if negated else ''}between {words[0]} AND {words[1]}"
        return text, lambda row: None if row[name] is None else turned(known[0] <= row[name] <= known[1])
    sign = draw.choice(["=", "!=", "<>"] if name == "flag" else sorted(OPERATORS))
    return (
        f"{spelled}{sign} {words[0]}",
        lambda row: None if row[name] is None else OPERATORS[sign](row[name], known[0]),
    )


def table():
    kinds = {
        "t": pa.timestamp("us"),
        "epoch": pa.int64(),
        "day": pa.date32(),
        "price": pa.decimal128(9, 2),
        "flag": pa.bool_(),
    }
    names = list(ROWS[0])
    return pa.table({name: pa.array([row[name] for row in ROWS], kinds.get(name)) for name in names})


def as_text(value):
    if value is None or value != value:
        return ""
    return str(value).lower() if isinstance(value, bool) else str(value)


def quoted(value):
    return '"' + as_text(value).replace('"', '""') + '"' if isinstance(value, str) and value else as_text(value)


@pytest.fixture(scope="module")
def logs(tmp_path_factory):
    """The rows in every kind of file."""
    folder = tmp_path_factory.mktemp("logs")
    made = table()
    pq.write_table(made, folder / "log.parquet", row_group_size=20)
    with pa.ipc.new_file(folder / "log.arrow", made.schema) as file:
        file.write_table(made, max_chunksize=64)
    lines = [",".join(f'"{name}"' for name in ROWS[0]), *(",".join(map(quoted, row.values())) for row in ROWS)]
    (folder / "log.csv").write_text("\n".join(lines) + "\n")
    objects = [
        {
            name: float(each) if isinstance(each, Decimal) else str(each) if isinstance(each, dt.date) else each
            for name, each in row.items()
        }
        for row in ROWS
    ]
    objects = [{name: None if each != each else each for name, each in row.items()} for row in objects]
    (folder / "log.jsonl").write_text("".join(json.dumps(row) + "\n" for row in objects))
    return {"table": made, **{ending: folder / f"log.{ending}" for ending in ("parquet", "arrow", "csv", "jsonl")}}


def kept(source, where, **options):
    with open_log(source, ReadOptions(where=where, **options)) as log:
        try:
            items = [item for batch in log.batches(["user", "item"]) for item in batch.column("item").to_pylist()]
        except BadDataError as error:
            if "keeps" not in str(error):
                raise
            return [], log
        return items, log


@pytest.mark.parametrize("ending", ["parquet", "csv", "jsonl", "arrow", "table"])
def test_random_conditions_keep_what_a_plain_evaluation_keeps(logs, ending):
    draw = random.Random(hash(ending == "csv"))
    empty_is_null = ending == "csv"
    rows = [{name: of_row(row, name, empty_is_null) for name in row} for row in ROWS]
    for _ in range(120 if ending in ("parquet", "csv") else 40):
        text, is_true = condition(draw, 3)
        right = [row["item"] for row in rows if is_true(row) is True]
        items, log = kept(logs[ending], text)
        assert items == right, text
        assert (log.rows_read, log.rows_filtered) == (200, 200 - len(right)), text


def test_row_groups_whose_statistics_cannot_match_are_not_read(logs, monkeypatch):
    opened = []
    original = pq.ParquetFile.iter_batches

    def counted(self, *arguments, row_groups=None, **options):
        opened.extend(row_groups)
        return original(self, *arguments, row_groups=row_groups, **options)

    monkeypatch.setattr(pq.ParquetFile, "iter_batches", counted)
    for where, groups in {
        "sorted >= 16": [8, 9],
        "sorted < 2 or sorted = 19": [0, 9],
        "not (sorted >= 2 and sorted != 19)": [0, 9],
        "sorted between 3.5 and 5": [2],
        "sorted in (4, 11, 200)": [2, 5],
        "sorted < 4 and \"my text\" > 'A'": [0, 1],
        "sorted = 1 and \"my text\" < 'A' and t > 2024-01-05": [],
        "sorted <= 0 and t < 2030-01-01 and f < 1e30": [0],
        "sorted = 7 and epoch >= 2024-01-01": [3],
        "epoch >= 2025-01-01": [],
        "sorted is null": [],
    }.items():
        opened.clear()
        _, log = kept(logs["parquet"], where)
        assert (opened, log.groups_skipped) == (groups, 10 - len(groups)), where


def test_bounds_of_text_floats_and_times_skip(here):
    groups = [
        {"user": [1, 2], "item": [1, 2], "s": ["a", "b"], "f": [0.5, float("nan")], "d": [dt.date(2024, 1, 1)] * 2},
        {"user": [1, 2], "item": [3, 4], "s": [None, None], "f": [3.5, 4.0], "d": [dt.date(2024, 3, 1), None]},
    ]
    tables = [
        pa.table(group, pa.schema({"user": "int64", "item": "int64", "s": "string", "f": "float32", "d": "date32"}))
        for group in groups
    ]
    pq.write_table(pa.concat_tables(tables), "log.parquet", row_group_size=2)
    for where, items, skipped in [
        ("s >= 'b'", [2], 1),
        ("s != 'z'", [1, 2], 1),
        ("s is not null", [1, 2], 1),
        ("s is null", [3, 4], 1),
        ("f is null", [2], 0),
        ("f > 3.6", [4], 1),
        ("d >= 2024-02-01", [3], 1),
        ("d < '2024-02-01'", [1, 2], 1),
        ("not d < 2024-02-01 or s = 'a'", [1, 3], 0),
    ]:
        found, log = kept("log.parquet", where)
        assert (found, log.groups_skipped) == (items, skipped), where


def hive(rows, root="log", ending="parquet"):
    for path, items in rows.items():
        folder = Path(root, path)
        folder.mkdir(parents=True)
        if ending == "parquet":
            pq.write_table(
                pa.table({"item": items, "ts": [1_700_000_000 + item for item in items]}), folder / "p.parquet"
            )
        else:
            (folder / "p.csv").write_text("item,ts\n" + "".join(f"{item},{1_700_000_000 + item}\n" for item in items))


@pytest.mark.parametrize("ending", ["parquet", "csv"])
def test_files_whose_keys_cannot_match_are_not_opened(here, ending):
    hive(
        {
            "user=007/dt=2024-05-01": [1, 2],
            "user=007/dt=2024-05-02": [3],
            "user=7/dt=2024-05-03": [4],
            "user=8/dt=__HIVE_DEFAULT_PARTITION__": [5],
            "user=8/dt=2024-06-01": [6, 7],
        },
        ending=ending,
    )
    for where, items, files in [
        ("dt >= 2024-05-02", [3, 4, 6, 7], 2),
        ("dt between '2024-05-02' and '2024-05-31'", [3, 4], 3),
        ("dt is null", [5], 4),
        ("dt is not null and not dt > 2024-05-02", [1, 2, 3], 3),
        ("user = 7", [1, 2, 3, 4], 2),
        ("user = '007'", [1, 2, 3], 3),
        ("dt = 2024-05-03 or item in (6, 9)", [4, 6], 0),
    ]:
        found, log = kept("log", where)
        assert (sorted(found), log.files_skipped) == (items, files), where
    Path(f"log/user=7/dt=2024-05-03/p.{ending}").write_bytes(b"PAR1 nothing of use")
    assert sorted(kept("log", "dt < 2024-05-03")[0]) == [1, 2, 3]
    with open_log("log", ReadOptions(where="user = '007'", time_col="dt")) as log:
        (users,) = {each for batch in log.batches(["user", "time"]) for each in batch.column("user").to_pylist()}
    assert users == "007"


@pytest.mark.parametrize(
    ("where", "message"),
    [
        ("a = ", "--where lacks a value: a = -->; a value is"),
        ("a = KR", "--where lacks a value: a = -->KR; write 'KR' if this is text"),
        ('a = "K\'R"', "write 'K''R' if this is text"),
        ("a = NULL", "-->NULL; write IS NULL or IS NOT NULL"),
        ("a == 'x", "end the quote"),
        ("(a = 1", "--where lacks a closing parenthesis or AND or OR: (a = 1-->"),
        ("a = 1)", "closes a parenthesis that is not open: a = 1-->)"),
        ("a = 1 b = 2", "--where lacks AND or OR: a = 1 -->b = 2"),
        ("a", "--where lacks a comparison: a-->; write a = true"),
        ("in = 1", '--where lacks the name of a column: -->in = 1; a column of such a name needs quotes: "in"'),
        ("a in 1", "lacks a parenthesis after IN: a in -->1"),
        ("a in (1, 'b')", "with 1 and with 'b', which are of two kinds"),
        ("a between 1 or 2", "lacks AND between two values: a between 1 -->or 2"),
        ("a is 5", "lacks NULL after IS: a is -->5"),
        ("a = 2024-02-30", "a date that is not in the calendar: a = -->2024-02-30"),
        ("a = 1e999", "a number that is out of range"),
        ("a < true", "compares true and false by <"),
        ("", "lacks the name of a column: -->"),
        ("(" * 200 + "a = 1" + ")" * 200, "too many parentheses"),
    ],
)
def test_what_is_no_condition_is_refused_at_its_place(where, message):
    with pytest.raises(UsageError) as error:
        ReadOptions(where=where)
    assert message in str(error.value)
    assert "\n" not in str(error.value)


def test_a_long_chain_and_words_of_sql_parse():
    assert len(parse_condition(" OR ".join(["a = 1"] * 5000)).parts) == 5000
    assert (
        parse_condition("d >= DATE '2024-05-01'").values[0].value == parse_condition("d >= 2024-05-01").values[0].value
    )
    assert parse_condition("user_id:token = 1").column == "user_id:token"


@pytest.mark.parametrize(
    ("where", "error", "message"),
    [
        ("contry = 'KR'", UsageError, "no column 'contry', which --where names (found: user, item, country, ts, n)"),
        ("contry = 'KR'", UsageError, "did you mean 'country'?"),
        ("time > 2024-01-01", UsageError, "did you mean 'ts'?"),
        ("country > 3", BadDataError, "row 1: the column 'country' holds 'KR', which is not a number"),
        ("country = true", BadDataError, "row 1: the column 'country' holds 'KR', which is neither true nor false"),
        ("country > 2024-01-01", BadDataError, "row 1: 'KR' is not a time (the column 'country', which --where"),
        ("ts = 5", UsageError, "the column 'ts', which has the type timestamp[us], with 5; write a time"),
        ("n = 'x'", UsageError, "the column 'n', which has the type int64, with 'x'; write a number, without quotes"),
        ("n > 99", BadDataError, "none of 2 rows is one that --where 'n > 99' keeps"),
    ],
)
def test_a_column_that_is_not_there_or_does_not_compare(here, where, error, message):
    made = {"user": [1, 2], "item": [1, 2], "country": ["KR", "US"], "ts": [START, START], "n": [1, 2]}
    pq.write_table(pa.table(made), "log.parquet")
    with pytest.raises(error) as raised:
        negprep.train("log.parquet", where=where, holdout="none")
    assert message in str(raised.value)
    assert "\n" not in str(raised.value)


def test_a_text_is_found_by_its_line_and_times_must_be_of_one_kind(here):
    Path("log.csv").write_text("user,item,n\n1,1,5\n2,2,NA\n3,3,\n4,4,six\n")
    with pytest.raises(BadDataError, match=r"log\.csv:5: the column 'n' holds 'six'"):
        kept("log.csv", "n = 5")
    Path("log.csv").write_text("user,item,n\n1,1,5\n2,2,NA\n3,3,\n4,4,6\n")
    assert kept("log.csv", "not n = 5")[0] == [4]
    assert kept("log.csv", "n is null")[0] == [3]
    Path("logs").mkdir()
    Path("logs/a.csv").write_text("user,item,at\n1,1,1700000000\n")
    Path("logs/b.csv").write_text("user,item,at\n1,2,1700000000000\n")
    with pytest.raises(BadDataError, match="is in milliseconds, but 1700000000 is in seconds"):
        kept("logs", "at > 2020-01-01")


def log_of(n=400):
    draw = random.Random(3)
    rows = [
        (draw.randrange(20), draw.randrange(60), 1_700_000_000 + 3600 * at, draw.choice(["KR", "US", ""]))
        for at in range(n)
    ]
    lines = ["user,item,ts,country", *(",".join(map(str, row)) for row in rows)]
    return rows, "\n".join(lines) + "\n"


def run(command, source, target, where, reading=None, **options):
    """The summary of a run."""
    chosen = Options(command=command, read=ReadOptions(where=where, **(reading or {})), **options)
    return prepare(source, target, chosen, force=True)


WHERE = "country = 'KR' and ts >= 2023-11-16"


def test_train_verify_and_the_counts(here):
    rows, text = log_of()
    Path("log.csv").write_text(text)
    wanted = [row for row in rows if row[3] == "KR" and row[2] >= 1_700_092_800]
    summary = run("train", "log.csv", "out.parquet", where=WHERE)
    negprep.train(
        pa.table(dict(zip(("user", "item", "ts"), zip(*[row[:3] for row in wanted], strict=True), strict=True))),
        "plain.parquet",
    )
    assert pq.read_table("out.parquet").equals(pq.read_table("plain.parquet"))
    assert summary.rows_read == len(rows)
    assert summary.rows_filtered == len(rows) - len(wanted)
    assert summary.metadata["where"] == WHERE
    # row order, threads, memory, formats
    lines = text.splitlines()
    Path("log2.csv").write_text("\n".join([lines[0], *reversed(lines[1:])]) + "\n")
    columns = dict(zip(("user", "item", "ts", "country"), map(list, zip(*rows, strict=True)), strict=True))
    pq.write_table(pa.table(columns), "log.parquet", row_group_size=16)
    bytes_ = Path("out.parquet").read_bytes()
    for source, options in [
        ("log2.csv", {"jobs": 2}),
        ("log.parquet", {"jobs": 1}),
        ("log.parquet", {"memory": 1 << 26}),
    ]:
        negprep.train(source, "again.parquet", where=WHERE, force=True, **options)
        assert Path("again.parquet").read_bytes() == bytes_
    # verify takes the condition from the metadata, and finds a positive that it leaves out
    assert not negprep.verify("out.parquet", log="log.csv").failed
    negprep.test("log.csv", "test.parquet", where=WHERE, num_neg=5)
    negprep.train("log.csv", "all.parquet")
    assert not negprep.verify(["out.parquet", "test.parquet"], log="log.csv", where=WHERE).failed
    with pytest.raises(UsageError, match="leave --where out: it is taken from there"):
        negprep.verify("out.parquet", log="log.csv", where="ts > 5")
    with pytest.raises(UsageError, match="verify them one by one"):
        negprep.verify(["out.parquet", "all.parquet"], log="log.csv")
    planted = pq.read_table("all.parquet").replace_schema_metadata(pq.read_schema("out.parquet").metadata)
    pq.write_table(planted, "planted.parquet")
    assert negprep.verify("planted.parquet", log="log.csv").failed
    assert checks.verify([("out.parquet", None)], "log.parquet").failed is False


def test_it_comes_before_labels_invalid_rows_and_expected_rows(here):
    Path("log.csv").write_text("user,item,label,ok\n1,1,1,1\n1,2,0,0\n,3,1,0\n2,2,1,1\n2,1,1,1\n")
    summary = run("train", "log.csv", "out.parquet", where="ok = 1", reading={"expect_rows": 3}, holdout="none")
    assert (summary.rows_read, summary.rows_filtered, summary.rows_dropped) == (5, 2, {})
    with pytest.raises(BadDataError, match="3 rows, without 2 that --where leaves out, where --expect-rows says 5"):
        negprep.train("log.csv", "out.parquet", where="ok = 1", expect_rows=5, holdout="none", force=True)
    summary = run("train", "log.csv", "out.parquet", where="item > 1", reading={"drop_invalid": True}, positive="all")
    assert (summary.rows_filtered, summary.rows_dropped) == (2, {"null user id": 1})


def test_an_error_in_a_kept_row_names_its_line(here):
    Path("log.csv").write_text("user,item,ok\n1,1,0\n,2,0\n3,3,1\n,4,1\n")
    with pytest.raises(BadDataError, match=r"log\.csv:5: null user id"):
        kept("log.csv", "ok = 1")


def test_prepare_inspect_fit_and_report_take_it(here):
    rows, text = log_of()
    Path("log.csv").write_text(text)
    n_kept = sum(row[3] == "KR" for row in rows)
    bundle = negprep.prepare("log.csv", "out/", where="country = 'KR'", test_num_neg=5)
    assert {part.rows_filtered for part in bundle.parts.values()} == {len(rows) - n_kept}
    assert json.loads(Path("out/negprep.json").read_text())["rows_filtered"] == len(rows) - n_kept
    assert "`country = 'KR'` left" in Path("out/README.md").read_text()
    assert not negprep.verify("out", log="log.csv").failed
    assert negprep.inspect("log.csv", where="country = 'KR'").log.rows == n_kept
    negprep.fit("log.csv", "model.npz", where="country = 'KR'", kind="als", factors=2)
    hard = run("train", "log.csv", "hard.parquet", where="country = 'US'", sampler=("hard",), pool=4, model="model.npz")
    assert any("the model was made with where country = 'KR'" in warning for warning in hard.warnings)
    pytest.importorskip("jinja2")
    negprep.report("out/test.parquet", "page.html", log="log.csv")


def test_spark_refuses_it():
    with pytest.raises(NegprepError, match="--where with --engine spark"):
        refuse_on_spark(Options(command="train", read=ReadOptions(where="a = 1")))


def test_frames_with_an_index_and_lists_of_what_was_shown(here):
    pandas = pytest.importorskip("pandas")
    rows = {"user": [1, 1, 2, 2], "item": [1, 2, 3, 4], "f": [1.0, None, 3, 4], "o": ["a", None, "b", "a"]}
    frame = pandas.DataFrame(rows).set_index(pandas.Index([0, 1, 0, 1], name="level"))
    for where, items in [("f > 1", [3, 4]), ("o = 'a'", [1, 4]), ("level = 1", [2, 4]), ("o is null", [2])]:
        assert kept(frame, where)[0] == items
    shown = {"user": [1, 2, 3], "item": [1, 2, 9], "shown": [[1, 2, 3], [2, 4], [1, 5]], "d": [1, 2, 3]}
    pq.write_table(pa.table(shown), "shown.parquet", row_group_size=1)
    items, log = kept("shown.parquet", "item >= 4 or click = 0 and d = 1", shown_col="shown")
    assert sorted(items) == [2, 3, 4, 5, 9]  # though no statistics tell of items in lists
    assert (log.rows_read, log.rows_filtered, log.groups_skipped) == (8, 3, 0)
