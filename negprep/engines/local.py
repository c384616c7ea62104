"""Run shards on the threads of this machine."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import islice
from typing import TypeVar

Shard = TypeVar("Shard")
Result = TypeVar("Result")


def run_shards(
    function: Callable[[Shard], Result], shards: Iterable[Shard], *, jobs: int, ahead: int = 0
) -> Generator[tuple[Shard, Result], None, None]:
    """Yield each shard and ``function(shard)``, in the order of the shards.

    Shards are taken from their iterator as needed. ``jobs`` threads work ahead of the consumer, at most ``jobs + 1``
    results wait, or ``ahead`` if that is more, and no thread outlives the iterator. An exception in a shard is raised
    where its result would have come.
    """
    remaining = iter(shards)
    waiting: deque[tuple[Shard, Future[Result]]] = deque()
    pool = ThreadPoolExecutor(jobs, thread_name_prefix="negprep")
    try:
        waiting.extend((shard, pool.submit(function, shard)) for shard in islice(remaining, max(jobs + 1, ahead)))
        while waiting:
            shard, future = waiting.popleft()
            result = future.result()
            waiting.extend((shard, pool.submit(function, shard)) for shard in islice(remaining, 1))
            yield shard, result
    finally:
        pool.shutdown(wait=True, cancel_futures=True)
