"""docs/reference/formats.md, "Databases and lakes": its pipes, on a real SQLite, PostgreSQL and DuckDB."""

from __future__ import annotations

import os
import pwd
import re
import shutil
import sqlite3
import subprocess
import sys
import tempfile
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import negprep

PAGE = (Path(__file__).parents[2] / "docs" / "reference" / "formats.md").read_text(encoding="utf-8")
PIPES = re.search(r"### Databases and lakes.*?```sh\n(.*?)```", PAGE, flags=re.DOTALL)[1].splitlines()
ROWS = [(user, f"item {item}", 10 * user + item) for user in range(5) for item in range(user, user + 6)]


def run(pipe, folder, **environment):
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    command = ["bash", "-o", "pipefail", "-c", f"{pipe} --quiet"]
    done = subprocess.run(
        command, cwd=folder, env={**os.environ, "PATH": path, **environment}, capture_output=True, text=True
    )
    assert (done.returncode, done.stderr) == (0, "")
    log = pa.table(dict(zip(("user", "item", "time"), map(list, zip(*ROWS, strict=True)), strict=True)))
    assert pq.read_table(folder / "train.parquet").to_pydict() == negprep.train(log).to_pydict()


@pytest.mark.skipif(shutil.which("sqlite3") is None, reason="the command sqlite3 is not there")
def test_sqlite(tmp_path):
    connection = sqlite3.connect(tmp_path / "shop.db")
    connection.execute("CREATE TABLE events (user INTEGER, item TEXT, time INTEGER)")
    connection.executemany("INSERT INTO events VALUES (?, ?, ?)", ROWS)
    connection.commit()
    connection.close()
    run(PIPES[0], tmp_path)


def commands_of_postgres():
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin"))
    return found[-1] if found and (found[-1] / "initdb").exists() else None


@pytest.mark.skipif(commands_of_postgres() is None, reason="PostgreSQL is not there")
def test_postgres(tmp_path):
    commands, prefix = commands_of_postgres(), []
    if os.geteuid() == 0:  # its server refuses to run as root
        if "postgres" not in [each.pw_name for each in pwd.getpwall()] or shutil.which("runuser") is None:
            pytest.skip("PostgreSQL needs another user than root")
        prefix = ["runuser", "-u", "postgres", "--"]
    with tempfile.TemporaryDirectory(dir="/tmp") as name:  # short: the name of a socket has at most 107 bytes
        folder = Path(name)
        folder.chmod(0o777)

        def do(command, *words):
            whole = [*prefix, str(commands / command), *map(str, words)]
            subprocess.run(whole, check=True, cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

        do("initdb", "-D", folder / "data", "-U", "tester", "-A", "trust", "--no-sync")
        do("pg_ctl", "-D", folder / "data", "-w", "-o", f"-k {folder} -c listen_addresses=''", "start")
        try:
            environment = {"PGHOST": str(folder), "PGUSER": "tester"}
            do("createdb", "-h", folder, "-U", "tester", "shop")
            values = ", ".join(f"({user}, '{item}', {time})" for user, item, time in ROWS)
            table = 'CREATE TABLE events ("user" bigint, item text, time bigint)'
            do("psql", "-h", folder, "-U", "tester", "shop", "-c", f"{table}; INSERT INTO events VALUES {values}")
            run(
                PIPES[1],
                tmp_path,
                PATH=f"{commands}{os.pathsep}{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
                **environment,
            )
        finally:
            do("pg_ctl", "-D", folder / "data", "-m", "immediate", "stop")


@pytest.mark.skipif(shutil.which("duckdb") is None, reason="the command duckdb is not there (pip install duckdb-cli)")
def test_duckdb(tmp_path):
    values = ", ".join(f"({user}, '{item}', {time})" for user, item, time in ROWS)
    table = 'CREATE TABLE events ("user" BIGINT, item TEXT, time BIGINT)'
    command = ["duckdb", "shop.duckdb", "-c", f"{table}; INSERT INTO events VALUES {values}"]
    subprocess.run(command, cwd=tmp_path, check=True, capture_output=True)
    run(PIPES[2], tmp_path)
