"""Fresh negatives while a model is trained: `Sampler`, a log in memory, on disk, or in the rows of a folder."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Collection, Mapping, Sequence
from contextlib import closing
from dataclasses import replace
from functools import partial
from typing import Any, Literal, Unpack

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from negprep.api import completed, options_of_rows, path_name, refuse_unknown, warn_of
from negprep.arrow import as_numpy, text_buffers
from negprep.assemble.layout import POSITIVE, ArrayLayout
from negprep.assemble.plan import make_scores
from negprep.assemble.section import Section
from negprep.encode.vocabulary import Vocabulary
from negprep.epoch import Epoch, Prepared
from negprep.errors import BadDataError, UsageError, refuse_warnings
from negprep.keywords import TrainKeywords
from negprep.metrics.evaluate import Evaluation
from negprep.model_file import OWN, Model
from negprep.options.options import LogSource
from negprep.options.specs import SESSION, check_bool, whole
from negprep.questions import Candidates, ScoreFunction
from negprep.sample.scores import Scores
from negprep.stored import Keeper, StoredLog, open_stored, write_stored

_MOST = 2**31 - 1

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
            The folder is cut short, is not one, or is of another version of negprep; or an option decides what was read
            of the log, and is not what it was. In one line, with the remedy.

        Notes
        -----
        The arrays are mapped and not read, so that changed bytes within them go unnoticed: ``negprep verify`` finds
        them in a folder of ``prepare``, and ``python -m zipfile -t FOLDER/sampler.npz`` anywhere.
        """
        refuse_unknown("train", keywords, called="Sampler.open")
        return cls._of(open_stored(path_name("folder", folder)), keywords)

    @classmethod
    def _of(cls, stored: StoredLog, keywords: TrainKeywords) -> Sampler:
        """The sampler of what was opened."""
        given = completed("train", keywords)
        _refuse_outputs({*keywords, *given.pop("suggested")})
        given.pop("data_set")
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
        target, made = f"{path_name('folder', folder).rstrip('/')}/", self.prepared
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
    stored = open_stored(folder)
    _refuse_another(stored, mark)
    return Sampler._of(stored, keywords)


def _refuse_another(stored: StoredLog, mark: int) -> None:
    if stored.mark != mark:
        raise BadDataError("was replaced after it was opened", place=stored.place, remedy="open it again")


_STATE = {"digest", "epoch", "batch_size", "shuffle", "world_size", "rank", "drop_last", "batch"}


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
