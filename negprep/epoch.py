"""The rows of any epoch of a log, as batches of numpy arrays that threads draw ahead: what `Sampler.epoch` gives."""

from __future__ import annotations

import threading
from bisect import bisect_right
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Protocol, TypeAlias

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from negprep.arrays import Positions
from negprep.assemble.layout import ArrayLayout, Groups, RowLayout, join_groups
from negprep.assemble.section import Section, make_section
from negprep.encode.pairs import no_pairs
from negprep.errors import UsageError
from negprep.options.options import LogSource, Options
from negprep.options.specs import whole
from negprep.pipeline import ReadLog, Run, silent
from negprep.questions import Questions
from negprep.read.log import open_log
from negprep.sample.rng import Bootstrap, Permutation, purpose_key
from negprep.stored import Origin
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


class Drawing(Protocol):
    """What an epoch asks of its sampler, which may change while it is gone through.

    ``generation``: How many models it was given; ``pace``: How many batches the model before lasted for.
    """

    prepared: Prepared
    arrays: ArrayLayout
    generation: int
    pace: int

    @property
    def digest(self) -> str:
        """A hash of all that decides the rows."""

    def checked_state(self, state: Any) -> dict[str, Any]:  # noqa: ANN401
        """A state, if it is one of this log and these options."""

    def drawn_by_model(self, section: Section) -> Section:
        """A section whose draws are those of the model that was given last."""


class Epoch:
    """The rows of one epoch in batches, which `Sampler.epoch` gives.

    A batch is a dict of numpy arrays, whose keys are the columns of the files of ``train``. Users, items and labels are
    arrays of shape (n,); lists are padded to arrays of shape (n, width): see docs/reference/python.md.
    """

    def __init__(self, sampler: Drawing, asked: Mapping[str, Any]) -> None:
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
        if not hasattr(index, "__index__"):
            raise TypeError(f"an epoch has its batches by whole numbers, from 0 to {len(self) - 1}, not {index!r}")
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

    def __init__(self, sampler: Drawing, epoch: int, *, shuffle: bool) -> None:
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
