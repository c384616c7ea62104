"""`negprep.torch`: the batches of a `Sampler` as tensors, the same for any number of workers and ranks."""

from __future__ import annotations

import copy
import pickle
import subprocess
import sys
from collections import Counter
from importlib.util import find_spec
from itertools import islice

import numpy as np
import pyarrow as pa
import pytest

import negprep
from negprep import UsageError

if find_spec("torch") is not None:
    import torch
    from torch.utils.data import DataLoader, DistributedSampler

    from negprep.torch import NegativeBatches, NegativeSampler

needs_torch = pytest.mark.skipif(find_spec("torch") is None, reason="torch is not installed")
needs_torchdata = pytest.mark.skipif(find_spec("torchdata") is None, reason="torchdata is not installed")
pytestmark = pytest.mark.filterwarnings("ignore:This DataLoader will create")  # more workers than cores

SIZE = 61


def make_log():
    chance = np.random.default_rng(5)
    log = {"user": chance.integers(0, 70, 900), "item": chance.integers(0, 150, 900)}
    return pa.table(
        {**log, "time": chance.integers(1_400_000_000, 1_500_000_000, 900), "page": chance.choice(list("ab"), 900)}
    )


LOG = make_log()


@pytest.fixture(scope="module")
def sampler():
    return negprep.Sampler(LOG, num_neg=3, jobs=1)


def plain(batches):
    """Batches as lists, to be compared."""
    return [{name: values.tolist() for name, values in batch.items()} for batch in batches]


def rows_of(batches):
    return Counter(row for batch in batches for row in zip(*batch.values(), strict=True))


def load(data, **options):
    return plain(DataLoader(data, batch_size=None, **options))


def test_without_torch_there_is_a_line():
    code = "import sys; sys.modules['torch'] = None\nimport negprep.torch"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.stderr.splitlines()[-1] == (
        "negprep.errors.UsageError: negprep.torch needs PyTorch, which is not installed; pip install 'negprep[torch]'"
    )


@needs_torch
def test_batches_are_those_of_the_sampler(sampler):
    for epoch in (0, 3):
        data = NegativeSampler(sampler, SIZE, epoch=epoch)
        expected = plain(sampler.epoch(epoch, SIZE))
        assert load(data) == plain(data) == expected
        assert len(data) == len(DataLoader(data, batch_size=None)) == len(expected)
        places = NegativeBatches(sampler, SIZE, epoch=epoch)
        assert load(places) == expected
        assert plain([places[len(expected) - 1], places[2]]) == [expected[-1], expected[2]]
    assert load(NegativeSampler(sampler, SIZE, shuffle=False)) == plain(sampler.epoch(0, SIZE, shuffle=False))


@needs_torch
@pytest.mark.parametrize("workers", [1, 4])
@pytest.mark.parametrize("kind", ["NegativeSampler", "NegativeBatches"])
def test_workers_change_nothing(sampler, kind, workers):
    data = {"NegativeSampler": NegativeSampler, "NegativeBatches": NegativeBatches}[kind](sampler, SIZE)
    expected = [load(data)]
    data.set_epoch(1)
    expected.append(load(data))
    assert expected[0] != expected[1]
    loader = DataLoader(
        data, batch_size=None, num_workers=workers, multiprocessing_context="fork", persistent_workers=True
    )
    for epoch in (1, 0):  # workers that persist are told
        data.set_epoch(epoch)
        assert plain(loader) == expected[epoch]


@needs_torch
def test_workers_are_spawned(sampler):
    plain(islice(sampler.epoch(5), 1))  # an epoch that is begun stays behind
    for kind in (NegativeSampler, NegativeBatches):
        data = kind(sampler, SIZE)
        assert plain(
            [pickle.loads(pickle.dumps(data))[1]] if kind is NegativeBatches else islice(copy.deepcopy(data), 1)
        )
    assert load(data, num_workers=2, multiprocessing_context="spawn") == load(data)


@needs_torch
def test_epochs_that_differ_in_their_rows_are_sent_as_well():
    data = NegativeSampler(negprep.Sampler(LOG, num_neg=0.5, layout="pairwise"), SIZE, epoch=2)
    assert load(pickle.loads(pickle.dumps(data))) == load(data)
    assert load(data, num_workers=2, multiprocessing_context="fork") == load(data)


