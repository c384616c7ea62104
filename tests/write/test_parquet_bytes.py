"""The file: its bytes depend on rows and metadata alone, its settings, and that what is read is what was written."""

import subprocess
import sys

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from rows_to_write import SCHEMA, in_pieces, rows

from negprep.write.atomic import Sink
from negprep.write.output import PART_ROWS, open_output
from negprep.write.parquet import ROW_GROUP_ROWS, ParquetStream


def written(path, batches, schema, metadata=None):
    with open_output(str(path), schema) as output:
        for batch in batches:
            output.write(batch)
        output.finish(metadata or {})
    return path.read_bytes()


def test_row_groups_are_cut_by_row_count_alone(tmp_path):
    batch = rows(2 * ROW_GROUP_ROWS + 12_345)
    whole = written(tmp_path / "whole.parquet", [batch], SCHEMA)
    found = pq.read_metadata(tmp_path / "whole.parquet")
    assert [found.row_group(i).num_rows for i in range(3)] == [ROW_GROUP_ROWS, ROW_GROUP_ROWS, 12_345]
    around, uneven, even = (
        (ROW_GROUP_ROWS + i for i in (-1, 0, 1)),
        ([1 << 19, 3, 700_001], [65_537]),
        [1 << 10, 7 << 14],
    )
    for sizes in (*([size] for size in around), *uneven, even):
        assert written(tmp_path / "cut.parquet", in_pieces(batch, sizes), SCHEMA) == whole, sizes
    assert pq.read_table(tmp_path / "whole.parquet").equals(pa.Table.from_batches([batch]))


def layouts():
    """Batches of every kind of column, each with small dictionaries, many distinct values, lists and floats."""
    generator = np.random.default_rng(5)
    count = 40_000
    names = pa.array([f"item {i:05}" for i in range(5_000)])
    indices = pa.array(generator.integers(100, 900, count).astype(np.int32))
    strings = pa.DictionaryArray.from_arrays(indices, names)
    whole_numbers = pa.array(generator.integers(0, 1 << 40, count))
    offsets = pa.array(np.arange(0, count + 1, 4, dtype=np.int32))
    floats = pa.array(np.where(np.arange(count) % 5 == 0, 1, 0).astype(np.float32))

    def required(kind):
        return pa.list_(pa.field("element", kind, nullable=False))

    return {
        "integers, many": whole_numbers,
        "integers, few": pa.array(generator.integers(0, 300, count) * 1_000_003),
        "integers, nullable": pa.array(generator.integers(0, 5, count), mask=generator.random(count) < 0.1),
        "strings": strings.cast(pa.string()),
        "dictionary": strings,
        "list of integers": pa.ListArray.from_arrays(offsets, whole_numbers, type=required(pa.int64())),
        "list of dictionary": pa.ListArray.from_arrays(offsets, strings, type=required(strings.type)),
        "float labels": floats,
        "floats": pa.array(generator.random(count).astype(np.float32)),
    }


@pytest.mark.parametrize("kind", layouts())
def test_bytes_of_every_kind_of_column(tmp_path, monkeypatch, kind):
    values = layouts()[kind]
    monkeypatch.setattr("negprep.write.parquet.ROW_GROUP_ROWS", 3_000)
    batch = pa.record_batch([values], names=["values"])
    whole = written(tmp_path / "whole.parquet", [batch], batch.schema)
    for sizes in ([1, 2_999], [3_001], [17, 4_000, 999], [1 << 10]):
        assert written(tmp_path / "cut.parquet", in_pieces(batch, sizes), batch.schema) == whole, sizes
    read = pq.read_table(tmp_path / "whole.parquet")["values"]
    assert read.to_pylist() == values.to_pylist()
    assert "dictionary" not in str(read.type)


def test_strings_take_the_same_bytes_whatever_their_dictionary(tmp_path):
    types = pa.schema([pa.field("item", pa.dictionary(pa.int32(), pa.string()))])
    first = pa.DictionaryArray.from_arrays(pa.array([1, 0, 1, 2] * 10, pa.int32()), pa.array(["a", "b", "c"]))
    second = pa.DictionaryArray.from_arrays(
        pa.array([2, 1, 2, 4] * 10, pa.int32()), pa.array(["Z", "a", "b", "bb", "c", "d"])
    )
    one, two = (pa.record_batch([array], schema=types) for array in (first, second))
    assert written(tmp_path / "one.parquet", [one], types) == written(tmp_path / "two.parquet", [two], types)
    mixed = written(tmp_path / "mixed.parquet", [one.slice(0, 20), two.slice(20)], types)
    assert mixed == (tmp_path / "one.parquet").read_bytes()
    read = pq.read_table(tmp_path / "one.parquet")["item"]
    assert (read.type, read.to_pylist()) == (pa.string(), ["b", "a", "b", "c"] * 10)


