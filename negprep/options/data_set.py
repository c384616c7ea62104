"""A public data set as a recipe describes it, and where a log differs from what is published of it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from negprep.errors import UsageError

Value = TypeVar("Value")

COUNTS = ("rows", "users", "items", "positives")
"""What may be published of a log, in the order of warnings."""

DIGITS = {"sha256": 64, "md5": 32}
"""The checksums of files that may be published, and how many hexadecimal digits each has."""

_TEXTS = ("name", "title", "url", "licence", "note", "convert")


@dataclass(frozen=True, kw_only=True)
class DataSet:
    """What a recipe says of a data set, but for the options that read it.

    Attributes
    ----------
    name, title, url, licence, note, convert : str
        Empty where the recipe does not give it; a name is always there. ``convert`` is a command that makes INPUT of
        a download that negprep does not read.
    files : tuple of str
        The files of the download that are INPUT.
    sources : mapping
        Where each figure, and each choice, is published: a URL by what it is the source of.
    rows, users, items, positives : int or None
        Of the whole log, as published; ``positives`` are distinct pairs by the rule of the recipe.
    sha256, md5 : mapping
        The checksum of a file by its name.
    rule : mapping
        The options under ``[positives]`` in the recipe, to which ``positives`` refers.
    place : str
        The name or the file by which the recipe was asked for.
    """

    name: str
    title: str = ""
    url: str = ""
    licence: str = ""
    note: str = ""
    convert: str = ""
    files: tuple[str, ...] = ()
    sources: Mapping[str, str] = field(default_factory=dict)
    rows: int | None = None
    users: int | None = None
    items: int | None = None
    positives: int | None = None
    sha256: Mapping[str, str] = field(default_factory=dict)
    md5: Mapping[str, str] = field(default_factory=dict)
    rule: Mapping[str, Any] = field(default_factory=dict)
    place: str = ""

    @classmethod
    def parse(cls, recipe: Mapping[str, Any], expected: Mapping[str, Any], rule: Mapping[str, Any]) -> DataSet:
        """Check the tables ``[recipe]`` and ``[expected]``, whose keys are known; ``UsageError`` for another value."""
        for name in _TEXTS:
            _check(f"[recipe] {name}", recipe.get(name, ""), str, "give a string")
        if not recipe.get("name"):
            raise UsageError("[recipe] has no name", remedy='add name = "..."')
        files = recipe.get("files", [])
        files = [files] if isinstance(files, str) else _check("[recipe] files", files, list, "give a list of names")
        for name in files:
            _check("a name in [recipe] files", name, str, "give a string")
        sources = _check("[recipe] sources", recipe.get("sources", {}), dict, 'write rows = "https://..." below it')
        for name, url in sources.items():
            _check(f"[recipe.sources] {name}", url, str, "give a URL")
        for name in COUNTS:
            count = expected.get(name, 0)
            if isinstance(count, bool) or not isinstance(count, int) or count < 0:
                raise UsageError(f"[expected] {name} is {count!r}", remedy="give a whole number")
        for name, digits in DIGITS.items():
            found = _check(f"[expected] {name}", expected.get(name, {}), dict, 'write "FILE" = "..." below it')
            for file, value in found.items():
                is_right = isinstance(value, str) and len(value) == digits and set(value) <= set("0123456789abcdef")
                if not is_right:
                    what = f"[expected.{name}] {file} is {value!r}"
                    raise UsageError(what, remedy=f"give {digits} hexadecimal digits, in small letters")
        return cls(**{**recipe, "files": tuple(files)}, **expected, rule=rule)

    def differences(self, place: str, **counts: int) -> list[str]:
        """A line for each count of the log at ``place`` that is not the published one."""
        return [
            f"{place}: {counts[name]:,} {name}, where the recipe {self.name} expects {getattr(self, name):,}"
            for name in COUNTS
            if name in counts and getattr(self, name) not in (None, counts[name])
        ]

    def changed_files(self, paths: Iterable[Path]) -> list[str]:
        """A line for each file whose published checksum it does not have. Each is read to its end."""
        import hashlib  # 5 ms, for recipes alone

        found = []
        for path in paths:
            for kind in DIGITS:
                wanted = getattr(self, kind).get(path.name)
                if wanted is None or not path.is_file():
                    continue
                with path.open("rb") as file:
                    digest = hashlib.file_digest(file, partial(hashlib.new, kind, usedforsecurity=False))
                if digest.hexdigest() != wanted:
                    what = f"its {kind} is {digest.hexdigest()}, where the recipe {self.name} expects {wanted}"
                    found.append(f"{path}: {what}")
        return found


def _check(what: str, value: Any, kind: type[Value], remedy: str) -> Value:  # noqa: ANN401
    if not isinstance(value, kind):
        raise UsageError(f"{what} is {value!r}", remedy=remedy)
    return value
