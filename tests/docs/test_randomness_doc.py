"""docs/internals/randomness.md gives the values of the package and of the reference, and their constants."""

from __future__ import annotations

import re
from decimal import Decimal
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
import reference
import reference_models
import reference_samplers

from negprep.arrow import text_buffers
from negprep.encode.pairs import pair_keys
from negprep.encode.vocabulary import Vocabulary
from negprep.sample import hard, mixture, pools, popularity, reinforced, rng, scores
from negprep.sample import pools as scored
from negprep.sample import uniform as sampler
from negprep.sample import uniform as shuffled
from negprep.sample.popularity import WeightedItems, Weights, popularity_weights
from negprep.sample.sampler import UPPER_WORDS
from negprep.sample.seen import MaskBuffer, Seen, SeenBlock
from negprep.sample.uniform import uniform

INTERNALS = Path(__file__).parents[2] / "docs" / "internals"
PAGE = (INTERNALS / "randomness.md").read_text(encoding="utf-8")
GOLDEN = dict(line.split(" = ") for line in (INTERNALS / "golden.txt").read_text(encoding="utf-8").splitlines())


def array(value):
    return np.array([value], np.uint64)


def id_key(given):
    return Vocabulary(pa.array([given])).keys


def scale(word, limit, bits):
    if bits == 32:  # the package has this one inside the sampler, where `draw_negatives` and every row reach it
        return reference.scale(word, limit, bits)
    values, kept = rng.scale(array(word), limit)
    return int(values[0]) if kept[0] else None


def draw_negatives(key, eligible, n_items, num_neg, distinct):
    seen = np.setdiff1d(np.arange(n_items, dtype=np.int32), np.array(eligible, np.int32))
    of_user = Seen(np.array([0, len(seen)]), seen, n_items)
    drawn = uniform(of_user, np.zeros(1, np.int64), array(key), num_neg, distinct=distinct, buffer=MaskBuffer())
    return [code for code in drawn[0].tolist() if code >= 0]


def popularity_units(counts, alpha, smooth):
    return popularity_weights(np.array(counts), alpha=Decimal(alpha), smooth=Decimal(smooth)).units.tolist()


