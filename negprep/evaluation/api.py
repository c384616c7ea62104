"""The function ``negprep.evaluate``: scores in, metrics out."""

from __future__ import annotations

import json
import os
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa

from negprep.arrow import from_numpy
from negprep.errors import UsageError, refuse_warnings
from negprep.evaluation.kinds import Kinds
from negprep.evaluation.lists import read_lists
from negprep.evaluation.metrics import metric_names
from negprep.evaluation.options import EvaluateOptions
from negprep.evaluation.ranks import Floats
from negprep.evaluation.result import Evaluation
from negprep.evaluation.rows import ScoredRows
from negprep.evaluation.sampling import is_distinct, read_facts
from negprep.evaluation.work import evaluate_lists
from negprep.limits import check_bool
from negprep.options import LogSource, ReadOptions
from negprep.reading import LogReader, open_log
from negprep.reading.columns import Roles
from negprep.reading.header import Unnamed
from negprep.reading.scored import ScoredColumns
from negprep.vocabulary import Vocabulary
from negprep.writing import check_output, open_output

_WRITTEN_AT_ONCE = 1 << 18
_OF_SCORES = ("columns", "delimiter", "quote", "escape")


def evaluate(
    scores: LogSource,
    test: LogSource | None = None,
    *,
    at: tuple[int, ...] = (5, 10, 20),
    by_user: str | os.PathLike[str] | None = None,
    catalog_size: int | None = None,
    distinct: bool | None = None,
    gamma: float | None = None,
    resamples: int = 1000,
    seed: int = 0,
    user_col: str | None = None,
    item_col: str | None = None,
    label_col: str | None = None,
    score_col: str | None = None,
    group_col: str | None = None,
    columns: tuple[str, ...] | None = None,
    delimiter: str | None = None,
    quote: str | None = None,
    escape: str | None = None,
    strict: bool = False,
) -> Evaluation:
    """Metrics of a model's scores for candidates, and estimates of the same over all items.

    Parameters
    ----------
    scores : str, path, pyarrow.Table or pandas.DataFrame
        The rows of a test file with a column ``score``, or with ``test`` rows of user, item and score; more is better.
    test : str, path, pyarrow.Table or pandas.DataFrame, optional
        What ``negprep.test`` made, or rows of user, item and label (1: held out, 0: negative).
    by_user : str or path, optional
        Write the metrics of each user there: Parquet.
    at, catalog_size, distinct, gamma, resamples, seed, columns, delimiter, quote, escape
        As in ``EvaluateOptions``.
    user_col, item_col, label_col, score_col, group_col : str, optional
        Columns that are not recognised by their names. A group names the lists of a user who has several.

    strict : bool
        A warning is an error, and nothing is written.

    Returns
    -------
    Evaluation
        Its text is a table.

    Raises
    ------
    NegprepError
        A candidate without a score, a score that is no finite number, lists that cannot be told apart, and so on; in
        one line.

    Notes
    -----
    The result does not depend on the order of the rows, but where a user has several lists and no group names them:
    then those of the user must be in the order of the test file. docs/metrics.md has the formulas.

    Examples
    --------
    >>> import negprep, pyarrow as pa
    >>> scored = pa.table({"user": [1, 1, 1], "item": [4, 5, 6], "label": [0, 1, 0], "score": [0.3, 0.2, 0.1]})
    >>> negprep.evaluate(scored, at=(1, 2), resamples=0).metrics["mrr"].value
    0.5
    """
    check_bool("strict", strict)
    options = EvaluateOptions(
        at=tuple(at),
        catalog_size=catalog_size,
        distinct=distinct,
        gamma=gamma,
        resamples=resamples,
        seed=seed,
        columns=columns,
        delimiter=delimiter,
        quote=quote,
        escape=escape,
        named=ScoredColumns(
            user_col=user_col, item_col=item_col, label_col=label_col, score_col=score_col, group_col=group_col
        ),
    )
    return run_evaluation(scores, test, options, by_user=None if by_user is None else os.fspath(by_user), strict=strict)


