"""Files beside a log that fit it badly: what is counted, and from when on there is a warning."""

from __future__ import annotations

import pyarrow as pa
import pytest

import negprep
from negprep.options.options import Options
from negprep.pipeline import prepare

LOG = pa.table({"user": [1, 1, 2, 2, 3, 3, 4, 4], "item": [10, 11, 11, 12, 12, 13, 13, 10]})


def summary_of(tmp_path, log=LOG, command="train", **given):
    holdout = given.pop("holdout", "none" if command == "train" else "random")
    return prepare(log, str(tmp_path / "o.parquet"), Options(command=command, holdout=holdout, **given))


def test_a_catalog_that_lacks_items(tmp_path):
    items = pa.table({"item": ["010", "11", "012", "13"]})
    summary = summary_of(tmp_path, items=items)
    assert (summary.items_outside, summary.positives_outside, summary.holdouts_outside) == (2, 4, 0)
    (warning,) = summary.warnings
    assert warning == (
        "2 items of the log are not in --items (10, 12), with 4 of 8 positives: is it the catalog of this log?; "
        "'10' of the log is perhaps '010' of --items"
    )
    summary = summary_of(tmp_path, command="test", items=pa.table({"item": [13]}), num_neg=1)
    assert summary.items_outside == 3
    assert f"{summary.holdouts_outside} of 4 holdouts" in summary.warnings[-1]
    fitted = negprep.fit(
        LOG,
        str(tmp_path / "m.npz"),
        kind="rns",
        weak=pa.table({"user": [1], "item": [13]}),
        items=items,
        holdout="none",
    )
    assert warning in fitted.warnings
    assert warning in negprep.inspect(LOG, items=items, holdout="none").warnings


@pytest.mark.parametrize(("outside", "warned"), [(1, False), (2, True)])
def test_one_positive_in_twenty(outside, warned, tmp_path):
    n = 39
    log = pa.table({"user": list(range(n)), "item": [1000 + i if i < outside else i for i in range(n)]})
    summary = summary_of(tmp_path, log, items=pa.table({"item": list(range(n))}))
    assert summary.positives_outside == outside
    assert [warning for warning in summary.warnings if "--items" in warning] == summary.warnings
    assert bool(summary.warnings) == warned


@pytest.mark.parametrize(("option", "counted"), [("exclude", "excluded"), ("weak", "weak")])
@pytest.mark.parametrize(("unknown", "warned"), [(0, False), (1, False), (2, True), (30, True)])
def test_pairs_that_nobody_knows(option, counted, unknown, warned, tmp_path):
    rows = 30
    users = [90 + i if i < unknown else 1 for i in range(rows)]
    pairs = pa.table({"user": users, "item": [12] * rows})
    summary = summary_of(tmp_path, **{option: pairs})
    assert getattr(summary, f"{counted}_rows") == rows
    assert getattr(summary, f"{counted}_unknown") == unknown
    assert bool(summary.warnings) == warned
    assert all(f"--{option}" in warning for warning in summary.warnings)


@pytest.mark.parametrize("form", ["0012", " 12", "12.0", '"12"'])
def test_ids_in_another_form_are_named(form, tmp_path):
    pairs = pa.table({"user": ["1"], "item": [form]})
    (warning,) = summary_of(tmp_path, exclude=pairs).warnings
    assert warning.startswith("none of the 1 pairs of --exclude has a user and an item that are known")
    assert f"{form!r} of --exclude is perhaps '12' of the log" in warning


def test_ids_in_another_case(tmp_path):
    log = pa.table({"user": ["a", "b"], "item": ["B00x", "B00Y"]})
    (warning,) = summary_of(tmp_path, log, exclude=pa.table({"user": ["a"], "item": ["b00y"]})).warnings
    assert "'b00y' of --exclude is perhaps 'B00Y' of the log" in warning
    (warning,) = summary_of(tmp_path, log, exclude=pa.table({"user": ["a"], "item": ["other"]})).warnings
    assert "perhaps" not in warning


def test_weights(tmp_path):
    weights = pa.table({"item": ["10", "011", "12", "13"], "weight": [1, 2, 3, 4]})
    summary = summary_of(tmp_path, sampler="popularity", weights=weights)
    assert (summary.weights_rows, summary.weights_unknown, summary.unweighted_items) == (4, 1, 1)
    assert summary.warnings == [
        "1 of 4 rows of --weights name an item that is not in the catalog: are its ids the log's?; "
        "'011' of --weights is perhaps '11' of the catalog",
        "1 of 4 items of the catalog are not in --weights, and popularity never draws them",
    ]
    whole = pa.table({"item": [10, 11, 12, 13], "weight": [1, 2, 3, 4]})
    assert summary_of(tmp_path, sampler="popularity", weights=whole).warnings == []
