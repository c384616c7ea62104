"""Bar charts out of characters, for a terminal or a file."""

from __future__ import annotations

from collections.abc import Sequence

_EIGHTHS = " ▏▎▍▌▋▊▉"
_FEWEST_CELLS = 8


def bar_chart(bars: Sequence[tuple[str, int]], *, width: int, blocks: bool) -> list[str]:
    """A line for each bar: its label, its number, and the bar, the longest of which ends at the width.

    Parameters
    ----------
    bars : sequence of (str, int)
        Labels and numbers of at least 0.
    width : int
        Columns of a line.
    blocks : bool
        Draw with eighths of a block, which need Unicode; else with ``#``.
    """
    labels = max((len(label) for label, _ in bars), default=0)
    numbers = max((len(f"{number:,}") for _, number in bars), default=0)
    cells = max(_FEWEST_CELLS, width - labels - numbers - 6)
    most = max((number for _, number in bars), default=0)
    return [
        f"  {label:>{labels}}  {number:>{numbers},}  {_bar(number, most, cells, blocks)}".rstrip()
        for label, number in bars
    ]


def _bar(number: int, most: int, cells: int, blocks: bool) -> str:
    """A bar in proportion; whatever is above 0 is seen."""
    if not number:
        return ""
    if not blocks:
        return "#" * max(1, round(cells * number / most))
    full, eighths = divmod(max(1, round(8 * cells * number / most)), 8)
    return "█" * full + _EIGHTHS[eighths].strip()