def weights_of(units):
    return Weights(np.array(units), (sum(units) // len(units)).bit_length() - 1)


def alias_table(units):
    weights = weights_of(units)
    packed, aliases, lower = weights._table
    fine = weights.column_bits - 32
    return [int(word) >> 32 << fine | int(rest) for word, rest in zip(packed, lower, strict=True)], aliases.tolist()


def propose(key, counter, units):
    nothing_seen = SeenBlock(Seen(np.zeros(2, np.int64), np.empty(0, np.int32), len(units)), 0, 1)
    with nothing_seen.marked(MaskBuffer()) as mask:
        bases = rng.word_bases(array(key), np.array([counter]))
        proposer = WeightedItems(nothing_seen, weights_of(units), mask).proposer
        items, failed = proposer.propose(bases, np.zeros((1, 1), np.uint64), np.zeros(1, np.int64))
    return None if failed.size else int(items[0, 0])


PACKAGE = {
    "mix": lambda given: rng.mix(array(given)),
    "word": lambda key, counter: rng.word(array(key), array(counter)),
    "id_key": id_key,
    "purpose_key": rng.purpose_key,
    "pair_key": lambda seed, purpose, user, item: pair_keys(rng.purpose_key(seed, purpose), id_key(user), id_key(item)),
    "scale": scale,
    "bounded": lambda key, limit, number, attempt: rng.bounded(
        array(key), np.array([limit]), np.array([number]), attempt
    ),
    "draw_negatives": draw_negatives,
    "popularity_units": popularity_units,
    "alias_table": alias_table,
    "propose": propose,
}
REFERENCE = {name: getattr(reference, name, None) or getattr(reference_samplers, name) for name in PACKAGE} | {
    "draw_negatives": lambda key, eligible, n_items, num_neg, distinct: reference.draw_negatives(
        key, list(eligible), n_items, num_neg, distinct=distinct
    ),
    "propose": lambda key, counter, units: reference_samplers.propose(
        key, counter, reference_samplers.alias_table(units)
    ),
}


def plain(value):
    return value.tolist()[0] if isinstance(value, np.ndarray) else value


@pytest.mark.parametrize("functions", [PACKAGE, REFERENCE], ids=["package", "reference"])
@pytest.mark.parametrize("expression", GOLDEN)
def test_golden_values(expression, functions):
    wanted = None if GOLDEN[expression] == "none" else eval(GOLDEN[expression])
    assert plain(eval(expression, {**functions, "range": range})) == wanted


def test_every_function_has_golden_values():
    assert {expression.partition("(")[0] for expression in GOLDEN} == set(PACKAGE)


def test_golden_values_reach_every_branch():
    """Thrown-away words, redraws in several rounds, ranks at once, the shuffle with enough and too few, nothing."""
    (key, limit, number, attempt) = (11, 2**62 + 2**61 + 1, 0, 0)
    assert f"bounded({key}, 2 ** 62 + 2 ** 61 + 1, {number}, {attempt})" in GOLDEN
    assert [reference.scale(reference.word(key, again << 32), limit) for again in (0, 1)] == [None, None]
    cases = [re.findall(r"range\((\d+), (\d+)\), (\d+), (\d+), (\w+)", expression) for expression in GOLDEN]
    shapes = {(int(b) - int(a), int(n), int(k), kind) for ((a, b, n, k, kind),) in filter(None, cases)}
    assert any(kind == "False" and 2 * m >= n for m, n, k, kind in shapes)
    assert any(kind == "False" and 0 < 2 * m < n for m, n, k, kind in shapes)
    assert any(kind == "True" and m >= 4 * k and 2 * m >= n for m, n, k, kind in shapes)
    assert any(kind == "True" and m >= 4 * k and 2 * m < n for m, n, k, kind in shapes)
    assert any(kind == "True" and k <= m < 4 * k for m, n, k, kind in shapes)
    assert any(kind == "True" and 0 < m < k for m, n, k, kind in shapes)
    assert any(m == 0 for m, n, k, kind in shapes)


def test_constants_are_those_of_the_page():
    assert f"algorithm version {rng.ALGORITHM}**" in PAGE
    for constant in (rng.GAMMA, *rng._MULTIPLIERS):
        assert f"0x{int(constant):016X}" in PAGE
    for purpose, number in rng._PURPOSES.items():
        assert f"`{purpose}` {number}" in PAGE
    assert f"If m >= {sampler.SHUFFLED_BELOW}k" in PAGE
    assert shuffled.SHUFFLE_WORDS == 2**63
    assert (sampler.Proposer.proposals, sampler.ROUND) == (reference.PROPOSALS, reference.ROUND)
    assert f"p = a, ..., a + {sampler.Proposer.proposals - 1}" in PAGE
    assert f"a + {sampler.Proposer.proposals})" in PAGE


def test_constants_of_measures_are_those_of_the_page():
    assert (mixture._CHOICE_WORDS, popularity._COIN_WORDS) == (reference_samplers.CHOICE, reference_samplers.COIN)
    assert "d + 2^62" in PAGE
    assert "counter + 3 * 2^61" in PAGE
    assert UPPER_WORDS == reference_samplers.LEADER == 5 * 2**60
    assert "d + 5 * 2^60" in PAGE
    assert f"In round r = 1, 2, ..., {mixture._ROUNDS}:" in PAGE
    assert f"by their attempt {sampler.ROUND}r" in PAGE
    assert f"A = {mixture._ROUNDS + 1} * {sampler.ROUND}" in PAGE
    assert 2**popularity._FEW_BITS == 4
    assert "M >= n * column / 4" in PAGE


def test_constants_of_models_are_those_of_the_page():
    assert pools._POOL_WORDS == reference_models.POOL == 2 * 2**60
    assert scored._STRANGER_WORDS == reference_models.STRANGER == 3 * 2**60
    assert hard._TOP_WORDS == reinforced._PICK_WORDS == reference_models.TOP == 2**62
    assert reinforced._EXPOSED_WORD == reference_models.EXPOSED == 3 * 2**60
    assert [scores._LENGTHS[np.float32], scores._LENGTHS[np.float64]] == list(reference_models.LENGTHS.values())
    for words in ("d + a * 2^32 + 2 * 2^60", "d + 3 * 2^60, a", "K, M', 2^62", "3 * 2^60)`. Let z"):
        assert words in PAGE


def test_text_buffers_are_utf8():
    """What `id_key` of a text hashes."""
    data, offsets = text_buffers(pa.array(["é", "007"]))
    assert (data.tobytes(), offsets.tolist()) == ("é007".encode(), [0, 2, 5])


def test_fewer_repeats_are_the_first_of_more():
    eight = draw_negatives(12345, range(20, 60), 60, 8, distinct=False)
    assert draw_negatives(12345, range(20, 60), 60, 4, distinct=False) == eight[:4]
