"""Lists and objects give the rows of the flat log, whatever holds them and wherever they are cut."""

import json
import random

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.dataset as ds
import pyarrow.parquet as pq
import pytest

import negprep
from negprep.errors import BadDataError, UsageError
from negprep.options.reading import ReadOptions
from negprep.read import nested
from negprep.read.log import open_log

FORMS = ["jsonl", "parquet", "arrow", "table", "frame", "stream", "data set"]
ROLES = ("user", "item", "time", "value", "event")


def kept(here, rows, form, **options):
    """Rows, as dicts, as a log of a form."""
    if form == "jsonl":
        (here / "log.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
        return "log.jsonl"
    if form == "frame":
        return pd.DataFrame(rows)
    table = pa.Table.from_pylist(rows)
    if form == "parquet":
        pq.write_table(table, "log.parquet", **options)
        return "log.parquet"
    if form == "arrow":
        with pa.OSFile("log.arrow", "wb") as file, pa.ipc.new_file(file, table.schema) as writer:
            writer.write_table(table, max_chunksize=7)
        return "log.arrow"
    if form == "stream":
        return table.to_reader(max_chunksize=7)
    return ds.dataset(table) if form == "data set" else table


def flat_rows(n_users=40, ids=int, seed=5):
    """Rows of user, item, time, value and event, of some users many, in order of users."""
    draw = random.Random(seed)
    rows = []
    for user in range(n_users):
        for n in range(draw.choice([1, 2, 3, 30])):
            item = draw.randrange(60)
            one = (f"u{user}", f"i{item}") if ids is str else (user, item)
            rows.append((*one, 10**9 + 100 * user + n, float(draw.randrange(1, 6)), draw.choice(["see", "buy"])))
    return rows


def grouped(rows, make):
    """A row for each user, of all interactions."""
    users = dict.fromkeys(row[0] for row in rows)
    return [make(user, [row[1:] for row in rows if row[0] == user]) for user in users]


def names_of(*columns):
    return dict(zip(("user_col", "item_col", "time_col", "value_col", "event_col"), columns, strict=False))


SHAPES = {
    "lists": (
        lambda user, rows: dict(
            zip(
                ("user", "items", "times", "ratings", "types"),
                [user, *map(list, zip(*rows, strict=True))],
                strict=True,
            )
        ),
        {},
    ),
    "events": (
        lambda user, rows: {
            "session": user,
            "events": [{"aid": i, "ts": t, "score": v, "type": e, "more": {"x": [1]}} for i, t, v, e in rows],
        },
        names_of("session", "events.aid", "events.ts", "events.score", "events.type"),
    ),
    "recognised events": (
        lambda user, rows: {
            "user": {"id": user, "name": "x"},
            "tracks": [{"id": i, "time": t, "rating": v, "event": {"type": e}} for i, t, v, e in rows],
            "tags": [{"type": "other"}] * 3,
        },
        {},
    ),
    "lists within an object": (
        lambda user, rows: {
            "user_id": user,
            "basket": dict(
                zip(("products", "ts", "counts", "actions"), map(list, zip(*rows, strict=True)), strict=True)
            ),
        },
        {},
    ),
    "objects within an object": (
        lambda user, rows: {
            "who": {"key": {"n": user}},
            "a": {"b": [{"c": {"d": i}, "t": t, "v": v, "e": e} for i, t, v, e in rows]},
        },
        names_of("who.key.n", "a.b.c.d", "a.b.t", "a.b.v", "a.b.e"),
    ),
}


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("ids", [int, str])
def test_the_rows_of_the_flat_log(here, read, monkeypatch, form, shape, ids):
    make, options = SHAPES[shape]
    rows = flat_rows(ids=ids)
    wanted = [(user, item, time * 10**9, value, event) for user, item, time, value, event in rows]
    log = grouped(rows, make)
    found = read(kept(here, log, form, row_group_size=9), ROLES, **options)
    assert found.rows == wanted
    assert found.rows_read == len(rows)
    assert list(found.columns) == list(ROLES)
    assert found.warnings == []
    for most in (1, 2, 7, 29, 64):  # wherever the lists are cut
        monkeypatch.setattr(nested, "ROWS", most)
        monkeypatch.setattr("negprep.read.parquet._ROWS", most)
        monkeypatch.setattr("negprep.read.tables._ROWS", most)
        assert read(kept(here, log, form, row_group_size=9), ROLES, **options).rows == wanted


LACKING = [
    {"user": 1, "items": [1, 2], "times": [3, 4]},
    {"user": 2, "items": [], "times": []},
    {"user": 3, "items": None, "times": None},
    {"user": 4, "items": [5, 6], "times": None},
    {"user": 5, "items": [None, 7], "times": [8, 9]},
    {"user": None, "items": [10, 11], "times": [12, 13]},
    {"user": 7, "items": None, "times": [14]},
    {"user": 8, "items": [15], "times": [16]},
]


def plainly(rows):
    """The rows that are left, and those dropped by reason: an independent count."""
    left, dropped = [], {}
    for row in rows:
        items, times = row["items"], row["times"]
        size = len(items if items is not None else times if times is not None else [None])
        items, times = items if items is not None else [None] * size, times if times is not None else [None] * size
        for item, time in zip(items, times, strict=True):
            lacks = [
                reason
                for value, reason in (
                    (row["user"], "null user id"),
                    (item, "null item id"),
                    (time, "missing or infinite time"),
                )
                if value is None
            ]
            if lacks:
                dropped[lacks[0]] = dropped.get(lacks[0], 0) + 1
            else:
                left.append((row["user"], item, time * 10**9))
    return left, dropped


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("most", [1, 3, 1000])
def test_nulls_are_dropped_and_counted(here, read, monkeypatch, form, most):
    monkeypatch.setattr(nested, "ROWS", most)
    left, dropped = plainly(LACKING)
    log = kept(here, LACKING, form)
    if form == "frame":
        log = log.astype({"user": "Int64"})
    found = read(log, ("user", "item", "time"), drop_invalid=True)
    assert (found.rows, found.rows_dropped) == (left, dropped)
    assert found.rows_read == len(left) + sum(dropped.values())


@pytest.mark.parametrize("form", ["jsonl", "parquet", "table"])
@pytest.mark.parametrize(
    ("row", "what"),
    [
        ({"user": 1, "items": [1, 2], "times": [1]}, "lists of one row differ in length: 'items' has 2, 'times' has 1"),
        ({"user": 1, "items": [], "times": [1]}, "lists of one row differ in length: 'items' has 0, 'times' has 1"),
        ({"user": 1, "items": None, "times": None}, "null item id; --drop-invalid"),
        ({"user": 1, "items": [4, None], "times": [1, 2]}, ", element 2: null item id; --drop-invalid"),
        ({"user": 1, "items": [4, 5], "times": [1, None]}, ", element 2: missing or infinite time; --drop-invalid"),
        ({"user": None, "items": [4], "times": [1]}, ", element 1: null user id; --drop-invalid"),
    ],
)
def test_what_is_wrong_names_the_row_and_the_element(here, read, form, row, what):
    log = kept(here, [{"user": 9, "items": [1], "times": [2]}] * 4 + [row], form)
    place = {"jsonl": "log.jsonl:5", "parquet": "log.parquet: row 5", "table": "row 5"}[form]
    with pytest.raises(BadDataError) as error:
        read(log, ("user", "item", "time"))
    message = str(error.value)
    assert message.startswith((f"{place}{what}", f"{place}: {what}"))
    assert "\n" not in message


JSON = {
    "another type": ('{"user": 1, "items": [1, "2"]}', "2, element 2: the item '2' is a string, but another is an int"),
    "no list": ('{"user": 1, "items": 5}', "2: the item 5 is an integer, but another is a list; write all in one form"),
    "a list within": ('{"user": 1, "items": [1, [2]]}', "2, element 2: the item is a list; write a string or a number"),
    "an object within": ('{"user": 1, "items": [{"a": 1}]}', "2, element 1: the item is an object; write a string"),
    "a fraction": ('{"user": 1, "items": [1, 2.5]}', "2, element 2: the item 2.5 is a number with a fraction, but"),
}


@pytest.mark.parametrize("name", JSON)
def test_json_lists_of_another_form(here, read, name):
    line, what = JSON[name]
    (here / "log.jsonl").write_text('{"user": 1, "items": [1, 2]}\n' + line + "\n")
    with pytest.raises(BadDataError) as error:
        read("log.jsonl")
    assert str(error.value).startswith(f"log.jsonl:{what}")


EVENTS = [{"session": n, "events": [{"aid": 1, "ts": 2, "wide": [1]}]} for n in range(2)]
ASKED = {
    "nothing": (
        {},
        "no column for the users (found: session, events.aid, events.ts, events.wide); name it with",
    ),
    "the user": (
        {"user_col": "session"},
        "no column for the items (found: session, events.aid, events.ts, events.wide)",
    ),
    "the list": (
        {"item_col": "events"},
        "the column 'events' holds objects, with events.aid, events.ts, events.wide; name one of them, such as --item-",
    ),
    "a misspelling": (
        {"item_col": "events.adi"},
        "no column 'events.adi' (found: session, events.aid, events.ts, events",
    ),
    "a list within": (names_of("session", "events.wide"), "the column 'events.wide' is in lists within lists; write a"),
}


@pytest.mark.parametrize("form", ["jsonl", "parquet"])
@pytest.mark.parametrize("asked", ASKED)
def test_a_column_that_is_not_found_is_named_with_those_that_exist(here, read, form, asked):
    options, what = ASKED[asked]
    with pytest.raises((BadDataError, UsageError)) as error:
        read(kept(here, EVENTS, form), **options)
    assert str(error.value).startswith(f"log.{form}: {what}")


def test_two_lists_that_fit_are_ambiguous(here, read):
    log = kept(here, [{"user": 1, "seen": [{"item": 1, "ts": 5}], "bought": [{"item": 2, "ts": 6}]}], "jsonl")
    with pytest.raises(BadDataError, match=r"could be the item: seen\.item, bought\.item; choose with --item-col"):
        read(log)
    found = read(log, ("user", "item", "time"), item_col="bought.item")
    assert (found.rows, found.columns["time"]) == ([(1, 2, 6 * 10**9)], "bought.ts")


@pytest.mark.parametrize("form", FORMS)
def test_a_name_with_a_dot_of_its_own_comes_first(here, read, form):
    rows = [{"user": n, "a": {"b": n + 50}, "a.b": n + 10} for n in range(5)]
    found = read(kept(here, rows, form), item_col="a.b")
    assert found.rows == [(n, n + 10) for n in range(5)]


@pytest.mark.parametrize("form", FORMS)
def test_a_flat_log_with_lists_and_objects_stays_as_it_is(here, read, form):
    rows = [{"user": n, "item": n, "times": [1, 2], "meta": {"time": 5}, "weight": [1.5, 2.5]} for n in range(5)]
    found = read(kept(here, rows, form))
    assert found.rows == [(n, n) for n in range(5)]
    assert found.rows_read == 5
    assert "time" not in found.columns
    found = read(kept(here, rows, form), ("user", "item", "time"), time_col="meta.time")
    assert found.rows == [(n, n, 5 * 10**9) for n in range(5)]
    found = read(kept(here, rows, form), ("user", "item", "time"), time_col="times")
    assert found.rows == [(n, n, time * 10**9) for n in range(5) for time in (1, 2)]


@pytest.mark.parametrize(
    "kind",
    [
        *(make(pa.int64()) for make in (pa.list_, pa.large_list, pa.list_view, pa.large_list_view)),
        pa.list_(pa.int64(), 2),
        pa.list_(pa.string()),
        pa.list_(pa.dictionary(pa.int32(), pa.string())),
    ],
    ids=str,
)
def test_lists_of_every_kind(read, kind):
    items = [[1, 2], [3, 4], None, [5, 6]]
    words = [each and [str(item) for item in each] for each in items]
    column = pa.array(words if "string" in str(kind) else items, kind)
    table = pa.table({"user": ["a", "b", "c", "d"], "items": column})
    wanted = [("a", 1), ("a", 2), ("b", 3), ("b", 4), ("d", 5), ("d", 6)]
    found = read(table, drop_invalid=True)
    assert (found.rows, found.rows_dropped) == (wanted, {"null item id": 1})
    assert read(table.slice(1), drop_invalid=True).rows == wanted[2:]


def test_times_of_every_kind(here, read):
    times = [[pd.Timestamp("2024-05-01 12:30"), pd.Timestamp("2024-05-02")], [pd.Timestamp("2024-05-03")]]
    table = pa.table({"user": [1, 2], "items": [[1, 2], [3]], "times": pa.array(times, pa.list_(pa.timestamp("us")))})
    wanted = [time.value for row in times for time in row]
    assert [row[2] for row in read(table, ("user", "item", "time")).rows] == wanted
    pq.write_table(table, "log.parquet", use_deprecated_int96_timestamps=True)
    assert [row[2] for row in read("log.parquet", ("user", "item", "time")).rows] == wanted


def test_parquet_reads_the_leaves_that_are_needed_in_batches_by_what_they_hold(here, monkeypatch):
    rows = [{"user": n, "events": [{"item": i, "note": "x" * 50} for i in range(100)]} for n in range(200)]
    log = kept(here, rows, "parquet")
    asked = []
    whole = pq.ParquetFile.iter_batches

    def iter_batches(self, size, *, row_groups, columns):
        asked.append((size, columns))
        return whole(self, size, row_groups=row_groups, columns=columns)

    monkeypatch.setattr(pq.ParquetFile, "iter_batches", iter_batches)
    monkeypatch.setattr("negprep.read.parquet._ROWS", 500)
    monkeypatch.setattr(nested, "ROWS", 500)
    with open_log(log) as reader:
        sizes = [batch.num_rows for batch in reader.batches(["user", "item"])]
    assert asked == [(5, ["user", "events.list.element.item"])]
    assert (sum(sizes), max(sizes)) == (20_000, 500)


def test_files_of_which_some_lack_a_leaf(here, read):
    for name, event in (("a", {"item": 1, "ts": 5}), ("b", {"item": 2})):
        pq.write_table(pa.Table.from_pylist([{"user": name, "events": [event]}]), f"log-{name}.parquet")
    assert read("log-*.parquet").rows == [("a", 1), ("b", 2)]
    with pytest.raises(BadDataError, match=r"no column 'events\.ts' \(found: .*\), but log-a\.parquet has it"):
        read("log-*.parquet", ("user", "item", "time"), time_col="events.ts")


def test_a_key_that_appears_late_within_events(here, read):
    lines = [{"user": n, "events": [{"item": 1, **({"kind": "buy"} if n > 150 else {})}]} for n in range(160)]
    log = kept(here, lines, "jsonl")
    found = read(log, ("user", "item", "event"), event_col="events.kind", drop_invalid=True)
    assert found.rows == [(n, 1, "buy") for n in range(151, 160)]


def test_a_frame_whose_later_rows_are_no_lists(read, monkeypatch):
    monkeypatch.setattr("negprep.read.tables._ROWS", 2)
    with pytest.raises(BadDataError, match="row 3: the column 'items' has the type int64, where other rows have lists"):
        read(pd.DataFrame({"user": [1, 2, 3], "items": [[1], [2], 3]}))
    with pytest.raises(BadDataError, match="the column 'items' holds mixed types"):
        read(pd.DataFrame({"user": [1, 2], "items": [[1], "b"]}))


def shop():
    """Users with events of clicks, of which some are of purchases, with prices."""
    rows = flat_rows(60)
    made = grouped(
        rows,
        lambda user, all_of: {
            "user": user,
            "events": [
                {"item": item, "ts": time, "price": value, "type": event, "bought": int(event == "buy")}
                for item, time, value, event in all_of
            ],
        },
    )
    flat = pd.DataFrame(rows, columns=["user", "item", "ts", "price", "type"])
    return made, flat.assign(bought=(flat["type"] == "buy").astype(int))


@pytest.mark.parametrize("form", FORMS)
def test_the_same_bytes_as_of_the_flat_log(here, form):
    made, flat = shop()
    flat.to_csv("flat.csv", index=False)
    options = {"num_neg": 2, "seed": 3, "with_time": True}
    negprep.train("flat.csv", "flat.parquet", positive="type=buy", keep=["price"], **options)
    negprep.train(
        kept(here, made, form), "nested.parquet", positive="events.type=buy", keep=["events.price"], **options
    )
    wanted, found = pq.read_table("flat.parquet"), pq.read_table("nested.parquet")
    assert found.rename_columns({"events.price": "price"}).select(wanted.column_names).equals(
        wanted.replace_schema_metadata(None)
    ) or found.rename_columns({"events.price": "price"}).to_pydict() == {
        **wanted.to_pydict(),
        "price": [float(price) for price in wanted["price"].to_pylist()],
    }


@pytest.mark.parametrize("form", ["jsonl", "parquet"])
def test_every_command_takes_it(here, form):
    made, _ = shop()
    log = kept(here, made, form)
    with pytest.raises(BadDataError, match=r"the column 'events\.bought' holds 0 and 1.*--positive 'events\.bought=1'"):
        negprep.train(log)
    outputs = []
    for jobs, limits in ((1, {}), (2, {"memory": 1})):  # the second spills
        output = f"out{jobs}.parquet"
        negprep.train(log, output, positive="events.bought=1", jobs=jobs, **limits)
        outputs.append((here / output).read_bytes())
    assert outputs[0] == outputs[1]
    assert not negprep.verify("out1.parquet", log).failed
    rows = pq.read_table("out1.parquet").to_pydict()
    at = rows["label"].index(1)
    rows["item"][at + 1] = rows["item"][at]  # a positive of the user as its negative
    metadata = pq.read_schema("out1.parquet").metadata
    pq.write_table(pa.table(rows, pq.read_schema("out1.parquet")).replace_schema_metadata(metadata), "wrong.parquet")
    assert negprep.verify("wrong.parquet", log).failed
    inspected = negprep.inspect(log, positive="events.bought=1")
    assert inspected.log.rows == sum(len(row["events"]) for row in made)
    negprep.prepare(log, "all/", positive="events.bought=1")
    assert not negprep.verify("all/", log).failed


def test_rows_are_counted_as_interactions(here, read):
    log = kept(here, [{"user": 1, "items": [1, 2]}, {"user": 2, "items": []}, {"user": 3, "items": [3]}], "jsonl")
    assert read(log, expect_rows=3).rows_read == 3
    with pytest.raises(BadDataError, match="3 rows where --expect-rows says 2"):
        read(log, expect_rows=2)


def test_long_lists_are_cut(here):
    table = pa.table({"user": [1, 2], "items": pa.array([list(range(300_000)), [1]], pa.list_(pa.int64()))})
    pq.write_table(table, "log.parquet")
    with open_log("log.parquet", ReadOptions()) as log:
        batches = list(log.batches(["user", "item"]))
    assert max(batch.num_rows for batch in batches) == nested.ROWS
    assert np.concatenate([batch["item"].to_numpy() for batch in batches]).tolist() == [*range(300_000), 1]


def test_shown_lists_beside_objects(here, read):
    rows = [{"user": {"id": n}, "item": n + 1, "shown": [n + 1, n + 2, n + 3]} for n in range(5)]
    wanted = sorted((n, n + add) for n in range(5) for add in (1, 2, 3))
    for form in ("jsonl", "parquet", "table"):
        assert sorted(read(kept(here, rows, form), shown_col="shown").rows) == wanted
    rows = [{"user": 1, "items": [1, 2], "shown": [1, 2, 3]}]
    with pytest.raises(UsageError, match="the column 'items' is in lists, and --shown-col takes rows with one item"):
        read(kept(here, rows, "parquet"), shown_col="shown")


@pytest.mark.parametrize("form", FORMS)
def test_conditions_on_elements(here, form):
    made, flat = shop()
    wanted = flat[(flat["type"] == "buy") & (flat["price"] >= 3)]
    with open_log(
        kept(here, made, form, row_group_size=7), ReadOptions(where="events.type = 'buy' and events.price >= 3")
    ) as log:
        watched = log.batches(["user", "item"], watched=log.label_columns)
        rows = [row for batch in watched for row in zip(*(each.to_pylist() for each in batch.columns), strict=True)]
        assert rows == list(zip(wanted["user"], wanted["item"], strict=True))
        assert (log.rows_read, log.rows_filtered) == (len(flat), len(flat) - len(wanted))
        assert log.labels["events.bought"].negatives == []
    with pytest.raises(UsageError, match=r"no column 'events\.kind', which --where names \(found: .*events\.type"):
        open_log(kept(here, made, form), ReadOptions(where="events.kind = 'buy'"))


def test_leaves_behind_maps_in_parquet(here, read):
    deep = pa.map_(pa.string(), pa.struct([("a", pa.int64()), ("b", pa.list_(pa.int64()))]))
    table = pa.table(
        {
            "m": pa.array([[("k", {"a": 1, "b": [2]})]] * 2, deep),
            "user": [1, 2],
            "key": pa.array([bytes(16)] * 2, pa.uuid()),
            "events": [[{"item": 7, "ts": 1}], [{"item": 8, "ts": 2}, {"item": 9, "ts": 3}]],
        }
    )
    pq.write_table(table, "log.parquet")
    assert read("log.parquet").rows == read(table).rows == [(1, 7), (2, 8), (2, 9)]
