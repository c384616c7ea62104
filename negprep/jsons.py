"""JSON of any origin to values."""

from __future__ import annotations

import json
from typing import Any

_DEEPEST = 64
"""Levels of lists and objects in each other. What negprep writes has four."""


def json_value(text: bytes | str) -> Any:  # noqa: ANN401 - whatever JSON can hold
    """The value of a JSON text; ``ValueError`` if it is not JSON in UTF-8, or too deeply nested to walk through."""
    try:
        value = json.loads(text)
    except RecursionError:
        raise ValueError("nested too deeply") from None
    level = [value]
    for _ in range(_DEEPEST):
        level = [
            inner
            for each in level
            if isinstance(each, dict | list)
            for inner in (each.values() if isinstance(each, dict) else each)
        ]
        if not level:
            return value
    raise ValueError("nested too deeply")
