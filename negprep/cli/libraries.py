"""numpy and pyarrow, imported when a command needs them, and what must be told before that."""

from __future__ import annotations

import os
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

from negprep.cli.allocator import keep_freed_memory, touch_ahead
from negprep.errors import OutputError
from negprep.forms import form_of
from negprep.memory import ARROW_THREADS, check_room, default_budget

if TYPE_CHECKING:
    from negprep.cli.request import Request
    from negprep.options import Options

_SHARE_TOUCHED = 8
"""Of the memory that a run may take, one part in so many at most is touched ahead."""


def load_libraries(request: Request | None = None, *, algebra: bool = False) -> None:
    """Import numpy and pyarrow, only now: help and usage errors need not wait for them.

    The functions of Arrow, too, unless the request can do without them: a signal should not come in the middle of an
    import. Memory for a request is made ready at the same time.

    With ``algebra``, or where the request has a model, what multiplies matrices gets its memory at once.

    Raises
    ------
    OutputError
        A library cannot be loaded, or gets no memory.
    """
    # --jobs makes the threads; OpenBLAS would reserve memory for more as numpy is imported, and send the
    # process a SIGINT where a limit forbids it.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    if keep_freed_memory() and request is not None and request.options.jobs > 1:
        budget = default_budget() if request.options.memory is None else request.options.memory
        touch_ahead(request.source, budget // _SHARE_TOUCHED)
    for name in ("numpy", "pyarrow", "pyarrow.parquet"):
        _load(name)
    if request is None or not _is_numbers_alone(request):
        _load("pyarrow.compute")
    if request is not None and request.options.model is not None:
        check_room(algebra=request.options.jobs, threads=ARROW_THREADS)
    else:
        check_room(algebra=int(algebra), threads=ARROW_THREADS)
    if algebra:
        import numpy as np

        np.matmul(np.ones((2, 2)), np.ones((2, 2)))


def _load(name: str) -> None:
    try:
        import_module(name)
    except (ImportError, SystemError) as error:
        # numpy wraps the reason in a page of advice.
        reason = str(error.__cause__ or error).strip().partition("\n")[0]
        raise OutputError(
            f"{name} cannot be loaded: {reason}",
            remedy="give the process more memory (ulimit -v), or install it again",
        ) from error


def _is_numbers_alone(request: Request) -> bool:
    """Whether numbers come from one Parquet file and go to another, in columns of their own: needing nothing more."""
    if form_of(request.target, request.options.to) != "parquet" or not _makes_plain_columns(request.options):
        return False
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        kinds = pq.read_schema(request.source).types if Path(request.source).is_file() else []
    except (OSError, ValueError, pa.ArrowException):  # said where it is opened
        return False
    return bool(kinds) and all(pa.types.is_integer(kind) or pa.types.is_floating(kind) for kind in kinds)


def _makes_plain_columns(options: Options) -> bool:
    beside = (options.exclude, options.items, options.weights, options.weak, options.model)
    chosen = (options.positive, options.min_positives, options.core)
    return (
        options.layout != "listwise"
        and options.recipe.sources is None
        and not options.encode
        and all(given is None for given in (*beside, *chosen))
    )
