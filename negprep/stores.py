"""Files in object stores and on the web: what a URI names, its bytes, and what went wrong."""

from __future__ import annotations

import io
import os
import re
import shlex
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from fnmatch import translate
from functools import cached_property
from glob import has_magic
from itertools import takewhile
from pathlib import Path, PurePosixPath
from typing import IO, TYPE_CHECKING, Any, BinaryIO, NoReturn, Protocol, TypeVar, cast
from urllib.parse import urlsplit

from negprep.errors import BadDataError, NegprepError, OutputError, UsageError

if TYPE_CHECKING:
    from http.client import HTTPResponse

    from pyarrow.fs import FileInfo, FileSystem

Made = TypeVar("Made")

_STORES = ("s3", "gs", "gcs", "abfs", "abfss", "hdfs")
_WEB = ("https", "http")
_REMOTE = re.compile(rf"(?:{'|'.join((*_STORES, *_WEB))})://", re.IGNORECASE)
_COLLAPSED = re.compile(rf"((?:{'|'.join((*_STORES, *_WEB))}):)/(?!/)", re.IGNORECASE)
_OPTION = re.compile(r"\?\w+=")

_HEAD = 1 << 16
_MOST = 1 << 23
"""Bytes of the largest request for text; the first is for `_HEAD`, each that follows for four times as many."""

_ATTEMPTS = 3
_PAUSE = 1.0
_SLICE = 1 << 20
_PART, _NO_PART = 206, 416
"""What a server answers to a request for a part of a file: a part; or that the file, an empty one, has none."""

_TIMEOUT = 30.0
"""Seconds without a byte from the web, after which a connection counts as lost."""

CHANGED = "the file changed while it was read"
WHOLE = "run again when it is whole"


def is_remote(where: str) -> bool:
    """Whether it is a URI of a store or of the web."""
    return _REMOTE.match(where) is not None


def is_web(where: str) -> bool:
    """Whether it is the address of one file on the web, which cannot be listed or written."""
    return where.lower().startswith(("https://", "http://"))


def without_secrets(where: str) -> str:
    """The URI without what may be secret: the query of an address, and a user and password."""
    if not is_remote(where):
        return where
    scheme, _, rest = where.partition("://")
    host, slash, path = rest.partition("/")
    if scheme.lower() not in ("abfs", "abfss") or ":" in host.partition("@")[0]:  # of Azure: CONTAINER@ACCOUNT
        host = host.rpartition("@")[2]
    path = path.partition("?")[0] if is_web(where) or _OPTION.search(path) else path
    return f"{scheme}://{host.partition('?')[0]}{slash}{path}"


def refuse_unknown(where: str) -> None:
    """Refuse a URI of another kind, and what pathlib makes of one."""
    scheme = re.match(r"(\w+)://", where)
    if scheme is not None and not is_remote(where):
        what, near = f"{scheme[1]}:// is not a kind of URI that is read", {"s3a": "s3", "s3n": "s3", "az": "abfs"}
        remedy = f"{near[scheme[1]]}://?" if scheme[1] in near else "name a local file, or pipe it in (-)"
        raise UsageError(what, place=without_secrets(where), remedy=remedy)
    if _COLLAPSED.match(where):
        what = "is a URI with one slash of two, as pathlib writes it"
        whole = _COLLAPSED.sub(r"\1//", where)
        raise UsageError(what, place=where, remedy=f"give it as a string: {whole!r}")


def refuse_local_only(target: str) -> None:
    """Refuse a URI for what is written on this machine only."""
    if is_remote(target):
        name = without_secrets(target)
        what = "is in a store or on the web, and this is written to a local place only"
        raise UsageError(what, place=name, remedy=f"name a local one, and {copying(name)}")


