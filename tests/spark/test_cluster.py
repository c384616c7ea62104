"""A real master with two workers: what is killed with `kill -9` leaves the output complete and the same, or nothing."""

import json
import os
import signal
import subprocess
import sys
import threading
from contextlib import ExitStack
from functools import partial
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from cluster import connect_server, killing, standalone

import negprep
from negprep import Options

JOB = Path(__file__).with_name("job.py")
OPTIONS = {"command": "train", "sampler": ["popularity:0.5", "weak:0.5"], "positive": ">=3", "num_neg": 8}


@pytest.fixture(scope="module")
def log(tmp_path_factory):
    """A log of 200,000 rows, and the rows that the local engine makes of it."""
    folder, n = tmp_path_factory.mktemp("log"), 200_000
    rng = np.random.default_rng(4)
    users, items = rng.integers(0, 5_000, n), (3_000 * rng.random(n) ** 3).astype(np.int64)
    columns = {"user": users, "item": items, "rating": rng.integers(1, 6, n), "time": rng.integers(1, 10**6, n)}
    pq.write_table(pa.table(columns), folder / "log.parquet", row_group_size=50_000)
    negprep.prepare(str(folder / "log.parquet"), str(folder / "want.parquet"), options())
    return folder


def options():
    return Options(**(OPTIONS | {"sampler": tuple(OPTIONS["sampler"])}))


class Job:
    """A run in a process of its own; `step` is the last step that it has reported, with its tasks."""

    def __init__(self, url, log, target):
        words = [sys.executable, str(JOB), url, str(log / "log.parquet"), f"{target}/", json.dumps(OPTIONS)]
        environment = os.environ | {"PYSPARK_PYTHON": sys.executable}
        self.process = subprocess.Popen(
            words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment, text=True
        )
        self.step, self.done, self.total = "", 0, 0
        self.reader = threading.Thread(target=self._read, daemon=True)
        self.reader.start()

    def _read(self):
        for line in self.process.stdout:
            self.step, done, total = line.split()
            self.done, self.total = int(done), int(total)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()
        for pipe in (self.process.stdout, self.process.stderr):
            pipe.close()

    def is_at(self, step):
        return self.step == step

    def works_at(self, step):
        """Whether tasks of the step run, as far as the last report tells."""
        return self.step == step and self.total > self.done

    def end(self):
        code = self.process.wait(timeout=400)
        self.reader.join()
        return code, self.process.stderr.read()


@pytest.fixture(scope="module")
def cluster(tmp_path_factory):
    """A master with two workers, which the tests share whose victims are started again."""
    with standalone(tmp_path_factory.mktemp("cluster")) as servers:
        yield servers


STEPS = ("read", "count", "write")

RUNS = 5
"""A step may be over before its victim is found: so many runs are tried, and each of them is checked."""


def test_a_python_worker_is_killed_at_each_step(cluster, log, tmp_path):
    """While it runs a task, or waits for one: reports come too seldom to tell which, and a worker lives for less."""
    runs = (killed_at(cluster, cluster.python_workers, Job.is_at, log, new(tmp_path)) for _ in range(RUNS))
    assert are_all_hit(runs)


def test_an_executor_is_killed_at_each_step(cluster, log, tmp_path):
    runs = (killed_at(cluster, cluster.executors, Job.works_at, log, new(tmp_path)) for _ in range(RUNS))
    assert are_all_hit(runs)


def test_a_worker_is_killed_at_each_step(log, tmp_path, tmp_path_factory):
    """With what it runs: of four workers, one is left."""

    def run():
        with standalone(tmp_path_factory.mktemp("cluster"), workers=4) as servers:
            return killed_at(servers, lambda: servers.workers, Job.works_at, log, new(tmp_path))

    assert are_all_hit(run() for _ in range(RUNS))


def are_all_hit(runs):
    """Whether each step had a victim in one of the runs; no more of them are made than that needs."""
    left = set(STEPS)
    return any(not (left := left - hit) for hit in runs)


def new(folder):
    """A new folder in it."""
    made = folder / str(len(list(folder.iterdir())))
    made.mkdir()
    return made


def killed_at(servers, victims, reached, log, tmp_path):
    """The steps of a run at which one of the victims was killed.

    In any case the output is complete and the same; or there is one line, and nothing is left.
    """
    with Job(servers.url, log, tmp_path / "out") as job, ExitStack() as stack:
        killing_at = [stack.enter_context(killing(victims, when=partial(reached, job, step))) for step in STEPS]
        code, errors = job.end()
    if code:
        assert errors.count("\n") == 1
        assert list(tmp_path.iterdir()) == []
    else:
        assert [path.name for path in tmp_path.iterdir()] == ["out"]
        rows = pq.read_table(tmp_path / "out")
        assert rows.replace_schema_metadata().equals(plain(pq.read_table(log / "want.parquet")))
    steps = {each.pid: step for each, step in zip(killing_at, STEPS, strict=True) if each.pid is not None}
    return set(steps.values())


def plain(table):
    """The rows with text in place of dictionaries."""
    fields = [
        pa.field(each.name, each.type.value_type if pa.types.is_dictionary(each.type) else each.type, nullable=False)
        for each in table.schema
    ]
    return table.cast(pa.schema(fields))


@pytest.mark.parametrize("sent", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_the_jobs_and_leaves_nothing(cluster, log, tmp_path, sent):
    words = ["train", str(log / "log.parquet"), f"{tmp_path / 'out'}/", "--num-neg", "8", "--engine", "spark"]
    words += ["--master", cluster.url, "--spark-conf", "spark.driver.memory=640m", "--no-progress"]
    words += ["--spark-conf", "spark.executor.memory=640m", "--spark-conf", "spark.driver.host=127.0.0.1"]
    command, workers = [sys.executable, "-m", "negprep", *words], os.environ | {"PYSPARK_PYTHON": sys.executable}
    with (
        subprocess.Popen(
            command,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
            env=workers,
            preexec_fn=partial(signal.signal, signal.SIGINT, signal.SIG_DFL),  # a shell's background job ignores it
        ) as process,
        killing(lambda: [process.pid], when=lambda: bool(list(tmp_path.glob(".out.*"))), sent=sent) as killed,
    ):
        errors = process.communicate(timeout=400)[1]
    assert killed.pid is not None
    assert errors == f"negprep: stopped by {sent.name}\n"
    assert process.returncode == 128 + sent
    assert list(tmp_path.iterdir()) == []


def test_spark_connect(log, tmp_path):
    """The rows through a server of Spark Connect: from a file into a folder, and from a DataFrame."""
    pytest.importorskip("grpc", reason="Spark Connect needs grpc (pip install 'pyspark[connect]')")
    script = tmp_path / "frame.py"
    script.write_text(
        "import sys, negprep.spark\n"
        "from pyspark.sql import SparkSession\n"
        "session = SparkSession.builder.remote(sys.argv[1]).getOrCreate()\n"
        "frame = negprep.spark.test(session.read.parquet(sys.argv[2]).limit(20_000), num_neg=9)\n"
        "print(frame.count(), frame.where('label = 1').count())\n"
    )
    with connect_server(tmp_path / "server") as server:
        with Job(server.url, log, tmp_path / "out") as job:
            assert job.end() == (0, "")
        words = [sys.executable, "-W", "ignore", str(script), server.url, str(log / "log.parquet")]
        found = subprocess.run(words, capture_output=True, text=True, check=True).stdout.split()
    rows = pq.read_table(tmp_path / "out")
    assert rows.replace_schema_metadata().equals(plain(pq.read_table(log / "want.parquet")))
    assert int(found[0]) == 10 * int(found[1]) > 0
