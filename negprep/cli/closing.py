"""The closing summary of a run for a person, and where the same may go as JSON."""

from __future__ import annotations

import fnmatch
import glob
import os
import stat
import sys
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from negprep.errors import OutputError, UsageError, printable
from negprep.options.formats import beside
from negprep.stores import refuse_local_only, without_secrets

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from negprep.bundle import Bundle
    from negprep.models.fit import FitSummary
    from negprep.options.options import Options
    from negprep.summary import Summary


class Fact(NamedTuple):
    """One line: a name, a number where there is one, and words."""

    name: str
    number: int | None
    note: str = ""


def closing_text(summary: Summary, source: str, target: str) -> str:
    """Say in aligned lines what a run did; what did not happen (no row dropped, no user short) is left out."""
    facts = [*_read(summary), *_held_out(summary), *_drawn(summary), *_written(summary)]
    return titled(f"negprep {summary.command}: {without_secrets(source)} -> {target}", facts, summary.warnings)


def data_set_text(made: Bundle, source: str, target: str) -> str:
    """Say in aligned lines what is in a data set."""
    test = made.parts["test"]
    facts = [*_read(made.parts.get("train", test)), *_held_out(test)]
    for name, part in made.parts.items():
        each = "all eligible items" if part.num_neg == "all" else f"{part.num_neg:,}"
        facts.append(Fact(name, part.rows_written, f"rows, {each} negatives for each {part.per}"))
    facts.append(
        Fact("took", None, f"{made.seconds:.2f} s, {test.peak_memory_bytes / 1e6:,.0f} MB of memory at its peak")
    )
    title = f"negprep prepare: {without_secrets(source)} -> {target}"
    return titled(title if made.files else f"{title} (dry run: nothing is written)", facts, made.warnings)


def titled(title: str, facts: Sequence[Fact], warnings: Sequence[str]) -> str:
    """Facts under a title, and warnings; control characters are escaped."""
    lines = [title, *aligned(facts), *(f"  warning: {warning}" for warning in warnings)]
    return "\n".join(printable(line) for line in lines)


def aligned(facts: Sequence[Fact]) -> list[str]:
    """A line for each fact, names and numbers in columns."""
    name_width = max(len(fact.name) for fact in facts)
    number_width = max(len(f"{fact.number:,}") for fact in facts if fact.number is not None)
    lines = []
    for name, number, note in facts:
        digits = "" if number is None else f"{number:>{number_width},}  "
        lines.append(f"  {name:{name_width}}  {digits}{note}".rstrip())
    return lines


def rows_read(summary: Summary | FitSummary) -> Iterator[Fact]:
    """The columns that were taken, and what became of the rows."""
    taken = (role if role == header else f"{role} from {header}" for role, header in summary.columns.items())
    yield Fact("columns", None, ", ".join(taken))
    if summary.unused_keys:
        yield Fact("not used", None, f"{', '.join(summary.unused_keys)}, named in the paths of the log")
    yield Fact("rows read", summary.rows_read)
    if summary.rows_filtered or summary.files_skipped:
        more = f"; {summary.files_skipped:,} files were not opened" if summary.files_skipped else ""
        yield Fact("rows filtered", summary.rows_filtered, f"--where left them out{more}")
    if dropped := sum(summary.rows_dropped.values()):
        reasons = (f"{reason}: {count:,}" for reason, count in summary.rows_dropped.items())
        yield Fact("rows dropped", dropped, ", ".join(reasons))


def _read(summary: Summary) -> Iterator[Fact]:
    yield from rows_read(summary)
    yield Fact("users", summary.users)
    yield Fact("items", summary.items, f"{summary.catalog_items:,} in the catalog")
    yield Fact("positives", summary.positives)
    if summary.removed_users or summary.removed_items:
        items = f" and {summary.removed_items:,} items" if summary.removed_items else ""
        yield Fact(
            "left out",
            summary.removed_users,
            f"users{items} with too few positives: {summary.removed_positives:,} in all",
        )
    if summary.weak:
        yield Fact("weak", summary.weak, "observed pairs that are not positives")
    if summary.items_outside:
        holdouts = f", {summary.holdouts_outside:,} of the holdouts" if summary.holdouts else ""
        outside = f"items of the log that --items lacks: {summary.positives_outside:,} of the positives{holdouts}"
        yield Fact("not in catalog", summary.items_outside, outside)
    if summary.excluded_pairs or summary.excluded_unknown or summary.excluded_left_out:
        notes = ["more pairs"]
        notes += [f"{summary.excluded_unknown:,} of a user or item that occurs nowhere else"][
            : summary.excluded_unknown
        ]
        notes += [f"{summary.excluded_left_out:,} left out by --positive"][: summary.excluded_left_out]
        yield Fact("excluded", summary.excluded_pairs, "; ".join(notes))
    if summary.weak_unknown:
        yield Fact(
            "unknown weak",
            summary.weak_unknown,
            f"of {summary.weak_rows:,} rows of --weak, of a user or item that occurs nowhere else",
        )
    if summary.weights_unknown:
        yield Fact(
            "unknown weights",
            summary.weights_unknown,
            f"of {summary.weights_rows:,}, of an item that is not in the catalog",
        )
    if summary.unweighted_items:
        yield Fact(
            "no weight",
            summary.unweighted_items,
            "items of the catalog that --weights lacks: popularity never draws them",
        )