@contextmanager
def local_copy(where: str) -> Iterator[str]:
    """The path of a copy of one file, for what must have a path; it is removed at the end."""
    found = find(where)
    if found.is_listed:
        raise UsageError("is a folder or a pattern", place=without_secrets(where), remedy="name a file")
    with tempfile.NamedTemporaryFile(prefix="negprep-") as copy:
        with found.files[0].copy or found.files[0].open() as content:
            content.seek(0)
            shutil.copyfileobj(content, copy, _SLICE)
        copy.flush()
        yield copy.name


class _Bytes(Protocol):
    """Bytes at any place of a file."""

    def read_at(self, size: int, at: int) -> bytes: ...

    def close(self) -> None: ...


@dataclass(frozen=True)
class RemoteFile:
    """One file that was found: ``name`` as messages call it, ``relative`` its path below the folder or pattern given.

    ``system`` and ``path`` are Arrow's; on the web ``system`` is None and ``path`` the address. ``version`` is the tag
    that changes with the content, or the time of its last change, as a listing gives it: it is ``timed``. ``copy`` is
    an unlinked copy of what the web gives as a whole only.
    """

    name: str
    relative: str
    system: FileSystem | None
    path: str
    size: int
    version: str = ""
    timed: bool = False
    copy: IO[bytes] | None = None

    @cached_property
    def head(self) -> bytes:
        """The first bytes, asked for once."""
        with store_errors(self.name):
            content = self.content()
            try:
                return content.read_at(min(_HEAD, self.size), 0) if self.size else b""
            finally:
                content.close()

    def open(self) -> BinaryIO:
        """The bytes from the start, to be read on or anywhere: a little at first, then by large requests."""
        return io.BufferedReader(_Fetched(self))

    def open_columns(self) -> Any:  # noqa: ANN401 - a native file of Arrow, or a stream
        """The same for a reader that asks for what it needs, in requests of its own, from several threads."""
        if self.system is None:
            return io.BufferedReader(_Fetched(self, ahead=False))
        with store_errors(self.name):
            return self.system.open_input_file(self.path)

    def look_again(self) -> RemoteFile:
        """The file as it is now."""
        with store_errors(self.name):
            if self.system is None:
                return _on_web(self.path)
            if not self.timed:
                return _tagged(self)
            info = self.system.get_file_info(self.path)
            return replace(self, size=info.size, version=str(info.mtime_ns))

    def content(self) -> _Bytes:
        """The bytes at any place, by a request for each."""
        if self.system is None:
            return _Web(self)
        with store_errors(self.name):
            return cast(_Bytes, self.system.open_input_file(self.path))


class _Fetched(io.RawIOBase):
    """A stream of requests, which grow while they follow one another; its errors name the file.

    Nothing is asked for before it is needed: what only looks at the start has it already.
    """

    def __init__(self, file: RemoteFile, *, ahead: bool = True) -> None:
        self._file = file
        self._content: _Bytes | None = None
        self._held, self._first = (file.head, 0) if ahead else (b"", 0)
        self._at, self._next = 0, 4 * _HEAD if ahead else 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._at

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        start = {os.SEEK_SET: 0, os.SEEK_CUR: self._at, os.SEEK_END: self._file.size}[whence]
        self._at = max(0, start + offset)
        return self._at

    def readinto(self, buffer: Any) -> int:  # noqa: ANN401 - a writable buffer has no name in typing on Python 3.11
        size = min(len(buffer), self._file.size - self._at)
        if size <= 0:
            return 0
        skip = self._at - self._first
        if not 0 <= skip < len(self._held):
            follows = skip == len(self._held)
            wanted = max(size, self._next if follows else 0)
            self._next = min(_MOST, 4 * self._next) if follows else min(self._next, _HEAD)
            with store_errors(self._file.name):
                self._content = self._content or self._file.content()
                held = self._content.read_at(min(wanted, self._file.size - self._at), self._at)
            if not held:
                raise BadDataError(CHANGED, place=self._file.name, remedy=WHOLE)
            self._held, self._first, skip = held, self._at, 0
        size = min(size, len(self._held) - skip)
        buffer[:size] = memoryview(self._held)[skip : skip + size]
        self._at += size
        return size

    def close(self) -> None:
        if not self.closed:
            self._held = b""
            if self._content is not None:
                self._content.close()
        super().close()


