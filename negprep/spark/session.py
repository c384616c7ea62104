"""A Spark session at work: how it starts, what it hands to its workers, how its jobs run, and what its errors mean."""

from __future__ import annotations

import atexit
import contextlib
import logging
import os
import pickle
import re
import shutil
import socket
import sys
import tempfile
import threading
import time
import uuid
import warnings
import zipfile
from collections.abc import Callable, Iterator, Mapping
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import unquote

from negprep._version import __version__
from negprep.errors import BadDataError, NegprepError, OutputError, UsageError
from negprep.spark.tasks import Carried, Pickled
from negprep.threads import start

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

Progress = Callable[[str, int, int | None], None]
Made = TypeVar("Made")

_POLL = 0.2
_PATIENCE = 0.9
_REACH = 5.0
"""Seconds: between two looks at a job, that a cancelled job has to end, and to reach a master."""

_LOCAL = r"local(\[.*\])?"

_CONNECT_BYTES = 32 << 20
"""Of a task: a server of Spark Connect takes messages of up to 128 MiB, and needs many times that to plan them."""

_WORKER_BYTES, _COPIES = 250 << 20, 7
"""What a Python worker takes by itself, and times what it is handed: 1.4 GB with 10 M items and popularity (160 MB)."""

_MORE_ROOM = "give it more (spark.executor.memoryOverhead, spark.executor.pyspark.memory), or fewer cores an executor"


def active_session() -> SparkSession | None:
    """The session that the calling thread has, if any."""
    sql = sys.modules.get("pyspark.sql")
    return None if sql is None else sql.SparkSession.getActiveSession()


def start_session(master: str | None, conf: Mapping[str, str]) -> SparkSession:
    """A session for a command; of ``spark-submit``, with its settings.

    ``master``: As for ``spark-submit``, or ``sc://HOST:PORT`` for Spark Connect; None: that of ``spark-submit``, or
      `SPARK_MASTER` or `SPARK_REMOTE`, else this machine.

    Raises UsageError: pyspark or Java is missing, or nobody answers at the master.
    """
    sql = _pyspark()
    remote = master or os.environ.get("SPARK_REMOTE") or os.environ.get("SPARK_MASTER")
    is_submitted = "PYSPARK_GATEWAY_PORT" in os.environ
    if remote is None and not is_submitted:
        remote = "local[*,4]"  # a worker that dies is started again, up to four times, as in a cluster
    if remote is not None:
        _reach(remote)
    is_local = remote is not None and re.fullmatch(_LOCAL, remote) is not None
    if remote is not None and not remote.startswith("sc://") and not is_submitted:
        _refuse_without_java()
        if is_local:
            os.environ.setdefault("PYSPARK_PYTHON", sys.executable)
    builder = sql.SparkSession.builder.appName("negprep")
    usual = {"spark.ui.showConsoleProgress": "false", "spark.log.level": "OFF", "spark.ui.enabled": "false"}
    if remote is not None and remote.startswith("sc://"):
        builder, usual = builder.remote(remote), {}
    elif remote is not None and not is_submitted:
        builder = builder.master(remote)
    for name, value in ({} if is_submitted else usual).items() | dict(conf).items():
        builder = builder.config(name, value)
    with _quiet() as log:
        try:
            session: SparkSession = builder.getOrCreate()
            session.range(0).schema  # noqa: B018 - Spark Connect reaches its server now
        except Exception as error:
            raise _no_session(error, remote, log) from None
    return session


def _pyspark() -> Any:  # noqa: ANN401
    """The module pyspark.sql, whose warnings and logs say what the errors say."""
    try:
        from pyspark import sql
    except ImportError as error:
        what = f"--engine spark needs pyspark ({error})"
        raise UsageError(what, remedy="pip install 'negprep[spark]'") from None
    warnings.filterwarnings("ignore", module=r"pyspark\b")
    for name in ("SQLQueryContextLogger", "DataFrameQueryContextLogger", "PySparkLogger"):
        logging.getLogger(name).disabled = True
    return sql


def _refuse_without_java() -> None:
    home = os.environ.get("JAVA_HOME")
    java = Path(home, "bin", "java") if home else shutil.which("java")
    if java is None or not Path(java).exists():
        where = f"there is no {java}" if home else "there is no java in PATH, and JAVA_HOME is not set"
        remedy = "install Java 17 (apt-get install openjdk-17-jre-headless), or correct JAVA_HOME"
        raise UsageError(f"Spark needs Java, and {where}", remedy=remedy)


