"""Everything random: words, keys, bounded integers, a portable logarithm, draws with replacement, a random order."""

from __future__ import annotations

from math import isqrt
from typing import Literal

import numpy as np
import numpy.typing as npt

from negprep.arrays import Words

ALGORITHM = 2
"""Version of everything that decides which rows come out."""

GAMMA = np.uint64(0x9E3779B97F4A7C15)
_MULTIPLIERS = (np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB))
_LOW_HALF = np.uint64(0xFFFFFFFF)
_HALF = np.uint64(32)
_BYTES_IN_WORD = 8

Purpose = Literal[
    "negatives", "slot", "split", "candidates", "bootstrap", "order", "number", "evaluate", "test users", "batches"
]
_PURPOSES: dict[Purpose, int] = {
    "negatives": 1,
    "slot": 2,
    "split": 3,
    "candidates": 4,
    "bootstrap": 6,
    "order": 7,
    "number": 9,
    "evaluate": 16,
    "test users": 20,
    "batches": 21,
}


def mix(words: Words, scratch: Words | None = None, out: Words | None = None) -> Words:
    """Mix words: a fixed bijection of the 64-bit integers in which every input bit reaches every output bit.

    ``words``: uint64 array, any shape. Overwritten, unless ``out`` is given.
    ``scratch``, ``out``: uint64 arrays of the same shape. Overwritten; the first saves an allocation.
    Returns uint64 array: ``out``, or else ``words``.
    """
    scratch = np.empty_like(words) if scratch is None else scratch
    out = words if out is None else out
    for shift, multiplier in ((30, _MULTIPLIERS[0]), (27, _MULTIPLIERS[1])):
        np.right_shift(words, np.uint64(shift), out=scratch)
        words = np.bitwise_xor(words, scratch, out=out)
        np.multiply(words, multiplier, out=words)
    np.right_shift(words, np.uint64(31), out=scratch)
    return np.bitwise_xor(words, scratch, out=words)


def word(keys: Words, counters: npt.ArrayLike) -> Words:
    """Word number ``counters`` of each key; the two broadcast against each other. Returns uint64."""
    return mix(word_bases(keys, counters))


def word_bases(keys: Words, counters: npt.ArrayLike) -> Words:
    """What is mixed to make the words: key + (counter + 1) * GAMMA. Returns uint64."""
    steps: Words = np.atleast_1d(np.asarray(counters).astype(np.uint64) + np.uint64(1)) * GAMMA
    return keys + steps


def combine(left: Words, right: Words) -> Words:
    """Make one key of two: mix(left ^ right). Shapes broadcast. Returns uint64."""
    return mix(np.atleast_1d(left ^ right))


def purpose_key(seed: int, purpose: Purpose, epoch: int = 0) -> Words:
    """Key of everything that is drawn with one seed for one purpose in one epoch: uint64, shape (1,).

    ``seed``: 0 to 2**64 - 1.
    ``epoch``: 0 to 2**31 - 1.
    """
    return word(word(np.array([seed], np.uint64), 0), _PURPOSES[purpose] + (epoch << 32))


def integer_keys(ids: npt.NDArray[np.int64]) -> Words:
    """Keys of integer ids: uint64, the shape of ``ids``."""
    return word(ids.view(np.uint64), 0)


def text_keys(data: npt.NDArray[np.uint8], offsets: npt.NDArray[np.int64]) -> Words:
    """Keys of byte strings.

    ``data``: uint8, shape (n_bytes,). The strings, end to end.
    ``offsets``: int64, shape (n + 1,). String ``i`` is ``data[offsets[i]:offsets[i + 1]]``.
    Returns uint64, shape (n,): For a string of L bytes, taken as little-endian words b_0, b_1, ... with zeros after its
      end: h = mix(~L), then h = mix((h + GAMMA) ^ b_i) for each word in turn.
    """
    lengths = np.diff(offsets)
    keys = mix(~lengths.astype(np.uint64))
    padded = np.concatenate([data, np.zeros(_BYTES_IN_WORD, np.uint8)])
    windows = np.lib.stride_tricks.sliding_window_view(padded, _BYTES_IN_WORD)
    live = np.flatnonzero(lengths > 0)
    position = 0
    while live.size:
        chunk = windows[offsets[live] + position]  # a copy: the fancy index gathers
        rest = lengths[live] - position
        chunk[np.arange(_BYTES_IN_WORD) >= rest[:, None]] = 0
        keys[live] = mix((keys[live] + GAMMA) ^ chunk.view("<u8")[:, 0].astype(np.uint64, copy=False))
        position += _BYTES_IN_WORD
        live = live[rest > _BYTES_IN_WORD]
    return keys


