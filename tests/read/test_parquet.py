"""Parquet gives what the CSV of the same log gives; damage is one line."""

import gzip
import threading
import uuid

import pyarrow as pa
import pyarrow.csv as csv
import pyarrow.parquet as pq
import pytest

from negprep.errors import BadDataError, UsageError
from negprep.options.reading import ReadOptions
from negprep.read.log import open_log

TABLE = pa.table({"user": [1, 2, 3], "item": ["a", "007", "7"], "time": [5, 6, 7], "event": [1, 1, 2]})


@pytest.fixture
def write(here):
    def write(table, name="in.parquet", **options):
        pq.write_table(table, name, **options)
        return name

    return write


def test_same_rows_as_csv(read, write):
    csv.write_csv(TABLE, "in.csv")
    roles = ("user", "item", "time", "event")
    assert read(write(TABLE), roles).rows == read("in.csv", roles).rows


TEXT = [
    pa.string(),
    pa.large_string(),
    pa.string_view(),
    pa.dictionary(pa.int8(), pa.string()),
    pa.dictionary(pa.int32(), pa.large_string()),
]


@pytest.mark.parametrize("kind", TEXT, ids=str)
@pytest.mark.parametrize("dictionary", [True, False])
@pytest.mark.parametrize(("ids", "wanted"), [(["7", "10", "7"], [7, 10, 7]), (["7", "007", "7"], ["7", "007", "7"])])
def test_strings_of_every_kind(read, write, kind, dictionary, ids, wanted):
    column = pa.array(ids).dictionary_encode().cast(kind) if pa.types.is_dictionary(kind) else pa.array(ids).cast(kind)
    name = write(pa.table({"user": column, "item": [1, 2, 3]}), use_dictionary=dictionary)
    assert read(name).rows == list(zip(wanted, [1, 2, 3], strict=True))


def test_dictionary_values_that_do_not_occur_decide_nothing(read):
    column = pa.DictionaryArray.from_arrays(pa.array([0, 0], pa.int32()), pa.array(["7", "seven", None]))
    found = read(pa.table({"user": column, "item": column}))
    assert found.rows == [(7, 7), (7, 7)]
    assert found.types == {"user": "int64", "item": "int64"}


def test_null_in_a_dictionary_is_missing(read):
    column = pa.DictionaryArray.from_arrays(pa.array([0, 1, None], pa.int32()), pa.array(["7", None]))
    found = read(pa.table({"user": column, "item": [1, 2, 3]}), drop_invalid=True)
    assert found.rows == [(7, 1)]
    assert found.rows_dropped == {"null user id": 2}


@pytest.mark.parametrize("bad", [None, ""])
def test_place_is_a_row(read, write, bad):
    table = pa.table({"user": ["a"] * 400_000 + [bad], "item": [1] * 400_001})
    with pytest.raises(BadDataError) as error:
        read(write(table, row_group_size=150_000))
    message = "in.parquet: row 400001: null user id; --drop-invalid drops and counts such rows"
    assert str(error.value) == message


@pytest.mark.parametrize("size", [1, 7, 100, 1_000])
def test_row_groups_come_in_their_order(read, write, monkeypatch, size):
    monkeypatch.setattr("negprep.read.parquet._ROWS", 40)
    table = pa.table({"user": range(1_000), "item": range(1_000, 2_000)})
    assert read(write(table, row_group_size=size)).rows == [(row, row + 1_000) for row in range(1_000)]


def test_whoever_stops_reading_leaves_no_thread(write, monkeypatch):
    monkeypatch.setattr("negprep.read.parquet._ROWS", 10)
    table = pa.table({"user": range(1_000), "item": range(1_000)})
    with open_log(write(table, row_group_size=100), ReadOptions()) as log:
        batches = log.batches(["user", "item"])
        next(batches)
        assert any(thread.name.startswith("negprep-read") for thread in threading.enumerate())
        batches.close()
    assert not any(thread.name.startswith("negprep-read") for thread in threading.enumerate())


def test_type_that_changes_after_many_rows_is_decided_per_batch(read, write):
    users = [str(n) for n in range(600_000)] + ["x"]
    rows = read(write(pa.table({"user": users, "item": [1] * 600_001}))).rows
    assert [str(user) for user, _ in rows] == users


def test_exact_integers(read, write):
    table = pa.table({"user": pa.array([2**53 + 1, None], pa.int64()), "item": pa.array([2**64 - 1, 1], pa.uint64())})
    assert read(write(table), drop_invalid=True).rows == [(2**53 + 1, "18446744073709551615")]


def test_refused_type(read, write):
    with pytest.raises(BadDataError) as error:
        read(write(pa.table({"user": pa.array([[(1, 2)]], pa.map_(pa.int8(), pa.int8())), "item": [1]})))
    what = "in.parquet: row 1: the user id has the type map<int8, int8"
    assert str(error.value).startswith(what)


