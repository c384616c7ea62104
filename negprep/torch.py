"""`Sampler` in PyTorch: data sets whose batches are tensors, shared by workers and ranks without changing a row."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from typing import Any, TypeAlias

import numpy as np

from negprep.epoch import Batch, Epoch
from negprep.errors import UsageError
from negprep.loader import Sampler
from negprep.options.specs import check_bool, whole

try:
    import torch
    from torch import distributed
    from torch.utils.data import Dataset, IterableDataset, get_worker_info
except ImportError as error:
    _reason = "is not installed" if isinstance(error, ModuleNotFoundError) else f"cannot be loaded ({error})"
    raise UsageError(f"negprep.torch needs PyTorch, which {_reason}", remedy="pip install 'negprep[torch]'") from error

Tensors: TypeAlias = dict[str, Any]
"""Columns by name: tensors, but for columns of text, which are arrays of numpy."""

_MOST = 2**31 - 1

_STATE = {"sampler", "next", "worker", "workers"}


class _Batches:
    """What both data sets share: the arguments of an epoch, and its number, which all workers see."""

    _asks_group = True
    """Whether the process group decides, where no rank is given."""

    def __init__(
        self,
        sampler: Sampler,
        batch_size: int = 8192,
        *,
        shuffle: bool = True,
        epoch: int = 0,
        rank: int | None = None,
        world_size: int | None = None,
        drop_last: bool = False,
    ) -> None:
        if not isinstance(sampler, Sampler):
            raise UsageError(
                f"a data set needs a Sampler, not a {type(sampler).__name__}", remedy="give negprep.Sampler(log, ...)"
            )
        if (rank is None) != (world_size is None):
            raise UsageError("rank and world_size belong together", remedy="give both, or neither")
        self.sampler, self.batch_size = sampler, whole("batch_size", batch_size, 1, _MOST)
        check_bool("shuffle", shuffle)
        check_bool("drop_last", drop_last)
        self._asked = {"shuffle": shuffle, "drop_last": drop_last}
        self._ranks: tuple[int, int] | None = None if rank is None or world_size is None else (rank, world_size)
        # Its number, the workers that go through it, and of which model, in memory that persistent workers share.
        self._shared = torch.tensor([whole("epoch", epoch, 0, _MOST), 0, sampler.generation]).share_memory_()
        self._made: tuple[object, Epoch] | None = None
        self._begin()  # what is wrong with the arguments is reported now

    def __getstate__(self) -> dict[str, Any]:
        """What goes to a worker that is spawned: it knows no process group."""
        return {**self.__dict__, "_ranks": self._rank_and_size(), "_made": None}

    @property
    def epoch(self) -> int:
        """The number of the epoch."""
        return int(self._shared[0])

    def set_epoch(self, epoch: int) -> None:
        """Go to another epoch, with draws and an order of its own; workers that persist go there, too.

        Parameters
        ----------
        epoch : int
            0 to 2**31 - 1.

        Notes
        -----
        After ``sampler.update_model`` workers that persist would go on with the earlier model, and raise a UsageError.
        """
        self._shared[0] = whole("epoch", epoch, 0, _MOST)
        if get_worker_info() is None:
            self._shared[2] = self.sampler.generation

    def __len__(self) -> int:
        """How many batches this rank gets."""
        return len(self._begin())

    def _rank_and_size(self) -> tuple[int, int] | None:
        """As given; else those of the process group, if it is asked and there is one."""
        if self._ranks is None and self._asks_group and distributed.is_available() and distributed.is_initialized():
            return distributed.get_rank(), distributed.get_world_size()
        return self._ranks

    def _check_model(self) -> None:
        """Refuse to draw with a model that was updated in the process that this worker came from."""
        if get_worker_info() is not None and int(self._shared[2]) > self.sampler.generation:
            raise UsageError(
                "the model was updated, and a worker that persists has the earlier one",
                remedy="leave out persistent_workers, or give num_workers=0",
            )

    def _begin(self) -> Epoch:
        """The epoch, made once in each process."""
        ranks = self._rank_and_size()
        rank, world_size = (0, 1) if ranks is None else ranks
        key = (os.getpid(), self.epoch, rank, world_size)
        if self._made is None or self._made[0] != key:
            epoch = self.sampler.epoch(self.epoch, self.batch_size, rank=rank, world_size=world_size, **self._asked)
            self._made = key, epoch
        return self._made[1]


class NegativeSampler(_Batches, IterableDataset):  # type: ignore[misc]  # mypy knows nothing of torch
    """The batches of an epoch as tensors, for ``DataLoader(data, batch_size=None)``.

    Parameters
    ----------
    sampler : negprep.Sampler
    batch_size : int
        Rows of a batch; in the layout listwise, lists.
    shuffle : bool
        Whether groups, a positive and its negatives, come in a random order, which seed and epoch decide.
    epoch : int
        The first to be gone through; ``set_epoch`` names the next.
    rank, world_size : int, optional
        Of several processes, which one this is. Left out, ``torch.distributed`` decides, if it is initialised when the
        batches are asked for; else this process gets them all.
    drop_last : bool
        Leave out the last batch if it is not full, and then those that not all ranks would have.

    Raises
    ------
    UsageError
        Arguments that do not fit each other; PyTorch is not installed, on import.

    Notes
    -----
    The workers of a ``DataLoader`` share the batches of their rank: for any number of them they come in the same order.
    All ranks together get what one alone would. Tensors share their memory with the arrays that were drawn.

    ``state_dict`` and ``load_state_dict`` are what torchdata's ``StatefulDataLoader`` calls, in each worker. Without
    workers they can be called directly.

    Examples
    --------
    >>> import negprep, pyarrow as pa
    >>> from negprep.torch import NegativeSampler  # doctest: +SKIP
    >>> from torch.utils.data import DataLoader  # doctest: +SKIP
    >>> log = pa.table({"user": [1, 1, 2], "item": [10, 11, 12], "time": [1, 2, 3]})
    >>> data = NegativeSampler(negprep.Sampler(log, num_neg=1, holdout="none"), shuffle=False)  # doctest: +SKIP
    >>> for epoch in range(2):  # doctest: +SKIP
    ...     data.set_epoch(epoch)
    ...     for batch in DataLoader(data, batch_size=None):
    ...         batch["user"], batch["item"], batch["label"]
    """

    _next, _worker = 0, (0, 1)
    _loaded: Mapping[str, Any] | None = None

    def __iter__(self) -> Iterator[Tensors]:
        """The batches from the first on; the first time after a state was loaded, from where that was."""
        worker = get_worker_info()
        number, workers = (0, 1) if worker is None else (worker.id, worker.num_workers)
        self._shared[1] = 0 if worker is None else workers
        epoch, first = self._begin(), number
        state, self._loaded = self._loaded, None
        if state is not None and state["sampler"]["epoch"] == self.epoch:
            first = _resumed(state, number, workers)
        self._next, self._worker = first, (number, workers)
        return self._tensors(epoch, first, workers)

    def _tensors(self, epoch: Epoch, first: int, step: int) -> Iterator[Tensors]:
        self._check_model()  # not in __iter__: PyTorch loses what is raised there in a worker that persists
        for batch in epoch.batches(first, step):
            self._next += step
            yield as_tensors(batch)

    def state_dict(self) -> dict[str, Any]:
        """Where this process is in the epoch, to go on from there: numbers and text alone.

        Raises UsageError: Workers are ahead of what their ``DataLoader`` gave out, and only they know how far.
        """
        if get_worker_info() is None and self._shared[1]:
            raise UsageError(
                "the workers of a DataLoader know how far they are, the data set does not",
                remedy="use torchdata's StatefulDataLoader and its state_dict(), or num_workers=0",
            )
        worker, workers = self._worker
        return {"sampler": self._begin().state_dict(), "next": self._next, "worker": worker, "workers": workers}

    def load_state_dict(self, state: Any) -> None:  # noqa: ANN401
        """Go on where ``state_dict`` was taken, in its epoch: the next ``for`` begins with the next batch.

        Raises UsageError: The state is of another log, of other options, arguments or workers, or is not one.
        """
        if not isinstance(state, Mapping) or set(state) != _STATE:
            raise UsageError("that is not a state of a NegativeSampler", remedy="give what state_dict() returned")
        self.set_epoch(self.sampler.checked_state(state["sampler"])["epoch"])
        self._begin().load_state_dict(state["sampler"])
        self._loaded = dict(state)


class NegativeBatches(_Batches, Dataset):  # type: ignore[misc]
    """The batches of an epoch by their place, for ``DataLoader(data, batch_size=None)``: a map-style data set.

    Parameters
    ----------
    sampler : negprep.Sampler
    batch_size, shuffle, epoch, drop_last
        As for ``NegativeSampler``.
    rank, world_size : int, optional
        Of several processes, which one this is. Left out, it has the batches of all: the sampler of the ``DataLoader``
        shares them, as ``DistributedSampler`` does, which some trainers put in by themselves.

    Notes
    -----
    A batch can be asked for alone, and in any order. One after the other, as a ``DataLoader`` asks for them unless it
    shuffles, many are drawn at a time.
    """

    _asks_group = False

    def __getitem__(self, index: int) -> Tensors:
        """The batch at a place: an int from 0 to ``len() - 1``."""
        self._check_model()
        return as_tensors(self._begin()[index])


def as_tensors(batch: Batch) -> Tensors:
    """A batch as tensors that share its memory; times are int64, in the unit of the column, and text stays as it is."""
    return {name: _tensor(values) for name, values in batch.items()}


def _tensor(values: np.ndarray[Any, np.dtype[Any]]) -> Any:  # noqa: ANN401
    if values.dtype.kind == "O":
        return values
    return torch.from_numpy(values.view(np.int64) if values.dtype.kind == "M" else values)


def _resumed(state: Mapping[str, Any], number: int, workers: int) -> int:
    """The first batch of a worker after a state, which is its own, or of a process without workers."""
    first: int = state["next"]
    if (state["worker"], state["workers"]) == (number, workers):
        return first
    if state["workers"] != 1:
        what = (
            f"the state is of worker {state['worker']} of {state['workers']}, and this is worker {number} of {workers}"
        )
        raise UsageError(what, remedy="give num_workers as then")
    return first + number
