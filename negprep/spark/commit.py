"""Whole or absent on a cluster: a folder that appears when all of its rows are there."""

from __future__ import annotations

import os
import shutil
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from negprep.errors import OutputError, UsageError
from negprep.spark.engine import SparkRun
from negprep.spark.session import Engine
from negprep.write.atomic import complete
from negprep.write.destination import Document, check_output
from negprep.write.output import FolderOutput, open_output

_RENAMES = ("hdfs", "viewfs", "webhdfs", "swebhdfs", "ofs", "o3fs")
"""Schemes of file systems that rename a folder in one step; on others ``_SUCCESS`` shows that a folder is whole."""

_ATTEMPTS, _PAUSE = 20, 0.02

_OPTIONS = {
    "compression": "zstd",
    "parquet.page.row.count.limit": "500000",
    "mapreduce.fileoutputcommitter.marksuccessfuljobs": "false",  # the last file of all is ours to write
}


@dataclass(frozen=True)
class Files:
    """The file system of a path, as the driver's Java reaches it."""

    context: Any
    jvm: Any
    system: Any

    @classmethod
    def of(cls, engine: Engine, path: str) -> Files:
        """That of a path with a scheme, or of the cluster's default one."""
        context = engine.spark.sparkContext
        jvm: Any = context._jvm
        return cls(context, jvm, jvm.org.apache.hadoop.fs.Path(path).getFileSystem(context._jsc.hadoopConfiguration()))

    @property
    def scheme(self) -> str:
        """Such as ``hdfs``."""
        return str(self.system.getUri().getScheme())

    def path(self, name: str) -> Any:  # noqa: ANN401
        """The path as Java has it."""
        return self.system.makeQualified(self.jvm.org.apache.hadoop.fs.Path(name))

    def exists(self, name: str) -> bool:
        """Whether there is a file or folder of that name."""
        return bool(self.system.exists(self.path(name)))

    def names(self, name: str) -> list[str]:
        """The names in a folder."""
        return [status.getPath().getName() for status in self.system.listStatus(self.path(name))]

    def rename(self, name: str, new: str) -> None:
        """Give a file or folder another name, which nothing has."""
        fs = self.jvm.org.apache.hadoop.fs
        no_options = self.context._gateway.new_array(getattr(fs, "Options$Rename"), 0)
        old, new_path = self.path(name), self.path(new)
        fs.FileContext.getFileContext(old.toUri(), self.system.getConf()).rename(old, new_path, no_options)

    def delete(self, name: str) -> None:
        """Delete a file or folder, with all that is in it."""
        self.system.delete(self.path(name), True)

    def touch(self, name: str) -> None:
        """Make an empty file."""
        self.system.create(self.path(name)).close()


def check_target(engine: Engine, target: str, inputs: list[str], *, force: bool) -> None:
    """Refuse an OUTPUT that cannot or must not be written, before anything is read."""
    local = _local_name(engine, target)
    if local is not None and not engine.is_connect:
        check_output(
            local, [Path(name) for each in inputs if (name := _local_name(engine, each)) is not None], force=force
        )
        return
    if engine.is_connect:
        if local is not None and Path(local).exists():
            raise _there(target)
        if force:
            raise UsageError("--force with Spark Connect, which cannot replace a folder in one step", remedy=_NEW)
        return
    files = Files.of(engine, target)
    if files.exists(target):
        if not force:
            raise _there(target)
        if files.scheme not in _RENAMES:
            what = f"--force on {files.scheme}://, where a folder cannot be replaced in one step"
            raise UsageError(what, place=target, remedy=_NEW)
        if files.names(target) and "_SUCCESS" not in files.names(target):
            what = "holds no _SUCCESS: negprep did not write it, and --force removes outputs only"
            raise UsageError(what, place=target, remedy=_NEW)


_NEW = "name a new folder"


def _there(target: str) -> UsageError:
    return UsageError("is there already", place=target, remedy=f"{_NEW}, or replace it with --force")


def _local_name(engine: Engine, name: str) -> str | None:
    """The path on this machine that a name of Spark's means, if it means one."""
    scheme, colon, rest = name.partition(":")
    if colon and scheme == "file":
        return "/" + rest.lstrip("/")
    if "://" in name or name.startswith("table:"):
        return None
    if engine.is_connect:
        return name
    return name if Files.of(engine, name).scheme == "file" else None


