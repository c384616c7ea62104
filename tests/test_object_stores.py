"""Logs and outputs in S3, on moto's server behind a proxy with faults: `make test-remote`.

``NEGPREP_MOTO`` names the program `moto_server`; without it nothing here runs.
"""

import gc
import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import time
import xml.etree.ElementTree as ET
from collections import Counter
from contextlib import nullcontext

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pyarrow import fs
from read.test_tables import FILES, sources
from servers import Proxy
from test_stores import FORMS, LOST, TABLE

import negprep
from negprep.errors import OutputError, UsageError

MOTO = os.environ.get("NEGPREP_MOTO")
pytestmark = pytest.mark.skipif(MOTO is None, reason="NEGPREP_MOTO does not name moto_server")

GREEN = {"access_key": "key", "secret_key": "SECRET"}
MB = 1 << 20


@pytest.fixture(scope="module")
def moto():
    """The address of a server of S3."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [MOTO, "-H", "127.0.0.1", "-p", str(port)]
    server = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        for _ in range(200):
            try:
                socket.create_connection(("127.0.0.1", port), timeout=1).close()
                break
            except OSError:
                time.sleep(0.05)
        yield f"http://127.0.0.1:{port}"
    finally:
        server.terminate()
        server.wait()


@pytest.fixture(scope="module")
def system(moto):
    """Arrow's file system, straight to the server, with the buckets and files of these tests."""
    system = fs.S3FileSystem(endpoint_override=moto, allow_bucket_creation=True, **GREEN)
    system.create_dir("logs")
    for name, content in FORMS.items():
        with system.open_output_stream(f"logs/{name}", compression=None) as stream:
            stream.write(content)
    for event, part in (("buy", TABLE.slice(0, 120)), ("view", TABLE.slice(120))):
        with system.open_output_stream(f"logs/hive/event={event}/part-0.parquet") as stream:
            pq.write_table(part, stream)
    with system.open_output_stream("logs/hive/_SUCCESS") as stream:
        stream.write(b"")
    return system


@pytest.fixture
def proxy(moto, system, monkeypatch):
    """The way to the server, which the environment names as the end point."""
    proxy = Proxy(moto)
    monkeypatch.delenv("AWS_PROFILE", raising=False)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "key")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "SECRET")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    with proxy.serve() as address:
        monkeypatch.setenv("AWS_ENDPOINT_URL", address)
        yield proxy


def rows(source, **options):
    return negprep.train(source, num_neg=2, **options)