def _reach(master: str) -> None:
    """Refuse a master at which nobody answers: Spark itself would wait for minutes."""
    scheme, _, rest = master.partition("://")
    if scheme not in ("spark", "sc"):
        return
    places = [place.partition("/")[0].partition(";")[0] for place in rest.split(",")]
    for place in places:
        host, _, port = place.rpartition(":")
        try:
            socket.create_connection((host or place, int(port) if host else 15002), _REACH).close()
        except (OSError, ValueError):
            continue
        return
    raise OutputError(
        "nobody answers there", place=f"--master {master}", remedy="is the address right, and the cluster up?"
    )


@contextlib.contextmanager
def _quiet() -> Iterator[Any]:
    """Keep what Java and the workers write to standard error and output, in a file that has no name.

    Java inherits the file and keeps it for its life. ``NEGPREP_TRACEBACK`` shows all of it instead.
    """
    with tempfile.TemporaryFile() as log:
        if os.environ.get("NEGPREP_TRACEBACK"):
            yield log
            return
        sys.stderr.flush()
        sys.stdout.flush()
        kept = {descriptor: os.dup(descriptor) for descriptor in (1, 2)}
        try:
            for descriptor in kept:
                os.dup2(log.fileno(), descriptor)
            yield log
        finally:
            for descriptor, mine in kept.items():
                os.dup2(mine, descriptor)
                os.close(mine)


def _no_session(error: Exception, master: str | None, log: Any) -> NegprepError:  # noqa: ANN401
    log.seek(0)
    written = log.read().decode(errors="replace").splitlines()
    said = [line for line in written if "Exception" in line or "rror" in line or "not set" in line]
    what = said[0].rpartition("Exception: ")[2] if said else _first_line(str(error))
    return OutputError(
        f"Spark does not start: {what}", place=master and f"--master {master}", remedy="see docs/guide/spark.md"
    )


class Cancelled(BaseException):
    """The run is over: nobody waits for what its thread would do."""