def run_evaluation(
    scores: LogSource, test: LogSource | None, options: EvaluateOptions, *, by_user: str | None, strict: bool
) -> Evaluation:
    """Evaluate, as ``evaluate`` says; for the command too."""
    if by_user == "-":
        raise UsageError("--by-user '-': standard output is for the table", remedy="name a file")
    if by_user is not None:  # before a pipe is read, which may take long
        check_output(by_user, [Path(given) for given in (scores, test) if isinstance(given, str | os.PathLike)])
    with ExitStack() as stack:
        candidates, scored = _opened(scores, test, options, stack)
        if by_user is not None:
            check_output(by_user, [*candidates.paths, *(() if scored is None else scored.paths)])
        facts = read_facts(candidates.footers(), candidates.place)
        rows = ScoredRows(candidates, scored)
        lists = read_lists(rows, candidates.place, distinct=is_distinct(facts, options))
        found, kinds, by_kind = evaluate_lists(lists, options, facts, rows=rows.n_rows, place=candidates.place)
        opened = [candidates, *([] if scored is None else [scored])]
        found = replace(found, warnings=[*(text for each in opened for text in each.warnings), *found.warnings])
        if strict:
            refuse_warnings(found.warnings)
        if by_user is not None:
            _write_by_user(by_user, rows.users, kinds, by_kind, options)
    return found


def _opened(
    scores: LogSource, test: LogSource | None, options: EvaluateOptions, stack: ExitStack
) -> tuple[LogReader, LogReader | None]:
    """The file of the candidates, and that of their scores where it is another."""
    read, named = ReadOptions(**{name: getattr(options, name) for name in _OF_SCORES}), options.named
    if test is None:
        required: tuple[str, ...] = ("user", "item", "label", "score")
        candidates = stack.enter_context(
            open_log(scores, read, required=required, recognise=named.find, may_lack=(), unnamed=Unnamed(required))
        )
        _refuse_doubt(candidates)
        return candidates, None

    def recognise_test(names: tuple[str, ...], given: ReadOptions, place: str) -> Roles:
        user_col, item_col = (name if name in names else None for name in (named.user_col, named.item_col))
        of_test = ScoredColumns(
            user_col=user_col, item_col=item_col, label_col=named.label_col, group_col=named.group_col
        )
        return of_test.find(names, given, place)

    of_scores = ScoredColumns(user_col=named.user_col, item_col=named.item_col, score_col=named.score_col)
    candidates = stack.enter_context(
        open_log(
            test,
            read.of_text_beside(),
            required=("user", "item", "label"),
            recognise=recognise_test,
            may_lack=(),
            beside=True,
            unnamed=Unnamed(("user", "item", "label"), by_option=False),
        )
    )
    scored = stack.enter_context(
        open_log(
            scores,
            read,
            required=("user", "item", "score"),
            recognise=of_scores.find,
            may_lack=(),
            unnamed=Unnamed(("user", "item", "score")),
        )
    )
    _refuse_doubt(candidates)
    return candidates, scored


def _refuse_doubt(candidates: LogReader) -> None:
    problem = candidates.problem("group")
    if problem is not None:
        raise problem


def _write_by_user(target: str, users: Vocabulary, kinds: Kinds, by_kind: Floats, options: EvaluateOptions) -> None:
    """Write a row for each user: its id, the number of its lists, and its metrics."""
    names = metric_names(options.at)
    schema = pa.schema(
        [
            pa.field("user", users.ids.type, nullable=False),
            pa.field("lists", pa.int64(), nullable=False),
            *(pa.field(name, pa.float64(), nullable=False) for name in names),
        ]
    )
    lists_of_kind = np.bincount(kinds.lists.users)
    with open_output(target, schema) as output:
        for first in range(0, len(kinds.users), _WRITTEN_AT_ONCE):
            some = slice(first, first + _WRITTEN_AT_ONCE)
            of_user = kinds.of_user[some]
            arrays = [users.ids.take(from_numpy(kinds.users[some])), from_numpy(lists_of_kind[of_user])]
            arrays += [from_numpy(np.ascontiguousarray(by_kind[of_user, column])) for column in range(len(names))]
            output.write(pa.RecordBatch.from_arrays(arrays, schema=schema))
        output.finish({"negprep": json.dumps({"command": "evaluate", "at": list(options.at)})})
