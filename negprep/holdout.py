"""Holdouts: what a rule means for the log at hand, and which positives it keeps out of training (masks, not copies)."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from negprep.arrays import Mask, Positions, Times, Words
from negprep.encode.load import LoadedSection
from negprep.encode.pairs import Interactions, Pairs, are_among, pair_keys
from negprep.errors import BadDataError, RowError, UsageError
from negprep.options.conflicts import refuse_unfit
from negprep.options.formats import EXCHANGES, TIMED, FormName
from negprep.options.options import Options
from negprep.options.specs import SESSION, HoldoutRule
from negprep.read.log import LogReader
from negprep.read.times import mixed, parse_instant
from negprep.sample.rng import combine, purpose_key

_BEFORE_ALL = np.iinfo(np.int64).min


@dataclass(frozen=True, eq=False)
class Split:
    """The holdouts of every user.

    ``test``, ``valid``: bool, shape (n_positives,). Whether a positive is held out, for which fold; never for both.
    ``tied``: bool, shape (n_users,). Whether a keyed hash chose between positives of equal time.
    ``spared``: bool, shape (n_users,), or None. Who would have a test holdout, but is not in the sample of
      ``--test-users``.
    ``cold``: bool, shape (n_positives,), or None. Which holdouts ``--drop-cold`` drops: they are nobody's candidates.
    """

    test: Mask
    valid: Mask
    tied: Mask
    spared: Mask | None = None
    cold: Mask | None = None

    @property
    def train(self) -> Mask:
        """Which positives stay in train: bool, shape (n_positives,)."""
        return ~(self.test | self.valid)

    def part(self, name: str) -> Mask:
        """Which positives are written as those of ``train``, ``valid`` or ``test``: bool, shape (n_positives,)."""
        mask: Mask = getattr(self, name)
        return mask if self.cold is None else mask & ~self.cold


def hold_out(interactions: Interactions, rule: HoldoutRule, *, seed: int, with_valid: bool) -> Split:
    """Decide for every positive whether it is held out, and for which fold.

    Mostly a user's positives are ranked, the latest first, and those of equal time (with ``random``, all) in the order
    of a hash of (seed, user id, item id), so that the rows' order in the log, which a cluster does not have, decides
    nothing. The first h are for test, and with ``with_valid`` the next h for validation; h is the rule's number, or its
    share of the user's positives, rounded, halves up. One positive of each user stays in train. With ``after`` the
    positives at or after the cut are for test, whoever's they are; with ``random-global`` those whose hash is below the
    share, and the next share of the range for validation; with ``session`` all of the user's last session, and those of
    the one before, unless that is all there is; with ``file`` those that the files name.

    ``interactions``: Its positives have times if the rule needs them.
    ``rule``: Not ``auto``.
    ``seed``: 0 to 2**64 - 1.

    Source of ``last``: He et al., WWW 2017, section 4.1 (leave-one-out).
    """
    split = _split(interactions, rule, seed, with_valid)
    if rule.tested is None:
        return split
    can = _some(interactions.positives, split.test)
    chosen = can & (_user_words(interactions, seed) <= np.uint64(rule.tested))
    mine = np.repeat(chosen, interactions.positives.counts)
    return Split(split.test & mine, split.valid & mine, split.tied & chosen, can & ~chosen)


def _split(interactions: Interactions, rule: HoldoutRule, seed: int, with_valid: bool) -> Split:
    """The holdouts of everybody who can have some."""
    positives = interactions.positives
    times = positives.times if rule.needs_times else None
    nothing, nobody = np.zeros(len(positives), bool), np.zeros(positives.n_users, bool)
    if rule.kind == "none":
        return Split(nothing, nothing, nobody)
    if rule.kind == "file":
        held, n_items = interactions.held, len(interactions.items)
        if held is None:
            raise ValueError("a log without the files that hold its pairs out")
        return Split(are_among(positives, held.test, n_items), are_among(positives, held.valid, n_items), nobody)
    if times is None and rule.needs_times:
        raise ValueError(f"positives without times have no holdout {rule}")
    if times is not None and rule.cut is not None:
        return Split(times >= rule.cut, nothing, nobody)
    if times is not None and rule.kind == "session":
        test, tied = _last_session(interactions, times, ~nothing, seed)
        if not with_valid:
            return Split(test, nothing, tied)
        valid, also_tied = _last_session(interactions, times, ~test, seed)
        return Split(test, valid, tied | also_tied)
    if rule.kind == "random-global":
        keys = _keys(interactions, np.arange(len(positives)), positives.users(), seed)
        test = keys < _below(rule.share)
        return Split(test, (keys < _below(rule.share, 2)) & ~test if with_valid else nothing, nobody)
    if rule.is_share or rule.number > 1:
        return _split_by_rank(interactions, times, _wanted(positives.counts, rule), seed, with_valid)
    return _split_first(interactions, times, seed, with_valid)


def _wanted(counts: Positions, rule: HoldoutRule) -> Positions:
    """How many positives of each user the rule holds out for a fold, before one is left in train."""
    if not rule.is_share:
        return np.full_like(counts, rule.number)
    numerator, denominator = rule.share
    return (2 * numerator * counts + denominator) // (2 * denominator)


def _below(share: tuple[int, int], times: int = 1) -> np.uint64:
    """The word below which is a share of all words, ``times`` over, which is less than all."""
    return np.uint64((times * share[0] << 64) // share[1])


def _last_session(interactions: Interactions, times: Times, candidates: Mask, seed: int) -> tuple[Mask, Mask]:
    """Of each user the candidates of the last session, unless all are; and for whom the key chose among sessions.

    A session is one time, or the value of ``--session-col``: then it is that of the latest candidate, of those of equal
    time the one with the largest key.
    """
    positives = interactions.positives
    tied, present = np.zeros(positives.n_users, bool), np.flatnonzero(positives.counts)
    if not present.size:
        return np.zeros(len(positives), bool), tied
    firsts, counts = positives.starts[present], positives.counts[present]
    newest = np.maximum.reduceat(np.where(candidates, times, _BEFORE_ALL), firsts)
    last: Mask = candidates & (times == np.repeat(newest, counts))
    sessions = positives.carried.get(SESSION)
    if sessions is not None:
        low = np.minimum.reduceat(np.where(last, sessions, np.iinfo(np.int32).max), firsts)
        high = np.maximum.reduceat(np.where(last, sessions, -1), firsts)
        chosen, _ = _latest(interactions, candidates, times, seed)
        of_users = np.maximum.reduceat(np.where(chosen, sessions, -1), firsts)
        last = candidates & (sessions == np.repeat(of_users, counts))
        tied[present] = low < high
    others = np.logical_or.reduceat(candidates & ~last, firsts)
    last &= np.repeat(others, counts)
    return last, tied & _some(positives, last)


def _some(pairs: Pairs, mask: Mask) -> Mask:
    """Which users have a pair of those in the mask: bool, shape (n_users,)."""
    found = np.zeros(pairs.n_users, bool)
    present = np.flatnonzero(pairs.counts)
    if present.size:
        found[present] = np.logical_or.reduceat(mask, pairs.starts[present])
    return found


def _user_words(interactions: Interactions, seed: int) -> Words:
    """The word of each user, which decides who is in the sample of ``--test-users``."""
    return combine(purpose_key(seed, "test users"), interactions.users.keys)


def choose_users(
    rule: HoldoutRule, sections: Iterable[LoadedSection], options: Options
) -> tuple[HoldoutRule, list[str]]:
    """The rule with whom ``--test-users`` holds out, and warnings. Goes through all sections where it is given.

    Of the users who have a test holdout by the rule, those with the smallest hashes of (split seed, user id).
    """
    if options.sample is None:
        return rule, []
    found = [np.empty(0, np.uint64)]
    for section in sections:
        interactions = section.interactions
        split = _split(interactions, rule, options.split_seed, with_valid=False)
        found.append(_user_words(interactions, options.split_seed)[_some(interactions.positives, split.test)])
    words = np.concatenate(found)
    wanted = options.sample.of(len(words))
    warnings = []
    if options.sample.number > len(words) > 0:
        what = f"--test-users {options.test_users}, and {len(words)} users have a holdout"
        warnings = [f"{what}: all of them are held out"]
    largest = int(np.partition(words, wanted - 1)[wanted - 1]) if wanted else 0
    return replace(rule, tested=largest), warnings


def _split_by_rank(
    interactions: Interactions, times: Times | None, wanted: Positions, seed: int, with_valid: bool
) -> Split:
    positives = interactions.positives
    counts, owners = positives.counts, positives.users()
    keys = _keys(interactions, np.arange(len(positives)), owners, seed)
    order = np.lexsort((keys, owners) if times is None else (keys, times, owners))
    latest = np.repeat(positives.starts[1:] - 1, counts) - np.arange(len(positives))
    ranks = np.empty_like(latest)
    ranks[order] = latest  # sorting moves positives within their user only
    n_test = np.minimum(wanted, counts - 1).clip(0)
    n_held = np.minimum(wanted * (1 + with_valid), counts - 1).clip(0)
    test, held = ranks < n_test[owners], ranks < n_held[owners]
    tied = np.zeros(positives.n_users, bool)
    if times is not None:
        for n_before in (n_test, n_held):
            users = np.flatnonzero(n_before > 0)
            inner = positives.starts[users + 1] - n_before[users]  # of the ordered positives, the last of the fold
            tied[users] |= times[order[inner]] == times[order[inner - 1]]
    return Split(test, held & ~test, tied)


def _split_first(interactions: Interactions, times: Times | None, seed: int, with_valid: bool) -> Split:
    """The same where a fold takes one positive of a user: without sorting, which takes ten times as long."""
    counts = interactions.positives.counts
    test, tied = _latest(interactions, np.repeat(counts >= 2, counts), times, seed)
    valid = np.zeros_like(test)
    if with_valid:
        valid, tied_valid = _latest(interactions, np.repeat(counts >= 3, counts) & ~test, times, seed)
        tied |= tied_valid
    return Split(test, valid, tied if times is not None else np.zeros_like(tied))


def _latest(interactions: Interactions, candidates: Mask, times: Times | None, seed: int) -> tuple[Mask, Mask]:
    """Each user's latest candidate, of those of equal time the one with the largest key; and whether the key chose."""
    positives = interactions.positives
    if times is not None and times.size:
        present = np.flatnonzero(positives.counts)
        newest = np.maximum.reduceat(np.where(candidates, times, _BEFORE_ALL), positives.starts[present])
        candidates = candidates & (times == np.repeat(newest, positives.counts[present]))
    places = np.flatnonzero(candidates)
    chosen, tied = np.zeros(len(positives), bool), np.zeros(positives.n_users, bool)
    if places.size:
        owners = positives.users()[places]
        users, first = _runs(owners)
        keys = _keys(interactions, places, owners, seed)
        largest = np.repeat(np.maximum.reduceat(keys, first), np.diff(first, append=len(keys)))
        chosen[places[keys == largest]] = True
        tied[users[np.diff(first, append=len(keys)) > 1]] = True
    return chosen, tied


