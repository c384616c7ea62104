"""`negprep.evaluate`: scores in, metrics out."""

from __future__ import annotations

import json
import os
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from negprep._version import __version__
from negprep.arrays import Codes, Counts, Floats
from negprep.arrow import from_numpy
from negprep.encode.vocabulary import Vocabulary
from negprep.errors import BadDataError, NegprepError, UsageError, refuse_warnings
from negprep.metrics.estimators import (
    GAMMA,
    LINEAR,
    OTHER_STARTS,
    START,
    EvaluateOptions,
    RankDistribution,
    Sampling,
    find_sampling,
    is_distinct,
    linear_estimates,
)
from negprep.metrics.lists import CodedScores, Lists, PreparedRows, ScoredRows, read_lists
from negprep.metrics.ranking import interval, list_metrics, metric_names, resamples, top_names
from negprep.options.reading import LogSource, ReadOptions
from negprep.options.specs import check_bool
from negprep.read.columns import Roles, ScoredColumns
from negprep.read.dialect import Unnamed
from negprep.read.log import LogReader, open_log
from negprep.read.prepared import Prepared, open_prepared
from negprep.read.prepared_kinds import members
from negprep.read.prepared_metadata import Told, allotted, metadata_of, metadata_of_folder, metadata_of_parts
from negprep.write.destination import check_output
from negprep.write.output import open_output


@dataclass(frozen=True, eq=False)
class Kinds:
    """Users by kind. Users with one list that looks the same are of one kind.

    ``users``, ascending codes, are of the kinds ``of_user``; ``lists`` are those of one user of each kind, with the
    kind as their user, and weigh ``per_list``: one by the number of the user's lists.
    """

    users: Codes
    of_user: Counts
    lists: Lists
    per_list: Floats

    def __len__(self) -> int:
        return int(self.lists.users[-1]) + 1

    def means(self, values: Floats) -> Floats:
        """From values of each list, shape (n_lists, ...), the mean of each kind: shape (n_kinds, ...)."""
        begins = np.flatnonzero(np.append(True, self.lists.users[1:] != self.lists.users[:-1]))
        counts = np.diff(np.append(begins, len(values))).reshape(-1, *[1] * (values.ndim - 1))
        means: Floats = np.add.reduceat(values, begins, axis=0) / counts
        return means


def find_kinds(lists: Lists) -> Kinds:
    """Users with one list are of one kind if candidates, place and ties agree; others are a kind each."""
    begins = np.flatnonzero(np.append(True, lists.users[1:] != lists.users[:-1]))
    counts = np.diff(np.append(begins, len(lists)))
    single = counts == 1
    alone = begins[single]
    keys = np.zeros(len(alone), np.int64)
    for values in (lists.candidates, lists.above, lists.tied):  # one after the other, so that no product overflows
        codes = np.unique(values[alone], return_inverse=True)[1]
        keys = np.unique(keys * (codes.max(initial=0) + 1) + codes, return_inverse=True)[1]
    _, examples, kinds = np.unique(keys, return_index=True, return_inverse=True)
    of_user = np.empty(len(begins), np.int64)
    of_user[single] = kinds
    of_user[~single] = len(examples) + np.arange(int((~single).sum()))
    several = np.flatnonzero(np.repeat(~single, counts))
    chosen = lists.take(np.concatenate([alone[examples], several]))
    of_list = np.concatenate([np.arange(len(examples)), np.repeat(of_user[~single], counts[~single])])
    per_list = 1 / np.concatenate([np.ones(len(examples)), np.repeat(counts[~single], counts[~single])])
    reduced = Lists(of_list.astype(np.int32), chosen.candidates, chosen.above, chosen.tied)
    return Kinds(lists.users[begins], of_user, reduced, per_list)


