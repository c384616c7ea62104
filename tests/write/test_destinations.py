"""Where an output may go and where not, under which mode and name it appears, and streams."""

import io
import os
import pty
import subprocess
import sys
import threading
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from rows_to_write import SCHEMA, USERS, contents, name_of, rows, run

from negprep.errors import OutputError, UsageError
from negprep.write.destination import check_output
from negprep.write.output import open_output

HERE = Path(__file__).parent


def refusal(error, target, *inputs, force=False):
    with pytest.raises(error) as caught:
        check_output(str(target), inputs, force=force)
    return str(caught.value)


def test_good_destinations_are_not_refused_and_not_touched(tmp_path):
    log = tmp_path / "log.csv"
    log.touch()
    (tmp_path / "empty").mkdir()
    for target in ("out.parquet", "new/", "empty/"):
        check_output(f"{tmp_path}/{target}", [log, Path("-"), tmp_path / "missing.csv"])
    assert sorted(path.name for path in tmp_path.iterdir()) == ["empty", "log.csv"]


def test_an_output_that_is_an_input(tmp_path, monkeypatch):
    log = tmp_path / "log.parquet"
    log.write_text("x")
    os.link(log, tmp_path / "hard.parquet")
    (tmp_path / "link.parquet").symlink_to(log)
    (tmp_path / "sub").mkdir()
    expected = f"is the input {log}; name another OUTPUT"
    for name in ("log.parquet", "hard.parquet", "link.parquet", "sub/../log.parquet"):
        target = f"{tmp_path}/{name}"
        assert refusal(UsageError, target, tmp_path / "other", log) == f"{target}: {expected}"
    monkeypatch.chdir(tmp_path)
    assert refusal(UsageError, "log.parquet", log) == f"log.parquet: {expected}"


def test_an_output_that_holds_an_input_or_lies_in_one(tmp_path):
    run(f"{tmp_path}/parts/", rows(10))
    part = tmp_path / "parts" / "part-00000.parquet"
    target = f"{tmp_path}/parts/"
    assert refusal(UsageError, target, part, force=True) == f"{target}: holds the input {part}; name another OUTPUT"
    assert refusal(UsageError, target, tmp_path / "parts", force=True).endswith("parts; name another OUTPUT")
    inside = f"{tmp_path}/parts/out.parquet"
    assert refusal(UsageError, inside, tmp_path / "parts") == (
        f"{inside}: lies in the input {tmp_path}/parts and would be read with it next time; name an OUTPUT elsewhere"
    )


def test_a_missing_folder(tmp_path):
    target = f"{tmp_path}/no/out.parquet"
    expected = f"{target}: there is no folder {tmp_path}/no; create it (mkdir -p)"
    assert refusal(OutputError, target) == expected
    assert refusal(OutputError, f"{tmp_path}/no/out/").startswith(f"{tmp_path}/no/out/: there is no folder")
    with pytest.raises(OutputError, match="No such file or directory"), open_output(target, SCHEMA):
        pass


def test_a_parent_that_is_a_file(tmp_path):
    (tmp_path / "file").touch()
    target = f"{tmp_path}/file/out.parquet"
    assert refusal(OutputError, target) == f"{target}: {tmp_path}/file is not a folder; name an OUTPUT elsewhere"


def test_a_folder_in_which_nothing_can_be_created(tmp_path, monkeypatch):
    # Permissions do not bind root, so what the system would say is said for it.
    monkeypatch.setattr(os, "access", lambda path, mode: Path(path) != tmp_path)
    target = f"{tmp_path}/out.parquet"
    assert refusal(OutputError, target) == (
        f"{target}: nothing can be created in {tmp_path}; allow it (chmod), or name an OUTPUT elsewhere"
    )


def test_a_folder_of_the_system(tmp_path):
    with (
        pytest.raises(OutputError, match=r"/proc/out\.parquet: cannot be written: "),
        open_output("/proc/out.parquet", SCHEMA),
    ):
        pass


