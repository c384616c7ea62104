"""Integer ids are written in the type that the log has them in, in every layout and beside every other file."""

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import negprep
from negprep import Options
from tests.logs import as_table, random_rows

ROWS = random_rows(4, users=20, items=30)
LOG = as_table(ROWS)
WRITTEN = {
    pa.int8(): pa.int8(),
    pa.int16(): pa.int16(),
    pa.int32(): pa.int32(),
    pa.int64(): pa.int64(),
    pa.uint8(): pa.int16(),
    pa.uint16(): pa.int32(),
    pa.uint32(): pa.int64(),
    pa.uint64(): pa.int64(),
}


def typed(user, item=None, log=LOG):
    """The log with ids of other types; users are moved so that they fit all."""
    users = pa.array(np.array(log["user"]) % 120).cast(user)
    items = pa.array(np.array(log["item"]) % 120).cast(item or user)
    return pa.table({"user": users, "item": items, "time": log["time"]})


def types_of(rows):
    """The types of the columns by name, those of lists by their elements."""
    kinds = {each.name: each.type for each in rows.schema}
    return {name: kind.value_type if pa.types.is_list(kind) else kind for name, kind in kinds.items()}


@pytest.mark.parametrize("kind", WRITTEN, ids=str)
def test_ids_keep_their_type(kind):
    made = negprep.train(typed(kind, pa.int64()))
    assert types_of(made)["user"] == WRITTEN[kind]
    assert types_of(made)["item"] == pa.int64()
    made = negprep.test(typed(pa.int64(), kind), num_neg=3)
    assert types_of(made)["user"] == pa.int64()
    assert types_of(made)["item"] == WRITTEN[kind]
    assert made.to_pydict() == negprep.test(typed(pa.int64()), num_neg=3).to_pydict()


@pytest.mark.parametrize(
    "options",
    [
        {"layout": "pairwise"},
        {"layout": "listwise"},
        {"layout": "listwise", "per": "user"},
        {"shuffle": True},
        {"with_history": 3, "layout": "pairwise"},
        {"shuffle": True, "with_history": 3, "layout": "listwise"},
        {"epochs": 2, "sampler": "popularity", "with_log_q": True},
    ],
    ids=str,
)
def test_in_every_layout_the_rows_are_those_of_wide_ids(options):
    made, wide = (negprep.train(typed(kind), **options) for kind in (pa.int16(), pa.int64()))
    assert made.to_pydict() == wide.to_pydict()
    for (name, kind), other in zip(types_of(made).items(), types_of(wide).values(), strict=True):
        assert kind == (pa.int16() if "item" in name or name in ("user", "history") else other)


def test_frames():
    rows = pd.DataFrame(ROWS, columns=["user", "item", "time"]).astype({"user": "int16", "item": "Int32"})
    assert negprep.train(rows).dtypes.astype(str).to_dict() == {"user": "int16", "item": "int32", "label": "int8"}
    category = rows.astype({"item": "category"})
    assert negprep.train(category).dtypes.astype(str)["item"] == "int32"
    lacking = rows.astype({"item": "float32"})
    lacking.loc[0, "item"] = None
    assert negprep.train(lacking, drop_invalid=True).dtypes.astype(str)["item"] == "int64"


