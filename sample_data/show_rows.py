"""Print the first rows of Parquet files as text (``make demo``)."""

from __future__ import annotations

import sys

import pyarrow.parquet as pq

ROWS = 6

for path in sys.argv[1:]:
    with pq.ParquetFile(path) as file:
        rows = next(file.iter_batches(batch_size=ROWS)).to_pylist()
        print(f"\n{path}: {file.metadata.num_rows:,} rows, the first {len(rows)}:")
    names = list(rows[0])
    widths = [max(len(name), *(len(str(row[name])) for row in rows)) for name in names]
    for cells in [names, *([str(row[name]) for name in names] for row in rows)]:
        print("  " + "  ".join(cell.rjust(width) for cell, width in zip(cells, widths, strict=True)))
print()
