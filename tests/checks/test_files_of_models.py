"""Rows that a model drew pass; and where `reinforced` may draw weak items, no other sampler may."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

import negprep
from negprep.arrow import from_numpy
from negprep.checks import results
from negprep.checks.promises import Promised
from negprep.checks.verify import verify
from negprep.encode.vocabulary import Vocabulary
from negprep.model_file import Model, write_model

SAMPLE_LOG = str(Path(__file__).parents[2] / "sample_data" / "log.parquet")
SAMPLERS = {
    "hard": ("hard",),
    "hard mixed": ("hard:0.5", "weak:0.3", "uniform:0.2"),
    "reinforced": ("reinforced",),
    "reinforced mixed": ("reinforced:0.5", "uniform:0.5"),
    "reinforced counted": ("reinforced=2", "uniform=2"),
}


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    """Of all users but a tenth, and all items but a tenth, so that something falls back."""
    random, log = np.random.default_rng(0), pq.read_table(SAMPLE_LOG)
    ids = [np.unique(log[name].to_numpy())[1:] for name in ("user", "item")]
    known = [each[np.arange(len(each)) % 10 > 0] for each in ids]
    factors = [random.normal(size=(len(each), 4)).astype(np.float32) for each in known]
    users, items = (Vocabulary(from_numpy(each)) for each in known)
    path = tmp_path_factory.mktemp("model") / "model.npz"
    write_model(str(path), Model("own", users, items, *factors, None, None))
    return path


def failed(report):
    return {check.name: check for check in report.checks if check.status == "failed"}


@pytest.mark.parametrize("layout", ["pointwise", "pairwise", "listwise"])
@pytest.mark.parametrize("sampler", SAMPLERS)
def test_they_pass(tmp_path, model, sampler, layout):
    options = {"positive": "purchase", "holdout": "last", "layout": layout, "model": model, "pool": 30}
    if layout == "pairwise":
        options["shuffle"] = True
    negprep.train(SAMPLE_LOG, tmp_path / "o.parquet", sampler=SAMPLERS[sampler], **options)
    assert failed(verify([(str(tmp_path / "o.parquet"), None)], SAMPLE_LOG, promised=Promised())) == {}


@pytest.mark.parametrize("weak_in_pools", [0, 3])
def test_only_pools_with_weak_items_excuse_them(tmp_path, model, weak_in_pools):
    """As many are found as pandas finds, whoever is said to have drawn them."""
    options = {"positive": "purchase", "pool_weak": weak_in_pools, "num_neg": 4, "model": model}
    negprep.train(SAMPLE_LOG, tmp_path / "o.parquet", sampler=("reinforced:0.5", "uniform:0.5"), **options)
    table, log = pq.read_table(tmp_path / "o.parquet"), pq.read_table(SAMPLE_LOG).to_pandas()
    rows = table.to_pandas()
    bought = set(zip(*(log[log.event == "purchase"][name] for name in ("user", "item")), strict=True))
    weak = {}
    for user, item in zip(log.user, log.item, strict=True):
        if (user, item) not in bought:
            weak.setdefault(user, []).append(item)
    for source in ("reinforced", "uniform"):
        for at in np.flatnonzero((rows.source == source) & rows.user.isin(list(weak)))[::500]:
            rows.loc[at, "item"] = weak[rows.user[at]][0]
    negatives = rows.label == 0
    is_weak = (
        np.array([item in weak.get(user, ()) for user, item in zip(rows.user, rows.item, strict=True)])
        & negatives.to_numpy()
    )
    judged = is_weak & ((rows.source != "reinforced") | (weak_in_pools == 0)).to_numpy()
    assert 0 < judged.sum() < is_weak.sum() or weak_in_pools == 0 < judged.sum()
    made = pa.Table.from_pandas(rows, schema=table.schema, preserve_index=False)
    pq.write_table(made.replace_schema_metadata(table.schema.metadata), tmp_path / "o.parquet")
    found = failed(verify([(str(tmp_path / "o.parquet"), None)], SAMPLE_LOG, promised=Promised()))
    assert found[results.WEAK].count == judged.sum()


@pytest.mark.parametrize("pools", [{}, {"pool": 600, "pool_weak": 600}])
def test_distinct_draws_of_nearly_all_items_differ(tmp_path, model, pools):
    """Weak items are in a pool again once eligible ones run out, and must not be drawn again."""
    options = {"positive": "purchase", "sampler": "reinforced", "distinct": True, "num_neg": 560, **pools}
    log = pq.read_table(SAMPLE_LOG).slice(0, 1500)
    early = pa.array([place < 150 for place in range(1500)])
    log = log.filter(pc.or_(early, pc.not_equal(log["event"], "purchase")))  # a list takes a quarter of a second
    negprep.train(log, tmp_path / "o.parquet", layout="listwise", model=model, **options)
    lists = pq.read_table(tmp_path / "o.parquet")["neg_items"].to_pylist()
    assert len(lists) > 0
    assert all(len(set(each)) == len(each) for each in lists)