def _held_out(summary: Summary) -> Iterator[Fact]:
    if summary.holdout == "none":
        yield Fact("holdouts", 0, "none: every positive is in training")
        return
    notes = ["the log has no times"] if (summary.holdout_asked, summary.holdout) == ("auto", "random") else []
    if summary.tied_holdouts:
        notes.append(f"{summary.tied_holdouts:,} chosen by hash among the latest")
    if summary.cold_holdouts:
        notes.append(f"{summary.cold_holdouts:,} of an item without a train positive")
    if summary.holdout_users != summary.holdouts:
        notes.insert(0, f"of {summary.holdout_users:,} users")
    yield Fact("holdouts", summary.holdouts, "; ".join([summary.holdout, *notes]))
    if summary.holdout == "file":
        new = f"the log lacks {summary.new_users:,} of their users and {summary.new_items:,} of their items"
        left_out = f"; {summary.held_left_out:,} left out by --positive" if summary.held_left_out else ""
        yield Fact("rows of files", summary.held_rows, f"{new}{left_out}")
    if summary.repeated_holdouts:
        yield Fact("in the log, too", summary.repeated_holdouts, "pairs of the files, which leave train")
    if summary.cold_users:
        yield Fact("cold users", summary.cold_users, "with holdouts and without a train positive")
    if summary.unheld_users:
        kind = summary.holdout.partition(":")[0]
        yield Fact("not held out", summary.unheld_users, f"users with {_WITHOUT.get(kind, 'too few positives')}")
    if summary.spared_users:
        yield Fact("whole in train", summary.spared_users, "users that --test-users leaves out")
    if summary.dropped_cold:
        yield Fact("dropped cold", summary.dropped_cold, "holdouts of a user or an item without a train positive")


_WITHOUT = {
    "after": "none that late",
    "random-global": "none by chance",
    "session": "one session",
    "file": "none in the file",
}
"""What users who are not held out have, by the kind of the rule, where that is not too few positives."""


def _drawn(summary: Summary) -> Iterator[Fact]:
    each = "all eligible items" if summary.num_neg == "all" else f"{summary.num_neg:,}"
    yield Fact("negatives", summary.negatives, f"{each} for each {summary.per}, avoiding {summary.seen}")
    if summary.sampler != "uniform":
        sources = ", ".join(f"{count:,} {name}" for name, count in summary.sources.items())
        yield Fact("sampler", None, f"{summary.sampler}: {sources}" if sources else summary.sampler)
    if summary.short_users:
        yield Fact("short users", summary.short_users, "with too few eligible items")
    if summary.full_users:
        yield Fact("full users", summary.full_users, "with no eligible item at all")
    if summary.dropped_users:
        yield Fact("dropped users", summary.dropped_users, "for being short (--on-short drop)")


def _written(summary: Summary) -> Iterator[Fact]:
    yield Fact("rows written", summary.rows_written, f"seed {summary.seed}, split seed {summary.split_seed}")
    for note in summary.notes:
        yield Fact("note", None, note)
    yield Fact(
        "took", None, f"{summary.seconds:.2f} s, {summary.peak_memory_bytes / 1e6:,.0f} MB of memory at its peak"
    )


