"""Right files that are rare: what verify cannot know of them, it must not call wrong."""

from __future__ import annotations

import pyarrow as pa
import pytest
from logs import as_table, random_rows

import negprep
from negprep.checks.promises import Promised
from negprep.checks.results import COUNTS, LOG_Q
from negprep.checks.verify import verify

LOG = as_table(random_rows(3, users=60, items=20, most=14, times=25))
EXCLUDED = pa.table(
    {"user": [-3 + 7 * user for user in range(60)], "item": [100 + user % 20 * 3 for user in range(60)]}
)
KINDS = pa.table(
    {
        "item": [100 + 3 * item for item in range(20)],
        "kind": ["abc"[item % 3] if item % 7 else None for item in range(20)],
        "available_from": [item if item % 5 else None for item in range(20)],
    }
)
FAR_APART = pa.table(
    {"item": [100 + 3 * item for item in range(20)], "weight": [[1e-12, 1.0, 3.7, 1e6][item % 4] for item in range(20)]}
)
CASES = {
    "excluded pairs of users left out": {"exclude": EXCLUDED, "min_positives": 9},
    "excluded pairs outside the core": {"exclude": EXCLUDED, "core": 8},
    "items without a kind": {"items": KINDS, "same": "kind"},
    "items without a time": {"items": KINDS, "available_at_time": True},
    "weights far apart": {"sampler": "popularity", "weights": FAR_APART, "num_neg": 12},
    "weights far apart, in time": {
        "sampler": ("popularity:0.8", "uniform:0.2"),
        "weights": FAR_APART,
        "available_at_time": True,
        "num_neg": 12,
    },
    "no rows of some, held out or not": {"holdout": "random", "items": KINDS, "available_at_time": True},
    "and of as many as there are": {
        "holdout": "random",
        "items": KINDS,
        "available_at_time": True,
        "distinct": True,
        "num_neg": 3,
    },
    "no rows of some, by popularity": {"sampler": "popularity", "items": KINDS, "same": "kind", "holdout": "last:2"},
    "nobody short": {"on_short": "drop", "items": KINDS, "same": "kind", "distinct": True, "num_neg": 4},
}


@pytest.mark.parametrize("layout", ["pointwise", "pairwise", "listwise"])
@pytest.mark.parametrize("command", ["train", "test"])
@pytest.mark.parametrize("case", CASES)
def test_they_pass(tmp_path, command, case, layout):
    options = {"holdout": "last", "with_log_q": True, **CASES[case]}
    if options.get("distinct"):
        del options["with_log_q"]
    claims = Promised(**{name: options[name] for name in ("items", "exclude", "weights") if name in options})
    for seed in range(3 if layout == "pairwise" else 1):  # pairs tell least of what is not there
        path = tmp_path / f"{seed}.parquet"
        getattr(negprep, command)(LOG, path, layout=layout, seed=seed, split_seed=seed, **options)
        report = verify([(str(path), None)], LOG, promised=claims)
        assert [(check.name, check.examples[:3]) for check in report.checks if check.status == "failed"] == []


@pytest.mark.parametrize("distinct", [False, True])
def test_candidates_of_several_sizes_are_no_groups_of_one_size(tmp_path, distinct):
    """A holdout alone and one with two negatives are four rows, and not two groups of two."""
    options = {"holdout": "last:2", "items": KINDS, "same": "kind", "available_at_time": True, "num_neg": 2}
    for seed in range(30):
        log = as_table(random_rows(seed, users=60, items=20, most=8, times=25))
        path = tmp_path / f"{seed}.parquet"
        negprep.test(log, path, seed=seed, distinct=distinct, with_log_q=True, **options)
        report = verify([(str(path), None)], log, promised=Promised(items=KINDS))
        assert [(check.name, check.examples[:3]) for check in report.checks if check.status == "failed"] == []


def test_what_is_left_out_of_log_q_is_said(tmp_path):
    """Pairs of a positive without negatives are not there, as if it were held out."""
    log = as_table(random_rows(2, users=12, items=12, most=8, times=60))
    negprep.train(
        log, tmp_path / "o.parquet", holdout="random", available_at_time=True, layout="pairwise", with_log_q=True
    )
    checks = {check.name: check for check in verify([(str(tmp_path / "o.parquet"), None)], log).checks}
    assert (checks[LOG_Q].status, checks[COUNTS].status) == ("passed", "passed")
    number = int(checks[LOG_Q].note.split()[1])
    held_out = "users it is not known which positives are held out"
    assert checks[LOG_Q].note == f"of {number} {held_out}: their rows are left out"
    assert 0 < number < 12