def many_rows(count):
    random = np.random.default_rng(1)
    return pa.table(
        {
            "user": random.integers(0, count // 20, count),
            "item": random.integers(0, 5000, count),
            "time": random.integers(10**9, 2 * 10**9, count),
        }
    )


def uploads(moto, bucket="logs"):
    """The uploads that are not complete."""
    connection = http.client.HTTPConnection(moto.removeprefix("http://"))
    connection.request("GET", f"/{bucket}?uploads")
    found = ET.fromstring(connection.getresponse().read())
    connection.close()
    return [each.text for each in found.iter() if each.tag.endswith("}UploadId") and each.text]


def read(system, path):
    with system.open_input_file(path) as file:
        return file.read()


@pytest.mark.parametrize("name", [*FORMS, "hive", "hive/", "hive/*/part-?.parquet", "**/part-0.parquet"])
def test_the_rows_are_those_of_the_local_file(proxy, name, tmp_path):
    expected = rows(TABLE)
    assert rows(f"s3://logs/{name}", positive="all").equals(expected)
    if name == "hive":
        kept = negprep.train(f"s3://logs/{name}", num_neg=2, positive="event=buy")
        assert kept.num_rows < expected.num_rows


def test_every_kind_of_file_gives_the_same_rows(proxy, system, tmp_path):
    local = sources(tmp_path)
    fs.copy_files(str(tmp_path), "logs/matrix", fs.LocalFileSystem(), system)
    options = {"positive": "kind=buy", "num_neg": 2}
    want = negprep.train(local["table"], **options)
    there = {name: f"s3://logs/matrix/log.{name}" for name in FILES}
    there |= {"Hive": "s3://logs/matrix/hive/", "parts": "s3://logs/matrix/part-*.parquet"}
    there["paths"] = [f"s3://logs/matrix/part-{number}.parquet" for number in (1, 0, 2)]
    found = {name: negprep.train(uri, **options).to_pydict() == want.to_pydict() for name, uri in there.items()}
    assert found == dict.fromkeys(there, True)


@pytest.mark.parametrize("name", ["out.parquet", "out.csv", "out.csv.gz"])
def test_an_output_is_that_of_a_local_file(proxy, system, moto, name, tmp_path):
    negprep.train(TABLE, str(tmp_path / name), encode=True)
    for _ in range(2):  # the second replaces the first
        negprep.train(TABLE, f"s3://logs/{name}", encode=True)
    for path in tmp_path.iterdir():
        assert read(system, f"logs/{path.name}") == path.read_bytes()
    assert uploads(moto) == []


def test_only_the_needed_columns_are_fetched(proxy, system):
    wide = TABLE
    for number in range(20):
        wide = wide.append_column(
            f"x{number}", pa.array(np.random.default_rng(number).bytes(10) for _ in range(len(wide)))
        )
    random = np.random.default_rng(0)
    blobs = pa.array([random.bytes(40_000) for _ in range(len(wide))])
    with system.open_output_stream("logs/wide.parquet") as stream:
        pq.write_table(wide.append_column("blob", blobs), stream)
    size = system.get_file_info("logs/wide.parquet").size
    assert rows("s3://logs/wide.parquet").equals(rows(TABLE))
    fetched = 0
    for method, path, headers, _ in proxy.asked:
        if method == "GET" and path.endswith("wide.parquet"):
            first, _, last = headers["range"].removeprefix("bytes=").partition("-")
            fetched += int(last) - int(first) + 1
    assert 0 < fetched < size / 10


FAULTS = {
    "cut": "cannot be reached, or the connection was lost (",
    "lost": "cannot be reached, or the connection was lost (",
    (503, "SlowDown"): "the store is too busy, or out of order; run again later",
    (500, "InternalError"): "the store is too busy, or out of order; run again later",
    (403, "InvalidAccessKeyId"): "access is denied; check the credentials",
    (403, "SignatureDoesNotMatch"): "access is denied; check the credentials",
    (403, "AccessDenied"): "access is denied; check the credentials",
    (400, "ExpiredToken"): "access is denied, or the bucket is in another region; check the credentials",
    (301, "PermanentRedirect"): "the bucket is in another region; set AWS_REGION",
}


@pytest.mark.parametrize("name", ["log.parquet", "log.csv"])
@pytest.mark.parametrize("fault", FAULTS, ids=str)
def test_a_fault_is_one_line(proxy, fault, name):
    methods = ("GET",) if fault == "cut" else ("GET", "HEAD")
    proxy.fault = lambda method, path: fault if method in methods else None
    with pytest.raises(OutputError) as error:
        rows(f"s3://logs/{name}")
    assert str(error.value).startswith(f"s3://logs/{name}: {FAULTS[fault]}")
    assert "SECRET" not in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("fault", ["cut", "lost", (503, "SlowDown")], ids=str)
@pytest.mark.parametrize("name", ["log.parquet", "log.csv", "hive"])
def test_a_fault_that_passes_is_not_noticed(proxy, fault, name):
    seen = Counter()

    def every_third(method, path):
        seen["GET"] += method == "GET"
        return fault if method == "GET" and seen["GET"] % 3 == 2 else None

    proxy.fault = every_third
    assert rows(f"s3://logs/{name}", positive="all").equals(rows(TABLE))


@pytest.mark.parametrize("name", ["log.parquet", "log.csv"])
def test_a_connection_that_is_cut_in_the_middle_of_the_log(proxy, system, name, tmp_path):
    large = many_rows(600_000)
    path = tmp_path / name
    if name.endswith("csv"):
        pa.csv.write_csv(large, path)
    else:
        pq.write_table(large, path, row_group_size=50_000)
    fs.copy_files(str(path), f"logs/large-{name}", fs.LocalFileSystem(), system)
    seen = Counter()

    def later(method, path):
        seen[method] += 1
        return "cut" if seen["GET"] > 3 else None

    proxy.fault = later
    with pytest.raises(OutputError, match=rf"^s3://logs/large-{name}: cannot be reached, or the connection was lost"):
        negprep.train(f"s3://logs/large-{name}", str(tmp_path / "out.parquet"))
    assert sorted(each.name for each in tmp_path.iterdir()) == [name]


def test_what_is_not_there_is_one_line(proxy):
    lines = {
        "s3://logs/none.csv": "no such file or folder; check the name: aws s3 ls s3://logs/ lists what is there",
        "s3://logs/none/*.csv": "no file matches; check the pattern",
        "s3://nobucket/log.csv": "there is no such bucket; check the name, and AWS_ENDPOINT_URL if it is set",
        "s3://nobucket/*.csv": "there is no such bucket; check the name, and AWS_ENDPOINT_URL if it is set",
    }
    for uri, line in lines.items():
        with pytest.raises(OutputError) as error:
            rows(uri)
        assert str(error.value) == f"{uri}: {line}"
    with pytest.raises(OutputError, match=r"^s3://nobucket/t.parquet: there is no such bucket"):
        negprep.train(TABLE, "s3://nobucket/t.parquet")


def test_a_store_that_is_not_there_is_one_line(proxy, monkeypatch):
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")
    with pytest.raises(OutputError) as error:
        rows("s3://logs/log.csv")
    assert str(error.value) == (
        "s3://logs/log.csv: cannot be reached, or the connection was lost (could not connect to server); check the "
        "network and the address, or read it by a pipe: aws s3 cp s3://logs/log.csv - | negprep train - OUTPUT"
    )


def test_a_slow_store_is_waited_for_and_one_that_hangs_is_not(proxy):
    proxy.fault = lambda method, path: time.sleep(0.3)
    assert rows("s3://logs/log.csv").equals(rows(TABLE))
    proxy.fault = lambda method, path: time.sleep(40) if method == "GET" else None
    with pytest.raises(OutputError, match=rf"^s3://logs/log.csv: {LOST} \(timeout was reached\); check the network"):
        rows("s3://logs/log.csv")


def test_an_object_that_changes_is_refused(proxy, system):
    done = Counter()

    def change(method, path):
        done[method] += 1
        if method == "GET" and not done["change"]:
            done["change"] += 1
            with system.open_output_stream("logs/changing.csv") as stream:
                stream.write(FORMS["log.csv"].replace(b"1", b"2"))

    with system.open_output_stream("logs/changing.csv") as stream:
        stream.write(FORMS["log.csv"])
    proxy.fault = change
    with pytest.raises(negprep.BadDataError, match=r"^s3://logs/changing.csv: the file changed while it was read"):
        rows("s3://logs/changing.csv")


# --- uploads that fail


@pytest.fixture
def large(tmp_path):
    """A log whose rows make an upload of several parts."""
    path = tmp_path / "large.parquet"
    pq.write_table(many_rows(600_000), path)
    return path


@pytest.mark.parametrize("fault", ["lost", (503, "SlowDown"), (403, "AccessDenied")], ids=str)
@pytest.mark.parametrize("method", ["PUT", "POST"])
def test_an_upload_that_fails_leaves_the_object_as_it_was(proxy, system, large, method, fault):
    with system.open_output_stream("logs/kept.csv") as stream:
        stream.write(b"old")
    seen = Counter()

    def from_the_second(asked, path):
        seen[asked] += 1
        return fault if asked == method and seen[asked] > 1 else None

    proxy.fault = from_the_second
    with pytest.raises(OutputError) as error:
        negprep.train(str(large), "s3://logs/kept.csv", num_neg=4)
    line = str(error.value)
    assert line.startswith("s3://logs/kept.csv: ")
    assert "SECRET" not in line
    assert seen[method] > 1
    del error
    gc.collect()
    assert read(system, "logs/kept.csv") == b"old"


def test_a_signal_in_the_upload_leaves_the_object_as_it_was(proxy, system, large, tmp_path):
    with system.open_output_stream("logs/stopped.csv") as stream:
        stream.write(b"old")
    seen = Counter()

    def slow(method, path):
        if method == "PUT":
            seen[method] += 1
            if seen[method] == 2:
                os.kill(run.pid, signal.SIGTERM)
                time.sleep(0.3)

    proxy.fault = slow
    folder = tmp_path / "temporary"
    folder.mkdir()
    command = [sys.executable, "-m", "negprep", "train", str(large), "s3://logs/stopped.csv", "--quiet"]
    environment = os.environ | {"TMPDIR": str(folder)}
    run = subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True)
    _, told = run.communicate(timeout=60)
    assert (run.returncode, told) == (143, "negprep: stopped by SIGTERM\n")
    assert list(folder.iterdir()) == []
    assert read(system, "logs/stopped.csv") == b"old"


