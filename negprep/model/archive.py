"""A model in a file of numpy arrays (``.npz``): a ZIP archive, never with pickled objects.

Arrays of the archive: ``users`` and ``items`` (integers or strings), ``user_factors``, ``item_factors``, and perhaps
``item_bias`` and ``h``. negprep itself writes ids that are strings as their bytes, ``users_text`` and ``users_ends``,
because numpy's own strings take the room of the longest for each and lose zeros at the end. ``about`` is JSON as bytes.
"""

from __future__ import annotations

import json
import zipfile
import zlib
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from negprep.arrow import from_numpy, strings
from negprep.errors import BadDataError
from negprep.model.factors import OWN, Model, as_buffers, sorted_model
from negprep.writing import open_whole

_FORMAT = 1
_EPOCH = (1980, 1, 1, 0, 0, 0)
"""The earliest time that a ZIP archive can give its members."""

_IDS = tuple(f"{side}{part}" for side in ("users", "items") for part in ("", "_text", "_ends"))
_NEEDED = ("user_factors", "item_factors")
_OPTIONAL = ("item_bias", "h", "user_bias")
_REMEDY = "give a file that negprep fit wrote, or arrays as the docs describe them"


def write_model(target: str, model: Model) -> None:
    """Write a model, whole or not at all. The same model gives the same bytes.

    Raises
    ------
    UsageError
        The target is no file.
    BadDataError
        The arrays do not fit each other, or hold what is no number.
    OutputError
        The machine refuses.
    """
    model.check(target)
    facts = {"format": _FORMAT, "kind": model.kind, "arrays": sorted(model.arrays), **model.facts}
    about = json.dumps(facts, sort_keys=True).encode()
    arrays: dict[str, npt.NDArray[Any]] = {"about": np.frombuffer(about, np.uint8)}
    for name, vocabulary in (("users", model.users), ("items", model.items)):
        buffers = as_buffers(vocabulary.ids)
        arrays |= dict(zip([name] if len(buffers) == 1 else [f"{name}_text", f"{name}_ends"], buffers, strict=True))
    with open_whole(target) as file, zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as archive:
        for name, values in (arrays | model.arrays).items():
            with archive.open(zipfile.ZipInfo(f"{name}.npy", _EPOCH), "w", force_zip64=True) as member:
                np.lib.format.write_array(member, np.ascontiguousarray(values), version=(1, 0), allow_pickle=False)


