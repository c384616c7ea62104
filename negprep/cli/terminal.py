"""One tqdm bar on stderr for each step of a run."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from negprep.cli import signals

Progress = Callable[[str, int, int | None], None]

_UNITS = {"fit": " epochs", "check": " steps"}
"""What the steps count that do not count rows."""


@contextmanager
def progress_bars(*, shown: bool, unit: str = " rows") -> Iterator[Progress]:
    """Give a function that draws the progress of a run, and ends it where a signal was swallowed.

    It takes the step, the rows (or what ``unit`` says) done so far, and their total or None; the words after the first
    of a step, such as a loss, are shown behind the bar. The bar is wiped on the way out: what comes next starts on a
    line of its own, an error too.
    """
    if not shown:
        yield _check
        return
    from tqdm import tqdm

    bar: tqdm[Any] | None = None
    step_shown = ""

    def show(step: str, done: int, total: int | None) -> None:
        nonlocal bar, step_shown
        signals.check()
        name, _, words = step.partition(" ")
        if bar is None or name != step_shown:
            if bar is not None:
                bar.close()
            bar = tqdm(
                total=total,
                desc=f"{name:6}",
                unit=_UNITS.get(name, unit),
                unit_scale=name not in _UNITS,
                mininterval=0 if name == "check" else 0.1,  # a step is long, and the words of each must be seen
                leave=False,
                dynamic_ncols=True,
            )
            step_shown = name
        bar.total = total
        bar.set_postfix_str(words, refresh=bool(words) and done == bar.n)  # no update would show the new words
        bar.update(done - bar.n)

    try:
        yield show
    finally:
        if bar is not None:
            bar.close()


def _check(_step: str, _done: int, _total: int | None) -> None:
    signals.check()