class _Web:
    """The bytes of an address, by ranges; an answer is read on while the places follow one another."""

    def __init__(self, file: RemoteFile) -> None:
        self._file = file
        self._answer: HTTPResponse | None = None
        self._at = 0

    def read_at(self, size: int, at: int) -> bytes:
        def read_on() -> bytes:
            nonlocal size, at
            try:
                if self._answer is None or self._at != at:
                    self._ask(at)
                while size:
                    part = cast("HTTPResponse", self._answer).read(min(size, _SLICE))
                    if not part:
                        raise ConnectionResetError("it was cut")
                    parts.append(part)
                    at, size = at + len(part), size - len(part)
                self._at = at
            except BaseException:
                self.close()
                raise
            return b"".join(parts)

        parts: list[bytes] = []
        return _tried(read_on)

    def _ask(self, at: int) -> None:
        self.close()
        answer = _asked(self._file.path, f"bytes={at}-")
        if answer.status != _PART or _version(answer) != self._file.version:
            answer.close()
            raise BadDataError(CHANGED, place=self._file.name, remedy=WHOLE)
        self._answer, self._at = answer, at

    def close(self) -> None:
        if self._answer is not None:
            self._answer.close()
            self._answer = None


def _asked(address: str, places: str) -> HTTPResponse:
    from urllib.error import HTTPError
    from urllib.request import Request, urlopen

    request = Request(address, headers={"Range": places, "Accept-Encoding": "identity", "User-Agent": "negprep"})  # noqa: S310 - only http and https come here
    try:
        return cast("HTTPResponse", urlopen(request, timeout=_TIMEOUT))  # noqa: S310
    except HTTPError as error:
        error.close()
        raise


def _tried(function: Callable[[], Made]) -> Made:
    """What a function gives that may lose its connection: it is called again, and goes on from where it was."""
    from http.client import HTTPException

    for attempt in range(_ATTEMPTS):
        try:
            return function()
        except (OSError, HTTPException) as error:
            if attempt + 1 < _ATTEMPTS and not _status(error):
                time.sleep(_PAUSE * attempt)
                continue
            if isinstance(error, HTTPException):
                raise ConnectionResetError(str(error) or type(error).__name__) from None
            raise
    raise AssertionError("the last attempt returns or raises")


def _status(error: BaseException) -> int:
    """The status of an answer that is an error; 0 for an error of the connection."""
    return cast(int, getattr(error, "code", 0))


def _version(answer: HTTPResponse) -> str:
    return answer.headers.get("ETag") or answer.headers.get("Last-Modified") or ""


def _on_web(address: str) -> RemoteFile:
    """The file of an address; a copy of it, where the server gives no parts of files."""
    return _tried(lambda: _looked_at(address))


def _looked_at(address: str) -> RemoteFile:
    name, copy = without_secrets(address), None
    try:
        with _asked(address, f"bytes=0-{_HEAD - 1}") as answer:
            total = re.fullmatch(r"bytes \d+-\d+/(\d+)", answer.headers.get("Content-Range", ""))
            if answer.status == _PART and total is not None:
                return RemoteFile(name, "", None, address, int(total[1]), _version(answer))
            copy = tempfile.TemporaryFile(prefix="negprep-")  # noqa: SIM115 - lives as long as the source
            while part := answer.read(_SLICE):
                copy.write(part)
            if answer.length:  # bytes that should have come
                raise ConnectionResetError("it was cut")
            copy.flush()
            return RemoteFile(name, "", None, address, copy.tell(), copy=copy)
    except BaseException as error:
        if copy is not None:
            copy.close()
        if _status(error) != _NO_PART:
            raise
        return RemoteFile(name, "", None, address, 0, copy=tempfile.TemporaryFile(prefix="negprep-"))


