"""The catalog, pairs and weights beside a log, in files without a header: read where nothing can be wrong, else refused
with a command that works."""

import gzip
import re
import subprocess

import pyarrow.parquet as pq
import pytest

import negprep
from negprep.errors import NegprepError

LOG = "user,item\nu1,10\nu1,11\nu2,10\nu2,12\nu3,13\nu3,14\n"


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "log.csv").write_text(LOG)
    return tmp_path


def refused(**options):
    with pytest.raises(NegprepError) as error:
        negprep.train("log.csv", "out.parquet", holdout="none", force=True, **options)
    return str(error.value)


def written(log="log.csv", **options):
    """The negatives of each user: all that there are to draw."""
    options = {"sampler": "uniform", "num_neg": 50, "holdout": "none", "seed": 1, "force": True} | options
    negprep.train(log, "out.parquet", **options)
    found = {}
    for row in pq.read_table("out.parquet").to_pylist():
        if row["label"] == 0:
            found.setdefault(row["user"], set()).add(row["item"])
    return found


@pytest.mark.parametrize(
    "text",
    ["10\n11\n12\n13\n14\n15\n", '"10"\n"11"\n"12"\n"13"\n"14"\n"15"\n', "title\n10\n11\n12\n13\n14\n15\n"],
    ids=["ids alone", "in quotes", "under a name of its own"],
)
def test_a_list_of_items(here, text):
    (here / "items.txt").write_text(text)
    found = written(items="items.txt")
    assert found["u1"] == {12, 13, 14, 15}
    assert not negprep.verify("out.parquet", log="log.csv", items="items.txt").failed


def test_a_list_of_items_of_text(here):
    (here / "log.csv").write_text("user,item\nu1,B000000001\nu1,B000000002\nu2,B000000003\n")
    (here / "items.txt").write_text("B000000001\nB000000002\nB000000003\nB00000000X\n")
    assert written(items="items.txt")["u2"] == {"B000000001", "B000000002", "B00000000X"}


def test_a_list_that_could_begin_with_a_header(here):
    (here / "fruit").write_text("apple\npear\n")
    message = refused(items="fruit")
    assert message.startswith(
        "fruit:1: the first line (apple) could be a header or an item; if it is a header, call it "
    )
    subprocess.run(remedy(message), shell=True, check=True)
    assert (here / "fruit.named").read_text() == "item\napple\npear\n"


def test_one_column_of_users_is_no_catalog(here):
    (here / "users.csv").write_text("user\n10\n11\n")
    assert "no column for the items (found: user); call it item" in refused(items="users.csv")


def remedy(message):
    return re.search(r"(\(printf .*\) > .*), and give that$", message)[1]


BESIDE = {
    "exclude": ("ex.csv", "u1,12\nu2,13\n", "ex.named.csv", "user,item"),
    "weak": ("more pairs.tsv.gz", "u1\t12\nu2\t13\n", "more pairs.named.tsv", "user\titem"),
    "items": ("movies.dat", "10::Toy::x\n12::Jumanji::y\n", "movies.named.dat", "item::other1::other2"),
    "weights": ("w", "10;0.5\n13;2\n", "w.named", "item;weight"),
}


@pytest.mark.parametrize("option", BESIDE)
def test_the_command_of_the_message_makes_it_readable(here, option):
    name, text, named, header = BESIDE[option]
    (here / name).write_bytes(gzip.compress(text.encode()) if name.endswith(".gz") else text.encode())
    sampler = {"weights": "popularity", "weak": "weak"}.get(option, "uniform")
    message = refused(**{option: name, "sampler": sampler})
    assert message.startswith(f"{name}:1: there is no header: the first line is ")
    subprocess.run(remedy(message), shell=True, check=True)
    assert (here / named).read_text() == f"{header}\n{text}"
    found = written(**{option: named, "sampler": sampler})
    wanted = {
        "exclude": {"u1": {13, 14}, "u2": {11, 14}, "u3": {10, 11, 12}},
        "weak": {"u1": {12}, "u2": {13}},
        "items": {"u1": {12}, "u3": {10, 12}},
        "weights": {"u1": {13}, "u2": {13}, "u3": {10}},
    }
    if option == "weak":  # what is not there is drawn uniformly
        assert {user: items for user, items in found.items() if user != "u3"} == wanted[option]
    else:
        assert found == wanted[option]


def test_the_names_of_the_log_hold_beside_it(here):
    (here / "log").write_text(LOG.removeprefix("user,item\n"))
    (here / "ex").write_text("u1,12\nu2,13\n")
    found = written("log", columns=("user", "item"), exclude="ex")
    assert found == {"u1": {13, 14}, "u2": {11, 14}, "u3": {10, 11, 12}}
    assert not negprep.verify("out.parquet", log="log", columns=("user", "item"), exclude="ex").failed
    with pytest.raises(NegprepError, match=r"^ex:1: there is no header"):
        negprep.verify("out.parquet", log="log.csv", exclude="ex")
    (here / "swapped").write_text("".join(",".join(line.split(",")[::-1]) + "\n" for line in ["u1,12", "u2,13"]))
    (here / "log").write_text("".join(",".join(line.split(",")[::-1]) + "\n" for line in LOG.split()[1:]))
    assert written("log", columns=("item", "user"), exclude="swapped") == found


def test_a_prepared_file_is_not_told_to_use_columns(here):
    (here / "rows.csv").write_text("u1,10,1\nu1,12,0\n")
    with pytest.raises(NegprepError) as error:
        negprep.verify([], log="log.csv", train="rows.csv")
    subprocess.run(remedy(str(error.value)), shell=True, check=True)
    assert not negprep.verify([], log="log.csv", train="rows.named.csv").failed
