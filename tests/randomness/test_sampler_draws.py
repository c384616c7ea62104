"""Every sampler, restriction and command end to end: what may be drawn, how often, and the log q that is written."""

from __future__ import annotations

import secrets
from itertools import product

import pytest
from randomness.sampled import RESTRICTIONS, SCENARIOS, check_draws, check_rows

SEED = 8_121_950
CASES = [
    (scenario, restriction, command)
    for scenario, restriction, command in product(SCENARIOS, RESTRICTIONS, ("train", "test"))
    if command == "train" or "weak" not in SCENARIOS[scenario].model.get("names", ())
]
cases = pytest.mark.parametrize(("scenario", "restriction", "command"), CASES)
BOTH = pytest.mark.parametrize("distinct", [False, True], ids=["repeats", "distinct"])


@cases
def test_groups_and_their_log_q(scenario, restriction, command):
    for distinct, num_neg in ((False, 3), (True, 4), (True, 40)):  # there are 23 items
        check_rows(scenario, restriction, command, distinct=distinct, num_neg=num_neg)


@pytest.mark.parametrize("layout", ["pointwise", "pairwise"])
@pytest.mark.parametrize("with_log_q", [False, True])
@pytest.mark.parametrize("command", ["train", "test"])
@pytest.mark.parametrize("scenario", ["uniform", "popularity", "weak", "all three", "counts", "popularity and uniform"])
def test_every_layout_says_the_same(scenario, command, layout, with_log_q):
    if (scenario, "whole catalog", command) not in CASES:
        return
    for restriction in ("whole catalog", "at time, same"):
        groups = [
            check_rows(scenario, restriction, command, distinct=True, num_neg=5, layout=one, with_log_q=with_log_q)[0]
            for one in ("listwise", layout)
        ]
        lists, others = (
            {(group.user, group.positive): sorted(group.negatives) for group in one if group.negatives}
            for one in groups
        )
        assert lists == others


@cases
@BOTH
def test_draws_have_their_laws(scenario, restriction, command, distinct):
    check_draws(scenario, restriction, command, distinct=distinct, seed=SEED)


@pytest.mark.heavy
@cases
@BOTH
def test_draws_have_their_laws_at_a_fresh_seed(scenario, restriction, command, distinct):
    check_draws(scenario, restriction, command, distinct=distinct, seed=secrets.randbits(60), size=8, least=1e-9)
