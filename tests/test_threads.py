"""Results come in order, errors in their place, no thread is left, and an exception out of a handler halts nobody."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from contextlib import closing
from itertools import count

import pytest

from negprep.errors import OutputError, UsageError
from negprep.threads import go_on, on_threads, one_ahead, start

INTERRUPTED = """
import random, signal, sys
from contextlib import closing
from negprep.threads import on_threads

class Stopped(BaseException):
    pass

def stop(*_):
    if armed:
        armed.clear()
        raise Stopped

armed, chance, halts = [], random.Random(int(sys.argv[1])), 0
signal.signal(signal.SIGALRM, stop)
for _ in range(2_000):
    armed.append(True)
    try:
        signal.setitimer(signal.ITIMER_REAL, chance.uniform(1e-5, 1.5e-3))
        with closing(on_threads(lambda task: task, range(10_000), threads=2, ahead=3)) as made:
            for _ in made:
                pass
    except Stopped:
        halts += 1
    signal.setitimer(signal.ITIMER_REAL, 0)
    armed.clear()
print(halts)
"""


def names():
    return [thread.name for thread in threading.enumerate()]


@pytest.mark.parametrize(("threads", "ahead"), [(1, 1), (2, 3), (8, 3), (3, 40)])
def test_results_come_in_the_order_of_the_tasks(threads, ahead):
    def slow(task):
        time.sleep(0.002 * (task % 3))
        return task * task

    assert list(on_threads(slow, range(60), threads=threads, ahead=ahead)) == [
        (task, task * task) for task in range(60)
    ]
    assert list(on_threads(slow, [], threads=threads, ahead=ahead)) == []


@pytest.mark.parametrize("ahead", [1, 4])
def test_no_more_tasks_are_taken_than_may_wait(ahead):
    taken = []

    def tasks():
        for task in count():
            taken.append(task)
            yield task

    made = on_threads(lambda task: task, tasks(), threads=2, ahead=ahead)
    for done in range(20):
        next(made)
        assert len(taken) == done + 1 + ahead
    made.close()


def test_an_error_comes_where_its_result_would_have_come_and_no_thread_is_left():
    made = on_threads(lambda task: 1 // (7 - task), range(100), threads=3, ahead=9, name="mine")
    assert [next(made)[0] for _ in range(7)] == list(range(7))
    with pytest.raises(ZeroDivisionError):
        next(made)
    assert "mine" not in names()


def test_whoever_stops_early_leaves_no_thread():
    made = on_threads(lambda task: task, count(), threads=3, ahead=5, name="mine")
    assert next(made) == (0, 0)
    assert "mine" in names()
    made.close()
    assert "mine" not in names()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="the system has no fork")
@pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork:DeprecationWarning")
def test_a_forked_process_does_not_wait_for_threads_that_it_has_not():
    with closing(on_threads(lambda task: task, count(), threads=2, ahead=3)) as made:
        next(made)
        child = os.fork()
        if child == 0:
            signal.signal(signal.SIGALRM, signal.SIG_DFL)
            signal.alarm(20)
            try:
                for _ in range(9):
                    next(made)
            except UsageError as error:
                os._exit(7 if "; begin anew in the new process" in str(error) else 1)
            os._exit(2)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 7
        assert [next(made)[0] for _ in range(9)] == list(range(1, 10))


def test_one_ahead_gives_all_and_is_one_ahead():
    begun = []

    def items():
        for item in range(5):
            begun.append(item)
            yield item + 10

    some = one_ahead(items(), name="mine")
    assert next(some) == 10
    deadline = time.monotonic() + 5
    while len(begun) < 2 and time.monotonic() < deadline:
        time.sleep(0.001)
    time.sleep(0.02)
    assert begun == [0, 1]
    assert list(some) == [11, 12, 13, 14]
    assert "mine" not in names()


def test_an_exception_out_of_a_handler_halts_no_thread():
    """2,000 times, at random moments: a lock left taken by one of them would keep this from its end."""
    done = subprocess.run(
        [sys.executable, "-c", INTERRUPTED, "1"], capture_output=True, text=True, timeout=60, check=True
    )
    assert int(done.stdout) > 1_000


def test_a_long_task_ends_between_its_steps_where_nobody_waits_for_it():
    steps = []

    def long(task):
        for step in range(2_000):
            go_on()
            steps.append((task, step))
            time.sleep(0.005)

    def within(task):
        if task:
            return list(on_threads(long, [1], threads=1, ahead=1))
        return time.sleep(0.05)

    for function in (long, within):
        made = on_threads(
            function if function is within else lambda task: task and long(task), [0, 1], threads=2, ahead=2
        )
        assert next(made)[0] == 0
        begun = time.monotonic()
        made.close()
        assert time.monotonic() - begun < 5  # of ten seconds
        assert len(steps) < 1_000
    go_on()  # in no such thread: nothing


def test_signals_are_held_back_in_a_thread_and_not_from_the_main_thread():
    before, of_thread = signal.pthread_sigmask(signal.SIG_BLOCK, []), []
    worker = threading.Thread(target=lambda: of_thread.append(signal.pthread_sigmask(signal.SIG_BLOCK, [])))
    start(worker)
    worker.join()
    assert set(signal.Signals) - of_thread[0] == {signal.SIGKILL, signal.SIGSTOP}  # which nothing can hold back
    assert signal.pthread_sigmask(signal.SIG_BLOCK, []) == before


def test_a_thread_that_the_machine_refuses_is_a_limit(monkeypatch):
    def refused(_):
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", refused)
    with pytest.raises(OutputError, match=r"no thread can be started: .*ulimit -v.*--jobs"):
        list(on_threads(lambda task: task, [1], threads=1, ahead=1))
    with pytest.raises(OutputError):
        start(threading.Thread())
