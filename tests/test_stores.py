"""INPUT and OUTPUT by URI: the rows of the local file, requests for no more than is needed, and one line for errors.

Files on the web come from a server on this machine; a folder of this machine stands for a store. A server of S3 is in
`test_object_stores.py`.
"""

import gzip
import io
import json
import re
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq
import pytest
from logs import as_table, random_rows
from pyarrow import fs
from servers import Web

import negprep
from negprep import stores
from negprep.cli.exit_codes import guarded
from negprep.cli.group import invoke
from negprep.encode.vocabulary import Vocabulary
from negprep.errors import BadDataError, NegprepError, OutputError, UsageError
from negprep.model_file import Model, write_model
from negprep.write import output

TABLE = as_table(random_rows(5, users=40))


def parquet(table=TABLE, **options):
    sink = io.BytesIO()
    pq.write_table(table, sink, **options)
    return sink.getvalue()


def csv(table=TABLE):
    sink = io.BytesIO()
    pa.csv.write_csv(table, sink)
    return sink.getvalue()


def json_lines(table=TABLE):
    return "".join(json.dumps(row) + "\n" for row in table.to_pylist()).encode()


FORMS = {
    "log.parquet": parquet(),
    "log.csv": csv(),
    "log.csv.gz": gzip.compress(csv()),
    "log.jsonl": json_lines(),
}


def rows(source, **options):
    return negprep.train(source, num_neg=2, **options)


@pytest.fixture(autouse=True)
def no_pause(monkeypatch):
    monkeypatch.setattr(stores, "_PAUSE", 0.0)


@pytest.fixture
def store(tmp_path, monkeypatch):
    """A folder that stands for all buckets; paths in it, by URI."""
    root = tmp_path / "store"
    (root / "bucket").mkdir(parents=True)

    def connected(where, **options):
        return fs.SubTreeFileSystem(str(root), fs.LocalFileSystem()), where.partition("://")[2].rstrip("/")

    monkeypatch.setattr(stores, "connected", connected)
    monkeypatch.setattr(stores, "upload_settings", lambda where: {})
    return root


# --- the web


@pytest.mark.parametrize("ranges", [True, False])
def test_the_web_gives_the_rows_of_the_local_file(tmp_path, ranges):
    web = Web({f"/{name}": content for name, content in FORMS.items()}, ranges=ranges)
    with web.serve() as address:
        for name, content in FORMS.items():
            local = tmp_path / name
            local.write_bytes(content)
            assert rows(f"{address}/{name}?X-Sig=secret").equals(rows(str(local)))


def test_only_the_needed_columns_of_parquet_are_fetched():
    filler = pa.array([f"{number:0>2000}" for number in range(len(TABLE))])
    many = TABLE.append_column("x0", filler)
    for number in range(1, 20):
        many = many.append_column(f"x{number}", filler)
    web = Web({"/log.parquet": parquet(many, compression="none", use_dictionary=False)})
    with web.serve() as address:
        assert rows(f"{address}/log.parquet").equals(rows(TABLE))
    size = len(web.files["/log.parquet"])
    # The answers to these requests are read no further than they are needed.
    firsts = [int(places.removeprefix("bytes=").partition("-")[0]) for _, places in web.asked]
    assert all(first < 1 << 16 or first > size - (1 << 17) for first in firsts)


def test_a_cut_connection_is_taken_up_where_it_was_cut():
    web = Web({"/log.csv": csv() * 1}, fault=lambda number: "cut" if number in (2, 3) else None)
    with web.serve() as address:
        assert rows(f"{address}/log.csv").equals(rows(TABLE))


@pytest.mark.parametrize("ranges", [True, False])
def test_a_connection_that_is_always_cut_is_one_line(ranges):
    web = Web({"/log.csv": csv()}, ranges=ranges, fault=lambda number: "cut")
    with web.serve() as address, pytest.raises(OutputError) as error:
        rows(f"{address}/log.csv?sig=secret")
    assert str(error.value).startswith(f"{address}/log.csv: cannot be reached, or the connection was lost (")
    assert str(error.value).endswith(f"or read it by a pipe: curl -s {address}/log.csv | negprep train - OUTPUT")