def scale(words: Words, limits: npt.ArrayLike) -> tuple[Words, npt.NDArray[np.bool_]]:
    """Turn words into integers below a limit, all equally likely among the words that are kept.

    The integer is the upper 64 bits of word * limit; a word whose lower 64 bits are below 2**64 mod limit must be
    thrown away. Source: Lemire, Fast random integer generation in an interval, ACM TOMACS 2019.

    Returns ``values``, uint64: Below ``limits`` where kept.
    Returns ``kept``, bool.
    """
    limit = np.asarray(limits).astype(np.uint64)
    high_word, low_word = words >> _HALF, words & _LOW_HALF
    high_limit, low_limit = limit >> _HALF, limit & _LOW_HALF
    middle = high_word * low_limit + ((low_word * low_limit) >> _HALF)
    values = middle >> _HALF
    if high_limit.any():
        other = low_word * high_limit + (middle & _LOW_HALF)
        values += high_word * high_limit + (other >> _HALF)
    lower = words * limit
    kept = lower >= limit  # then it is not below the remainder either, and few divisions are left
    doubtful = np.nonzero(~kept)
    few = np.broadcast_to(limit, kept.shape)[doubtful]
    kept[doubtful] = lower[doubtful] >= (~few + np.uint64(1)) % few
    return values, kept