@dataclass(frozen=True)
class Figure:
    """A metric: its value, and between what it is with 95 per cent confidence, where that was asked for."""

    value: float
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True, kw_only=True)
class Evaluation:
    """The metrics of scored candidates; ``as_dict`` is what ``--json`` writes.

    Attributes
    ----------
    users, lists, rows : int
        Users with a list, lists (one for each held-out item) and rows read.
    candidates_min, candidates_max : int
        The fewest and the most negatives of a list.
    tied_lists : int
        Lists whose positive has the score of a negative.
    without_negatives : int
        Held-out items that no negative stands beside; they are left out.
    metrics : dict of str to Figure
        ``hr@K``, ``ndcg@K``, ``mrr``, ``auc`` and ``place`` among the candidates: means over users, of each the mean
        over its lists.
    estimates : dict of str to dict of str to Figure
        ``rescale``, ``bias-variance`` and ``em``: the metrics of a full ranking, but ``auc`` and ``place``.
    no_estimates : str or None
        Why there are none.
    competitors : int or None
        Items that a held-out item is taken to be ranked with in a full ranking.
    distinct : bool
        Whether candidates are taken to be drawn without replacement.
    gamma : float
    resamples, seed : int
    warnings : list of str
    """

    users: int
    lists: int
    rows: int
    candidates_min: int
    candidates_max: int
    tied_lists: int
    without_negatives: int
    metrics: dict[str, Figure]
    estimates: dict[str, dict[str, Figure]]
    no_estimates: str | None
    competitors: int | None
    distinct: bool
    gamma: float
    resamples: int
    seed: int
    warnings: list[str] = field(default_factory=list)

    def as_dict(self) -> dict[str, Any]:
        """Everything, ready for JSON."""
        return {"command": "evaluate", **asdict(self), "version": __version__}

    def __str__(self) -> str:
        """The table that the command prints: a row for each metric, and a column for each estimate."""
        return _table(self)


def _table(found: Evaluation) -> str:
    lines = [f"{found.users:,} users, {found.lists:,} lists of {_span(found)} candidates and the held-out item"]
    if found.tied_lists:
        lines.append(f"{found.tied_lists:,} lists with ties, which count by expectation")
    if found.without_negatives:
        lines.append(f"{found.without_negatives:,} held-out items without any negative, left out")
    head = ["", "among candidates", *found.estimates]
    rows = [head]
    for name, figure in found.metrics.items():
        others = [_cell(estimates[name]) if name in estimates else "" for estimates in found.estimates.values()]
        rows.append([_title(name), _cell(figure), *others])
    widths = [max(len(row[column]) for row in rows) for column in range(len(head))]
    lines.append("")
    lines += ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
    lines.append("")
    if found.resamples:
        lines.append(f"in brackets: 95 % intervals, {found.resamples:,} bootstrap resamples of the users")
    if found.no_estimates is None:
        law = "without replacement" if found.distinct else "with replacement"
        lines.append(f"{', '.join(found.estimates)}: estimates of the metrics over all items, where a held-out item")
        lines.append(f"competes with {found.competitors:,}, from uniform candidates drawn {law}; gamma {found.gamma:g}")
    else:
        lines.append(f"no estimate of the metrics over all items: {found.no_estimates}")
    return "\n".join([*lines, *(f"warning: {warning}" for warning in found.warnings)])


def _title(name: str) -> str:
    return {"mrr": "MRR", "auc": "AUC", "place": "mean place"}.get(name, name.upper())


def _span(found: Evaluation) -> str:
    few, many = found.candidates_min, found.candidates_max
    return f"{many:,}" if few == many else f"{few:,} to {many:,}"


def _cell(figure: Figure) -> str:
    decimals = 4 if figure.value < 10 else 2
    if figure.low is None or figure.high is None:
        return f"{figure.value:.{decimals}f}"
    return f"{figure.value:.{decimals}f} [{figure.low:.{decimals}f}, {figure.high:.{decimals}f}]"


EM_RESAMPLES = 20, 100
"""Of the resamples, so many give the standard deviation of the EM estimate: each takes a whole run of it. The fewest
are taken where a run is long."""

_EM_WORK = 1 << 23

_NORMAL = 1.959963984540054
"""95 per cent of a normal distribution are within so many standard deviations."""