def _keys(interactions: Interactions, places: Positions, owners: npt.NDArray[np.int32], seed: int) -> Words:
    """What decides between positives of equal time."""
    items = interactions.positives.items[places]
    return pair_keys(purpose_key(seed, "split"), interactions.users.keys[owners], interactions.items.keys[items])


def _runs(owners: npt.NDArray[np.int32]) -> tuple[npt.NDArray[np.int32], Positions]:
    """The users that occur in an ascending array, and where the run of each begins."""
    first = np.flatnonzero(np.append(True, owners[1:] != owners[:-1])) if owners.size else np.empty(0, np.int64)
    return owners[first], first


NO_TIMES = (
    "the log has no times: each user's holdout is random (--time-col NAME if a column is the time, --holdout random if "
    "that is meant)"
)
"""The warning where ``auto`` falls from last to random."""


def in_form(options: Options, form: FormName) -> Options:
    """The options of an output in a form, which may have a layout of its own.

    Raises UsageError: An option means nothing in that form.
    """
    refuse_unfit(form, options)
    is_listed = form in EXCHANGES and EXCHANGES[form].layout == "listwise"
    return replace(options, to=form, layout="listwise" if is_listed else options.layout)


def resolve_rule(log: LogReader, options: Options) -> tuple[HoldoutRule, list[str]]:
    """The rule without ``auto`` and with its cut, and warnings; before the log is read.

    Raises UsageError: The rule needs times, and the log has none, or only an order; or TIME is not a time.
    Raises BadDataError: More than one column could be the time.
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
    if log.is_ordered and rule.kind == "session":
        what = "--holdout session holds out what has one time, and in a log whose order is the time no two rows do"
        raise UsageError(what, remedy="choose --holdout last")
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
    given = {
        "--available-at-time": options.available_at_time,
        "--with-history": options.with_history,
        "--with-time": options.with_time,
        "--keep-time first": options.keep_time == "first",
    }
    asked = next((name for name, value in given.items() if value), None)
    if asked is not None and log.is_ordered and options.with_time:
        what = "--with-time writes the times of a log, and one whose order is the time has none"
        raise UsageError(what, place=log.place, remedy="leave it out")
    if "time" in log.columns or asked is None:
        return
    raise log.problem("time") or UsageError(
        f"{asked} needs times, and the log has no column that is recognised as one",
        place=str(log.paths[0]) if log.paths else None,
        remedy="name it with --time-col, or leave the option out",
    )


def writes_times(log: LogReader, options: Options) -> bool:
    """Whether the output holds the times of the log. If it is open which column they are, reading it reports that."""
    return options.to in TIMED and _may_have_times(log)


def needs_times(log: LogReader, options: Options, rule: HoldoutRule) -> bool:
    """Whether the times of the log are read: those of a pair decide which of its rows the values kept are of."""
    if rule.needs_times or options.available_at_time or options.with_history or writes_times(log, options):
        return True
    return bool(options.carried or options.group_col or options.with_time) and _may_have_times(log)


def _may_have_times(log: LogReader) -> bool:
    return "time" in log.columns or log.problem("time") is not None


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


def nothing_to_write(rule: HoldoutRule, options: Options, *, n_cold: int = 0) -> BadDataError | None:
    """Why no positive leads a group, if that is a mistake; ``n_cold`` holdouts were dropped."""
    if n_cold:
        what = f"--drop-cold {options.drop_cold} drops all {n_cold} holdouts"
        return BadDataError(what, remedy="leave it out, or keep more of the log in train")
    if rule.kind == "after":
        missing, other = ("before", "a later") if options.command == "train" else ("at or after", "an earlier")
        return BadDataError(f"no positive is {missing} {rule.time}", remedy=f"cut at {other} time")
    if rule.kind == "random-global":
        return BadDataError(f"--holdout {rule} leaves nothing for {options.command}", remedy="choose another share")
    if rule.kind == "file":
        what = f"--holdout file leaves nothing for {options.command if options.fold == 'test' else 'valid'}"
        return BadDataError(what, remedy="are the log and the files those of one split?")
    if options.command == "train":
        return None
    if rule.is_share:
        remedy = "that part of a user's positives must round to one at least, and one more stays in train"
    elif rule.kind == "session":
        remedy = "a test holdout needs positives at 2 times, a validation holdout at 3"
    else:
        h = rule.number
        remedy = f"a test holdout needs 2 positives of a user, a validation holdout {h + 2}"
    return BadDataError(f"no user has enough positives for a {options.fold} holdout", remedy=remedy)
