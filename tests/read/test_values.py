import pyarrow as pa
import pytest

from negprep.errors import RowError
from negprep.read.convert import parse_events, parse_values


@pytest.mark.parametrize(
    "column",
    [pa.array(["4", "-0.5"]), pa.array([4.0, -0.5], pa.float32()), pa.array(["4", "-0.5"]).cast(pa.decimal128(5, 2))],
    ids=lambda column: str(column.type),
)
def test_values_become_float64(column):
    parsed = parse_values(column)
    assert parsed.type == pa.float64()
    assert parsed.to_pylist() == [4.0, -0.5]


@pytest.mark.parametrize(
    ("column", "what"),
    [
        (pa.array(["4", "high"]), "'high' is not a value"),
        (pa.array(["4", "1e999"]), "'1e999' is not a value"),
        (pa.array(["4", "0x10"]), "'0x10' is not a value"),
        (pa.array([True]), "the value has the type bool"),
    ],
)
def test_values_that_are_no_numbers(column, what):
    with pytest.raises(RowError) as error:
        parse_values(column)
    assert (error.value.row, error.value.what) == (len(column) - 1, what)


def test_events_are_text_whatever_they_were():
    assert parse_events(pa.array(["buy", "1"])).to_pylist() == ["buy", "1"]
    assert parse_events(pa.array([1, 10], pa.int8())).to_pylist() == ["1", "10"]


def test_events_of_another_type():
    with pytest.raises(RowError, match="the event has the type double"):
        parse_events(pa.array([1.0]))