# --- folders


@pytest.mark.parametrize("options", [{}, {"to": "csv", "encode": True}, {"command": "prepare"}], ids=str)
def test_a_folder_is_that_of_this_machine_and_verified_there(proxy, system, moto, options, tmp_path):
    options = dict(options)
    command = options.pop("command", "train")
    before = uploads(moto)
    uri = f"s3://logs/{command}-{'-'.join(options) or 'plain'}/"
    getattr(negprep, command)(TABLE, str(tmp_path / "out") + "/", **options)
    getattr(negprep, command)(TABLE, uri, **options)
    local = {path.name: path.read_bytes() for path in (tmp_path / "out").iterdir()}
    path = uri.removeprefix("s3://")
    held = system.get_file_info(fs.FileSelector(path, recursive=True))
    assert {each.base_name: read(system, each.path) for each in held} == local
    completed = [path for method, path, *_ in proxy.asked if method in ("PUT", "POST") and "uploads" not in path]
    assert completed[-1].partition("?")[0].endswith("/_SUCCESS")
    assert uploads(moto) == before
    assert not negprep.verify(uri, log="s3://logs/log.csv").failed
    for force in (False, True):
        with pytest.raises(
            UsageError, match=rf"^{uri}: is not empty \(it holds '.*'\), and no folder of a store is repl"
        ):
            getattr(negprep, command)(TABLE, uri, force=force, **options)
    first = next(name for name in sorted(local) if name.startswith(("part-", "train")))
    with system.open_output_stream(f"{path}{first}") as stream:
        stream.write(local[first][:-30])
    with pytest.raises(negprep.BadDataError, match=rf"^{uri}{first}: ") if first.endswith("parquet") else nullcontext():
        assert negprep.verify(uri, log=TABLE).failed


