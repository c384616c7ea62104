"""`Sampler.update_model`: the draws are those of `train --epoch --model` with the numbers that were given last."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

import negprep
from negprep.errors import BadDataError, UsageError

CHANCE = np.random.default_rng(6)
N = 1_200
LOG = pa.table(
    {
        "user": CHANCE.integers(0, 40, N) * 7,
        "item": [f"i{number}" for number in CHANCE.integers(0, 60, N)],
        "time": CHANCE.integers(0, 500, N),
        "rating": CHANCE.integers(1, 6, N),
    }
)
# A catalog that lacks items of the log, and has some that the log lacks: codes are not positions then.
ITEMS = pa.table({"item": [f"i{number}" for number in range(5, 70)], "shelf": [number % 3 for number in range(65)]})


def factors(sampler, seed, *, bias=True):
    chance = np.random.default_rng(seed)
    found = {
        "user_factors": chance.normal(size=(sampler.n_users, 5)).astype(np.float32),
        "item_factors": chance.normal(size=(sampler.n_items, 5)).astype(np.float32),
    }
    return found | ({"item_bias": chance.normal(size=sampler.n_items).astype(np.float32)} if bias else {})


def rows_of(batches):
    batches = list(batches)
    return {name: np.concatenate([batch[name] for batch in batches]).tolist() for name in batches[0]}


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize(
    "options",
    [
        {},
        {"pool": 9, "top": 2, "skip_top": 1, "layout": "pairwise", "with_log_q": True},
        {"sampler": ("hard:0.5", "weak:0.3", "uniform:0.2"), "positive": ">=3", "jobs": 3},
        {"items": ITEMS, "distinct": True, "holdout": "none"},
        {"items": ITEMS, "same": "shelf", "layout": "pairwise"},
        {"available_at_time": True},
        {"bootstrap": 300, "num_neg": 1, "layout": "pairwise"},
        {"num_neg": 1.5},
        {"per": "user", "num_neg": 6},
    ],
    ids=lambda options: " ".join(options) or "plain",
)
def test_rows_are_those_of_train_with_a_model_file(tmp_path, options, bias):
    options = {"sampler": "hard", "num_neg": 2, "holdout": "last", "keep_time": "last", **options}
    sampler = negprep.Sampler(LOG, encode=False, **options)
    model = factors(sampler, 1, bias=bias)
    np.savez(tmp_path / "m.npz", users=sampler.users.to_numpy(), items=np.array(sampler.items.to_pylist()), **model)
    sampler.update_model(**factors(sampler, 2))
    sampler.update_model(**model)
    wanted = negprep.train(LOG, **{"pool": 2, **options}, model=tmp_path / "m.npz", epoch=3)
    found = rows_of(sampler.epoch(3, batch_size=700, shuffle=False))
    for name in wanted.column_names:
        if name != "source":
            assert found[name] == wanted[name].to_pylist(), name
    assert [sampler.sources[code] for code in found["source"]] == wanted["source"].to_pylist()


@pytest.fixture(scope="module")
def sampler():
    return negprep.Sampler(LOG, sampler="hard", num_neg=2, holdout="last", jobs=2)


def test_nothing_is_drawn_before_there_is_a_model():
    fresh = negprep.Sampler(LOG, sampler="hard", num_neg=2, holdout="last")
    epoch = fresh.epoch(0, batch_size=50)
    assert len(epoch) > 10
    for ask in (lambda: next(iter(epoch)), lambda: epoch[1]):
        with pytest.raises(UsageError, match=r"has no model to draw by; call update_model\(user_factors, item_factor"):
            ask()
    fresh.update_model(**factors(fresh, 1))
    assert len(epoch[1]["user"]) == 50


@pytest.mark.parametrize("changes", [(3, 4, 11), (1, 2, 3, 4, 5), (16, 17)])
def test_the_next_batch_is_of_the_model_given_last(sampler, changes):
    """By iteration and by index; shuffled."""
    models = {seed: factors(sampler, seed) for seed in range(len(changes) + 1)}
    whole = {}
    for seed, model in models.items():
        sampler.update_model(**model)
        whole[seed] = list(sampler.epoch(2, batch_size=50))
    assert any((a["item"] != b["item"]).any() for a, b in zip(whole[0], whole[1], strict=True))
    for by_index in (False, True):
        sampler.update_model(**models[0])
        epoch, seed = sampler.epoch(2, batch_size=50), 0
        batches = (epoch[place] for place in range(len(epoch))) if by_index else iter(epoch)
        for place, batch in enumerate(batches):
            assert batch["item"].tolist() == whole[seed][place]["item"].tolist()
            if place + 1 in changes:
                seed += 1
                sampler.update_model(**models[seed])


def test_arrays_are_copied_and_converted(sampler):
    model = factors(sampler, 5)
    sampler.update_model(**model)
    wanted = rows_of(sampler.epoch(1))
    sampler.update_model(*(np.asfortranarray(values.astype(np.float64)) for values in model.values()))
    assert rows_of(sampler.epoch(1)) == wanted
    given = {name: values.copy() for name, values in model.items()}
    sampler.update_model(**given)
    for values in given.values():
        values[:] = 0
    assert rows_of(sampler.epoch(1)) == wanted


def test_a_model_file_serves_until_the_first_update(tmp_path, sampler):
    model = factors(sampler, 7)
    np.savez(tmp_path / "m.npz", users=sampler.users.to_numpy(), items=np.array(sampler.items.to_pylist()), **model)
    other = negprep.Sampler(LOG, sampler="hard", num_neg=2, holdout="last", pool=2, model=tmp_path / "m.npz")
    sampler.update_model(**model)
    assert rows_of(other.epoch(0)) == rows_of(sampler.epoch(0))
    for each in (sampler, other):
        each.update_model(**factors(sampler, 8))
    assert rows_of(other.epoch(0)) == rows_of(sampler.epoch(0))


class NoArray:
    def __array__(self, *_args, **_more):
        raise RuntimeError("Can't call numpy() on Tensor that requires grad.\nUse tensor.detach().numpy() instead.")


def first_is(value):
    def change(values):
        changed = values.astype(np.float64)
        changed.flat[0] = value
        return changed

    return change


@pytest.mark.parametrize(
    ("name", "change", "message"),
    [
        ("user_factors", lambda values: values[1:], r"user_factors has the shape \(39, 5\) where .* ask for \(40, 5\)"),
        ("item_factors", lambda values: values[:, 1:], r"item_factors has the shape \(60, 4\) where .* \(60, 5\)"),
        ("item_factors", lambda values: values.T, r"item_factors has the shape \(5, 60\)"),
        ("item_bias", lambda values: values[:, None], r"item_bias has the shape \(60, 1\)"),
        ("user_factors", lambda values: values[:, 0], r"user_factors has the shape \(40,\); give a row for each id"),
        ("user_factors", first_is(np.nan), "user_factors of 0 holds NaN or an infinite number"),
        ("item_factors", first_is(np.inf), "item_factors of 'i0' holds NaN or an infinite number"),
        ("item_bias", first_is(1e300), "item_bias of 'i0' holds NaN or an infinite number"),
        ("user_factors", lambda values: values.astype(str), "user_factors is of the type <U"),
        ("user_factors", lambda _: None, "user_factors is of the type object; give an array of numbers"),
        ("user_factors", lambda _: [[1.0], [1.0, 2.0]], "user_factors is no array: "),
        (
            "item_factors",
            lambda _: NoArray(),
            r"item_factors is no array: Can't .* grad\.; give an array .*\.detach\(\)",
        ),
    ],
    ids=lambda value: value if isinstance(value, str) and "_" in value and " " not in value else "",
)
def test_numbers_of_no_use_are_refused_and_the_model_stays(sampler, name, change, message):
    model = factors(sampler, 9)
    sampler.update_model(**model)
    wanted = sampler.epoch(0)[0]["item"].tolist()
    with pytest.raises(BadDataError, match=message) as error:
        sampler.update_model(**model | {name: change(model[name])})
    assert str(error.value).startswith("update_model: ")
    assert "\n" not in str(error.value)
    assert sampler.epoch(0)[0]["item"].tolist() == wanted


def test_a_program_may_end_in_the_middle_of_an_epoch():
    code = "import negprep; epoch = negprep.Sampler('sample_data/log.parquet', holdout='last').epoch(0, 100)"
    code += "; batches = iter(epoch); next(batches)"
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60, cwd=Path(__file__).parents[1])


def test_only_a_hard_sampler_takes_a_model():
    uniform = negprep.Sampler(LOG, holdout="last")
    with pytest.raises(
        UsageError, match="the sampler is uniform, which draws by no model; make it with sampler='hard'"
    ):
        uniform.update_model(np.ones((40, 2)), np.ones((60, 2)))
    with pytest.raises(UsageError, match="--sampler reinforced without --model FILE"):
        negprep.Sampler(LOG, sampler="reinforced", holdout="last")
    with pytest.raises(UsageError, match="--sampler hard without --model FILE"):
        negprep.train(LOG, sampler="hard", holdout="last")
