"""What a holdout rule means for the log at hand: whether there are times, how they are written, and who is left."""

from __future__ import annotations

from dataclasses import replace

from negprep.errors import BadDataError, UsageError
from negprep.forms import TIMED, FormName, refuse_unfit
from negprep.holdout_rule import HoldoutRule
from negprep.options import Options
from negprep.reading import LogReader
from negprep.reading.pieces import RowError
from negprep.reading.times import mixed, parse_instant

NO_TIMES = (
    "the log has no times: each user's holdout is random (--time-col NAME if a column is the time, --holdout random if "
    "that is meant)"
)
"""What is said where ``auto`` falls from last to random."""


def in_form(options: Options, form: FormName) -> Options:
    """The options of an output in a form, which may have a layout of its own.

    Raises
    ------
    UsageError
        An option means nothing in that form.
    """
    refuse_unfit(form, vars(options))
    return replace(options, to=form, layout="listwise" if form in ("ncf", "lightgcn") else options.layout)


def resolve_rule(log: LogReader, options: Options) -> tuple[HoldoutRule, list[str]]:
    """The rule without ``auto`` and with its cut, and warnings; before the log is read.

    Raises
    ------
    UsageError
        The rule needs times, and the log has none, or only an order; or TIME is no time.
    BadDataError
        More than one column could be the time.
    """
    rule = options.rule
    problem = log.problem("time") if rule.needs_times or rule.kind == "auto" else None
    if problem is not None:
        raise problem
    if rule.needs_times and "time" not in log.columns:
        raise UsageError(
            f"--holdout {rule.kind} needs times, and the log has no column that is recognised as one",
            place=str(log.paths[0]) if log.paths else None,
            remedy="name it with --time-col, or choose --holdout random",
        )
    if log.is_ordered and (rule.kind == "after" or options.available_at_time):
        option = f"--holdout {rule.kind}" if rule.kind == "after" else "--available-at-time"
        what = f"{option} compares the times of users, and a log whose order is the time has none"
        raise UsageError(what, remedy="choose --holdout last" if rule.kind == "after" else "leave it out")
    if rule.kind == "after":
        try:
            return replace(rule, cut=parse_instant(rule.time)[0]), []
        except RowError as error:
            raise UsageError(f"--holdout {rule}: {error.what}", remedy=error.remedy) from None
    if rule.kind != "auto":
        return rule, []
    if "time" in log.columns:
        return HoldoutRule("last"), []
    return HoldoutRule("random"), [NO_TIMES]


def check_times(log: LogReader, options: Options) -> None:
    """Refuse options that need times where the log has none; before it is read."""
    asked = "--available-at-time" if options.available_at_time else "--keep-time first"
    if "time" in log.columns or not (options.available_at_time or options.keep_time == "first"):
        return
    raise log.problem("time") or UsageError(
        f"{asked} needs times, and the log has no column that is recognised as one",
        place=str(log.paths[0]) if log.paths else None,
        remedy="name it with --time-col, or leave the option out",
    )


def writes_times(log: LogReader, options: Options) -> bool:
    """Whether the output holds the times of the log. If it is open which column they are, reading it will say so."""
    return options.to in TIMED and ("time" in log.columns or log.problem("time") is not None)


def settled_cut(log: LogReader, rule: HoldoutRule) -> HoldoutRule:
    """The rule with its cut as the log writes times, once it was read; refuses a number in another unit."""
    if rule.kind != "after" or log.clock is None:
        return rule
    cut, clock = parse_instant(rule.time, log.clock)
    if not clock.is_dated and clock.kind != log.clock.kind:
        raise UsageError(
            f"--holdout {rule}: {mixed(rule.time, clock.kind, log.clock)}",
            remedy="write TIME as the log writes its times, or as a date",
        )
    return replace(rule, cut=cut)


def nothing_held_out(rule: HoldoutRule) -> str:
    """The warning that a rule leaves everything in training."""
    return f"--holdout {rule} holds nothing out of this log"


def nothing_to_write(rule: HoldoutRule, options: Options) -> BadDataError | None:
    """Why no positive leads a group, if that is a mistake."""
    if rule.kind == "after":
        missing, other = ("before", "a later") if options.command == "train" else ("at or after", "an earlier")
        return BadDataError(f"no positive is {missing} {rule.time}", remedy=f"cut at {other} time")
    if options.command == "train":
        return None
    if rule.kind == "fraction":
        remedy = "that part of a user's positives must round to one at least, and one more stays in train"
    else:
        h = rule.number
        remedy = f"a test holdout needs 2 positives of a user, a validation holdout {h + 2}"
    return BadDataError(f"no user has enough positives for a {options.fold} holdout", remedy=remedy)