@pytest.mark.parametrize(
    ("others", "kind"),
    [
        ([pa.int8(), pa.int32(), pa.int16()], pa.int32()),
        ([pa.int16(), pa.uint16()], pa.int32()),
        ([pa.int32(), pa.int64()], pa.int64()),
        ([pa.int8(), pa.string()], pa.int64()),
        ([pa.int8(), pa.float64()], pa.int64()),
    ],
    ids=str,
)
def test_parts_of_several_types_get_the_widest(tmp_path, others, kind):
    log = typed(pa.int64())
    (tmp_path / "log").mkdir()
    for at, other in enumerate(others):
        part = log.slice(at * len(log) // len(others), len(log) // len(others) if at + 1 < len(others) else None)
        item = part["item"].cast(other)
        pq.write_table(part.set_column(1, "item", item), tmp_path / "log" / f"{at}.parquet")
    made = negprep.train(str(tmp_path / "log"))
    assert types_of(made)["item"] == kind
    assert made.to_pydict() == negprep.train(log).to_pydict()


def test_a_part_without_rows_that_are_used_decides_nothing(tmp_path):
    (tmp_path / "log").mkdir()
    pq.write_table(typed(pa.int16()), tmp_path / "log" / "0.parquet")
    pq.write_table(typed(pa.int64()).slice(0, 0), tmp_path / "log" / "1.parquet")
    pq.write_table(pa.table({"user": [7], "item": [9], "time": [10**6]}), tmp_path / "log" / "2.parquet")
    made = negprep.train(str(tmp_path / "log"), where="time<100000")
    assert types_of(made)["user"] == types_of(made)["item"] == pa.int16()


def test_text_has_no_types(tmp_path):
    made = typed(pa.int16()).to_pandas()
    made.to_csv(tmp_path / "log.csv", index=False)
    rows = negprep.train(str(tmp_path / "log.csv"))
    assert types_of(rows)["user"] == types_of(rows)["item"] == pa.int64()
    with_text = made.astype({"item": str})
    assert str(negprep.train(with_text)["item"].dtype) == "int64"


def test_files_beside_the_log_match_whatever_their_type(tmp_path):
    """They widen the type where one of their ids does not fit."""
    log, wide = typed(pa.int8()), typed(pa.int64())
    items = pa.table({"item": pa.array(range(120), pa.int64())})
    pairs = wide.slice(0, 20).select(["user", "item"])
    options = {"exclude": pairs, "num_neg": 2}
    made = negprep.train(log, items=items, **options)
    assert made.to_pydict() == negprep.train(wide, items=items, **options).to_pydict()
    assert types_of(made)["item"] == pa.int8()
    more = pa.table({"item": pa.array([*range(120), 128], pa.uint8())})
    made = negprep.train(log, items=more)
    assert types_of(made)["item"] == pa.int64()
    assert types_of(made)["user"] == pa.int8()
    few = pa.table({"item": pa.array(sorted(set(log["item"].to_pylist()))[5:], pa.uint32())})
    made = negprep.train(log, items=few)  # some items of the log are not in it
    assert types_of(made)["item"] == pa.int8()
    assert made.to_pydict() == negprep.train(wide, items=few).to_pydict()
    text = pa.table({"item": [*map(str, range(120)), "x"]})
    assert types_of(negprep.train(log, items=text))["item"] == pa.string()


def test_files_that_hold_out_widen_the_type(tmp_path):
    log = typed(pa.int8())
    for new, kind in ((119, pa.int8()), (1000, pa.int64())):
        pq.write_table(pa.table({"user": [new], "item": [100]}), tmp_path / "held.parquet")
        made = negprep.test(log, num_neg=3, holdout=f"file:{tmp_path}/held.parquet")
        assert types_of(made)["user"] == kind
        assert set(made["user"].to_pylist()) == {new}


def test_a_core_keeps_the_type():
    made = negprep.train(typed(pa.int16()), core=3)
    assert types_of(made)["item"] == types_of(made)["user"] == pa.int16()
    assert made.to_pydict() == negprep.train(typed(pa.int64()), core=3).to_pydict()


def test_codes_and_their_vocabularies(tmp_path):
    pq.write_table(typed(pa.int8()), tmp_path / "log.parquet")
    negprep.prepare(str(tmp_path / "log.parquet"), str(tmp_path / "out.parquet"), Options(command="train", encode=True))
    assert pq.read_schema(tmp_path / "out.parquet").types[:2] == [pa.int32(), pa.int32()]
    assert pq.read_schema(tmp_path / "out.users.parquet").types == [pa.int32(), pa.int8()]
    assert pq.read_schema(tmp_path / "out.items.parquet").types == [pa.int32(), pa.int8()]
    assert not negprep.verify(str(tmp_path / "out.parquet"), str(tmp_path / "log.parquet")).failed


def test_whatever_reads_them_again(tmp_path):
    """Data sets, checks and metrics; a log of another width is the same log."""
    for name, kind in (("narrow", pa.int16()), ("wide", pa.int64())):
        pq.write_table(typed(kind), tmp_path / f"{name}.parquet")
        negprep.prepare(str(tmp_path / f"{name}.parquet"), f"{tmp_path / name}/", test_num_neg=5)
    for part in ("train", "valid", "test", "users", "items"):
        narrow, wide = (pq.read_table(tmp_path / name / f"{part}.parquet") for name in ("narrow", "wide"))
        assert narrow.to_pydict() == wide.to_pydict()
        assert types_of(narrow)[narrow.schema.names[-1] if part in ("users", "items") else "item"] == pa.int16()
    for log in ("narrow", "wide"):
        assert not negprep.verify(str(tmp_path / "narrow"), str(tmp_path / f"{log}.parquet")).failed
    test = pq.read_table(tmp_path / "narrow" / "test.parquet")
    scores = test.append_column("score", pa.array(np.arange(len(test)) % 7))
    ids = [test["user"].cast(pa.int64()), test["item"].cast(pa.int32()), scores["score"]]
    again = pa.table(ids, names=["user", "item", "score"])
    found = [negprep.evaluate(each, test=str(tmp_path / "narrow" / "test.parquet")) for each in (scores, again)]
    assert found[0].as_dict() == found[1].as_dict()


def test_batches_of_a_sampler():
    """They have the types of the files; a state goes on with the same log of another width."""
    narrow, wide = (negprep.Sampler(typed(kind), encode=False) for kind in (pa.int16(), pa.int64()))
    batch, same = next(iter(narrow.epoch(0))), next(iter(wide.epoch(0)))
    assert {batch["user"].dtype, batch["item"].dtype} == {np.dtype(np.int16)}
    for name, values in batch.items():
        assert values.tolist() == same[name].tolist()
    assert narrow.digest == wide.digest
