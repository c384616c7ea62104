"""Text: any csv reader reads back what was written, and the bytes depend on the rows alone."""

from __future__ import annotations

import csv
import gzip
import io
import subprocess
import sys
import zlib

import numpy as np
import pyarrow as pa
import pytest
from rows_to_write import SCHEMA, contents, in_pieces, rows

from negprep.errors import BadDataError, OutputError
from negprep.write.destination import METADATA
from negprep.write.output import Kind, kind_of, open_output
from negprep.write.text import _BLOCK, _GZIP_HEADER, TEXT_ROWS, _deflated, _Gzip, _slices

NASTY = [
    "plain",
    "a,b",
    "tab\there",
    'a "quoted" word',
    '"',
    "two\nlines",
    "cr\rhere",
    "=1+1",
    " space ",
    "é",
    "007",
    ";",
]


def written(path, batches, schema, form="csv", metadata=None):
    with open_output(str(path), schema, kind=kind_of(form, path.name)) as output:
        for batch in batches:
            output.write(batch)
        output.finish(metadata or {})
    return path.read_bytes()


def strings_batch(words):
    coded = pa.DictionaryArray.from_arrays(pa.array(range(len(words)), pa.int32()), pa.array(words))
    return pa.record_batch({"user": pa.array(words), "item": coded, "label": pa.array([1] * len(words), pa.int8())})


@pytest.mark.parametrize(("form", "delimiter"), [("csv", ","), ("tsv", "\t")])
def test_csv_readers_read_back_what_was_written(tmp_path, form, delimiter):
    batch = strings_batch(NASTY)
    text = written(tmp_path / f"out.{form}", [batch], batch.schema, form).decode()
    found = list(csv.reader(io.StringIO(text, newline=""), delimiter=delimiter))
    assert found == [["user", "item", "label"], *([word, word, "1"] for word in NASTY)]


def test_only_fields_that_need_quotes_have_them(tmp_path):
    batch = strings_batch(NASTY)
    text = written(tmp_path / "out.csv", [batch], batch.schema).decode()
    assert [word for word in NASTY if word != '"' and f'"{word}"' in text] == ["a,b", "two\nlines", "cr\rhere"]


@pytest.mark.parametrize("name", ["out.csv", "out.csv.gz"])
def test_the_bytes_do_not_tell_how_the_rows_came(tmp_path, name):
    batch = rows(300_000)
    whole = written(tmp_path / name, [batch], SCHEMA)
    for sizes in ([1], [65_536], [65_537, 3], [100_000, 1, 31]):
        pieces = in_pieces(batch.slice(0, 3_000), sizes) if sizes == [1] else in_pieces(batch, sizes)
        wanted = written(tmp_path / name, [batch.slice(0, 3_000)], SCHEMA) if sizes == [1] else whole
        assert written(tmp_path / name, pieces, SCHEMA) == wanted, sizes


@pytest.mark.parametrize("name", ["out.csv", "out.csv.gz"])
@pytest.mark.parametrize("count", [0, 10, 300_000])
def test_the_bytes_do_not_tell_how_many_threads_made_them(tmp_path, name, count):
    batch = rows(count)
    alone = written(tmp_path / name, [batch], SCHEMA)
    for threads in (1, 2, 5):
        with open_output(str(tmp_path / name), SCHEMA, kind=kind_of("csv", name)) as output:
            output.write_all(in_pieces(batch, [70_000, 1]), threads, 10_000 * threads)
            assert output.rows_written == count
            output.finish({})
        assert (tmp_path / name).read_bytes() == alone, threads


@pytest.mark.parametrize("threads", [1, 3])
def test_an_error_among_the_rows_leaves_nothing(tmp_path, threads):
    def batches():
        yield rows(100_000)
        raise BadDataError("no more rows", remedy="none")

    for name in ("out.csv", "out.csv.gz"):
        with (
            pytest.raises(BadDataError, match="no more rows"),
            open_output(str(tmp_path / name), SCHEMA, kind=kind_of("csv", name)) as output,
        ):
            output.write_all(batches(), threads, TEXT_ROWS)
    assert contents(tmp_path) == {}


def member(text, sizes):
    """A member of gzip whose text comes in pieces of these sizes, over and over."""
    file = _Gzip(b"")
    blocks, start, turn = [], 0, 0
    while start < len(text):
        size = sizes[turn % len(sizes)]
        blocks += file.blocks(memoryview(text)[start : start + size])
        start, turn = start + size, turn + 1
    blocks.append(file.rest())
    return _GZIP_HEADER + b"".join(map(_deflated, blocks)) + file.end()


