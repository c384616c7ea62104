"""Model files: factors of users and items that give every pair a score, written and read."""

from __future__ import annotations

import hashlib
import io
import json
import math
import os
import stat
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from tokenize import TokenError
from typing import Any, BinaryIO

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from negprep.arrays import Factors
from negprep.arrow import as_numpy, from_numpy, mask_as_numpy, pc, strings, text_buffers
from negprep.encode.vocabulary import Vocabulary
from negprep.errors import BadDataError
from negprep.jsons import json_value
from negprep.read.convert import MAX_ID_BYTES
from negprep.stores import is_remote, local_copy, without_secrets
from negprep.write.destination import check_whole, write_whole

OWN = "own"
"""The kind of factors that somebody else made."""

KINDS = ("als", "bpr", "rns", "gmf", OWN)
MAX_FACTORS = 1024
_NEEDED = ("user_factors", "item_factors")


@dataclass(frozen=True, eq=False)
class Model:
    """Scores of pairs of a user and an item: score(u, j) = sum over l of h[l] * user[u, l] * item[j, l], plus bias[j].

    Attributes
    ----------
    kind : str
        One of ``KINDS``.
    users, items : Vocabulary
        Those that the model knows.
    user_factors : float32, shape (n_users, n_factors)
    item_factors : float32, shape (n_items, n_factors)
    item_bias : float32, shape (n_items,), or None
        None: 0.
    h : float32, shape (n_factors,), or None
        Weights of the factors. None: 1. Source: generalised matrix factorisation, He et al., WWW 2017, section 4.3.
    facts : dict of str
        How the model was made: what JSON can hold.
    """

    kind: str
    users: Vocabulary
    items: Vocabulary
    user_factors: Factors
    item_factors: Factors
    item_bias: Factors | None = None
    h: Factors | None = None
    facts: dict[str, Any] = field(default_factory=dict)

    @property
    def n_factors(self) -> int:
        """Factors of each user and item."""
        return int(self.user_factors.shape[1])

    @property
    def arrays(self) -> dict[str, Factors]:
        """The arrays of numbers that the model has, by name."""
        given = {name: getattr(self, name) for name in ("user_factors", "item_factors", "item_bias", "h")}
        return {name: values for name, values in given.items() if values is not None}

    @cached_property
    def digest(self) -> str:
        """SHA-256 of everything that decides a score: 64 hexadecimal digits."""
        state = hashlib.sha256(json.dumps([self.kind, self.n_factors, *self.arrays]).encode())
        for vocabulary in (self.users, self.items):
            for values in as_buffers(vocabulary.ids):
                state.update(f"{len(values)} {values.dtype}".encode())
                state.update(np.ascontiguousarray(values).data)
        for values in self.arrays.values():
            state.update(np.ascontiguousarray(values).data)
        return state.hexdigest()

    def check(self, place: str) -> None:
        """Refuse arrays that do not fit each other, or hold anything but finite numbers.

        Raises
        ------
        BadDataError
        """
        if self.kind not in KINDS:
            remedy = f"give one of {', '.join(KINDS)}"
            raise BadDataError(f"the model is of the kind {self.kind!r}", place=place, remedy=remedy)
        shapes = {name: values.shape for name, values in self.arrays.items()}
        _check_shapes(shapes, len(self.users), len(self.items), place)
        for name, values in self.arrays.items():
            if not values.size:
                raise BadDataError(f"{name} is empty", place=place, remedy="make the model again")
            if not np.isfinite(values).all():
                row = int(np.argwhere(~np.isfinite(values))[0][0])
                ids = {"user_factors": self.users, "h": None}.get(name, self.items)
                whose = f" of {ids.ids[row].as_py()!r}" if ids is not None else ""
                what = f"{name}{whose} holds NaN or an infinite number"
                raise BadDataError(what, place=place, remedy="train with a smaller learning rate")


def _check_shapes(shapes: dict[str, tuple[int, ...]], n_users: int, n_items: int, place: str) -> None:
    """Refuse arrays that do not fit the ids and each other."""
    for name in _NEEDED:
        if len(shapes[name]) != 2 or not shapes[name][1]:
            remedy = "give a row for each id and a column for each factor"
            raise BadDataError(f"{name} has the shape {shapes[name]}", place=place, remedy=remedy)
    n_factors = shapes["user_factors"][1]
    if n_factors > MAX_FACTORS:
        raise BadDataError(f"the model has {n_factors} factors", place=place, remedy=f"give at most {MAX_FACTORS}")
    wanted = {
        "user_factors": (n_users, n_factors),
        "item_factors": (n_items, n_factors),
        "item_bias": (n_items,),
        "h": (n_factors,),
    }
    for name, shape in shapes.items():
        if shape != wanted[name]:
            what = f"{name} has the shape {shape} where the ids and factors ask for {wanted[name]}"
            raise BadDataError(what, place=place, remedy="make the model again")


