"""Rows in, and nothing to see before the end: a file, a folder of parts, or a stream."""

from __future__ import annotations

from abc import ABC, abstractmethod
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, Literal, TypeAlias

from negprep import stores
from negprep.errors import NegprepError, UsageError
from negprep.options.formats import beside, ending_of
from negprep.stores import store_errors, without_secrets
from negprep.write.atomic import (
    ELSEWHERE,
    PARTS,
    PathSink,
    Sink,
    Staging,
    complete,
    final_mode,
    machine_errors,
    make_file,
    settle,
    sweep,
    sync_folder,
)
from negprep.write.destination import (
    DATA_SET,
    METADATA,
    locate,
    open_stream,
    refuse_contents,
    refuse_filled,
    refuse_terminal,
    removing,
)
from negprep.write.parquet import ROW_GROUP_ROWS, ArrowStream, ParquetStream
from negprep.write.text import TextStream

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    import pyarrow as pa
    from pyarrow.fs import FileSystem

    from negprep.options.formats import FormName
    from negprep.write.destination import Destination, Document


RowStream: TypeAlias = ParquetStream | ArrowStream | TextStream
"""A file that takes rows in order."""


@dataclass(frozen=True)
class Kind:
    """A kind of file.

    ``ending``: Of part files.
    ``separator``: Of the fields of a text.
    ``compressed``: Whether the text is compressed by gzip.
    ``arrow``: Whether it is an Arrow file or stream. None: it is text, or Parquet.
    ``row_group_rows``: Rows of a row group of Parquet, or of a batch of Arrow.
    """

    ending: str = ".parquet"
    separator: str | None = None
    compressed: bool = False
    arrow: Literal["file", "stream"] | None = None
    row_group_rows: int = ROW_GROUP_ROWS

    @property
    def is_text(self) -> bool:
        """Whether it can be shown on a terminal."""
        return self.separator is not None

    @property
    def has_footer(self) -> bool:
        """Whether it has a place for metadata."""
        return self.separator is None and self.arrow is None

    def stream(self, sink: Sink, schema: pa.Schema) -> RowStream:
        """Begin a file for rows of a schema."""
        if self.separator is not None:
            return TextStream(sink, schema.names, self.separator, compressed=self.compressed)
        if self.arrow is not None:
            return ArrowStream(sink, schema, self.row_group_rows, is_file=self.arrow == "file")
        return ParquetStream(sink, schema, self.row_group_rows)


def kind_of(form: FormName, name: str, row_group_rows: int = ROW_GROUP_ROWS) -> Kind:
    """The kind of a file of that form and name; of the vocabularies, where the form has files of its own."""
    if form == "parquet":
        return Kind(row_group_rows=row_group_rows)
    if form == "arrow":
        return Kind(".arrow", arrow="stream" if name == "-" else "file", row_group_rows=row_group_rows)
    compressed = not name.endswith("/") and name.lower().endswith(".gz")
    return Kind(".csv" if form == "csv" else ".tsv", "," if form == "csv" else "\t", compressed=compressed)


def kind_beside(name: str) -> Kind:
    """The kind of a file beside an output, whose name follows that of the output."""
    ending = ending_of(name)
    if ending in ("", ".parquet"):
        return Kind()
    if ending in (".arrow", ".feather"):
        return kind_of("arrow", name)
    return kind_of("csv" if ending.startswith(".csv") else "tsv", name)


