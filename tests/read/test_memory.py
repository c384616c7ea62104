"""Tables in memory are read as they are, and left as they are."""

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from negprep.errors import BadDataError
from negprep.read.log import open_log

COLUMNS = {
    "int": pd.Series([1, 2, 1]),
    "uint8": pd.Series([1, 2, 1], dtype="uint8"),
    "nullable": pd.Series([1, 2, 1], dtype="Int64"),
    "float": pd.Series([1.0, 2.0, 1.0]),
    "text": pd.Series(["1", "2", "1"]),
    "object": pd.Series(["1", "2", "1"], dtype=object),
    "category": pd.Series(["1", "2", "1"], dtype="category"),
    "integer category": pd.Series([1, 2, 1], dtype="category"),
}


@pytest.mark.parametrize("column", COLUMNS.values(), ids=COLUMNS)
def test_frame(read, column):
    frame = pd.DataFrame({"user": column, "item": [7, 8, 9]})
    frame.index = pd.Index([5, 5, 5])
    before = frame.copy(deep=True)
    assert read(frame).rows == [(1, 7), (2, 8), (1, 9)]
    pd.testing.assert_frame_equal(frame, before)


@pytest.mark.parametrize("missing", [np.nan, None, pd.NA, ""])
@pytest.mark.parametrize("kind", [object, "category"])
def test_missing_id_in_a_frame(read, missing, kind):
    frame = pd.DataFrame({"user": pd.Series(["a", missing, "b"], dtype=kind), "item": [7, 8, 9]})
    assert read(frame, drop_invalid=True).rows == [("a", 7), ("b", 9)]
    with pytest.raises(BadDataError) as error:
        read(frame)
    assert str(error.value) == "row 2: null user id; --drop-invalid drops and counts such rows"


def test_times_of_a_frame(read):
    frame = pd.DataFrame({"user": [1, 2], "item": [1, 2], "time": pd.to_datetime(["2024-05-01", None])})
    assert read(frame, ("user", "time"), drop_invalid=True).rows == [(1, 1714521600 * 10**9)]


def test_mixed_types_in_a_frame(read):
    frame = pd.DataFrame({"user": pd.Series([1, "a"], dtype=object), "item": [1, 2]})
    with pytest.raises(BadDataError, match=r"^the column 'user' holds mixed types: .*; make it one type, such as str$"):
        read(frame)


@pytest.mark.parametrize("text", ["\ud800", "a\udcff", ["a", "\udfff"]], ids=ascii)
@pytest.mark.parametrize("column", ["user", "item"])
def test_half_characters_in_a_frame(read, column, text):
    """As Python makes of names of files, and of bytes with surrogateescape."""
    frame = pd.DataFrame({"user": ["b", "c"], "item": ["d", "e"]}, dtype=object)
    frame.at[1, column] = text
    wanted = f"^the column '{column}' holds (.*, half a character; was it read with|mixed types)"
    with pytest.raises(BadDataError, match=wanted) as caught:
        read(frame)
    assert str(caught.value).isascii()


def test_numbered_columns_of_a_frame(read):
    assert read(pd.DataFrame([[1, 2]]), user_col="0", item_col="1").rows == [(1, 2)]


def test_table_in_chunks(read):
    users = pa.chunked_array([[1, 2], [3]])
    assert read(pa.table({"user": users, "item": pa.chunked_array([["a"], ["b", "c"]])})).rows == [
        (1, "a"),
        (2, "b"),
        (3, "c"),
    ]


@pytest.mark.parametrize("table", [pa.table({"user": [], "item": []}), pd.DataFrame({"user": [], "item": []})])
def test_no_rows(read, table):
    with pytest.raises(BadDataError) as error:
        read(table)
    assert str(error.value) == "the table: no rows; is the log cut short?"


def test_duplicate_names():
    with pytest.raises(BadDataError, match="two columns are named 'user'"):
        open_log(pd.DataFrame([[1, 2]], columns=["user", "user"]))


def test_something_else():
    with pytest.raises(TypeError, match="a log is a path, a table, a frame or a stream, not dict"):
        open_log({"user": [1]})


def test_ids_in_the_index_of_a_frame(read):
    frame = pd.DataFrame({"user": [1, 1, 2], "item": [10, 11, 10], "rating": [1, 2, 3]})
    rows = [(1, 10, 1.0), (1, 11, 2.0), (2, 10, 3.0)]
    for index in (["user"], ["item"], ["user", "item"], ["item", "user", "rating"]):
        assert read(frame.set_index(index), ("user", "item", "value")).rows == rows
    named = frame.rename(columns={"user": "who"}).set_index("who")
    assert read(named, ("user", "item", "value"), user_col="who").rows == rows
    # The index serves where a column is missing, and only there.
    doubled = frame.set_index(pd.Index([7, 8, 9], name="user_id"))
    assert read(doubled, ("user", "item", "value")).rows == rows
    doubled = frame.set_index("user", drop=False)
    assert read(doubled, ("user", "item", "value")).rows == rows


def test_sparse_columns(read):
    frame = pd.DataFrame({"user": [0, 0, 2], "item": [10, 0, 0], "rating": [0.0, 2.5, 0.0]})
    sparse = frame.astype({"user": pd.SparseDtype(int, 0), "item": pd.SparseDtype(int, 0), "rating": "Sparse[float]"})
    assert read(sparse, ("user", "item", "value")).rows == [(0, 10, 0.0), (0, 0, 2.5), (2, 0, 0.0)]