def test_a_read_only_file(tmp_path, monkeypatch):
    (tmp_path / "out.parquet").touch()
    monkeypatch.setattr(os, "access", lambda path, mode: Path(path) == tmp_path)
    target = f"{tmp_path}/out.parquet"
    assert refusal(OutputError, target) == f"{target}: is read-only; allow it (chmod), or name another OUTPUT"


def test_a_folder_without_a_slash_and_a_file_with_one(tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "file").touch()
    target = f"{tmp_path}/out"
    assert (
        refusal(UsageError, target) == f"{target}: is a folder; write part files into it with {target}/, or name a file"
    )
    target = f"{tmp_path}/file/"
    assert refusal(UsageError, target) == f"{target}: is a file; leave out the slash at the end"


def test_a_mount_point():
    assert refusal(UsageError, "/proc/", force=True).startswith("/proc/: ")


def test_a_folder_that_is_not_empty(tmp_path):
    target = f"{tmp_path}/out/"
    run(target, rows(10), name="old")
    expected = (
        "is not empty (it holds '_SUCCESS'); name a new folder, or replace what an earlier run wrote with --force"
    )
    assert refusal(UsageError, target) == f"{target}: {expected}"
    with pytest.raises(UsageError, match="is not empty"), open_output(target, SCHEMA):
        pass
    check_output(target, [], force=True)
    (tmp_path / "out" / "thesis.tex").touch()
    before = contents(tmp_path)
    expected = "holds 'thesis.tex', which negprep did not write, and --force removes outputs only"
    assert refusal(UsageError, target, force=True) == f"{target}: {expected}; name another folder, or empty it yourself"
    with pytest.raises(UsageError, match="thesis"), open_output(target, SCHEMA, force=True):
        pass
    assert contents(tmp_path) == before


@pytest.mark.parametrize("looked_at", ["out", "epoch=0"])
def test_a_folder_that_another_run_moves_away_while_it_is_looked_at(tmp_path, monkeypatch, looked_at):
    (tmp_path / "out" / "epoch=0").mkdir(parents=True)
    (tmp_path / "out" / "epoch=0" / "part-00000.parquet").touch()
    iterdir = Path.iterdir

    def moved_away(path):
        if path.name == looked_at:
            (tmp_path / "out").rename(tmp_path / "away")
        return iterdir(path)

    monkeypatch.setattr(Path, "iterdir", moved_away)
    check_output(f"{tmp_path}/out/", [], force=True)
    assert (tmp_path / "away").is_dir()


def test_a_file_that_comes_into_the_folder_during_the_run_is_not_removed(tmp_path):
    target = f"{tmp_path}/out/"
    run(target, rows(10), name="old")
    with open_output(target, SCHEMA, force=True) as output:
        (tmp_path / "out" / "thesis.tex").touch()
        with pytest.raises(UsageError, match="thesis"):
            output.finish({})
    assert sorted(path.name for path in tmp_path.rglob("*")) == [
        "_SUCCESS",
        "out",
        "part-00000.parquet",
        "part-00001.parquet",
        "thesis.tex",
    ]


def test_parts(tmp_path):
    target = tmp_path / "out"
    target.mkdir()
    batch = rows(1_000)
    with open_output(f"{target}/", SCHEMA) as output:
        output.next_part()
        for start in (0, 350, 700):
            output.write(batch.slice(start, 350))
            output.next_part()
            output.next_part()
        output.write_beside("users", USERS)
        assert list(target.iterdir()) == []
        output.finish({"negprep": "1"})
    names = ["_SUCCESS", "_users.parquet", *(f"part-0000{i}.parquet" for i in range(3))]
    assert sorted(path.name for path in target.iterdir()) == names
    parts = [target / name for name in names[2:]]
    assert [pq.read_metadata(part).num_rows for part in parts] == [350, 350, 300]
    assert all(pq.read_metadata(part).metadata == {b"negprep": b"1"} for part in parts)
    assert pq.read_table(target).equals(pa.Table.from_batches([batch]))
    assert pq.read_table(target / "_users.parquet").equals(USERS)


