"""Model files: what is written comes back, from our own files and from others'; what is no model is refused."""

from __future__ import annotations

import io
import json
import os
import pickle
import zipfile

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from negprep.arrow import from_numpy, strings
from negprep.encode.vocabulary import Vocabulary
from negprep.errors import BadDataError, UsageError
from negprep.model_file import Model, read_model, write_model

USERS, ITEMS = ["", "b", "b\0", "zoë"], [-7, 3, 2**62]


def a_model(**changed):
    random = np.random.default_rng(1)
    given = {
        "kind": "bpr",
        "users": Vocabulary(strings(USERS)),
        "items": Vocabulary(from_numpy(np.array(ITEMS))),
        "user_factors": random.normal(size=(4, 5)).astype(np.float32),
        "item_factors": random.normal(size=(3, 5)).astype(np.float32),
        "item_bias": random.normal(size=3).astype(np.float32),
        "h": random.normal(size=5).astype(np.float32),
        "facts": {"seed": 3, "epochs": [1, 2]},
    }
    return Model(**given | changed)


def test_what_is_written_comes_back_in_the_same_bytes(tmp_path):
    model, paths = a_model(), [tmp_path / "one.npz", tmp_path / "two.npz"]
    for path in paths:
        write_model(str(path), model)
    assert paths[0].read_bytes() == paths[1].read_bytes()
    back = read_model(paths[0])
    assert (back.kind, back.facts) == (model.kind, model.facts)
    assert (back.users.ids.to_pylist(), back.items.ids.to_pylist()) == (USERS, ITEMS)
    for name, values in model.arrays.items():
        assert back.arrays[name].dtype == np.float32
        np.testing.assert_array_equal(back.arrays[name], values)
    assert back.digest == model.digest


@pytest.mark.parametrize("name", ["user_factors", "item_factors", "item_bias", "h"])
def test_the_digest_tells_every_array(name):
    values = getattr(a_model(), name).copy()
    values.reshape(-1)[-1] += 1
    assert a_model(**{name: values}).digest != a_model().digest


def test_the_digest_tells_ids():
    assert a_model(items=Vocabulary(from_numpy(np.array([-7, 3, 4])))).digest != a_model().digest
    assert a_model(users=Vocabulary(strings(["", "b", "b\0", "zoe"]))).digest != a_model().digest


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
@pytest.mark.parametrize("dtype", ["float16", "float32", "float64", ">f4", "int8"])
def test_arrays_of_others_in_any_order(tmp_path, save, dtype):
    factors = np.arange(6).reshape(3, 2)
    save(
        tmp_path / "own.npz",
        users=np.array(["b", "a"]),
        items=np.array([3, 1, 2], np.uint16),
        user_factors=np.asfortranarray(np.eye(2, dtype=dtype)),
        item_factors=factors.astype(dtype),
        user_bias=np.ones(2, dtype),
    )
    model = read_model(tmp_path / "own.npz")
    assert model.kind == "own"
    assert (model.users.ids.to_pylist(), model.items.ids.to_pylist()) == (["a", "b"], [1, 2, 3])
    np.testing.assert_array_equal(model.user_factors, np.eye(2)[::-1])
    np.testing.assert_array_equal(model.item_factors, factors[[1, 2, 0]])


@pytest.mark.parametrize("lists", [pa.list_(pa.float64()), pa.large_list(pa.float32()), pa.list_(pa.float32(), 2)])
@pytest.mark.parametrize("kind", [pa.int32(), pa.string(), pa.large_string()])
def test_parquet_of_others(tmp_path, lists, kind):
    rows = pa.table(
        {
            "side": pa.array(["item", "user", "item"]).dictionary_encode(),
            "id": pa.array([2, 1, 1]).cast(kind),
            "factors": pa.array([[1, 2], [3, 4], [5, 6]], lists),
            "bias": [0.5, 0.0, 1.5],
        }
    )
    pq.write_table(rows, tmp_path / "own.parquet", row_group_size=2)
    model = read_model(tmp_path / "own.parquet")
    assert [str(id_) for id_ in model.items.ids.to_pylist()] == ["1", "2"]
    np.testing.assert_array_equal(model.user_factors, [[3, 4]])
    np.testing.assert_array_equal(model.item_factors, [[5, 6], [1, 2]])
    np.testing.assert_array_equal(model.item_bias, [1.5, 0.5])