@pytest.mark.parametrize(
    ("status", "what"),
    [
        (403, "access is denied (HTTP 403); is the address still valid?"),
        (404, "no such file (HTTP 404); check the address"),
        (503, "the server is too busy, or out of order (HTTP 503); run again later"),
        (400, "the server refused (HTTP 400); read it by a pipe: curl -s"),
    ],
)
def test_an_answer_that_is_an_error_is_one_line(status, what):
    with Web({}, fault=lambda number: status).serve() as address, pytest.raises(OutputError) as error:
        rows(f"{address}/log.csv?sig=secret")
    assert str(error.value).startswith(f"{address}/log.csv: {what}")
    assert "secret" not in str(error.value)


def test_a_server_that_does_not_answer_is_one_line(monkeypatch):
    monkeypatch.setattr(stores, "_TIMEOUT", 0.1)
    web = Web({"/log.csv": csv()}, fault=lambda number: "slow")
    with web.serve() as address, pytest.raises(OutputError, match=r"connection was lost \(timed out\)"):
        rows(f"{address}/log.csv")
    with pytest.raises(OutputError, match=r"connection was lost \(connection refused\)"):
        rows(f"{address}/log.csv")


def test_a_file_that_changes_is_refused():
    web = Web({"/log.csv": csv()})

    def fault(number):
        if number == 2:
            web.files["/log.csv"] = csv(TABLE.slice(0, 100))

    web.fault = fault
    with web.serve() as address, pytest.raises(BadDataError, match="the file changed while it was read; run again"):
        rows(f"{address}/log.csv")


def test_an_empty_file_of_the_web_is_refused_as_a_local_one():
    with Web({"/log.csv": b""}).serve() as address, pytest.raises(BadDataError, match="the file is empty"):
        rows(f"{address}/log.csv")


def test_secrets_of_an_address_are_written_nowhere(tmp_path, monkeypatch, capfd):
    monkeypatch.chdir(tmp_path)
    with Web({"/log.csv": csv(), "/items.csv": csv()}).serve() as address:
        log, items = f"{address}/log.csv?sig=SECRET", f"{address}/items.csv?sig=SECRET"
        commands = [
            ["train", log, "t.parquet", "--items", items, "--summary", "t.json"],
            ["inspect", log],
            ["prepare", log, "data/", "--items", items],
            ["verify", "t.parquet", "--log", log, "--items", items],
            ["report", "t.parquet", "t.html", "--log", log, "--items", items],
            ["train", log, "t.parquet", "--user-col", "nobody"],
        ]
        for command in commands:
            guarded(lambda words=command: invoke(words))
    printed = "".join(capfd.readouterr())
    assert "log.csv" in printed
    assert "SECRET" not in printed
    for path in tmp_path.rglob("*"):
        assert path.is_dir() or b"SECRET" not in path.read_bytes(), path


# --- stores


def test_a_store_gives_the_rows_of_the_local_files(store):
    folder = store / "bucket" / "logs"
    for event, part in (("buy", TABLE.slice(0, 120)), ("view", TABLE.slice(120))):
        (folder / "hive" / f"event={event}").mkdir(parents=True)
        pq.write_table(part, folder / "hive" / f"event={event}" / "part-0.parquet")
    (folder / "hive" / "_SUCCESS").touch()
    for name, content in FORMS.items():
        (folder / name).write_bytes(content)
    for name in (
        *FORMS,
        "hive",
        "hive/",
        "hive/*/part-?.parquet",
        "h*",
        "**/part-[0-9].parquet",
        "hive/**",
        "log.csv*",
    ):
        local, remote = rows(str(folder / name), positive="all"), rows(f"s3://bucket/logs/{name}", positive="all")
        assert local.equals(remote), name
    by_event = [rows(f"{start}/logs/hive", positive="event=buy") for start in (store / "bucket", "gs://bucket")]
    assert by_event[0].equals(by_event[1])


def test_files_beside_the_log_may_be_in_a_store(store, tmp_path):
    beside = TABLE.slice(0, 30)
    for name, there in (("log.csv", TABLE), ("beside.csv", beside)):
        (store / "bucket" / name).write_bytes(csv(there))
    log, uri = str(store / "bucket" / "log.csv"), "s3://bucket/beside.csv"
    for option in ("items", "exclude", "weak"):
        assert rows(log, **{option: uri}).equals(rows(log, **{option: beside})), option