@pytest.fixture
def nothing_left(system, moto, proxy):
    """Checks that a folder holds no file."""

    def check(name):
        proxy.fault = lambda method, path: None
        held = system.get_file_info(fs.FileSelector(f"logs/{name}", recursive=True, allow_not_found=True))
        assert [each.path for each in held if each.type == fs.FileType.File] == []

    return check


@pytest.mark.parametrize(
    "fault", ["lost", (503, "SlowDown"), (403, "AccessDenied"), (403, "InvalidAccessKeyId")], ids=str
)
@pytest.mark.parametrize("method", ["PUT", "POST"])
def test_a_folder_that_fails_leaves_nothing(proxy, large, method, fault, nothing_left):
    seen = Counter()

    def later(asked, path):  # the third upload of bytes, or the second end of an upload
        seen[asked] += 1
        return fault if asked == method and seen[asked] > (2 if method == "PUT" else 3) else None

    proxy.fault = later
    with pytest.raises(OutputError) as error:
        negprep.train(str(large), "s3://logs/failed/", num_neg=8, epochs=2, to="csv")
    line = str(error.value)
    assert line.startswith("s3://logs/failed/")
    assert "\n" not in line
    assert "SECRET" not in line
    assert seen[method] > 2
    del error
    gc.collect()
    nothing_left("failed")


