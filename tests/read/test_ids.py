"""Ids are kept to the letter."""

import pyarrow as pa
import pytest

from negprep.errors import RowError
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
