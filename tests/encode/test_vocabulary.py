"""Vocabularies: ids without loss, in a defined order, with keys that depend on the id alone."""

from __future__ import annotations

import random
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal

import numpy as np
import pyarrow as pa
import pytest
import reference

from negprep.encode import vocabulary as module
from negprep.encode.vocabulary import DistinctIds, DistinctValues, Encoder, Vocabulary, raw_ids, raw_values
from negprep.errors import BadDataError
from negprep.read.convert import parse_carried

WIDE = [-(2**63), 2**63 - 1, 0, 9007199254740993, 9007199254740992]


def encode(*batches):
    distinct, raw = DistinctIds(), [raw_ids(batch) for batch in batches]
    for rows in raw:
        distinct.add(rows)
    vocabulary = distinct.finish()
    codes = np.concatenate([np.empty(0, np.int32), *(Encoder(vocabulary)(rows) for rows in raw)])
    assert codes.dtype == np.int32
    ids = vocabulary.ids.to_pylist()
    return ids, [ids[code] for code in codes], vocabulary


def encode_kept(*batches):
    """The ids of all rows, as they come back from what is kept while batches are looked up, two at a time."""
    distinct, kept = DistinctIds(), []
    for begin in range(0, len(batches), 2):
        found = [distinct.look_up(batch) for batch in batches[begin : begin + 2]]
        kept += map(distinct.keep, found)
    vocabulary = distinct.finish()
    encoder = Encoder(vocabulary, distinct.texts)
    ids = vocabulary.ids.to_pylist()
    return ids, [ids[code] for rows in kept for code in encoder(rows)]


@pytest.mark.parametrize(
    "batches",
    [
        [[3, 1, 3, 2]],
        [[5], [], [4, 5], [-7]],
        [WIDE, [1, 2, 3]],
        [[2**31, 2**31 - 1], [-(2**31) - 1, -(2**31)]],
        [[7], [2**62]],
        [[5 - 2**63, 6 - 2**63, 9 - 2**63], [2 - 2**63], [-(2**63)]],
        [[0]],
    ],
    ids=str,
)
def test_integers(batches):
    ids, rows, vocabulary = encode(*(pa.array(batch, pa.int64()) for batch in batches))
    assert vocabulary.is_integer
    assert rows == [value for batch in batches for value in batch]
    assert ids == sorted(set(rows))


@pytest.mark.parametrize("step", [1_000, -1_000], ids=["rising", "falling"])
def test_ids_in_order_copy_the_table_a_few_times_only(step):
    distinct, tables = DistinctIds(), []
    for batch in range(64):
        distinct.add(np.arange(1_000) + batch * step)
        if not any(distinct._occurs is table for table in tables):
            tables.append(distinct._occurs)
    assert len(tables) == 7
    assert len(distinct.finish()) == 64_000


@pytest.mark.parametrize("limit", [1, 100, 1 << 26])
def test_no_table_shows(monkeypatch, limit):
    monkeypatch.setattr(module, "_TABLE_LIMIT", limit)
    chance = random.Random(3)
    batches = [[chance.randrange(-50, 900) for _ in range(40)] for _ in range(5)]
    ids, rows, _ = encode(*(pa.array(batch, pa.int64()) for batch in batches))
    assert rows == [value for batch in batches for value in batch]
    assert ids == sorted(set(rows))


def test_text():
    texts = ["b", "a", "é", "z", "007", "7", "", "a\0", "日本", "B", "10", "9"]
    ids, rows, vocabulary = encode(pa.array(texts[:5]), pa.array(texts[5:]), pa.array(["a"]))
    assert not vocabulary.is_integer
    assert rows == [*texts, "a"]
    assert ids == sorted(set(texts), key=str.encode)


def test_text_after_integers_makes_all_text():
    ids, rows, _ = encode(pa.array([10, 9, -1]), pa.array(["x", "9"]), pa.array([2]))
    assert rows == ["10", "9", "-1", "x", "9", "2"]
    assert ids == ["-1", "10", "2", "9", "x"]


@pytest.mark.parametrize("index", [pa.int8(), pa.int32()], ids=str)
def test_dictionaries_with_unused_and_repeated_members(index):
    dictionary = pa.array(["unused", "b", "a", "b"])
    batch = pa.DictionaryArray.from_arrays(pa.array([3, 1, 2, 1], index), dictionary)
    ids, rows, _ = encode(batch, batch.slice(1, 2), pa.array(["c"]))
    assert rows == ["b", "b", "a", "b", "b", "a", "c"]
    assert ids == ["a", "b", "c"]


def test_slices():
    ids, rows, _ = encode(pa.array([9, 8, 7, 6]).slice(1, 2), pa.array(["q", "r", "s"]).slice(2))
    assert rows == ["8", "7", "s"]
    assert ids == ["7", "8", "s"]


def test_nothing():
    ids, rows, vocabulary = encode()
    assert (ids, rows, len(vocabulary)) == ([], [], 0)
    assert vocabulary.keys.tolist() == []
    assert encode(pa.array([], pa.string()))[:2] == ([], [])


