"""The tables of a file: its items, the counts of its run, its options."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from negprep.arrow import from_numpy
from negprep.reporting.charts import Table
from negprep.reporting.wording import capital, count, listed, share, shown_id

if TYPE_CHECKING:
    from negprep.reporting.described import Described

TOP_ITEMS = 12


@dataclass(frozen=True)
class Block:
    """A table with a heading."""

    title: str
    note: str
    table: Table


def top_items(file: Described) -> Block | None:
    """The items that are negatives most often; where there are none, positives."""
    gathered = file.gathered
    positives, negatives = gathered.items
    ranked_by = negatives if gathered.negatives else positives
    order = np.lexsort((positives, ranked_by))[::-1][:TOP_ITEMS]
    names = [shown_id(value) for value in gathered.item_ids.take(from_numpy(np.ascontiguousarray(order))).to_pylist()]
    whole = int(ranked_by.sum())
    if not whole:
        return None
    rows = [
        (name, f"{positives[at]:,}", f"{negatives[at]:,}", share(int(ranked_by[at]), whole))
        for name, at in zip(names, order, strict=True)
    ]
    what = "negatives" if gathered.negatives else "positives"
    held = share(int(ranked_by[order].sum()), whole)
    note = f"{capital(what)} by item; these {count(len(rows), 'item')} hold {held} of them."
    return Block(
        "Items drawn most" if gathered.negatives else "Items used most",
        note,
        Table(("item", "holdouts" if file.is_held_out else "positives", "negatives", "share"), rows),
    )


def counts(file: Described) -> Block | None:
    """The counts of the metadata, beside those of the file."""
    known = (file.facts or {}).get("counts")
    if not isinstance(known, dict) or not known:
        return None
    found = {name: value for name, _, value in file.compared()}
    rows, zero = [], []
    for name, value in known.items():
        if isinstance(value, dict):
            rows += [(f"{name.replace('_', ' ')}: {part}", _value(amount), "") for part, amount in value.items()]
        elif value == 0 and name not in found:
            zero.append(name.replace("_", " "))
        else:
            rows.append((name.replace("_", " "), _value(value), f"{found[name]:,}" if name in found else ""))
    note = "What the run counted, as the metadata has it, and beside it what is in the file."
    if zero:
        note += f" Of these there were none: {listed(zero)}."
    return Block("Counts", note, Table(("count", "metadata", "in the file"), rows))


def options(file: Described) -> Block | None:
    """All else that the metadata says."""
    if not file.facts:
        return None
    given = {name.replace("_", " "): value for name, value in file.facts.items() if name != "counts"}
    rows = [(name, _value(value)) for name, value in given.items() if value is not None]
    if unset := [name for name, value in given.items() if value is None]:
        rows.append(("not set", ", ".join(unset)))
    return Block(
        "Options and versions", "As the metadata of the file has them.", Table(("option", "value"), rows, numeric=False)
    )


def _value(value: object) -> str:
    if value is None:
        return "–"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:,}" if isinstance(value, int) and abs(value) < 10**15 else shown_id(value)
