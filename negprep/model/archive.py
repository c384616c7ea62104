"""A model in a file of numpy arrays (``.npz``): a ZIP archive, never with pickled objects.

Arrays of the archive: ``users`` and ``items`` (integers or strings), ``user_factors``, ``item_factors``, and perhaps
``item_bias`` and ``h``. negprep itself writes ids that are strings as their bytes, ``users_text`` and ``users_ends``,
because numpy's own strings take the room of the longest for each and lose zeros at the end. ``about`` is JSON as bytes.
"""

from __future__ import annotations

import io
import json
import math
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from tokenize import TokenError
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from negprep.arrow import from_numpy, strings
from negprep.errors import BadDataError
from negprep.jsons import json_value
from negprep.model.factors import MAX_FACTORS, OWN, Model, as_buffers, sorted_model
from negprep.reading.ids import MAX_ID_BYTES
from negprep.writing import open_whole

_FORMAT = 1
_EPOCH = (1980, 1, 1, 0, 0, 0)
"""The earliest time that a ZIP archive can give its members."""

_IDS = tuple(f"{side}{part}" for side in ("users", "items") for part in ("", "_text", "_ends"))
_NEEDED = ("user_factors", "item_factors")
_OPTIONAL = ("item_bias", "h", "user_bias")
_LONGEST_HEADER = 1 << 14
_LONGEST_ABOUT = 1 << 24
_AT_ONCE = 1 << 20
"""Bytes. What deflate shrinks a hundredfold repeats within 32 KiB, so that ids which do so are found in a part."""

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
            members = {name: _header(archive, name, path) for name in _names(archive, path)}
            about = _about(archive, members.pop("about", None), path)
            ids = [_ids(archive, members, name, path) for name in ("users", "items")]
            for name in _NEEDED:
                if name not in members:
                    found = ", ".join(members)
                    raise BadDataError(f"has no array {name!r} (found: {found})", place=path, remedy=_REMEDY)
            if about.pop("arrays", sorted(members)) != sorted(members):
                raise BadDataError(
                    "lacks an array that it was written with", place=path, remedy="make or copy it again"
                )
            members.pop("user_bias", None)  # moves all items of a user alike, and so decides nothing
            _check_shapes(members, len(ids[0]), len(ids[1]), path)
            numbers = {name: _numbers(_whole(archive, member, path)) for name, member in members.items()}
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError, OSError) as error:
        raise BadDataError(f"is no whole .npz file ({error})", place=path, remedy="make or copy it again") from error
    kind = str(about.pop("kind", OWN))
    return sorted_model(kind, ids[0], ids[1], numbers, about, path)


@dataclass(frozen=True)
class _Member:
    """An array of the archive, of which the header alone was read.

    Attributes
    ----------
    name : str
    shape : tuple of int
    dtype : np.dtype
    is_fortran : bool
    begin : int
        Where its data begin in the member.
    """

    name: str
    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    is_fortran: bool
    begin: int

    @property
    def bytes(self) -> int:
        """Of its data."""
        return math.prod(self.shape) * self.dtype.itemsize


def _names(archive: zipfile.ZipFile, path: str) -> list[str]:
    names = [name.removesuffix(".npy") for name in archive.namelist()]
    for name in names:
        if name not in ("about", *_IDS, *_NEEDED, *_OPTIONAL):
            raise BadDataError(f"holds {name!r}, which no model has", place=path, remedy=_REMEDY)
        if names.count(name) > 1:
            raise BadDataError(f"holds {name!r} twice", place=path, remedy=_REMEDY)
    return names


def _header(archive: zipfile.ZipFile, name: str, path: str) -> _Member:
    """What an array is, before anything is read that its header asks for."""
    info = archive.getinfo(f"{name}.npy")
    if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise BadDataError(f"{name!r} is packed in a way that numpy does not use", place=path, remedy=_REMEDY)
    with archive.open(info) as file:
        head = io.BytesIO(file.read(_LONGEST_HEADER))
    try:
        version = np.lib.format.read_magic(head)
        read_header = {
            (1, 0): np.lib.format.read_array_header_1_0,
            (2, 0): np.lib.format.read_array_header_2_0,
        }[version]
        shape, is_fortran, dtype = read_header(head)
    except (ValueError, KeyError, TypeError, SyntaxError, TokenError, RecursionError, MemoryError) as error:
        raise BadDataError(f"{name!r} is no array of numpy", place=path, remedy=_REMEDY) from error
    if dtype.hasobject:
        raise BadDataError(
            f"{name!r} holds pickled objects, which may run any program when they are read",
            place=path,
            remedy="save plain numbers and strings (numpy.savez with allow_pickle=False)",
        )
    member = _Member(name, tuple(map(int, shape)), dtype, is_fortran, head.tell())
    if member.begin + member.bytes > info.file_size or min(member.shape, default=0) < 0:
        raise BadDataError(f"{name!r} is cut short", place=path, remedy="make or copy it again")
    return member