def test_a_model_may_be_in_a_store(store):
    ids = [pa.array(sorted(set(TABLE[name].to_pylist())), pa.int64()) for name in ("user", "item")]
    chance = np.random.default_rng(1)
    factors = [chance.normal(size=(len(each), 3)).astype(np.float32) for each in ids]
    path = store / "bucket" / "model.npz"
    write_model(str(path), Model("own", *map(Vocabulary, ids), *factors, None, None))
    there = rows(TABLE, sampler="hard", pool=4, model="s3://bucket/model.npz")
    assert there.equals(rows(TABLE, sampler="hard", pool=4, model=str(path)))
    (store / "bucket" / "model.npz").write_bytes(b"not a model")
    with pytest.raises(BadDataError) as error:
        rows(TABLE, sampler="hard", pool=4, model="s3://bucket/model.npz")
    assert str(error.value).startswith("s3://bucket/model.npz: is neither a .npz file of arrays nor Parquet")


def test_an_output_in_a_store_is_that_of_a_local_file(store, tmp_path):
    for name in ("t.parquet", "t.csv", "t.csv.gz"):
        local = tmp_path / name
        negprep.train(TABLE, str(local), num_neg=2, encode=True)
        uri = f"s3://bucket/out-{name}"
        assert negprep.train(TABLE, uri, num_neg=2, encode=True) == uri
        for path in tmp_path.glob("t.*"):
            assert (store / "bucket" / f"out-{path.name}").read_bytes() == path.read_bytes()
            path.unlink()
    assert list(Path(stores.tempfile.gettempdir()).glob(".out-t*")) == []


def test_the_example_of_the_page_of_formats(store):
    for name in ("log.csv", "items.csv"):
        (store / "bucket" / name).write_bytes(csv())
    (store / "bucket" / "log.parquet").write_bytes(parquet())
    page = (Path(__file__).parents[1] / "docs/reference/formats.md").read_text()
    (line,) = re.findall(r"^negprep (train s3://.*)$", page, flags=re.MULTILINE)
    assert guarded(lambda: invoke(line.split())) == 0
    assert pq.read_table(store / "bucket" / "train.parquet").equals(negprep.train(TABLE))


class Files:
    """A store in which a file appears when its upload is complete; ``fault`` gets what is asked, and the path."""

    def __init__(self, root):
        self.root, self.inner = root, fs.SubTreeFileSystem(str(root), fs.LocalFileSystem())
        self.fault = lambda asked, path: None
        self.done = []

    def ask(self, what, path):
        if self.fault(what, path):
            raise OSError("AWS Error SLOW_DOWN during X operation: Reduce your request rate")

    def open_output_stream(self, path, compression):
        assert compression is None
        self.ask("open", path)
        return Stream(self, path)

    def delete_file(self, path):
        self.ask("delete", path)
        self.inner.delete_file(path)

    def get_file_info(self, path):
        return self.inner.get_file_info(path)

    def open_input_file(self, path):
        return self.inner.open_input_file(path)

    @property
    def held(self):
        """The paths of all files below the bucket."""
        return sorted(str(path.relative_to(self.root / "bucket")) for path in self.root.rglob("*") if path.is_file())


class Stream:
    def __init__(self, files, path):
        self.files, self.path, self.sent, self.closed = files, path, b"", False

    def write(self, part):
        self.files.ask("send", self.path)
        self.sent += part

    def close(self):
        self.files.ask("close", self.path)
        path = self.files.root / self.path
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(self.sent)
        self.files.done.append(self.path)
        self.closed = True
        self.files.ask("closed", self.path)

    def __del__(self):
        if not self.closed:  # as Arrow's streams do
            self.close()


@pytest.fixture
def files(store, monkeypatch):
    """A store whose uploads can fail."""
    files = Files(store)
    monkeypatch.setattr(stores, "connected", lambda where, **options: (files, where.partition("://")[2].rstrip("/")))
    return files


