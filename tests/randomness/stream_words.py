"""Write random words to standard output without end, for the batteries that read a stream.

    python tests/randomness/stream_words.py sequential | dieharder -g 200 -d 0

``sequential`` is the words 0, 1, 2, ... of one key; ``pairs`` the first four words of the keys of many (user, item)
pairs, ids in ascending order, as a run draws them.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import suppress
from itertools import count

import numpy as np

from negprep.arrays import Words
from negprep.sample.rng import combine, integer_keys, purpose_key, word

KEY = purpose_key(0, "negatives")


def sequential() -> Iterator[Words]:
    """Words of one key."""
    for block in count():
        yield word(KEY, np.arange(block << 16, (block + 1) << 16))


def pairs() -> Iterator[Words]:
    """Words of the keys of 32 items of each user."""
    items = integer_keys(np.arange(32))
    for block in count():
        users = combine(KEY, integer_keys(np.arange(block * 512, (block + 1) * 512)))
        yield word(combine(np.repeat(users, 32), np.tile(items, 512))[:, None], np.arange(4))


if __name__ == "__main__":
    with suppress(BrokenPipeError):
        for words in {"sequential": sequential, "pairs": pairs}[sys.argv[1]]():
            sys.stdout.buffer.write(words.tobytes())
