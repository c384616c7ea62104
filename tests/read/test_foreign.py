"""What negprep does not read is named, and the command that the message gives works."""

import bz2
import gzip
import io
import pickle
import shutil
import sqlite3
import struct
import tarfile
import zipfile

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.orc
import pyarrow.parquet as pq
import pytest
from remedies import carried_out

from negprep.errors import BadDataError

FRAME = pd.DataFrame({"user": [1, 1, 2, 3], "item": [10, 11, 10, 12], "value": [5, 4, 3, 2]})
TABLE = pa.Table.from_pandas(FRAME, preserve_index=False)
TEXT = FRAME.to_csv(index=False).encode()
PAIRS = [(1, 10), (1, 11), (2, 10), (3, 12)]


def sqlite(path):
    connection = sqlite3.connect(path)
    FRAME.to_sql("ratings", connection, index=False)
    connection.close()


def sparse(path):
    matrix = pytest.importorskip("scipy.sparse")
    matrix.save_npz(path, matrix.coo_matrix((FRAME["value"], (FRAME["user"], FRAME["item"]))))


def several(path):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a b/README.txt", "words")
        archive.writestr("a b/ratings.csv", TEXT)


def tarred(path, mode):
    with tarfile.open(path, mode, format=tarfile.GNU_FORMAT) as archive:
        info = tarfile.TarInfo("d/log.csv")
        info.size = len(TEXT)
        archive.addfile(info, io.BytesIO(TEXT))


MATRIX = "%%MatrixMarket matrix coordinate integer general\n% words\n3 12 4\n" + "".join(
    f"{user} {item} {value}\n" for user, item, value in FRAME.itertuples(index=False)
)
FOREIGN = {
    "log.orc": (lambda path: pyarrow.orc.write_table(TABLE, path), "an ORC file"),
    "log.db": (sqlite, "an SQLite database"),
    "log.npy": (lambda path: np.save(path, FRAME.to_numpy()), "a NumPy file"),
    "records.npy": (lambda path: np.save(path, FRAME.to_records(index=False)), "a NumPy file"),
    "log.npz": (lambda path: np.savez(path, user=FRAME["user"], item=FRAME["item"]), "a NumPy archive (.npz)"),
    "sparse.npz": (sparse, "a NumPy archive (.npz)"),
    "log.pkl": (lambda path: FRAME.to_pickle(path), "a Python pickle"),
    "log.mtx": (lambda path: path.write_text(MATRIX), "a MatrixMarket file"),
    "log.mtx.gz": (lambda path: path.write_bytes(gzip.compress(MATRIX.encode())), "a MatrixMarket file"),
    "two.zip": (several, "a zip archive of 2 files: a b/README.txt, a b/ratings.csv"),
    "log.tar": (lambda path: tarred(path, "w"), "a tar archive"),
    "log.tar.gz": (lambda path: tarred(path, "w:gz"), "a tar archive"),
    "log.tbz2": (lambda path: tarred(path, "w:bz2"), "a tar archive"),
}


@pytest.mark.parametrize("name", FOREIGN)
def test_the_advice_works(here, read, name):
    write, kind = FOREIGN[name]
    write(here / name)
    with pytest.raises(BadDataError) as error:
        read(name)
    message = str(error.value)
    assert message.startswith(f"{name}: this is {kind}; ")
    if "sqlite3" in message and not shutil.which("sqlite3"):
        pytest.skip("needs sqlite3")
    made = carried_out(message.replace("SELECT * FROM TABLE", "SELECT * FROM ratings"))
    if made == "rows.parquet":
        rows = pq.read_table(made, filters=[("label", "=", 1)]).select(["user", "item"]).to_pylist()
        assert sorted(tuple(row.values()) for row in rows) == PAIRS
    else:
        columns = {} if name != "records.npy" else {"user_col": "user", "item_col": "item"}
        assert read(made, **columns).rows == PAIRS


BY_HEAD = {
    b"FEA1": "a Feather file of version 1; convert it: python3 -c 'import pyarrow.feather",
    b"Obj\x01\x04\x14": "an Avro file; convert it: python3 -c 'import polars; ",
    b"\x89HDF\r\n\x1a\n": "an HDF5 file; convert it: python3 -c 'import pandas; ",
    b"\xfd7zXZ\x00\x00": "xz data; convert it: xz -dc log | negprep train - OUTPUT",
    b"\x04\x22\x4d\x18d": "lz4 data; convert it: lz4 -dc log | negprep train - OUTPUT",
    b"7z\xbc\xaf\x27\x1c": "a 7z archive; convert it: 7z x -so log MEMBER | negprep train - OUTPUT",
    b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1": "an Excel file (.xls); convert it: python3 -c 'import pandas; ",
    b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n": (
        "a Git LFS pointer, not the file that it stands for; fetch the file: git lfs pull"
    ),
    **{pickle.dumps([(1, 2)], protocol): "a Python pickle; " for protocol in range(2, 6)},
}


