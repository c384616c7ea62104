"""Folders that Spark wrote: their facts are in its schema, and their other files are not rows."""

from __future__ import annotations

import json
import shutil

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from logs import as_table, random_rows

import negprep
from negprep.errors import BadDataError
from negprep.read.prepared import open_prepared

LOG = as_table(random_rows(1))
SCHEMA = "org.apache.spark.sql.parquet.row.metadata"
TYPES = {"int64": "long", "int8": "byte", "string": "string collate UTF8_BINARY"}


def spark_schema(table, first):
    """The schema of a table as Spark writes it, with the metadata ``first`` of the first column."""
    fields = [
        {"name": field.name, "type": TYPES[str(field.type)], "nullable": False, "metadata": {}}
        for field in table.schema
    ]
    fields[0]["metadata"] = first
    return json.dumps({"type": "struct", "fields": fields})


def write_part(folder, table, schema, number=0):
    """A part file of Spark, and the hidden files beside it; all in a folder that need not be there."""
    folder.mkdir(parents=True, exist_ok=True)
    name = f"part-{number:05}-108c1613-49cd-43fb-8ec7-5d5d7db4e8d0-c000.zstd.parquet"
    footer = {"org.apache.spark.version": "4.3.0"} | ({} if schema is None else {SCHEMA: schema})
    table = table.replace_schema_metadata(None)
    with pq.ParquetWriter(folder / name, table.schema, compression="zstd", store_schema=False) as writer:
        writer.write_table(table)
        writer.add_key_value_metadata(footer)
    for hidden in (f".{name}.crc", "._SUCCESS.crc"):
        (folder / hidden).write_bytes(b"crc\0\0\0\2\0")
    (folder / "_SUCCESS").touch()