def test_nothing_appears_in_a_store_before_the_upload_is_whole(files):
    old = files.root / "bucket" / "t.parquet"
    old.write_bytes(b"old")
    files.fault = lambda asked, path: asked == "send"
    with pytest.raises(OutputError) as error:
        negprep.train(TABLE, "s3://bucket/t.parquet")
    del error
    assert old.read_bytes() == b"old"
    files.fault = lambda asked, path: None
    negprep.train(TABLE, "s3://bucket/t.parquet")
    assert pq.read_table(old).equals(negprep.train(TABLE))


# --- folders in a store


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"encode": True},
        {"to": "csv", "encode": True},
        {"to": "arrow"},
        {"epochs": 2},
        {"command": "test", "to": "recbole"},
        {"command": "test", "to": "rechorus", "with_valid": True, "encode": True, "num_neg": 3},
        {"command": "prepare"},
        {"command": "prepare", "to": "csv"},
        {"command": "prepare", "to": "recbole"},
    ],
    ids=str,
)
def test_a_folder_in_a_store_is_that_of_this_machine_and_verified(files, tmp_path, options):
    options = dict(options)
    call = getattr(negprep, options.pop("command", "train"))
    uri = "s3://bucket/some/out/"
    call(TABLE, str(tmp_path / "out") + "/", **options)
    call(TABLE, uri, **options)
    local = {str(path.relative_to(tmp_path / "out")): path for path in (tmp_path / "out").rglob("*") if path.is_file()}
    assert files.held == sorted(f"some/out/{name}" for name in local)
    for name, path in local.items():
        assert (files.root / "bucket" / "some" / "out" / name).read_bytes() == path.read_bytes()
    assert files.done[-1] == "bucket/some/out/_SUCCESS"
    there, here = negprep.verify(uri, log=TABLE), negprep.verify(str(tmp_path / "out"), log=TABLE)
    assert not there.failed
    assert [check.status for check in there.checks] == [check.status for check in here.checks]


