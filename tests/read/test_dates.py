"""Dates as other programs write them and as ``--time-format`` names them; doubt is refused with an option."""

import re
from datetime import UTC, datetime, timedelta

import numpy as np
import pyarrow as pa
import pytest

from negprep.errors import RowError, UsageError
from negprep.options.specs import TimeForms
from negprep.read.times import parse_times

FORMS = {
    "YYYYMMDD": ([20240105, 20240229], ["2024-01-05", "2024-02-29"]),
    "YYYYMMDD as text": (["20240105"], ["2024-01-05"]),
    "YYYYMMDD as floats": ([20240105.0], ["2024-01-05"]),
    "YYYYMMDDHHMM": ([202401050930], ["2024-01-05T09:30"]),
    "YYYYMMDDHHMMSS": ([20240105093007], ["2024-01-05T09:30:07"]),
    "year and month": (["2024-01", "1999-12"], ["2024-01-01", "1999-12-01"]),
    "slashes": (
        ["2024/01/31", "2024/1/5 9:05", "2024/01/05 09:05:58.25"],
        ["2024-01-31", "2024-01-05T09:05", "2024-01-05T09:05:58.25"],
    ),
    "without zeros": (["2024-1-5", "2024-01-06 10:00"], ["2024-01-05", "2024-01-06T10:00"]),
    "BigQuery": (
        ["2024-01-01 00:00:00 UTC", "2024-01-01 00:00:00.123456 UTC"],
        ["2024-01-01", "2024-01-01T00:00:00.123456"],
    ),
    "Twitter": (
        ["Tue Apr 03 18:00:09 +0000 2012", "Tue Apr 03 18:00:09 -0730 2012"],
        ["2012-04-03T18:00:09", "2012-04-04T01:30:09"],
    ),
    "e-mail": (
        ["Tue, 03 Apr 2012 18:00:09 +0200", "3 Apr 2012 18:00 GMT"],
        ["2012-04-03T16:00:09", "2012-04-03T18:00"],
    ),
    "Amazon": (["09 13, 2009", "9 3, 2009"], ["2009-09-13", "2009-09-03"]),
    "month by name": (["Apr 3, 2012", "September 13, 2012 1:00 PM"], ["2012-04-03", "2012-09-13T13:00"]),
    "day before month by name": (["3 Apr 2012", "13-Sep-2012 23:59:59"], ["2012-04-03", "2012-09-13T23:59:59"]),
}


def nanoseconds(texts):
    return [int(np.datetime64(text, "ns").astype(np.int64)) for text in texts]


@pytest.mark.parametrize(("given", "wanted"), FORMS.values(), ids=FORMS)
def test_known_forms(given, wanted):
    times, clock = parse_times(pa.array(given))
    assert times.to_pylist() == nanoseconds(wanted)
    assert clock.is_dated


NOT_DATES = {
    "an order": ([1, 2, 3], "in seconds"),
    "seconds since a start": ([19999999, 20240199, 20240163], "in seconds"),
    "seconds": ([1700000000], "in seconds"),
    "milliseconds": ([1700000000000], "in milliseconds"),
}


@pytest.mark.parametrize(("given", "kind"), NOT_DATES.values(), ids=NOT_DATES)
def test_numbers_that_are_no_dates(given, kind):
    times, clock = parse_times(pa.array(given))
    assert clock.kind == kind
    assert times[0].as_py() == given[0] * (10**9 if kind == "in seconds" else 10**6)


REFUSED = {
    "a day that is none": ([20240105, 20240230, 20240106], 1, "the time 20240230 is not a date, but 20240105 is"),
    "a mark among dates": ([0, 20240105, 20240106], 0, "the time 0 is not a date, but 20240105 is written as YYYYMMDD"),
    "thirteen months": (["2024-12", "2024-13"], 1, "'2024-13' is not a time"),
    "another form": (["2024-01-01", "2024/01/02"], 1, "the time 2024/01/02 is like 2024/05/01, but 2024-01-01 is"),
    "too early": (["2024/01/01", "1500/01/01"], 1, "the time 1500/01/01 is out of range"),
    "either": (["11/12/2019"], 0, "could have its day or its month first"),
    "day first": (["11/12/2019", "13/12/2019"], 0, "an order that is not taken for granted"),
}


@pytest.mark.parametrize(("given", "row", "what"), REFUSED.values(), ids=REFUSED)
def test_refused(given, row, what):
    with pytest.raises(RowError) as error:
        parse_times(pa.array(given))
    assert error.value.row == row
    assert what in error.value.what


