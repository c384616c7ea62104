"""Check prepared files against their log: each by itself, and train against test."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass, replace
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from negprep.checks.chance import LastNegatives, Shares, check_draws
from negprep.checks.completeness import (
    Belonging,
    GroupSizes,
    Known,
    RangeCheck,
    check_bootstrap,
    check_metadata,
    holdouts_certain,
    holdouts_known,
    warm_items,
)
from negprep.checks.draws import Drawable
from negprep.checks.expected import cut_of, tested_users
from negprep.checks.history import RangeHistories, histories
from negprep.checks.log_ids import LogIds, item_weights
from negprep.checks.log_q import LogQ, note_open, units_of_counts, units_of_weights, why_not
from negprep.checks.observed import LogByRange, UsersOfLog
from negprep.checks.pair_set import Rows
from negprep.checks.promises import LogPromise, Promise, Promised, terms_of
from negprep.checks.ranges import ArrayStore, Laid, MemoryBudget, Ranges
from negprep.checks.results import (
    ABSENT,
    CATALOG,
    HISTORY,
    HOLDOUTS,
    ITEMS,
    LEAK,
    LOG_Q,
    MISSING,
    OF_USERS,
    OR_SUMMARY,
    SEEN,
    Check,
    Findings,
)
from negprep.checks.rows import NOTHING, Block, Blocks, LogQColumns, RowParts
from negprep.checks.sweep import FirstRows, Sweep, Tallies, Totals, ask
from negprep.encode.spill import check_spill_folder
from negprep.errors import BadDataError, UsageError
from negprep.options.reading import LogSource, ReadOptions
from negprep.options.specs import quoted_for_shell
from negprep.read.log import LogReader, open_log
from negprep.read.prepared import Prepared, open_prepared
from negprep.read.prepared_kinds import members
from negprep.read.prepared_metadata import allotted, changed_files
from negprep.stores import StorePath, path_of


@dataclass(frozen=True, eq=False)
class HeadsPresent:
    """Which positives of a range of users lead rows, and where first."""

    in_log: UsersOfLog
    present: npt.NDArray[np.bool_]  # bool (n_positives,)
    first_rows: FirstRows  # (n_positives,)


class FileCheck:
    """A file and its checks."""

    def __init__(
        self, prepared: Prepared, log: LogByRange, terms: Promise, findings: Findings, store: ArrayStore, kept: int
    ) -> None:
        self.prepared, self.log, self.terms, self.findings = prepared, log, terms, findings
        self._store, self._kept_bytes = store, kept
        self.totals = Totals(len(log.log_ids.users), len(log.log_ids.items), terms)
        self._tallies: list[Tallies | Laid] = []
        self._range_checks: dict[int, RangeCheck] = {}
        self._settled = Known(open_users=np.zeros(len(log.log_ids.users), bool))

    def check(self, given_weights: npt.NDArray[np.float64] | None) -> None:
        """Make all checks of the file."""
        ask(self.findings, self.terms, self.log)
        self._sweep()
        self._refuse_strange()
        self._settle(given_weights)
        check_metadata(self.prepared, self.log, self.terms, self.totals, self.findings)
        shares, last = Shares(self.terms, self.totals, self.findings), LastNegatives(self.terms, self.findings)
        drawable = Drawable(self.log, self.terms, self.totals, self._settled, self.findings, self._store)
        for checked in self._all_checked():
            checked.check_hits()
            if self.terms.layout != "positives":
                GroupSizes(checked).check()
            Belonging(checked).check()
            if self.terms.layout != "positives":
                shares.add(checked)
                last.add(checked)
                drawable.add(checked)
        if self._settled.hits and self.findings.ask(SEEN).status == "passed":
            self.findings.ask(SEEN).note = f"{self._settled.hits:,} are held out, which training must not know"
        if self.terms.layout != "positives":
            self._count_again()
            check_bootstrap(self.terms, self.totals, self._settled, self.findings, self.prepared.name)
            shares.check()
            last.check()
            self._check_histories()
            self._check_log_q(known=drawable.known)
            check_draws(drawable, self._all_checked)
        self._remark()
        for name, shown in OF_USERS.items() if self.terms.per_user else ():
            self.findings.rename(name, shown)
        listed = self.terms.layout != "positives" and self.findings.ask(CATALOG).status == "passed"
        if listed and self.findings.ask(ITEMS).status == "failed":
            self.findings.ask(CATALOG).note = "those that are known"

    def _remark(self) -> None:
        """Name what may explain a fault of a file without metadata."""
        if self.terms.has_metadata:
            return
        if not self.terms.of_log.items:
            self.findings.remark(ITEMS, f"if the catalog has more items than the log, add --items FILE {OR_SUMMARY}")
        for name in (ABSENT, MISSING, HOLDOUTS):
            self.findings.remark(name, "if a run left some out (--min-positives, --core, --on-short), add --made-by")

    def led(self, at: int) -> HeadsPresent:
        """What leads rows, of a range by its number."""
        tallies = self._tallies_of(at)
        return HeadsPresent(self.log.of_range(at), tallies.present > 0, tallies.first_rows)

    def _sweep(self) -> None:
        for at, blocks, sources in self._by_range(NOTHING, self._seen):
            in_log = self.log.of_range(at)
            tallies = Tallies(self.totals, in_log.users.first, in_log, self.terms)
            Sweep(self.prepared, in_log, self.terms, self.findings, tallies).run(blocks, sources)
            self._tallies.append(self._store.put(tallies.laid()) if self._store.spilled else tallies)

    def _count_again(self) -> None:
        """Count the draws of train again without the wrong ones, in another pass over the rows."""
        if self.findings.ask(SEEN).status != "failed" or not self.terms.is_train:
            return
        self.totals.forget_draws()
        for at, blocks, sources in self._by_range(NOTHING, iter):
            checked = self._range_check(at)
            checked.tallies.forget_draws()
            checked.sweep.count_again(blocks, sources, checked.wrong_hits())
            if self._store.spilled:
                self._tallies[at] = self._store.put(checked.tallies.laid())

    def _by_range(
        self, log_q: LogQColumns, see: Callable[[Blocks], Iterable[Block]]
    ) -> Iterator[tuple[int, Iterable[Block], list[str]]]:
        """The rows of each range of users, and the names of the sources."""
        blocks, ranges = Blocks(self.prepared, self.log.log_ids, self.terms, log_q), self.log.ranges
        if len(ranges) == 1:
            yield 0, see(blocks), blocks.sources
            return
        parts = RowParts(ranges, self._store, self._kept_bytes)
        for block in see(blocks):
            parts.add(block)
        parts.lay_aside()
        for at in range(len(ranges)):
            yield at, parts.of_range(at), blocks.sources

    def _check_histories(self) -> None:
        """In a pass of its own over the rows: which positives are in training is known only now."""
        if self.terms.history is None:
            return
        apart = 0
        for at, parts in histories(self.prepared, self.log.log_ids, self.log.ranges, self._store):
            check = RangeHistories(self._range_check(at), self.terms.history)
            apart += sum(map(check.take, parts))
        if apart:
            note = f"of {apart:,} only that all came before, in order: which positives are in training is open"
            self.findings.ask(HISTORY).note = note

    def _check_log_q(self, *, known: bool) -> None:
        """In a second pass over the rows, of a file that has a column for it."""
        log_q = LogQColumns.of(self.prepared)
        if log_q.negatives is None:
            return
        reason = why_not(self.terms, self.totals, self._settled, known=known)
        if reason is not None:
            self.findings.skip(LOG_Q, reason)
            return
        self.findings.ask(LOG_Q)
        compared = 0
        for at, blocks, sources in self._by_range(log_q, iter):
            check = LogQ(self._range_check(at))
            for block in blocks:
                check.take(block, sources)
            compared += check.compared
        note_open(self.terms, self.totals, self._settled, self.findings, compared)

    def _seen(self, blocks: Blocks) -> Iterator[Block]:
        for block in blocks:
            self.totals.see(block, self.terms.layout)
            yield block

    def _refuse_strange(self) -> None:
        if not self.totals.rows and not self.terms.has_metadata:
            raise BadDataError("no rows", place=self.prepared.name, remedy="is it the right file?")
        if self.totals.rows and self.terms.layout != "positives" and not self.terms.has_metadata:
            for number, noun in ((self.totals.heads, "positive"), (self.totals.negatives, "negative")):
                if not number:
                    what = f"no {noun} in {self.totals.rows:,} rows: there is nothing to check"
                    remedy = f"is it the right file, and are its {noun}s where they should be?"
                    raise BadDataError(what, place=self.prepared.name, remedy=remedy)
        if self.totals.rows and not self.totals.knows_users:
            shown = self.log.log_ids.users.name(0)
            raise BadDataError(
                f"no user of the file is in the log, which has users like {shown}",
                place=self.prepared.name,
                remedy="is it the log that the file was made of, and the right --user-col?",
            )

    def _settle(self, given_weights: npt.NDArray[np.float64] | None) -> None:
        """Find what only all ranges together show."""
        terms, settled = self.terms, self._settled
        settled.tested = tested_users(self.log, terms)
        settled.warm = warm_items(self.log, terms, settled)
        popular, n_items = "popularity" in terms.samplers, len(self.log.log_ids.items)
        counts, sure = np.zeros(n_items, np.int64), np.zeros(n_items, np.int64)
        for checked in self._all_checked():
            settled.closed &= checked.closed
            first = checked.in_log.users.first
            settled.open_users[first : first + len(checked.open_users)] = checked.open_users
            if popular:
                counts += np.bincount(checked.in_log.positives.items[~checked.held_here], minlength=n_items)
                sure += checked.surely_train()
        inside = np.flatnonzero(self.log.catalog)
        if terms.weights:
            settled.weights = given_weights
            if given_weights is not None:
                settled.units = units_of_weights(given_weights, inside)
        elif popular and holdouts_known(terms, settled) and holdouts_certain(terms, settled):
            smoothed = counts + terms.smooth
            settled.weights = np.zeros(n_items)
            settled.weights[smoothed > 0] = smoothed[smoothed > 0] ** terms.alpha
            settled.units = units_of_counts(counts, inside, terms.alpha, terms.smooth)
        if popular:
            settled.some_weights = np.where(sure + terms.smooth > 0, 0.0 if terms.weights else 1.0, 0.0)

    def _all_checked(self) -> Iterator[RangeCheck]:
        return (self._range_check(at) for at in range(len(self.log.ranges)))

    def _range_check(self, at: int) -> RangeCheck:
        if at in self._range_checks:
            return self._range_checks[at]
        in_log = self.log.of_range(at)
        sweep = Sweep(self.prepared, in_log, self.terms, self.findings, self._tallies_of(at))
        checked = RangeCheck(sweep, self._settled)
        if not self._store.spilled:
            self._range_checks[at] = checked
        return checked

    def _tallies_of(self, at: int) -> Tallies:
        kept = self._tallies[at]
        if isinstance(kept, Tallies):
            return kept
        in_log = self.log.of_range(at)
        tallies = Tallies(self.totals, in_log.users.first, in_log, self.terms)
        tallies.take_back(self._store.get(kept))
        return tallies


@dataclass(frozen=True)
class Overlap:
    """Held-out items that are positives of another file: what is learned from the one is what the other asks.

    Attributes
    ----------
    part, held_part : str
        What the two files are for: ``train`` (or ``valid``) and ``test`` (or ``valid``).
    file, held_file : str
        Their names.
    count, held_out : int
        Held-out items of ``held_file`` that are positives in ``file``; all of them.
    """

    part: str
    held_part: str
    file: str
    held_file: str
    count: int
    held_out: int

    def line(self, names: Mapping[str, str] | None = None) -> str:
        """For a person; ``names`` are what the files are called there."""
        file, held_file = ((names or {}).get(name, name) for name in (self.file, self.held_file))
        what = "positives" if self.part == "train" else "held-out items, too,"
        text = f"{self.count:,} of {self.held_out:,} held-out items of {held_file} are {what} in {file}"
        return f"{self.part}/{self.held_part} overlap: {text}"

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        parts, files = [self.part, self.held_part], [self.file, self.held_file]
        return {"parts": parts, "files": files, "count": self.count, "held_out": self.held_out}


PARTS = ("train", "valid", "test")
"""In the order in which an overlap names them."""


def compare(files: Sequence[FileCheck], findings: Findings) -> list[Overlap]:
    """Compare the files pair by pair.

    Two files of one part, such as NCF's ``.test.rating`` and ``.test.negative``, may have the same positives.
    """
    overlaps = []
    for number, (one, other) in enumerate(combinations(files, 2)):
        if one.terms.part == other.terms.part:
            continue
        train, test = sorted((one, other), key=lambda file: PARTS.index(file.terms.part))
        findings.ask(LEAK)
        count = held_out = 0
        for at in range(len(train.log.ranges)):
            in_test = test.led(at)
            count += _leaks(train, test, train.led(at), in_test, findings, number)
            held_out += int(in_test.present.sum())
        if count:
            names = train.prepared.name, test.prepared.name
            overlaps.append(Overlap(train.terms.part, test.terms.part, *names, count, held_out))
    return overlaps


def _leaks(
    train: FileCheck, test: FileCheck, in_train: HeadsPresent, in_test: HeadsPresent, findings: Findings, stage: int
) -> int:
    """Report positives that both files have, and how many there are."""
    mine, here = _places(in_train, in_test)
    pairs, in_log = in_test.in_log.positives, in_test.in_log

    def describe(at: int) -> str:
        place = here[at]
        row = test.prepared.place(int(in_test.first_rows[place]))
        where = train.prepared.place(int(in_train.first_rows[mine[at]]))
        user, item = in_log.users.name(pairs.users[place]), in_log.items.name(pairs.items[place])
        return f"{row}: user {user}, item {item}: also in {where}"

    findings.found(LEAK, range(len(mine)), describe, stage=stage)
    return len(mine)


def _places(train: HeadsPresent, test: HeadsPresent) -> tuple[Rows, Rows]:
    """Where the positives that both have are among those of each."""
    if train.in_log is test.in_log:
        both = np.flatnonzero(train.present & test.present)
        return both, both
    here = np.flatnonzero(test.present)
    pairs = test.in_log.positives
    ids = test.in_log.items.vocabulary.ids
    items = train.in_log.items(ids)[pairs.items[here]]
    keys = pairs.users[here] * np.int64(len(train.in_log.items)) + items  # users are those of one log
    keys[items < 0] = -1
    mine = train.in_log.positives.find(keys)
    good = mine >= 0
    good[good] = train.present[mine[good]]
    return mine[good], here[good]


Tell = Callable[[str], None]


@dataclass(frozen=True)
class FileReport:
    """What was found in a file.

    Attributes
    ----------
    name, kind, layout, part : str
    rows, negatives : int
    checks : tuple of Check
    """

    name: str
    kind: str
    layout: str
    part: str
    rows: int
    negatives: int
    checks: tuple[Check, ...]


@dataclass(frozen=True)
class Report:
    """What was found in all files.

    Attributes
    ----------
    files : tuple of FileReport
    across : tuple of Check
        Of the files together.
    warnings : tuple of str
        What is suspicious in how the log or a file is written.
    overlaps : tuple of Overlap
        Of those that have positives in common which they must not have. ``across`` has them as a check.
    """

    files: tuple[FileReport, ...]
    across: tuple[Check, ...]
    warnings: tuple[str, ...] = ()
    overlaps: tuple[Overlap, ...] = ()

    @property
    def failed(self) -> bool:
        """Whether a check failed."""
        return any(check.status == "failed" for check in self.checks)

    @property
    def checks(self) -> tuple[Check, ...]:
        """All of them."""
        return (*(check for file in self.files for check in file.checks), *self.across)

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {
            "failed": self.failed,
            "overlaps": [overlap.as_dict() for overlap in self.overlaps],
            "files": [
                {
                    "file": file.name,
                    "kind": file.kind,
                    "layout": file.layout,
                    "part": file.part,
                    "rows": file.rows,
                    "negatives": file.negatives,
                    "checks": [check.as_dict() for check in file.checks],
                }
                for file in self.files
            ],
            "across": [check.as_dict() for check in self.across],
            "warnings": list(self.warnings),
        }


def verify(
    files: Sequence[tuple[str, str | None]],
    log: LogSource,
    *,
    promised: Promised | None = None,
    made_by: Sequence[str] = (),
    read: ReadOptions | None = None,
    n_examples: int = 5,
    memory: int | None = None,
    spill_dir: str | None = None,
    tell: Tell = lambda _: None,
) -> Report:
    """Check files.

    Parameters
    ----------
    files : sequence of (path, part)
        ``part`` is ``train``, ``test`` or, where the file or its metadata name it, None.
    log : str, path, pyarrow.Table or pandas.DataFrame
        What they were made of.
    promised : Promised, optional
        The promises of files without metadata, by options.
    made_by : sequence of path
        The summaries of the runs that wrote those of the files that have no metadata.
    read : ReadOptions, optional
        How the log is read.
    n_examples : int
        Of each kind of fault.
    memory : int or None
        Bytes to take; pairs and rows that do not fit are spilled. None: half of what the machine has. The report does
        not depend on it.
    spill_dir : str or None
        Where they are spilled. None: where the system keeps temporary files.
    tell : callable
        Takes a line about the current step.

    Returns
    -------
    Report

    Raises
    ------
    BadDataError
        A file is not a prepared file, is damaged, or has other users than the log.
    UsageError
        Something that is needed was not given, or something was given in vain.
    OutputError
        The folder for what is spilled is missing or full.
    """
    promised, read = promised or Promised(), read or ReadOptions()
    check_spill_folder(spill_dir)
    summaries = allotted([name for name, _ in files], made_by)
    with ExitStack() as stack:
        opened = [
            (stack.enter_context(open_prepared(path, summaries.get(path_given), read)), part)
            for path_given, part in files
            for path in members(path_given)
        ]
        read = replace(read, where=_condition([file for file, _ in opened], promised, read))
        reader = stack.enter_context(open_log(log, read))
        terms = [terms_of(file, part, promised, log_has_times="time" in reader.columns) for file, part in opened]
        _refuse_vain(promised, terms)
        room, wanted = MemoryBudget.of(memory), [_shared(each.of_log, terms) for each in terms]
        store, ranges = ArrayStore(None, spilled=False), Ranges((0,))
        logs: dict[LogPromise, LogByRange] = {}
        done: list[FileCheck] = []
        for (file, _), of_file, of_log in zip(opened, terms, wanted, strict=True):
            if of_log not in logs:
                tell("reading the log")
                log_ids = _log_ids(reader, of_log, of_file, promised, read)
                if not logs:
                    spilled = not room.holds(log_ids.rows, len(set(wanted)), len(opened))
                    store = stack.enter_context(closing(ArrayStore(spill_dir, spilled=spilled)))
                    users = len(log_ids.users)
                    ranges = (
                        Ranges.of_counts(log_ids.user_counts(), room.range_rows) if spilled else Ranges.whole(users)
                    )
                logs[of_log] = LogByRange(log_ids, ranges, store)
            tell(f"checking {file.name}")
            known = logs[of_log]
            checked = FileCheck(file, known, of_file, Findings(n_examples), store, room.gathered_bytes)
            given = None
            if promised.weights is not None and of_file.weights:
                given = item_weights(promised.weights, read, known.log_ids.items)
            checked.check(given)
            done.append(checked)
        across = Findings(n_examples)
        overlaps = compare(done, across)
        _check_others([path_of(given) for given, _ in files], across)
        warnings = [*reader.warnings, *(text for file, _ in opened for text in file.warnings)]
        return Report(tuple(map(_report, done)), tuple(across), tuple(dict.fromkeys(warnings)), tuple(overlaps))


_OTHERS = "other files as written"


def _check_others(given: Sequence[Path | StorePath], findings: Findings) -> None:
    """Compare the files without rows, in the folders that ``prepare`` wrote, with what it wrote."""
    for folder in given:
        changed = changed_files(folder) if folder.is_dir() else None
        if changed is not None:
            findings.ask(_OTHERS)
            findings.found(_OTHERS, range(len(changed)), changed.__getitem__)


def _condition(files: Sequence[Prepared], promised: Promised, read: ReadOptions) -> str | None:
    """The condition on the rows of the log with which all files were made.

    Metadata hold it; ``--where`` has that of files without.
    """
    found: dict[str | None, Prepared] = {}
    for file in files:
        asked = read.where is not None and "where" not in promised.suggested
        where = read.where if file.facts is None else file.facts.get("where")
        if asked and where != read.where:
            own = "no condition" if where is None else f"--where {quoted_for_shell(where)}"
            what = f"--where {quoted_for_shell(read.where or '')}, and {file.said_in} says {own}"
            raise UsageError(what, place=file.name, remedy="leave --where out: it is taken from there")
        found.setdefault(where, file)
    if len(found) > 1:
        (first, one), (second, other) = list(found.items())[:2]
        words = ["no condition" if each is None else f"--where {quoted_for_shell(each)}" for each in (first, second)]
        what = f"made with {words[1]}, but {one.name} with {words[0]}"
        raise UsageError(what, place=other.name, remedy="they are of two logs: verify them one by one")
    return next(iter(found), read.where)


def _shared(wanted: LogPromise, terms: Sequence[Promise]) -> LogPromise:
    """One reading of the log for the files whose terms differ in no more than what they need of the times."""

    def bare(of: LogPromise) -> LogPromise:
        return replace(of, with_times=False, with_firsts=False)

    alike = [each.of_log for each in terms if bare(each.of_log) == bare(wanted)]
    return replace(
        wanted,
        with_times=any(each.with_times for each in alike),
        with_firsts=any(each.with_firsts for each in alike),
    )


def _log_ids(reader: LogReader, wanted: LogPromise, terms: Promise, promised: Promised, read: ReadOptions) -> LogIds:
    if wanted.with_times and "time" not in reader.columns:
        problem = reader.problem("time")
        raise problem or UsageError("the log has no times, which the holdout needs", remedy="name them with --time-col")
    if terms.rule is not None and terms.rule.kind == "after":
        cut_of(terms.rule)
    return LogIds(reader, wanted, promised, read)


def _report(file: FileCheck) -> FileReport:
    totals, shape = file.totals, file.prepared.shape
    layout, part = file.prepared.layout, file.terms.part
    return FileReport(file.prepared.name, shape.kind, layout, part, totals.rows, totals.negatives, tuple(file.findings))


_OF_FOREIGN = ("positive", "holdout", "num_neg", "distinct", "alpha", "smooth")


def _refuse_vain(promised: Promised, terms: Sequence[Promise]) -> None:
    """An option without effect is a mistake."""
    if all(each.has_metadata for each in terms):
        given = [name for name in _OF_FOREIGN if getattr(promised, name) is not None]
        given += ["keep_time"] if promised.keep_time != "last" else []
        given += ["sampler"] if promised.sampler else []
        given += ["with_valid"] if promised.with_valid else []
        given = [name for name in given if name not in promised.suggested]
        if promised.held_files and any(each.of_log.held for each in terms):
            given = [name for name in given if name != "holdout"]
        if given:
            option = given[0].replace("_", "-")
            raise UsageError(f"--{option}, which the metadata of the files specify", remedy="leave it out")
    for name in {"items", "exclude", "weak"} - promised.suggested:
        if getattr(promised, name) is not None and not any(getattr(each.of_log, name) for each in terms):
            raise UsageError(f"--{name}, with which no file was made", remedy="leave it out")
    if promised.valid_file is not None and not any(each.of_log.held > 1 for each in terms):
        raise UsageError("--valid-file, with which no file was made", remedy="leave it out")
    is_chosen = promised.weights is not None and "weights" not in promised.suggested
    if is_chosen and not any(each.weights and "popularity" in each.samplers for each in terms):
        raise UsageError("--weights, with which no file was made", remedy="leave it out")