CANONICAL = ["0", "7", "-7", "10", str(2**63 - 1), str(-(2**63))]
OTHERS = [
    "",
    "-",
    "-0",
    "+7",
    "007",
    " 7",
    "7 ",
    "7\n",
    "1e3",
    "0x1F",
    "7.0",
    "٧",
    str(2**63),
    str(-(2**63) - 1),
    "9" * 19,
    "9" * 40,
]


def test_keys():
    vocabulary = encode(pa.array(CANONICAL + OTHERS))[2]
    assert vocabulary.keys.tolist() == [reference.id_key(one) for one in vocabulary.ids.to_pylist()]
    numbers = Vocabulary(pa.array(sorted(map(int, CANONICAL))))
    by_id = dict(zip(vocabulary.ids.to_pylist(), vocabulary.keys.tolist(), strict=True))
    assert numbers.keys.tolist() == [by_id[str(number)] for number in numbers.ids.to_pylist()]
    assert len(set(by_id.values())) == len(by_id)


@pytest.mark.parametrize("text", CANONICAL + OTHERS)
def test_find_text_among_integers(text):
    vocabulary = Vocabulary(pa.array(sorted(map(int, CANONICAL))))
    found = vocabulary.find(pa.array([text]))[0]
    if text in CANONICAL:
        assert vocabulary.ids[int(found)].as_py() == int(text)
    else:
        assert found == -1


def test_find():
    numbers, texts = Vocabulary(pa.array([3, 5, 8])), Vocabulary(pa.array(["3", "a", "b"]))
    assert numbers.find(pa.array([8, 4, 3, 3])).tolist() == [2, -1, 0, 0]
    assert texts.find(pa.array(["b", "z", "3", "03"])).tolist() == [2, -1, 0, -1]
    assert texts.find(pa.array([3, 5])).tolist() == [0, -1]
    assert texts.find(pa.array(["b", "z", "b"]).dictionary_encode()).tolist() == [2, -1, 2]
    assert numbers.find(pa.array(["8", "x"]).dictionary_encode()).tolist() == [2, -1]
    assert numbers.find(pa.array([], pa.int64())).tolist() == []
    assert Vocabulary(pa.array([], pa.int64())).find(pa.array([1])).tolist() == [-1]
    assert numbers.find(pa.array(["8", "5", "x"]).slice(1)).tolist() == [1, -1]


def test_union():
    one, other, text = Vocabulary(pa.array([1, 10])), Vocabulary(pa.array([2, 10])), Vocabulary(pa.array(["10", "x"]))
    assert one.union(other).ids.to_pylist() == [1, 2, 10]
    assert one.union(text).ids.to_pylist() == ["1", "10", "x"]
    assert len(one.union(Vocabulary(pa.array([], pa.int64())))) == 2


def carried(*batches, untyped=False):
    """The vocabulary of a column that comes in batches, and the codes of each batch."""
    raw = [raw_values(parse_carried(batch, "column x")) for batch in batches]
    distinct = DistinctValues("x", is_untyped=untyped)
    for each in raw:
        distinct.add(each)
    values = distinct.finish()
    return values, [values.codes(each).tolist() for each in raw]


@pytest.mark.parametrize(
    ("batches", "wanted", "kind"),
    [
        (([3, None], [1, 3]), [1, 3, None], pa.int64()),
        (([0.5, float("nan")], [-0.0, 0.0, None]), [0.0, 0.5, "nan", None], pa.float64()),
        ((["b", ""], [None, "a"]), ["", "a", "b", None], pa.string()),
        (([None], [None]), [None], pa.null()),
        (([None], [7]), [7, None], pa.int64()),
        (([7], [0.5]), [0.5, 7.0], pa.float64()),
        (([True], [False, None]), [False, True, None], pa.bool_()),
        (([Decimal("1.5")], [Decimal("-2.5")]), [Decimal("-2.5"), Decimal("1.5")], pa.decimal128(2, 1)),
    ],
    ids=str,
)
def test_values_of_a_column_ascend_and_null_is_last(batches, wanted, kind):
    values, codes = carried(*map(pa.array, batches))
    assert values.values.type == kind
    shown = ["nan" if each != each else each for each in values.values.to_pylist()]
    assert shown == wanted
    given = [["nan" if each != each else each for each in batch] for batch in batches]
    assert codes == [[wanted.index(each) for each in batch] for batch in given]


def test_values_of_a_column_without_types():
    assert carried(pa.array(["7", ""]), pa.array(["-12"]), untyped=True)[0].values.to_pylist() == [-12, 7, None]
    assert carried(pa.array(["7", ""]), pa.array(["07"]), untyped=True)[0].values.to_pylist() == ["07", "7", None]
    assert carried(pa.array(["7", ""]), pa.array(["07"]))[0].values.to_pylist() == ["", "07", "7"]