def evaluate_lists(
    lists: Lists, options: EvaluateOptions, facts: dict[str, Any] | None, *, rows: int, place: str
) -> tuple[Evaluation, Kinds, Floats]:
    """The evaluation; the kinds of its users, and the metrics of each kind, shape (n_kinds, n_metrics).

    ``facts`` are the metadata of the test file, ``place`` its name for messages, ``rows`` how many were read.

    Raises
    ------
    BadDataError
        No list has a negative.
    UsageError
        See `find_sampling`.
    """
    n_lists = len(lists)
    lists = lists.take(lists.candidates > 0)
    if not len(lists):
        raise BadDataError("no row has the label 0", place=place, remedy="each held-out item needs negatives")
    kinds = find_kinds(lists)
    gamma = GAMMA if options.gamma is None else options.gamma
    by_kind = kinds.means(list_metrics(kinds.lists, options.at))
    sampling, why = find_sampling(facts, options, lists.candidates)
    columns, distribution = [by_kind], None
    if sampling is not None:
        linear = kinds.means(linear_estimates(kinds.lists, sampling, options.at, gamma))
        columns.append(linear.reshape(len(kinds), -1))
        distribution = _Distribution(kinds, sampling, options.at)
    figures = _figures(np.hstack(columns), kinds, options, distribution)
    names, tops = metric_names(options.at), top_names(options.at)
    estimates = {}
    if sampling is not None:
        for number, estimator in enumerate((*LINEAR, "em")):
            first = len(names) + number * len(tops)
            estimates[estimator] = dict(zip(tops, figures[first : first + len(tops)], strict=True))
    found = Evaluation(
        users=len(kinds.users),
        lists=len(lists),
        rows=rows,
        candidates_min=int(lists.candidates.min()),
        candidates_max=int(lists.candidates.max()),
        tied_lists=int(np.count_nonzero(lists.tied)),
        without_negatives=n_lists - len(lists),
        metrics=dict(zip(names, figures[: len(names)], strict=True)),
        estimates=estimates,
        no_estimates=why or None,
        competitors=None if sampling is None else sampling.competitors,
        distinct=is_distinct(facts, options),
        gamma=gamma,
        resamples=options.resamples,
        seed=options.seed,
        warnings=_warnings(facts),
    )
    return found, kinds, by_kind


@dataclass(frozen=True, eq=False)
class _Sample:
    """Users drawn for the EM estimate: what their full lists add, and the weight and the places of the others."""

    exact: Floats
    mass: float
    cells: Floats | None


