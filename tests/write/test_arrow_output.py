"""Arrow files and streams as OUTPUT: the rows of Parquet, in plain types, the same bytes however they were made."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import negprep
from negprep import Options, OutputError, UsageError
from negprep.cli.exit_codes import guarded
from negprep.cli.group import invoke

COMMAND = [sys.executable, "-m", "negprep"]


@pytest.fixture(scope="module")
def log(tmp_path_factory):
    rng = np.random.default_rng(3)
    names = np.array([f"i{number:04}" for number in range(300)])
    table = pa.table(
        {
            "user": rng.integers(0, 500, 20_000),
            "item": names[rng.integers(0, 300, 20_000)],
            "kind": np.array(["view", "buy"])[rng.integers(0, 2, 20_000)],
            "time": rng.integers(0, 10**6, 20_000),
        }
    )
    path = tmp_path_factory.mktemp("log") / "log.parquet"
    pq.write_table(table, path)
    return path


OPTIONS = {
    "pointwise": {"num_neg": 2},
    "listwise": {
        "layout": "listwise",
        "positive": "kind=buy",
        "sampler": ("uniform:0.5", "weak:0.5"),
        "with_log_q": True,
    },
    "pairwise": {"layout": "pairwise", "shuffle": True, "encode": True},
}


def read(path):
    with pa.ipc.open_file(path) as file:
        return file.read_all()


@pytest.mark.parametrize("case", OPTIONS)
def test_the_rows_are_those_of_parquet(log, tmp_path, case):
    chosen = OPTIONS[case]
    for name, more in {
        "one.arrow": {},
        "two.feather": {"jobs": 2},
        "spilled.arrow": {"memory": 1 << 20, "jobs": 3},
        "rows.parquet": {},
    }.items():
        negprep.train(log, tmp_path / name, **chosen, **more)
    table, want = read(tmp_path / "one.arrow"), pq.read_table(tmp_path / "rows.parquet")
    assert table.schema.equals(want.schema)
    assert table.equals(want)
    table.validate(full=True)
    assert (tmp_path / "one.arrow").read_bytes() == (tmp_path / "two.feather").read_bytes()
    assert (tmp_path / "one.arrow").read_bytes() == (tmp_path / "spilled.arrow").read_bytes()
    if chosen.get("encode"):
        assert read(tmp_path / "one.users.arrow").equals(pq.read_table(tmp_path / "rows.users.parquet"))


def test_verify_reads_them(log, tmp_path):
    """With a summary for the promises of a file; a folder has them beside it."""
    options = Options(command="test", distinct=True)
    negprep.prepare(log, str(tmp_path / "test.arrow"), options, summary=str(tmp_path / "test.json"))
    assert not negprep.verify([], log, test=tmp_path / "test.arrow").failed
    found = negprep.verify(tmp_path / "test.arrow", log, made_by=tmp_path / "test.json")
    assert not found.failed
    assert found.files[0].rows == read(tmp_path / "test.arrow").num_rows
    negprep.train(log, f"{tmp_path}/parts/", to="arrow")
    assert {path.suffix for path in (tmp_path / "parts").glob("part*")} == {".arrow"}
    (report,) = negprep.verify(f"{tmp_path}/parts/", log).files
    assert report.part == "train"
    negprep.prepare(log, tmp_path / "all", to="arrow", encode=True)
    assert not negprep.verify(tmp_path / "all", log).failed


def test_pipes(log, tmp_path):
    """A stream comes in by standard input, and goes out by standard output."""
    with pa.OSFile(str(tmp_path / "in.arrows"), "wb") as sink, pa.ipc.new_stream(sink, pq.read_schema(log)) as writer:
        writer.write_table(pq.read_table(log))
    with (tmp_path / "in.arrows").open("rb") as source:
        done = subprocess.run(
            [*COMMAND, "train", "-", "-", "--to", "arrow", "--quiet"], stdin=source, capture_output=True
        )
    assert (done.returncode, done.stderr) == (0, b"")
    assert pa.ipc.open_stream(done.stdout).read_all().equals(negprep.train(log))


def test_a_reader_that_goes_away(log):
    command = f"{' '.join(COMMAND)} train {log} - --to arrow --num-neg 50 --quiet"
    command += " | head -c 100 > /dev/null; echo ${PIPESTATUS[0]}"
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True)
    assert "Traceback" not in done.stderr
    assert done.stdout.strip() != "0"


def test_names(log, tmp_path, capsys):
    with pytest.raises(UsageError, match="--to arrow, but the name says csv"):
        negprep.train(log, tmp_path / "rows.csv", to="arrow")
    with pytest.raises(UsageError, match="the name says an Arrow stream, and Parquet is written"):
        negprep.train(log, tmp_path / "rows.arrows")
    with pytest.raises(OutputError, match="there is no folder"):
        negprep.train(log, tmp_path / "nowhere" / "rows.arrow")
    assert guarded(lambda: invoke(["inspect", str(log), "--to", "arrow"])) == 0
    assert "MB" in capsys.readouterr().out
