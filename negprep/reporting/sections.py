"""What the page says of one file: its facts, charts, checks and tables."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from negprep.errors import printable
from negprep.reporting import charts, placing, tables
from negprep.reporting.described import Check
from negprep.reporting.popularity import popularity
from negprep.reporting.wording import count, listed, number, shown_id

if TYPE_CHECKING:
    from collections.abc import Mapping

    from negprep.reporting.charts import Chart
    from negprep.reporting.described import Described
    from negprep.reporting.tables import Block
    from negprep.verifying.findings import Check as Finding

FORMS = {
    "negprep": "Parquet",
    "parquet": "Parquet",
    "text": "a table as text",
    "recbole": "RecBole's .inter",
    "ncf": "NCF's .rating",
    "ncf negatives": "NCF's .negative",
    "lightgcn": "LightGCN's lists",
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

_ORDER = ("failed", "unknown", "ok")


@dataclass(frozen=True)
class Tile:
    """A figure in large type."""

    name: str
    value: str
    note: str = ""
    style: str = ""


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


def section(ident: str, file: Described) -> Section:
    """Say all of one file; `ident` is the beginning of every name in the page that belongs to it."""
    what, form = PARTS.get(file.part or "", "rows"), FORMS.get(file.kind, file.kind)
    maker = "By others" if file.facts is None else "Prepared by negprep"
    checks = _own_checks(file) if file.checks is None else file.checks
    if file.checks is None:
        note = (
            "Whether a negative is one of its user's positives (a collision) cannot be known from this file alone. "
            "Give the log with --log, and all checks of negprep verify stand here."
        )
    else:
        checks = sorted(checks, key=lambda check: _ORDER.index(check.style))
        note = f"By negprep verify, against the log: {_tally(checks)}."
    return Section(
        ident=ident,
        name=file.name,
        kind=f"{maker} · {form} · {what} · {file.layout}: {LAYOUTS[file.layout]}",
        lead=_lead(file),
        tiles=_tiles(file),
        charts=_charts(ident, file),
        checks=checks,
        checks_note=note,
        blocks=[
            block for block in (tables.top_items(file), tables.counts(file), tables.options(file)) if block is not None
        ],
    )


def shown_check(check: Finding, titles: Mapping[str, str], *, file: str | None = None) -> Check:
    """A check of verify as the page shows it.

    Parameters
    ----------
    titles : mapping of str to str
        What the page calls each file, by its name as it was given.
    file : str, optional
        The one that need not be named in examples.
    """
    style, result = _RESULTS[check.status]
    times = f"{check.count:,} times" if check.count > 1 else ""
    words = "; ".join(part for part in (times, printable(check.note)) if part)
    return Check(check.name, style, result, words, tuple(_placed(example, titles, file) for example in check.examples))


def _placed(example: str, titles: Mapping[str, str], file: str | None) -> str:
    """``x/test.parquet: row 17: ...`` as ``row 17: ...``, ``x/test.csv:17: ...`` as ``line 17: ...``."""
    if file is not None and example.startswith(f"{file}:"):
        rest = example.removeprefix(f"{file}:")
        return printable(rest[1:] if rest.startswith(" ") else f"line {rest}")
    for name, title in titles.items():
        plain = title.replace("\\", r"\\")
        example = re.sub(rf"(^| ){re.escape(name)}(?=[:/])", rf"\g<1>{plain}", example)
    return printable(example)


def _tally(checks: list[Check]) -> str:
    counts = [(result, sum(check.result == result for check in checks)) for _, result in _RESULTS.values()]
    return listed([f"{size} {result}" for result, size in counts if size])


def _lead(file: Described) -> str:
    gathered, facts = file.gathered, file.facts or {}
    leads = "pair" if not gathered.grouped else "held-out item" if file.is_held_out else "positive"
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
    gathered, facts, said = file.gathered, file.facts or {}, file.counts
    users = f"of {said['users']:,} in the log" if "users" in said else ""
    items = f"of {said['catalog_items']:,} in the catalog" if "catalog_items" in said else ""
    leads = "Pairs" if not gathered.grouped else "Holdouts" if file.is_held_out else "Positives"
    tiles = [
        Tile("Rows", number(gathered.rows)),
        Tile("Users", number(len(gathered.user_ids)), users),
        Tile("Items", number(len(gathered.item_ids)), items),
        Tile(leads, number(gathered.positives), style="positive-dot"),
        Tile("Negatives", number(gathered.negatives), style="negative-dot"),
    ]
    if gathered.positives and gathered.negatives and gathered.grouped:
        asked = f"asked for: {file.num_neg:,}" if file.num_neg is not None else ""
        asked = "asked for: all" if facts.get("num_neg") == "all" else asked
        tiles.append(Tile("Negatives each", number(round(gathered.negatives / gathered.positives, 2)), asked))
    if file.checks is not None:
        failed = sum(check.style == "failed" for check in file.checks)
        tiles.append(Tile("Checks failed", f"{failed}", f"of {len(file.checks)}", "failed" if failed else "ok"))
    if "seed" in facts:
        more = f"split seed {facts.get('split_seed')}, algorithm {facts.get('algorithm')}"
        tiles.append(Tile("Seed", shown_id(facts["seed"]), more))
    return tiles


def _charts(ident: str, file: Described) -> list[Chart]:
    gathered = file.gathered
    positives, negatives = gathered.users
    made = []
    if gathered.negatives:
        word = "holdouts" if file.is_held_out else "positives"
        catalog = file.counts.get("catalog_items")
        made.append(popularity(f"{ident}-popularity", gathered.items[0], gathered.items[1], catalog, word=word))
    # Of rows that nobody names candidates, one positive a user is the sign that they are.
    if gathered.places is not None and (file.is_held_out or bool((positives <= 1).all())):
        made.append(placing.holdout_places(f"{ident}-places", gathered.places, gathered.unplaced))
    if file.times is not None and len(file.times.found):
        times = file.times
        made.append(placing.holdout_times(f"{ident}-times", times.found, times.log, times.missing))
    if gathered.negatives and bool((positives != 1).any()):
        made.append(charts.negatives_per_user(f"{ident}-users", negatives))
    if gathered.sources:
        sampler = (file.facts or {}).get("sampler")
        made.append(charts.sources(f"{ident}-sources", gathered.sources, None if sampler is None else str(sampler)))
    if gathered.negatives and gathered.positives and gathered.grouped:
        made.append(charts.negatives_per_positive(f"{ident}-each", positives, negatives, file.num_neg))
    elif gathered.positives and not gathered.negatives:
        made.append(charts.positives_per_user(f"{ident}-users", positives))
    return made


def _own_checks(file: Described) -> list[Check]:
    """What the file can be asked without a log: whether it holds what its metadata says."""
    compared = file.compared()
    if not compared:
        return []
    name = "the file holds what its metadata says"
    different = [f"{name}: {said:,} said, {found:,} found" for name, said, found in compared if said != found]
    if different:
        words = count(len(different), "count differs", "counts differ")
        return [Check(name, "failed", "failed", words, tuple(different))]
    return [Check(name, "ok", "passed", f"as many {listed([name for name, _, _ in compared])}")]