def test_values_that_are_not_there():
    numbers, words = carried(pa.array([1.5, 4]))[0], carried(pa.array(["a", "c", None]))[0]
    assert numbers.find(pa.array([4, float("nan"), None, 2, 99])).tolist() == [1, -1, -1, -1, -1]
    assert words.find(pa.array(["c", "b", None])).tolist() == [1, -1, 2]
    assert carried(pa.nulls(1))[0].find(pa.nulls(2)).tolist() == [0, 0]


def test_texts_of_one_hash(monkeypatch):
    monkeypatch.setattr(
        "negprep.encode.vocabulary.text_keys", lambda data, offsets: np.zeros(len(offsets) - 1, np.uint64)
    )
    values, codes = carried(pa.array(["b", "a", None, "b"]))
    assert (values.values.to_pylist(), codes) == (["a", "b", None], [[1, 0, 2, 1]])
    assert values.find(pa.array(["c"])).tolist() == [-1]


def test_a_column_of_two_types_is_refused():
    with pytest.raises(BadDataError, match="the column 'x' has the type int64 here and string there; give all parts"):
        carried(pa.array([1]), pa.array(["a"]))


def spellings(chance, longest):
    """Ids of every length that meet and part at any byte, ASCII or not."""
    return "".join(chance.choice("ab01é") for _ in range(chance.randint(1, longest)))


@pytest.mark.parametrize("one_slot", [False, True], ids=["spread", "in one slot"])
@pytest.mark.parametrize("longest", [1, 3, 20, 30], ids="{} letters".format)
def test_strings_that_are_looked_up(longest, one_slot, monkeypatch):
    if one_slot:
        monkeypatch.setattr(module, "_hashed", lambda words, _: np.zeros(len(words[0]), np.int64))
    monkeypatch.setattr(module, "_FEWEST_SLOTS", 4)
    monkeypatch.setattr(module, "_LOOKED_UP", 64)
    chance = random.Random(longest)
    known = [spellings(chance, min(longest, 1 + number // 20)) for number in range(300)]
    rows = [chance.choices(known[: 30 * (number + 1)], k=100) for number in range(10)]
    batches = [pa.array(some) for some in rows]
    for number in (1, 4, 5, 8):
        batches[number] = batches[number].dictionary_encode()
    twice = pa.DictionaryArray.from_arrays(pa.array([0, 1, 3, 0], pa.int32()), pa.array(["b", "a", "unused", "b"]))
    batches += [twice, pa.array([7, -1], pa.int64()), pa.array([], pa.string()), pa.array(["7", "x"])]
    given = [str(value) for batch in batches for value in batch.to_pylist()]
    ids, found = encode_kept(*batches)
    assert found == given
    assert ids == sorted(set(given), key=str.encode)


def one_sum(low):
    """Words whose sums are one number with these factors, where upper halves have none of their own."""
    first = np.random.default_rng(0).integers(1, 2**63, 5000).astype(np.uint64)
    return [first, -first * low[0] * np.uint64(pow(int(low[1]), -1, 2**64))]


@pytest.mark.parametrize("seed", range(5))
def test_ids_made_to_collide_do_not_share_slots(seed, monkeypatch):
    bytes_of_ends = np.indices((17, 17, 17), np.uint64).reshape(3, -1) << np.uint64(
        56
    )  # lost by factors of words alone
    counted = [np.arange(5000, dtype=np.uint64) << np.uint64(shift) for shift in (0, 44)]
    families = [one_sum(module._LOW), list(bytes_of_ends), counted]
    chance = np.random.default_rng(seed)
    for name in ("_LOW", "_HIGH"):
        drawn = chance.integers(0, 2**64, module._MOST_WORDS + 1, np.uint64)
        monkeypatch.setattr(module, name, drawn | np.uint64(1))
    for words in families:
        sharing = np.bincount(module._hashed(words, 1 << 14))
        assert sharing.max() <= 9  # 5,000 balls in 16,384 bins: ten in one have a chance of 1 in a million


def test_the_order_of_ids_is_not_that_of_slots(monkeypatch):
    texts, seen = pa.array([f"{number:x}-" * (1 + number % 6) for number in range(20_000)]), set()
    for seed in range(3):
        chance = np.random.default_rng(seed)
        monkeypatch.setattr(module, "_LOW", chance.integers(0, 2**64, module._MOST_WORDS + 1, np.uint64) | np.uint64(1))
        table = module._TextTable()
        assert np.array_equal(table.add(texts), np.arange(len(texts)))
        assert table.texts.equals(texts)
        seen.add(table._slots.tobytes())
    assert len(seen) == 3


def test_strings_are_found_or_not_while_others_are_added():
    table, texts = module._TextTable(), pa.array([f"{number:x}-" * (1 + number % 4) for number in range(60_000)])
    words = module._words_in(texts)
    with ThreadPoolExecutor(1) as pool:
        adding = [pool.submit(table.add, texts.slice(begin, 500)) for begin in range(0, len(texts), 500)]
        while not adding[-1].done():
            places = table.find(words)
            assert ((places == np.arange(len(texts))) | (places == -1)).all()
    assert table.texts.equals(texts)
    assert np.array_equal(table.find(words), np.arange(len(texts)))