@dataclass(frozen=True)
class Found:
    """What a URI names: ``files`` with ``is_listed`` if they were found in a folder or by a pattern.

    ``hidden`` are the paths, below the folder or the start of the pattern, that begin with ``_`` or ``.`` somewhere.
    """

    files: list[RemoteFile]
    is_listed: bool = False
    hidden: tuple[str, ...] = ()


def find(where: str) -> Found:
    """The files that a URI names, in the order of their names: one, those of a folder (a prefix), or of a pattern.

    Raises OutputError: There is no such file, bucket or host, no access, or no network.
    Raises UsageError: The URI holds credentials, or is a pattern on the web.
    """
    refuse_secrets(where)
    name = without_secrets(where)
    with store_errors(name):
        if is_web(where):
            return Found([_on_web(where)])
        system, path = connected(where)
        pattern = None
        if not has_magic(path):
            info = system.get_file_info(path)
            if info.type.name == "File":
                return Found([_tagged(RemoteFile(name, "", system, path, info.size, str(info.mtime_ns)))])
            if info.type.name == "NotFound":
                _refuse_missing(system, where, path)
        else:
            parts = path.split("/")
            fixed = list(takewhile(lambda part: not has_magic(part), parts))
            pattern = pattern_of(parts[len(fixed) :])
            path = "/".join(fixed)
        base = path.rstrip("/")
        listed = _below(system, base, name)
    start = "/".join(takewhile(lambda part: not has_magic(part), name.split("/"))).rstrip("/")
    files, hidden = [], []
    for info in listed:
        relative = info.path.removeprefix(f"{base}/")
        if pattern is not None and not pattern.fullmatch(relative):
            continue
        if any(part.startswith(("_", ".")) for part in relative.split("/")):
            hidden.append(relative)
        elif info.type.name == "File":
            there = f"{start}/{relative}"
            files.append(RemoteFile(there, relative, system, info.path, info.size, str(info.mtime_ns), timed=True))
    return Found(sorted(files, key=lambda file: file.path.split("/")), is_listed=True, hidden=tuple(hidden))


def _below(system: FileSystem, path: str, name: str, *, recursive: bool = True) -> list[FileInfo]:
    from pyarrow.fs import FileSelector

    try:
        return cast("list[FileInfo]", system.get_file_info(FileSelector(path, recursive=recursive)))
    except FileNotFoundError:
        raise OutputError("no file matches", place=name, remedy="check the pattern") from None


def pattern_of(parts: list[str]) -> re.Pattern[str]:
    """What a pattern of several parts matches: files, or all below a folder that it matches; ``**`` is any folders."""
    text = ""
    for place, part in enumerate(parts):
        if part == "**":
            text += ".*" if place == len(parts) - 1 else "(?:[^/]+/)*"
        else:
            one = re.sub(r"(?<!\\)\.\*", "[^/]*", translate(part).removeprefix("(?s:").removesuffix(r")\Z"))
            text += re.sub(r"(?<!\\)\.(?!\*)", "[^/]", one) + ("/" if place < len(parts) - 1 else "")
    return re.compile(f"(?s:{text}(?:/.*)?)")


def _refuse_missing(system: FileSystem, where: str, path: str) -> NoReturn:
    name, (bucket, _, key) = without_secrets(where), path.partition("/")
    if key and bucket and system.get_file_info(bucket).type.name == "NotFound":
        raise OutputError("there is no such bucket", place=name, remedy=CHECK_BUCKET)
    raise OutputError("no such file or folder", place=name, remedy=_looking(name))


def _tagged(file: RemoteFile) -> RemoteFile:
    """The file with its size and the tag of its content, where the store has tags."""
    with cast("FileSystem", file.system).open_input_file(file.path) as content:
        size, tag = content.size(), (content.metadata() or {}).get("ETag")
    return (
        replace(file, size=size, timed=True) if tag is None else replace(file, size=size, version=tag.decode("latin-1"))
    )