class Output(ABC):
    """Where rows go, in order.

    ``rows_written``: Rows taken so far.
    """

    def __init__(self, destination: Destination, schema: pa.Schema, *, kind: Kind) -> None:
        self.rows_written = 0
        self._destination = destination
        self._schema = schema
        self._kind = kind
        self._streams: list[RowStream] = []
        self._held = ExitStack()

    def write(self, batch: pa.RecordBatch) -> None:
        """Take the next rows: a batch of any size, whose memory must not change afterwards."""
        if batch.num_rows:
            with machine_errors(self._destination.place, self._destination.elsewhere):
                self._current().write(batch)
            self.rows_written += batch.num_rows

    def write_all(self, batches: Iterable[pa.RecordBatch], threads: int, text_rows: int) -> None:
        """Take all rows, whose text is made on so many threads, of so many rows or elements of lists by each."""
        place, elsewhere = self._destination.place, self._destination.elsewhere
        self.rows_written += _write_all(self._current(), batches, threads, text_rows, place, elsewhere)

    def next_part(self) -> None:  # noqa: B027
        """Let the next rows begin a new part file, if this one has any; nothing happens where there are no parts."""

    @abstractmethod
    def write_beside(self, suffix_name: str, table: pa.Table) -> None:
        """Add a file of the same kind that belongs to the output.

        Beside ``out.parquet``, "users" is ``out.users.parquet``; in a folder, ``_users.parquet``, which readers of
        folders skip.

        Raises UsageError: If the output is a stream.
        """

    @abstractmethod
    def finish(self, metadata: dict[str, str], companion: Document | None = None) -> None:
        """End the output, with `metadata` in the footer of the file or of every part (or, in a folder
        of text, in ``_negprep.json``), and make it visible.

        All files of an output appear or, after an error, none; the one that everybody looks for is last. The
        `companion`, a document elsewhere, appears with them; it is made when all rows are on the disk.
        """

    @abstractmethod
    def open(self) -> None:
        """Make what the first rows need. For `open_output`."""

    def close(self) -> None:
        """Remove whatever is unfinished. For `open_output`."""
        for stream in self._streams:
            stream.discard()
        self._held.close()

    def _current(self) -> RowStream:
        """What takes the next rows."""
        return self._streams[0]

    def _add(self, sink: Sink, schema: pa.Schema, kind: Kind | None = None) -> RowStream:
        stream = (kind or self._kind).stream(sink, schema)
        self._streams.append(stream)
        return stream

    def _write_table(self, path: Path, table: pa.Table, kind: Kind | None = None) -> None:
        with machine_errors(self._destination.place, self._destination.elsewhere):
            make_file(path)
            stream = self._add(PathSink(path), table.schema, kind)
            for batch in table.to_batches():
                stream.write(batch)
            stream.close({})


class FileOutput(Output):
    """One file, built under a temporary name beside its own, as are the files that belong to it."""

    def __init__(self, destination: Destination, schema: pa.Schema, *, kind: Kind) -> None:
        super().__init__(destination, schema, kind=kind)
        self._staging = self._held.enter_context(closing(Staging(destination.path)))
        self._beside: list[str] = []

    def open(self) -> None:
        """Make the temporary."""
        sweep(self._destination.path)
        self._add(Sink(self._staging.open()), self._schema)

    def write_beside(self, suffix_name: str, table: pa.Table) -> None:
        """Add a file beside the target, under a temporary name for now."""
        self._write_table(self._staging.path(suffix_name), table, kind_beside(self._staging.final(suffix_name).name))
        self._beside.append(suffix_name)

    def finish(self, metadata: dict[str, str], companion: Document | None = None) -> None:
        """Complete the file and give it its name."""
        temporary, path = self._staging.path(), self._destination.path
        with machine_errors(self._destination.place):
            self._current().close(metadata)
            for name in self._beside:
                settle(self._staging.path(name), final_mode(self._staging.final(name), 0o666))
            settle(temporary, final_mode(path, 0o666))
            if companion is not None:
                companion.stage()
            complete()
            with ExitStack() as undo:
                for name in self._beside:
                    self._staging.exchange(name, undo, decider=temporary)
                if companion is not None:
                    companion.exchange(undo, decider=temporary)
                temporary.replace(path)
            sync_folder(path.parent)


_SENT = 10 << 20
"""Bytes sent at a time: the parts of Arrow's uploads, so that it keeps none of them."""


class Upload:
    """A file on its way into a store, where nothing is to be seen before `finish`.

    Arrow completes an upload when its stream is closed or forgotten, whatever went wrong. One that is not to be
    completed is kept for ever, therefore, and the store holds its parts, under no name, until it throws them away.
    """

    def __init__(self, where: str, system: FileSystem | None = None, path: str = "") -> None:
        self._name = without_secrets(where)
        self._stream: Any = None
        with store_errors(self._name, writes=True):
            if system is None:
                system, path = stores.connected(where, **stores.upload_settings(where))
            self._stream = system.open_output_stream(path, compression=None)  # not by the ending of the name

    def send(self, file: BinaryIO, size: int | None = None) -> None:
        """Send what a file holds from where it is; at most so many bytes, a multiple of those sent at a time."""
        with store_errors(self._name, writes=True):
            while (size is None or size > 0) and (part := file.read(_SENT)):
                self._stream.write(part)
                size = None if size is None else size - len(part)

    def finish(self) -> None:
        """Complete the upload: the file has its name."""
        with store_errors(self._name, writes=True):
            self._stream.close()
        self._stream = None

    def close(self) -> None:
        """Leave undone what is not complete."""
        if self._stream is not None:
            import ctypes

            ctypes.pythonapi.Py_IncRef(ctypes.py_object(self._stream))
            self._stream = None


