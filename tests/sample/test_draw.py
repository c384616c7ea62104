"""Random words, keys and bounded integers against Python's integers, which do not wrap and have no bias."""

from __future__ import annotations

import random

import numpy as np
import pyarrow as pa
import pytest
import reference

from negprep.arrow import text_buffers
from negprep.sample import rng

CHANCE = random.Random(42)
EDGES = [0, 1, 2, 3, 2**31 - 1, 2**31, 2**32 - 1, 2**32, 2**32 + 1, 2**63 - 1, 2**63, 2**64 - 2, 2**64 - 1]
WORDS = EDGES + [CHANCE.getrandbits(64) for _ in range(2_000)] + [CHANCE.getrandbits(bits) for bits in range(1, 64)]


def array(values):
    return np.array(values, np.uint64)


def test_the_first_words_never_change():
    """These and the reference pin the scheme; whoever changes it raises ALGORITHM."""
    assert rng.ALGORITHM == 2
    assert rng.mix(array([1, 2**64 - 1])).tolist() == [0x5692161D100B05E5, 0xB4D055FCF2CBBD7B]
    # SplitMix64 from the seed 0, as in Vigna's splitmix64.c
    assert rng.word(array([0]), [0, 1, 2]).tolist() == [0xE220A8397B1DCDAF, 0x6E789E6AA1B965F4, 0x06C45D188009454F]


def test_mix_is_that_of_the_reference():
    assert rng.mix(array(WORDS)).tolist() == [reference.mix(word) for word in WORDS]


def test_mix_elsewhere_leaves_the_words():
    words, scratch, out = array(WORDS), array(WORDS), array(WORDS)
    assert rng.mix(words, scratch, out=out) is out
    assert out.tolist() == [reference.mix(word) for word in WORDS]
    assert words.tolist() == array(WORDS).tolist()


def test_mix_is_a_bijection():
    mixed = rng.mix(array(WORDS)).tolist()
    assert [reference.unmix(word) for word in mixed] == WORDS


def test_mix_works_in_place_and_with_scratch():
    words = array(WORDS)
    scratch = np.empty_like(words)
    assert rng.mix(words, scratch) is words
    assert words.tolist() == rng.mix(array(WORDS)).tolist()


@pytest.mark.parametrize("counter", [0, 1, 2**32, 5 + (3 << 32), 2**63, 2**63 + 2**31, 2**64 - 2])
def test_words_are_those_of_the_reference(counter):
    counters = np.array([counter], np.uint64)
    assert rng.word(array(WORDS), counters).tolist() == [reference.word(key, counter) for key in WORDS]


def test_words_of_a_key_differ():
    """GAMMA is odd and mix is a bijection, so that no two counters of a key share a word."""
    assert int(rng.GAMMA) % 2 == 1
    counters = [d + (a << 32) for d in range(50) for a in range(50)] + [2**63 + r for r in range(2_000)]
    assert len(set(rng.word(array([12345]), array(counters)).tolist())) == len(counters)


def test_combine_is_that_of_the_reference():
    left, right = array(WORDS), array(WORDS[::-1])
    wanted = [reference.mix(a ^ b) for a, b in zip(WORDS, WORDS[::-1], strict=True)]
    assert rng.combine(left, right).tolist() == wanted
    assert rng.combine(left, array([WORDS[7]])).shape == left.shape


@pytest.mark.parametrize("purpose", ["negatives", "slot", "split"])
def test_purpose_keys_are_those_of_the_reference(purpose):
    for seed in EDGES:
        key = rng.purpose_key(seed, purpose)
        assert key.shape == (1,)
        assert int(key[0]) == reference.purpose_key(seed, purpose)


def test_purposes_and_seeds_differ():
    keys = [
        int(rng.purpose_key(seed, purpose)[0]) for seed in range(2_000) for purpose in ("negatives", "slot", "split")
    ]
    assert len(set(keys)) == len(keys)


def test_integer_keys_are_those_of_the_reference():
    ids = [0, 1, -1, 7, 2**31, -(2**31), 2**53 + 1, 2**63 - 1, -(2**63)] + [
        CHANCE.randrange(-(2**63), 2**63) for _ in range(99)
    ]
    assert rng.integer_keys(np.array(ids, np.int64)).tolist() == [reference.id_key(one) for one in ids]