@needs_torch
def test_workers_with_an_earlier_model_are_refused():
    sampler = negprep.Sampler(LOG, num_neg=3, sampler="hard", pool=8)
    tables = [torch.nn.Embedding(rows, 4) for rows in (sampler.n_users, sampler.n_items)]
    sampler.update_model(*(table.weight.detach() for table in tables))
    for kind in (NegativeSampler, NegativeBatches):
        data = kind(sampler, SIZE)
        options = {"batch_size": None, "num_workers": 1, "multiprocessing_context": "fork"}
        kept = DataLoader(data, persistent_workers=True, **options)
        before = plain(kept)
        assert before == plain(sampler.epoch(0, SIZE))
        torch.nn.init.normal_(tables[0].weight)
        sampler.update_model(*(table.weight.detach() for table in tables))
        assert plain(sampler.epoch(0, SIZE)) != before
        data.set_epoch(1)
        with pytest.raises(
            UsageError, match="a worker that persists has the earlier one; leave out persistent_workers"
        ):
            plain(kept)
        assert plain(DataLoader(data, **options)) == plain(sampler.epoch(1, SIZE))


@needs_torch
@pytest.mark.parametrize("ranks", [1, 2, 3])
def test_ranks_share_an_epoch(sampler, ranks):
    expected = rows_of(load(NegativeSampler(sampler, SIZE, epoch=2)))
    for kind in (NegativeSampler, NegativeBatches):
        shares = [
            load(kind(sampler, SIZE, epoch=2, rank=rank, world_size=ranks), num_workers=2) for rank in range(ranks)
        ]
        assert sum((rows_of(share) for share in shares), Counter()) == expected
        lengths = {len(load(kind(sampler, SIZE, rank=rank, world_size=ranks, drop_last=True))) for rank in range(ranks)}
        assert len(lengths) == 1
    data = NegativeBatches(sampler, SIZE, epoch=2)
    shares = [load(data, sampler=DistributedSampler(data, ranks, rank, drop_last=True)) for rank in range(ranks)]
    found = sum((rows_of(share) for share in shares), Counter())
    assert found <= expected
    assert sum(map(len, shares)) == len(data) // ranks * ranks


IN_A_GROUP = """
import sys
import torch.distributed as dist
import negprep
from negprep.torch import NegativeSampler
from test_torch import LOG, SIZE, load, plain

if __name__ == "__main__":
    rank, place = int(sys.argv[1]), sys.argv[2]
    sampler = negprep.Sampler(LOG, num_neg=3, jobs=1)
    data = NegativeSampler(sampler, SIZE)
    alone = load(data)
    dist.init_process_group("gloo", init_method=f"file://{place}", rank=rank, world_size=2)
    expected = plain(sampler.epoch(0, SIZE, rank=rank, world_size=2))
    assert expected != alone
    assert load(data) == expected
    assert len(data) == len(expected)
    assert load(data, num_workers=2, multiprocessing_context="fork") == expected
    if rank:
        assert load(data, num_workers=1, multiprocessing_context="spawn") == expected
    assert load(NegativeSampler(sampler, SIZE, rank=0, world_size=1)) == alone  # arguments win
    dist.barrier()
    dist.destroy_process_group()
"""


@needs_torch
def test_a_process_group_decides_the_rank(tmp_path, request):
    script = tmp_path / "in_a_group.py"
    script.write_text(f"import sys\nsys.path.insert(0, {str(request.path.parent)!r})\n{IN_A_GROUP}")
    running = [
        subprocess.Popen([sys.executable, script, str(rank), tmp_path / "group"], stderr=subprocess.PIPE, text=True)
        for rank in range(2)
    ]
    for process in running:
        _, errors = process.communicate(timeout=300)
        assert process.returncode == 0, errors


@needs_torch
def test_an_epoch_goes_on_after_every_batch(sampler):
    data = NegativeSampler(sampler, SIZE, epoch=4)
    whole = plain(data)
    for done in range(len(whole) + 1):
        begun = NegativeSampler(sampler, SIZE, epoch=4)
        assert plain(islice(begun, done)) == whole[:done]
        state = pickle.loads(pickle.dumps(begun.state_dict()))
        resumed = NegativeSampler(sampler, SIZE)
        resumed.load_state_dict(state)
        assert resumed.epoch == 4
        assert plain(resumed) == whole[done:]
        assert plain(resumed) == whole  # once alone
    resumed.load_state_dict({**state, "next": 3})
    assert load(resumed, num_workers=2, multiprocessing_context="fork") == whole[3:]
    resumed.load_state_dict(state)
    resumed.set_epoch(5)
    assert plain(resumed) == plain(sampler.epoch(5, SIZE))