def sorted_model(
    kind: str,
    users: pa.Array,
    items: pa.Array,
    arrays: dict[str, Factors],
    facts: dict[str, Any],
    place: str,
) -> Model:
    """A checked model of ids in any order.

    Raises
    ------
    BadDataError
        An id that occurs twice, or what ``Model.check`` refuses.
    """
    arrays = dict(arrays)
    vocabularies = {}
    for side, ids in (("user", users), ("item", items)):
        order = as_numpy(pc.sort_indices(ids).cast(pa.int64()))
        ordered = ids.take(pc.sort_indices(ids))
        again = np.flatnonzero(_equal_to_next(ordered))
        if again.size:
            raise BadDataError(
                f"the {side} {ordered[int(again[0])].as_py()!r} occurs twice", place=place, remedy="give each id once"
            )
        vocabularies[side] = Vocabulary(ordered)
        if not (order[1:] > order[:-1]).all():
            for name in (f"{side}_factors", f"{side}_bias"):
                if name in arrays and len(arrays[name]) == len(order):
                    arrays[name] = arrays[name][order]
    model = Model(kind, vocabularies["user"], vocabularies["item"], facts=facts, **arrays)
    model.check(place)
    return model


def as_buffers(ids: pa.Array) -> list[npt.NDArray[Any]]:
    """Ids as numbers: int64 ids alone, or the bytes of strings end to end, uint8, and where each ends, int64."""
    if pa.types.is_integer(ids.type):
        return [as_numpy(ids)]
    data, offsets = text_buffers(ids)
    return [data, offsets[1:]]


def _equal_to_next(ordered: pa.Array) -> npt.NDArray[np.bool_]:
    if len(ordered) < 2:
        return np.zeros(0, bool)
    return as_numpy(pc.equal(ordered.slice(1), ordered.slice(0, len(ordered) - 1)).cast(pa.uint8())).astype(bool)


_FORMAT = 1
_EPOCH = (1980, 1, 1, 0, 0, 0)
"""The earliest time that a ZIP archive can give its members."""

_IDS = tuple(f"{side}{part}" for side in ("users", "items") for part in ("", "_text", "_ends"))
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
        The target is not a file.
    BadDataError
        The arrays do not fit each other, or hold anything but finite numbers.
    OutputError
        The machine refuses.
    """
    check_whole(target, [])
    model.check(target)
    facts = {"format": _FORMAT, "kind": model.kind, "arrays": sorted(model.arrays), **model.facts}
    about = json.dumps(facts, sort_keys=True).encode()
    arrays: dict[str, npt.NDArray[Any]] = {"about": np.frombuffer(about, np.uint8)}
    for name, vocabulary in (("users", model.users), ("items", model.items)):
        buffers = as_buffers(vocabulary.ids)
        arrays |= dict(zip([name] if len(buffers) == 1 else [f"{name}_text", f"{name}_ends"], buffers, strict=True))

    def fill(file: BinaryIO) -> None:
        with zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as archive:
            for name, values in (arrays | model.arrays).items():
                with archive.open(zipfile.ZipInfo(f"{name}.npy", _EPOCH), "w", force_zip64=True) as member:
                    np.lib.format.write_array(member, np.ascontiguousarray(values), version=(1, 0), allow_pickle=False)

    write_whole(target, fill)


def read_archive(path: str) -> Model:
    """Read a model from a ``.npz`` file.

    Raises
    ------
    BadDataError
        It is another kind of file, is cut short or pickled, or lacks or holds what a model cannot.
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
            # Before the data are read: a small file may unpack to any size.
            _check_shapes({name: member.shape for name, member in members.items()}, len(ids[0]), len(ids[1]), path)
            for name, member in members.items():
                if member.dtype.kind not in "fiu":
                    what = f"{name!r} holds {member.dtype}, and not numbers"
                    raise BadDataError(what, place=path, remedy="give float32")
            numbers = {name: _numbers(_whole(archive, member, path)) for name, member in members.items()}
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError, OSError) as error:
        raise BadDataError(f"is not a whole .npz file ({error})", place=path, remedy="make or copy it again") from error
    kind = str(about.pop("kind", OWN))
    return sorted_model(kind, ids[0], ids[1], numbers, about, path)