@pytest.mark.parametrize("size", [0, 1, _BLOCK - 1, _BLOCK, _BLOCK + 1, 3 * _BLOCK, 3 * _BLOCK + 40_000])
def test_gzip_is_one_member_that_every_reader_reads(tmp_path, size):
    text = (b"%d,%d\n" * 12) % tuple(range(24))
    text = (text * (size // len(text) + 1))[:size]
    made = member(text, [size or 1])
    assert member(text, [100_003]) == made
    assert gzip.decompress(made) == text
    reader = zlib.decompressobj(16 + zlib.MAX_WBITS)  # of a single member
    assert (reader.decompress(made), reader.eof, reader.unused_data) == (text, True, b"")
    (tmp_path / "made.gz").write_bytes(made)
    with pa.input_stream(tmp_path / "made.gz", compression="gzip") as stream:
        assert stream.read() == text
    assert subprocess.run(["gzip", "-dc", tmp_path / "made.gz"], capture_output=True, check=True).stdout == text
    # Blocks that knew nothing of each other would take more.
    assert len(made) <= 1.02 * len(gzip.compress(text, 6)) + 200


def test_gzip_begins_anew_after_rows_that_were_ended(tmp_path):
    with open_output(str(tmp_path / "out"), SCHEMA, kind=Kind(".csv", ",", compressed=True)) as output:
        stream = output._current()
        for _ in range(3):
            stream.write(rows(1000))
            stream.end_rows()
        output.finish({})
    lines = gzip.decompress((tmp_path / "out").read_bytes()).decode().splitlines()
    assert lines == lines[:1] + 3 * lines[1:1001]


def test_small_integers_are_spelled_as_others_are(tmp_path):
    numbers = np.arange(-128, 128)
    for kinds in (("int8", "int64"), ("int64", "int8"), ("int8", "int8")):
        batch = pa.record_batch({name: numbers.astype(kind) for name, kind in zip("ab", kinds, strict=True)})
        text = written(tmp_path / "out.csv", [batch, batch.slice(200)], batch.schema).decode()
        assert text == "a,b\n" + "".join(f"{n},{n}\n" for n in [*numbers, *numbers[200:]])
    some = pa.array([None, -1, None, 1], pa.int8())
    text = written(
        tmp_path / "out.csv", [pa.record_batch({"a": some, "b": some})], pa.schema({"a": "int8", "b": "int8"})
    )
    assert text == b"a,b\n,\n-1,-1\n,\n1,1\n"


def test_gzip_holds_neither_time_nor_name(tmp_path):
    data = written(tmp_path / "out.csv.gz", [rows(10)], SCHEMA)
    assert (data[3], data[4:8]) == (0, bytes(4))
    assert gzip.decompress(data) == written(tmp_path / "out.csv", [rows(10)], SCHEMA)


def test_lists_are_fields(tmp_path):
    lists = pa.array([[1, 2], [], [3]], pa.list_(pa.int64()))
    words = pa.DictionaryArray.from_arrays(pa.array([0, 1, 0], pa.int32()), pa.array(["a,1", "b"]))
    coded = pa.ListArray.from_arrays(pa.array([0, 2, 2, 3], pa.int32()), words)
    floats = pa.array([[-0.5, float("-inf")], [], [1e-30]])
    batch = pa.record_batch({"user": [1, 2, 3], "neg_items": lists, "words": coded, "log_q": floats})
    for piece in (batch, pa.concat_batches([batch, batch]).slice(3)):
        text = written(tmp_path / "out.csv", [piece], batch.schema).decode()
        assert text == 'user,neg_items,words,log_q\n1,1 2,"a,1 b",-0.5 -inf\n2,,,\n3,3,"a,1",1e-30\n'


@pytest.mark.parametrize("size", [0, 1, 3, 700, 2 * TEXT_ROWS])
def test_rows_with_long_lists_are_made_few_at_a_time(size):
    """So that threads hold text of about so many elements, however long the lists are."""
    n_rows = 3 * TEXT_ROWS // max(size, 1) + 2
    offsets = pa.array(np.arange(n_rows + 1) * size, pa.int32())
    lists = pa.ListArray.from_arrays(offsets, pa.array(np.zeros(n_rows * size, np.int8)))
    batch = pa.record_batch({"user": np.arange(n_rows), "neg_items": lists})
    for piece in (batch, batch.slice(1)):
        made = list(_slices(piece))
        assert pa.Table.from_batches(made) == pa.Table.from_batches([piece])
        assert max(each.num_rows for each in made) == max(1, TEXT_ROWS // max(size, 1))
    assert not list(_slices(batch.slice(n_rows)))


def test_an_id_with_a_space_in_a_list_is_refused(tmp_path):
    coded = pa.DictionaryArray.from_arrays(pa.array([0, 1], pa.int32()), pa.array(["a", "b c"]))
    for values in (coded, coded.cast(pa.string())):
        lists = pa.ListArray.from_arrays(pa.array([0, 2], pa.int32()), values)
        batch = pa.record_batch({"user": [1], "neg_items": lists})
        with pytest.raises(BadDataError, match="the id 'b c' holds a space"):
            written(tmp_path / "out.csv", [batch], batch.schema)
        assert contents(tmp_path) == {}


def test_dictionaries_that_change_from_batch_to_batch(tmp_path):
    batches = [strings_batch([f"{n}", f"{n},"]) for n in range(50)]
    text = written(tmp_path / "out.csv", batches, batches[0].schema).decode()
    assert text == "user,item,label\n" + "".join(f'{n},{n},1\n"{n},","{n},",1\n' for n in range(50))


def test_an_empty_output_has_a_header(tmp_path):
    assert written(tmp_path / "out.tsv", [], SCHEMA, "tsv") == b"user\titem\tlabel\n"


def test_a_folder_of_text_holds_its_metadata(tmp_path):
    batch = rows(100)
    with open_output(f"{tmp_path}/out/", SCHEMA, kind=kind_of("tsv", "out/")) as output:
        output.write(batch.slice(0, 50))
        output.next_part()
        output.write(batch.slice(50))
        output.write_beside("users", pa.table({"code": [0], "user": ["a"]}))
        output.finish({"negprep": '{"seed": 1}'})
    held = contents(tmp_path / "out")
    assert sorted(held) == sorted(["_SUCCESS", METADATA, "_users.tsv", "part-00000.tsv", "part-00001.tsv"])
    assert held[METADATA] == b'{"seed": 1}\n'
    lines = [held[f"part-0000{n}.tsv"].decode().splitlines() for n in (0, 1)]
    assert lines[0][0] == lines[1][0] == "user\titem\tlabel"
    found = np.array([line.split("\t") for part in lines for line in part[1:]], int)
    assert (found == np.array([column.to_pylist() for column in batch.columns]).T).all()


def test_vocabularies_beside_a_text_are_named_like_it(tmp_path):
    users = pa.table({"code": [0], "user": ["a"]})
    for name, beside in (("o.csv", "o.users.csv"), ("o.tsv.gz", "o.users.tsv.gz"), ("o.v1", "o.users.parquet")):
        with open_output(str(tmp_path / name), SCHEMA, kind=kind_of("csv", name)) as output:
            output.write_beside("users", users)
            output.finish({})
        assert (tmp_path / beside).exists(), name
    assert (tmp_path / "o.users.csv").read_text() == "code,user\n0,a\n"
    assert gzip.decompress((tmp_path / "o.users.tsv.gz").read_bytes()) == b"code\tuser\n0\ta\n"


def write_and_fail(target):
    with open_output(target, SCHEMA, kind=kind_of("csv", target)) as output:
        output.write(rows(200_000))
        raise ZeroDivisionError


def test_what_fails_leaves_the_earlier_output(tmp_path):
    before = written(tmp_path / "out.csv", [rows(10)], SCHEMA)
    with pytest.raises(ZeroDivisionError):
        write_and_fail(f"{tmp_path}/out.csv")
    assert contents(tmp_path) == {"out.csv": before}


def test_a_full_device():
    with pytest.raises(OutputError, match="No space left on device"):
        write_and_fail("/dev/full")


def test_text_imports_no_pandas(tmp_path):
    body = """
import sys
from negprep.write import kind_of, open_output
import pyarrow as pa
from negprep.arrow import strings, from_numpy
import numpy as np
words = strings(["a,b", 'c"', "d"])
coded = pa.DictionaryArray.from_arrays(from_numpy(np.arange(3, dtype=np.int32)), words)
lists = pa.ListArray.from_arrays(from_numpy(np.array([0, 1, 2, 3], np.int32)), coded)
batch = pa.RecordBatch.from_arrays([words, coded, lists], names=["user", "item", "lists"])
with open_output(sys.argv[1], batch.schema, kind=kind_of("csv", sys.argv[1])) as output:
    output.write(batch)
    output.finish({})
print("pandas" in sys.modules)
"""
    done = subprocess.run([sys.executable, "-c", body, f"{tmp_path}/o.csv.gz"], capture_output=True, text=True)
    assert (done.stdout, done.stderr) == ("False\n", "")