def test_a_folder_without_rows_has_one_part_with_the_schema(tmp_path):
    with open_output(f"{tmp_path}/out/", SCHEMA) as output:
        output.next_part()
        output.finish({})
    assert pq.read_table(tmp_path / "out").schema.equals(SCHEMA)


def test_force_replaces_more_parts_by_fewer(tmp_path):
    for count in (5, 2):
        with open_output(f"{tmp_path}/out/", SCHEMA, force=True) as output:
            for part in range(count):
                output.write(rows(10, seed=part))
                output.next_part()
            output.finish({})
    assert pq.read_table(tmp_path / "out").num_rows == 20
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_beside_a_file(tmp_path):
    run(f"{tmp_path}/out.v1.parquet", rows(10), beside=True)
    assert sorted(contents(tmp_path)) == ["out.v1.parquet", "out.v1.users.parquet"]
    assert pq.read_table(tmp_path / "out.v1.users.parquet").to_pydict() == {"name": [""]}


@pytest.mark.parametrize(
    ("umask", "file", "folder"), [(0o022, 0o644, 0o755), (0o077, 0o600, 0o700), (0o002, 0o664, 0o775)]
)
def test_modes_follow_the_umask(tmp_path, umask, file, folder):
    earlier = os.umask(umask)
    try:
        run(f"{tmp_path}/out.parquet", rows(10), beside=True)
        run(f"{tmp_path}/out/", rows(10), beside=True)
    finally:
        assert os.umask(earlier) == umask
    modes = {path.name: path.stat().st_mode & 0o7777 for path in tmp_path.rglob("*")}
    assert modes.pop("out") == folder
    assert set(modes.values()) == {file}


def test_what_is_replaced_keeps_its_mode(tmp_path):
    for name in ("out.parquet", "out/"):
        run(f"{tmp_path}/{name}", rows(10))
        (tmp_path / name).chmod(0o750)
        run(f"{tmp_path}/{name}", rows(10), force=True)
        assert (tmp_path / name).stat().st_mode & 0o7777 == 0o750


def test_a_link_stays_and_the_file_it_leads_to_is_replaced(tmp_path):
    (tmp_path / "data").mkdir()
    run(f"{tmp_path}/data/real.parquet", rows(10), name="old")
    (tmp_path / "link.parquet").symlink_to("data/real.parquet")
    (tmp_path / "dangling.parquet").symlink_to("data/new.parquet")
    for name, real in (("link", "real"), ("dangling", "new")):
        run(f"{tmp_path}/{name}.parquet", rows(10), name="new")
        assert (tmp_path / f"{name}.parquet").is_symlink()
        assert name_of(tmp_path / "data" / f"{real}.parquet") == "new"
    assert len(list(tmp_path.iterdir())) == 3


def test_links_in_a_circle(tmp_path):
    (tmp_path / "one").symlink_to("two")
    (tmp_path / "two").symlink_to("one")
    with pytest.raises(OutputError, match="symbolic links"):
        check_output(f"{tmp_path}/one", [])


def test_a_name_that_is_too_long(tmp_path):
    target = f"{tmp_path}/{'x' * 250}"
    with pytest.raises(OutputError, match="File name too long; choose a shorter name"), open_output(target, SCHEMA):
        pass


def test_dev_null_and_named_pipes_are_written_as_they_are(tmp_path):
    run("/dev/null", rows(1_000))
    assert Path("/dev/null").is_char_device()
    fifo = tmp_path / "pipe"
    os.mkfifo(fifo)
    received = []
    reader = threading.Thread(target=lambda: received.append(fifo.read_bytes()))
    reader.start()
    run(str(fifo), rows(1_000), name="x")
    reader.join()
    assert pq.read_table(io.BytesIO(received[0])).equals(pa.Table.from_batches([rows(1_000)]))
    assert fifo.is_fifo()


def test_a_socket_is_refused(tmp_path):
    import socket

    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(tmp_path / "socket"))
        assert "is neither a file nor a folder nor a pipe" in refusal(UsageError, tmp_path / "socket")