GOOD = {
    "users": np.array(["a", "b"]),
    "items": np.array([1, 2, 3]),
    "user_factors": np.ones((2, 2)),
    "item_factors": np.ones((3, 2)),
}


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"users": None}, "has no array 'users'"),
        ({"item_factors": None}, "has no array 'item_factors'"),
        ({"users": np.array(["a", "a"])}, "the user 'a' occurs twice"),
        ({"items": np.array([1, 2, 2])}, "the item 2 occurs twice"),
        ({"items": np.array([1.0, 2.0, 3.0])}, "'items' are not ids"),
        ({"items": np.array([1, 2, 2**64 - 1], np.uint64)}, "'items' are not ids"),
        ({"users": np.array([["a", "b"]])}, "'users' are not ids"),
        ({"users": np.array(["a", None])}, "'users' holds pickled objects"),
        ({"user_factors": np.array([[1, None]])}, "'user_factors' holds pickled objects"),
        ({"user_factors": np.ones((3, 2))}, r"user_factors has the shape \(3, 2\) where .* \(2, 2\)"),
        ({"item_factors": np.ones((3, 4))}, r"item_factors has the shape \(3, 4\) where .* \(3, 2\)"),
        ({"user_factors": np.ones(2)}, r"user_factors has the shape \(2,\)"),
        ({"user_factors": np.ones((2, 0)), "item_factors": np.ones((3, 0))}, "a column for each factor"),
        ({"user_factors": np.ones((2, 1025)), "item_factors": np.ones((3, 1025))}, "has 1025 factors; give at most"),
        ({"user_factors": np.array([["x", "y"], ["z", "w"]])}, "'user_factors' holds <U1"),
        ({"user_factors": np.array([[1, 2], [np.nan, 1]])}, "user_factors of 'b' holds NaN"),
        ({"item_factors": np.array([[1, 2], [3, 4], [1e300, 1]])}, "item_factors of 3 holds NaN or an infinite"),
        ({"item_bias": np.array([1, np.inf, 2])}, "item_bias of 2 holds NaN or an infinite"),
        ({"item_bias": np.ones(2)}, "item_bias has the shape"),
        ({"h": np.ones(3)}, "h has the shape"),
        ({"weights": np.ones(3)}, "holds 'weights', which no model has"),
        ({"users": np.array([], "U1"), "user_factors": np.ones((0, 2))}, "user_factors is empty"),
        ({"about": np.frombuffer(b"{", np.uint8)}, "'about' is not what this version"),
        ({"about": np.frombuffer(b'{"format": 2}', np.uint8)}, "'about' is not what this version"),
        ({"about": np.frombuffer(b'{"format": 1, "kind": "x"}', np.uint8)}, "is of the kind 'x'"),
        ({"users": None, "users_text": np.frombuffer(b"a\xff", np.uint8), "users_ends": np.array([1, 2])}, "not ids"),
        ({"users": None, "users_text": np.frombuffer(b"ab", np.uint8), "users_ends": np.array([2, 1])}, "not ids"),
        ({"users": None, "users_text": np.frombuffer(b"ab", np.uint8), "users_ends": np.array([1, 3])}, "not ids"),
    ],
)
def test_bad_arrays(tmp_path, changed, message):
    np.savez(tmp_path / "bad.npz", **{name: values for name, values in (GOOD | changed).items() if values is not None})
    with pytest.raises(BadDataError, match=message) as error:
        read_model(tmp_path / "bad.npz")
    assert str(error.value).startswith(f"{tmp_path}/bad.npz: ")
    assert "\n" not in str(error.value)


def test_every_truncation_is_refused(tmp_path):
    path = tmp_path / "cut.npz"
    write_model(str(path), a_model())
    whole = path.read_bytes()
    for length in [*range(0, len(whole) - 1, 97), len(whole) - 1]:
        path.write_bytes(whole[:length])
        with pytest.raises(BadDataError):
            read_model(path)


def test_every_flipped_byte_is_refused_or_harmless(tmp_path):
    path = tmp_path / "flipped.npz"
    write_model(str(path), a_model())
    whole = path.read_bytes()
    for place in [*range(0, 1800, 31), *range(1800, len(whole))]:
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 0x55]) + whole[place + 1 :])
        try:
            assert read_model(path).digest == a_model().digest
        except BadDataError as error:
            assert "\n" not in str(error)  # noqa: PT017