def test_text_keys_are_those_of_the_reference():
    texts = [
        "",
        "a",
        "é",
        "seven b",
        "eight by",
        "nine byte",
        "x" * 15,
        "y" * 16,
        "z" * 17,
        "\0",
        "\0\0",
        "a\0",
        "日本語のアイテム",
    ]
    texts += ["".join(CHANCE.choices("abcdefgh", k=CHANCE.randrange(40))) for _ in range(200)]
    keys = rng.text_keys(*text_buffers(pa.array(texts)))
    assert keys.tolist() == [reference.id_key(text) for text in texts]
    assert len(set(keys.tolist())) == len(set(texts))


def test_text_keys_of_a_slice():
    texts = pa.array(["before", "one", "", "a longer text than eight", "after"])
    whole = rng.text_keys(*text_buffers(texts))
    assert rng.text_keys(*text_buffers(texts.slice(1, 3))).tolist() == whole[1:4].tolist()
    assert rng.text_keys(*text_buffers(texts.slice(0, 0))).tolist() == []


LIMITS = [
    1,
    2,
    3,
    5,
    7,
    2**16,
    10**6,
    2**31 - 1,
    2**32 - 1,
    2**32,
    2**32 + 1,
    3 * 2**30,
    2**62,
    3 * 2**62,
    2**63 - 1,
    2**63,
    2**64 - 1,
]


@pytest.mark.parametrize("limit", LIMITS + [CHANCE.getrandbits(64) | 1 for _ in range(20)])
def test_scale_is_exact(limit):
    values, kept = rng.scale(array(WORDS), np.array([limit], np.uint64))
    wanted = [reference.scale(word, limit) for word in WORDS]
    assert kept.tolist() == [value is not None for value in wanted]
    assert [value for value, keep in zip(values.tolist(), kept, strict=True) if keep] == [
        v for v in wanted if v is not None
    ]


@pytest.mark.parametrize("limit", [3, 5, 3 * 2**30, 3 * 2**62, 2**63 + 1, 2**64 - 1])
def test_the_threshold_of_scale_is_exact(limit):
    """Words on both sides of it: found by solving word * limit = low (mod 2**64) for the low half."""
    threshold = 2**64 % limit
    odd, shift = limit, 0
    while odd % 2 == 0:
        odd, shift = odd // 2, shift + 1
    step = 1 << shift  # the low half is a multiple of this
    inverse = pow(odd, -1, 1 << (64 - shift))

    def word_of(low):
        return (low >> shift) * inverse % (1 << (64 - shift))

    below, at = threshold - step, threshold
    if threshold == 0:
        assert rng.scale(array([word_of(0)]), limit)[1].all()
        return
    assert word_of(at) * limit % 2**64 == at
    assert word_of(below) * limit % 2**64 == below
    assert rng.scale(array([word_of(below), word_of(at)]), limit)[1].tolist() == [False, True]


@pytest.mark.parametrize("bits", [8, 11])
def test_the_rule_of_scale_is_unbiased(bits):
    """All words of a small size: those kept give each value equally often."""
    for limit in range(1, 1 << bits, 37):
        counts = [0] * limit
        for word in range(1 << bits):
            value = reference.scale(word, limit, bits)
            if value is not None:
                counts[value] += 1
        assert len(set(counts)) == 1
        assert counts[0] == (1 << bits) // limit


def test_bounded_is_that_of_the_reference():
    limits = [limit for limit in LIMITS if limit < 2**63] + [
        2**62 + 1
    ] * 50  # of 2**62 + 1 a quarter of the words are lost
    keys = [CHANCE.getrandbits(64) for _ in limits]
    draws = [CHANCE.randrange(2**32) for _ in limits]
    for attempt in (0, 1, 5):
        made = rng.bounded(array(keys), np.array(limits), np.array(draws), attempt)
        assert made.dtype == np.int64
        assert made.tolist() == [
            reference.bounded(key, limit, number, attempt)
            for key, limit, number in zip(keys, limits, draws, strict=True)
        ]
    assert rng.bounded(array([]), np.empty(0, np.int64), np.empty(0, np.int64), 0).shape == (0,)


def test_an_attempt_that_is_thrown_away_is_followed_by_the_next():
    limit = 2**63 - 1 - 2**61
    key = next(key for key in range(1_000) if reference.scale(reference.word(key, 3), limit) is None)
    drawn = rng.bounded(array([key]), np.array([limit]), np.array([3]), 0)
    assert drawn.tolist() == rng.bounded(array([key]), np.array([limit]), np.array([3]), 1).tolist()
