"""Fresh negatives while a model is trained: a log in memory, and the rows of any epoch as batches of numpy arrays."""

from __future__ import annotations

import hashlib
import json
import os
import threading
from bisect import bisect_right
from collections.abc import Callable, Collection, Generator, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Literal, TypeAlias, Unpack

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from negprep.api import completed, options_of_rows, refuse_unknown, warn_of
from negprep.arrays import Positions
from negprep.arrow import as_numpy, text_buffers
from negprep.assemble.layout import POSITIVE, ArrayLayout, Groups, RowLayout, join_groups
from negprep.assemble.plan import make_scores
from negprep.assemble.section import Section, make_section
from negprep.encode.pairs import no_pairs
from negprep.encode.vocabulary import Vocabulary
from negprep.errors import BadDataError, UsageError, refuse_warnings
from negprep.keywords import TrainKeywords
from negprep.metrics.evaluate import Evaluation
from negprep.model_file import OWN, Model
from negprep.options.options import LogSource, Options
from negprep.options.specs import SESSION, check_bool, whole
from negprep.pipeline import ReadLog, Run, silent
from negprep.questions import Candidates, Questions, ScoreFunction
from negprep.read.log import open_log
from negprep.sample.rng import Bootstrap, Permutation, purpose_key
from negprep.sample.scores import Scores
from negprep.stored import Keeper, Origin, StoredLog, open_stored, write_stored
from negprep.summary import Tally, facts_of, warnings_of
from negprep.threads import on_threads

Batch: TypeAlias = dict[str, npt.NDArray[Any]]
"""Columns by name, with as many rows each."""

_MOST = 2**31 - 1

_FIRST_BATCHES, _GROWTH = 16, 4
"""Batches of the first window, and how many times as many the next one has: the first batch must not wait long."""

_MOST_GROUPS, _MOST_CELLS = 1 << 20, 1 << 22
"""Of a window: groups; and negatives, or items of histories."""

_BLOCK_GROUPS = 1 << 12
"""Groups of different sizes whose rows are summed up at a time."""

_OUTPUTS = {
    "epoch": "give the number to epoch(), as in sampler.epoch(3)",
    "epochs": "call epoch() for each, as in sampler.epoch(3)",
    "shuffle": "give it to epoch(), as in sampler.epoch(3, shuffle=True)",
    "to": "rows in memory have no format: leave it out",
    "force": "nothing is written: leave it out",
    "memory": "a sampler holds the log in memory: leave it out, or write files with negprep.train",
    "spill_dir": "a sampler holds the log in memory: leave it out, or write files with negprep.train",
}
"""Options of ``train`` that a sampler does not take, with the remedy for each."""


@dataclass(frozen=True, eq=False)
class Prepared:
    """What a sampler draws from.

    ``options``: Those of `train`; ``facts``: what its files would have as metadata.
    ``users``, ``items``: The ids, by code as written.
    ``section``: All users, in epoch 0.
    ``form``: With the ids that come out; that of ``section`` may be of codes.
    ``questions``: The holdouts.
    ``origin``, ``tally``: What else is known of the log, and what was counted in it.
    """

    options: Options
    facts: Mapping[str, Any]
    users: pa.Array
    items: pa.Array
    section: Section
    form: RowLayout
    questions: Questions
    origin: Origin
    tally: Tally

    @classmethod
    def of(cls, log: LogSource, options: Options) -> tuple[Prepared, list[str]]:
        """Read a log; the warnings of what was read, too."""
        with open_log(log, options.read) as reader:
            read = ReadLog(reader, options, None, silent, again=True, whole=True)
            with closing(read):
                return cls.of_runs(partial(Run, reader, read=read), options, {})

    @classmethod
    def of_runs(
        cls, run_of: Callable[[Options], Run], options: Options, counts: Mapping[str, Any]
    ) -> tuple[Prepared, list[str]]:
        """Of a log that was read, in one section, for runs with any options; ``counts`` are known of it before."""
        run, sections = run_of(options), list[Section]()
        run.watch = sections.append
        run.count()
        for name, count in counts.items():
            setattr(run.tally, name, count)
        origin, (items, positions) = Origin.of(run), run.core.items.vocabulary
        codes = run.core.users.written, items, sections[0], run.form
        questions = Questions(run_of, origin.options, positions)
        return cls(origin.options, facts_of(run), *codes, questions, origin, run.tally), warnings_of(run)

    def of_epoch(self, epoch: int) -> Section:
        """The section of an epoch."""
        options, section = self.options, self.section
        if not options.epochs_differ:
            return replace(section, epoch=epoch)
        plan, bootstrap = section.sampling.plan, None
        if options.bootstrap is not None:
            bootstrap = Bootstrap(options.seed, epoch, options.bootstrap, plan.n_train)
        options, values = replace(options, epoch=epoch), self.origin.core.values
        excluded = no_pairs(section.heads.n_users) if section.excluded is None else section.excluded
        made = make_section(
            section.interactions, excluded, options, self.origin.rule, plan, bootstrap=bootstrap, values=values
        )
        return replace(made, sampling=section.sampling)  # what was made for it is not made again


