"""A text source in blocks of whole lines, for the readers of lines that no quote can join."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from contextlib import closing
from typing import TYPE_CHECKING

from negprep.errors import BadDataError
from negprep.reading.lines import MAX_LINE, lines_before, physical_lines
from negprep.reading.sources import machine_errors

if TYPE_CHECKING:
    from negprep.reading.sources import Source

CUT = "no newline at the end of the file; the last line may be cut (--expect-rows N checks)"


def line_blocks(source: Source, start: int, warnings: list[str]) -> Iterator[tuple[int, bytes]]:
    """Blocks of whole lines, and the offset of each in the decompressed text.

    Parameters
    ----------
    source : Source
    start : int
        The offset of the first line.
    warnings : list of str
        Gets one where the last line has no end.

    Raises
    ------
    BadDataError
        A line is longer than ``MAX_LINE``.
    """
    with machine_errors(source.name), source.open() as stream:
        stream.read(start)
        offset, rest = start, b""
        while len(block := rest + stream.read(MAX_LINE - len(rest))) == MAX_LINE:
            # A CR in the last place may be half of a CRLF.
            end = block.rfind(b"\n") + 1 or block.rfind(b"\r", 0, MAX_LINE - 1) + 1
            if not end:
                what = f"the line is longer than {MAX_LINE >> 20} MiB, the limit"
                raise BadDataError(what, place=place_of_line(source, offset, 0), remedy="is it the right file?")
            yield offset, block[:end]
            offset, rest = offset + end, block[end:]
        if block and block[-1:] not in b"\n\r":
            warnings.append(f"{source.name}: {CUT}")
        if block:
            yield offset, block


def filled_lines(source: Source, offset: int) -> Generator[tuple[int, str], None, None]:
    """The lines from an offset on that hold more than spaces, with their numbers. To be closed, or gone through."""
    stream = source.open()
    before = lines_before(stream, offset)
    with closing(physical_lines(stream, source.name, before)) as lines:
        for number, line in enumerate(lines, before + 1):
            text = line.removeprefix("\ufeff") if number == 1 else line
            if text.strip():
                yield number, text


def place_of_line(source: Source, offset: int, row: int) -> str:
    """``log.jsonl:17`` for the filled line that is ``row`` lines (from 0) after the offset."""
    try:
        with closing(filled_lines(source, offset)) as lines:
            for index, (number, _) in enumerate(lines):
                if index == row:
                    return f"{source.name}:{number}"
    except BadDataError as error:
        return error.place or source.name
    return source.name