def bounded(
    keys: Words, limits: npt.NDArray[np.int64], draws: npt.NDArray[np.int64], attempt: int
) -> npt.NDArray[np.int64]:
    """One integer below its limit for each key and draw, unbiased. Keys, limits and draws broadcast to one shape.

    ``limits``: 1 to 2**63 - 1.
    ``draws``: Draw numbers, 0 to 2**32 - 1. Attempt ``a`` of draw ``d`` is word number ``d + a * 2**32`` of its key.
    ``attempt``: The first attempt to take; where ``scale`` throws its word away, the next one
      follows.
    """
    drawn, kept = scale(word(keys, draws + (attempt << 32)), limits)
    values = drawn.view(np.int64)
    if kept.all():
        return values
    todo = np.nonzero(~kept)
    keys = np.broadcast_to(keys, kept.shape)[todo]
    limits, draws = (np.broadcast_to(given, kept.shape)[todo] for given in (limits, draws))
    while len(keys):  # a round throws away less than half of its words, and one in 2**33 for limits below 2**31
        n_tried = min(_MOST_TRIED, max(1, _AT_ONCE // len(keys)))
        tries = np.arange(attempt + 1, attempt + n_tried + 1)[:, None] << 32
        drawn, kept = scale(word(keys, draws + tries), limits)
        first, each = kept.argmax(axis=0), np.arange(len(keys))
        is_kept = kept[first, each]
        values[tuple(axis[is_kept] for axis in todo)] = drawn[first, each][is_kept].view(np.int64)
        todo = tuple(axis[~is_kept] for axis in todo)
        keys, limits, draws = keys[~is_kept], limits[~is_kept], draws[~is_kept]
        attempt += n_tried
    return values


_AT_ONCE = 1 << 11
"""Words made at a time, at least, as far as a few draws may need them: the calls for fewer take as long."""

_MOST_TRIED = 8

_LN2_HIGH, _LN2_LOW = 0.693147180369123816490, 1.90821492927058770002e-10
"""ln 2 in two parts; the first has few enough bits to be multiplied by an exponent exactly."""

_TERMS = 11
_POWERS = 14


def natural_log(values: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Ln of values that are 0 or positive and normal: float64, the same shape; -inf for 0. Good to about 1e-15.

    x = m * 2**e with m in [1/sqrt 2, sqrt 2); ln m = 2 artanh s, s = (m - 1) / (m + 1), as a series in s.
    """
    mantissas, exponents = np.frexp(values)
    is_low = mantissas < 0.5**0.5
    mantissas = np.where(is_low, mantissas * 2, mantissas)
    exponents = exponents - is_low
    s = (mantissas - 1) / (mantissas + 1)
    square = s * s
    series = np.full_like(s, 1 / (2 * _TERMS + 1))
    for term in range(_TERMS - 1, -1, -1):
        series = series * square + 1 / (2 * term + 1)
    logs = exponents * _LN2_HIGH + (2 * s * series + exponents * _LN2_LOW)
    return np.where(values == 0, -np.inf, logs)


def exponential(values: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """E to the power of values from -700 to 700: float64, the same shape. Good to about 1e-15.

    x = n ln 2 + r with |r| <= ln 2 / 2; e**x = 2**n e**r, the latter as a series in r.
    """
    exponents = np.rint(values * (1 / (_LN2_HIGH + _LN2_LOW)))
    rest = (values - exponents * _LN2_HIGH) - exponents * _LN2_LOW
    series = np.ones_like(rest)
    for term in range(_POWERS, 0, -1):
        series = series * (rest / term) + 1
    return np.ldexp(series, exponents.astype(np.int32))


_BLOCK_POSITIVES = 1 << 24
"""Positives whose draws are counted at a time: every block goes through all draws again, and takes memory."""

_CHUNK_DRAWS = 1 << 18


class Bootstrap:
    """How often each positive of a log is drawn, asked for in their order.

    ``n_draws``: At most 2**32.
    ``n_positives``: Of all users: draw ``d`` takes the one at a random place among them, in the order of users and
      items.
    """

    def __init__(self, seed: int, epoch: int, n_draws: int, n_positives: int) -> None:
        self._key = purpose_key(seed, "bootstrap", epoch)
        self._n_draws, self._n_positives = n_draws, n_positives
        self._given = 0
        self._begin, self._counts = 0, np.empty(0, np.int32)

    def next(self, n_positives: int) -> npt.NDArray[np.int32]:
        """Draws of each of the next positives: int32, shape (n_positives,)."""
        begin, end = self._given, self._given + n_positives
        if end > self._begin + len(self._counts):
            self._begin = begin
            self._counts = self._count(begin, min(self._n_positives, max(end, begin + _BLOCK_POSITIVES)))
        self._given = end
        return self._counts[begin - self._begin : end - self._begin]

    def _count(self, begin: int, end: int) -> npt.NDArray[np.int32]:
        counts = np.zeros(end - begin, np.int32)
        for first in range(0, self._n_draws, _CHUNK_DRAWS):
            draws = np.arange(first, min(first + _CHUNK_DRAWS, self._n_draws))
            places = bounded(self._key, np.array([self._n_positives]), draws, attempt=0)
            places = places[(places >= begin) & (places < end)] - begin
            np.add.at(counts, places, 1)
        return counts


_ROUNDS = 3
"""Each moves the rows and then the columns: six rounds of a Feistel network."""

_SORTED = 1 << 16
"""So many numbers are put in order by a word each, every order equally likely."""

_BLOCK = 1 << 15


class Permutation:
    """A keyed random order of the numbers from 0 to ``size - 1``, of which any part can be asked for alone.

    ``key``: uint64, shape (1,).
    ``size``: At most 2**40.

    A number is a row and a column of a table that is as good as square. In turns, the column decides by how much the
    row moves, modulo the rows, and the row by how much the column moves; each by a table of random numbers. A number
    that ends beyond ``size`` goes through once more: a Feistel network with cycle walking. Source: Black and Rogaway,
    Ciphers with arbitrary finite domains, CT-RSA 2002.
    """

    def __init__(self, key: Words, size: int) -> None:
        self.size, self._order = size, None
        if size <= _SORTED:
            self._order = np.argsort(word(key, np.arange(size)), kind="stable")
            return
        rows = isqrt(size - 1) + 1
        self._rows, self._columns = rows, -(-size // rows)
        self._moves = [
            bounded(word(key, side), np.array([limit]), np.arange(_ROUNDS * others), attempt=0).reshape(_ROUNDS, others)
            for side, (limit, others) in enumerate([(rows, self._columns), (self._columns, rows)])
        ]

    def at(self, places: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
        """The numbers at some places of the order: int64, the shape of ``places``, (n,)."""
        if self._order is not None:
            return self._order.take(places)
        numbers = np.empty(len(places), np.int64)
        for begin in range(0, len(places), _BLOCK):  # few enough for a core's cache
            here = slice(begin, begin + _BLOCK)
            numbers[here] = self._once(places[here])
        todo = np.flatnonzero(numbers >= self.size)
        while todo.size:
            numbers[todo] = self._once(numbers[todo])
            todo = todo[numbers[todo] >= self.size]
        return numbers

    def _once(self, numbers: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
        rows = numbers // self._columns
        columns = numbers - rows * self._columns
        steps, beyond = np.empty_like(rows), np.empty_like(rows)
        for turn in range(2 * _ROUNDS):
            moved, by, limit = (columns, rows, self._columns) if turn % 2 else (rows, columns, self._rows)
            self._moves[turn % 2][turn // 2].take(by, out=steps, mode="clip")
            np.add(moved, steps, out=moved)
            np.subtract(moved, limit, out=steps)
            np.right_shift(steps, 63, out=beyond)  # all bits of what stayed below the limit
            np.bitwise_and(beyond, limit, out=beyond)
            np.add(steps, beyond, out=moved)
        rows *= self._columns
        rows += columns
        return rows