READY = [
    (["11/12/2019", "1/2/2019"], "month", ["2019-11-12", "2019-01-02"]),
    (["11/12/2019", "1/2/2019"], "day", ["2019-12-11", "2019-02-01"]),
    (["13.1.2019 10:00"], "day", ["2019-01-13T10:00"]),
    (["1/2/19 11:59:59 pm"], "month", ["2019-01-02T23:59:59"]),
    (["19-01-02", "19-01-31"], "year", ["2019-01-02", "2019-01-31"]),
    (["11/11/2019 9:05:58 AM", "1/2/2019 1:00"], "month", ["2019-11-11T09:05:58", "2019-01-02T01:00"]),
    (["1/2/2019, 12:00:00 AM", "1/2/2019, 12:00:00 PM"], "day", ["2019-02-01", "2019-02-01T12:00"]),
    (["1/2/2019 10:00:00.5 +0100"], "month", ["2019-01-02T09:00:00.5"]),
]


@pytest.mark.parametrize(("given", "first", "wanted"), READY)
def test_the_offered_formats_read_the_column(given, first, wanted):
    with pytest.raises(RowError) as error:
        parse_times(pa.array(given))
    choice = next(part for part in error.value.remedy.split(" or ") if part.endswith(f"the {first} is first"))
    forms = TimeForms.parse(tuple(re.findall("--time-format '(.*?)'", choice)))
    assert parse_times(pa.array(given), forms)[0].to_pylist() == nanoseconds(wanted)


FORMATS = [
    "%Y-%m-%d %H:%M:%S",
    "%d/%m/%y %I:%M:%S %p",
    "%b %d %Y %H:%M:%S",
    "%Y%m%d%H%M%S",
    "%a, %d %B %Y %T",
    "%D %T.%f",
]


@pytest.mark.parametrize("text", FORMATS)
def test_formats_read_what_strftime_writes(text):
    moments = [datetime(1990, 1, 1, tzinfo=UTC) + timedelta(seconds=7_654_321 * step) for step in range(150)]
    times, _ = parse_times(pa.array([moment.strftime(text) for moment in moments]), TimeForms.parse(text))
    assert times.to_pylist() == [int(moment.timestamp()) * 10**9 for moment in moments]


def test_units():
    for unit, nanoseconds_each in {"seconds": 10**9, "milliseconds": 10**6, "nanoseconds": 1}.items():
        for given in ([20240105], ["20240105"]):
            assert parse_times(pa.array(given), TimeForms.parse(unit))[0].to_pylist() == [20240105 * nanoseconds_each]
    assert parse_times(pa.array([0.5]), TimeForms.parse("milliseconds"))[0].to_pylist() == [500_000]


@pytest.mark.parametrize(
    ("given", "form", "what"),
    [
        (["1/2/2019 1:00"], "%m/%d/%Y %I:%M:%S %p", "does not fit --time-format '%m/%d/%Y %I:%M:%S %p'"),
        (["13/1/2019"], "%m/%d/%Y", "does not fit"),
        (["2/30/2019"], "%m/%d/%Y", "does not fit"),
        (["1/1/1500"], "%m/%d/%Y", "out of range"),
        (["x"], "seconds", "'x' is not a number"),
        ([20240105.5], "%Y%m%d", "has a fraction"),
        ([20240132], "%Y%m%d", "is not written as YYYYMMDD"),
    ],
)
def test_what_does_not_fit(given, form, what):
    with pytest.raises(RowError) as error:
        parse_times(pa.array(given), TimeForms.parse(form))
    assert what in error.value.what
    if "I" in form:
        assert error.value.remedy == "correct it, or add --time-format '%m/%d/%Y %H:%M'"


def test_typed_times_need_no_format():
    with pytest.raises(RowError, match="--time-format is for text and numbers"):
        parse_times(pa.array([datetime(2024, 1, 1)]), TimeForms.parse("%Y-%m-%d"))


@pytest.mark.parametrize(
    ("given", "what"),
    [
        ("%Q", "does not know '%Q'"),
        ("%", "does not know '%'"),
        ("%m/%d", "has no year and month"),
        ("%Y%Y%m", "has %Y twice"),
        ("%Y %m %I", "has one of %I and %p"),
        ("%Y %m %H %I %p", "hour twice"),
        (("%m/%d/%Y", "%d/%m/%Y"), "differ in the order of day and month"),
        (("%m/%d/%Y", "%Y/%m/%d %z"), "has a zone"),
        (("seconds", "%Y-%m"), "beside another"),
        (5, "time_format is 5"),
    ],
)
def test_formats_that_are_none(given, what):
    with pytest.raises(UsageError, match=re.escape(what)):
        TimeForms.parse(given)


def test_bytes_that_are_no_text_are_shown():
    broken = pa.Array.from_buffers(
        pa.string(), 1, [None, pa.py_buffer(np.array([0, 1], np.int32)), pa.py_buffer(b"\xff")]
    )
    with pytest.raises(RowError, match=re.escape(r"'\\xff' is not a time")):
        parse_times(broken)
