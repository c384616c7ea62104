"""DuckDB SQL: random draws, an anti-join with the log, and the failed draws once more, until none fails."""

import sys

import duckdb

log, train, test = sys.argv[1:]
db = duckdb.connect()
db.execute("select setseed(0)")
db.execute(f"""create table pairs as
    select userId as "user", movieId as item, max(timestamp) as time from '{log}' group by all""")
db.execute(
    "create table catalog as select row_number() over () - 1 as code, item from (select distinct item from pairs)"
)
n_items = db.execute("select count(*) from catalog").fetchone()[0]
random_code = f"cast(floor(random() * {n_items}) as bigint)"


def refill(kept, failed):
    """Draw again for what failed, until nothing does; the good rows collect in ``kept``."""
    while db.execute(f"select count(*) from {failed}").fetchone()[0]:
        db.execute(f"""create or replace table draws as select "user", g, c.item
            from (select "user", g, {random_code} as code from {failed}) join catalog c using (code)""")
        db.execute(
            f'insert into {kept} select * from draws d anti join pairs p on d."user" = p."user" and d.item = p.item'
        )
        db.execute(f'create or replace table {failed} as select * from draws semi join pairs using ("user", item)')


db.execute('create table train_rows ("user" integer, g bigint, item integer)')
db.execute('create table train_failed as select "user", rowid as g from pairs, range(4)')
refill("train_rows", "train_failed")
db.execute(f"""copy (select "user", item, 1::tinyint as label from pairs union all
    select "user", item, 0::tinyint from train_rows) to '{train}' (format parquet, compression zstd)""")
db.execute("drop table train_rows")
db.execute('create table held as select "user", arg_max(item, time) as item from pairs group by "user"')
db.execute('create table test_rows ("user" integer, g bigint, item integer)')
while True:  # what lacks of 99 is drawn again, where a draw came twice or was a positive
    db.execute("""create or replace table test_failed as select "user", 0 as g from held
        left join (select "user", count(*) as n from test_rows group by "user") using ("user"),
        range(99) r(i) where i >= coalesce(n, 0)""")
    if not db.execute("select count(*) from test_failed").fetchone()[0]:
        break
    refill("test_rows", "test_failed")
    db.execute("create or replace table test_rows as select distinct * from test_rows")
db.execute(f"""copy (select "user", item, label from (select "user", item, 1::tinyint as label from held union all
    select "user", item, 0::tinyint from test_rows) order by "user") to '{test}' (format parquet, compression zstd)""")
