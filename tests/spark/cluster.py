"""A Spark cluster of three processes, and a Spark Connect server, on this machine; their processes found and killed."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path

_START = 90
"""Seconds that a server may take to start: of two cores, other tests may have one."""

_STOP = 10
"""Seconds until a process that was asked to end is killed."""

_POLL = 0.02

_EXECUTOR = "org.apache.spark.executor.CoarseGrainedExecutorBackend"
_DAEMON = "pyspark.daemon"


@dataclass(frozen=True)
class Process:
    """A process that runs: its parent, the session that it was started in, and its arguments with spaces between."""

    pid: int
    parent: int
    session: int
    command: str


def processes(sessions: Sequence[int]) -> list[Process]:
    """The processes of some sessions, without those that have ended and wait for their parent.

    A process stays in the session that it was started in, even if its parent dies; so do those that it starts.
    """
    found = []
    for folder in Path("/proc").iterdir():
        if not folder.name.isdecimal():
            continue
        try:
            state, parent, _, session = (folder / "stat").read_text().rpartition(")")[2].split()[:4]
            command = (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace").strip()
        except (FileNotFoundError, ProcessLookupError):  # it ended meanwhile
            continue
        if state not in "ZX" and int(session) in sessions:
            found.append(Process(int(folder.name), int(parent), int(session), command))
    return found


@dataclass
class Servers:
    """Servers that run in sessions of their own; ``url`` is what a program gives as the master or the remote."""

    url: str
    folder: Path
    started: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)

    @property
    def pids(self) -> dict[str, int]:
        """The pids of the servers, by name: ``master``, ``worker-0``, ...; ``connect``."""
        return {name: process.pid for name, process in self.started.items()}

    def alive(self) -> list[Process]:
        """All processes: the servers, and what they started."""
        return processes(list(self.pids.values()))

    @property
    def workers(self) -> list[int]:
        """The pids of the workers that run, which start executors."""
        alive = {each.pid for each in self.alive()}
        return [pid for name, pid in self.pids.items() if name.startswith("worker") and pid in alive]

    def executors(self) -> list[int]:
        """The pids of the executors that run, of all applications."""
        return [each.pid for each in self.alive() if _EXECUTOR in each.command]

    def python_workers(self) -> list[int]:
        """The pids of the Python processes that run tasks, or wait for some: the children of the daemons."""
        found = [each for each in self.alive() if _DAEMON in each.command]
        daemons = {each.pid for each in found}
        return [each.pid for each in found if each.parent in daemons]

    def text(self, name: str) -> str:
        """What a server has logged."""
        return (self.folder / f"{name}.log").read_text(encoding="utf-8", errors="replace")


@dataclass
class Killing:
    """What ``killing`` did: the pid that it killed, or None."""

    pid: int | None = None


@contextmanager
def killing(
    victims: Callable[[], Sequence[int]],
    *,
    when: Callable[[], bool] = lambda: True,
    sent: signal.Signals = signal.SIGKILL,
) -> Iterator[Killing]:
    """Kill one process (or send it something else), the first of ``victims()``, once there is one and ``when()`` holds.

    Both are asked again and again, in a thread, until then or until the block ends. An error in them is raised at the
    end of the block.
    """
    done, over, errors = Killing(), threading.Event(), list[Exception]()

    def watch() -> None:
        try:
            while not over.is_set():
                if when():
                    for pid in victims():
                        os.kill(pid, sent)
                        done.pid = pid
                        return
                over.wait(_POLL)
        except Exception as error:
            errors.append(error)

    thread = threading.Thread(target=watch, name="killing", daemon=True)
    thread.start()
    try:
        yield done
    finally:
        over.set()
        thread.join()
    if errors:
        raise errors[0]


@contextmanager
def standalone(folder: Path, *, workers: int = 2, cores: int = 1, memory: str = "1g") -> Iterator[Servers]:
    """A master and workers on 127.0.0.1, all registered; they end with the block, with all that they started.

    ``folder`` holds the logs (``master.log``, ``worker-0.log``, ...) and what the workers write. Each worker has so
    many ``cores`` and so much ``memory`` for executors. The executors' Python finds no package of this process by
    ``PYTHONPATH``.

    Raises ``RuntimeError`` with the end of the log if a process does not start.
    """
    with _servers(folder) as servers:
        main = "org.apache.spark.deploy.master.Master"
        _start(servers, "master", "spark-class", main, "--host", "127.0.0.1", "--port", "0", "--webui-port", "0")
        servers.url = _logged(servers, "master", r"Starting Spark master at (spark://\S+)")[0]
        for number in range(workers):
            name = f"worker-{number}"
            own = ("--cores", str(cores), "--memory", memory, "--work-dir", str(servers.folder / name))
            main = "org.apache.spark.deploy.worker.Worker"
            _start(servers, name, "spark-class", main, "--host", "127.0.0.1", "--webui-port", "0", *own, servers.url)
        for name in list(servers.started)[1:]:
            _logged(servers, name, "(Successfully registered with master)")
        yield servers


@contextmanager
def connect_server(folder: Path, *, master: str = "local[2]", memory: str = "1g") -> Iterator[Servers]:
    """A Spark Connect server on 127.0.0.1 (``url`` is ``sc://127.0.0.1:PORT``); it ends with the block, as above.

    Its Python workers are of this Python: a server takes its own, whatever the client has.
    """
    conf = {
        "spark.connect.grpc.binding.address": "127.0.0.1",
        "spark.connect.grpc.binding.port": "0",
        "spark.sql.warehouse.dir": str(folder / "warehouse"),
        "spark.ui.enabled": "false",
    }
    options = [part for name, value in conf.items() for part in ("--conf", f"{name}={value}")]
    main = "org.apache.spark.sql.connect.service.SparkConnectServer"
    with _servers(folder) as servers:
        submitted = ("--master", master, "--class", main, *options, "spark-internal")
        _start(servers, "connect", "spark-submit", *submitted, memory=memory)
        port = _logged(servers, "connect", r"Spark Connect server started at: \S*:(\d+)")[0]
        servers.url = f"sc://127.0.0.1:{port}"
        yield servers


@contextmanager
def _servers(folder: Path) -> Iterator[Servers]:
    """Servers yet to be started, and their end."""
    folder.mkdir(parents=True, exist_ok=True)
    servers = Servers("", folder)
    try:
        yield servers
    finally:
        _stop(servers)


def spark_home() -> Path:
    """The folder of pyspark, which has all of Spark."""
    spec = find_spec("pyspark")
    if spec is None or spec.origin is None:
        raise RuntimeError("pyspark is not installed")
    return Path(spec.origin).parent


def _start(servers: Servers, name: str, script: str, *arguments: str, memory: str = "256m") -> None:
    """Start a JVM of so much memory by one of Spark's scripts, which it replaces: the pid is that of the JVM."""
    home = spark_home()
    environment = {
        key: value for key, value in os.environ.items() if not key.startswith(("SPARK_", "PYSPARK_", "PYTHON"))
    }
    environment |= {
        "SPARK_HOME": str(home),
        "SPARK_LOCAL_IP": "127.0.0.1",
        "SPARK_LOCAL_DIRS": str(servers.folder / "local"),
        "SPARK_DAEMON_MEMORY": memory,
        "PYSPARK_PYTHON": sys.executable,
    }
    with (servers.folder / f"{name}.log").open("wb") as log:
        servers.started[name] = subprocess.Popen(
            [home / "bin" / script, *arguments],
            cwd=servers.folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )


def _logged(servers: Servers, name: str, pattern: str) -> tuple[str, ...]:
    """Wait until a server has logged a line; the groups of the pattern."""
    end = time.monotonic() + _START
    while True:
        running = servers.started[name].poll() is None
        match = re.search(pattern, servers.text(name))
        if match is not None:
            return match.groups()
        if not running or time.monotonic() > end:
            why = f"did not start in {_START} seconds" if running else "ended"
            raise RuntimeError(f"{name} {why}:\n" + "\n".join(servers.text(name).splitlines()[-50:]))
        time.sleep(_POLL)


def _stop(servers: Servers) -> None:
    """End the servers and all that they started."""
    for sent in (signal.SIGTERM, signal.SIGKILL):
        for each in servers.alive():
            if sent == signal.SIGKILL or each.pid in servers.pids.values():
                _send(each.pid, sent)
        end = time.monotonic() + _STOP
        while servers.alive() and time.monotonic() < end:
            time.sleep(_POLL)
    for process in servers.started.values():
        process.wait(_STOP)
    left = servers.alive()
    for process in servers.started.values():
        process.poll()
    if left:
        raise RuntimeError(f"still run: {left}")


def _send(pid: int, sent: signal.Signals) -> None:
    try:
        os.kill(pid, sent)
    except ProcessLookupError:  # it ended meanwhile
        return
