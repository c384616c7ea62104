"""A model in a Parquet file: a row for each user and item, for factors that were made elsewhere.

Columns: ``side`` ("user" or "item"), ``id`` (integers or strings), ``factors`` (a list of numbers, equally long), and
perhaps ``bias``, of which those of items count.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from negprep.arrow import as_numpy, from_numpy, mask_as_numpy
from negprep.compute import pc
from negprep.errors import BadDataError
from negprep.model.factors import MAX_FACTORS, OWN, Model, sorted_model

_ROWS = 1 << 16

_REMEDY = "give the columns side ('user' or 'item'), id, factors and perhaps bias"


def read_table(path: str) -> Model:
    """Read a model from a Parquet file.

    Raises
    ------
    BadDataError
        It is no such file, or lacks or holds what a model cannot.
    """
    try:
        table = _read(path)
    except UnicodeDecodeError as error:
        what = f"the column name {error.object!r} is not UTF-8"
        raise BadDataError(what, place=path, remedy="write the file again with other names") from None
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
        raise BadDataError("is no whole Parquet file", place=path, remedy="make or copy it again") from error
    columns = {
        name: _whole(table, name, path) for name in ("side", "id", "factors", "bias") if name in table.schema.names
    }
    kind = columns["id"].type
    if pa.types.is_integer(kind):
        ids = pc.cast(columns["id"], pa.int64(), safe=False)
    elif pa.types.is_string(kind) or pa.types.is_large_string(kind):
        ids = columns["id"].cast(pa.string())
    else:
        raise BadDataError(f"column 'id' holds {kind}", place=path, remedy="give integers or strings")
    factors = _lists(columns["factors"], path)
    bias = _numbers(columns["bias"], "bias", path) if "bias" in columns else None
    sides = {}
    for side in ("user", "item"):
        sides[side] = np.flatnonzero(mask_as_numpy(pc.equal(columns["side"].cast(pa.string()), side)))
    if sum(map(len, sides.values())) != len(table):
        raise BadDataError("a row is neither of a user nor of an item", place=path, remedy=_REMEDY)
    arrays = {"user_factors": factors[sides["user"]], "item_factors": factors[sides["item"]]}
    if bias is not None:
        arrays["item_bias"] = bias[sides["item"]]
    users, items = (ids.take(from_numpy(sides[side])) for side in ("user", "item"))
    return sorted_model(OWN, users, items, arrays, {}, path)


def _read(path: str) -> pa.Table:
    """The columns that are needed, once the footer says that they fit each other.

    A small file may unpack to any size: to lists of any length, or to one id again and again. So the numbers of values
    are compared before these are read, and the ids are read first, and each once in a batch of them.
    """
    with pq.ParquetFile(path) as file:
        found = file.schema_arrow.names
        lacking = [name for name in ("side", "id", "factors") if name not in found]
        if lacking:
            what = f"no column {lacking[0]!r} (found: {', '.join(found)})"
            raise BadDataError(what, place=path, remedy=_REMEDY)
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


def _whole(table: pa.Table, name: str, path: str) -> pa.Array:
    column = table.column(name)
    if column.null_count:
        raise BadDataError(f"column {name!r} has nulls", place=path, remedy="fill them, or leave the rows out")
    return column.chunk(0) if column.num_chunks else pa.array([], column.type)


def _lists(column: pa.Array, path: str) -> npt.NDArray[np.float32]:
    if not any(check(column.type) for check in (pa.types.is_list, pa.types.is_large_list, pa.types.is_fixed_size_list)):
        raise BadDataError(f"column 'factors' holds {column.type}", place=path, remedy=_REMEDY)
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
    return _numbers(values, "factors", path).reshape(len(column), -1 if len(column) else 0)


def _numbers(values: pa.Array, name: str, path: str) -> npt.NDArray[np.float32]:
    if not (pa.types.is_floating(values.type) or pa.types.is_integer(values.type)):
        raise BadDataError(f"column {name!r} holds {values.type}, and not numbers", place=path, remedy=_REMEDY)
    return as_numpy(pc.cast(values, pa.float32(), safe=False)).copy()
