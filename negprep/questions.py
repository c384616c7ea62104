"""What a model in training is asked: the holdouts of a log, among frozen candidates or among all items."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

import numpy as np
import numpy.typing as npt

from negprep.arrays import Codes, Mask, Positions
from negprep.assemble.layout import Groups
from negprep.assemble.section import Section, as_heads
from negprep.bundle import options_of_candidates
from negprep.errors import BadDataError, UsageError
from negprep.metrics.estimators import MAX_CUTOFF, EvaluateOptions
from negprep.metrics.evaluate import Evaluation, evaluate_lists
from negprep.metrics.lists import Lists
from negprep.options.options import Options
from negprep.options.specs import MAX_NUM_NEG, whole
from negprep.pipeline import Run
from negprep.summary import facts_of

Fold: TypeAlias = Literal["test", "valid"]

ScoreFunction: TypeAlias = Callable[..., Any]
"""Takes users, int32, shape (n,), and perhaps items, int32, shape (n, width); gives the score of each."""

_SCORES_AT_A_TIME = 1 << 22

_PLACE = "score_function"


@dataclass(frozen=True, eq=False)
class Candidates:
    """Held-out items and the negatives that each is ranked among: the rows of ``negprep test``, as codes.

    A user who has several holdouts has a row for each. Rows ascend by user and holdout.

    Attributes
    ----------
    users : int32, shape (n,)
    pos_items : int32, shape (n,)
        The held-out item.
    neg_items : int32, shape (n, width)
        In random order; -1 beyond those that exist.
    """

    users: Codes
    pos_items: Codes
    neg_items: Codes

    def __len__(self) -> int:
        return len(self.users)


def rank_candidates(candidates: Candidates, score: ScoreFunction) -> Lists:
    """The lists of candidates, in their order.

    ``score``: Gets users, shape (n,), and items, shape (n, 1 + width), the held-out one first; where there are fewer
      negatives, it stands in their place again. Gives scores of that shape.
    Raises BadDataError: Scores of another shape, or that are not finite.
    """
    n_lists, width = candidates.neg_items.shape
    above, tied = np.zeros(n_lists, np.int64), np.zeros(n_lists, np.int64)
    step = max(1, _SCORES_AT_A_TIME // (1 + width))
    for begin in range(0, n_lists, step):
        here = slice(begin, begin + step)
        users, heads, negatives = candidates.users[here], candidates.pos_items[here, None], candidates.neg_items[here]
        is_there = negatives >= 0
        items = np.hstack([heads, np.where(is_there, negatives, heads)])
        scores = _scores(score(users, items), items.shape)
        wrong = np.argwhere(~np.isfinite(scores))
        if wrong.size:
            row, column = map(int, wrong[0])
            raise _not_finite(scores[row, column], int(users[row]), int(items[row, column]))
        wanted, others = scores[:, :1], scores[:, 1:]
        above[here] = ((others > wanted) & is_there).sum(axis=1)
        tied[here] = ((others == wanted) & is_there).sum(axis=1)
    return Lists(candidates.users, (candidates.neg_items >= 0).sum(axis=1), above, tied)


def rank_all(
    users: Codes, pos_items: Codes, seen: tuple[Positions, Codes], is_catalog: Mask, score: ScoreFunction
) -> Lists:
    """The lists of all items that a user has not seen, for some held-out items.

    ``users``: int32, shape (n,). Ascending.
    ``pos_items``: int32, shape (n,).
    ``seen``: int64, shape (n_users + 1,), and int32. Where the seen items of each user begin, and the end; the items,
      all of the catalog.
    ``is_catalog``: bool, shape (n_items,). Which items can be negatives.
    ``score``: Gets different users, shape (m,), and gives the scores of all items, shape (m, n_items).
    Raises BadDataError: Scores of another shape, or that are not finite where they count.
    """
    starts, seen_items = seen
    n_items, n_lists = len(is_catalog), len(users)
    counts = np.count_nonzero(is_catalog) - np.diff(starts)[users]
    above, tied = np.zeros(n_lists, np.int64), np.zeros(n_lists, np.int64)
    different, firsts = np.unique(users, return_index=True)
    firsts = np.append(firsts, n_lists)
    step = max(1, _SCORES_AT_A_TIME // max(1, n_items))
    for begin in range(0, len(different), step):
        some = different[begin : begin + step]
        given = _scores(score(some), (len(some), n_items))
        counted = np.broadcast_to(is_catalog, given.shape).copy()
        sizes = starts[some + 1] - starts[some]
        ends = np.cumsum(sizes)
        places = np.arange(int(ends[-1])) + np.repeat(starts[some] - (ends - sizes), sizes)
        counted[np.repeat(np.arange(len(some)), sizes), seen_items[places]] = False
        lists = slice(int(firsts[begin]), int(firsts[begin + len(some)]))
        rows, heads = np.searchsorted(some, users[lists]), pos_items[lists]
        wanted = given[rows, heads]
        _refuse_not_finite(given, counted, rows, some, heads)
        for number, (row, own) in enumerate(zip(rows, wanted, strict=True), start=lists.start):
            above[number] = np.count_nonzero((given[row] > own) & counted[row])
            tied[number] = np.count_nonzero((given[row] == own) & counted[row])
    return Lists(users, counts, above, tied)


def _scores(given: Any, shape: tuple[int, ...]) -> npt.NDArray[Any]:  # noqa: ANN401
    """What a function gave, as an array of numbers of a shape."""
    remedy = "give an array of numbers, of a tensor tensor.detach().cpu().numpy()"
    try:
        scores = np.asarray(given)
    except (TypeError, ValueError, RuntimeError) as error:
        what = f"the scores are no array: {str(error).splitlines()[0]}"
        raise BadDataError(what, place=_PLACE, remedy=remedy) from None
    if scores.dtype.kind not in "fiu":
        raise BadDataError(f"the scores are of the type {scores.dtype}", place=_PLACE, remedy=remedy)
    if scores.shape != shape:
        what = f"the scores have the shape {scores.shape} where {shape} is asked for"
        raise BadDataError(what, place=_PLACE, remedy="give a score for each user and item")
    return scores


def _refuse_not_finite(scores: npt.NDArray[Any], counted: Mask, rows: Positions, users: Codes, heads: Codes) -> None:
    """Refuse scores that are not finite, of the items counted or of the held-out ones."""
    is_bad = ~np.isfinite(scores)
    if not is_bad.any():
        return
    of_heads = np.flatnonzero(is_bad[rows, heads])
    wrong = np.argwhere(is_bad & counted)
    if of_heads.size:
        row, item = int(rows[of_heads[0]]), int(heads[of_heads[0]])
    elif wrong.size:
        row, item = map(int, wrong[0])
    else:
        return
    raise _not_finite(scores[row, item], int(users[row]), item)


def _not_finite(score: float, user: int, item: int) -> BadDataError:
    what = f"the score of user {user}, item {item} (codes) is {score}, not a finite number"
    return BadDataError(what, place=_PLACE, remedy="check the model: it may have diverged")


class Questions:
    """The holdouts of a log that was read for training.

    ``run_of``: A run over that log with other options, which hold out alike.
    ``options``: Those of the train instances.
    ``positions``: int32, shape (n_items,). The code as written of each item, those of the catalog first.
    """

    def __init__(self, run_of: Callable[[Options], Run], options: Options, positions: Codes) -> None:
        self._run_of, self._options, self._positions = run_of, options, positions
        self._candidates: dict[tuple[str, int], tuple[Candidates, dict[str, Any]]] = {}
        self._sections: dict[str, tuple[Section, dict[str, Any]]] = {}

    def __getstate__(self) -> dict[str, Any]:
        """Without what is held of the log: a copy in another process has the candidates that were made before."""
        return vars(self) | {"_run_of": _refuse_copy, "_sections": {}}

    def candidates(self, fold: Fold, num_neg: int) -> tuple[Candidates, dict[str, Any]]:
        """Candidates as codes, and what a file that holds them would have as metadata. Made once.

        Raises UsageError: Nothing is held out for the fold.
        """
        num_neg = whole("num_neg", num_neg, 1, MAX_NUM_NEG)
        if (fold, num_neg) not in self._candidates:
            section, facts = self._section(fold, num_neg)
            pieces = list(section.groups_at(np.arange(section.n_groups)))
            users, items = (np.concatenate([getattr(some, name) for some in pieces]) for name in ("users", "positives"))
            items = self._positions[items]
            order = np.lexsort((items, users))
            self._candidates[fold, num_neg] = Candidates(users[order], items[order], self._padded(pieces)[order]), facts
        return self._candidates[fold, num_neg]

    def evaluate(
        self, score: ScoreFunction, fold: Fold, candidates: int | Literal["all"], at: Sequence[int]
    ) -> Evaluation:
        """The evaluation of a model that scores candidates, or all items.

        Raises NegprepError: As ``candidates``; and scores that are of no use.
        """
        options = EvaluateOptions(at=tuple(whole("k", cut, 1, MAX_CUTOFF) for cut in at), resamples=0)
        if candidates == "all":
            lists, facts = self._among_all(score, fold)
        else:
            number = whole("candidates", candidates, 1, MAX_NUM_NEG, or_else=', or "all"')
            asked, facts = self.candidates(fold, number)
            lists = rank_candidates(asked, score)
        rows = len(lists) + int(lists.candidates.sum())
        return evaluate_lists(lists, options, facts, rows=rows, place="the holdouts")[0]

    def _among_all(self, score: ScoreFunction, fold: Fold) -> tuple[Lists, dict[str, Any]]:
        if self._options.same is not None or self._options.available_at_time:
            what = "candidates='all' with same or available_at_time, which give each holdout a catalog of its own"
            raise UsageError(what, remedy="give a number")
        if fold not in self._sections:
            section, facts = self._section(fold, 1)
            self._sections[fold] = section, facts | {"num_neg": "all"}
        section, facts = self._sections[fold]
        heads, seen, positions = as_heads(section.heads), section.sampling.seen, self._positions
        is_catalog = np.zeros(len(positions), bool)
        is_catalog[positions[: section.interactions.items.n_catalog]] = True
        items = positions[heads.items]
        order = np.lexsort((items, heads.users))
        of_users = seen.starts, positions[seen.items]
        return rank_all(heads.users[order], items[order], of_users, is_catalog, score), facts

    def _section(self, fold: Fold, num_neg: int) -> tuple[Section, dict[str, Any]]:
        """The holdouts of all users, and the facts of a file with their candidates."""
        if fold not in ("test", "valid"):
            raise UsageError(f"fold is {fold!r}", remedy="choose test or valid")
        if fold == "valid" and not self._options.with_valid:
            what = "the sampler holds out nothing for validation"
            raise UsageError(what, remedy="make it with with_valid=True")
        sections: list[Section] = []
        with self._run_of(options_of_candidates(self._options, fold, num_neg)) as run:
            run.watch = sections.append
            run.count()
            return sections[0], facts_of(run)

    def _padded(self, pieces: Sequence[Groups]) -> Codes:
        """The negatives of all groups as written, -1 beyond those that exist."""
        width, end = max(some.negatives.shape[1] for some in pieces), 0
        found = np.full((sum(map(len, pieces)), width), -1, np.int32)
        for some in pieces:
            begin, end = end, end + len(some)
            found[begin:end, : some.negatives.shape[1]] = np.where(
                some.negatives >= 0, self._positions[some.negatives], -1
            )
        return found


def _refuse_copy(options: Options) -> Run:
    raise UsageError(
        f"candidates of {options.fold} in a copy of the sampler, which does not hold the log",
        remedy="ask the sampler for them before it is copied to another process",
    )
