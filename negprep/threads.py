"""Work on threads: results in order, and no thread left waiting after a signal."""

from __future__ import annotations

import os
import signal
import threading
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import closing, suppress
from itertools import islice, repeat
from queue import Empty, SimpleQueue
from typing import NoReturn, TypeVar

from negprep.errors import OutputError, UsageError

Task = TypeVar("Task")
Result = TypeVar("Result")


class _Pool:
    """The threads of a call of `on_threads`, and whether anybody waits for what they make."""

    def __init__(self) -> None:
        self.wanted = True
        self.within: _Pool | None = getattr(_of_thread, "pool", None)


_of_thread = threading.local()
_SIGNALS = frozenset(signal.Signals)  # those with names: converting all 62 took a fifth of the time of a small run


class Unwanted(BaseException):
    """The rest of a task is left undone: nobody waits for it. Raised by `go_on`, and seen by nobody."""


def go_on() -> None:
    """Raise `Unwanted` in a thread of `on_threads` whose iterator was closed: to be called between steps of a task."""
    pool: _Pool | None = getattr(_of_thread, "pool", None)
    while pool is not None:
        if not pool.wanted:
            raise Unwanted
        pool = pool.within


_Outcome = SimpleQueue[tuple[Result, None] | tuple[None, BaseException]]


def on_threads(
    function: Callable[[Task], Result],
    tasks: Iterable[Task],
    *,
    threads: int,
    ahead: int = 0,
    name: str = "negprep",
    daemon: bool = False,
) -> Generator[tuple[Task, Result], None, None]:
    """Yield each task and ``function(task)``, in the order of the tasks.

    Tasks are taken from their iterator as needed. The threads work ahead of the consumer, and none of them outlives the
    iterator: a long task should call `go_on` now and then. An exception of a task is raised where its result would have
    come.

    ``function``: Runs in any of the threads.
    ``tasks``: Gone through by the consumer's thread.
    ``ahead``: Results that may wait; by default one more than there are threads.
    ``daemon``: Whether the interpreter may end while the iterator is open, as one that a user holds may be.
    Raises OutputError: The machine refuses a thread.
    Raises UsageError: The process was forked, and the new one goes on: it has not the threads.
    """
    remaining = iter(tasks)
    todo: SimpleQueue[tuple[Task, _Outcome[Result]] | None] = SimpleQueue()
    waiting: deque[tuple[Task, _Outcome[Result]]] = deque()
    workers: list[threading.Thread] = []
    pool, process = _Pool(), os.getpid()

    def submit(some: Iterator[Task]) -> None:
        for task in some:
            entry: tuple[Task, _Outcome[Result]] = (task, SimpleQueue())
            waiting.append(entry)
            todo.put(entry)
            if len(workers) < min(threads, len(waiting)):
                start(threading.Thread(target=_work, args=(function, todo, pool), name=name, daemon=daemon), workers)

    try:
        submit(islice(remaining, ahead or threads + 1))
        while waiting:
            if os.getpid() != process:
                what = "this was begun before the process was forked, and the new one has no threads to go on with"
                raise UsageError(what, remedy="begin anew in the new process")
            task, outcome = waiting.popleft()
            result = _made(outcome.get())
            submit(islice(remaining, 1))
            yield task, result
    finally:
        pool.wanted = False
        with suppress(Empty):
            while True:
                todo.get_nowait()
        for _ in workers:
            todo.put(None)
        for worker in workers:
            worker.join()


def one_ahead(items: Iterator[Result], *, name: str = "negprep") -> Generator[Result, None, None]:
    """The items; a thread makes each while the one before is in use. None of them may be None."""
    with closing(on_threads(lambda _: next(items, None), repeat(None), threads=1, ahead=1, name=name)) as made:
        for _, item in made:
            if item is None:
                return
            yield item


def _work(
    function: Callable[[Task], Result], todo: SimpleQueue[tuple[Task, _Outcome[Result]] | None], pool: _Pool
) -> None:
    _of_thread.pool = pool
    while (entry := todo.get()) is not None:
        task, outcome = entry
        try:
            outcome.put((function(task), None))
        except BaseException as error:  # raised again where the result is asked for
            outcome.put((None, error))
        del entry, task, outcome  # nothing is held while waiting for more


def _made(outcome: tuple[Result, None] | tuple[None, BaseException]) -> Result:
    result, error = outcome
    if error is not None:
        raise error
    return result  # type: ignore[return-value]  # set wherever error is not


def raised(error: Exception) -> NoReturn:
    """Raise an error that came up earlier."""
    raise error


def start(worker: threading.Thread, workers: list[threading.Thread] | None = None) -> None:
    """Start a thread and note it, with the signals held back: starting one waits for it by a lock of Python's.

    The thread keeps them blocked. They are for the main thread.

    Raises OutputError: The machine refuses.
    """
    can_block = hasattr(signal, "pthread_sigmask")
    before = signal.pthread_sigmask(signal.SIG_BLOCK, []) if can_block else ()
    try:  # from here on: a handler may run, and raise, as the signals are blocked
        if can_block:
            signal.pthread_sigmask(signal.SIG_BLOCK, _SIGNALS)
        try:
            worker.start()
        except RuntimeError as error:
            raise OutputError(
                f"no thread can be started: {error}",
                remedy="give the process more memory (ulimit -v) or more threads (ulimit -u), or lower --jobs",
            ) from error
        if workers is not None:
            workers.append(worker)
    finally:
        if can_block:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)