class FolderUpload:
    """A folder on its way into a store: its files get their names at the end, one after the other.

    Until then nothing is to be seen. All but the last bytes of each file, less than `_SENT`, are sent before: Arrow
    would keep them in memory, and sends them with the end of the upload in any case.
    """

    def __init__(self, where: str) -> None:
        self._where = where.rstrip("/")
        self._name = without_secrets(where)
        with store_errors(self._name, writes=True):
            self._system, self._base = stores.connected(self._where, **stores.upload_settings(where))
        self._files: list[tuple[str, Path, int, Upload]] = []

    def send(self, relative: str, path: Path) -> None:
        """Send a local file, which must stay as it is, as the one with that path below the folder."""
        upload = Upload(f"{self._where}/{relative}", self._system, f"{self._base}/{relative}")
        ahead = path.stat().st_size // _SENT * _SENT
        self._files.append((relative, path, ahead, upload))
        with path.open("rb") as file:
            upload.send(file, ahead)

    def finish(self) -> None:
        """Give the files their names, in the order in which they were sent. After an error none of them has its own."""
        refuse_filled(self._where, self._system, self._base)  # by another run, meanwhile
        begun: list[str] = []
        try:
            for relative, path, ahead, upload in self._files:
                with path.open("rb") as file:
                    file.seek(ahead)
                    begun.append(relative)
                    upload.send(file)
                upload.finish()
        except BaseException as error:
            self._take_back(begun, error)
            raise

    def _take_back(self, names: list[str], error: BaseException) -> None:
        """Remove what has its name. The last upload may have been completed, whatever its answer was."""
        left = []
        for name in names:
            try:
                self._system.delete_file(f"{self._base}/{name}")
            except FileNotFoundError:
                continue
            except OSError:
                left.append(name)
        if left and isinstance(error, NegprepError):
            what = f"{error.what}; {left[0]!r} and {len(left) - 1} more files may be there, without _SUCCESS"
            remedy = f"{error.remedy}; before, remove them: {removing(self._name)}"
            raise type(error)(what, place=self._name, remedy=remedy) from None

    def close(self) -> None:
        """Leave undone what is not complete."""
        for *_, upload in self._files:
            upload.close()


def send_folder(where: str, folder: Path, last: tuple[str, ...]) -> FolderUpload:
    """Send all files below a local folder, those with the names ``last`` at the end, in that order."""
    files = [path for path in sorted(folder.rglob("*")) if path.is_file()]
    files.sort(key=lambda path: last.index(path.name) if path.name in last else -1)
    upload = FolderUpload(where)
    try:
        for path in files:
            upload.send(path.relative_to(folder).as_posix(), path)
    except BaseException:
        upload.close()
        raise
    return upload


class StoreOutput(FileOutput):
    """One file in a store, and those that belong to it: built in the folder of temporary files, and sent when whole."""

    def finish(self, metadata: dict[str, str], companion: Document | None = None) -> None:
        """Send the files, and complete their uploads one after the other, that of the file itself last."""
        temporary, uri = self._staging.path(), self._destination.uri
        with machine_errors(self._destination.place, self._destination.elsewhere):
            self._current().close(metadata)
            files = [(store_name_beside(uri, name), self._staging.path(name)) for name in self._beside]
            if companion is not None:
                companion.stage()
            with ExitStack() as undo:
                uploads = []
                for where, path in [*files, (uri, temporary)]:
                    uploads.append(undo.enter_context(closing(Upload(where))))
                    with path.open("rb") as file:
                        uploads[-1].send(file)
                complete()
                if companion is not None:
                    companion.exchange(undo, decider=temporary)
                for upload in uploads:
                    upload.finish()
                temporary.unlink()


