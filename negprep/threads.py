"""Work on threads: results in order, and no thread left waiting after a signal."""

from __future__ import annotations

import signal
import threading
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing, contextmanager
from itertools import islice, repeat
from typing import TypeVar

from negprep.errors import OutputError

Task = TypeVar("Task")
Result = TypeVar("Result")


class _Call:
    """A call of `on_threads`: whether anybody waits for its results, and the call whose task made it."""

    def __init__(self) -> None:
        self.wanted = True
        self.within: _Call | None = getattr(_of_thread, "call", None)


_of_thread = threading.local()


class Unwanted(BaseException):
    """Ends a task whose result nobody waits for. Raised by `go_on`; nobody sees it."""


def go_on() -> None:
    """Raise `Unwanted` in a thread of `on_threads` whose iterator was closed; to be called between steps of a task."""
    call: _Call | None = getattr(_of_thread, "call", None)
    while call is not None:
        if not call.wanted:
            raise Unwanted
        call = call.within


def on_threads(
    function: Callable[[Task], Result], tasks: Iterable[Task], *, threads: int, ahead: int = 0, name: str = "negprep"
) -> Generator[tuple[Task, Result], None, None]:
    """Yield each task and ``function(task)``, in the order of the tasks.

    The consumer's thread takes the tasks from their iterator as needed. The threads work ahead of it, and none of them
    outlives this iterator: a long task should call `go_on` now and then. An exception of a task is raised where its
    result would have come.

    ``ahead``: Results that may wait; by default one more than there are threads.
    Raises OutputError: The machine refuses a thread.
    """
    remaining = iter(tasks)
    waiting: deque[tuple[Task, Future[Result]]] = deque()
    call = _Call()
    executor = ThreadPoolExecutor(threads, name)

    def run(task: Task) -> Result:
        _of_thread.call = call
        return function(task)

    def submit(some: Iterator[Task]) -> None:
        for task in some:
            with starting_threads():
                waiting.append((task, executor.submit(run, task)))

    try:
        submit(islice(remaining, ahead or threads + 1))
        while waiting:
            task, future = waiting.popleft()
            result = future.result()
            del future  # it would keep the result
            submit(islice(remaining, 1))
            yield task, result
            del task, result
    finally:
        call.wanted = False
        executor.shutdown(cancel_futures=True)


def one_ahead(items: Iterator[Result], *, name: str = "negprep") -> Generator[Result, None, None]:
    """The items; a thread makes each while the one before is in use. None of them may be None."""
    with closing(on_threads(lambda _: next(items, None), repeat(None), threads=1, ahead=1, name=name)) as made:
        for _, item in made:
            if item is None:
                return
            yield item


@contextmanager
def starting_threads() -> Iterator[None]:
    """Hold signals back while threads start: an exception out of a handler would lose a thread or leave a lock taken.

    The threads keep the signals blocked: they are for the main thread.

    Raises OutputError: The machine refuses a thread.
    """
    before = signal.pthread_sigmask(signal.SIG_BLOCK, [])
    try:  # from here on: a handler may run, and raise, as the signals are blocked
        signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
        yield
    except RuntimeError as error:
        raise OutputError(
            f"no thread can be started: {error}",
            remedy="give the process more memory (ulimit -v) or more threads (ulimit -u), or lower --jobs",
        ) from error
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
