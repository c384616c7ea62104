"""Ids are kept to the letter."""

import uuid

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from negprep.errors import BadDataError, RowError
from negprep.read.convert import parse_ids

INTEGERS = ["0", "7", "-7", "10", "-10", "99", "100", "9007199254740993", "9223372036854775807", "-9223372036854775808"]
TEXT = [
    "007",
    "+7",
    " 7",
    "7 ",
    "-0",
    "0x1F",
    "0x174876E800",
    "1e3",
    "1.0",
    "9223372036854775808",
    "-9223372036854775809",
]
WORDS = ["NA", "null", "None", "nan", "é", "٣", "1_000", "1,5", "--1", "-"]


@pytest.mark.parametrize("text", INTEGERS)
def test_canonical_integers_become_int64(text):
    parsed = parse_ids(pa.array([text, "5"]), "user id")
    assert parsed.type == pa.int64()
    assert [str(value) for value in parsed.to_pylist()] == [text, "5"]


@pytest.mark.parametrize("text", TEXT + WORDS)
@pytest.mark.parametrize("others", [[], ["5", "-100"]], ids=["alone", "beside integers"])
def test_anything_else_keeps_the_batch_as_text(text, others):
    parsed = parse_ids(pa.array([*others, text]), "user id")
    assert parsed.type == pa.string()
    assert parsed.to_pylist() == [*others, text]


def test_a_slice_is_read_within_its_bounds():
    array = pa.array(["007", "1", "23", "x"])
    assert parse_ids(array.slice(1, 2), "user id").to_pylist() == [1, 23]


def test_all_powers_of_ten_are_canonical():
    powers = [sign * 10**n + step for n in range(19) for sign in (1, -1) for step in (-1, 0, 1)]
    assert parse_ids(pa.array([str(power) for power in powers]), "user id").to_pylist() == powers


@pytest.mark.parametrize("kind", [pa.int8(), pa.int16(), pa.int32(), pa.int64(), pa.uint8(), pa.uint32(), pa.uint64()])
def test_integer_columns(kind):
    parsed = parse_ids(pa.array([1, 7], kind), "user id")
    assert parsed.type == pa.int64()
    assert parsed.to_pylist() == [1, 7]


def test_large_unsigned_integers_become_text():
    assert parse_ids(pa.array([1, 2**63], pa.uint64()), "user id").to_pylist() == ["1", "9223372036854775808"]


def test_whole_decimals_are_integers():
    assert parse_ids(pa.array([7]).cast(pa.decimal128(20, 0)), "user id").to_pylist() == [7]
    huge = pa.array(["123456789012345678901"]).cast(pa.decimal128(38, 0))
    assert parse_ids(huge, "user id").to_pylist() == ["123456789012345678901"]


def test_whole_floats_are_integers():
    assert parse_ids(pa.array([1.0, -7.0]), "user id").to_pylist() == [1, -7]


@pytest.mark.parametrize(("value", "shown"), [(1.5, "1.5"), (2.0**53, "9007199254740992.0"), (float("inf"), "inf")])
def test_floats_that_bend_ids_are_refused(value, shown):
    with pytest.raises(RowError) as error:
        parse_ids(pa.array([1.0, value]), "user id")
    assert error.value.row == 1
    assert error.value.what == f"the user id {shown} is in a column of floats, which bend ids"


@pytest.mark.parametrize(
    "array",
    [
        pa.array([True]),
        pa.array([[1]]),
        pa.array([{"a": 1}]),
        pa.array([b"x"]),
        pa.array([1], pa.timestamp("s")),
        pa.array([1], pa.date32()),
        pa.array(["1.5"]).cast(pa.decimal128(5, 1)),
    ],
    ids=lambda array: str(array.type),
)
def test_other_types_are_refused_by_name(array):
    with pytest.raises(RowError) as error:
        parse_ids(array, "item id")
    assert error.value.what == f"the item id has the type {array.type}"


def test_invalid_utf8_is_refused():
    broken = pa.Array.from_buffers(pa.string(), 2, pa.array([b"caf\xc3\xa9", b"caf\xe9"]).buffers())
    with pytest.raises(RowError, match="the user id is not UTF-8") as error:
        parse_ids(broken, "user id")
    assert error.value.row == 1