def test_a_null_among_dictionary_ids_is_refused(tmp_path):
    batch = pa.record_batch([pa.array(["a", None]).dictionary_encode()], names=["item"])
    with pytest.raises(ValueError, match="an id is null"):
        written(tmp_path / "out.parquet", [batch], batch.schema)


def test_settings(tmp_path):
    written(tmp_path / "out.parquet", [rows(200_000, items=100_000)], SCHEMA)
    found = pq.read_metadata(tmp_path / "out.parquet").row_group(0)
    columns = {found.column(i).path_in_schema: found.column(i) for i in range(3)}
    assert [columns[name].compression for name in ("user", "item", "label")] == ["ZSTD", "UNCOMPRESSED", "LZ4"]
    assert [set(columns[name].encodings) - {"RLE"} for name in ("user", "item", "label")] == [
        {"PLAIN"},
        {"DELTA_BINARY_PACKED"},
        {"PLAIN"},
    ]
    assert (columns["user"].statistics.min, columns["user"].statistics.max) == (0, 199_999 // 70)
    assert columns["item"].statistics is None


def test_fast_codecs_are_for_what_they_leave_little_of(tmp_path):
    """All in all a file is at most a twentieth larger than by zstd, level 3."""
    chance = np.random.default_rng(4)
    columns = {
        "user": np.repeat(np.arange(400), 500),
        "user of few rows": np.repeat(np.arange(20_000, dtype=np.int32), 10),
        "price": np.repeat(np.round(chance.lognormal(3, 1, 40_000), 2), 5),
        "label": np.tile([1, 0, 0, 0, 0], 40_000).astype(np.int8),
        "ragged label": (chance.random(200_000) < 0.3).astype(np.int8),
        "item": chance.integers(0, 1 << 17, 200_000),
    }
    batch = pa.record_batch({name: pa.array(values) for name, values in columns.items()})
    written(tmp_path / "out.parquet", [batch], batch.schema)
    group = pq.read_metadata(tmp_path / "out.parquet").row_group(0)
    found = {group.column(place).path_in_schema: group.column(place) for place in range(len(columns))}
    assert [name for name, column in found.items() if column.compression == "LZ4"] == ["user", "label"]
    slow = {"compression": "zstd", "compression_level": 3, "use_dictionary": False}
    slow["column_encoding"] = {
        name: "DELTA_BINARY_PACKED" if "DELTA_BINARY_PACKED" in column.encodings else "PLAIN"
        for name, column in found.items()
    }
    pq.write_table(pa.table(batch), tmp_path / "slow.parquet", **slow)
    assert (tmp_path / "out.parquet").stat().st_size <= 1.05 * (tmp_path / "slow.parquet").stat().st_size
    assert pq.read_table(tmp_path / "out.parquet").equals(pa.Table.from_batches([batch]))


@pytest.mark.parametrize(
    ("ids", "is_worth_it"),
    [
        (np.arange(1_000), False),
        (np.arange(1_000) * 10, True),  # 13 bits instead of 10
        (np.repeat(np.arange(1_000), np.maximum(1_000_000 // np.arange(1, 1_001) ** 2, 1)), True),
        (np.arange(1 << 15) * 7, False),  # 18 bits for 15, but the dictionary would take another 8
        (np.arange(1 << 17), False),
    ],
    ids=["dense", "sparse", "few are frequent", "large", "too large"],
)
def test_integers_have_a_dictionary_where_they_take_much_less_with_one(tmp_path, ids, is_worth_it):
    items = np.random.default_rng(5).choice(ids, 200_000)
    batch = pa.record_batch([pa.array(items)], names=["item"])
    written(tmp_path / "out.parquet", [batch], batch.schema)
    found = pq.read_metadata(tmp_path / "out.parquet").row_group(0).column(0)
    assert ("RLE_DICTIONARY" in found.encodings) == is_worth_it
    assert ("DELTA_BINARY_PACKED" in found.encodings) != is_worth_it
    assert pq.read_table(tmp_path / "out.parquet").equals(pa.Table.from_batches([batch]))


def test_labels_in_random_order_take_a_bit_each(tmp_path):
    columns = rows(200_000).columns
    order = np.random.default_rng(3).permutation(200_000)
    batch = pa.record_batch([column.take(pa.array(order)) for column in columns], schema=SCHEMA)
    written(tmp_path / "out.parquet", [batch], SCHEMA)
    user, _, label = map(pq.read_metadata(tmp_path / "out.parquet").row_group(0).column, range(3))
    assert "DELTA_BINARY_PACKED" in label.encodings
    assert not user.is_stats_set  # which no reader could skip by
    assert label.total_compressed_size < 200_000 / 6
    assert pq.read_table(tmp_path / "out.parquet").equals(pa.Table.from_batches([batch]))


def test_what_compression_makes_smaller_is_compressed(tmp_path):
    """Numbers that need many bits and of which few are different in a row, beside others that are all random."""
    chance = np.random.default_rng(4)
    days = 86_400 * np.repeat(chance.permutation(1 << 17), 3)[:200_000]
    days[::2] += chance.integers(0, 86_400)
    batch = pa.record_batch([pa.array(days), pa.array(chance.integers(0, 1 << 40, 200_000))], names=["day", "id"])
    written(tmp_path / "out.parquet", [batch], batch.schema)
    found = pq.read_metadata(tmp_path / "out.parquet").row_group(0)
    assert [found.column(place).compression for place in range(2)] == ["ZSTD", "UNCOMPRESSED"]
    assert pq.read_table(tmp_path / "out.parquet").equals(pa.Table.from_batches([batch]))


def test_page_checksums_find_a_flipped_bit(tmp_path):
    path = tmp_path / "out.parquet"
    data = bytearray(written(path, [rows(50_000, items=40_000)], SCHEMA))
    column = pq.read_metadata(path).row_group(0).column(1)
    data[column.data_page_offset + column.total_compressed_size // 2] ^= 1
    path.write_bytes(data)
    with pytest.raises(OSError, match="CRC checksum"):
        pq.read_table(path, page_checksum_verification=True)


def test_metadata_round_trip(tmp_path):
    metadata = {"negprep": '{"seed": 1, "name": "Zoë\\n"}', "empty": ""}
    written(tmp_path / "out.parquet", [rows(10)], SCHEMA, metadata)
    found = pq.read_metadata(tmp_path / "out.parquet").metadata
    assert found == {key.encode(): value.encode() for key, value in metadata.items()}


def test_no_rows(tmp_path):
    for batches in ([], [rows(0)]):
        written(tmp_path / "out.parquet", batches, SCHEMA)
        assert pq.read_table(tmp_path / "out.parquet").schema.equals(SCHEMA)
    strings = pa.schema([pa.field("item", pa.dictionary(pa.int32(), pa.string()), nullable=False)])
    written(tmp_path / "strings.parquet", [], strings)
    assert pq.read_table(tmp_path / "strings.parquet").num_rows == 0


@pytest.mark.parametrize("size", [ROW_GROUP_ROWS, ROW_GROUP_ROWS // 4])
def test_batches_that_make_up_a_row_group_are_not_copied(monkeypatch, size):
    seen = []

    class Writer:
        def __init__(self, *args, **kwargs): ...

        def write_table(self, table, row_group_size):
            seen.extend([chunk.buffers()[1].address for chunk in column.chunks] for column in table.columns)

    monkeypatch.setattr("pyarrow.parquet.ParquetWriter", Writer)
    batches = [rows(size, seed=turn) for turn in range(ROW_GROUP_ROWS // size)]
    stream = ParquetStream(Sink(-1), SCHEMA)
    for batch in batches:
        stream.write(batch)
    assert seen == [[batch.column(place).buffers()[1].address for batch in batches] for place in range(3)]


def test_writing_imports_neither_pandas_nor_pyarrow_dataset(tmp_path):
    code = f"""
import sys, array, pyarrow as pa
from negprep.write import open_output
values = pa.Array.from_buffers(pa.int64(), 9, [None, pa.py_buffer(array.array("q", range(9)))])
words = pa.DictionaryArray.from_arrays(values.cast(pa.int32()), values.cast(pa.string()))
batch = pa.record_batch([values, words], names=["user", "item"])
with open_output({str(tmp_path / "out.parquet")!r}, batch.schema) as output:
    output.write(batch)
    output.finish({{"negprep": "1"}})
sys.exit(", ".join(sorted({{"pandas", "pyarrow.dataset"}} & set(sys.modules))) or 0)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def test_part_rows_are_whole_row_groups():
    assert PART_ROWS % ROW_GROUP_ROWS == 0


def test_rows_written_counts_rows(tmp_path):
    with open_output(str(tmp_path / "out.parquet"), SCHEMA) as output:
        for batch in in_pieces(rows(1_000), [7]):
            output.write(batch)
        assert output.rows_written == 1_000
    assert list(tmp_path.iterdir()) == []
