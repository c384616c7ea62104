"""INPUT and the files beside it as Spark reads them: which format, which dialect, and a table of columns."""

from __future__ import annotations

import os
import re
import sys
import tempfile
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias
from urllib.parse import unquote

import pyarrow as pa

from negprep.errors import BadDataError, UsageError
from negprep.options.reading import LogSource, ReadOptions, paths_in
from negprep.read.dialect import Unnamed, is_aligned, read_dialect
from negprep.read.lines import Dialect
from negprep.read.sources import Source
from negprep.spark.session import Engine

if TYPE_CHECKING:
    import pandas as pd
    from pyspark.sql import Column, DataFrame

SparkSource: TypeAlias = "LogSource | DataFrame"
"""What an option takes: a path, a table in memory, or a DataFrame of Spark."""

TABLE = "table:"
"""How the name of a table of Spark's catalog begins."""

_HEAD_LINES = 200
_FORMATS = {".parquet": "parquet", ".orc": "orc", ".json": "json", ".jsonl": "json", ".ndjson": "json"}
_TEXTS = (".csv", ".tsv", ".txt", ".dat", ".data", ".inter", "")
_PACKED = (".gz", ".bz2", ".zst", ".deflate", ".snappy", ".lz4")


@dataclass(frozen=True, eq=False)
class Frame:
    """A table that Spark reads.

    ``data``: All columns.
    ``place``: What messages call it.
    ``read``: How negprep reads the columns.
    ``has_files``: Whether Spark knows the file of each row.
    """

    data: DataFrame
    place: str
    read: ReadOptions
    has_files: bool = False

    @cached_property
    def empty(self) -> pa.Table:
        """The columns without rows."""
        return self.data.limit(0).toArrow()

    def select(self, names: Sequence[str], file_as: str | None = None) -> DataFrame:
        """Some columns; with ``file_as``, the file of each row in a column of that name."""
        from pyspark.sql import functions

        columns: list[Column] = [column(name) for name in dict.fromkeys(names)]
        if file_as is not None:
            columns.append(functions.col("_metadata.file_path").alias(file_as))
        return self.data.select(*columns)


def column(name: str) -> Column:
    """The column of that name, whatever is in the name."""
    from pyspark.sql import functions

    return functions.col("`" + name.replace("`", "``") + "`")


def is_frame(source: object) -> bool:
    """Whether it is a DataFrame of Spark, of a classic session or of Spark Connect."""
    return hasattr(source, "mapInArrow")


def is_table(source: object) -> bool:
    """Whether it is the name of a table of Spark's catalog."""
    return isinstance(source, str) and source.startswith(TABLE)


def open_frame(
    engine: Engine,
    source: SparkSource,
    read: ReadOptions,
    argument: str = "INPUT",
    columns: tuple[str, ...] | None = None,
) -> Frame:
    """What Spark reads for an argument: a path, ``table:NAME``, a DataFrame, or a table in memory.

    ``columns``: The names of the columns of a file beside the log, if it has no header and as many.

    Raises BadDataError: The file is empty, has no header, or quotes that span lines.
    Raises UsageError: It is not a kind of file that Spark reads.
    """
    plain = replace(read, columns=None, delimiter=None, quote=None, escape=None, from_=None)
    if not isinstance(source, str | os.PathLike):
        refuse_text_options(read, argument)
        if paths_in(source):
            what = f"{argument} is a list of files with --engine spark"
            raise UsageError(what, remedy="give a folder or a pattern that holds them")
        data: Any = source if is_frame(source) else engine.spark.createDataFrame(_held(source))
        return Frame(data, "the DataFrame" if argument == "INPUT" else f"the DataFrame of {argument}", plain)
    name = os.fspath(source)
    if name.startswith(TABLE):
        refuse_text_options(read, name)
        table = engine.do("read", partial(engine.spark.table, name.removeprefix(TABLE)), name)
        return Frame(table, name, plain)
    form = "json" if read.from_ == "jsonl" else _format_of(engine, name)
    if form != "text":
        refuse_text_options(replace(read, from_=None), name)
        reader = engine.spark.read.options(mode="FAILFAST", mergeSchema="true")
        data = engine.do("read", partial(reader.format(form).load, name), name)
        return Frame(_with_long_keys(data), name, plain, has_files=True)
    unnamed = Unnamed() if argument == "INPUT" else Unnamed(("user", "item"), by_option=False, columns=columns)
    return Frame(_read_text(engine, name, read, unnamed), name, plain, has_files=True)