def store_name_beside(uri: str, name: str) -> str:
    """The URI of a file that belongs to an output in a store."""
    folder, slash, file = uri.rpartition("/")
    return f"{folder}{slash}{beside(Path(file), name)}"


_SUCCESS = "_SUCCESS"

PART_ROWS = 8 * ROW_GROUP_ROWS
"""About how many rows a part file should have. It ends at `Output.next_part`, between two users."""


class _FileOfRows:
    """A file within a folder, which takes its rows in batches."""

    def __init__(self, stream: RowStream, place: str) -> None:
        self.rows_written = 0
        self._stream, self._place = stream, place

    def write(self, batch: pa.RecordBatch) -> None:
        """Take the next rows."""
        with machine_errors(self._place):
            self._stream.write(batch)
        self.rows_written += batch.num_rows


class Part(_FileOfRows):
    """A part file, which another thread than that of its output may fill."""

    def end(self) -> None:
        """Complete the rows; the footer waits for `FolderOutput.finish`."""
        with machine_errors(self._place):
            self._stream.end_rows()


class NamedFile(_FileOfRows):
    """A file with a name of its own."""

    def write_all(self, batches: Iterable[pa.RecordBatch], threads: int, text_rows: int) -> None:
        """Take rows, as `Output.write_all` does."""
        self.rows_written += _write_all(self._stream, batches, threads, text_rows, self._place)

    def close(self, metadata: dict[str, str]) -> None:
        """Complete the file."""
        with machine_errors(self._place):
            self._stream.close(metadata)


def _write_all(
    stream: RowStream,
    batches: Iterable[pa.RecordBatch],
    threads: int,
    text_rows: int,
    place: str,
    elsewhere: str = ELSEWHERE,
) -> int:
    """Write rows, whose text is made on so many threads, of so many by each; how many there are."""
    rows = 0

    def counted() -> Iterator[pa.RecordBatch]:
        nonlocal rows
        for batch in batches:
            rows += batch.num_rows
            yield batch

    if threads > 1 and isinstance(stream, TextStream):  # encoding Parquet takes less time than making its rows
        with closing(stream.encoded(counted(), threads, text_rows)) as encoded:
            for data in encoded:
                with machine_errors(place, elsewhere):
                    stream.append(data)
        return rows
    for batch in counted():
        with machine_errors(place, elsewhere):
            stream.write(batch)
    return rows


class NamedText:
    """A text of its own within a folder."""

    def __init__(self, stream: TextStream, place: str) -> None:
        self._stream, self._place = stream, place

    def write_fields(self, fields: Sequence[pa.Array]) -> None:
        """Take the next lines, as `TextStream.write_fields` does."""
        with machine_errors(self._place):
            self._stream.write_fields(fields)

    def write(self, batch: pa.RecordBatch) -> None:
        """Take the next rows."""
        with machine_errors(self._place):
            self._stream.write(batch)


