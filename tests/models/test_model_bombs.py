"""Model files that unpack to far more than they are: refused by their headers, in little memory."""

from __future__ import annotations

import io
import tracemalloc
import zipfile

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from negprep.errors import BadDataError
from negprep.model_file import read_model

BYTES = 100_000_000
GOOD = {
    "users": np.array([1, 2]),
    "items": np.array([1, 2, 3]),
    "user_factors": np.ones((2, 2), np.float32),
    "item_factors": np.ones((3, 2), np.float32),
}


def header(shape, dtype):
    stream = io.BytesIO()
    np.lib.format.write_array_header_1_0(
        stream, {"descr": np.lib.format.dtype_to_descr(np.dtype(dtype)), "fortran_order": False, "shape": shape}
    )
    return stream.getvalue()


def write(path, changed):
    """An archive of good arrays, and of changed ones: a header, and the size of the zeros behind it."""
    zeros = bytes(1 << 20)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        for name, value in (GOOD | changed).items():
            if value is None:
                continue
            with archive.open(f"{name}.npy", "w", force_zip64=True) as member:
                if isinstance(value, np.ndarray):
                    np.lib.format.write_array(member, value)
                    continue
                head, size = value
                member.write(head)
                for begin in range(0, size, len(zeros)):
                    member.write(zeros[: size - begin])
    return path


BOMBS = {
    "rows of factors": ({"user_factors": (header((BYTES // 8, 2), "f4"), BYTES)}, "user_factors has the shape"),
    "factors of a row": ({"user_factors": (header((2, BYTES // 8), "f4"), BYTES)}, "factors; give at most 1024"),
    "item factors": ({"item_factors": (header((BYTES // 8, 2), "f4"), BYTES)}, "item_factors has the shape"),
    "biases": ({"item_bias": (header((BYTES // 4,), "f4"), BYTES)}, "item_bias has the shape"),
    "weights": ({"h": (header((BYTES // 4,), "f4"), BYTES)}, "h has the shape"),
    "what it says": ({"about": (header((BYTES,), "u1"), BYTES)}, "'about' is not what"),
    "users": (
        {"users": (header((BYTES // 8,), "i8"), BYTES), "user_factors": (header((BYTES // 8, 2), "f4"), 2 * BYTES)},
        "the user 0 occurs twice",
    ),
    "texts": ({"users": (header((BYTES // 400,), "<U100"), BYTES)}, "the user '' occurs twice"),
    "one long text": ({"users": (header((1,), f"<U{BYTES // 4}"), BYTES)}, "'users' are not ids"),
    "ends": (
        {"users": None, "users_text": np.zeros(0, np.uint8), "users_ends": (header((BYTES // 8,), "i8"), BYTES)},
        "'users' are not ids",
    ),
    "bytes of texts": (
        {"users": None, "users_text": (header((BYTES,), "u1"), BYTES), "users_ends": np.array([5, BYTES])},
        "'users' are not ids",
    ),
    "a long header": ({"users": (b"\x93NUMPY\x02\x00\xff\xff\xff\x7f", BYTES)}, "'users' is not a numpy array"),
}


@pytest.mark.parametrize("name", BOMBS)
def test_a_small_file_of_many_zeros_is_refused_before_it_is_unpacked(tmp_path, name):
    changed, message = BOMBS[name]
    path = write(tmp_path / "m.npz", changed)
    assert path.stat().st_size < BYTES // 50
    tracemalloc.start()
    try:
        with pytest.raises(BadDataError, match=message) as caught:
            read_model(path)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert str(path) in str(caught.value)
    assert peak < 32 << 20


DEEP = {
    "about": ({"about": np.frombuffer(b"[" * 200_000 + b"]" * 200_000, np.uint8)}, "'about' is not what"),
    "about, in an object": (
        {"about": np.frombuffer(b'{"format": 1, "x": ' + b"[" * 900 + b"]" * 900 + b"}", np.uint8)},
        "'about' is not what",
    ),
    "a header": (
        {"users": (b"\x93NUMPY\x01\x00" + (9000).to_bytes(2, "little") + b"(" * 9000, 0)},
        "not a numpy array",
    ),
    "a list in a header": (
        {"users": (b"\x93NUMPY\x02\x00" + (9000).to_bytes(4, "little") + b"[" * 9000, 0)},
        "not a numpy array",
    ),
}


@pytest.mark.parametrize("name", DEEP)
def test_what_is_nested_deeply_is_refused(tmp_path, name):
    changed, message = DEEP[name]
    with pytest.raises(BadDataError, match=message):
        read_model(write(tmp_path / "m.npz", changed))


def test_a_bias_of_users_decides_nothing_and_is_not_unpacked(tmp_path):
    model = read_model(write(tmp_path / "m.npz", {"user_bias": (header((BYTES // 4,), "f4"), BYTES)}))
    assert sorted(model.arrays) == ["item_factors", "user_factors"]


def test_arrays_in_either_order_are_read_as_numpy_reads_them(tmp_path):
    changed = {"user_factors": np.asfortranarray(np.array([[1.5, 2], [3, 4]])), "users": np.array(["b", "a"])}
    np.savez_compressed(tmp_path / "m.npz", **(GOOD | changed))
    model = read_model(tmp_path / "m.npz")
    assert model.users.ids.to_pylist() == ["a", "b"]
    assert model.user_factors.tolist() == [[3, 4], [1.5, 2]]


def test_ids_of_several_parts_are_all_read_and_may_not_occur_twice_in_any(tmp_path):
    ids = np.arange(400_000) * 7
    arrays = GOOD | {"users": ids, "user_factors": np.ones((len(ids), 2), np.float32)}
    np.savez(tmp_path / "m.npz", **arrays)
    assert len(read_model(tmp_path / "m.npz").users) == len(ids)
    np.savez(tmp_path / "m.npz", **(arrays | {"users": np.append(ids[:-1], ids[0])}))
    with pytest.raises(BadDataError, match="the user 0 occurs twice"):
        read_model(tmp_path / "m.npz")


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ({"side": ["user"] * 70_000, "id": [1] * 70_000, "factors": [[1.0]] * 70_000}, "the user 1 occurs twice"),
        (
            {"side": ["user", "item"], "id": [1, 2], "factors": [[0.0] * 100_000] * 2},
            "200,000 values of 'factors' in 2",
        ),
    ],
)
def test_tables_that_do_not_fit_are_refused_by_footer_and_ids(tmp_path, rows, message):
    pq.write_table(pa.table(rows), tmp_path / "m.parquet")
    with pytest.raises(BadDataError, match=message):
        read_model(tmp_path / "m.parquet")
