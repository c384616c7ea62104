"""Rows come in the order of their shards, each made once, by whoever would else wait."""

from __future__ import annotations

import threading
import time
from itertools import count

import pytest

from negprep.threads import _Share, rows_in_order


class Shard:
    """Number ``place``; notes which of its steps is done where."""

    def __init__(self, place, done):
        self.place, self.done = place, done

    def prepare(self):
        self.done.append(("prepare", self.place, threading.current_thread()))

        def rows():
            self.done.append(("rows", self.place, threading.current_thread()))
            return self.place

        return rows


@pytest.mark.parametrize("waiting", [1, 4])
@pytest.mark.parametrize("jobs", [1, 2, 5])
def test_rows_come_in_order_and_are_made_once(jobs, waiting):
    done = []
    assert list(rows_in_order((Shard(place, done) for place in range(200)), jobs=jobs, waiting=waiting)) == [
        *range(200)
    ]
    assert sorted(step[:2] for step in done) == sorted((step, n) for step in ("prepare", "rows") for n in range(200))
    preparing = {thread for step, _, thread in done if step == "prepare"}
    assert len(preparing) <= max(1, jobs - 1)
    assert threading.current_thread() not in preparing


@pytest.mark.parametrize(("jobs", "waiting", "most"), [(1, 1, 3), (2, 1, 3), (4, 1, 5), (2, 6, 8)])
def test_no_more_shards_are_prepared_than_may_wait(jobs, waiting, most):
    done = []
    made = rows_in_order((Shard(place, done) for place in count()), jobs=jobs, waiting=waiting)
    assert next(made) == 0
    end = time.monotonic() + 20
    while sum(step == "prepare" for step, *_ in done) < most and time.monotonic() < end:
        time.sleep(0.01)
    time.sleep(0.1)
    assert sum(step == "prepare" for step, *_ in done) == most
    made.close()
    left = {thread.name for thread in threading.enumerate() if thread.name.startswith("negprep")}
    assert left <= {"negprep-signals"}  # which waits for signals as long as the process lives


def test_of_the_shards_that_wait_one_waits_as_rows():
    done = []
    share = _Share()

    def prepared(place):
        return share.prepare(Shard(place, done))

    def rows_made():
        return [place for step, place, _ in done if step == "rows"]

    first, second, third = prepared(1), prepared(2), prepared(3)
    assert rows_made() == [2], "rows take more memory"
    assert [share.take(finish) for finish in (first, second)] == [1, 2]
    fourth = prepared(4)
    assert rows_made() == [2, 1, 4]
    assert [share.take(finish) for finish in (third, fourth)] == [3, 4]
    last = prepared(5)
    assert rows_made() == [2, 1, 4, 3], "the consumer has nothing else to do"
    assert share.take(last) == 5