class Sampler:
    """A log that draws negatives while a model is trained: the rows of each epoch in batches of numpy arrays.

    Parameters
    ----------
    log : str, path, list of them, table, frame or stream
        As for ``train``. It is read once, and then held in memory as codes.
    **keywords
        The options of ``negprep train``, with ``_`` for ``-``: docs/reference/cli.md explains each. ``encode`` is True
        by default, so that users and items are codes from 0; with False they are the ids of the log. ``jobs`` is how
        many threads draw ahead. ``epoch``, ``epochs``, ``shuffle``, ``to``, ``force``, ``memory`` and ``spill_dir`` are
        refused: they belong to ``epoch()``, or to files.

    Attributes
    ----------
    n_users, n_items : int
        How many codes there are: rows of the embeddings.
    users, items : pyarrow.Array
        The id of each code.
    sources : tuple of str
        What the codes in the column ``source`` stand for; empty without that column.
    facts : dict
        What the metadata of a file of ``train`` with these options holds: options and counts.

    Raises
    ------
    NegprepError
        Bad data, or options that contradict each other or that a sampler does not take; in one line, with the remedy.

    Warns
    -----
    NegprepWarning
        As ``train`` does; with ``strict=True`` it is raised as a ``BadDataError``.

    Examples
    --------
    >>> import negprep, pyarrow as pa
    >>> log = pa.table({"user": [1, 1, 2], "item": [10, 11, 12], "time": [1, 2, 3]})
    >>> sampler = negprep.Sampler(log, num_neg=1, holdout="none")
    >>> for batch in sampler.epoch(0, batch_size=4, shuffle=False):
    ...     print(batch["user"], batch["item"], batch["label"])
    [0 0 0 0] [0 2 1 2] [1 0 1 0]
    [1 1] [2 0] [1 0]
    """

    def __init__(self, log: LogSource, **keywords: Unpack[TrainKeywords]) -> None:
        options, _ = options_of_rows("train", keywords, model_later=True, called="Sampler")
        chosen = {*keywords, *options.given}
        _refuse_outputs(chosen)
        if "encode" not in chosen:
            options = replace(options, encode=True)
        self._opened: tuple[str, dict[str, Any], int] | None = None
        self._begin(*Prepared.of(log, options))

    @classmethod
    def open(cls, folder: str | os.PathLike[str], **keywords: Unpack[TrainKeywords]) -> Sampler:
        """Open what `save` or ``negprep prepare`` wrote, mapped into memory; or the rows of ``train --encode OUT/``.

        Parameters
        ----------
        folder : str or path
            On this machine. Nothing is written there.
        **keywords
            Options of ``negprep train`` that decide what is drawn and how rows look: ``num_neg``, ``sampler``,
            ``seed``, ``layout`` and so on. The others are those with which the folder was made. With a ``sampler``,
            all options of samplers are anew. ``weights`` and ``model``, whose files are not kept, are given again where
            the folder was made with one. ``encode`` is True by default.

        Returns
        -------
        Sampler
            The same as of the log with these options. A copy in another process opens the folder again.

        Raises
        ------
        NegprepError
            The folder is damaged, is not one, or is of another version of negprep; or an option decides what was read
            of the log, and is not what it was. In one line, with the remedy.
        """
        refuse_unknown("train", keywords, called="Sampler.open")
        given = completed("train", keywords)
        suggested = given.pop("suggested")
        _refuse_outputs({*keywords, *suggested})
        given.pop("data_set")
        stored = open_stored(os.fspath(folder))
        options = stored.options({"encode": True} | given)
        sampler = cls.__new__(cls)
        sampler._opened = stored.folder, dict(keywords), stored.mark
        sampler._begin(*Prepared.of_runs(stored.run_of, options, stored.counts))
        return sampler

    def save(self, folder: str | os.PathLike[str], *, force: bool = False) -> None:
        """Write what `open` needs into a folder, whole or not at all: about 4 bytes for each train positive.

        Parameters
        ----------
        folder : str or path
            It must be new or empty.
        force : bool
            Replace what an earlier run has written there.

        Raises
        ------
        NegprepError
            The folder holds something else, or the machine refuses.
        """
        target, made = f"{os.fspath(folder).rstrip('/')}/", self.prepared
        if self._opened is not None:
            stored = open_stored(self._opened[0])
            _refuse_another(stored, self._opened[2])
            write_stored(target, partial(stored.copy, origin=made.origin), force=force)
            return
        with closing(Keeper(made.origin)) as keeper:
            keeper.add(made.section)
            write_stored(target, partial(keeper.write, tally=made.tally), force=force)

    def __reduce_ex__(self, protocol: Any) -> Any:  # noqa: ANN401
        """What goes to another process: of a sampler that was opened, its folder, and what has changed since."""
        if self._opened is None:
            return super().__reduce_ex__(protocol)
        return _reopened, self._opened, {name: getattr(self, name) for name in _CHANGING}

    def _begin(self, prepared: Prepared, warnings: Sequence[str]) -> None:
        """Set up what does not depend on where the log came from."""
        if prepared.options.strict:
            refuse_warnings(warnings)
        warn_of(warnings)
        self.prepared = prepared
        self.users, self.items = prepared.users, prepared.items
        self.facts = dict(prepared.facts)
        names = prepared.form.sources
        self.sources: tuple[str, ...] = () if names is None else (*names, POSITIVE)
        self.generation, self.pace = 0, 0
        self.arrays = _array_layout(prepared)
        self._digest: str | None = None
        self._resumed: dict[str, Any] | None = None
        self._latest: Epoch | None = None
        self._scores: Scores | None = None

    @property
    def n_users(self) -> int:
        """How many users there are, with and without rows."""
        return len(self.users)

    @property
    def n_items(self) -> int:
        """How many items there are, in the catalog or the log."""
        return len(self.items)

    def __getstate__(self) -> dict[str, Any]:
        """What goes to another process, such as a worker that is spawned: not the epoch that this one is in."""
        return {**self.__dict__, "_latest": None}

    def __repr__(self) -> str:
        what = f"{self.n_users:,} users, {self.n_items:,} items, {self.facts['sampler']}"
        return f"<negprep.Sampler: {what}, num_neg {self.prepared.options.num_neg}>"

    def epoch(
        self,
        number: int,
        batch_size: int = 8192,
        *,
        shuffle: bool = True,
        rank: int = 0,
        world_size: int = 1,
        drop_last: bool = False,
    ) -> Epoch:
        """The rows of one epoch: those of ``negprep train --epoch number``, whatever the other arguments are.

        Parameters
        ----------
        number : int
            0 to 2**31 - 1. Each has draws of its own.
        batch_size : int
            Rows of a batch; in the layout listwise, lists.
        shuffle : bool
            Whether groups, a positive and its negatives, come in a random order, which seed and epoch decide; else in
            the order of the file. The rows of a group stay side by side.
        rank, world_size : int
            Of several processes, which one this is: it gets every ``world_size``-th batch from batch ``rank`` on. All
            of them together get what one alone would.
        drop_last : bool
            Leave out the last batch if it is not full, and then those that not all ranks would have.

        Returns
        -------
        Epoch
            To be gone through with ``for``, as often as wanted; ``len()`` and an index work as well.
        """
        asked = {
            "epoch": whole("epoch", number, 0, _MOST),
            "batch_size": whole("batch_size", batch_size, 1, _MOST),
            "shuffle": shuffle,
            "world_size": whole("world_size", world_size, 1, _MOST),
            "rank": whole("rank", rank, 0, _MOST),
            "drop_last": drop_last,
        }
        check_bool("shuffle", shuffle)
        check_bool("drop_last", drop_last)
        if rank >= world_size:
            raise UsageError(f"rank is {rank} of a world_size of {world_size}", remedy="ranks count from 0")
        epoch = Epoch(self, asked)
        if self._resumed is not None and self._resumed["epoch"] == number:
            state, self._resumed = self._resumed, None
            epoch.load_state_dict(state)
        self._latest = epoch
        return epoch

    def update_model(
        self, user_factors: npt.ArrayLike, item_factors: npt.ArrayLike, item_bias: npt.ArrayLike | None = None
    ) -> None:
        """Draw hard negatives by a model as it is now: between epochs, or between the batches of one.

        The next batch is drawn by it, as ``negprep train --epoch`` draws with a model file that has these numbers.

        Parameters
        ----------
        user_factors : float32, shape (n_users, d)
            In the order of ``users``.
        item_factors : float32, shape (n_items, d)
            In the order of ``items``; rows of items that are not in the catalog play no part.
        item_bias : float32, shape (n_items,), optional
            score(u, j) = user_factors[u] . item_factors[j] + item_bias[j]. All three are copied, so that training may
            go on in place; other numbers than float32 are converted.

        Raises
        ------
        NegprepError
            The sampler is not ``hard``; or a shape that does not fit, NaN, or an infinite number. The model before
            stays.

        Notes
        -----
        Nothing is sorted: the time grows with the size of the arrays alone. ``state_dict`` holds no model: give it
        again before going on. Worker processes have a copy of the sampler, as it was when they started.
        """
        options, place = self.prepared.options, "update_model"
        if options.sampler_rule.scored != "hard":
            what = f"the sampler is {self.facts['sampler']}, which draws by no model"
            raise UsageError(what, place=place, remedy="make it with sampler='hard'")
        given: dict[str, Any] = {"user_factors": user_factors, "item_factors": item_factors, "item_bias": item_bias}
        arrays: dict[str, Any] = {
            name: _floats(name, values) for name, values in given.items() if values is not None or name != "item_bias"
        }
        model = Model(OWN, Vocabulary(self.users), Vocabulary(self.items), **arrays)
        model.check(place)
        items = self.prepared.section.interactions.items
        columns = items.vocabulary[1][: items.n_catalog]
        self._scores = make_scores(model, np.arange(self.n_users, dtype=np.int32), columns, options)
        self.generation += 1

    def drawn_by_model(self, section: Section) -> Section:
        """A section whose draws are those of the model that was given last.

        Raises UsageError: There is none, and the sampler needs one.
        """
        if self._scores is not None:
            return section.with_scores(self._scores)
        if self.prepared.options.sampler_rule.scored == "hard" and self.prepared.options.model is None:
            what = "sampler='hard' has no model to draw by"
            raise UsageError(what, remedy="call update_model(user_factors, item_factors) first, or give model=FILE")
        return section

    def candidates(self, fold: Literal["test", "valid"] = "test", num_neg: int = 99) -> Candidates:
        """The frozen candidates of the sampler's own holdouts, as ``negprep test`` writes them: uniform and different.

        Parameters
        ----------
        fold : {"test", "valid"}
            ``valid`` needs ``with_valid=True``.
        num_neg : int
            Negatives for each holdout; a user with fewer eligible items has fewer.

        Returns
        -------
        Candidates
            Arrays of codes: ``users`` (n,), ``pos_items`` (n,), and ``neg_items`` (n, num_neg), padded by -1.

        Raises
        ------
        NegprepError
            The sampler holds nothing out, or not for this fold.
        """
        found, _ = self.prepared.questions.candidates(fold, num_neg)
        return Candidates(found.users.copy(), found.pos_items.copy(), found.neg_items.copy())

    def evaluate(
        self,
        score_function: ScoreFunction,
        *,
        fold: Literal["test", "valid"] = "test",
        candidates: int | Literal["all"] = 99,
        k: int | tuple[int, ...] = 10,
    ) -> Evaluation:
        """Metrics of a model in memory on the sampler's own holdouts: what ``negprep evaluate`` computes from files.

        Parameters
        ----------
        score_function : callable
            ``score_function(users, items)``, int32 codes of shapes (n,) and (n, 1 + candidates), gives scores of that
            shape. With ``candidates="all"``, ``score_function(users)`` gives those of all items: (n, n_items).
        fold : {"test", "valid"}
            As for ``candidates()``.
        candidates : int or "all"
            How many candidates each holdout is ranked among; "all": all items that the user was not observed with.
        k : int or tuple of int
            Where the list is cut, for HR and NDCG.

        Returns
        -------
        Evaluation
            ``metrics["ndcg@10"].value`` and so on. Ties count by expectation.

        Raises
        ------
        NegprepError
            As ``candidates()``; and scores of another shape, or not finite where they count.
        """
        at = k if isinstance(k, tuple | list) else (k,)
        return self.prepared.questions.evaluate(score_function, fold, candidates, at)

    def state_dict(self) -> dict[str, Any]:
        """Where the epoch begun last is, to go on from there: numbers and text alone.

        Raises UsageError: No epoch was begun.
        """
        if self._latest is None:
            raise UsageError("state_dict() before any epoch", remedy="call epoch() first")
        return self._latest.state_dict()

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on where ``state_dict`` was taken: ``epoch()`` with its arguments begins with the next batch.

        Raises UsageError: The state is of another log or of other options, or is none.
        """
        self._resumed = self.checked_state(state)

    def checked_state(self, state: Any) -> dict[str, Any]:  # noqa: ANN401
        """A state, if it is of this log and these options."""
        if not isinstance(state, Mapping) or set(state) != _STATE:
            raise UsageError("that is not a state of a sampler", remedy="give what state_dict() returned")
        if state["digest"] != self.digest:
            raise UsageError(
                "the state is of another log, or of other options", remedy="make the sampler as it was then"
            )
        return dict(state)

    @property
    def digest(self) -> str:
        """A hash of all that decides the rows of all epochs."""
        if self._digest is None:
            section, options = self.prepared.section, self.prepared.options
            facts = {name: value for name, value in self.facts.items() if name not in ("epoch", "counts")}
            found = hashlib.sha256(json.dumps([facts, options.encode], sort_keys=True, default=str).encode())
            heads, weak, seen = section.heads, section.interactions.weak, section.sampling.seen
            arrays: list[npt.NDArray[Any] | None] = [heads.times]
            arrays += [codes for name, codes in sorted(heads.carried.items()) if name != SESSION]
            for ids in (self.users, self.items):
                arrays += text_buffers(ids) if pa.types.is_string(ids.type) else (as_numpy(ids).astype(np.int64),)
            for pairs in (heads, weak, seen):
                arrays += (pairs.starts, pairs.items)
            weights, order = section.sampling.plan.weights, section.sampling.plan.order
            arrays.append(None if weights is None else weights.units)
            if order is not None:
                arrays += (order.items, order.bounds, order.segments, order.times)
            for array in arrays:
                found.update(b"" if array is None else np.ascontiguousarray(array).data)
            self._digest = found.hexdigest()
        return self._digest


def _refuse_outputs(chosen: Collection[str]) -> None:
    """Refuse options that belong to files, or to an epoch."""
    for name, remedy in _OUTPUTS.items():
        if name in chosen:
            raise UsageError(f"{name} is not an option of a sampler", remedy=remedy)


_CHANGING = ("generation", "pace", "_scores", "_resumed")


def _reopened(folder: str, keywords: TrainKeywords, mark: int) -> Sampler:
    """A copy of a sampler that was opened."""
    _refuse_another(open_stored(folder), mark)
    return Sampler.open(folder, **keywords)


def _refuse_another(stored: StoredLog, mark: int) -> None:
    if stored.mark != mark:
        raise BadDataError("was replaced after it was opened", place=stored.place, remedy="open it again")


_STATE = {"digest", "epoch", "batch_size", "shuffle", "world_size", "rank", "drop_last", "batch"}


class Epoch:
    """The rows of one epoch in batches, which `Sampler.epoch` gives.

    A batch is a dict of numpy arrays, whose keys are the columns of the files of ``train``. Users, items and labels are
    arrays of shape (n,); lists are padded to arrays of shape (n, width): see docs/reference/python.md.
    """

    def __init__(self, sampler: Sampler, asked: Mapping[str, Any]) -> None:
        self._sampler, self._asked = sampler, dict(asked)
        self._rank: int = asked["rank"]
        self._size: int = asked["batch_size"]
        self._ranks: int = asked["world_size"]
        self._rows = _EpochRows(sampler, asked["epoch"], shuffle=asked["shuffle"])
        n_rows = self._rows.n_rows
        self._length: int = n_rows // self._size // self._ranks
        if not asked["drop_last"]:
            self._length = len(range(self._rank, -(-n_rows // self._size), self._ranks))
        self._next, self._resumed = 0, False
        self._kept: dict[int, Batch] = {}
        self._kept_of, self._last, self._step, self._ahead = 0, 0, 0, 1
        self._lock = threading.Lock()

    def __len__(self) -> int:
        """How many batches this rank gets."""
        return self._length

    def __iter__(self) -> Iterator[Batch]:
        """The batches from the first on; the first time after a state was loaded, from where that was."""
        first = self._next if self._resumed else 0
        self._resumed = False
        self._next = first
        for batch in self.batches(first):
            self._next += 1
            yield batch

    def batches(self, first: int = 0, step: int = 1) -> Iterator[Batch]:
        """The batches ``first``, ``first + step``, ...: what one of ``step`` workers gets. Threads draw them ahead."""
        sampler, first, step = self._sampler, whole("first", first, 0, _MOST), whole("step", step, 1, _MOST)
        while first < len(self):
            generation, given = sampler.generation, 0
            with closing(self._drawn(range(first, len(self), step))) as batches:
                for batch in batches:
                    first, given = first + step, given + 1
                    yield batch
                    if sampler.generation != generation:  # then what was drawn ahead is of an earlier model
                        sampler.pace = given
                        break

    def _drawn(self, places: range) -> Generator[Batch, None, None]:
        """Some batches, drawn ahead by threads; where the model changes, only as many as it lasted for last time."""
        pace = min(self._sampler.pace or 0, self._most_batches)
        if pace:
            yield from self._made(places[:pace])
        windows, threads = self._windows(places[pace:]), self._sampler.prepared.options.jobs
        with closing(
            on_threads(self._made, windows, threads=threads, ahead=threads, name="negprep-draw", daemon=True)
        ) as drawn:
            for _, batches in drawn:
                yield from batches

    def __getitem__(self, index: int) -> Batch:
        """The batch at an index. Slower than to go through them; in even steps, several are made at a time."""
        if not -len(self) <= index < len(self):
            raise IndexError(f"no batch {index} in an epoch of {len(self)}")
        place = range(len(self))[index]
        with self._lock:
            step, self._last = place - self._last, place
            if self._kept_of != self._sampler.generation or place not in self._kept:
                self._ahead = min(self._ahead * _GROWTH, self._most_batches) if step == self._step > 0 else 1
                places = range(len(self))[place :: max(1, step)][: self._ahead]
                self._kept_of = self._sampler.generation
                self._kept = dict(zip(places, self._made(places), strict=True))
            self._step = step
            return self._kept.pop(place)

    def state_dict(self) -> dict[str, Any]:
        """Where this epoch is, to go on from there: numbers and text alone."""
        return {**self._asked, "batch": self._next, "digest": self._sampler.digest}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on where ``state_dict`` was taken: the next ``for`` begins with the next batch.

        Raises UsageError: The state is of another log, of other options, or of an epoch with other arguments.
        """
        found = self._sampler.checked_state(state)
        for name, value in self._asked.items():
            if found[name] != value:
                raise UsageError(f"the state has {name} {found[name]}, and this epoch {value}", remedy="give the same")
        self._next = whole("batch", found["batch"], 0, len(self))
        self._resumed = True

    @property
    def _most_batches(self) -> int:
        return max(1, self._rows.most_rows // self._size)

    def _windows(self, places: range) -> Iterator[range]:
        """The batches that are made at a time, in windows that grow."""
        size, begin = _FIRST_BATCHES, 0
        while begin < len(places):
            size = min(size, self._most_batches)
            yield places[begin : begin + size]
            begin, size = begin + size, size * _GROWTH

    def _made(self, places: range) -> list[Batch]:
        """Some batches; may run in any thread."""
        begins = [(self._rank + place * self._ranks) * self._size for place in places]
        return self._rows.made([(begin, min(begin + self._size, self._rows.n_rows)) for begin in begins])


class _EpochRows:
    """The rows of an epoch in their order, of which any ranges are made at a time.

    ``n_rows``: All of them.
    ``most_rows``: About as many should be made at a time.
    """

    def __init__(self, sampler: Sampler, epoch: int, *, shuffle: bool) -> None:
        section = sampler.prepared.of_epoch(epoch)
        self._arrays, self._section, n_groups = sampler.arrays, section, section.n_groups
        self._sampler, self._latest = sampler, (-1, section)
        self._order = Permutation(purpose_key(section.seed, "batches", epoch), n_groups) if shuffle else None
        self._sizes = section.group_sizes
        self.n_rows = n_groups * self._sizes if isinstance(self._sizes, int) else int(self._sizes.sum())
        cells = max(1, section.num_neg, section.history.most * section.num_neg if section.history else 0)
        cells += len(section.heads) // max(1, n_groups) if section.per_user else 0
        groups = max(1, min(_MOST_GROUPS, _MOST_CELLS // cells))
        self.most_rows = max(1, groups * self.n_rows // max(1, n_groups))
        self._ends = [0]
        self._lock = threading.Lock()

    def made(self, ranges: Sequence[tuple[int, int]]) -> list[Batch]:
        """The rows of some ranges, which ascend, as a batch each."""
        runs: list[list[tuple[int, int]]] = []
        for each in ranges:
            if runs and runs[-1][-1][1] == each[0]:
                runs[-1].append(each)
            else:
                runs.append([each])
        found = [(*self._slot_of(run[0][0]), self._slot_of(run[-1][1] - 1)[0] + 1) for run in runs]
        slots = np.concatenate([np.arange(first, last) for first, _, last in found])
        places = slots if self._order is None else self._order.at(slots)
        groups = self._groups_at(places)
        sizes = self._sizes if isinstance(self._sizes, int) else self._sizes[places]
        before = np.concatenate([[0], np.cumsum(np.broadcast_to(sizes, len(places)), dtype=np.int64)])
        columns = self._arrays.columns(groups)
        batches, slot = [], 0
        for run, (first, skip, last) in zip(runs, found, strict=True):
            shift = int(before[slot]) + skip - run[0][0]
            batches += [self._arrays.batch(columns, begin + shift, end + shift) for begin, end in run]
            slot += last - first
        return batches

    def _groups_at(self, places: Positions) -> Groups:
        """The groups at some places, in that order."""
        section = self._section_now()
        if (places[1:] >= places[:-1]).all():
            return join_groups(list(section.groups_at(places)))
        # One sort of whole numbers: one of positions by places would take several times as long.
        n_bits = len(places).bit_length()
        packed = (places << n_bits) | np.arange(len(places))
        packed.sort()
        order, places = packed & ((1 << n_bits) - 1), packed >> n_bits
        back = np.empty_like(order)
        back[order] = np.arange(len(order))
        return join_groups(list(section.groups_at(places))).take(back)

    def _section_now(self) -> Section:
        """The section, whose draws are those of the sampler's model as it is now. May run in any thread."""
        generation, section = self._latest
        if generation != self._sampler.generation:
            generation, section = self._sampler.generation, self._sampler.drawn_by_model(self._section)
            self._latest = generation, section
        return section

    def _slot_of(self, row: int) -> tuple[int, int]:
        """The group of a row, by its place in the order, and how many rows of the group come before it."""
        sizes = self._sizes
        if isinstance(sizes, int):
            return divmod(row, sizes)

        def of_block(block: int) -> Positions:
            slots = np.arange(block * _BLOCK_GROUPS, min((block + 1) * _BLOCK_GROUPS, len(sizes)))
            return sizes[slots if self._order is None else self._order.at(slots)].astype(np.int64)

        with self._lock:
            while self._ends[-1] <= row:
                self._ends.append(self._ends[-1] + int(of_block(len(self._ends) - 1).sum()))
            block = bisect_right(self._ends, row) - 1
            ends = self._ends[block] + np.cumsum(of_block(block))
        within = int(np.searchsorted(ends, row, side="right"))
        return block * _BLOCK_GROUPS + within, row - int(ends[within - 1] if within else self._ends[block])


def _array_layout(prepared: Prepared) -> ArrayLayout:
    """How the rows of a sampler become arrays: of codes, or of the ids of the log."""
    section, items = prepared.section, prepared.section.interactions.items
    tables: dict[str, npt.NDArray[Any] | None] = {}
    if prepared.options.encode:
        of_items = items.vocabulary[1] if len(items.others) else None
    else:
        tables["user"], of_items = _table(prepared.users), _table(items.written)
    tables |= dict.fromkeys(("item", "pos_item", "pos_items", "neg_item", "neg_items", "history"), of_items)
    tables |= {name: _table(ids.array) for name, ids in prepared.form.kept.items()}
    form = section.form.coded(0, len(section.interactions.users), len(items))
    return ArrayLayout(form, tables, section.num_neg, section.history.most if section.history is not None else 0)


def _floats(name: str, given: npt.ArrayLike) -> npt.NDArray[np.float32]:
    """A copy of numbers that somebody gave, as float32."""
    remedy = "give an array of numbers, of a tensor tensor.detach().cpu().numpy()"
    try:
        values = np.asarray(given)
        if values.dtype.kind not in "fiu":
            raise BadDataError(f"{name} is of the type {values.dtype}", place="update_model", remedy=remedy)
        with np.errstate(over="ignore"):  # then it is infinite, and refused as such
            return np.array(values, np.float32, order="C")
    except (TypeError, ValueError, RuntimeError) as error:
        what = f"{name} is no array: {str(error).splitlines()[0]}"
        raise BadDataError(what, place="update_model", remedy=remedy) from None


def _table(values: pa.Array) -> npt.NDArray[Any]:
    """The values of a column by code, as numpy has them."""
    return np.asarray(values.to_numpy(zero_copy_only=False))
