"""`Sampler.save` and `Sampler.open`: the sampler of the log, mapped; damage and other options are refused."""

import json
import multiprocessing
import pickle
import shutil
import subprocess
import sys
import zipfile
from collections import Counter
from io import BytesIO
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import negprep
from negprep import BadDataError, NegprepError, OutputError, UsageError, stored
from negprep.cli.exit_codes import guarded
from negprep.cli.group import invoke

FILE = "sampler.npz"


def make_log(n=4000, users=150, items=120):
    rng = np.random.default_rng(5)
    return pa.table(
        {
            "user": rng.integers(0, users, n).astype(np.int32) * 3 - 40,
            "item": rng.integers(0, items, n),
            "rating": rng.integers(1, 6, n),
            "time": rng.integers(0, 10**6, n),
            "slate": rng.integers(0, 9, n),
            "device": pa.array(rng.choice(["tv", "phone", None], n)),
        }
    )


LOG = make_log()
TEXTS = LOG.set_column(0, "user", pa.array([f"{n:09}-é" for n in LOG["user"].to_pylist()])).set_column(
    1, "item", pa.array([str(n) if n % 5 else f"item {n}" for n in LOG["item"].to_pylist()])
)
PAIRS = pa.table({"user": LOG["user"][:300], "item": LOG["item"][300:600]})
ITEMS = pa.table({"item": [*range(10, 120), 1000], "shelf": [n % 4 for n in range(111)]})
LIKED = {"positive": ">=4"}

CASES = {
    "plain": {},
    "nothing held out": {"holdout": "none"},
    "shares": {"holdout": "random:0.2", "with_valid": True, "split_seed": 2**64 - 1, "layout": "pairwise"},
    "a cut": {"holdout": "after:500000", "layout": "listwise", "distinct": True},
    "some users": {"test_users": 0.3, "min_positives": 15},
    "sessions": {"holdout": "session", "session_col": "slate"},
    "core": {"core": 20, "sampler": "popularity", "alpha": 0.5},
    "weak": {**LIKED, "sampler": ("uniform:0.5", "weak:0.5"), "with_log_q": True},
    "weak file": {"weak": PAIRS, "exclude": PAIRS.slice(0, 50), "sampler": "weak"},
    "exclude": {"exclude": PAIRS, "on_short": "drop", "distinct": True, "num_neg": 80},
    "catalog": {"items": ITEMS, **LIKED, "sampler": "weak"},
    "same": {"items": ITEMS, "same": "shelf"},
    "available": {"available_at_time": True, "sampler": "popularity"},
    "impressions": {**LIKED, "sampler": "impression", "group_col": "slate"},
    "kept": {"keep": ("device", "rating"), "with_time": True, "with_history": 3},
    "levels": {**LIKED, "levels": "0.3,0.5", "layout": "pairwise"},
    "per user": {"per": "user", "num_neg": 7},
    "bootstrap": {"bootstrap": 500, "layout": "pairwise"},
    "decimals": {"num_neg": 1.5},
    "texts": {"log": TEXTS, **LIKED, "keep": "device"},
    "texts in a catalog": {"log": TEXTS, "items": pa.table({"item": ["1", "2", "item 5", "new"]}), "seed": 7},
}


def batches(sampler, epoch=1, **arguments):
    return list(sampler.epoch(epoch, batch_size=700, **arguments))


def assert_same(ours, theirs):
    assert len(ours) == len(theirs) > 0
    for one, other in zip(ours, theirs, strict=True):
        assert list(one) == list(other)
        for name, values in one.items():
            np.testing.assert_array_equal(values, other[name], err_msg=name)


def names(folder):
    return sorted(path.name for path in folder.iterdir())


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    path = tmp_path_factory.mktemp("saved") / "sampler"
    negprep.Sampler(LOG, num_neg=2, **LIKED).save(path)
    return path


@pytest.mark.parametrize("case", CASES)
def test_the_same_as_of_the_log(tmp_path, case):
    options = dict(CASES[case])
    log = options.pop("log", LOG)
    ours = negprep.Sampler(log, **options)
    ours.save(tmp_path / "one")
    theirs = negprep.Sampler.open(tmp_path / "one")
    for epoch in (0, 3):
        assert_same(batches(theirs, epoch), batches(ours, epoch))
    assert (theirs.users, theirs.items) == (ours.users, ours.items)
    assert (theirs.facts, theirs.digest, repr(theirs)) == (ours.facts, ours.digest, repr(ours))
    state = ours.epoch(2, batch_size=700).state_dict()
    theirs.epoch(2, batch_size=700).load_state_dict(state)
    for each in (ours, theirs):
        assert_same(batches(pickle.loads(pickle.dumps(each))), batches(ours))
    assert len(pickle.dumps(theirs)) < 1000
    theirs.save(tmp_path / "two")
    assert (tmp_path / "one" / FILE).read_bytes() == (tmp_path / "two" / FILE).read_bytes()
    in_ids = {**options, "encode": False}
    assert_same(batches(negprep.Sampler.open(tmp_path / "one", encode=False)), batches(negprep.Sampler(log, **in_ids)))