@pytest.mark.parametrize("signum", [signal.SIGTERM, signal.SIGKILL])
def test_a_folder_whose_run_is_stopped_leaves_nothing(proxy, system, large, tmp_path, signum, nothing_left):
    seen = Counter()

    def slow(method, path):
        seen[method] += 1
        if method == "PUT" and seen[method] == 3:
            os.kill(run.pid, signum)
            time.sleep(0.3)

    proxy.fault = slow
    folder = tmp_path / "temporary"
    folder.mkdir()
    command = [
        sys.executable,
        "-m",
        "negprep",
        "train",
        str(large),
        f"s3://logs/stopped-{signum}/",
        "--to",
        "csv",
        "--quiet",
    ]
    environment = os.environ | {"TMPDIR": str(folder)}
    run = subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True)
    _, told = run.communicate(timeout=60)
    if signum == signal.SIGTERM:
        assert (run.returncode, told) == (143, "negprep: stopped by SIGTERM\n")
        assert list(folder.iterdir()) == []
    nothing_left(f"stopped-{signum}")
    subprocess.run(command, env=environment, check=True, timeout=60)
    assert list(folder.iterdir()) == []  # what was killed is swept by the next run
    assert system.get_file_info(f"logs/stopped-{signum}/_SUCCESS").type == fs.FileType.File


def test_a_slow_store_takes_a_folder(proxy, system):
    proxy.fault = lambda method, path: time.sleep(0.2)
    negprep.prepare(TABLE, "s3://logs/slow/")
    assert system.get_file_info("logs/slow/_SUCCESS").type == fs.FileType.File


def test_a_run_that_fails_sends_nothing(proxy, system, tmp_path):
    bad = tmp_path / "bad.csv"
    bad.write_text("user,item\n" + "1,2\n" * 1000 + "1\n")
    with pytest.raises(negprep.BadDataError):
        negprep.train(str(bad), "s3://logs/nothing.parquet")
    assert {method for method, *_ in proxy.asked} <= {"HEAD", "GET"}
    assert system.get_file_info("logs/nothing.parquet").type == fs.FileType.NotFound


def test_the_key_is_written_nowhere(proxy, tmp_path, system):
    command = [
        sys.executable,
        "-m",
        "negprep",
        "train",
        "s3://logs/log.csv",
        "s3://logs/t.parquet",
        "--summary",
        "t.json",
    ]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, check=True)
    assert json.loads((tmp_path / "t.json").read_bytes())["rows_written"]
    assert b"SECRET" not in done.stdout + done.stderr + (tmp_path / "t.json").read_bytes()
    assert b"SECRET" not in read(system, "logs/t.parquet")


def test_memory_is_that_of_a_local_run_and_buffers(proxy, system, tmp_path):
    random = np.random.default_rng(3)
    rows_in = 12_000_000
    table = pa.table(
        {
            "user": random.integers(0, 1 << 40, 100_000)[random.integers(0, 100_000, rows_in)],
            "item": random.integers(0, 1 << 40, 20_000)[random.integers(0, 20_000, rows_in)],
            "timestamp": random.integers(10**9, 2 * 10**9, rows_in),
        }
    )
    path = tmp_path / "log.parquet"
    pq.write_table(table, path, compression="none", use_dictionary=False)
    assert path.stat().st_size > 200 * MB
    fs.copy_files(str(path), "logs/big.parquet", fs.LocalFileSystem(), system)
    del table
    peaks = {}
    for place, source in (("local", str(path)), ("store", "s3://logs/big.parquet")):
        command = [sys.executable, "-m", "negprep", "train", source, f"{place}.parquet", "--memory", "600M"]
        command += ["--num-neg", "1", "--summary", f"{place}.json"]
        subprocess.run(command, cwd=tmp_path, check=True, capture_output=True)
        peaks[place] = json.loads((tmp_path / f"{place}.json").read_bytes())["peak_memory_bytes"]
    assert (tmp_path / "local.parquet").read_bytes() == (tmp_path / "store.parquet").read_bytes()
    assert peaks["store"] < peaks["local"] + 100 * MB