def _check_shapes(members: dict[str, _Member], n_users: int, n_items: int, path: str) -> None:
    """Refuse arrays that do not fit the ids, before their data are read: a small file may unpack to any size."""
    factors = members["user_factors"].shape
    n_factors = factors[1] if len(factors) == 2 else 0
    wanted = {
        "user_factors": (n_users, n_factors),
        "item_factors": (n_items, n_factors),
        "item_bias": (n_items,),
        "h": (n_factors,),
    }
    if not n_factors:
        what, remedy = f"user_factors has the shape {factors}", "give a row for each id and a column for each factor"
        raise BadDataError(what, place=path, remedy=remedy)
    if n_factors > MAX_FACTORS:
        raise BadDataError(f"the model has {n_factors} factors", place=path, remedy=f"give at most {MAX_FACTORS}")
    for name, member in members.items():
        if member.shape != wanted[name]:
            what = f"{name} has the shape {member.shape} where the ids and factors ask for {wanted[name]}"
            raise BadDataError(what, place=path, remedy="make the model again")
        if member.dtype.kind not in "fiu":
            raise BadDataError(f"{name!r} holds {member.dtype}, and not numbers", place=path, remedy="give float32")


def _parts(archive: zipfile.ZipFile, member: _Member, path: str) -> Iterator[npt.NDArray[Any]]:
    """The values of an array, some after the others, in the order in which they are stored."""
    values_at_once = max(1, _AT_ONCE // max(1, member.dtype.itemsize))
    left = math.prod(member.shape)
    with archive.open(f"{member.name}.npy") as file:
        file.read(member.begin)
        while left:
            size = min(left, values_at_once)
            data = file.read(size * member.dtype.itemsize) if member.dtype.itemsize else b""
            if len(data) != size * member.dtype.itemsize:
                raise BadDataError(f"{member.name!r} is cut short", place=path, remedy="make or copy it again")
            yield np.frombuffer(data, member.dtype) if data else np.zeros(size, member.dtype)
            left -= size


def _whole(archive: zipfile.ZipFile, member: _Member, path: str) -> npt.NDArray[Any]:
    """An array, whose size was found to be right."""
    values = np.empty(math.prod(member.shape), member.dtype)
    at = 0
    for part in _parts(archive, member, path):
        values[at : at + len(part)] = part
        at += len(part)
    return values.reshape(member.shape, order="F" if member.is_fortran else "C")


def _about(archive: zipfile.ZipFile, member: _Member | None, path: str) -> dict[str, Any]:
    if member is None:
        return {}
    try:
        if member.bytes > _LONGEST_ABOUT:
            raise ValueError
        about = json_value(_whole(archive, member, path).astype(np.uint8, casting="safe").tobytes())
        if not isinstance(about, dict) or about.pop("format") != _FORMAT:
            raise ValueError
    except (ValueError, TypeError, KeyError) as error:
        raise BadDataError(
            "'about' is not what this version of negprep writes", place=path, remedy="make the model again"
        ) from error
    return about


def _ids(archive: zipfile.ZipFile, members: dict[str, _Member], name: str, path: str) -> pa.Array:
    """The ids of one side, taken out of the members.

    They are looked at part by part, and the first one that occurs twice in a part is refused: ids that unpack to many
    times their size are such.
    """
    plain, text, ends = (members.pop(f"{name}{part}", None) for part in ("", "_text", "_ends"))
    if plain is None and (text is None or ends is None):
        raise BadDataError(f"has no array {name!r}", place=path, remedy=_REMEDY)
    try:
        if plain is not None:
            return _plain_ids(archive, plain, path)
        if text is None or ends is None or text.dtype != np.uint8 or ends.dtype != np.int64:
            raise ValueError
        if len(text.shape) != 1 or len(ends.shape) != 1:
            raise ValueError
        before, parts = 0, [np.zeros(0, np.int64)]
        for part in _parts(archive, ends, path):
            lengths = np.diff(part, prepend=before)
            if lengths.min() < 0 or lengths.max() > MAX_ID_BYTES or np.count_nonzero(lengths == 0) > 1:
                raise ValueError
            before = int(part[-1])
            parts.append(part)
        if text.shape != (before,):
            raise ValueError
        return _from_bytes(_whole(archive, text, path), np.concatenate(parts))
    except (ValueError, OverflowError, pa.ArrowInvalid) as error:
        raise BadDataError(
            f"{name!r} are no ids", place=path, remedy="give whole numbers or strings, one for each row of factors"
        ) from error


def _plain_ids(archive: zipfile.ZipFile, member: _Member, path: str) -> pa.Array:
    """Ids as numpy has them. Raises ValueError for what is none."""
    if len(member.shape) != 1 or member.dtype.kind not in "iuU" or member.dtype.itemsize > 4 * MAX_ID_BYTES:
        raise ValueError
    kind = pa.string() if member.dtype.kind == "U" else pa.int64()
    found = [pa.nulls(0, kind)]
    for part in _parts(archive, member, path):
        ids = from_ids(part)
        if len(ids.unique()) < len(ids):
            again = next(each["values"] for each in ids.value_counts().to_pylist() if each["counts"] > 1)
            what = f"the {member.name.removesuffix('s')} {again!r} occurs twice"
            raise BadDataError(what, place=path, remedy="give each id once")
        found.append(ids)
    return pa.concat_arrays(found)


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


def _numbers(values: npt.NDArray[Any]) -> npt.NDArray[np.float32]:
    with np.errstate(over="ignore"):  # what is too large becomes infinite, and is refused as such
        return np.ascontiguousarray(values.astype(np.float32))
