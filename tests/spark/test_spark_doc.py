"""docs/guide/spark.md is true: its commands and its Python run, and a terminal sees Spark's progress."""

import fcntl
import os
import pty
import re
import struct
import subprocess
import sys
import termios
from pathlib import Path

import pyarrow.parquet as pq

import negprep
import negprep.spark

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "guide" / "spark.md").read_text(encoding="utf-8")


def blocks(language):
    return re.findall(rf"```{language}\n(.*?)```", PAGE, flags=re.DOTALL)


def test_the_commands(tmp_path):
    lines = [line for line in blocks("sh")[0].splitlines() if line.startswith("negprep ")]
    assert len(lines) == 2
    (tmp_path / "sample_data").symlink_to(ROOT / "sample_data")
    for line in lines:
        words, environment = [sys.executable, "-m", *line.split()], os.environ | {"SPARK_MASTER": "local[1]"}
        done = subprocess.run(words, cwd=tmp_path, capture_output=True, text=True, env=environment)
        assert done.returncode == 0, done.stderr


def test_the_frames(spark, tmp_path):
    spark.sql("CREATE DATABASE IF NOT EXISTS shop")
    rows = spark.read.csv(str(ROOT / "sample_data" / "log.csv"), header=True)
    rows.write.mode("overwrite").saveAsTable("shop.interactions")
    code = blocks("python")[0].replace("s3a://bucket", str(tmp_path))
    exec(code, {"spark": spark})
    want = negprep.train(ROOT / "sample_data" / "log.csv", positive="purchase", num_neg=4)
    parts = sorted((tmp_path / "train").glob("part-*.parquet"))
    rows = [row for part in parts for row in pq.ParquetFile(part).read().to_pylist()]
    assert rows == want.to_pylist()


def test_a_terminal_shows_the_tasks_of_each_step(tmp_path):
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 30, 100, 0, 0))
    words = ["train", str(ROOT / "sample_data" / "log.csv"), f"{tmp_path / 'out'}/", "--engine", "spark"]
    words += ["--master", "local[1]", "--spark-conf", "spark.driver.memory=640m"]
    process = subprocess.Popen([sys.executable, "-m", "negprep", *words], stderr=theirs)
    os.close(theirs)
    shown = b""
    while True:
        try:
            shown += (more := os.read(ours, 1 << 16))
        except OSError:  # the terminal ends with the process
            break
        if not more:
            break
    os.close(ours)
    assert process.wait() == 0
    text = shown.decode()
    for step in ("read", "count", "write"):
        assert re.search(rf"{step} *:? .*tasks", text), text
    assert "rows written" in text
    assert "WARN" not in text