class FolderOutput(Output):
    """``part-00000.parquet``, ``part-00001.parquet`` ..., ``_SUCCESS``: built as a hidden folder beside the target.

    It takes the target's name in one step. With `force`, an earlier output moves away just before, is put back if that
    step fails, and is removed afterwards. Text and Arrow have no footer: ``_negprep.json`` holds their metadata.
    """

    def __init__(self, destination: Destination, schema: pa.Schema, *, kind: Kind, force: bool) -> None:
        super().__init__(destination, schema, kind=kind)
        self._force = force
        self._staging = self._held.enter_context(closing(Staging(destination.path)))
        self._folder = self._staging.path(PARTS)
        self._parts: list[RowStream] = []
        self._part: RowStream | None = None
        self._inner, self._first = "", 0
        self._named: dict[str, RowStream] = {}
        self._is_filled = False

    def hand_out(self) -> Path:
        """The hidden folder, for another process to write all parts into, with their footers."""
        self._is_filled = True
        return self._folder

    def open(self) -> None:
        """Make the hidden folder."""
        sweep(self._destination.path)
        refuse_contents(self._destination, force=self._force)
        self._staging.open()
        self._folder.mkdir(mode=0o700)

    def next_part(self) -> None:
        """Complete the rows of the part file; its footer waits for `finish`."""
        if self._part is not None:
            with machine_errors(self._destination.place):
                self._part.end_rows()
            self._part = None

    def start_part(self, folder: str = "") -> Part:
        """Begin a part that may be filled while others are, within a folder of that name, where one is given."""
        self.next_part()
        if folder != self._inner:
            self._inner, self._first = folder, len(self._parts)
            with machine_errors(self._destination.place):
                (self._folder / folder).mkdir(mode=0o700)
        with machine_errors(self._destination.place):
            part, self._part = Part(self._current(), self._destination.place), None
        return part

    def start_file(self, name: str, schema: pa.Schema, kind: Kind) -> NamedFile:
        """Begin a file of that name, with a footer of its own, in place of parts."""
        with machine_errors(self._destination.place):
            make_file(self._folder / name)
            stream = self._add(PathSink(self._folder / name), schema, kind)
        self._is_filled = True
        return NamedFile(stream, self._destination.place)

    def write_table(self, name: str, table: pa.Table, kind: Kind) -> None:
        """Add a table as a file of that name."""
        self._write_table(self._folder / name, table, kind)
        self._is_filled = True

    def write_bytes(self, name: str, content: bytes) -> None:
        """Add a file of that name."""
        with machine_errors(self._destination.place):
            make_file(self._folder / name)
            PathSink(self._folder / name).write(content)

    def write_file(self, name: str, fill: Callable[[BinaryIO], object]) -> None:
        """Add a file of that name, whose content ``fill`` writes."""
        with machine_errors(self._destination.place):
            make_file(self._folder / name)
            with (self._folder / name).open("wb") as file:
                fill(file)
        self._is_filled = True

    def content(self, name: str) -> bytes:
        """The bytes of a complete file of the folder."""
        with machine_errors(self._destination.place):
            return (self._folder / name).read_bytes()

    def start_text(self, name: str, header: Sequence[str] = (), separator: str = "\t") -> NamedText:
        """Begin a text of that name, in place of parts."""
        with machine_errors(self._destination.place):
            make_file(self._folder / name)
        stream = TextStream(PathSink(self._folder / name), header, separator)
        self._streams.append(stream)
        self._named[name] = stream
        return NamedText(stream, self._destination.place)

    def start_rows(self, name: str, schema: pa.Schema) -> NamedFile:
        """Begin a Parquet file of that name, in place of parts; `finish` completes it."""
        with machine_errors(self._destination.place):
            make_file(self._folder / name)
            stream = self._add(PathSink(self._folder / name), schema, Kind())
        self._named[name] = stream
        return NamedFile(stream, self._destination.place)

    def complete_named(self, metadata: Mapping[str, str], usual: str) -> list[str]:
        """Complete the files that have names of their own, and name all that are in the folder.

        ``metadata``: Of some files, by their name; of all others ``usual``.
        """
        with machine_errors(self._destination.place):
            for name, stream in self._named.items():
                stream.close({"negprep": metadata.get(name, usual)})
        self._named, self._is_filled = {}, True
        return sorted(path.name for path in self._folder.iterdir())

    def write_beside(self, suffix_name: str, table: pa.Table) -> None:
        """Add a file whose name begins with an underscore."""
        self._write_table(self._folder / f"_{suffix_name}{self._kind.ending}", table)

    def finish(self, metadata: dict[str, str], companion: Document | None = None) -> None:
        """Complete all part files, and give the folder its name."""
        path = self._destination.path
        with machine_errors(self._destination.place):
            self._complete(metadata)
            mode, inner_mode = (final_mode(self._folder / "new", full) for full in (0o666, 0o777))
            for held in sorted(self._folder.rglob("*"), reverse=True):
                settle(held, inner_mode if held.is_dir() else mode)
            settle(self._folder, final_mode(path, 0o777))
            if companion is not None:
                companion.stage()
            refuse_contents(self._destination, force=self._force)
            complete()
            with ExitStack() as undo:
                if companion is not None:
                    companion.exchange(undo, decider=self._folder)
                self._staging.exchange(PARTS, undo, decider=self._folder)
            sync_folder(path.parent)

    def _complete(self, metadata: dict[str, str]) -> None:
        """Complete the files of the hidden folder."""
        if not self._parts and not self._named and not self._is_filled:
            self._current()
        for part in [*self._parts, *self._named.values()]:
            part.close(metadata)
        if not self._kind.has_footer:
            make_file(self._folder / METADATA)
            PathSink(self._folder / METADATA).write(f"{metadata.get('negprep', '{}')}\n".encode())
        make_file(self._folder / _SUCCESS)

    def _current(self) -> RowStream:
        if self._part is None:
            path: Path = self._folder / self._inner / f"part-{len(self._parts) - self._first:05}{self._kind.ending}"
            make_file(path)
            self._part = self._add(PathSink(path), self._schema)
            self._parts.append(self._part)
        return self._part