def refuse_secrets(where: str) -> None:
    """Refuse a URI with a password or a query, without a bucket, or with a pattern for the web."""
    name, scheme, host = without_secrets(where), where.partition("://")[0].lower(), where.split("/")[2]
    user = host.rpartition("@")[0]
    if ":" in user or (user and scheme not in ("abfs", "abfss", "hdfs")):
        remedy = "leave them out: the environment gives them (AWS_PROFILE, AWS_ACCESS_KEY_ID ...)"
        if is_web(where):
            remedy = f"curl --user NAME {_quoted(name)} | negprep train - OUTPUT"
        raise UsageError("the URI holds credentials", place=name, remedy=remedy)
    if not is_web(where) and _OPTION.search(where):
        remedy = "leave it out: options come from the environment (AWS_REGION, AWS_ENDPOINT_URL ...)"
        raise UsageError("the URI holds a query", place=name, remedy=remedy)
    if not host:
        raise UsageError("the URI names no bucket or host", place=name, remedy=f"write {scheme}://BUCKET/FILE")
    if is_web(where) and has_magic(urlsplit(where).path):
        raise UsageError("patterns cannot be looked up on the web", place=name, remedy="name each file")


def connected(where: str, **options: Any) -> tuple[FileSystem, str]:  # noqa: ANN401
    """Arrow's file system for a URI, and the path in it.

    S3 takes AWS_ENDPOINT_URL, which Arrow does not look at, and else asks for the region of the bucket.
    """
    from pyarrow import fs

    scheme, _, rest = where.partition("://")
    host, _, key = rest.partition("/")
    key = re.sub("/+$", "", key)
    if scheme.lower() == "s3":
        endpoint = os.environ.get("AWS_ENDPOINT_URL_S3") or os.environ.get("AWS_ENDPOINT_URL")
        region = os.environ.get("AWS_REGION") or os.environ.get("AWS_DEFAULT_REGION")
        if not endpoint:
            try:
                region = fs.resolve_s3_region(host)
            except OSError:  # of another partition of AWS, or nothing can be reached, which the next request reports
                if region is None:
                    raise
        return fs.S3FileSystem(endpoint_override=endpoint, region=region, **options), f"{host}/{key}".rstrip("/")
    if scheme.lower() in ("gs", "gcs"):
        return fs.GcsFileSystem(retry_time_limit=timedelta(seconds=_TIMEOUT / 2)), f"{host}/{key}".rstrip("/")
    system, root = fs.FileSystem.from_uri(f"{scheme.lower()}://{host}")
    return system, f"{root.rstrip('/')}/{key}".rstrip("/") or "/"


def upload_settings(where: str) -> dict[str, Any]:
    """How Arrow's file system for a URI should write, as options of `connected`."""
    # Writing in the background takes whatever is sent into memory. A small file is sent at its end, in one request.
    return {"background_writes": False, "allow_delayed_open": True} if where.lower().startswith("s3://") else {}


class StorePath:
    """A file or folder of a store, asked as a ``pathlib.Path`` is."""

    def __init__(self, where: str) -> None:
        self._where = where.rstrip("/")

    def __str__(self) -> str:
        return without_secrets(self._where)

    def __truediv__(self, name: str) -> StorePath:
        return StorePath(f"{self._where}/{name}")

    @property
    def name(self) -> str:
        """What follows the last slash."""
        return self._where.rpartition("/")[2]

    @property
    def stem(self) -> str:
        """The name without its last ending."""
        return PurePosixPath(self.name).stem

    @property
    def suffix(self) -> str:
        """The last ending of the name."""
        return PurePosixPath(self.name).suffix

    @property
    def parent(self) -> StorePath:
        """The folder that it is in."""
        return StorePath(self._where.rpartition("/")[0])

    def with_name(self, name: str) -> StorePath:
        """What has another name in the same folder."""
        return self.parent / name

    def is_file(self) -> bool:
        """Whether there is such a file."""
        return self._type() == "File"

    def is_dir(self) -> bool:
        """Whether there is such a folder: a prefix."""
        return self._type() == "Directory"

    def exists(self) -> bool:
        """Whether there is either."""
        return self._type() != "NotFound"

    def _type(self) -> str:
        if has_magic(self._where) or not urlsplit(self._where).netloc:
            return "NotFound"
        with store_errors(str(self)):
            system, path = connected(self._where)
            return cast(str, system.get_file_info(path).type.name)

    def open(self, mode: str = "rb") -> BinaryIO:  # noqa: ARG002 - as that of a path, for bytes
        """The bytes of the file, from the start."""
        return find(self._where).files[0].open()

    def read_bytes(self) -> bytes:
        """All that the file holds."""
        with self.open() as content:
            return content.read()

    def iterdir(self) -> Iterator[StorePath]:
        """What is in the folder."""
        with store_errors(str(self)):
            system, path = connected(self._where)
            names = [info.base_name for info in _below(system, path, str(self), recursive=False)]
        return (self / name for name in names)


