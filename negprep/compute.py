"""pyarrow.compute, imported when it is first used: 20 ms that a run on integers in Parquet need not wait for."""

from __future__ import annotations

from typing import Any


class _Compute:
    """The functions of ``pyarrow.compute``, by name."""

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401
        import pyarrow.compute

        return getattr(pyarrow.compute, name)


pc = _Compute()