ANEW = [
    ({}, {"num_neg": 7, "seed": 3, "sampler": "popularity", "alpha": 0.2, "layout": "pairwise", "jobs": 2}),
    ({"sampler": "popularity", "alpha": 0.3}, {"sampler": "uniform"}),
    ({"sampler": ("uniform=3", "popularity=1")}, {"num_neg": 2, "sampler": "uniform"}),
    ({"sampler": ("uniform=3", "popularity=1")}, {"with_log_q": True}),
    (LIKED, {"sampler": "weak", "per": "user", "on_short": "drop"}),
    ({"holdout": "last:2"}, {"holdout": "last:2", "bootstrap": 300, "layout": "pairwise"}),
    ({"keep": ("rating",), "with_time": True}, {"keep": (), "with_time": False}),
    ({"with_history": 4}, {"with_history": None, "distinct": True}),
    ({"available_at_time": True}, {"available_at_time": False, "sampler": "popularity"}),
    ({**LIKED, "group_col": "slate", "sampler": "impression"}, {"group_col": None, "sampler": "weak"}),
]


@pytest.mark.parametrize(("made", "asked"), ANEW)
def test_draws_are_asked_for_anew(tmp_path, made, asked):
    negprep.Sampler(LOG, **made).save(tmp_path / "one")
    ours = negprep.Sampler.open(tmp_path / "one", **asked)
    kept = {} if "sampler" in asked else made
    read = {name: value for name, value in made.items() if name not in ("sampler", "alpha")}
    theirs = negprep.Sampler(LOG, **{**read, **kept, **asked})
    assert_same(batches(ours), batches(theirs))
    assert ours.digest == theirs.digest
    assert_same(batches(pickle.loads(pickle.dumps(ours))), batches(theirs))
    ours.save(tmp_path / "two")
    assert_same(batches(negprep.Sampler.open(tmp_path / "two")), batches(theirs))


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        ({"holdout": "random"}, "--holdout random, and the sampler was made with --holdout auto; leave holdout out"),
        ({"positive": ">=3"}, "--positive >=3, and the sampler was made with --positive >=4"),
        ({"core": 5}, "--core 5, and the sampler was made without --core"),
        ({"with_valid": True}, "made without --with-valid"),
        ({"split_seed": 1}, "--split-seed 1, and the sampler was made with --split-seed 0"),
        ({"keep": "device"}, "--keep device, and the sampler was made without --keep"),
        ({"with_history": 2}, "made without --with-history"),
        ({"available_at_time": True}, "made without --available-at-time"),
        ({"group_col": "slate"}, "made without --group-col"),
        ({"items": ITEMS}, "made without --items"),
        ({"user_col": "uid"}, "made without --user-col"),
        ({"where": "rating > 2"}, "made without --where"),
        ({"epochs": 3}, "epochs is not an option of a sampler"),
        ({"memory": 1 << 30}, "memory is not an option of a sampler"),
        ({"sampler": "popularity", "pool": 3}, "pool"),
        ({"num_neg": 0}, "num_neg is 0"),
    ],
)
def test_options_that_decide_what_was_read_are_refused(folder, asked, words):
    with pytest.raises(UsageError) as error:
        negprep.Sampler.open(folder, **asked)
    assert words in str(error.value)
    assert "\n" not in str(error.value)


def test_files_that_are_not_kept_are_asked_for(tmp_path):
    weights = pa.table({"item": list(range(120)), "weight": [1 + n % 3 for n in range(120)]})
    ours = negprep.Sampler(LOG, sampler="popularity", weights=weights, items=ITEMS)
    ours.save(tmp_path / "one")
    with pytest.raises(UsageError, match="made with --weights FILE, which is not kept; give weights again"):
        negprep.Sampler.open(tmp_path / "one")
    assert_same(batches(negprep.Sampler.open(tmp_path / "one", weights=weights)), batches(ours))
    plain = negprep.Sampler(LOG, items=ITEMS)
    assert_same(batches(negprep.Sampler.open(tmp_path / "one", sampler="uniform")), batches(plain))
    with pytest.raises(UsageError, match="--items decides what was read, and the sampler was made with a file for it"):
        negprep.Sampler.open(tmp_path / "one", items=ITEMS, sampler="uniform")
    with pytest.raises(
        TypeError, match=r"Sampler.open\(\) got an unexpected keyword argument 'num_negs'; did you mean 'num_neg'"
    ):
        negprep.Sampler.open(tmp_path / "one", num_negs=3)


