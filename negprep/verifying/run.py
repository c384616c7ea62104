"""Check prepared files against their log: each by itself, and train against test."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass, replace
from typing import Any

from negprep.errors import UsageError
from negprep.options import LogSource, ReadOptions
from negprep.prepared import allotted, members, open_prepared
from negprep.reading import LogReader, open_log
from negprep.spill import check_spill_folder
from negprep.verifying.across import Overlap, compare
from negprep.verifying.beside import item_weights
from negprep.verifying.checking import Checked
from negprep.verifying.claims import Claims
from negprep.verifying.findings import Check, Findings
from negprep.verifying.frame import Frame
from negprep.verifying.holdouts import cut_of
from negprep.verifying.promised import terms_of
from negprep.verifying.ranges import Ranges
from negprep.verifying.room import Room
from negprep.verifying.shelf import Shelf
from negprep.verifying.terms import Terms, TruthTerms
from negprep.verifying.truths import Truths

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
        room, wanted = Room.of(memory), [_shared(each.truth, terms) for each in terms]
        shelf, ranges = Shelf(None, spilled=False), Ranges((0,))
        truths: dict[TruthTerms, Truths] = {}
        done: list[Checked] = []
        for (file, _), of_file, of_truth in zip(opened, terms, wanted, strict=True):
            if of_truth not in truths:
                tell("reading the log")
                frame = _frame(reader, of_truth, of_file, claims, read)
                if not truths:
                    spilled = not room.holds(frame.rows, len(set(wanted)), len(opened))
                    shelf = stack.enter_context(closing(Shelf(spill_dir, spilled=spilled)))
                    users = len(frame.users)
                    ranges = Ranges.of_counts(frame.user_counts(), room.range_rows) if spilled else Ranges.whole(users)
                truths[of_truth] = Truths(frame, ranges, shelf)
            tell(f"checking {file.name}")
            known = truths[of_truth]
            checked = Checked(file, known, of_file, Findings(n_examples), shelf, room.gathered_bytes)
            given = None
            if claims.weights is not None and of_file.weights:
                given = item_weights(claims.weights, read, known.frame.items)
            checked.check(given)
            done.append(checked)
        across = Findings(n_examples)
        overlaps = compare(done, across)
        warnings = [*reader.warnings, *(text for file, _ in opened for text in file.warnings)]
        return Report(tuple(map(_report, done)), tuple(across), tuple(dict.fromkeys(warnings)), tuple(overlaps))


def _shared(wanted: TruthTerms, terms: Sequence[Terms]) -> TruthTerms:
    """One truth for the files whose terms differ in no more than what they need of the times."""

    def bare(of: TruthTerms) -> TruthTerms:
        return replace(of, with_times=False, with_firsts=False)

    alike = [each.truth for each in terms if bare(each.truth) == bare(wanted)]
    return replace(
        wanted,
        with_times=any(each.with_times for each in alike),
        with_firsts=any(each.with_firsts for each in alike),
    )


def _frame(reader: LogReader, wanted: TruthTerms, terms: Terms, claims: Claims, read: ReadOptions) -> Frame:
    if wanted.with_times and "time" not in reader.columns:
        problem = reader.problem("time")
        raise problem or UsageError("the log has no times, which the holdout needs", remedy="name them with --time-col")
    if terms.rule is not None and terms.rule.kind == "after":
        cut_of(terms.rule)
    return Frame(reader, wanted, claims, read)


def _report(file: Checked) -> FileReport:
    totals, shape = file.totals, file.prepared.shape
    layout, part = file.prepared.layout, file.terms.part
    return FileReport(file.prepared.name, shape.kind, layout, part, totals.rows, totals.negatives, tuple(file.findings))


_OF_FOREIGN = ("positive", "holdout", "num_neg", "distinct", "alpha", "smooth")


def _refuse_vain(claims: Claims, terms: Sequence[Terms]) -> None:
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