def encoded(array, kind):
    return array.cast(kind).dictionary_encode()


WORDS_OF_TWO = pa.array(["ab", "é", "ab", None])
NUMBERS = pa.array([7, 2**31, 7, None])
UUIDS = [uuid.UUID(int=5), uuid.UUID(int=2**127 + 1), uuid.UUID(int=5)]
AS_UUID = pa.array([*(each.bytes for each in UUIDS), None], pa.uuid())
TYPES = {
    **{
        str(kind): (WORDS_OF_TWO.cast(pa.binary()).cast(kind), ["ab", "é", "ab"])
        for kind in (pa.binary(), pa.large_binary(), pa.binary_view(), pa.binary(2))
    },
    **{
        str(kind): (WORDS_OF_TWO.cast(kind), ["ab", "é", "ab"])
        for kind in (pa.string(), pa.large_string(), pa.string_view())
    },
    **{
        f"dictionary of {kind}": (encoded(WORDS_OF_TWO, kind), ["ab", "é", "ab"])
        for kind in (pa.string(), pa.large_string(), pa.binary())
    },
    "dictionary of fixed": (WORDS_OF_TWO.cast(pa.binary()).cast(pa.binary(2)).dictionary_encode(), ["ab", "é", "ab"]),
    "bytes of digits": (NUMBERS.cast(pa.string()).cast(pa.binary()), [7, 2**31, 7]),
    "uuid": (AS_UUID, [str(each) for each in UUIDS]),
    **{
        str(kind): (NUMBERS.cast(kind), [7, 2**31, 7])
        for kind in (pa.int64(), pa.uint32(), pa.uint64(), pa.decimal128(20), pa.decimal256(40))
    },
    **{
        str(kind): (pa.array([7, 200, 7, None], pa.int16()).cast(kind), [7, 200, 7])
        for kind in (pa.decimal32(9), pa.decimal64(18))
    },
    "dictionary of integers": (encoded(NUMBERS, pa.int64()), [7, 2**31, 7]),
    "dictionary of decimals": (encoded(NUMBERS, pa.decimal128(20)), [7, 2**31, 7]),
    "runs": (pa.RunEndEncodedArray.from_arrays([2, 3, 4], pa.array(["a", "b", None])), ["a", "a", "b"]),
}


@pytest.mark.parametrize("name", TYPES)
def test_ids_of_every_type_in_every_place(here, read, name):
    column, wanted = TYPES[name]
    table = pa.table({"user": [1, 2, 3, 4], "item": column})
    logs = [table, "log.arrow"]
    with pa.OSFile("log.arrow", "wb") as file, pa.ipc.new_file(file, table.schema) as writer:
        writer.write_table(table)
    if name != "runs":  # which Parquet has not
        pq.write_table(table, "log.parquet", row_group_size=2)
        logs.append("log.parquet")
    for log in logs:
        found = read(log, drop_invalid=True)
        assert found.rows == list(zip([1, 2, 3], wanted, strict=True)), log
        assert found.rows_dropped == {"null item id": 1}
        with pytest.raises(BadDataError, match="row 4: null item id; --drop-invalid"):
            read(log)


@pytest.mark.parametrize(
    ("column", "message"),
    [
        (pa.array([True, False]), "the item id has the type bool; true and false name nobody: choose another column"),
        (pa.array([b"a", b"\xff"]), "the item id is not UTF-8; bytes are read as UTF-8: write hashes as text"),
        (pa.array([b"a", b"\xff"]).dictionary_encode(), "the item id is not UTF-8; bytes are read as UTF-8"),
        (pa.array([each.bytes for each in UUIDS[::2]], pa.binary(16)), "the item id holds a NUL byte; bytes are read"),
    ],
    ids=["booleans", "bytes", "dictionary of bytes", "UUIDs without their type"],
)
def test_ids_that_are_refused_with_a_remedy(read, column, message):
    with pytest.raises(BadDataError, match=message):
        read(pa.table({"user": [1, 2], "item": column}))