@dataclass(frozen=True)
class _Member:
    """An array of the archive after its header was read; its data begin at ``begin`` in the member."""

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
        raise BadDataError(f"{name!r} is not a numpy array", place=path, remedy=_REMEDY) from error
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
            f"{name!r} are not ids", place=path, remedy="give whole numbers or strings, one for each row of factors"
        ) from error


def _plain_ids(archive: zipfile.ZipFile, member: _Member, path: str) -> pa.Array:
    """Ids as numpy has them. Raises ValueError for what is none."""
    if len(member.shape) != 1 or member.dtype.kind not in "iuU" or member.dtype.itemsize > 4 * MAX_ID_BYTES:
        raise ValueError
    kind = pa.string() if member.dtype.kind == "U" else pa.int64()
    found = [pa.nulls(0, kind)]
    for part in _parts(archive, member, path):
        ids = _from_numbers(part)
        if len(ids.unique()) < len(ids):
            again = next(each["values"] for each in ids.value_counts().to_pylist() if each["counts"] > 1)
            what = f"the {member.name.removesuffix('s')} {again!r} occurs twice"
            raise BadDataError(what, place=path, remedy="give each id once")
        found.append(ids)
    return pa.concat_arrays(found)


def _from_numbers(values: npt.NDArray[Any]) -> pa.Array:
    """Ids of a kind in "iuU" as Arrow: int64 or string."""
    if values.dtype.kind == "U":
        return strings(values.tolist())
    if values.size and int(values.max()) >= 2**63:
        raise OverflowError
    return from_numpy(np.ascontiguousarray(values.astype(np.int64)))


def _from_bytes(text: npt.NDArray[np.uint8], ends: npt.NDArray[np.int64]) -> pa.Array:
    offsets = np.concatenate([[0], ends])
    if len(text) >= 2**31:
        raise OverflowError
    buffers = [None, pa.py_buffer(offsets.astype(np.int32)), pa.py_buffer(np.ascontiguousarray(text))]
    ids = pa.Array.from_buffers(pa.string(), len(ends), buffers)
    ids.validate(full=True)
    return ids


def _numbers(values: npt.NDArray[Any]) -> npt.NDArray[np.float32]:
    with np.errstate(over="ignore"):  # what is too large becomes infinite, and is refused as such
        return np.ascontiguousarray(values.astype(np.float32))


_ROWS = 1 << 16

_COLUMNS_REMEDY = "give the columns side ('user' or 'item'), id, factors and perhaps bias"


def read_table(path: str) -> Model:
    """Read a model from a Parquet file.

    Raises
    ------
    BadDataError
        It is another kind of file, or lacks or holds what a model cannot.
    """
    try:
        table = _read(path)
    except UnicodeDecodeError as error:
        what = f"the column name {error.object!r} is not UTF-8"
        raise BadDataError(what, place=path, remedy="write the file again with other names") from None
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
        raise BadDataError("is not a whole Parquet file", place=path, remedy="make or copy it again") from error
    columns = {
        name: _whole_column(table, name, path)
        for name in ("side", "id", "factors", "bias")
        if name in table.schema.names
    }
    kind = columns["id"].type
    if pa.types.is_integer(kind):
        ids = pc.cast(columns["id"], pa.int64(), safe=False)
    elif pa.types.is_string(kind) or pa.types.is_large_string(kind):
        ids = columns["id"].cast(pa.string())
    else:
        raise BadDataError(f"column 'id' holds {kind}", place=path, remedy="give integers or strings")
    factors = _lists(columns["factors"], path)
    bias = _numbers_of_column(columns["bias"], "bias", path) if "bias" in columns else None
    sides = {}
    for side in ("user", "item"):
        sides[side] = np.flatnonzero(mask_as_numpy(pc.equal(columns["side"].cast(pa.string()), side)))
    if sum(map(len, sides.values())) != len(table):
        raise BadDataError("a row is neither of a user nor of an item", place=path, remedy=_COLUMNS_REMEDY)
    arrays = {"user_factors": factors[sides["user"]], "item_factors": factors[sides["item"]]}
    if bias is not None:
        arrays["item_bias"] = bias[sides["item"]]
    users, items = (ids.take(from_numpy(sides[side])) for side in ("user", "item"))
    return sorted_model(OWN, users, items, arrays, {}, path)


