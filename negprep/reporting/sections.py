"""What the page says of one file: its facts, charts, checks and tables."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from negprep.arrow import from_numpy
from negprep.errors import printable
from negprep.reporting import charts, placing
from negprep.reporting.charts import Chart, Table
from negprep.reporting.popularity import popularity
from negprep.reporting.wording import capital, count, listed, number, share, shown_id

if TYPE_CHECKING:
    from negprep.reporting.gathering import Gathered
    from negprep.reporting.log_times import LogTimes
    from negprep.verifying.findings import Check as Finding

TOP_ITEMS = 12

KINDS = {
    "negprep": "Prepared by negprep",
    "parquet": "A Parquet file of others",
    "text": "A text file of others",
    "recbole": "RecBole's .inter",
    "ncf": "NCF's .rating",
    "ncf negatives": "NCF's .test.negative",
}
PARTS = {"train": "train instances", "valid": "candidates to tune on", "test": "candidates to test on"}
LAYOUTS = {
    "pointwise": "a row is an item with its label",
    "pairwise": "a row is a positive and one negative",
    "listwise": "a row is a positive and the list of its negatives",
    "positives": "a row is a positive",
}

_RESULTS = {
    "passed": ("ok", "passed"),
    "failed": ("failed", "failed"),
    "warning": ("unknown", "unlikely"),
    "not checked": ("unknown", "not checked"),
}
"""Of each status of verify: the class, and the word."""


@dataclass(frozen=True)
class Tile:
    """A figure in large type."""

    name: str
    value: str
    note: str = ""
    style: str = ""


@dataclass(frozen=True)
class Check:
    """A line of the table of checks; `style` is ``ok``, ``failed`` or ``unknown``."""

    name: str
    style: str
    result: str
    words: str
    examples: tuple[str, ...] = ()


@dataclass(frozen=True)
class Block:
    """A table with a heading."""

    title: str
    note: str
    table: Table


@dataclass(frozen=True)
class Section:
    """A file on the page."""

    ident: str
    name: str
    kind: str
    lead: str
    tiles: list[Tile]
    charts: list[Chart]
    checks: list[Check]
    checks_note: str
    blocks: list[Block]


@dataclass(frozen=True, eq=False)
class Described:
    """A file as `section` needs it.

    Attributes
    ----------
    name, kind, layout : str
    part : str or None
        ``train``, ``valid`` or ``test``.
    facts : dict or None
        The metadata of negprep.
    gathered : Gathered
    times : LogTimes or None
        Of its positives in the log, where there is one.
    checks : list of Check or None
        Of verify; None where there was no log to verify against.
    """

    name: str
    kind: str
    layout: str
    part: str | None
    facts: dict[str, Any] | None
    gathered: Gathered
    times: LogTimes | None = None
    checks: list[Check] | None = None


def section(ident: str, file: Described) -> Section:
    """Say all of one file; `ident` is the beginning of every name in the page that belongs to it."""
    what = PARTS.get(file.part or "", "rows")
    checks = _own_checks(file) if file.checks is None else file.checks
    if file.checks is None:
        note = (
            "Whether a negative is one of its user's positives (a collision) cannot be known from this file alone. "
            "Give the log with --log, and all checks of negprep verify stand here."
        )
    else:
        note = f"By negprep verify, against the log: {_tally(checks)}."
    return Section(
        ident=ident,
        name=file.name,
        kind=f"{KINDS.get(file.kind, file.kind)} · {what} · {file.layout}: {LAYOUTS[file.layout]}",
        lead=_lead(file),
        tiles=_tiles(file),
        charts=_charts(ident, file),
        checks=checks,
        checks_note=note,
        blocks=[block for block in (_top_items(file), _counts(file), _options(file)) if block is not None],
    )


def shown_check(check: Finding) -> Check:
    """A check of verify as the page shows it."""
    style, result = _RESULTS[check.status]
    times = f"{check.count:,} times" if check.count > 1 else "once" if check.count else ""
    words = "; ".join(part for part in (times, printable(check.note)) if part)
    return Check(check.name, style, result, words, tuple(printable(example) for example in check.examples))


def _tally(checks: list[Check]) -> str:
    counts = [(result, sum(check.result == result for check in checks)) for _, result in _RESULTS.values()]
    return listed([f"{size} {result}" for result, size in counts if size])


def _lead(file: Described) -> str:
    gathered, facts = file.gathered, file.facts or {}
    leads = "held-out item" if file.part in ("test", "valid") else "positive"
    text = f"{count(gathered.positives, leads)} of {count(len(gathered.user_ids), 'user')}"
    if gathered.negatives:
        text += f" and {count(gathered.negatives, 'negative')}"
    text += "."
    if facts.get("sampler"):
        text += f" The negatives were drawn by the sampler {facts['sampler']} from {facts.get('catalog', 'a catalog')}"
        text += f", avoiding {facts['seen']}." if facts.get("seen") else "."
    elif not gathered.negatives:
        text += " It has no negatives, so there is nothing to compare with the positives."
    else:
        text += " It does not say how the negatives were drawn."
    return text


def _tiles(file: Described) -> list[Tile]:
    gathered, facts = file.gathered, file.facts or {}
    known = facts.get("counts", {})
    catalog = known.get("catalog_items")
    held = file.part in ("test", "valid")
    tiles = [
        Tile("Rows", number(gathered.rows)),
        Tile("Users", number(len(gathered.user_ids)), f"of {known['users']:,} in the log" if "users" in known else ""),
        Tile("Items", number(len(gathered.item_ids)), f"of {catalog:,} in the catalog" if catalog is not None else ""),
        Tile("Holdouts" if held else "Positives", number(gathered.positives), style="positive-dot"),
        Tile("Negatives", number(gathered.negatives), style="negative-dot"),
    ]
    if gathered.positives and gathered.negatives:
        ratio = gathered.negatives / gathered.positives
        asked = f"asked for: {facts['num_neg']:,}" if isinstance(facts.get("num_neg"), int) else ""
        tiles.append(Tile("Negatives each", number(round(ratio, 2)), asked))
    if "seed" in facts:
        more = f"split seed {facts.get('split_seed')}, algorithm {facts.get('algorithm')}"
        tiles.append(Tile("Seed", f"{facts['seed']}", more))
    return tiles


def _charts(ident: str, file: Described) -> list[Chart]:
    gathered, facts = file.gathered, file.facts or {}
    catalog, wanted = facts.get("counts", {}).get("catalog_items"), facts.get("num_neg")
    word = "holdouts" if file.part in ("test", "valid") else "positives"
    made = []
    if gathered.negatives:
        made.append(popularity(f"{ident}-popularity", *gathered.items, catalog, word=word))
    if gathered.places is not None and file.part in ("test", "valid", None):
        made.append(placing.holdout_places(f"{ident}-places", gathered.places, gathered.unplaced))
    if file.times is not None and len(file.times.found):
        times = file.times
        made.append(placing.holdout_times(f"{ident}-times", times.found, times.log, times.missing))
    positives, negatives = gathered.users
    if gathered.negatives and (positives != 1).any():
        made.append(charts.negatives_per_user(f"{ident}-users", negatives))
    if gathered.sources:
        made.append(charts.sources(f"{ident}-sources", gathered.sources, facts.get("sampler")))
    if gathered.negatives:
        made.append(charts.negatives_per_positive(f"{ident}-each", positives, negatives, wanted))
    elif gathered.positives:
        made.append(charts.positives_per_user(f"{ident}-users", gathered.users[0]))
    return made


def _own_checks(file: Described) -> list[Check]:
    """What the file can be asked without a log: whether it holds what its metadata says."""
    if file.facts is None:
        return []
    different = [f"{name}: {said:,} said, {found:,} found" for name, said, found in _compared(file) if said != found]
    name = "the file holds what its metadata says"
    if different:
        return [
            Check(
                name, "failed", "failed", f"{count(len(different), 'count differs', 'counts differ')}", tuple(different)
            )
        ]
    compared = listed([name for name, _, _ in _compared(file)])
    return [Check(name, "ok", "passed", f"as many {compared}")]


def _compared(file: Described) -> list[tuple[str, int, int]]:
    """Name, what the metadata says, and what was counted."""
    known = (file.facts or {}).get("counts", {})
    gathered = file.gathered
    found = {"rows": gathered.rows, "negatives": gathered.negatives}
    if not (file.layout == "pairwise" and ((file.facts or {}).get("shuffle") or not known.get("negatives"))):
        epochs = (file.facts or {}).get("epochs") or 1
        if file.layout != "pairwise" and epochs == 1:
            found["groups"] = gathered.positives
    return [(name, int(known[name]), value) for name, value in found.items() if isinstance(known.get(name), int)]


def _top_items(file: Described) -> Block | None:
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
        Table(("item", "positives", "negatives", "share"), rows),
    )


def _counts(file: Described) -> Block | None:
    known = (file.facts or {}).get("counts")
    if not known:
        return None
    found = {name: value for name, _, value in _compared(file)}
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


def _options(file: Described) -> Block | None:
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