def path_of(where: str) -> Path | StorePath:
    """What a name stands for; an address of the web, beside which nothing can be looked for, for no path there is."""
    return StorePath(where) if is_remote(where) and not is_web(where) else Path(where)


# --- what went wrong

CHECK_BUCKET = "check the name, and AWS_ENDPOINT_URL if it is set"
_CREDENTIALS = "check the credentials (AWS_PROFILE, AWS_ACCESS_KEY_ID, GOOGLE_APPLICATION_CREDENTIALS ...)"
_REASONS = (
    (r"NO_SUCH_BUCKET|bucket does not exist", "there is no such bucket", CHECK_BUCKET),
    (r"libjvm|libhdfs", "hdfs:// needs Java and Hadoop", "set JAVA_HOME and HADOOP_HOME"),
    (r"NO_SUCH_UPLOAD", "the upload was ended by somebody else", "run again"),
    (
        r"HTTP status 30[17]|PermanentRedirect|AuthorizationHeaderMalformed",
        "the bucket is in another region",
        "set AWS_REGION",
    ),
    (
        r"HTTP status 400\) during Head",  # has no words
        "access is denied, or the bucket is in another region",
        f"{_CREDENTIALS} and AWS_REGION",
    ),
    (
        r"ACCESS_DENIED|INVALID_ACCESS_KEY|InvalidAccessKeyId|SIGNATURE_DOES_NOT_MATCH|SignatureDoesNotMatch"
        r"|UNRECOGNIZED_CLIENT|EXPIRED_TOKEN|ExpiredToken|INVALID_CLIENT_TOKEN_ID|MISSING_AUTHENTICATION"
        r"|HTTP status 40[13]|PERMISSION_DENIED|UNAUTHENTICATED|AuthenticationException|AuthenticationFailed"
        r"|OAuth2 access token",
        "access is denied",
        _CREDENTIALS,
    ),
    (
        r"SLOW_DOWN|SERVICE_UNAVAILABLE|THROTTLING|INTERNAL_FAILURE|HTTP status 5\d\d|HTTP status 429|UNAVAILABLE",
        "the store is too busy, or out of order",
        "run again later",
    ),
)
_OF_STORES = re.compile(r"AWS Error|google::cloud|Azure|HDFS|libjvm|libhdfs|curlCode|Google cloud")


def of_store(error: Exception) -> bool:
    """Whether a store refused something, as far as its words show it: what is read may be damaged as well."""
    return _OF_STORES.search(str(error)) is not None


@contextmanager
def store_errors(name: str, *, writes: bool = False) -> Iterator[None]:
    """Turn what a store or the web refuses into one line that names the file."""
    try:
        yield
    except NegprepError:
        raise
    except OSError as error:
        raise refusal(error, name, writes=writes) from None
    except MemoryError:
        raise
    except Exception as error:
        from pyarrow import ArrowException

        if not isinstance(error, ArrowException):
            raise
        raise refusal(OSError(f"Azure: {error}"), name, writes=writes) from None  # others raise OSError