def test_a_stream_has_no_place_beside_it():
    with open_output("/dev/null", SCHEMA) as output, pytest.raises(UsageError) as caught:
        output.write_beside("users", USERS)
    assert (
        str(caught.value) == "/dev/null: is a stream, and the users need a file of their own; name a file or a folder"
    )


def test_a_terminal_is_refused():
    ours, theirs = pty.openpty()
    terminal = os.ttyname(theirs)
    try:
        expected = "is a terminal, and Parquet is not text; name a file, or redirect it (> out.parquet)"
        assert refusal(UsageError, terminal) == f"{terminal}: {expected}"
        code = "from negprep.write import check_output; check_output('-', [])"
        done = subprocess.run(
            [sys.executable, "-c", code], stdout=theirs, stderr=subprocess.PIPE, text=True, check=False
        )
        assert done.stderr.splitlines()[-1] == f"negprep.errors.UsageError: standard output: {expected}"
    finally:
        os.close(ours)
        os.close(theirs)


TO_STANDARD_OUTPUT = """
import sys
from rows_to_write import rows, run
from negprep.errors import OutputError
try:
    run("-", rows(400_000, items=100_000), name="x")
except (OutputError, BrokenPipeError) as error:
    sys.stderr.write(f"{type(error).__name__} {error}")
"""


def to_standard_output(code, **options):
    return subprocess.Popen([sys.executable, "-c", code], cwd=HERE, stderr=subprocess.PIPE, **options)


def test_standard_output_through_a_pipe():
    with to_standard_output(TO_STANDARD_OUTPUT, stdout=subprocess.PIPE) as child:
        data, errors = child.communicate()
    assert errors == b""
    assert pq.read_table(io.BytesIO(data)).equals(pa.Table.from_batches([rows(400_000, items=100_000)]))


def test_standard_output_that_is_full():
    with Path("/dev/full").open("wb") as full, to_standard_output(TO_STANDARD_OUTPUT, stdout=full) as child:
        _, errors = child.communicate()
    reason = "No space left on device; free some space, or name an OUTPUT elsewhere"
    assert errors.decode() == f"OutputError standard output: cannot be written: {reason}"


def test_a_reader_that_goes_away():
    with to_standard_output(TO_STANDARD_OUTPUT, stdout=subprocess.PIPE) as child:
        child.stdout.close()
        errors = child.stderr.read()
    assert errors == b"BrokenPipeError [Errno 32] Broken pipe"


PROGRESS = """
import sys
from rows_to_write import SCHEMA, rows
from negprep.write import open_output
with open_output("-", SCHEMA) as output:
    output.write(rows(1 << 20))
    sys.stdin.read(1)
    output.write(rows(1000))
    {end}
"""


def test_standard_output_gets_each_row_group_as_it_is_complete():
    code = PROGRESS.format(end="output.finish({})")
    with to_standard_output(code, stdout=subprocess.PIPE, stdin=subprocess.PIPE) as child:
        data = child.stdout.read(500_000)  # waits for ever if it comes at the end only
        child.stdin.write(b"x")
        child.stdin.close()
        data += child.stdout.read()
        assert child.stderr.read() == b""
    assert pq.read_table(io.BytesIO(data)).num_rows == (1 << 20) + 1000


def test_standard_output_gets_no_footer_after_an_error():
    code = PROGRESS.format(end="raise SystemExit(7)")
    with to_standard_output(code, stdout=subprocess.PIPE, stdin=subprocess.PIPE) as child:
        data, errors = child.communicate(b"x")
    assert (child.returncode, errors) == (7, b"")
    assert data.startswith(b"PAR1")
    with pytest.raises(pa.ArrowInvalid):
        pq.read_table(io.BytesIO(data))


def test_standard_output_that_is_the_input(tmp_path):
    log = tmp_path / "log.csv"
    log.write_text("x")
    code = f"from pathlib import Path; from negprep.write import check_output; check_output('-', [Path({str(log)!r})])"
    with log.open("ab") as same, to_standard_output(code, stdout=same) as child:
        _, errors = child.communicate()
    assert errors.decode().endswith(f"standard output: is the input {log}; name another OUTPUT\n")