def write_run(engine: Engine, run: SparkRun, target: str, document: Document | None, *, force: bool) -> None:
    """Write all rows, and the vocabularies if asked for; everything appears at the end, or nothing.

    Raises OutputError: What Spark or the file system refuses. What was there before is still there.
    """
    local = _local_name(engine, target)
    if engine.is_connect:
        _write_directly(engine, run, target, document, None if local is None else Path(local))
    elif local is not None:
        with open_output(local, run.form.schema, force=force) as output:
            _write_locally(engine, run, output, document)
    else:
        _write_hidden(engine, run, target, document, force=force)


def _write_locally(engine: Engine, run: SparkRun, output: Any, document: Document | None) -> None:  # noqa: ANN401
    """Into the hidden folder of an output of this machine, which then gets its name."""
    if not isinstance(output, FolderOutput):
        raise TypeError("part files go into a folder")
    folder = output.hand_out()
    try:
        _write_parts(engine, run, f"file:{folder}", mode="append")
    except BaseException:
        _remove(engine, folder)
        raise
    written = sum(pq.read_metadata(part).num_rows for part in folder.rglob("part-*.parquet"))
    if written != run.tally.rows:
        what = f"{written:,} of {run.tally.rows:,} rows arrived: the workers have file systems of their own"
        raise OutputError(what, place=str(folder), remedy="name an OUTPUT that all of them reach, such as hdfs://")
    if run.options.encode:
        _write_vocabularies(engine, run, f"file:{folder}")
    output.finish({}, document)


def _remove(engine: Engine, folder: Path) -> None:
    """Remove a folder in which cancelled tasks may still write for a moment."""
    engine.wait_for_tasks()
    for _ in range(_ATTEMPTS):
        shutil.rmtree(folder, ignore_errors=True)
        if not folder.exists():
            return
        time.sleep(_PAUSE)


def _write_hidden(engine: Engine, run: SparkRun, target: str, document: Document | None, *, force: bool) -> None:
    """Beside the target, and renamed; where a store cannot rename, into the target, ``_SUCCESS`` as the last file."""
    files, place = Files.of(engine, target), target.rstrip("/")
    parent, _, name = place.rpartition("/")
    token = os.urandom(8).hex()
    renames = files.scheme in _RENAMES
    hidden = f"{parent}/.{name}.{token}.parts.tmp" if renames else place
    old = f"{parent}/.{name}.{token}.parts.old"
    try:
        _write_parts(engine, run, hidden, mode="error")
        if run.options.encode:
            _write_vocabularies(engine, run, hidden)
        files.touch(f"{hidden}/_SUCCESS")
        if document is not None:
            document.stage()
        complete()
        if renames:
            replaced = force and files.exists(place)
            if replaced:
                files.rename(place, old)
            files.rename(hidden, place)
            if replaced:
                files.delete(old)
        if document is not None:
            document.publish()
    except BaseException:
        with suppress(Exception):  # the error that is on its way says more
            if renames and files.exists(old) and not files.exists(place):
                files.rename(old, place)
            files.delete(hidden)
        raise


def _write_directly(engine: Engine, run: SparkRun, target: str, document: Document | None, local: Path | None) -> None:
    """Through Spark Connect, which gives no file system: Spark's own ``_SUCCESS`` is the last file."""
    try:
        _write_parts(engine, run, target.rstrip("/"), mode="error", marks=True)
    except BaseException:
        if local is not None:
            shutil.rmtree(local, ignore_errors=True)
        raise
    if document is not None:
        document.stage()
        document.publish()


def _write_parts(engine: Engine, run: SparkRun, folder: str, *, mode: str, marks: bool = False) -> None:
    """The part files of each epoch."""
    options = _OPTIONS | ({"mapreduce.fileoutputcommitter.marksuccessfuljobs": "true"} if marks else {})
    for epoch in run.epochs:
        inner = folder if run.options.epochs is None else f"{folder}/epoch={epoch}"
        frame = run.rows(epoch)
        engine.do("write", lambda: frame.write.mode(mode).options(**options).parquet(inner), folder)  # noqa: B023


def _write_vocabularies(engine: Engine, run: SparkRun, folder: str) -> None:
    """``_users.parquet`` and ``_items.parquet``, whose names readers of folders skip."""
    files = Files.of(engine, folder)
    items = engine.spark.createDataFrame(run.item_codes()).coalesce(1)
    for name, frame in (("users", run.users()), ("items", items)):
        inner = f"{folder}/_{name}"
        engine.do("write", lambda: frame.write.options(**_OPTIONS).parquet(inner), folder)  # noqa: B023
        part = next(each for each in files.names(inner) if each.startswith("part-"))
        files.rename(f"{inner}/{part}", f"{inner}.parquet")
        files.delete(inner)