def test_a_header_that_asks_for_too_much(tmp_path):
    member = io.BytesIO()
    np.lib.format.write_array_header_1_0(member, {"descr": "<f8", "fortran_order": False, "shape": (2**50, 2)})
    with zipfile.ZipFile(tmp_path / "big.npz", "w") as archive:
        archive.writestr("users.npy", member.getvalue())
    with pytest.raises(BadDataError, match="'users' is cut short"):
        read_model(tmp_path / "big.npz")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is empty"),
        (pickle.dumps({"users": [1]}), "is a pickle"),
        (b"\x93NUMPY\x01\x00", "is a pickle or a single array"),
        (b"user,item\n1,2\n", "is neither a .npz file"),
        (b"PAR1PAR1", "is not a whole Parquet file"),
        (b"PK\x03\x04", "is not a whole .npz file"),
    ],
)
def test_other_files(tmp_path, content, message):
    (tmp_path / "file").write_bytes(content)
    with pytest.raises(BadDataError, match=message):
        read_model(tmp_path / "file")


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"side": None}, "no column 'side'"),
        ({"side": ["user", "items", "item"]}, "neither of a user nor of an item"),
        ({"side": ["user", None, "item"]}, "column 'side' has nulls"),
        ({"id": [1.0, 2.0, 3.0]}, "column 'id' holds double"),
        ({"id": [1, 2, 2]}, "the item 2 occurs twice"),
        ({"factors": [[1.0], [1.0, 2.0], [1.0]]}, "a row has 2 factors, and the first one 1"),
        ({"factors": [[1.0], [None], [1.0]]}, "column 'factors' has nulls"),
        ({"factors": [1.0, 2.0, 3.0]}, "column 'factors' holds double"),
        ({"factors": [["a"], ["b"], ["c"]]}, "and not numbers"),
        ({"factors": [[1.0], [float("nan")], [1.0]]}, "item_factors of 2 holds NaN"),
        ({"side": ["item", "item", "item"]}, "user_factors is empty"),
    ],
)
def test_bad_tables(tmp_path, changed, message):
    good = {"side": ["user", "item", "item"], "id": [1, 2, 3], "factors": [[1.0], [2.0], [3.0]]}
    pq.write_table(
        pa.table({name: values for name, values in (good | changed).items() if values is not None}),
        tmp_path / "bad.parquet",
    )
    with pytest.raises(BadDataError, match=message):
        read_model(tmp_path / "bad.parquet")


def test_nothing_is_read_that_could_run(tmp_path):
    class Bomb:
        def __reduce__(self):
            return (os.mkdir, (str(tmp_path / "exploded"),))

    bomb = np.array([Bomb()], object)
    np.savez(tmp_path / "bomb.npz", **GOOD | {"h": bomb})
    with pytest.raises(BadDataError, match="pickled"):
        read_model(tmp_path / "bomb.npz")
    assert not (tmp_path / "exploded").exists()


def test_pipes_and_folders(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path, tmp_path / "pipe"):
        with pytest.raises(BadDataError, match="is a pipe or a folder"):
            read_model(path)


def test_a_file_that_is_not_there(tmp_path):
    with pytest.raises(FileNotFoundError):
        read_model(tmp_path / "none.npz")


def test_a_failed_write_leaves_what_was_there(tmp_path):
    path = tmp_path / "m.npz"
    path.write_bytes(b"before")
    with pytest.raises(BadDataError):
        write_model(str(path), a_model(h=np.full(5, np.nan, np.float32)))
    with pytest.raises(TypeError):
        write_model(str(path), a_model(h=np.array([1, 2, 3, 4, object()])))
    assert path.read_bytes() == b"before"
    assert list(tmp_path.iterdir()) == [path]
    with pytest.raises(UsageError, match="is not a place for one file"):
        write_model("-", a_model())


def test_about_is_plain_json(tmp_path):
    write_model(str(tmp_path / "m.npz"), a_model())
    with np.load(tmp_path / "m.npz") as arrays:
        about = json.loads(arrays["about"].tobytes())
    assert about.pop("arrays") == ["h", "item_bias", "item_factors", "user_factors"]
    assert about == {"format": 1, "kind": "bpr", "seed": 3, "epochs": [1, 2]}