def refusal(error: OSError, name: str, *, writes: bool = False) -> NegprepError:
    """The error for the user."""
    if isinstance(error, FileNotFoundError):
        return OutputError("no such file or folder", place=name, remedy=_looking(name))
    if _status(error):
        return _refused_by_server(_status(error), name)
    reason = getattr(error, "reason", None)  # of urllib, which wraps the error
    error = reason if isinstance(reason, OSError) else error
    text = (str(error).splitlines() or [type(error).__name__])[0]
    by_hand = f"write a local file, and {copying(name)}" if writes else f"or read it by a pipe: {_pipe(name)}"
    unreached = re.search(r"(?:curlCode: \d+, |CURL error \[\d+\]=)(.+?)(?:;| error_info|$)", text)
    if of_store(error) and (unreached is None or "OAuth2" in text):
        for pattern, what, remedy in _REASONS:
            if re.search(pattern, text):
                return OutputError(what, place=name, remedy=remedy)
    if of_store(error) and unreached is None:
        why = re.sub(r" *\(Request ID.*", "", text).strip().rstrip(".")
        return OutputError(f"the store refused: {why}", place=name, remedy=f"check it, {by_hand}")
    why = unreached[1] if unreached else error.strerror or text
    why = re.sub(r"^\[[^]]*\] *", "", why).strip().rstrip(".").lower()
    what = f"cannot be reached, or the connection was lost ({why})"
    return OutputError(what, place=name, remedy=f"check the network and the address, {by_hand}")


def _refused_by_server(status: int, name: str) -> NegprepError:
    if status in (404, 410):
        return OutputError(f"no such file (HTTP {status})", place=name, remedy="check the address")
    if status in (401, 403, 407):
        remedy = f"is the address still valid? With a login: curl --user NAME {_quoted(name)} | negprep train - OUTPUT"
        return OutputError(f"access is denied (HTTP {status})", place=name, remedy=remedy)
    if status == 429 or status >= 500:
        what = f"the server is too busy, or out of order (HTTP {status})"
        return OutputError(what, place=name, remedy="run again later")
    return OutputError(f"the server refused (HTTP {status})", place=name, remedy=f"read it by a pipe: {_pipe(name)}")


def _quoted(name: str) -> str:
    return shlex.quote(name)


def _pipe(name: str) -> str:
    return f"{_command(name, '-')} | negprep train - OUTPUT"


def copying(name: str) -> str:
    """How a local file or folder is copied there by hand."""
    folder = name.endswith("/")
    scheme = name.partition("://")[0].lower()
    commands = {
        "s3": f"aws s3 cp {'--recursive ' if folder else ''}LOCAL {_quoted(name)}",
        "gs": f"gcloud storage cp {'--recursive ' if folder else ''}LOCAL {_quoted(name)}",
        "hdfs": f"hdfs dfs -put LOCAL {_quoted(name)}",
    }
    command = commands.get(scheme.replace("gcs", "gs"))
    return "upload it" if command is None else f"copy it: {command}"


def _looking(name: str) -> str:
    """How the files are listed among which one was looked for."""
    scheme, folder = name.partition("://")[0].lower().replace("gcs", "gs"), f"{name.rstrip('/').rpartition('/')[0]}/"
    listing = {"s3": "aws s3 ls", "gs": "gcloud storage ls", "hdfs": "hdfs dfs -ls"}.get(scheme)
    return "check the name" if listing is None else f"check the name: {listing} {_quoted(folder)} lists what is there"


def _command(name: str, to: str) -> str:
    scheme = name.partition("://")[0].lower().replace("gcs", "gs")
    commands = {
        "s3": f"aws s3 cp {_quoted(name)} {to}",
        "gs": f"gcloud storage cat {_quoted(name)}",
        "hdfs": f"hdfs dfs -cat {_quoted(name)}",
    }
    return commands.get(scheme, f"curl -s {_quoted(name)}")