def _held(source: Any) -> pa.Table | pd.DataFrame:  # noqa: ANN401
    """A table that Spark takes: whatever else gives Arrow batches is held as a whole."""
    library = sys.modules.get("pandas")
    is_frame_of_pandas = library is not None and isinstance(source, library.DataFrame)
    return source if is_frame_of_pandas or isinstance(source, pa.Table) else pa.table(source)


def _with_long_keys(data: DataFrame) -> DataFrame:
    """The table with the whole numbers in its paths, ``user=7/``, as long: they have no type, and Spark takes int."""
    from pyspark.sql import types

    fields = data.schema.fields
    if not fields or not isinstance(fields[-1].dataType, types.IntegerType):  # the keys come last
        return data
    keys = {unquote(step).partition("=")[0] for step in next(iter(data.inputFiles()), "").split("/") if "=" in step}
    found = [each.name for each in fields if each.name in keys and isinstance(each.dataType, types.IntegerType)]
    return data.withColumns({name: column(name).cast("long") for name in found}) if found else data


def local_source(engine: Engine, source: SparkSource | None, argument: str) -> LogSource | None:
    """A small file beside the log, as the driver reads it: local files as they are, all else as a table of Spark's."""
    if isinstance(source, str | os.PathLike):
        name = os.fspath(source)
        if "://" not in name and not name.startswith(TABLE) and Path(name).exists():
            return source
    elif source is None or not is_frame(source):
        return source
    frame = open_frame(engine, source, ReadOptions(), argument)
    return engine.do("read", frame.data.toArrow, frame.place)


def refuse_text_options(read: ReadOptions, place: str) -> None:
    """Refuse options that describe text where there is none."""
    given = {"--columns": read.columns, "--delimiter": read.delimiter, "--quote": read.quote, "--escape": read.escape}
    for option, value in given.items():
        if value is not None:
            raise UsageError(f"{option} is for text files", place=place, remedy=f"leave {option} out")


def _format_of(engine: Engine, name: str) -> str:
    """The format of a path, by its name; of a folder, by that of one of its files."""
    ending, own = _ending(name), _FORMATS.get(_ending(name))
    if own is not None:
        return own
    if ending not in _TEXTS:
        what = f"{ending} is not a format that Spark reads for negprep"
        raise UsageError(what, place=name, remedy="convert it to Parquet, CSV, JSON lines or ORC")
    if ending:
        return "text"
    listed = engine.spark.read.format("binaryFile").option("recursiveFileLookup", "true").load
    files = engine.do("read", lambda: listed(name).select("path").limit(1).toArrow(), name)["path"].to_pylist()
    if not files:
        raise BadDataError("no file of data is in the folder", place=name, remedy="is it the right one?")
    return _FORMATS.get(_ending(files[0]), "text")


def _ending(name: str) -> str:
    last = name.rstrip("/").rpartition("/")[2].lower()
    for packed in _PACKED:
        last = last.removesuffix(packed)
    return re.sub(r".*(\.[a-z0-9]+)", r"\1", last) if re.fullmatch(r".*\.[a-z][a-z0-9]*", last) else ""