class Engine:
    """A session, and all that a run asks of it.

    ``spark``: The session.
    ``is_connect``: Whether it is one of Spark Connect, which gives no access to Java.
    """

    def __init__(self, spark: SparkSession) -> None:
        self.spark = spark
        self.is_connect = not hasattr(spark, "_jsparkSession")
        self._name = f"negprep-{uuid.uuid4().hex[:12]}"
        self._step, self._is_cancelled = "", False
        _ship(spark, is_connect=self.is_connect)

    @property
    def parallelism(self) -> int:
        """How many tasks can run at a time, as far as Spark knows."""
        if self.is_connect:
            return int(self.spark.conf.get("spark.sql.shuffle.partitions") or 1)
        return int(self.spark.sparkContext.defaultParallelism)

    def carry(self, value: Made) -> Carried[Made]:
        """Hand something to every worker.

        Raises OutputError: A worker has no room for it.
        """
        n_bytes = _size(value)
        if self.is_connect:
            if n_bytes > _CONNECT_BYTES:
                what = (
                    f"the items take {n_bytes / 1e6:,.0f} MB, and Spark Connect hands out {_CONNECT_BYTES / 1e6:.0f} MB"
                )
                raise OutputError(what, remedy="run it in a classic session, such as that of spark-submit")
            return Pickled(value)
        needed = _WORKER_BYTES + _COPIES * n_bytes
        if needed > self._room:
            what = f"a worker needs about {needed / 1e6:,.0f} MB for the items, and has {self._room / 1e6:,.0f} MB"
            raise OutputError(what, remedy=_MORE_ROOM)
        carried: Carried[Made] = self.spark.sparkContext.broadcast(value)
        return carried

    @cached_property
    def _room(self) -> float:
        """Bytes that a Python worker may take, as far as Spark or this machine limits them."""
        conf = self.spark.sparkContext.getConf()
        master, cores = conf.get("spark.master", ""), int(conf.get("spark.executor.cores", "1"))
        limit = conf.get("spark.executor.pyspark.memory")
        if limit is not None:
            return _bytes_of(limit) / cores
        if master.startswith(("yarn", "k8s")):
            usual = max(384 << 20, 0.1 * _bytes_of(conf.get("spark.executor.memory", "1g")))
            overhead = conf.get("spark.executor.memoryOverhead")
            return (usual if overhead is None else _bytes_of(overhead)) / cores
        if re.fullmatch(_LOCAL, master):
            return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / self.parallelism
        return float("inf")

    def do(self, step: str, action: Callable[[], Made], place: str | None = None) -> Made:
        """Run something that starts jobs.

        ``step``: What progress calls it.
        ``place``: What errors name.

        Raises NegprepError: What went wrong, in one line.
        """
        if self._is_cancelled:
            raise Cancelled
        self._step = step
        try:
            with self._grouped():
                return action()
        except NegprepError:
            raise
        except Exception as error:
            raise explained(error, place) from (error if os.environ.get("NEGPREP_TRACEBACK") else None)

    @contextlib.contextmanager
    def _grouped(self) -> Iterator[None]:
        """Put the jobs of this thread in a group."""
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            if self.is_connect:
                self.spark.addTag(self._name)
                try:
                    yield
                finally:
                    self.spark.removeTag(self._name)
            else:
                self.spark.sparkContext.setJobGroup(self._name, f"negprep: {self._step}", interruptOnCancel=True)
                yield

    def cancel(self) -> None:
        """End the jobs, and start no more. To be called by another thread than the one that waits for them."""
        self._is_cancelled = True
        if self.is_connect:
            self.spark.interruptTag(self._name)
        else:
            self.spark.sparkContext.cancelJobGroup(self._name)

    def wait_for_tasks(self) -> None:
        """Wait until no task is at work, or so long that it will not end."""
        end = time.monotonic() + _PATIENCE / 2
        while not self.is_connect and time.monotonic() < end:
            tracker = self.spark.sparkContext.statusTracker()
            found = [tracker.getStageInfo(stage) for stage in tracker.getActiveStageIds()]
            if not any(each is not None and each.numActiveTasks for each in found):
                return
            time.sleep(_POLL / 10)

    def state(self) -> tuple[str, int, int | None] | None:
        """The step, and its tasks: those done, and all, as far as Spark knows. For another thread, as `cancel`."""
        if not self._step:
            return None
        done = total = 0
        if not self.is_connect:
            tracker = self.spark.sparkContext.statusTracker()
            jobs = [tracker.getJobInfo(job) for job in tracker.getJobIdsForGroup(self._name)]
            running = [stage for job in jobs if job is not None and job.status == "RUNNING" for stage in job.stageIds]
            for found in map(tracker.getStageInfo, running):
                if found is not None and found.numActiveTasks + found.numCompletedTasks:  # others are skipped, or wait
                    done, total = done + found.numCompletedTasks, total + found.numTasks
        return self._step, done, total or None


def _size(value: object) -> int:
    """The bytes of all arrays in something, without copying them."""
    n_bytes = 0

    def add(buffer: pickle.PickleBuffer) -> None:
        nonlocal n_bytes
        n_bytes += buffer.raw().nbytes

    return len(pickle.dumps(value, protocol=5, buffer_callback=add)) + n_bytes


def _bytes_of(size: str) -> int:
    """A size as Spark writes it: ``512m``, ``4g``; of a bare number, MiB."""
    found = re.fullmatch(r"\s*(\d+)\s*([kmgt]?)b?\s*", size.lower())
    return int(found[1]) << {"k": 10, "": 20, "m": 20, "g": 30, "t": 40}[found[2]] if found else 0


_AS_WRITTEN = {
    "spark.sql.sources.partitionColumnTypeInference.enabled": "false",  # user=007/ is not user=7/
    "spark.sql.caseSensitive": "true",
}


@contextlib.contextmanager
def names_as_written(spark: SparkSession) -> Iterator[None]:
    """Take the names of columns, and keys in paths, as they are written; the session has its own way back then."""
    before = {name: spark.conf.get(name) for name in _AS_WRITTEN}
    try:
        for name, value in _AS_WRITTEN.items():
            spark.conf.set(name, value)
        yield
    finally:
        for name, own in before.items():
            with contextlib.suppress(Exception):  # a session that has ended has no settings
                spark.conf.set(name, own or "false")


class Watch:
    """What the thread that waits for a run can see of it."""

    def __init__(self) -> None:
        self.engine: Engine | None = None
        self.state: tuple[str, int, int | None] | None = None
        self.is_over = False

    def look(self) -> None:
        """Note the state of the run again and again, until it is over."""
        while not self.is_over:
            if self.engine is not None:
                with contextlib.suppress(Exception):  # the session may end at any moment, and then nobody asks
                    self.state = self.engine.state() or self.state
            time.sleep(_POLL)

    def cancel(self) -> None:
        """End the jobs."""
        if self.engine is not None:
            self.engine.cancel()