def test_a_data_set_in_a_store_names_its_local_log(files, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("log.csv").write_bytes(csv())
    negprep.prepare("log.csv", "s3://bucket/out", num_neg=1, test_num_neg=1)
    out = files.root / "bucket" / "out"
    assert f'input = "{tmp_path}/log.csv"' in (out / "negprep.toml").read_text()
    assert f"negprep verify . --log {tmp_path}/log.csv" in (out / "README.md").read_text()
    negprep.prepare("s3://bucket/out/train.parquet", "s3://bucket/again/", num_neg=1, test_num_neg=1, positive="all")
    assert 'input = "s3://bucket/out/train.parquet"' in (files.root / "bucket/again/negprep.toml").read_text()


def test_a_file_of_a_data_set_that_changed_in_a_store_is_found(files):
    negprep.prepare(TABLE, "s3://bucket/out/")
    path = files.root / "bucket" / "out" / "users.parquet"
    path.write_bytes(path.read_bytes() + b"x")
    (check,) = [check for check in negprep.verify("s3://bucket/out", log=TABLE).checks if check.status == "failed"]
    assert (check.name, check.examples) == ("other files as written", ["s3://bucket/out/users.parquet"])


def test_a_folder_in_a_store_that_is_not_whole_is_not_verified(files):
    negprep.train(TABLE, "s3://bucket/out/", encode=True)
    (files.root / "bucket" / "out" / "_SUCCESS").unlink()
    with pytest.raises(BadDataError, match=r"^s3://bucket/out/: no _SUCCESS in the folder: it is not whole; make"):
        negprep.verify("s3://bucket/out/", log=TABLE)
    (files.root / "bucket" / "out" / "_SUCCESS").touch()
    (files.root / "bucket" / "out" / "_items.parquet").unlink()
    with pytest.raises(BadDataError, match=r"^s3://bucket/out: the vocabulary of the items is not there"):
        negprep.verify("s3://bucket/out", log=TABLE)


@pytest.mark.parametrize("asked", ["open", "send", "close", "closed"])
@pytest.mark.parametrize("name", ["part-00000.parquet", "_users.parquet", "_SUCCESS"])
def test_a_folder_that_fails_leaves_nothing_in_the_store(files, tmp_path, asked, name):
    files.fault = lambda what, path: what == asked and path.endswith(name)
    expected = (
        r"^s3://bucket/(out/|out/_\w+|out/[^/]*parquet): the store is too busy, or out of order; run again later$"
    )
    summary = tmp_path / "s.json"
    options = negprep.Options(command="train", encode=True)
    if (asked, name) == ("send", "_SUCCESS"):  # nothing is in it
        return
    with pytest.raises(OutputError, match=expected):
        negprep.prepare(TABLE, "s3://bucket/out/", options, summary=str(summary))
    assert files.held == []
    assert not summary.exists()
    files.fault = lambda what, path: None
    negprep.prepare(TABLE, "s3://bucket/out/", options, summary=str(summary))
    assert len(files.held) == 4
    assert summary.exists()
    assert list(Path(stores.tempfile.gettempdir()).glob(".out.*")) == []


def test_what_cannot_be_taken_back_is_told(files):
    files.fault = lambda what, path: what == "delete" or (what == "close" and path.endswith("_SUCCESS"))
    with pytest.raises(OutputError) as error:
        negprep.train(TABLE, "s3://bucket/out/", encode=True)
    assert str(error.value) == (
        "s3://bucket/out/: the store is too busy, or out of order; '_items.parquet' and 3 more files may be there, "
        "without _SUCCESS; run again later; before, remove them: aws s3 rm --recursive s3://bucket/out/"
    )


def test_a_folder_that_is_filled_meanwhile_is_left_alone(files):
    def fill(asked, path):
        (files.root / "bucket" / "out").mkdir(exist_ok=True)
        (files.root / "bucket" / "out" / "part-00000.parquet").write_bytes(b"another's")

    files.fault = fill
    with pytest.raises(UsageError, match=r"^s3://bucket/out/: is not empty \(it holds 'part-00000.parquet'\), and no"):
        negprep.train(TABLE, "s3://bucket/out/")
    assert (files.root / "bucket" / "out" / "part-00000.parquet").read_bytes() == b"another's"


def test_large_files_of_a_folder_are_sent_ahead(files, monkeypatch):
    monkeypatch.setattr(output, "_SENT", 1000)
    asked = []
    files.fault = lambda what, path: asked.append((what, path.rpartition("/")[2]))
    negprep.train(TABLE, "s3://bucket/out/")
    of_part = [what for what, name in asked if name.startswith("part-")]
    before = asked.index(("open", "_SUCCESS"))
    assert of_part.count("send") > 2
    assert [what for what, name in asked[before:] if name.startswith("part-")] == ["send", "close", "closed"]
    assert pq.read_table(files.root / "bucket" / "out").equals(negprep.train(TABLE))


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (
            "NO_SUCH_BUCKET during PutObject operation: x",
            "there is no such bucket; check the name, and AWS_ENDPOINT_URL",
        ),
        (
            "ACCESS_DENIED during HeadObject operation: No response body.",
            "access is denied; check the credentials (AWS_",
        ),
        ("UNKNOWN (HTTP status 403) during X operation: Unable to parse", "access is denied; check the credentials"),
        ("UNKNOWN (HTTP status 301) during HeadObject operation: x", "the bucket is in another region; set AWS_REGION"),
        ("SLOW_DOWN during GetObject operation: x", "the store is too busy, or out of order; run again later"),
        (
            "NETWORK_CONNECTION during GetObject operation: curlCode: 18, Transferred a partial file; Details: x",
            "cannot be reached, or the connection was lost (transferred a partial file); check the network and the "
            "address, or read it by a pipe: aws s3 cp 's3://b/a log' - | negprep train - OUTPUT",
        ),
        (
            "ODD during X operation: odd (Request ID: 7)",
            "the store refused: When x: AWS Error ODD during X operation: odd",
        ),
    ],
)
def test_what_a_store_refuses_is_one_line(words, line):
    error = stores.refusal(OSError(f"When x: AWS Error {words}"), "s3://b/a log")
    assert isinstance(error, OutputError)
    assert str(error).startswith(f"s3://b/a log: {line}")