@needs_torch
@needs_torchdata
@pytest.mark.parametrize("workers", [0, 2])
@pytest.mark.filterwarnings("ignore:'set_vital' is deprecated")  # which torchdata calls
def test_torchdata_goes_on(sampler, workers):
    from torchdata.stateful_dataloader import StatefulDataLoader

    def loader():
        data = NegativeSampler(sampler, SIZE)
        return data, StatefulDataLoader(data, batch_size=None, num_workers=workers)

    data, begun = loader()
    data.set_epoch(1)
    whole = plain(sampler.epoch(1, SIZE))
    for done in (1, 5, len(whole) - 1):
        assert plain(islice(begun, done)) == whole[:done]
        state = pickle.loads(pickle.dumps(begun.state_dict()))
        _, resumed = loader()
        resumed.load_state_dict(state)
        assert plain(resumed) == whole[done:]


@needs_torch
def test_states_that_do_not_fit_are_refused(sampler):
    data = NegativeSampler(sampler, SIZE)
    plain(islice(data, 2))
    state = data.state_dict()
    for wrong, what in [
        ({}, "not a state of a NegativeSampler"),
        (None, "not a state of a NegativeSampler"),
        ({**state, "sampler": {}}, "not a state of a sampler"),
        ({**state, "sampler": {**state["sampler"], "digest": "0"}}, "another log, or of other options"),
    ]:
        with pytest.raises(UsageError, match=what):
            NegativeSampler(sampler, SIZE).load_state_dict(wrong)
    with pytest.raises(UsageError, match="the state has batch_size 61, and this epoch 62; give the same"):
        NegativeSampler(sampler, SIZE + 1).load_state_dict(state)
    data.load_state_dict({**state, "workers": 3})
    with pytest.raises(
        UsageError, match="the state is of worker 0 of 3, and this is worker 0 of 1; give num_workers as then"
    ):
        iter(data)
    load(data, num_workers=1, multiprocessing_context="fork")
    with pytest.raises(UsageError, match="StatefulDataLoader"):
        data.state_dict()


@needs_torch
@pytest.mark.parametrize(
    ("change", "what"),
    [
        ({"sampler": LOG}, "needs a Sampler, not a Table; give negprep.Sampler"),
        ({"rank": 1}, "rank and world_size belong together; give both, or neither"),
        ({"rank": 2, "world_size": 2}, "rank is 2 of a world_size of 2; ranks count from 0"),
        ({"rank": -1, "world_size": 2}, "rank is -1"),
        ({"batch_size": 0}, "batch_size is 0"),
        ({"epoch": -1}, "epoch is -1"),
        ({"shuffle": 1}, "shuffle is 1; give True or False"),
        ({"drop_last": None}, "drop_last is None"),
    ],
)
def test_wrong_arguments_are_refused_at_once(sampler, change, what):
    for kind in (NegativeSampler, NegativeBatches):
        with pytest.raises(UsageError, match=what):
            kind(**{"sampler": sampler, **change})
    with pytest.raises(UsageError, match="epoch is 'one'"):
        NegativeSampler(sampler).set_epoch("one")


@needs_torch
@pytest.mark.parametrize(
    "options",
    [
        {"layout": "pairwise", "label_dtype": "int8", "encode": False},
        {"layout": "listwise", "distinct": True, "num_neg": 148, "with_log_q": True},
        {"sampler": ("uniform:0.5", "popularity:0.5"), "label_dtype": "float32"},
        {"keep": ("page",), "with_time": True, "with_history": 4},
        {"per": "user", "layout": "listwise"},
    ],
    ids=["pairs", "short lists", "mixture", "kept", "per user"],
)
def test_tensors_share_the_memory_of_arrays(options):
    sampler = negprep.Sampler(LOG, **options)
    epoch = sampler.epoch(0, SIZE)
    for tensors, arrays in zip(NegativeSampler(sampler, SIZE), epoch, strict=True):
        assert list(tensors) == list(arrays)
        for name, values in tensors.items():
            if name == "page":
                assert values.tolist() == arrays[name].tolist()
                continue
            assert values.dtype == torch.from_numpy(arrays[name][:0].view()).dtype
            assert values.numpy().tolist() == arrays[name].tolist()
            assert values.is_contiguous()
    batch = epoch[0]
    from negprep.torch import as_tensors

    for name, values in as_tensors(batch).items():
        if name != "page":
            assert values.data_ptr() == batch[name].__array_interface__["data"][0]
    first = DataLoader(NegativeSampler(sampler, SIZE), batch_size=None, num_workers=1, multiprocessing_context="fork")
    assert plain(islice(first, 1)) == plain([batch])


@needs_torch
@pytest.mark.filterwarnings("ignore:'pin_memory' argument is set as true but no accelerator")
def test_memory_may_be_pinned(sampler):
    data = NegativeSampler(sampler, SIZE)
    assert load(data, pin_memory=True) == load(data)
    loader = DataLoader(data, batch_size=None, pin_memory=True)
    for batch in islice(loader, 1):
        assert all(values.is_pinned() == torch.cuda.is_available() for values in batch.values())
