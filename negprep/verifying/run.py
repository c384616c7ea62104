"""Check prepared files against their log: each by itself, and train against test."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from typing import Any

from negprep.errors import BadDataError, UsageError
from negprep.options import LogSource, ReadOptions
from negprep.prepared import Prepared, allotted, members, open_prepared
from negprep.reading import LogReader, open_log
from negprep.verifying.across import compare
from negprep.verifying.belonging import Belonging
from negprep.verifying.beside import item_weights
from negprep.verifying.claims import Claims
from negprep.verifying.draws import judge_draws
from negprep.verifying.findings import Check, Findings
from negprep.verifying.group_sizes import GroupSizes
from negprep.verifying.holdouts import cut_of
from negprep.verifying.log_q import judge_log_q
from negprep.verifying.promised import terms_of
from negprep.verifying.shares import judge_shares
from negprep.verifying.sweep import Sweep
from negprep.verifying.terms import Terms, TruthTerms
from negprep.verifying.truth import Truth, find_truth
from negprep.verifying.unsaid import doubt_unsaid
from negprep.verifying.verdict import Verdict

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
    """

    files: tuple[FileReport, ...]
    across: tuple[Check, ...]

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
        }


def verify(
    files: Sequence[tuple[str, str | None]],
    log: LogSource,
    *,
    claims: Claims | None = None,
    made_by: Sequence[str] = (),
    read: ReadOptions | None = None,
    n_examples: int = 5,
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
    """
    claims, read = claims or Claims(), read or ReadOptions()
    told = allotted([name for name, _ in files], made_by)
    with ExitStack() as stack:
        opened = [
            (stack.enter_context(open_prepared(path, told.get(given))), part)
            for given, part in files
            for path in members(given)
        ]
        reader = stack.enter_context(open_log(log, read))
        terms = [terms_of(file, part, claims, log_has_times="time" in reader.columns) for file, part in opened]
        _refuse_vain(claims, terms)
        truths: dict[TruthTerms, Truth] = {}
        done: list[tuple[Verdict, FileReport]] = []
        for (file, _), of_file in zip(opened, terms, strict=True):
            wanted = _shared(of_file.truth, terms)
            if wanted not in truths:
                tell("reading the log")
                truths[wanted] = _find(reader, wanted, of_file, claims, read)
            tell(f"checking {file.name}")
            done.append(_check(file, truths[wanted], of_file, claims, read, n_examples))
        across = Findings(n_examples)
        compare([verdict for verdict, _ in done], across)
        return Report(tuple(report for _, report in done), tuple(across))


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


def _find(reader: LogReader, wanted: TruthTerms, terms: Terms, claims: Claims, read: ReadOptions) -> Truth:
    if wanted.with_times and "time" not in reader.columns:
        problem = reader.problem("time")
        raise problem or UsageError("the log has no times, which the holdout needs", remedy="name them with --time-col")
    if terms.rule is not None and terms.rule.kind == "after":
        cut_of(terms.rule)
    return find_truth(reader, wanted, claims, read)


def _check(
    file: Prepared, truth: Truth, terms: Terms, claims: Claims, read: ReadOptions, n_examples: int
) -> tuple[Verdict, FileReport]:
    findings = Findings(n_examples)
    sweep = Sweep(file, truth, terms, findings)
    sweep.run()
    if not sweep.tallies.rows and not terms.says_itself:
        raise BadDataError("no rows", place=file.name, remedy="is it the right file?")
    if sweep.tallies.rows and not sweep.tallies.known_users:
        shown = truth.users.name(0)
        raise BadDataError(
            f"no user of the file is in the log, which has users like {shown}",
            place=file.name,
            remedy="is it the log that the file was made of, and the right --user-col?",
        )
    given = None
    if claims.weights is not None and terms.weights:
        given = item_weights(claims.weights, read, truth.items)
    verdict = Verdict(sweep, given)
    verdict.judge()
    if terms.layout != "positives":
        GroupSizes(verdict).judge()
    Belonging(verdict).judge()
    if terms.layout != "positives":
        judge_shares(verdict)
        judge_log_q(verdict)
    judge_draws(verdict)
    doubt_unsaid(verdict)
    report = FileReport(
        file.name,
        file.shape.kind,
        file.layout,
        terms.part,
        sweep.tallies.rows,
        sweep.tallies.negatives,
        tuple(findings),
    )
    return verdict, report


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