def _read_text(engine: Engine, name: str, read: ReadOptions, unnamed: Unnamed) -> DataFrame:
    """Text with delimiters: the dialect is found from its first lines, and Spark splits the fields."""
    from pyspark.sql import types

    if read.from_ == "mind":
        what = "--from mind with --engine spark, whose workers read no lists"
        raise UsageError(what, place=name, remedy="write the rows on one machine first")
    if read.from_ in ("lightgcn", "sasrec"):
        what = f"--from {read.from_} with --engine spark: Spark does not keep the order of lines"
        raise UsageError(what, place=name, remedy="convert it to rows of user, item and time first")
    lines = engine.spark.read.text(name)
    first = engine.do("read", lambda: lines.limit(_HEAD_LINES).toArrow(), name)["value"].cast(pa.binary()).to_pylist()
    head = [line.decode("utf-8", "surrogateescape").removeprefix("\ufeff") for line in first if line]
    if head and head[0].startswith(("PAR1", "ORC")):
        form = "parquet" if head[0].startswith("PAR1") else "orc"
        return engine.do("read", partial(engine.spark.read.option("mergeSchema", "true").format(form).load, name), name)
    dialect = _dialect_of(name, head, read, unnamed)
    if " " in dialect.delimiter and is_aligned(head, len(dialect.names)):
        what = "fields are aligned by runs of spaces, which Spark does not split"
        raise BadDataError(what, place=name, remedy="write one tab or comma between fields")
    _refuse_stray_quotes(engine, name, lines, dialect)
    schema = types.StructType([types.StructField(each, types.StringType()) for each in dialect.names])
    reader = engine.spark.read.schema(schema).options(
        sep=dialect.delimiter,
        header=str(dialect.header).lower(),
        quote=dialect.quote or "",
        escape=dialect.escape or dialect.quote or "\0",
        enforceSchema="false" if dialect.header else "true",
        mode="FAILFAST",
        columnPruning="false",
    )
    return reader.csv(name)


def _dialect_of(name: str, head: list[str], read: ReadOptions, unnamed: Unnamed) -> Dialect:
    if not head:
        raise BadDataError("the file is empty", place=name)
    with tempfile.TemporaryFile() as spool:
        spool.write("".join(f"{line}\n" for line in head).encode("utf-8", "surrogateescape"))
        source = Source(name, None, spool, None, False, ())
        with closing(source):
            return read_dialect(source, read, unnamed, head)


def _refuse_stray_quotes(engine: Engine, name: str, lines: DataFrame, dialect: Dialect) -> None:
    """Refuse text whose quotes do not enclose whole fields within a line.

    Spark reads line by line: of a field with a newline in it, it would make two rows, and not every such row has
    another number of fields.
    """
    from pyspark.sql import functions

    value = functions.col("value")
    broken = ~functions.is_valid_utf8(value)
    if dialect.quote is not None:
        quote, delimiter = re.escape(dialect.quote), re.escape(dialect.delimiter)
        inner = f"[^{quote}]++|{quote}{quote}"
        if dialect.escape is not None:
            escape = re.escape(dialect.escape)
            inner = f"[^{quote}{escape}]++|{escape}.|{quote}{quote}"
        one = f"(?:{quote}(?:{inner})*+{quote}|(?:(?!{delimiter})[^{quote}])*+)"
        has_quotes = functions.contains(value, functions.lit(dialect.quote))
        broken |= has_quotes & ~value.rlike(f"^{one}(?:{delimiter}{one})*+$")
    place = functions.col("_metadata.file_path")
    found = engine.do("read", lambda: lines.where(broken).select(value, place.alias("file")).limit(1).toArrow(), name)
    if not len(found):
        return
    line, file = found["value"].cast(pa.binary())[0].as_py(), unquote(found["file"][0].as_py())
    try:
        shown = line.decode()
    except UnicodeDecodeError:
        raise BadDataError("a line is not UTF-8", place=file, remedy="convert the text to UTF-8") from None
    shown = shown if len(shown) <= 60 else f"{shown[:57]}..."
    what = f"a quoted field spans lines, or a quote stands within a field: {shown}"
    remedy = "Spark splits text line by line: --quote none reads quotes as text; else convert the log to Parquet"
    raise BadDataError(what, place=file, remedy=remedy)
