"""Check prepared files against their log: each by itself, and train against test."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass, replace
from itertools import combinations
from typing import Any

import numpy as np
import numpy.typing as npt

from negprep.checks.chance import Shares, doubt_unsaid, judge_draws
from negprep.checks.eligible import WINDOW_WORK, WINDOWS
from negprep.checks.expectations import Evidence
from negprep.checks.expected_holdouts import cut_of
from negprep.checks.group_sizes import Belonging, GroupSizes, judge_sizes, settle_number
from negprep.checks.judge import Known, RangeCheck, holdouts_certain, holdouts_known, judge_metadata
from negprep.checks.log_q import LogQ, judge_open, units_of_counts, units_of_weights, why_not
from negprep.checks.observed import LogByRange, LogIds, UsersOfLog, item_weights
from negprep.checks.pair_set import Rows
from negprep.checks.promises import Claims, LogPromise, Promise, terms_of
from negprep.checks.ranges import ArrayStore, Laid, MemoryBudget, Ranges
from negprep.checks.results import CATALOG, ITEMS, LEAK, LOG_Q, SEEN, SOMEWHERE, Check, Findings
from negprep.checks.rows import NOTHING, Block, Blocks, StatedColumns
from negprep.checks.spilled import RowParts
from negprep.checks.sweep import Sweep, ask
from negprep.checks.tallies import Tallies, Totals
from negprep.encode.spill import check_spill_folder
from negprep.errors import BadDataError, UsageError
from negprep.options.options import LogSource, ReadOptions
from negprep.read.log import LogReader, open_log
from negprep.read.prepared import Prepared, open_prepared
from negprep.read.prepared_kinds import members
from negprep.read.prepared_metadata import allotted


@dataclass(frozen=True, eq=False)
class HeadsPresent:
    """Which positives of a range of users lead rows, and where first.

    Attributes
    ----------
    truth : Truth
    present : bool, shape (n_positives,)
    first_rows : int64, shape (n_positives,)
    """

    truth: UsersOfLog
    present: npt.NDArray[np.bool_]
    first_rows: Rows


class FileCheck:
    """A file, and what was found in it.

    Parameters
    ----------
    prepared : Prepared
    truths : Truths
    terms : Terms
    findings : Findings
    shelf : Shelf
        Where what was counted is laid aside.
    kept_bytes : int
        Of rows that are gathered before they are laid aside.

    Attributes
    ----------
    totals : Totals
    """

    def __init__(
        self,
        prepared: Prepared,
        truths: LogByRange,
        terms: Promise,
        findings: Findings,
        shelf: ArrayStore,
        kept_bytes: int,
    ) -> None:
        self.prepared, self.truths, self.terms, self.findings = prepared, truths, terms, findings
        self._shelf, self._kept_bytes = shelf, kept_bytes
        self.totals = Totals(len(truths.frame.users), len(truths.frame.items), terms)
        self._tallies: list[Tallies | Laid] = []
        self._verdicts: dict[int, RangeCheck] = {}
        windows = min(WINDOWS, WINDOW_WORK // max(1, len(truths.frame.items)))
        self._settled = Known(windows=windows, windows_of_lost=windows, windows_of_unsure=windows)
        self._settled.open_users = np.zeros(len(truths.frame.users), bool)

    def check(self, given_weights: npt.NDArray[np.float64] | None) -> None:
        """Make all checks of the file.

        Parameters
        ----------
        given_weights : float64, shape (n_items,), or None
            Of popularity, where they come from a file.

        Raises
        ------
        BadDataError
            It has no rows, or other users than the log.
        """
        ask(self.findings, self.terms, self.truths)
        self._sweep()
        self._refuse_strange()
        self._settle(given_weights)
        judge_metadata(self.prepared, self.truths, self.terms, self.totals, self.findings)
        if "num_neg" in self.terms.unsaid and self.terms.layout != "positives":
            for verdict in self._all_verdicts():
                GroupSizes(verdict).count_usual()
            settle_number(self.terms, self.totals, self._settled)
        shares = Shares(self.terms, self.totals, self.findings)
        evidence = Evidence(self.truths, self.terms, self.totals, self._settled, self.findings, self._shelf)
        for verdict in self._all_verdicts():
            verdict.judge_hits()
            if self.terms.layout != "positives":
                GroupSizes(verdict).judge()
            Belonging(verdict).judge()
            if self.terms.layout != "positives":
                shares.add(verdict)
                evidence.add(verdict)
        if self._settled.hits and self.findings.ask(SEEN).status == "passed":
            self.findings.ask(SEEN).note = f"{self._settled.hits:,} are held out, which training must not know"
        if self.terms.layout != "positives":
            self._count_again()
            judge_sizes(self.terms, self.totals, self._settled, self.findings, self.prepared.name)
            shares.judge()
            self._judge_log_q(known=evidence.known)
            judge_draws(evidence, self._all_verdicts)
        doubt_unsaid(evidence)
        listed = self.terms.layout != "positives" and self.findings.ask(CATALOG).status == "passed"
        if listed and self.findings.ask(ITEMS).status == "failed":
            self.findings.ask(CATALOG).note = "those that are known"

    def led(self, at: int) -> HeadsPresent:
        """What leads rows, of a range by its number."""
        tallies = self._tallies_of(at)
        return HeadsPresent(self.truths.of_range(at), tallies.present > 0, tallies.first_rows)

    def _sweep(self) -> None:
        for at, blocks, sources in self._by_range(NOTHING, self._seen):
            truth = self.truths.of_range(at)
            tallies = Tallies(self.totals, truth.users.first, truth, self.terms)
            Sweep(self.prepared, truth, self.terms, self.findings, tallies).run(blocks, sources)
            self._tallies.append(self._shelf.put(tallies.laid()) if self._shelf.spilled else tallies)

    def _count_again(self) -> None:
        """Leave out of what was drawn in train the positives that must not be, in another pass over the rows."""
        if self.findings.ask(SEEN).status != "failed" or not self.terms.is_train:
            return
        self.totals.forget_draws()
        for at, blocks, sources in self._by_range(NOTHING, iter):
            verdict = self._verdict(at)
            verdict.tallies.forget_draws()
            verdict.sweep.count_again(blocks, sources, verdict.wrong_hits())
            if self._shelf.spilled:
                self._tallies[at] = self._shelf.put(verdict.tallies.laid())

    def _by_range(
        self, stated: StatedColumns, see: Callable[[Blocks], Iterable[Block]]
    ) -> Iterator[tuple[int, Iterable[Block], list[str]]]:
        """The rows of each range of users, and the names of the sources."""
        blocks, ranges = Blocks(self.prepared, self.truths.frame, self.terms, stated), self.truths.ranges
        if len(ranges) == 1:
            yield 0, see(blocks), blocks.sources
            return
        parts = RowParts(ranges, self._shelf, self._kept_bytes)
        for block in see(blocks):
            parts.add(block)
        parts.lay_aside()
        for at in range(len(ranges)):
            yield at, parts.of_range(at), blocks.sources

    def _judge_log_q(self, *, known: bool) -> None:
        """In a second pass over the rows, of a file that has a column for it."""
        stated = StatedColumns.of(self.prepared)
        if stated.negatives is None:
            return
        reason = why_not(self.terms, self.totals, self._settled, known=known)
        if reason is not None:
            self.findings.skip(LOG_Q, reason)
            return
        self.findings.ask(LOG_Q)
        compared = 0
        for at, blocks, sources in self._by_range(stated, iter):
            check = LogQ(self._verdict(at))
            for block in blocks:
                check.take(block, sources)
            compared += check.compared
        judge_open(self.terms, self.totals, self._settled, self.findings, compared)

    def _seen(self, blocks: Blocks) -> Iterator[Block]:
        for block in blocks:
            self.totals.see(block, self.terms.layout)
            yield block

    def _refuse_strange(self) -> None:
        if not self.totals.rows and not self.terms.says_itself:
            raise BadDataError("no rows", place=self.prepared.name, remedy="is it the right file?")
        if self.totals.rows and self.terms.layout != "positives" and not self.terms.says_itself:
            for number, noun in ((self.totals.heads, "positive"), (self.totals.negatives, "negative")):
                if not number:
                    what = f"no {noun} in {self.totals.rows:,} rows: there is nothing to check"
                    remedy = f"is it the right file, and are its {noun}s where they should be?"
                    raise BadDataError(what, place=self.prepared.name, remedy=remedy)
        if self.totals.rows and not self.totals.known_users:
            shown = self.truths.frame.users.name(0)
            raise BadDataError(
                f"no user of the file is in the log, which has users like {shown}",
                place=self.prepared.name,
                remedy="is it the log that the file was made of, and the right --user-col?",
            )

    def _settle(self, given_weights: npt.NDArray[np.float64] | None) -> None:
        """Find out what all ranges together tell."""
        terms, settled = self.terms, self._settled
        settled.taken = self.totals.num_neg or 0
        popular, n_items = "popularity" in terms.samplers, len(self.truths.frame.items)
        counts, sure = np.zeros(n_items, np.int64), np.zeros(n_items, np.int64)
        for verdict in self._all_verdicts():
            settled.closed &= verdict.closed
            settled.any_exceptions |= bool(verdict.tallies.exceptions.size)
            first = verdict.truth.users.first
            settled.open_users[first : first + len(verdict.open_users)] = verdict.open_users
            if popular:
                counts += np.bincount(verdict.truth.positives.items[~verdict.held_here], minlength=n_items)
                sure += verdict.surely_train()
        inside = np.flatnonzero(self.truths.catalog)
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

    def _all_verdicts(self) -> Iterator[RangeCheck]:
        return (self._verdict(at) for at in range(len(self.truths.ranges)))

    def _verdict(self, at: int) -> RangeCheck:
        if at in self._verdicts:
            return self._verdicts[at]
        truth = self.truths.of_range(at)
        sweep = Sweep(self.prepared, truth, self.terms, self.findings, self._tallies_of(at))
        verdict = RangeCheck(sweep, self._settled)
        if not self._shelf.spilled:
            self._verdicts[at] = verdict
        return verdict

    def _tallies_of(self, at: int) -> Tallies:
        kept = self._tallies[at]
        if isinstance(kept, Tallies):
            return kept
        truth = self.truths.of_range(at)
        tallies = Tallies(self.totals, truth.users.first, truth, self.terms)
        tallies.take_back(self._shelf.get(kept))
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
        told = f"{self.count:,} of {self.held_out:,} held-out items of {held_file} are {what} in {file}"
        return f"{self.part}/{self.held_part} overlap: {told}"

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {
            "parts": [self.part, self.held_part],
            "files": [self.file, self.held_file],
            "count": self.count,
            "held_out": self.held_out,
        }


PARTS = ("train", "valid", "test")
"""In the order in which an overlap names them."""


def compare(files: Sequence[FileCheck], findings: Findings) -> list[Overlap]:
    """Compare the files pair by pair.

    Two files of one part, such as NCF's ``.test.rating`` and ``.test.negative``, may have the same positives.

    Returns
    -------
    list of Overlap
        Of the pairs of files that have one.
    """
    overlaps = []
    for number, (one, other) in enumerate(combinations(files, 2)):
        if one.terms.part == other.terms.part:
            continue
        train, test = sorted((one, other), key=lambda file: PARTS.index(file.terms.part))
        findings.ask(LEAK)
        count = held_out = 0
        for at in range(len(train.truths.ranges)):
            in_test = test.led(at)
            count += _leaks(train, test, train.led(at), in_test, findings, number)
            held_out += int(in_test.present.sum())
        if count:
            names = train.prepared.name, test.prepared.name
            overlaps.append(Overlap(train.terms.part, test.terms.part, *names, count, held_out))
    trains = [file for file in files if file.terms.is_train]
    unsaid = any(file.terms.rule is None for file in trains)
    if unsaid and len(trains) < len(files) and len({id(file.truths) for file in files}) == 1:
        for at in range(len(files[0].truths.ranges)):
            truth = files[0].led(at).truth
            somewhere = np.zeros(len(truth.positives), bool)
            for file in files:
                somewhere |= file.led(at).present
            pairs, users, items = truth.positives, truth.users, truth.items
            findings.found(
                SOMEWHERE,
                np.flatnonzero(~somewhere),
                lambda at, pairs=pairs, users=users, items=items: (  # type: ignore[misc]
                    f"user {users.name(pairs.users[at])}, item {items.name(pairs.items[at])}"
                ),
            )
    return overlaps


def _leaks(
    train: FileCheck, test: FileCheck, in_train: HeadsPresent, in_test: HeadsPresent, findings: Findings, stage: int
) -> int:
    """Report positives that both files have, and how many there are."""
    mine, here = _places(in_train, in_test)
    pairs, truth = in_test.truth.positives, in_test.truth

    def describe(at: int) -> str:
        place = here[at]
        row = test.prepared.place(int(in_test.first_rows[place]))
        where = train.prepared.place(int(in_train.first_rows[mine[at]]))
        user, item = truth.users.name(pairs.users[place]), truth.items.name(pairs.items[place])
        return f"{row}: user {user}, item {item}: also in {where}"

    findings.found(LEAK, range(len(mine)), describe, stage=stage)
    return len(mine)


def _places(train: HeadsPresent, test: HeadsPresent) -> tuple[Rows, Rows]:
    """Where the positives that both have are among those of each."""
    if train.truth is test.truth:
        both = np.flatnonzero(train.present & test.present)
        return both, both
    here = np.flatnonzero(test.present)
    pairs = test.truth.positives
    ids = test.truth.items.vocabulary.ids
    items = train.truth.items(ids)[pairs.items[here]]
    keys = pairs.users[here] * np.int64(len(train.truth.items)) + items  # users are those of one log
    keys[items < 0] = -1
    mine = train.truth.positives.find(keys)
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

    @property
    def doubts(self) -> list[str]:
        """The warnings, and the checks that warn, one line each."""
        of_files = [(f"{file.name}: ", check) for file in self.files for check in file.checks]
        checks = [*of_files, *(("", check) for check in self.across)]
        return [
            *self.warnings,
            *(
                f"{place}{check.name}: unlikely" + (f", {check.note}" if check.note else "")
                for place, check in checks
                if check.status == "warning"
            ),
        ]

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
    claims: Claims | None = None,
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
        ``part`` is ``train``, ``test`` or, where the file says it itself, None.
    log : str, path, pyarrow.Table or pandas.DataFrame
        What they were made of.
    claims : Claims, optional
        Of files that do not say what they promise.
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
        Is told what is being done.

    Returns
    -------
    Report

    Raises
    ------
    BadDataError
        A file is no prepared file, is damaged, or has other users than the log.
    UsageError
        Something that is needed was not given, or something was given in vain.
    OutputError
        There is no such folder for what is spilled, or no room.
    """
    claims, read = claims or Claims(), read or ReadOptions()
    check_spill_folder(spill_dir)
    told = allotted([name for name, _ in files], made_by)
    with ExitStack() as stack:
        opened = [
            (stack.enter_context(open_prepared(path, told.get(given), read)), part)
            for given, part in files
            for path in members(given)
        ]
        reader = stack.enter_context(open_log(log, read))
        terms = [terms_of(file, part, claims, log_has_times="time" in reader.columns) for file, part in opened]
        _refuse_vain(claims, terms)
        room, wanted = MemoryBudget.of(memory), [_shared(each.truth, terms) for each in terms]
        shelf, ranges = ArrayStore(None, spilled=False), Ranges((0,))
        truths: dict[LogPromise, LogByRange] = {}
        done: list[FileCheck] = []
        for (file, _), of_file, of_truth in zip(opened, terms, wanted, strict=True):
            if of_truth not in truths:
                tell("reading the log")
                frame = _frame(reader, of_truth, of_file, claims, read)
                if not truths:
                    spilled = not room.holds(frame.rows, len(set(wanted)), len(opened))
                    shelf = stack.enter_context(closing(ArrayStore(spill_dir, spilled=spilled)))
                    users = len(frame.users)
                    ranges = Ranges.of_counts(frame.user_counts(), room.range_rows) if spilled else Ranges.whole(users)
                truths[of_truth] = LogByRange(frame, ranges, shelf)
            tell(f"checking {file.name}")
            known = truths[of_truth]
            checked = FileCheck(file, known, of_file, Findings(n_examples), shelf, room.gathered_bytes)
            given = None
            if claims.weights is not None and of_file.weights:
                given = item_weights(claims.weights, read, known.frame.items)
            checked.check(given)
            done.append(checked)
        across = Findings(n_examples)
        overlaps = compare(done, across)
        warnings = [*reader.warnings, *(text for file, _ in opened for text in file.warnings)]
        return Report(tuple(map(_report, done)), tuple(across), tuple(dict.fromkeys(warnings)), tuple(overlaps))