def as_spark(ours, folder, *, n_parts=3):
    """The file or folder ``ours`` as Spark would write it: a folder of parts, or one for each epoch."""
    files = [ours] if ours.is_file() else sorted(ours.rglob("*.parquet"))
    for file in files:
        table = pq.read_table(file, partitioning=None)
        facts = table.schema.metadata[b"negprep"].decode()
        size = -(-table.num_rows // n_parts)
        target = folder / (file.parent.name if file.parent.name.startswith("epoch=") else "")
        for number in range(n_parts):
            write_part(target, table.slice(number * size, size), spark_schema(table, {"negprep": facts}), number)
    return folder


def train(tmp_path, **options):
    ours = tmp_path / ("ours" if "epochs" in options else "ours.parquet")
    negprep.train(LOG, f"{ours}/" if "epochs" in options else str(ours), seed=5, **options)
    return ours


def schema_of(folder, number=0):
    """The schema that Spark wrote in a part file."""
    return pq.read_metadata(next(folder.glob(f"part-{number:05}*"))).metadata[SCHEMA.encode()].decode()


def rows_of(path):
    with open_prepared(path) as prepared:
        return prepared, pa.concat_tables(pa.table(batch.rows.to_pydict()) for batch in prepared.batches())


def test_the_facts_are_found_with_the_first_column(tmp_path):
    ours = train(tmp_path)
    prepared, rows = rows_of(as_spark(ours, tmp_path / "spark"))
    expected, expected_rows = rows_of(ours)
    assert prepared.facts == expected.facts
    assert prepared.facts["counts"]["rows"] == rows.num_rows
    assert rows.equals(expected_rows)
    assert (prepared.shape.kind, prepared.part) == ("negprep", "train")


@pytest.mark.parametrize("options", [{}, {"epochs": 2}], ids=["rows", "epochs"])
def test_verify_and_report_read_a_folder_of_spark(tmp_path, options):
    ours = train(tmp_path, **options)
    spark = as_spark(ours, tmp_path / "spark")
    found = negprep.verify(spark, LOG)
    assert found.checks == negprep.verify(ours, LOG).checks
    assert not found.failed
    assert (found.files[0].kind, found.files[0].part) == ("negprep", "train")
    assert not negprep.report(spark, tmp_path / "page.html", log=LOG).failed
    assert "seed" in (tmp_path / "page.html").read_text(encoding="utf-8")


def test_verify_finds_a_row_that_is_not_there(tmp_path):
    spark = as_spark(train(tmp_path), tmp_path / "spark")
    table = pq.read_table(next(spark.glob("part-00001*")))
    write_part(spark, table.slice(1), schema_of(spark), 1)
    assert negprep.verify(spark, LOG).failed


def test_evaluate_takes_the_facts_of_spark(tmp_path):
    ours = tmp_path / "test.parquet"
    negprep.test(LOG, str(ours), seed=5, num_neg=7)
    spark = as_spark(ours, tmp_path / "spark")
    rows = pq.read_table(ours).replace_schema_metadata(None)
    write_part(tmp_path / "bare", rows, None)
    scores = rows.append_column("score", pa.array([float(one % 13) for one in range(rows.num_rows)]))
    footer = {SCHEMA: spark_schema(rows, json.loads(schema_of(spark))["fields"][0]["metadata"])}
    scored_rows = scores.replace_schema_metadata(footer)

    def evaluated(*files):
        return str(negprep.evaluate(*files, at=(3,), resamples=50))

    assert evaluated(scores, spark) == evaluated(scores, ours).replace(str(ours), str(spark))
    assert evaluated(scores, spark) != evaluated(scores, tmp_path / "bare").replace("bare", "spark")
    assert evaluated(scored_rows) != evaluated(scores)


def test_epochs_without_a_mark_of_their_own_must_all_be_there(tmp_path):
    spark = as_spark(train(tmp_path, epochs=2), tmp_path / "spark")
    assert rows_of(spark)[1]["epoch"].unique().to_pylist() == [0, 1]
    assert not (spark / "_SUCCESS").exists()
    (spark / "epoch=1" / "_SUCCESS").unlink()
    with pytest.raises(BadDataError, match="no _SUCCESS"):
        open_prepared(spark)
    shutil.rmtree(spark / "epoch=1")
    with pytest.raises(BadDataError, match="no _SUCCESS"):
        open_prepared(spark)


def test_parts_of_two_runs_are_refused(tmp_path):
    spark = as_spark(train(tmp_path), tmp_path / "spark")
    table = pq.read_table(next(spark.glob("part-00001*")))
    facts = json.loads(json.loads(schema_of(spark))["fields"][0]["metadata"]["negprep"])
    write_part(spark, table, spark_schema(table, {"negprep": json.dumps(facts | {"seed": 6})}), 1)
    with pytest.raises(BadDataError, match=r"part-00001.* are not those of"):
        open_prepared(spark)
    write_part(spark, table, spark_schema(table, {}), 1)
    with pytest.raises(BadDataError, match=r"part-00001.* are not those of"):
        open_prepared(spark)


@pytest.mark.parametrize(
    "told",
    ["", "[]", "{", '{"command": "train"}', {"command": "train", "layout": "x", "counts": {}}, 7, None],
    ids=repr,
)
def test_broken_facts_are_refused_as_ours_are(tmp_path, told):
    table = pa.table({"user": [1], "item": [2], "label": pa.array([1], pa.int8())})
    write_part(tmp_path / "spark", table, spark_schema(table, {"negprep": told}))
    with pytest.raises(BadDataError) as caught:
        open_prepared(tmp_path / "spark")
    text = str(caught.value)
    assert text.endswith("the metadata 'negprep' is not what negprep writes; make the file again")
    assert "part-00000" in text
    assert "\n" not in text


TABLE = pa.table({"user": [1], "item": [2], "label": pa.array([1], pa.int8())})


@pytest.mark.parametrize(
    "schema",
    [
        None,
        "",
        "no JSON",
        "[]",
        "7",
        "null",
        "{}",
        '{"fields": []}',
        '{"fields": 7}',
        '{"fields": ["user"]}',
        '{"fields": [{"name": "user"}]}',
        '{"fields": [{"name": "user", "metadata": null}]}',
        "[" * 10_000,
        b"\xff\xfe\0",
        spark_schema(TABLE, {"comment": "who"}),
        json.dumps({"fields": [{"metadata": {}}, {"metadata": {"negprep": "{}"}}]}),
    ],
    ids=lambda value: repr(value)[:30],
)
def test_files_of_other_spark_jobs_have_no_facts(tmp_path, schema):
    write_part(tmp_path / "spark", TABLE, schema)
    prepared, rows = rows_of(tmp_path / "spark")
    assert prepared.facts is None
    assert rows.to_pydict() == {"user": [1], "item": [2], "label": [1]}


def test_a_key_of_ours_takes_precedence(tmp_path):
    """A file that another program wrote from ours and from Spark's: ours is the newer one."""
    ours = train(tmp_path)
    table = pq.read_table(ours)
    footer = table.schema.metadata | {SCHEMA.encode(): spark_schema(table, {"negprep": "[]"})}
    pq.write_table(table.replace_schema_metadata(footer), ours)
    assert open_prepared(ours).facts["seed"] == 5
