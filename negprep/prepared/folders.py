"""Folders of text, which negprep writes for other programs: what their run said, and which files are a whole each."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from negprep.prepared.shape import facts_in
from negprep.reading.sources import machine_errors

FACTS = "_negprep.json"
"""Where the metadata of a folder of text are."""

_APART = (".rating", ".negative", ".inter", ".txt")


def members(where: str) -> list[str]:
    """The files to open one by one: those of a folder that holds several kinds, as NCF's, else what was given."""
    folder = Path(where)
    if not (folder / FACTS).is_file():
        return [where]
    apart = sorted(file for file in folder.iterdir() if file.suffix in _APART and file.is_file())
    return [str(file) for file in apart] or [where]


def folder_facts(path: Path) -> dict[str, Any] | None:
    """What the run said that wrote a folder of text, of it or of a file in it."""
    for folder in (path, path.parent):
        said = folder / FACTS
        if said.is_file():
            with machine_errors(str(said)):
                return facts_in(said.read_bytes(), str(said))
    return None
