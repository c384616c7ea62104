"""Run shards on the threads of this machine."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable
from functools import partial
from queue import SimpleQueue
from typing import Generic, Protocol, TypeVar

from negprep.threads import on_threads

Shard = TypeVar("Shard")
Result = TypeVar("Result")
Rows = TypeVar("Rows")
RowsOf = TypeVar("RowsOf", covariant=True)


class RowShard(Protocol[RowsOf]):
    """A shard that becomes rows in two steps."""

    def prepare(self) -> Callable[[], RowsOf]:
        """Do most of the work; what is returned gives the rows, once. Both may run in any thread."""


def run_shards(
    function: Callable[[Shard], Result], shards: Iterable[Shard], *, jobs: int, ahead: int = 0
) -> Generator[tuple[Shard, Result], None, None]:
    """Yield each shard and ``function(shard)``, in the order of the shards.

    ``jobs`` threads work ahead of the consumer, and at most ``jobs + 1`` results wait, or ``ahead`` if that is more.
    """
    return on_threads(function, shards, threads=jobs, ahead=max(jobs + 1, ahead))


def rows_in_order(shards: Iterable[RowShard[Rows]], *, jobs: int, waiting: int = 1) -> Generator[Rows, None, None]:
    """Yield the rows of each shard, in the order of the shards.

    The consumer's thread is one of ``jobs``: it makes the rows of some shards, for which the others do the first step.
    ``waiting`` shards may wait beyond those that the others work on.
    """
    share, others = _Share[Rows](), max(1, jobs - 1)
    for _, finish in run_shards(share.prepare, shards, jobs=others, ahead=others + waiting):
        yield share.take(finish)


class _Share(Generic[Rows]):
    """Who makes the rows of a shard: whoever would else wait.

    While a shard waits, the consumer is busy, so that the thread that prepares the next one makes its rows, too. Else
    it leaves that to the consumer, who has nothing else to do. As rows take thrice the memory of what they are made of,
    hardly more than one shard waits as rows.
    """

    def __init__(self) -> None:
        # Tokens, one a shard. How many there are may be out of date a moment later: a hint, on which no row depends.
        self._waiting: SimpleQueue[None] = SimpleQueue()
        self._waiting_as_rows: SimpleQueue[None] = SimpleQueue()

    def prepare(self, shard: RowShard[Rows]) -> Callable[[], Rows]:
        """What gives the rows of a shard, to be handed to ``take``. In any thread."""
        finish = shard.prepare()
        if self._waiting.qsize() and not self._waiting_as_rows.qsize():
            self._waiting_as_rows.put(None)
            finish = partial(self._give, finish())
        self._waiting.put(None)  # before anybody can take it
        return finish

    def take(self, finish: Callable[[], Rows]) -> Rows:
        """The rows of a shard, which waits no longer."""
        self._waiting.get()
        return finish()

    def _give(self, rows: Rows) -> Rows:
        self._waiting_as_rows.get()
        return rows