class _Distribution:
    """The EM estimate of the lists that are samples; what the full ones add is exact."""

    def __init__(self, kinds: Kinds, sampling: Sampling, at: tuple[int, ...]) -> None:
        full = sampling.is_full(kinds.lists.candidates)
        self._kind_of, self._per_list = kinds.lists.users, kinds.per_list
        self._sampled = np.flatnonzero(~full)
        self._exact = np.where(full[:, None], list_metrics(kinds.lists, at)[:, :-2], 0)
        self._ranks = RankDistribution(kinds.lists.take(self._sampled), sampling, at)
        fewest, most = EM_RESAMPLES
        self.resamples = max(fewest, min(most, _EM_WORK // self._ranks.size))

    def sample(self, shares: Floats) -> _Sample:
        """What a fit needs of users drawn in some shares: shape (n_kinds,)."""
        weights = shares[self._kind_of] * self._per_list
        sampled = weights[self._sampled]
        mass = float(sampled.sum())
        return _Sample(weights @ self._exact, mass, self._ranks.cells(sampled) if mass else None)

    def metrics(self, samples: list[_Sample], start: float = START) -> Floats:
        """The metrics of samples of users: shape (n_samples, n_metrics)."""
        values = np.array([each.exact for each in samples])
        fitting = [number for number, each in enumerate(samples) if each.cells is not None]
        if fitting:
            cells = np.array([samples[number].cells for number in fitting])
            mass = np.array([samples[number].mass for number in fitting])
            values[fitting] += mass[:, None] * self._ranks.metrics(cells, start)
        return values


def _figures(
    by_kind: Floats, kinds: Kinds, options: EvaluateOptions, distribution: _Distribution | None
) -> list[Figure]:
    """The mean over users of every column of ``by_kind``, then the EM estimates, with their intervals."""
    shares = np.bincount(kinds.of_user, minlength=len(kinds)) / len(kinds.users)
    values = shares @ by_kind
    if not options.resamples:
        fitted = [] if distribution is None else distribution.metrics([distribution.sample(shares)])[0]
        return [Figure(float(value)) for value in (*values, *fitted)]
    means = []
    samples = [] if distribution is None else [distribution.sample(shares)]
    for number, drawn in enumerate(resamples(kinds.of_user, len(kinds), options.resamples, options.seed)):
        means.append(drawn @ by_kind)
        if distribution is not None and number < distribution.resamples:
            samples.append(distribution.sample(drawn))
    low, high = interval(np.array(means))
    figures = [Figure(*map(float, row)) for row in zip(values, low, high, strict=True)]
    if distribution is not None:
        spread, *others = distribution.metrics(samples)
        deviations = _NORMAL * np.std(others, axis=0, ddof=min(1, len(others) - 1))
        known = [spread, *(distribution.metrics(samples[:1], start)[0] for start in OTHER_STARTS)]
        low, high = np.maximum(np.min(known, axis=0) - deviations, 0), np.minimum(np.max(known, axis=0) + deviations, 1)
        figures += [Figure(*map(float, row)) for row in zip(spread, low, high, strict=True)]
    return figures


def _warnings(facts: dict[str, Any] | None) -> list[str]:
    if facts is not None and facts.get("command") == "train":
        return ["this is a training file: its metrics show how well a model remembers what it learnt from"]
    return []


_WRITTEN_AT_ONCE = 1 << 18
_OF_SCORES = ("columns", "delimiter", "quote", "escape")


def evaluate(
    scores: LogSource,
    test: LogSource | None = None,
    *,
    made_by: str | os.PathLike[str] | None = None,
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
    """Compute ranking metrics from a model's scores, and estimates of them over all items.

    Parameters
    ----------
    scores : str, path, pyarrow.Table or pandas.DataFrame
        The rows of a test file with a column ``score``, or with ``test`` rows of user, item and score; more is better.
    test : str, path, pyarrow.Table or pandas.DataFrame, optional
        What ``negprep.test`` made, in any layout and format; NCF's ``.negative``; or rows of user, item and label (1:
        held out, 0: negative). If it holds codes (``encode``), scores may name ids or codes.
    made_by : str or path, optional
        The summary of the run that wrote the test file, for formats without metadata.
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
        A candidate without a score, a score that is not a finite number, lists that cannot be separated, and so on; in
        one line.

    Notes
    -----
    The result does not depend on the order of the rows, but where a user has several lists and no group names them:
    then those of the user must be in the order of the test file. docs/guide/metrics.md has the formulas.

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
    beside = {
        name: None if path is None else os.fspath(path) for name, path in [("made_by", made_by), ("by_user", by_user)]
    }
    return run_evaluation(scores, test, options, **beside, strict=strict)


def run_evaluation(
    scores: LogSource,
    test: LogSource | None,
    options: EvaluateOptions,
    *,
    made_by: str | None = None,
    by_user: str | None,
    strict: bool,
) -> Evaluation:
    """Evaluate; for the function and the command."""
    if by_user == "-":
        raise UsageError("--by-user '-': standard output is for the table", remedy="name a file")
    if by_user is not None:  # before a pipe is read, which may take long
        check_output(by_user, [Path(given) for given in (scores, test) if isinstance(given, str | os.PathLike)])
    with ExitStack() as stack:
        candidates, scored, facts = _opened(scores, test, options, made_by, stack)
        opened = [candidates, *([] if scored is None else [scored])]
        if by_user is not None:
            check_output(by_user, [path for each in opened for path in each.paths])
        distinct, per_user = is_distinct(facts, options), (facts or {}).get("per") == "user"
        if isinstance(candidates, PreparedRows):
            per_user |= candidates.per_user
        rows = ScoredRows(candidates, scored)
        try:
            lists = read_lists(rows, candidates.place, distinct=distinct, per_user=per_user)
        except BadDataError as error:
            ids = candidates.vocabularies if scored is not None and isinstance(candidates, PreparedRows) else None
            if scored is None or ids is None:
                raise
            try:  # a model that was trained on codes scores codes
                of_codes = ScoredRows(candidates, CodedScores(scored, ids))
                lists = read_lists(of_codes, candidates.place, distinct=distinct, per_user=per_user)
            except BadDataError:
                raise error from None
        if made_by is not None and facts is not None:
            _refuse_other_run(facts, candidates, made_by)
        n_rows = candidates.rows_read
        found, kinds, by_kind = evaluate_lists(lists, options, facts, rows=n_rows, place=candidates.place)
        found = replace(found, warnings=[*(text for each in opened for text in each.warnings), *found.warnings])
        if strict:
            refuse_warnings(found.warnings)
        if by_user is not None:
            _write_by_user(by_user, rows.users, kinds, by_kind, options)
    return found


Candidates = LogReader | PreparedRows


def _opened(
    scores: LogSource, test: LogSource | None, options: EvaluateOptions, made_by: str | None, stack: ExitStack
) -> tuple[Candidates, LogReader | None, dict[str, Any] | None]:
    """The candidates; their scores, where another file has them; and the metadata of the candidates."""
    named, source = options.named, scores if test is None else test
    read = ReadOptions(**{name: getattr(options, name) for name in _OF_SCORES})
    summary = _summary(source, made_by)
    prepared = None
    if named.label_col is None and named.group_col is None and isinstance(source, str | os.PathLike):
        # Scores may lack a header, and whatever else is wrong with them shows when they are read.
        other = BadDataError if test is not None else NegprepError
        prepared = _prepared(os.fspath(source), summary, read, stack, other)
    if test is None:
        if prepared is not None and prepared.layout != "pointwise":
            remedy = "give a file of user, item and score, and this one with --test"
            raise BadDataError("has candidates, but no score for each", place=prepared.name, remedy=remedy)
        required = ("user", "item", "label", "score")
        reader = stack.enter_context(
            open_log(scores, read, required=required, recognise=named.find, may_lack=(), unnamed=Unnamed(required))
        )
        _refuse_unsure_group(reader)
        return reader, None, _facts(reader, summary)
    of_scores = ScoredColumns(user_col=named.user_col, item_col=named.item_col, score_col=named.score_col)
    candidates = _rows_with_labels(test, read, named, stack) if prepared is None else PreparedRows(prepared)
    wanted = ("user", "item", "score")
    scored = stack.enter_context(
        open_log(scores, read, required=wanted, recognise=of_scores.find, may_lack=(), unnamed=Unnamed(wanted))
    )
    if isinstance(candidates, PreparedRows):
        return candidates, scored, None if prepared is None else prepared.facts
    _refuse_unsure_group(candidates)
    return candidates, scored, _facts(candidates, summary)


def _rows_with_labels(test: LogSource, read: ReadOptions, named: ScoredColumns, stack: ExitStack) -> LogReader:
    """A test file with a row for each candidate, whose columns may have any names."""

    def recognise(names: tuple[str, ...], given: ReadOptions, place: str) -> Roles:
        user_col, item_col = (name if name in names else None for name in (named.user_col, named.item_col))
        return replace(named, user_col=user_col, item_col=item_col, score_col=None).find(names, given, place)

    required = ("user", "item", "label")
    return stack.enter_context(
        open_log(
            test,
            read.of_text_beside(),
            required=required,
            recognise=recognise,
            may_lack=(),
            beside=True,
            unnamed=Unnamed(required, by_option=False),
        )
    )


def _prepared(
    name: str, summary: Told | None, read: ReadOptions, stack: ExitStack, other: type[NegprepError]
) -> Prepared | None:
    """A prepared file with candidates that a reader of logs does not understand; None for any other file.

    Of a folder for another program, the file that has them. An error of the class ``other`` means another file, whose
    columns may have other names.
    """
    if name == "-":
        return None
    try:
        opened = [stack.enter_context(open_prepared(each, summary, read)) for each in members(name)]
    except other:
        return None
    lists = [each for each in opened if each.layout != "positives"]
    if len(lists) != 1:
        what = "holds positives alone" if not lists else f"{len(lists)} files of the folder have candidates"
        raise BadDataError(what, place=name, remedy="name the file of the candidates, such as x.test.negative")
    (found,) = lists
    if found.layout != "pointwise" or len(opened) > 1:
        return found
    try:
        return None if PreparedRows(found).vocabularies is None else found
    except BadDataError:  # they were left behind: then scores can name codes alone
        return None


def _summary(source: LogSource, made_by: str | None) -> Told | None:
    if made_by is None:
        return None
    if made_by in ("", "-"):
        raise UsageError(f"--made-by is {made_by!r}", remedy="give the file that --summary has written")
    name = os.fspath(source) if isinstance(source, str | os.PathLike) else ""
    return allotted([name], [made_by])[name]


def _facts(log: LogReader, summary: Told | None) -> dict[str, Any] | None:
    """The metadata of a test file, if all its parts have the same; else those of its summary."""
    own = metadata_of_parts(log.footers(), log.place)
    if own is None and log.paths:
        own = metadata_of_folder(log.paths[0])
    return metadata_of(log.place, own, summary)


def _refuse_other_run(facts: dict[str, Any], candidates: Candidates, made_by: str) -> None:
    written, found = facts["counts"].get("rows"), candidates.rows_read
    if written != found:
        what = f"has {found:,} rows, and the run of {made_by} wrote {written}"
        raise BadDataError(what, place=candidates.place, remedy="give the summary of the run that wrote this file")


def _refuse_unsure_group(candidates: LogReader) -> None:
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