def _read(path: str) -> pa.Table:
    """The columns that are needed, after a look at the footer: they must fit each other.

    A small file may unpack to any size: to lists of any length, or to one id again and again. So the numbers of values
    are compared before these are read, and the ids are read first, and each once in a batch of them.
    """
    with pq.ParquetFile(path) as file:
        found = file.schema_arrow.names
        lacking = [name for name in ("side", "id", "factors") if name not in found]
        if lacking:
            what = f"no column {lacking[0]!r} (found: {', '.join(found)})"
            raise BadDataError(what, place=path, remedy=_COLUMNS_REMEDY)
        footer = file.metadata
        for at in range(footer.num_row_groups):
            group = footer.row_group(at)
            for column in (group.column(place) for place in range(group.num_columns)):
                name = column.path_in_schema.partition(".")[0]
                most = group.num_rows * (MAX_FACTORS if name == "factors" else 1)
                if name in ("side", "id", "factors", "bias") and column.num_values > most:
                    what = f"{column.num_values:,} values of {name!r} in {group.num_rows:,} rows"
                    remedy = f"give at most {MAX_FACTORS} factors, and one of all else, for each user and item"
                    raise BadDataError(what, place=path, remedy=remedy)
        for batch in file.iter_batches(_ROWS, columns=["side", "id"], use_threads=False):
            distinct = pa.table(batch).group_by(["side", "id"], use_threads=False).aggregate([([], "count_all")])
            if len(distinct) < batch.num_rows:
                again = next(row for row in distinct.to_pylist() if row["count_all"] > 1)
                what = f"the {again['side']} {again['id']!r} occurs twice"
                raise BadDataError(what, place=path, remedy="give each id once")
        columns = [name for name in ("side", "id", "factors", "bias") if name in found]
        return file.read(columns=columns, use_threads=False).combine_chunks()


def _whole_column(table: pa.Table, name: str, path: str) -> pa.Array:
    column = table.column(name)
    if column.null_count:
        raise BadDataError(f"column {name!r} has nulls", place=path, remedy="fill them, or leave the rows out")
    return column.chunk(0) if column.num_chunks else pa.array([], column.type)


def _lists(column: pa.Array, path: str) -> npt.NDArray[np.float32]:
    if not any(check(column.type) for check in (pa.types.is_list, pa.types.is_large_list, pa.types.is_fixed_size_list)):
        raise BadDataError(f"column 'factors' holds {column.type}", place=path, remedy=_COLUMNS_REMEDY)
    lengths = as_numpy(pc.list_value_length(column).cast(pa.int64()))
    if lengths.size and (lengths != lengths[0]).any():
        raise BadDataError(
            f"a row has {lengths[lengths != lengths[0]][0]} factors, and the first one {lengths[0]}",
            place=path,
            remedy="give all the same number",
        )
    values = pc.list_flatten(column)
    if values.null_count:
        raise BadDataError("column 'factors' has nulls", place=path, remedy="fill them, or leave the rows out")
    return _numbers_of_column(values, "factors", path).reshape(len(column), -1 if len(column) else 0)


def _numbers_of_column(values: pa.Array, name: str, path: str) -> npt.NDArray[np.float32]:
    if not (pa.types.is_floating(values.type) or pa.types.is_integer(values.type)):
        raise BadDataError(f"column {name!r} holds {values.type}, and not numbers", place=path, remedy=_COLUMNS_REMEDY)
    return as_numpy(pc.cast(values, pa.float32(), safe=False)).copy()


def read_model(source: str | os.PathLike[str]) -> Model:
    """Read a model file: arrays (``.npz``, as ``negprep fit`` writes them) or Parquet, recognised by their first bytes.

    Raises
    ------
    BadDataError
        It is neither, or not what a model file must be.
    OSError
        It is not there, or cannot be read.
    """
    path = os.fspath(source)
    if is_remote(path):
        with local_copy(path) as local:
            try:
                return read_model(local)
            except BadDataError as error:
                raise BadDataError(error.what, place=without_secrets(path), remedy=error.remedy) from None
    mode = Path(path).stat().st_mode
    if stat.S_ISFIFO(mode) or stat.S_ISDIR(mode):
        raise BadDataError("is a pipe or a folder", place=path, remedy="give a model file, as negprep fit writes it")
    with Path(path).open("rb") as file:
        head = file.read(8)
    if head.startswith(b"PK"):
        return read_archive(path)
    if head.startswith(b"PAR1"):
        return read_table(path)
    what = "is empty" if not head else "is neither a .npz file of arrays nor Parquet"
    if head.startswith((b"\x80", b"\x93NUMPY")):
        what = "is a pickle or a single array, and not a .npz file of arrays"
    raise BadDataError(what, place=path, remedy="give a model file, as negprep fit writes it")