@pytest.mark.parametrize("head", BY_HEAD)
def test_named_by_the_first_bytes(here, read, head):
    (here / "log").write_bytes(head)
    with pytest.raises(BadDataError) as error:
        read("log")
    assert str(error.value).startswith(f"log: this is {BY_HEAD[head]}")


def test_a_foreign_file_in_gzip_is_unpacked_first(here, read):
    pyarrow.orc.write_table(TABLE, "log.orc")
    (here / "log.orc.gz").write_bytes(gzip.compress((here / "log.orc").read_bytes()))
    (here / "log.orc").unlink()
    with pytest.raises(BadDataError) as error:
        read("log.orc.gz")
    made = carried_out(str(error.value).removesuffix(", then name that file").replace("(", "").replace(")", ""))
    assert pyarrow.orc.read_table(made) == TABLE


@pytest.mark.parametrize("text", ["ORC,item\n1,2\n", "version,item\n1,2\n", "Obj,item\n1,2\n", "PK,item\n1,2\n"])
def test_text_that_begins_like_something_else(here, read, text):
    (here / "log.csv").write_text(text)
    assert read("log.csv", user_col=text[: text.index(",")]).rows == [(1, 2)]


def zipped(members, **options):
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", **options) as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return made.getvalue()


METHODS = [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA]


@pytest.mark.parametrize("method", METHODS)
def test_a_zip_of_one_file_is_read(here, read, method):
    hidden = {"d/": b"", "__MACOSX/d/._log.csv": b"x", "d/.DS_Store": b"x"}
    (here / "log.zip").write_bytes(zipped({**hidden, "d/log.csv": TEXT}, compression=method))
    assert read("log.zip").rows == PAIRS
    n_rows = 400_000 if method == zipfile.ZIP_DEFLATED else 50_000  # 5 MB, or 0.5
    rows = b"".join(b"%d,%d\n" % (n // 7, n) for n in range(n_rows))
    (here / "log.csv.zip").write_bytes(zipped({"log.csv": b"user,item\n" + rows}, compression=method))
    assert read("log.csv.zip").rows == [(n // 7, n) for n in range(n_rows)]


def test_zip_archives_that_cannot_be_read(here, read):
    data = zipped({"log.csv": TEXT * 100}, compression=zipfile.ZIP_DEFLATED)
    (here / "cut.zip").write_bytes(data[: len(data) // 2])
    (here / "bad.zip").write_bytes(data[:60] + bytes([data[60] ^ 255]) + data[61:])
    (here / "empty.zip").write_bytes(zipped({}))
    (here / "excel.zip").write_bytes(zipped({"[Content_Types].xml": b"", "xl/workbook.xml": b""}))
    (here / "parquet.zip").write_bytes(zipped({"a.parquet": b"PAR1" + bytes(9)}))
    locked = bytearray(zipped({"log.csv": TEXT}))
    for mark, at in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        struct.pack_into("<H", locked, locked.index(mark) + at, 1)
    (here / "locked.zip").write_bytes(locked)
    for name, message in {
        "cut": "the zip archive is cut short or damaged (File is not a zip file); copy or make the file again",
        "bad": "the zip data is damaged: ",
        "empty": "the zip archive holds no file",
        "excel": 'this is an Excel file; convert it: python3 -c \'import pandas; pandas.read_excel("excel.zip"',
        "parquet": "Parquet inside zip; decompress the zip first",
        "locked": "the zip archive is encrypted; unpack it first: unzip locked.zip",
    }.items():
        with pytest.raises(BadDataError) as error:
            read(f"{name}.zip")
        assert str(error.value).startswith(f"{name}.zip: {message}")


def test_two_codecs(here, read):
    (here / "log.gz").write_bytes(gzip.compress(zipped({"log.csv": TEXT})))
    (here / "log.zip").write_bytes(zipped({"log.csv.bz2": bz2.compress(TEXT)}))
    with pytest.raises(BadDataError, match="zip inside gzip; decompress the gzip first"):
        read("log.gz")
    with pytest.raises(BadDataError, match="bz2 inside zip; decompress the zip first"):
        read("log.zip")