def on_own_thread(work: Callable[[Watch], Made], progress: Progress | None) -> Made:
    """Run a whole job on a thread of its own, and report its progress; cancel it if anything is raised meanwhile.

    A signal that came while Python waits for Java would leave half an answer in their connection. So the main thread
    never talks to Java; each of the threads that do has a connection of its own.
    """
    outcome: list[Made] = []
    failure: list[BaseException] = []
    watch = Watch()
    ended = threading.Event()  # a signal within Thread.join makes Python 3.11 take a live thread for an ended one

    def guarded() -> None:
        try:
            outcome.append(work(watch))
        except BaseException as error:  # raised again by the thread that waits
            failure.append(error)
        finally:
            ended.set()

    worker = threading.Thread(target=guarded, name="negprep-spark", daemon=True)
    start(worker)
    if progress is not None:
        start(threading.Thread(target=watch.look, name="negprep-progress", daemon=True))
    try:
        while not ended.wait(_POLL):
            if progress is not None and watch.state is not None:
                progress(*watch.state)
    except BaseException:
        canceller = threading.Thread(target=watch.cancel, name="negprep-cancel", daemon=True)
        start(canceller)
        canceller.join(_PATIENCE)
        ended.wait(_PATIENCE)
        raise
    finally:
        watch.is_over = True
    if failure:
        raise failure[0]
    return outcome[0]


_shipped: dict[str, str] = {}
"""The folder of what was given to the workers, by session."""


def end_session(spark: SparkSession) -> None:
    """Stop a session that was made here, and remove what its workers were given."""
    for folder in _shipped.values():
        shutil.rmtree(folder, ignore_errors=True)
    _shipped.clear()
    spark.stop()


def _ship(spark: SparkSession, *, is_connect: bool) -> None:
    """Give the workers this package, once a session, unless it came to the driver in the same way."""
    folder = Path(__file__).parents[1]
    name = spark.session_id if is_connect else spark.sparkContext.applicationId
    if name in _shipped or not folder.is_dir():
        return
    kept = tempfile.mkdtemp(prefix="negprep-")
    atexit.register(shutil.rmtree, kept, ignore_errors=True)
    path = Path(kept, f"negprep-{__version__}-{uuid.uuid4().hex[:8]}.zip")
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for file in sorted(folder.rglob("*")):
            if file.is_file() and "__pycache__" not in file.parts:
                archive.write(file, Path("negprep", file.relative_to(folder)))
    if is_connect:
        spark.addArtifacts(str(path), pyfile=True)
    else:
        spark.sparkContext.addPyFile(str(path))
    _shipped[name] = kept


def explained(error: Exception, place: str | None = None) -> NegprepError:
    """What an error of Spark means, in one line."""
    found = list(_causes(error))
    conditions = {condition: message for _, condition, message in reversed(found) if condition}
    text = "\n".join(message or "" for _, _, message in found)
    file = re.search(r"Encountered error while reading file (\S+?)\.?(\s|$)", text)
    at = unquote(file[1]) if file else place
    for condition, (kind, what, remedy) in _KNOWN.items():
        if condition in conditions:
            detail = _first_line(conditions[condition] or "")
            return kind(what.format(detail=detail), place=at, remedy=remedy)
    for pattern, (kind, what, remedy) in _SEEN.items():
        if re.search(pattern, text):
            return kind(what, place=at, remedy=remedy)
    python = re.findall(r"^(?:\w+\.)*(\w*(?:Error|Exception)): (.*)$", text, re.MULTILINE)
    if python and python[-1][0] in _OURS:
        return _OURS[python[-1][0]](python[-1][1])
    if "PYTHON_EXCEPTION" in conditions or "Python worker" in text:
        what = (
            f"a worker failed: {python[-1][0]}: {python[-1][1]}" if python else f"a worker failed: {_first_line(text)}"
        )
        remedy = "is the same Python, with numpy and pyarrow, on all workers (PYSPARK_PYTHON)?"
        return OutputError(what, place=at, remedy=remedy)
    return OutputError(f"Spark gave up: {_first_line(text) or type(error).__name__}", place=at, remedy=_LOGS)