def read_archive(path: str) -> Model:
    """Read a model from a ``.npz`` file.

    Raises
    ------
    BadDataError
        It is no such file, is cut short, pickled, or lacks or holds what a model cannot.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            arrays = {name: _read_member(archive, name, path) for name in _names(archive, path)}
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError, OSError) as error:
        raise BadDataError(f"is no whole .npz file ({error})", place=path, remedy="make or copy it again") from error
    about = _about(arrays.pop("about", None), path)
    ids = [_ids(arrays, name, path) for name in ("users", "items")]
    for name in _NEEDED:
        if name not in arrays:
            raise BadDataError(f"has no array {name!r} (found: {', '.join(arrays)})", place=path, remedy=_REMEDY)
    numbers = {name: _numbers(values, name, path) for name, values in arrays.items()}
    if about.pop("arrays", sorted(numbers)) != sorted(numbers):
        raise BadDataError("lacks an array that it was written with", place=path, remedy="make or copy it again")
    numbers.pop("user_bias", None)  # moves all items of a user alike, and so decides nothing
    kind = str(about.pop("kind", OWN))
    return sorted_model(kind, ids[0], ids[1], numbers, about, path)


def _names(archive: zipfile.ZipFile, path: str) -> list[str]:
    names = [name.removesuffix(".npy") for name in archive.namelist()]
    for name in names:
        if name not in ("about", *_IDS, *_NEEDED, *_OPTIONAL):
            raise BadDataError(f"holds {name!r}, which no model has", place=path, remedy=_REMEDY)
    return names


def _read_member(archive: zipfile.ZipFile, name: str, path: str) -> npt.NDArray[Any]:
    """One array. Its header must agree with the size of the member: a false one would ask for any amount of memory."""
    info = archive.getinfo(f"{name}.npy")
    with archive.open(info) as member:
        try:
            version = np.lib.format.read_magic(member)
            read_header = {
                (1, 0): np.lib.format.read_array_header_1_0,
                (2, 0): np.lib.format.read_array_header_2_0,
            }[version]
            shape, is_fortran, dtype = read_header(member)
        except (ValueError, KeyError) as error:
            raise BadDataError(f"{name!r} is no array of numpy", place=path, remedy=_REMEDY) from error
        if dtype.hasobject:
            raise BadDataError(
                f"{name!r} holds pickled objects, which may run any program when they are read",
                place=path,
                remedy="save plain numbers and strings (numpy.savez with allow_pickle=False)",
            )
        size = int(np.prod(shape, dtype=object)) * dtype.itemsize
        data = member.read(size + 1) if size <= info.file_size else b""
        if len(data) != size:
            raise BadDataError(f"{name!r} is cut short", place=path, remedy="make or copy it again")
    values = np.frombuffer(data, dtype) if size else np.empty(0, dtype)
    return values.reshape(shape, order="F" if is_fortran else "C")


def _about(values: npt.NDArray[Any] | None, path: str) -> dict[str, Any]:
    if values is None:
        return {}
    try:
        about = json.loads(values.astype(np.uint8, casting="safe").tobytes())
        if not isinstance(about, dict) or about.pop("format") != _FORMAT:
            raise ValueError
    except (ValueError, TypeError, KeyError) as error:
        raise BadDataError(
            "'about' is not what this version of negprep writes", place=path, remedy="make the model again"
        ) from error
    return about


def _ids(arrays: dict[str, npt.NDArray[Any]], name: str, path: str) -> pa.Array:
    """The ids of one side, taken out of the arrays."""
    plain, text, ends = (arrays.pop(f"{name}{part}", None) for part in ("", "_text", "_ends"))
    if plain is None and (text is None or ends is None):
        raise BadDataError(f"has no array {name!r}", place=path, remedy=_REMEDY)
    try:
        if plain is not None:
            return from_ids(plain)
        if text is None or ends is None or text.dtype != np.uint8 or ends.dtype != np.int64:
            raise ValueError
        return _from_bytes(text, ends)
    except (ValueError, OverflowError, pa.ArrowInvalid) as error:
        raise BadDataError(
            f"{name!r} are no ids", place=path, remedy="give whole numbers or strings, one for each row of factors"
        ) from error


def from_ids(values: npt.NDArray[Any]) -> pa.Array:
    """Ids as Arrow: int64 or string. Raises ValueError for anything else."""
    if values.ndim != 1 or values.dtype.kind not in "iuU":
        raise ValueError
    if values.dtype.kind == "U":
        return strings(values.tolist())
    if values.size and int(values.max()) >= 2**63:
        raise OverflowError
    return from_numpy(np.ascontiguousarray(values.astype(np.int64)))


def _from_bytes(text: npt.NDArray[np.uint8], ends: npt.NDArray[np.int64]) -> pa.Array:
    offsets = np.concatenate([[0], ends])
    if text.ndim != 1 or ends.ndim != 1 or (np.diff(offsets) < 0).any() or offsets[-1] != len(text):
        raise ValueError
    if len(text) >= 2**31:
        raise OverflowError
    buffers = [None, pa.py_buffer(offsets.astype(np.int32)), pa.py_buffer(np.ascontiguousarray(text))]
    ids = pa.Array.from_buffers(pa.string(), len(ends), buffers)
    ids.validate(full=True)
    return ids


def _numbers(values: npt.NDArray[Any], name: str, path: str) -> npt.NDArray[np.float32]:
    if values.dtype.kind not in "fiu":
        raise BadDataError(f"{name!r} holds {values.dtype}, and not numbers", place=path, remedy="give float32")
    with np.errstate(over="ignore"):  # what is too large becomes infinite, and is refused as such
        return np.ascontiguousarray(values.astype(np.float32))