def check_summary(summary: str | None, source: str, target: str, options: Options) -> None:
    """Refuse, before any work, a place for the summary that cannot be written or holds something else.

    Raises
    ------
    UsageError
        It is, or lies in, something that the run reads or writes, by whatever name.
    OutputError
        It is a folder, its folder is missing or read-only, or standard output is closed.
    """
    if summary == "-" and sys.stdout is None:
        raise OutputError("standard output is closed", remedy="give --summary a file")
    if summary is None or summary == "-":
        return
    refuse_local_only(summary)
    path = Path(os.path.realpath(summary))
    read = {"INPUT": source} | {f"--{name}": getattr(options, name) for name in _BESIDE}
    for name, value in read.items():
        if isinstance(value, str):
            _refuse_read(summary, path, name, value)
    _refuse_written(summary, path, target, encode=options.encode)
    if path.is_dir():
        raise OutputError("a folder, where --summary needs a file", place=summary, remedy="name a file in it")
    if not path.parent.is_dir():
        raise OutputError("no such folder", place=str(path.parent), remedy="make it, or give --summary another place")
    if _replaceable(path) and not os.access(path.parent, os.W_OK):
        raise OutputError("the folder is read-only", place=str(path.parent), remedy="give --summary another place")


_BESIDE = ("items", "exclude", "weights", "weak", "model")


def _refuse_read(given: str, path: Path, name: str, read: str) -> None:
    """Refuse a summary that is one of the files that the run reads, or would be one the next time."""
    if read == "-":
        parts, folders = [], []
        if sys.stdin is not None and _is_open_at(given, 0):
            raise _one_file(given, name)
    elif glob.has_magic(read) and not Path(read).exists():
        if _fits(Path(given).absolute().parts, Path(read).absolute().parts):
            raise UsageError(f"--summary {given} fits the pattern of {name}, {read}", remedy="give another name")
        parts = glob.glob(read, recursive=True)  # noqa: PTH207
        folders = [part for part in parts if Path(part).is_dir()]
    else:
        parts, folders = [read], [read] if Path(read).is_dir() else []
    for folder in folders:
        if path != (real := Path(os.path.realpath(folder))) and path.is_relative_to(real):
            raise UsageError(f"--summary {given} lies in {name}, {folder}", remedy="give a place elsewhere")
        if path.is_file():
            parts += [os.path.join(parent, file) for parent, _, files in os.walk(folder) for file in files]  # noqa: PTH118
    if any(_is_same(path, part) for part in parts if part not in folders):
        raise _one_file(given, name)


def _refuse_written(given: str, path: Path, target: str, *, encode: bool) -> None:
    """Refuse a summary that would take the place of the output, or of a file beside it."""
    real = Path(os.path.realpath(target))
    if target == "-":
        if sys.stdout is not None and _is_open_at(given, 1):
            raise _one_file(given, "OUTPUT")
    elif target.endswith("/") or real.is_dir():
        if path.is_relative_to(real):
            raise UsageError(f"--summary {given} lies in OUTPUT, {target}", remedy="give a place elsewhere")
    elif _is_same(path, real):
        raise _one_file(given, "OUTPUT")
    elif encode:
        for vocabulary in ("users", "items"):
            if _is_same(path, beside(real, vocabulary)):
                raise _one_file(given, f"the {vocabulary} of --encode")


def _one_file(given: str, name: str) -> UsageError:
    return UsageError(f"--summary and {name} are one file, {given}", remedy="give another name")


def _is_same(path: Path, other: str | Path) -> bool:
    """Whether both are one file, by name or by a link of either kind; they need not exist."""
    if path == Path(os.path.realpath(other)):
        return True
    try:
        return path.samefile(other)
    except OSError:
        return False


def _is_open_at(given: str, descriptor: int) -> bool:
    """Whether a standard stream is redirected to a file or a pipe. A device such as /dev/null may be everywhere."""
    try:
        status = os.fstat(descriptor)
        return not stat.S_ISCHR(status.st_mode) and os.path.samestat(status, Path(given).stat())
    except OSError:
        return False


def _fits(parts: tuple[str, ...], pattern: tuple[str, ...]) -> bool:
    """Whether a glob finds a path once it exists, by the names of its folders and its own."""
    if not parts or not pattern:
        return not parts and set(pattern) <= {"**"}
    if pattern[0] == "**":
        return _fits(parts, pattern[1:]) or _fits(parts[1:], pattern)
    return fnmatch.fnmatchcase(parts[0], pattern[0]) and _fits(parts[1:], pattern[1:])


def _replaceable(path: Path) -> bool:
    """Whether `path` is a file or nothing yet; /dev/stderr, a pipe or >(...) must be written to, not renamed over."""
    return path.is_file() or not path.exists()