_OURS: dict[str, type[NegprepError]] = {kind.__name__: kind for kind in (BadDataError, UsageError, OutputError)}
_LOGS = "the log of the driver shows more (NEGPREP_TRACEBACK=1)"
_KNOWN: dict[str, tuple[type[NegprepError], str, str | None]] = {
    "PATH_NOT_FOUND": (OutputError, "no such file or folder", "check the path, and that all workers see it"),
    "TABLE_OR_VIEW_NOT_FOUND": (OutputError, "there is no such table", "name it as Spark does: table:DATABASE.TABLE"),
    "PARSE_SYNTAX_ERROR": (UsageError, "not the name of a table", "name it as Spark does: table:DATABASE.TABLE"),
    "PATH_ALREADY_EXISTS": (UsageError, "is there already", "name a new folder"),
    "UNABLE_TO_INFER_SCHEMA": (BadDataError, "no file of data is in the folder", None),
    "PARQUET_TYPE_ILLEGAL": (
        BadDataError,
        "a column that Spark cannot read, such as times in nanoseconds ({detail})",
        "--spark-conf spark.sql.legacy.parquet.nanosAsLong=true reads these as numbers",
    ),
    "MALFORMED_CSV_RECORD": (BadDataError, "a row with another number of fields ({detail})", "repair or remove it"),
    "_LEGACY_ERROR_TEMP_3241": (
        BadDataError,
        "the header is another than in the first file",
        "give all files one header",
    ),
    "MALFORMED_RECORD_IN_PARSING.WITHOUT_SUGGESTION": (BadDataError, "a line that is not JSON ({detail})", "repair it"),
    "FAILED_READ_FILE.CANNOT_READ_FILE_FOOTER": (
        BadDataError,
        "damaged, or not a file of this format",
        "copy it again",
    ),
    "CANNOT_MERGE_SCHEMAS": (BadDataError, "parts have a column of different types", "write it alike in all parts"),
    "COLUMN_ALREADY_EXISTS": (BadDataError, "two columns whose names differ in case alone", "rename one"),
    "AMBIGUOUS_REFERENCE": (BadDataError, "two columns whose names differ in case alone", "rename one"),
}
"""The conditions of Spark's errors that have a meaning of their own."""

_SEEN: dict[str, tuple[type[NegprepError], str, str | None]] = {
    r"No FileSystem for scheme|FileSystem not found": (
        OutputError,
        "Spark has no access to this kind of store",
        "add its package: --spark-conf spark.jars.packages=...",
    ),
    r"Python worker exited unexpectedly": (
        OutputError,
        "a Python worker died again and again: it had too little memory, or was killed",
        "give workers more memory (spark.executor.memoryOverhead), or fewer cores each",
    ),
    r"ExecutorLostFailure|executor .* exited|Lost executor": (
        OutputError,
        "workers were lost again and again",
        "give them more memory (spark.executor.memory, spark.executor.memoryOverhead)",
    ),
    r"ModuleNotFoundError: No module named '(numpy|pyarrow)": (
        OutputError,
        "a worker lacks numpy or pyarrow",
        "give the workers an environment with them (PYSPARK_PYTHON, spark.archives)",
    ),
    r"SparkContext was shut down|stopped SparkContext": (OutputError, "the session was stopped meanwhile", None),
    r"Connection refused|ConnectException|failed on connection": (OutputError, "a server does not answer", None),
    r"No space left on device": (OutputError, "no space left on a worker's disk", "free some (spark.local.dir)"),
    r"Permission denied|AccessControlException|AccessDenied": (OutputError, "access is denied", None),
}


def _causes(error: Any) -> Iterator[tuple[str, str | None, str | None]]:  # noqa: ANN401
    """The class, condition and message of an error and of what caused it, the outermost first."""
    java = getattr(error, "java_exception", None) or getattr(error, "_origin", None)
    if java is None:
        condition = error.getCondition() if hasattr(error, "getCondition") else None
        yield type(error).__name__, condition, str(error).partition("\n\nJVM stacktrace:")[0]
        with contextlib.suppress(Exception):  # a server that does not tell leaves the rest unknown
            for line in error.getStackTrace().splitlines():
                if caused := re.match(r"Caused by: ([\w.$]+): (?:\[([\w.]+)\] )?(.*)", line):
                    yield caused[1], caused[2], caused[3]
    while java is not None:
        condition = None
        with contextlib.suppress(Exception):  # not every error of Java has one
            condition = java.getCondition()
        yield java.getClass().getName(), condition, java.getMessage()
        java = java.getCause()


def _first_line(text: str) -> str:
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return re.sub(r"\s*SQLSTATE: \w+", "", lines[0]).rstrip(".") if lines else ""