LOST = "cannot be reached, or the connection was lost"


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (
            "google::cloud::Status(UNAVAILABLE: Retry policy exhausted, with a last message of PerformWork() - CURL "
            "error [6]=Could not resolve hostname error_info={reason=})",
            f"{LOST} (could not resolve hostname); check the network and the address, or read it by a pipe: gcloud ",
        ),
        (
            "google::cloud::Status(UNAVAILABLE: Could not create a OAuth2 access token: CURL error [6]=x)",
            "access is denied",
        ),
        ("google::cloud::Status(PERMISSION_DENIED: x)", "access is denied; check the credentials"),
        (
            "Unable to load libjvm: libjvm.so: cannot open",
            "hdfs:// needs Java and Hadoop; set JAVA_HOME and HADOOP_HOME",
        ),
    ],
)
def test_what_other_stores_refuse_is_one_line(words, line):
    assert str(stores.refusal(OSError(words), "gs://b/log")).startswith(f"gs://b/log: {line}")


def test_what_azure_refuses_is_no_bug():
    words = "Unknown error: Check for support on 'https://a.blob.core.windows.net/c' failed: AuthenticationException"
    with pytest.raises(OutputError) as error, stores.store_errors("abfs://c@a.dfs.core.windows.net/log"):
        raise pa.ArrowException(words)
    assert str(error.value).startswith("abfs://c@a.dfs.core.windows.net/log: access is denied; check the credentials")


def test_a_store_that_fails_within_parquet_is_not_called_damage(store, monkeypatch):
    (store / "bucket" / "log.parquet").write_bytes(parquet())

    class Failing(io.BytesIO):
        def read(self, *size):
            raise OSError("AWS Error SERVICE_UNAVAILABLE during GetObject operation: x")

    monkeypatch.setattr(stores.RemoteFile, "open_columns", lambda file: Failing(parquet()))
    with pytest.raises(OutputError, match=r"s3://bucket/log.parquet: the store is too busy"):
        rows("s3://bucket/log.parquet")
    monkeypatch.setattr(stores.RemoteFile, "open_columns", lambda file: io.BytesIO(parquet()[:-50] + b"x" * 50))
    with pytest.raises(BadDataError, match="unreadable Parquet"):
        rows("s3://bucket/log.parquet")


REFUSED = {
    "s3://bucket/none.csv": "s3://bucket/none.csv: no such file or folder; check the name: aws s3 ls s3://bucket/ "
    "lists what is there",
    "s3://none/log.csv": "s3://none/log.csv: there is no such bucket; check the name",
    "s3://bucket/none*.csv": "s3://bucket/none*.csv: no file matches; check the pattern",
    "s3://bucket/none/*.csv": "s3://bucket/none/*.csv: no file matches; check the pattern",
    "s3://key:SECRET@bucket/log.csv": "s3://bucket/log.csv: the URI holds credentials; leave them out: the environment",
    "s3://bucket/log.csv?access_key=SECRET": "s3://bucket/log.csv: the URI holds a query; leave it out",
    "https://me:SECRET@host/log.csv": "https://host/log.csv: the URI holds credentials; curl --user NAME https://host",
    "https://host/*.csv": "https://host/*.csv: patterns cannot be looked up on the web; name each file",
    "s3a://bucket/log.csv": "s3a://bucket/log.csv: s3a:// is not a kind of URI that is read; s3://?",
    "file:///log.csv": "file:///log.csv: file:// is not a kind of URI that is read; name a local file",
    "s3:///log.csv": "s3:///log.csv: the URI names no bucket or host; write s3://BUCKET/FILE",
    str(
        Path("s3://bucket/log.csv")
    ): "s3:/bucket/log.csv: is a URI with one slash of two, as pathlib writes it; give it",
    "s3://bucket/delta": "s3://bucket/delta: this is a Delta Lake table, whose files alone are not its rows",
    "s3://bucket/job": "s3://bucket/job: holds _temporary: a Spark or Hadoop job is writing here",
    "s3://bucket/hidden": "s3://bucket/hidden: no data file in the folder; names starting with _ or . are ignored",
}


@pytest.mark.parametrize("where", REFUSED)
def test_inputs_that_are_refused(store, where):
    for name in ("delta/_delta_log/0.json", "delta/a.parquet", "job/_temporary/0/a", "job/a.csv", "hidden/_a"):
        (store / "bucket" / name).parent.mkdir(parents=True, exist_ok=True)
        (store / "bucket" / name).write_bytes(b"x")
    with pytest.raises(NegprepError) as error:
        rows(where)
    assert str(error.value).startswith(REFUSED[where])
    assert "SECRET" not in str(error.value)