@pytest.mark.parametrize("part", range(50))
def test_cut_at_every_fiftieth(here, read, write, part):
    data = (here / write(TABLE)).read_bytes()
    (here / "cut.parquet").write_bytes(data[: len(data) * part // 50])
    with pytest.raises(BadDataError) as error:
        read("cut.parquet")
    assert "\n" not in str(error.value)
    assert str(error.value).startswith("cut.parquet: ")


def test_damaged_page(here, read, write):
    write(
        pa.table({"user": list(range(1000)), "item": list(range(1000))}),
        use_dictionary=False,
        compression="none",
        write_page_checksum=True,
    )
    data = bytearray((here / "in.parquet").read_bytes())
    data[2000] ^= 1
    (here / "in.parquet").write_bytes(data)
    with pytest.raises(
        BadDataError, match=r"^in\.parquet: unreadable Parquet: .*CRC checksum.*; is it cut short or damaged"
    ):
        read("in.parquet")


def test_compressed_parquet(here, read, write):
    (here / "in.gz").write_bytes(gzip.compress((here / write(TABLE)).read_bytes()))
    with pytest.raises(BadDataError) as error:
        read("in.gz")
    assert str(error.value) == "in.gz: Parquet inside gzip; decompress the gzip first"


@pytest.mark.parametrize(("option", "value"), [("columns", ("user", "item")), ("delimiter", ",")])
def test_text_options(read, write, option, value):
    with pytest.raises(UsageError) as error:
        read(write(TABLE), **{option: value})
    assert str(error.value) == f"in.parquet: --{option} is for text files; leave --{option} out"


def test_no_rows(read, write):
    with pytest.raises(BadDataError) as error:
        read(write(TABLE.slice(0, 0)))
    assert str(error.value) == "in.parquet: no rows; is the log cut short?"


def test_a_dictionary_bomb_is_refused_within_bounds(read, write):
    column = pa.DictionaryArray.from_arrays(pa.array([0] * 100_000, pa.int32()), pa.array(["x" * 10_000_000]))
    name = write(pa.table({"user": column, "item": column.indices}))
    before = pa.total_allocated_bytes()
    with pytest.raises(BadDataError, match="the user id has 10000000 bytes, and the limit is 65536; shorten it"):
        read(name)
    assert pa.total_allocated_bytes() - before < 200_000_000


def test_pickled_extension_types_are_not_executed(here, read, write):
    payload = b"cos\nsystem\n(S'touch executed'\ntR."
    field = pa.field(
        "user",
        pa.int64(),
        metadata={"ARROW:extension:name": "arrow.py_extension_type", "ARROW:extension:metadata": payload},
    )
    table = pa.Table.from_arrays(
        [pa.array([1]), pa.array([2])], schema=pa.schema([field, pa.field("item", pa.int64())])
    )
    assert read(write(table)).rows == [(1, 2)]
    assert not (here / "executed").exists()


UUIDS = [uuid.UUID(int=number) for number in (0, 2**127 + 12345, 2**128 - 1)]


@pytest.mark.parametrize("kind", [pa.binary(), pa.large_binary(), pa.binary_view(), pa.binary(2)])
def test_bytes_are_ids_of_text(here, read, kind):
    for ids, wanted in (([b"\xc3\xa9", b"b7"], ["é", "b7"]), ([b"17", b"20"], [17, 20])):
        table = pa.table({"user": [1, 2], "item": pa.array(ids, kind)})
        pq.write_table(table, "log.parquet")
        assert read("log.parquet").rows == read(table).rows == [*zip([1, 2], wanted, strict=True)]
    table = pa.table({"user": [1, 2], "item": pa.array([b"ab", b"\xff\xfe"], kind)})
    with pytest.raises(BadDataError, match=r"^row 2: the item id is not UTF-8"):
        read(table)


def test_uuids_are_ids_in_their_text_form(here, read):
    table = pa.table({"user": pa.array([each.bytes for each in UUIDS], pa.uuid()), "item": [1, 2, 3]})
    pq.write_table(table, "log.parquet")
    wanted = [*zip(map(str, UUIDS), [1, 2, 3], strict=True)]
    assert read("log.parquet").rows == read(table).rows == wanted
    assert read(table.slice(1)).rows == wanted[1:]
    lacking = pa.table({"user": pa.array([UUIDS[0].bytes, None, UUIDS[2].bytes], pa.uuid()), "item": [1, 2, 3]})
    found = read(lacking, drop_invalid=True)
    assert (found.rows, found.rows_dropped) == ([wanted[0], wanted[2]], {"null user id": 1})


def test_a_column_name_that_is_not_utf_8(here, read):
    pq.write_table(pa.table({"user": [1], "item": [2], "noXise": [3]}), "log.parquet", store_schema=False)
    path = here / "log.parquet"
    path.write_bytes(path.read_bytes().replace(b"noXise", b"no\xffise"))
    with pytest.raises(BadDataError) as error:
        read("log.parquet")
    message = r"log.parquet: the column name b'no\xffise' is not UTF-8; write the file again with other names"
    assert str(error.value) == message