class StoreFolderOutput(FolderOutput):
    """A folder in a store: built as a hidden folder among the temporary files, and sent when whole."""

    def open(self) -> None:
        """Make the hidden folder."""
        sweep(self._destination.path)
        self._staging.open()
        self._folder.mkdir(mode=0o700)

    def finish(self, metadata: dict[str, str], companion: Document | None = None) -> None:
        """Send the files, and complete their uploads one after the other, ``_SUCCESS`` last."""
        mark = self._folder / _SUCCESS
        with machine_errors(self._destination.place, self._destination.elsewhere):
            self._complete(metadata)
            if companion is not None:
                companion.stage()
            with ExitStack() as undo:
                upload = undo.enter_context(
                    closing(send_folder(self._destination.uri, self._folder, (METADATA, DATA_SET, _SUCCESS)))
                )
                complete()
                if companion is not None:
                    companion.exchange(undo, decider=mark)
                upload.finish()
                mark.unlink()


class StreamOutput(Output):
    """Bytes sent as they come, row group by row group.

    What was sent before an error cannot be taken back. Parquet lacks its footer then, and every reader refuses it; a
    text is cut short, which only the exit code shows.
    """

    def open(self) -> None:
        """Open the device or pipe."""
        if not self._kind.is_text:
            refuse_terminal(self._destination)
        self._add(Sink(self._held.enter_context(open_stream(self._destination))), self._schema)

    def write_beside(self, suffix_name: str, table: pa.Table) -> None:  # noqa: ARG002
        """Refuse: a stream has no place for a second file."""
        raise UsageError(
            f"is a stream, and the {suffix_name} need a file of their own",
            place=self._destination.place,
            remedy="name a file or a folder",
        )

    def finish(self, metadata: dict[str, str], companion: Document | None = None) -> None:
        """Send the last rows and the footer."""
        with machine_errors(self._destination.place):
            self._current().end_rows()
            if companion is not None:
                companion.stage()
            self._current().close(metadata)
            if companion is not None:
                companion.publish()


@contextmanager
def open_output(
    target: str,
    schema: pa.Schema,
    *,
    kind: Kind = Kind(),
    force: bool = False,
) -> Iterator[Output]:
    """Open an output for rows of one schema.

    Parameters
    ----------
    target : str
        A file, a folder (ends in ``/``) or ``-``, standard output.
    schema : pyarrow.Schema
        Of every batch. Columns declared non-null take a fifth less time to write, and less to read.
    kind : Kind
        Of the file, or of its parts.
    force : bool
        Replace the earlier output that a folder holds.

    Yields
    ------
    Output

    Raises
    ------
    OutputError
        If the machine refuses: no space, no permission, a limit. Also from every method of the output.
    UsageError
        If a folder is not empty, or the stream is a terminal; see `check_output`.

    Notes
    -----
    Nothing is visible before `Output.finish`, and after an error or a signal everything is as it was. A stream is the
    exception: what was sent cannot be taken back, but it has no footer, so that no reader takes it for a whole file.

    A file that is replaced keeps its mode (not its owner) and, if `target` is a symbolic link to it, the link. A
    process that is killed leaves temporaries, whose names begin with a dot; the next run on that target removes them.
    Killed between the renames of a file and of those beside it, a moment without any other work, it can leave new
    ones beside the old file: two names cannot change in one step. Killed while the files of a folder in a store get
    their names, it can leave some of them, without ``_SUCCESS``.
    """
    with machine_errors(target):
        destination = locate(target)
    output: Output
    if destination.kind == "file":
        output = (StoreOutput if destination.uri else FileOutput)(destination, schema, kind=kind)
    elif destination.kind == "folder":
        output = (StoreFolderOutput if destination.uri else FolderOutput)(destination, schema, kind=kind, force=force)
    else:
        output = StreamOutput(destination, schema, kind=kind)
    try:
        with machine_errors(destination.place, destination.elsewhere):
            output.open()
        yield output
    finally:
        output.close()