NOT_WRITTEN = {
    "https://host/t.parquet": "https://host/t.parquet: is on the web: it can only be read; write a local",
    "hdfs://host/t.parquet": "hdfs://host/t.parquet: is in a store where no file appears whole at once: it can only be "
    "read; write a local file, and copy it: hdfs dfs -put LOCAL hdfs://host/t.parquet",
    "s3://bucket": "s3://bucket: names a bucket; name a file or a folder in it",
    "s3://bucket/": "s3://bucket/: names a bucket; name a file or a folder in it",
    "s3://bucket/logs": "s3://bucket/logs: is a folder; name a file in it, or end OUTPUT with a slash",
    "s3://bucket/full/": "s3://bucket/full/: is not empty (it holds 'a'), and no folder of a store is replaced; "
    "name a new folder, or remove this one first: aws s3 rm --recursive s3://bucket/full/",
    "gs://bucket/full/": "gs://bucket/full/: is not empty (it holds 'a'), and no folder of a store is replaced; "
    "name a new folder, or remove this one first: gcloud storage rm --recursive gs://bucket/full/",
    "s3://bucket/full/a/": "s3://bucket/full/a/: is a file; leave out the slash at the end",
    "abfs://c@a/t/": "abfs://c@a/t/: is in a store where no file appears whole at once: it can only be read; write a",
    "s3://bucket/logs/log.csv/": "s3://bucket/logs/log.csv/: is the input s3://bucket/logs/log.csv; name another",
    "s3://none/t.parquet": "s3://none/t.parquet: there is no such bucket",
    "s3://bucket/logs/log.csv": "s3://bucket/logs/log.csv: is the input s3://bucket/logs/log.csv; name another OUTPUT",
    "s3://a:SECRET@bucket/t.parquet": "s3://bucket/t.parquet: the URI holds credentials",
    str(Path("s3://bucket/t.parquet")): "s3:/bucket/t.parquet: is a URI with one slash of two",
}


@pytest.mark.parametrize("target", NOT_WRITTEN)
def test_outputs_that_are_refused_before_anything_is_read(store, target, monkeypatch):
    (store / "bucket" / "logs").mkdir()
    (store / "bucket" / "full").mkdir()
    (store / "bucket" / "full" / "a").touch()
    monkeypatch.setattr("negprep.pipeline.open_log", None)
    with pytest.raises(NegprepError) as error:
        negprep.train("s3://bucket/logs/log.csv", target, force=True)
    assert str(error.value).startswith(NOT_WRITTEN[target])
    assert "SECRET" not in str(error.value)


def test_an_output_within_the_input_is_refused(store):
    (store / "bucket" / "logs").mkdir()
    with pytest.raises(UsageError, match=r"s3://bucket/logs/t.csv: lies in the input s3://bucket/logs; name another"):
        negprep.train("s3://bucket/logs", "s3://bucket/logs/t.csv")
    with pytest.raises(UsageError, match=r"s3://bucket/logs/out/: lies in the input s3://bucket/logs; name another"):
        negprep.prepare("s3://bucket/logs", "s3://bucket/logs/out")
    with pytest.raises(UsageError, match=r"would be one of the files that INPUT, s3://bucket/logs/\*.csv, matches"):
        negprep.train("s3://bucket/logs/*.csv", "s3://bucket/logs/t.csv")


def test_what_is_written_to_a_local_place_only(tmp_path):
    local = str(tmp_path / "t.parquet")
    negprep.train(TABLE, local)
    refused = "is in a store or on the web, and this is written to a local place only; name a local one, and copy it: "
    calls = {
        "s3://b/x.json": lambda uri: negprep.prepare(TABLE, local, negprep.Options(command="train"), summary=uri),
        "s3://b/x.html": lambda uri: negprep.report(local, uri),
        "s3://b/x.npz": lambda uri: negprep.fit(TABLE, uri, kind="rns"),
    }
    for uri, call in calls.items():
        with pytest.raises(UsageError) as error:
            call(uri)
        assert str(error.value) == f"{uri}: {refused}aws s3 cp LOCAL {uri}"