def _shared(wanted: LogPromise, terms: Sequence[Promise]) -> LogPromise:
    """One truth for the files whose terms differ in no more than what they need of the times."""

    def bare(of: LogPromise) -> LogPromise:
        return replace(of, with_times=False, with_firsts=False)

    alike = [each.truth for each in terms if bare(each.truth) == bare(wanted)]
    return replace(
        wanted,
        with_times=any(each.with_times for each in alike),
        with_firsts=any(each.with_firsts for each in alike),
    )


def _frame(reader: LogReader, wanted: LogPromise, terms: Promise, claims: Claims, read: ReadOptions) -> LogIds:
    if wanted.with_times and "time" not in reader.columns:
        problem = reader.problem("time")
        raise problem or UsageError("the log has no times, which the holdout needs", remedy="name them with --time-col")
    if terms.rule is not None and terms.rule.kind == "after":
        cut_of(terms.rule)
    return LogIds(reader, wanted, claims, read)


def _report(file: FileCheck) -> FileReport:
    totals, shape = file.totals, file.prepared.shape
    layout, part = file.prepared.layout, file.terms.part
    return FileReport(file.prepared.name, shape.kind, layout, part, totals.rows, totals.negatives, tuple(file.findings))


_OF_FOREIGN = ("positive", "holdout", "num_neg", "distinct", "alpha", "smooth")


def _refuse_vain(claims: Claims, terms: Sequence[Promise]) -> None:
    """An option without effect is a mistake."""
    if all(each.says_itself for each in terms):
        given = [name for name in _OF_FOREIGN if getattr(claims, name) is not None]
        given += ["keep_time"] if claims.keep_time != "last" else []
        given += ["sampler"] if claims.sampler else []
        given += ["with_valid"] if claims.with_valid else []
        if given:
            option = given[0].replace("_", "-")
            raise UsageError(f"--{option}, which the files say themselves", remedy="leave it out")
    for name in ("items", "exclude", "weak"):
        if getattr(claims, name) is not None and not any(getattr(each.truth, name) for each in terms):
            raise UsageError(f"--{name}, with which no file was made", remedy="leave it out")
    if claims.weights is not None and not any(each.weights and "popularity" in each.samplers for each in terms):
        raise UsageError("--weights, with which no file was made", remedy="leave it out")