def test_a_split_of_files(tmp_path):
    pq.write_table(PAIRS.slice(0, 40), tmp_path / "test.parquet")
    options = {"holdout": f"file:{tmp_path}/test.parquet", "valid_file": PAIRS.slice(40, 40)}
    ours = negprep.Sampler(LOG, **options)
    ours.save(tmp_path / "one")
    theirs = negprep.Sampler.open(tmp_path / "one")
    assert_same(batches(theirs), batches(ours))
    assert theirs.facts == ours.facts
    assert str(tmp_path).encode() not in (tmp_path / "one" / FILE).read_bytes()
    with pytest.raises(UsageError, match="made with a file for it"):
        negprep.Sampler.open(tmp_path / "one", holdout=options["holdout"])


def test_a_data_set_holds_it(tmp_path, monkeypatch):
    pq.write_table(LOG, tmp_path / "log.parquet")
    options = {"num_neg": 3, "sampler": "popularity", **LIKED}
    whole = negprep.prepare(tmp_path / "log.parquet", tmp_path / "whole", test_num_neg=5, encode=True, **options)
    assert FILE in whole.files
    assert f"| `{FILE}` | the train part as codes" in (tmp_path / "whole" / "README.md").read_text()
    ours = negprep.Sampler.open(tmp_path / "whole")
    assert_same(batches(ours), batches(negprep.Sampler(LOG, with_valid=True, **options)))
    in_order = batches(ours, 0, shuffle=False)
    train = pq.read_table(tmp_path / "whole" / "train.parquet")
    for name in ("user", "item", "label"):
        np.testing.assert_array_equal(np.concatenate([batch[name] for batch in in_order]), train[name].to_numpy())
    assert pq.read_table(tmp_path / "whole" / "users.parquet")["user"].combine_chunks().equals(ours.users)
    assert pq.read_table(tmp_path / "whole" / "items.parquet")["item"].combine_chunks().equals(ours.items)
    # The same bytes with little memory and several threads, and of a log in another order.
    shuffled = LOG.take(np.random.default_rng(1).permutation(len(LOG)))
    options |= {"test_num_neg": 5, "encode": True}
    again = negprep.prepare(shuffled, tmp_path / "again", memory=1 << 20, jobs=2, **options)
    assert again.files == whole.files
    assert not negprep.verify(tmp_path / "whole", tmp_path / "log.parquet").failed
    content = bytearray((tmp_path / "whole" / FILE).read_bytes())
    content[len(content) // 2] ^= 1
    (tmp_path / "whole" / FILE).write_bytes(content)
    found = negprep.verify(tmp_path / "whole", tmp_path / "log.parquet")
    (check,) = [check for check in found.checks if check.status == "failed"]
    assert (check.name, check.examples) == ("other files as written", [str(tmp_path / "whole" / FILE)])
    monkeypatch.chdir(tmp_path)
    negprep.prepare(LOG, "whole", force=True, **options)


def test_a_data_set_without_it(capsys, tmp_path):
    def run(*arguments, code=0):
        assert guarded(lambda: invoke(["prepare", *map(str, arguments)])) == code
        return capsys.readouterr().err

    pq.write_table(LOG, tmp_path / "log.parquet")
    log, one = tmp_path / "log.parquet", tmp_path / "one"
    run(log, f"{one}/", "--no-sampler-file", "--quiet")
    assert not (one / FILE).exists()
    assert "sampler_file = false" in (one / "negprep.toml").read_text()
    run("--config", one / "negprep.toml", f"{tmp_path}/two/", "--quiet")
    assert names(tmp_path / "two") == names(one)
    with pytest.raises(BadDataError, match=r"holds no sampler.npz; prepare it again, without --no-sampler-file"):
        negprep.Sampler.open(one)
    run("--config", one / "negprep.toml", f"{tmp_path}/three/", "--sampler-file", "--quiet")
    assert (tmp_path / "three" / FILE).exists()
    words = "--sampler-file with --to ncf, a folder for NCF alone; leave it out"
    assert words in run(log, f"{tmp_path}/four/", "--to", "ncf", "--sampler-file", code=2)
    run(log, f"{tmp_path}/five/", "--to", "ncf", "--encode", "--quiet")
    assert not (tmp_path / "five" / FILE).exists()
    (one / "negprep.toml").write_text("sampler_file = 3\n")
    assert "sampler_file is 3; write true or false" in run("--config", one / "negprep.toml", log, "x/", code=2)


def test_where_it_is_saved(tmp_path):
    sampler = negprep.Sampler(LOG)
    sampler.save(tmp_path / "one")
    assert names(tmp_path / "one") == ["_SUCCESS", FILE]
    with pytest.raises(UsageError, match="is not empty"):
        sampler.save(tmp_path / "one")
    before = (tmp_path / "one" / FILE).read_bytes()
    opened = negprep.Sampler.open(tmp_path / "one")
    negprep.Sampler(LOG, holdout="none").save(tmp_path / "one", force=True)
    assert (tmp_path / "one" / FILE).read_bytes() != before
    assert_same(batches(opened), batches(sampler))  # what was opened stays as it was
    (tmp_path / "one" / "mine.txt").write_text("mine")
    with pytest.raises(UsageError, match=r"holds 'mine.txt', which negprep did not write"):
        sampler.save(tmp_path / "one", force=True)
    with pytest.raises(OutputError, match="there is no folder"):
        sampler.save(tmp_path / "no" / "where")
    assert names(tmp_path) == ["one"]


def with_about(content, **changed):
    """The file with something else in what it tells of itself."""
    found = BytesIO()
    with zipfile.ZipFile(BytesIO(content)) as old, zipfile.ZipFile(found, "w") as new:
        for name in old.namelist():
            values = np.load(BytesIO(old.read(name)))
            if name == "about.npy":
                about = json.loads(values.tobytes()) | changed
                values = np.frombuffer(json.dumps(about).encode(), np.uint8)
            sink = BytesIO()
            np.save(sink, values)
            info = zipfile.ZipInfo(name)
            info.extra = b"\0" * (-(found.tell() + 30 + len(name)) % 64)
            new.writestr(info, sink.getvalue())
    return found.getvalue()


def without(content, lost):
    found = BytesIO()
    with zipfile.ZipFile(BytesIO(content)) as old, zipfile.ZipFile(found, "w") as new:
        for info in old.infolist():
            if info.filename != lost:
                padded = zipfile.ZipInfo(info.filename)
                padded.extra = b"\0" * (-(found.tell() + 30 + len(info.filename)) % 64)
                new.writestr(padded, old.read(info))
    return found.getvalue()


def flipped(content, name):
    """The file with another byte in an array, and the checksum of before."""
    with zipfile.ZipFile(BytesIO(content)) as archive:
        at = content.index(archive.read(name)) + 128
    return content[:at] + bytes([content[at] ^ 255]) + content[at + 1 :]


def packed(content):
    found = BytesIO()
    with zipfile.ZipFile(BytesIO(content)) as old, zipfile.ZipFile(found, "w", zipfile.ZIP_DEFLATED) as new:
        for name in old.namelist():
            new.writestr(name, old.read(name))
    return found.getvalue()


def foreign():
    found = BytesIO()
    np.savez(found, user_factors=np.zeros((2, 2)), x=np.arange(3))
    return found.getvalue()


DAMAGED = {
    "nothing": (lambda content: b"", "is cut short, or is another kind of file"),
    "half": (lambda content: content[: len(content) // 2], "is cut short, or is another kind of file"),
    "a byte less": (lambda content: content[:-1], "is cut short, or is another kind of file"),
    "text": (lambda content: b"user,item\n1,2\n" * 100, "is cut short, or is another kind of file"),
    "packed": (packed, "is not stored as it is"),
    "foreign": (lambda content: foreign(), "is another kind of array"),
    "foreign vectors": (
        lambda content: without(without(content, "about.npy"), "users.ids.npy"),
        "is not what negprep writes for Sampler.open",
    ),
    "an array is missing": (lambda content: without(content, "train.items.npy"), "has not the arrays"),
    "what it tells of itself": (lambda content: flipped(content, "about.npy"), "is cut short"),
    "ids": (lambda content: flipped(content, "users.keys.npy"), None),
    "starts": (lambda content: flipped(content, "train.starts.npy"), "train.starts does not fit train.items"),
    "newer": (lambda content: with_about(content, format=2, version="9.0"), "was written by negprep 9.0, and this is"),
    "older": (lambda content: with_about(content, format=0), "whose format is older than that of"),
    "of another algorithm": (lambda content: with_about(content, algorithm=0), "whose format is older"),
    "another program": (lambda content: with_about(content, kind="x"), "is not what negprep writes"),
    "options of tomorrow": (lambda content: with_about(content, options={"sampler": ["best"]}), "is damaged"),
    "no rule": (lambda content: with_about(content, rule=None), "is damaged"),
}


@pytest.mark.parametrize("case", DAMAGED)
def test_damage_is_reported_in_one_line(folder, tmp_path, case):
    damage, words = DAMAGED[case]
    (tmp_path / FILE).write_bytes(damage((folder / FILE).read_bytes()))
    if words is None:  # a key is no id: what verify compares
        negprep.Sampler.open(tmp_path)
        return
    with pytest.raises(BadDataError) as error:
        negprep.Sampler.open(tmp_path)
    assert words in str(error.value)
    assert str(tmp_path / FILE) in str(error.value)
    assert "\n" not in str(error.value)


def test_folders_that_are_none(folder, tmp_path):
    (tmp_path / "empty").mkdir()
    (tmp_path / "file").write_text("")
    (tmp_path / "bare").mkdir()
    (tmp_path / "bare" / FILE).mkdir()
    (tmp_path / f".soon.{'0' * 16}.parts.tmp").mkdir()
    for name, kind, words in [
        ("no", OutputError, "there is no such folder"),
        ("soon", OutputError, "is still being written"),
        ("empty", BadDataError, "holds no sampler.npz; write it with negprep prepare, or Sampler"),
        ("file", UsageError, "is a file"),
        ("bare", OutputError, "cannot be read: Is a directory"),
    ]:
        with pytest.raises(kind, match=words):
            negprep.Sampler.open(tmp_path / name)
    with pytest.raises(NegprepError, match="s3"):
        negprep.Sampler.open("s3://bucket/folder")
    sampler = negprep.Sampler.open(folder)
    shutil.copytree(folder, tmp_path / "moved")
    moved = negprep.Sampler.open(tmp_path / "moved")
    shutil.rmtree(tmp_path / "moved")
    assert_same(batches(moved), batches(sampler))
    with pytest.raises(OutputError, match="there is no such folder"):
        pickle.loads(pickle.dumps(moved))


def test_what_is_not_a_path_is_refused(folder):
    sampler = negprep.Sampler.open(folder)
    for use in (negprep.Sampler.open, sampler.save):
        for given in (None, b"kept", 3):
            with pytest.raises(TypeError, match=f"^folder is a str or a path, not {type(given).__name__}$"):
                use(given)
        with pytest.raises(UsageError, match=r"^folder is empty; give a path$"):
            use("")


def test_changed_bytes_are_found_by_their_checksum(folder, tmp_path):
    content = bytearray((folder / FILE).read_bytes())
    with zipfile.ZipFile(BytesIO(content)) as archive:
        assert archive.testzip() is None
    with np.load(folder / FILE) as arrays:
        codes = arrays["train.items"].tobytes()
    content[content.index(codes)] ^= 1
    (tmp_path / FILE).write_bytes(content)
    done = subprocess.run([sys.executable, "-m", "zipfile", "-t", tmp_path / FILE], capture_output=True, text=True)
    assert "'train.items.npy'" in done.stdout


def test_a_copy_is_not_of_what_has_taken_the_place_of_the_file(tmp_path):
    negprep.Sampler(LOG).save(tmp_path / "kept")
    opened = negprep.Sampler.open(tmp_path / "kept")
    copied, wanted = pickle.dumps(opened), batches(opened)
    negprep.Sampler(LOG).save(tmp_path / "kept", force=True)  # the same bytes
    assert_same(batches(pickle.loads(copied)), wanted)
    negprep.Sampler(LOG.slice(1)).save(tmp_path / "kept", force=True)
    for ask in (lambda: pickle.loads(copied), lambda: opened.save(tmp_path / "other")):
        with pytest.raises(BadDataError, match=r"kept/sampler\.npz: was replaced after it was opened; open it again"):
            ask()
    assert not (tmp_path / "other").exists()
    assert_same(batches(opened), wanted)


def test_other_programs_can_read_it(folder):
    with np.load(folder / FILE) as arrays:
        starts, items = arrays["train.starts"], arrays["train.items"]
        about = json.loads(arrays["about"].tobytes())
    sampler = negprep.Sampler.open(folder)
    heads = sampler.prepared.section.heads
    np.testing.assert_array_equal(starts, heads.starts)
    np.testing.assert_array_equal(items, heads.items)
    assert about["counts"]["positives"] == sampler.facts["counts"]["positives"]


def mapping(path):
    """The numbers of /proc/self/smaps for a file that is mapped, in KiB: a process that was forked may do so twice."""
    found, is_mine = Counter(), False
    for line in Path("/proc/self/smaps").read_text().splitlines():
        name, _, number = line.partition(":")
        if " " in name:
            is_mine = line.endswith(str(path))
        elif is_mine and name != "VmFlags":
            found[name] += int(number.split()[0])
    return found


def drawn_elsewhere(sampler, path):
    """What a worker gets: sums of its batches, and whether it has pages of the file of its own."""
    sums = [
        {name: int(values.sum()) for name, values in batch.items()} for batch in sampler.epoch(2, batch_size=50_000)
    ]
    return sums, mapping(path)


@pytest.mark.parametrize("method", ["fork", "spawn"])
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_processes_share_what_is_mapped(tmp_path, method):
    log = make_log(200_000, 2_000, 3_000)
    negprep.Sampler(log).save(tmp_path / "one")
    path = tmp_path / "one" / FILE
    sampler = negprep.Sampler.open(tmp_path / "one")
    size = path.stat().st_size / 1024
    assert mapping(path)["Rss"] < size / 2  # to open it is not to read it
    here = drawn_elsewhere(sampler, path)[0]
    with multiprocessing.get_context(method).Pool(2) as pool:
        for sums, found in pool.starmap(drawn_elsewhere, [(sampler, path)] * 2, chunksize=1):
            assert sums == here
            assert found["Rss"] > size / 2
            assert (found["Private_Dirty"], found["Shared_Dirty"], found["Swap"]) == (0, 0, 0)
            assert found["Pss"] < found["Rss"]


def test_large_members(folder, tmp_path, monkeypatch):
    """Those of a gigabyte have headers of another length; the arrays stay aligned."""
    monkeypatch.setattr(stored, "_LARGE", 1000)
    negprep.Sampler(LOG, num_neg=2, **LIKED).save(tmp_path / "one")
    assert (tmp_path / "one" / FILE).stat().st_size > (folder / FILE).stat().st_size
    opened = negprep.Sampler.open(tmp_path / "one")
    assert_same(batches(opened), batches(negprep.Sampler.open(folder)))
    assert opened.prepared.section.heads.items.ctypes.data % 64 == 0


def test_hard_negatives_of_an_opened_sampler(tmp_path):
    rng = np.random.default_rng(2)
    ours = negprep.Sampler(LOG, sampler="hard", pool=5)
    model = {
        "user_factors": rng.normal(size=(ours.n_users, 4)).astype(np.float32),
        "item_factors": rng.normal(size=(ours.n_items, 4)).astype(np.float32),
    }
    np.savez(tmp_path / "m.npz", users=ours.users.to_numpy(), items=ours.items.to_numpy(), **model)
    negprep.Sampler(LOG, sampler="hard", pool=5, model=tmp_path / "m.npz").save(tmp_path / "one")
    ours.update_model(**model)
    theirs = negprep.Sampler.open(tmp_path / "one")
    with pytest.raises(UsageError, match="call update_model"):
        batches(theirs)
    theirs.update_model(**model)
    assert_same(batches(theirs), batches(ours))
    assert_same(batches(pickle.loads(pickle.dumps(theirs))), batches(ours))
    assert_same(batches(negprep.Sampler.open(tmp_path / "one", model=tmp_path / "m.npz")), batches(ours))
    with pytest.raises(UsageError, match="--model"):
        negprep.Sampler.open(tmp_path / "one", sampler="reinforced")


@pytest.mark.parametrize(
    "options",
    [
        {"with_valid": True},
        {"holdout": "random:0.2", "with_valid": True, **LIKED, "exclude": PAIRS, "items": ITEMS},
        {"core": 20, "test_users": 0.5, "with_valid": True},
        {"available_at_time": True, "with_valid": True, "with_history": 2},
    ],
    ids=" ".join,
)
def test_holdouts_of_an_opened_sampler(tmp_path, options):
    ours = negprep.Sampler(LOG, **options)
    ours.save(tmp_path / "one")
    theirs = negprep.Sampler.open(tmp_path / "one")
    for fold in ("test", "valid"):
        one, other = (each.candidates(fold, 9) for each in (ours, theirs))
        for name in ("users", "pos_items", "neg_items"):
            np.testing.assert_array_equal(getattr(one, name), getattr(other, name))
    scores = np.random.default_rng(0).normal(size=(ours.n_users, ours.n_items))
    found = [each.evaluate(lambda users, items: scores[users[:, None], items]) for each in (ours, theirs)]
    assert found[0].as_dict() == found[1].as_dict()
    negprep.Sampler(LOG, holdout="none").save(tmp_path / "two")
    with pytest.raises(NegprepError):
        negprep.Sampler.open(tmp_path / "two").candidates()


SOME_WEIGHTS = pa.table({"item": list(range(120)), "weight": [1 + n % 3 for n in range(120)]})
WHOLE = pa.table({"item": list(range(125))})
FEW = LOG.slice(0, 1200)
FULL = pa.table({"user": [1, 1, 1, 1, 2, 2, 3, 3], "item": [1, 2, 3, 4, 1, 2, 3, 4], "time": [4, 3, 2, 1, 1, 2, 1, 2]})
FULL = pa.concat_tables([FULL, pa.table({"user": [1], "item": [5], "time": [9]})])

OF_ROWS = {
    "plain": ({}, {}),
    "texts": ({"log": TEXTS, "layout": "pairwise", "on_short": "drop"}, {"num_neg": 2, "sampler": "popularity"}),
    "shuffled": ({"layout": "pairwise", "shuffle": True, "epoch": 3, "holdout": "random:0.2", "with_valid": True}, {}),
    "lists": ({"layout": "listwise", "sampler": "popularity", "alpha": 0.5, "distinct": True}, {"layout": "pairwise"}),
    "mixture": ({"sampler": ("uniform=3", "popularity=1"), "with_log_q": True}, {"sampler": "uniform", "per": "user"}),
    "decimals": ({"num_neg": 0.5, "label_dtype": "float32"}, {"num_neg": 0.7, "seed": 2}),
    "core": ({"core": 5, "test_users": 0.3}, {"bootstrap": 500, "layout": "pairwise"}),
    "a catalog": ({"items": WHOLE, "holdout": "session", "session_col": "slate"}, {"jobs": 2}),
    "users without rows": ({"log": LOG.slice(0, 400), "holdout": "after:500000"}, {"layout": "pairwise", "num_neg": 2}),
    "full users": ({"log": FULL, "holdout": "none"}, {"sampler": "popularity"}),
    "conditions": ({"positive": "all", "where": "rating > 2", "min_positives": 4, "holdout": "none"}, {"seed": 8}),
}


@pytest.mark.parametrize("case", OF_ROWS)
def test_rows_with_codes_are_the_same_as_the_log(tmp_path, case):
    made, anew = map(dict, OF_ROWS[case])
    log = made.pop("log", FEW)
    negprep.train(log, f"{tmp_path}/rows/", encode=True, **made)
    read = {name: value for name, value in made.items() if name not in ("shuffle", "epoch")}
    ours = negprep.Sampler(log, **read)
    theirs = negprep.Sampler.open(tmp_path / "rows")
    for epoch in (0, 3):
        assert_same(batches(theirs, epoch), batches(ours, epoch))
    assert (theirs.users, theirs.items) == (ours.users, ours.items)
    assert (theirs.facts, theirs.digest, repr(theirs)) == (ours.facts, ours.digest, repr(ours))
    kept = {name: value for name, value in read.items() if not ("sampler" in anew and name in ("sampler", "alpha"))}
    kept.pop("num_neg", None) if "num_neg" in anew else None
    ours, theirs = negprep.Sampler(log, **kept | anew), negprep.Sampler.open(tmp_path / "rows", **anew)
    assert_same(batches(theirs), batches(ours))
    assert theirs.digest == ours.digest
    assert_same(batches(pickle.loads(pickle.dumps(theirs))), batches(ours))
    theirs.save(tmp_path / "saved")
    saved = negprep.Sampler.open(tmp_path / "saved")
    assert_same(batches(saved), batches(ours))
    words = "the sampler holds out nothing|no test|holdout|holds nothing out"
    for each in (theirs, saved):
        with pytest.raises(UsageError, match=words if made.get("holdout") == "none" else "the holdouts are not in a"):
            each.candidates()
        with pytest.raises(UsageError, match=words if made.get("holdout") == "none" else "the holdouts are not in a"):
            each.evaluate(lambda users: np.zeros((len(users), 120)), candidates="all")


def test_rows_with_codes_of_files(tmp_path):
    pq.write_table(PAIRS.slice(0, 40), tmp_path / "test.parquet")
    split = {"holdout": f"file:{tmp_path}/test.parquet", "valid_file": PAIRS.slice(40, 40)}
    options = {**split, "sampler": "popularity", "weights": SOME_WEIGHTS}
    negprep.train(LOG, f"{tmp_path}/rows/", encode=True, **options)
    with pytest.raises(UsageError, match="with --weights FILE, which is not kept; give weights again"):
        negprep.Sampler.open(tmp_path / "rows")
    ours, theirs = negprep.Sampler(LOG, **options), negprep.Sampler.open(tmp_path / "rows", weights=SOME_WEIGHTS)
    assert_same(batches(theirs), batches(ours))
    assert (theirs.facts, theirs.digest) == (ours.facts, ours.digest)


@pytest.mark.parametrize(
    ("made", "words"),
    [
        (LIKED, "was made with --positive >=4: the rows lack the weak interactions"),
        ({**LIKED, "levels": "0.3,0.5", "layout": "pairwise"}, "--positive >=4: the rows lack the weak interactions"),
        ({"weak": PAIRS}, "was made with --weak: the rows lack the weak interactions"),
        ({"exclude": PAIRS}, "was made with --exclude: the rows lack the pairs"),
        ({"items": ITEMS}, "was made with --items: the folder does not tell which items may be drawn"),
        ({"items": ITEMS, "same": "shelf"}, "was made with --same: it needs more of the log"),
        ({"available_at_time": True}, "was made with --available-at-time: it needs more of the log"),
        ({**LIKED, "sampler": "impression", "group_col": "slate"}, "was made with --group-col: it needs more"),
        ({"keep": "device"}, "was made with --keep: it needs more"),
        ({"with_time": True}, "was made with --with-time: it needs more"),
        ({"with_history": 2}, "was made with --with-history: it needs more"),
        ({"epochs": 2}, "was made with --epochs: only rows of one epoch"),
        ({"bootstrap": 500, "layout": "pairwise"}, "was made with --bootstrap: the rows lack the positives"),
        ({"per": "user"}, "was made with --per user: only groups of one positive"),
        ({"on_short": "drop", "distinct": True, "num_neg": 110}, "was made with --on-short drop: the rows lack the"),
        (
            {"log": FULL, "holdout": "none", "layout": "pairwise"},
            "has 4 of 9 train positives: the others have no negative",
        ),
        ({"num_neg": 0.5, "layout": "pairwise"}, "train positives: the others have no negative, and so no row"),
        ({"to": "csv"}, "is not what negprep train --encode writes as Parquet"),
        ({"to": "arrow"}, "is not what negprep train --encode writes as Parquet"),
        ({"encode": False}, "is not what negprep train --encode writes as Parquet"),
    ],
    ids=str,
)
def test_rows_that_lack_something_are_refused(tmp_path, made, words):
    options = {"encode": True, **made}
    negprep.train(options.pop("log", FEW), f"{tmp_path}/rows/", **options)
    with pytest.raises((UsageError, BadDataError)) as error:
        negprep.Sampler.open(tmp_path / "rows")
    assert words in str(error.value)
    assert str(tmp_path / "rows") in str(error.value)
    assert "or Sampler(log).save" in str(error.value)
    assert "\n" not in str(error.value)


def test_rows_with_codes_that_are_damaged(tmp_path, monkeypatch):
    monkeypatch.setattr("negprep.pipeline.row_group_rows", lambda options: 128)
    rows = tmp_path / "rows"
    negprep.train(FEW, f"{rows}/", encode=True)
    assert_same(batches(negprep.Sampler.open(rows)), batches(negprep.Sampler(FEW)))
    with pytest.raises(UsageError, match="--user-col decides what was read, and the rows do not show it"):
        negprep.Sampler.open(rows, user_col="uid")
    with pytest.raises(UsageError, match="--core 5, and the sampler was made without --core"):
        negprep.Sampler.open(rows, core=5)

    def other_items(table):
        return table.set_column(1, "item", pa.array(np.full(len(table), 120, np.int32)))

    def refused(words, damage):
        shutil.copytree(rows, tmp_path / "copy")
        damage(tmp_path / "copy")
        with pytest.raises(NegprepError, match=words) as error:
            negprep.Sampler.open(tmp_path / "copy")
        assert "\n" not in str(error.value)
        shutil.rmtree(tmp_path / "copy")

    def rewritten(name, change):
        def damage(folder):
            table = pq.read_table(folder / name)
            pq.write_table(change(table).replace_schema_metadata(table.schema.metadata), folder / name)

        return damage

    parts = sorted(path.name for path in rows.glob("part-*"))
    assert len(parts) > 1
    refused("rows of the", lambda folder: (folder / parts[-1]).unlink())
    refused("rows of the", rewritten(parts[0], lambda table: table.slice(1)))
    refused("vocabulary of the items is not there", lambda folder: (folder / "_items.parquet").unlink())
    refused("vocabulary of the users is not there", lambda folder: (folder / "_users.parquet").unlink())
    refused("vocabularies are of another run", rewritten("_items.parquet", lambda table: table.slice(0, 5)))
    refused("vocabularies are of another run", rewritten("_users.parquet", lambda table: table.slice(0, 149)))
    refused("do not run from 0", rewritten("_users.parquet", lambda table: table.slice(2)))
    refused("the code 120 is not in the vocabulary", rewritten(parts[0], other_items))
    refused("no _SUCCESS", lambda folder: (folder / "_SUCCESS").unlink())
    refused("unreadable Parquet", lambda folder: (folder / parts[0]).write_bytes(b"PAR1"))
    refused("no data file in the folder", lambda folder: [(folder / part).unlink() for part in parts])

    def without_facts(folder):
        for part in parts:
            table = pq.read_table(folder / part)
            facts = json.loads(table.schema.metadata[b"negprep"])
            del facts["seen"]
            pq.write_table(table.replace_schema_metadata({"negprep": json.dumps(facts)}), folder / part)

    refused("is damaged", without_facts)
    copied = pickle.dumps(negprep.Sampler.open(rows))
    negprep.train(FEW.slice(1), f"{rows}/", encode=True, force=True)
    with pytest.raises(BadDataError, match="rows: was replaced after it was opened; open it again"):
        pickle.loads(copied)
