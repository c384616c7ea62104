"""Times in every form become nanoseconds since 1970."""

import datetime as dt

import pyarrow as pa
import pytest

from negprep.errors import RowError
from negprep.read.times import parse_times

NOON = 1714566600 * 10**9
FORMS = {
    "seconds": (["1714566600"], NOON, "in seconds"),
    "fraction": (["1714566600.25"], NOON + 250_000_000, "in seconds"),
    "microsecond": (["1714566600.123457"], NOON + 123_457_000, "in seconds"),
    "milliseconds": (["1714566600000"], NOON, "in milliseconds"),
    "floating milliseconds": (["1714566600000.0"], NOON, "in milliseconds"),
    "microseconds": (["1714566600000000"], NOON, "in microseconds"),
    "nanoseconds": (["1714566600000000007"], NOON + 7, "in nanoseconds"),
    "exponent": (["1.7145666e9"], NOON, "in seconds"),
    "negative": (["-5"], -5 * 10**9, "in seconds"),
    "date": (["2024-05-01"], NOON - 45_000 * 10**9, "without a zone"),
    "T": (["2024-05-01T12:30:00"], NOON, "without a zone"),
    "space": (["2024-05-01 12:30:00.000000007"], NOON + 7, "without a zone"),
    "Z": (["2024-05-01T12:30:00Z"], NOON, "with a zone"),
    "offset": (["2024-05-01 18:00:00+05:30"], NOON, "with a zone"),
}


@pytest.mark.parametrize(("texts", "wanted", "kind"), FORMS.values(), ids=FORMS)
def test_text(texts, wanted, kind):
    times, clock = parse_times(pa.array(texts * 2))
    assert times.type == pa.int64()
    assert times.to_pylist() == [wanted] * 2
    assert clock.kind == kind


def test_offsets_may_differ():
    times, _ = parse_times(pa.array(["2024-05-01T12:30:00Z", "2024-05-01T14:30:00+02:00"]))
    assert times.to_pylist() == [NOON, NOON]


COLUMNS = [
    pa.array([1714566600], pa.timestamp("s")),
    pa.array([1714566600000], pa.timestamp("ms", "Europe/Zurich")),
    pa.array([1714566600000000], pa.timestamp("us")),
    pa.array([1714566600000000000], pa.timestamp("ns", "UTC")),
    pa.array([1714566600], pa.int32()),
    pa.array([1714566600], pa.uint32()),
    pa.array([1714566600000], pa.uint64()),
    pa.array([1714566600.0]),
    pa.array([1714566600]).cast(pa.decimal128(20, 0)),
]


@pytest.mark.parametrize("column", COLUMNS, ids=lambda column: str(column.type))
def test_typed_columns(column):
    assert parse_times(column)[0].to_pylist() == [NOON]


@pytest.mark.parametrize("kind", [pa.date32(), pa.date64()])
def test_date_columns(kind):
    assert parse_times(pa.array([dt.date(2024, 5, 1)], kind))[0].to_pylist() == [NOON - 45_000 * 10**9]


@pytest.mark.parametrize(
    ("column", "what"),
    [
        (pa.array([0, 253402300800], pa.timestamp("s")), "the time 10000-01-01 00:00:00 is out of range"),
        (pa.array([0, 2**63], pa.uint64()), "the time 9223372036854775808 is out of range"),
        (pa.array([0.0, 1e10]), "the time 10000000000 is out of range"),
        (pa.array(["0", "1e300"]), "the time 1e+300 is out of range"),
        (pa.array(["1e30"]), "the time 1e+30 is out of range"),
        (pa.array(["0", "1e18"]), "the time 1000000000000000000 is in nanoseconds, but 0 is in seconds"),
        (pa.array([1.7e18]), "the time 1700000000000000000 is in nanoseconds, which floats bend"),
        (pa.array([1], pa.time32("s")), "the time has the type time32[s]"),
        (pa.array([1], pa.duration("s")), "the time has the type duration[s]"),
        (pa.array([True]), "the time has the type bool"),
    ],
    ids=lambda part: None if isinstance(part, str) else str(part.type),
)
def test_refused(column, what):
    with pytest.raises(RowError) as error:
        parse_times(column)
    assert error.value.what == what
    assert error.value.row == len(column) - 1


@pytest.mark.parametrize("texts", [["1", "x", "2"], ["2024-05-01", "x", "2024-05-02"], ["2024-05-01T00:00Z", "x", "x"]])
def test_the_first_bad_text_is_named(texts):
    with pytest.raises(RowError, match="'x' is not a time") as error:
        parse_times(pa.array(texts))
    assert error.value.row == texts.index("x")
