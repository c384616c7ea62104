"""Run shards on the threads of this machine."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable
from typing import TypeVar

from negprep.threads import on_threads

Shard = TypeVar("Shard")
Result = TypeVar("Result")


def run_shards(
    function: Callable[[Shard], Result], shards: Iterable[Shard], *, jobs: int, ahead: int = 0
) -> Generator[tuple[Shard, Result], None, None]:
    """Yield each shard and ``function(shard)``, in the order of the shards.

    ``jobs`` threads work ahead of the consumer, and at most ``jobs + 1`` results wait, or ``ahead`` if that is more.
    """
    return on_threads(function, shards, threads=jobs, ahead=max(jobs + 1, ahead))
