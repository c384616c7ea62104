"""The page of a report: files described, sections and tables, to HTML by a template that escapes what it is given."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass, field, replace
from importlib.resources import files
from itertools import count as count_up
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from negprep._version import __version__
from negprep.arrow import as_numpy, from_numpy
from negprep.checks.promises import Promised
from negprep.checks.results import LEAK
from negprep.checks.verify import Overlap, Report, verify
from negprep.errors import BadDataError, UsageError, printable, refuse_warnings
from negprep.options.reading import LogSource, ReadOptions
from negprep.options.specs import MAX_NUM_NEG
from negprep.read.log import open_log
from negprep.read.prepared import Prepared, open_prepared
from negprep.read.prepared_kinds import members
from negprep.read.prepared_metadata import allotted
from negprep.reports import charts
from negprep.reports.charts import Table, capital, count, listed, number, popularity, share, shown_id
from negprep.reports.gather import Gathered, LogTimes, Pairs, gather, positives_of_lists
from negprep.reports.svg import Picture, swatch
from negprep.stores import without_secrets
from negprep.write.destination import check_output, write_whole

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    import pyarrow as pa

    from negprep.checks.results import Check as Finding
    from negprep.read.prepared_metadata import Told
    from negprep.reports.charts import Chart

    Progress = Callable[[str, int, int | None], None]


@dataclass(frozen=True)
class Check:
    """A line of the table of checks; `style` is ``ok``, ``failed`` or ``unknown``."""

    name: str
    style: str
    result: str
    words: str
    examples: tuple[str, ...] = ()


@dataclass(frozen=True, eq=False)
class Described:
    """A file as `section` needs it: ``times`` are those of its positives in the log, ``checks`` those of verify, if
    any.
    """

    name: str
    kind: str
    layout: str
    part: str | None
    facts: dict[str, Any] | None
    gathered: Gathered
    times: LogTimes | None = None
    checks: list[Check] | None = None
    warnings: list[str] = field(default_factory=list)

    @property
    def is_held_out(self) -> bool:
        """Whether its positives are holdouts."""
        return self.part in ("test", "valid")

    @property
    def counts(self) -> dict[str, int]:
        """The whole numbers among the counts of the metadata; others' metadata may hold anything."""
        counts = (self.facts or {}).get("counts")
        counts = counts if isinstance(counts, dict) else {}
        return {str(name): value for name, value in counts.items() if _is_whole(value)}

    @property
    def num_neg(self) -> int | None:
        """The number of negatives requested, if the file records it."""
        given = (self.facts or {}).get("num_neg")
        return given if isinstance(given, int) and _is_whole(given) and 0 < given <= MAX_NUM_NEG else None

    @property
    def by_chance(self) -> bool:
        """Whether chance has decided how many negatives a positive has, within one."""
        return isinstance((self.facts or {}).get("num_neg"), float)

    @property
    def per_user(self) -> bool:
        """Whether a group has all positives of a user."""
        return (self.facts or {}).get("per") == "user"

    def compared(self) -> list[tuple[str, int, int]]:
        """Name, count in the metadata, and count in the file."""
        gathered, counts = self.gathered, self.counts
        found = {"rows": gathered.rows, "negatives": gathered.negatives}
        if self.layout != "pairwise" and (self.facts or {}).get("epochs") is None:
            found["groups"] = len(gathered.user_ids) if self.per_user else gathered.positives
        return [(name, counts[name], value) for name, value in found.items() if name in counts]


def _is_whole(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


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
    """Everything else in the metadata."""
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


FORMS = {
    "negprep": "Parquet",
    "parquet": "Parquet",
    "text": "a table as text",
    "recbole": "RecBole's .inter",
    "ncf": "NCF's .rating",
    "ncf negatives": "NCF's .negative",
    "lightgcn": "LightGCN's lists",
    "exchanged": "a table for another program",
}
PARTS = {"train": "train instances", "valid": "candidates to tune on", "test": "candidates to test on"}
LAYOUTS = {
    "pointwise": "a row is an item with its label",
    "pairwise": "a row is a positive and one negative",
    "listwise": "a row is a positive and the list of its negatives",
    "positives": "a row is a positive",
}

OF_USERS = "a row is a user with the lists of all positives and of the negatives"

_RESULTS = {
    "passed": ("ok", "passed"),
    "failed": ("failed", "failed"),
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
class FilePart:
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


def section(ident: str, file: Described) -> FilePart:
    """Describe one file; `ident` begins every name in the page that belongs to it."""
    what, form = PARTS.get(file.part or "", "rows"), FORMS.get(file.kind, file.kind)
    maker = "By others" if file.facts is None else "Prepared by negprep"
    checks = _own_checks(file) if file.checks is None else file.checks
    in_lists = file.per_user and file.layout == "listwise"
    if file.checks is None:
        note = (
            "Whether a negative is one of its user's positives (a collision) cannot be seen in this file alone. "
            "Give the log with --log, and all checks of negprep verify stand here."
        )
    else:
        checks = sorted(checks, key=lambda check: _ORDER.index(check.style))
        note = f"By negprep verify, against the log: {_tally(checks)}."
    return FilePart(
        ident=ident,
        name=file.name,
        kind=f"{maker} · {form} · {what} · {file.layout}: {OF_USERS if in_lists else LAYOUTS[file.layout]}",
        lead=_lead(file),
        tiles=_tiles(file),
        charts=_charts(ident, file),
        checks=checks,
        checks_note=note,
        blocks=[block for block in (top_items(file), counts(file), options(file)) if block is not None],
    )


def shown_check(check: Finding, titles: Mapping[str, str], *, file: str | None = None) -> Check:
    """A check of verify as the page shows it.

    ``titles`` maps the name of each file, as given, to its title; examples need not name ``file``.
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
        text += " It does not record how the negatives were drawn."
    return text


def _tiles(file: Described) -> list[Tile]:
    gathered, facts, counts = file.gathered, file.facts or {}, file.counts
    users = f"of {counts['users']:,} in the log" if "users" in counts else ""
    items = f"of {counts['catalog_items']:,} in the catalog" if "catalog_items" in counts else ""
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
        asked = f"asked for: {facts['num_neg']}" if file.by_chance else asked
        title, groups = "Negatives each", gathered.positives
        if file.per_user:
            title, groups = "Negatives a user", len(gathered.user_ids)
        tiles.append(Tile(title, number(round(gathered.negatives / groups, 2)), asked))
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
    # Rows without a part are taken for candidates if every user has one positive.
    if gathered.places is not None and (file.is_held_out or bool((positives <= 1).all())):
        made.append(charts.holdout_places(f"{ident}-places", gathered.places, gathered.unplaced))
    if file.times is not None and len(file.times.found):
        times = file.times
        made.append(charts.holdout_times(f"{ident}-times", times.found, times.log, times.missing))
    if gathered.negatives and bool((positives != 1).any()):
        made.append(charts.negatives_per_user(f"{ident}-users", negatives))
    if gathered.sources:
        sampler = (file.facts or {}).get("sampler")
        made.append(charts.sources(f"{ident}-sources", gathered.sources, None if sampler is None else str(sampler)))
    if gathered.negatives and gathered.positives and gathered.grouped:
        if not file.by_chance and not file.per_user:
            made.append(charts.negatives_per_positive(f"{ident}-each", positives, negatives, file.num_neg))
    elif gathered.positives and not gathered.negatives:
        made.append(charts.positives_per_user(f"{ident}-users", positives))
    return made


def _own_checks(file: Described) -> list[Check]:
    """The check that needs no log: whether the file holds what its metadata count."""
    compared = file.compared()
    if not compared:
        return []
    name = "the file holds what its metadata says"
    different = [f"{name}: {wanted:,} said, {found:,} found" for name, wanted, found in compared if wanted != found]
    if different:
        words = count(len(different), "count differs", "counts differ")
        return [Check(name, "failed", "failed", words, tuple(different))]
    return [Check(name, "ok", "passed", f"as many {listed([name for name, _, _ in compared])}")]


@dataclass(frozen=True)
class Verdict:
    """The top of the page: a word, its style, and sentences."""

    style: str
    result: str
    sentences: list[str]


def verdict(checks: Sequence[tuple[str, Check]], overlaps: Sequence[str], *, verified: bool) -> Verdict:
    """All checks passed; or the first failure, and how many more.

    ``checks`` are in the order of the page, each with the name of its file, ``""`` for a check of all files.
    ``overlaps`` of train and test lead; with a log, the check `LEAK` has them, too.
    """
    failed = [(name, check) for name, check in checks if check.style == "failed"]
    made = [check for _, check in checks if check.result != "not checked"]
    rest = [f"{len(checks) - len(made)} not checked"] if len(made) < len(checks) else []
    more = len([check for _, check in failed if not overlaps or check.name != LEAK])
    sentences = list(overlaps)
    if failed and not overlaps:
        name, first = failed[0]
        words = f"{name}: {first.name}" if name else first.name
        sentences.append(f"{words} ({first.words or 'once'})")
        more -= 1
    if sentences:
        others = f"{count(more, 'more check')} failed" if more else "No other check failed"
        return Verdict("failed", "Failed", [*sentences, "; ".join([f"{others}, of {len(checks)}", *rest]) + "."])
    if not verified:
        known = "What the metadata count is in the file, but " if checks else ""
        return Verdict("unknown", "Not verified", [f"{known}nothing was checked against a log: give it with --log."])
    if not rest:
        return Verdict("ok", "Passed", [f"All {count(len(made), 'check')} passed."])
    return Verdict("ok", "Passed", [f"No check failed: {'; '.join([f'{len(made)} passed', *rest])}."])


def check_extra() -> None:
    """Refuse, before any work, to go on without the extra.

    Raises
    ------
    UsageError
        Jinja2 is not installed.
    """
    try:
        import jinja2  # noqa: F401
    except ImportError as error:
        raise UsageError(
            "a report needs Jinja2, which is not installed", remedy="pip install 'negprep[report]'"
        ) from error


def _rendered(**page: object) -> str:
    """The page, of what the template is given, as one text of HTML without scripts or addresses that are loaded."""
    from jinja2 import DictLoader, Environment, StrictUndefined
    from markupsafe import Markup

    def svg(picture: Picture) -> Markup:
        return Markup(picture.markup())  # noqa: S704 - made of elements, whose text is escaped

    def plain(value: object) -> object:
        """Text without control characters; what is made of elements has none."""
        return printable(value) if isinstance(value, str) and not isinstance(value, Markup) else value

    folder = files("negprep.reports")
    environment = Environment(
        loader=DictLoader({"page.html": folder.joinpath("page.html").read_text(encoding="utf-8")}),
        autoescape=True,
        finalize=plain,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters |= {"svg": svg, "swatch": lambda style: Markup(swatch(style))}  # noqa: S704
    style = Markup(folder.joinpath("page.css").read_text(encoding="utf-8"))  # noqa: S704 - our own file
    return environment.get_template("page.html").render(page=page, style=style)


EXAMPLES = 5
"""Rows that the page shows of each kind of fault."""


def report(
    files: Sequence[tuple[str, str | None]],
    target: str,
    *,
    log: LogSource | None = None,
    claims: Promised | None = None,
    made_by: Sequence[str] = (),
    reading: ReadOptions | None = None,
    progress: Progress | None = None,
    warn: Callable[[str], None] = lambda _: None,
    strict: bool = False,
) -> tuple[Report | None, list[str]]:
    """Write the page.

    Parameters
    ----------
    files : sequence of (path, part)
        Prepared files or folders, at least one; ``part`` is ``train``, ``test``, or None: as the file records it.
    target : str
        A file whose name ends in ``.html`` or ``.htm``.
    log : str, path, pyarrow.Table or pandas.DataFrame, optional
        The log that they were made of.
    claims : Promised, optional
        Of files that do not say what they promise.
    made_by : sequence of str
        The summaries of the runs that wrote those of the files that have no metadata.
    reading : ReadOptions, optional
        How to read the log.
    progress : callable, optional
        Takes the step, the rows done and those to do, if known.
    warn : callable, optional
        Takes a line for each overlap of train and test.
    strict : bool
        Whether a warning, or a check that failed, is an error.

    Returns
    -------
    found : Report or None
        What the checks found; None without a log.
    warnings : list of str
        What is suspicious in how the log or a file is written.

    Raises
    ------
    UsageError
        The name of the page or of an input does not fit, or Jinja2 is not installed.
    BadDataError
        An input is not a prepared file, has no rows, or is damaged.
    OutputError
        A file cannot be read or written.
    """
    check_extra()
    claims, reading = claims or Promised(), reading or ReadOptions()
    names = [name for name, _ in files]
    if Path(target).suffix.lower() not in (".html", ".htm") or target.endswith("/"):
        raise UsageError(
            "a report is a page of HTML, and this name ends otherwise",
            place=target,
            remedy="give OUTPUT, the last argument, a name that ends in .html",
        )
    beside = (log, claims.items, claims.exclude, claims.weak, claims.weights)
    paths = [os.fspath(name) for name in (*names, *made_by, *beside) if isinstance(name, str | os.PathLike)]
    for path in paths:
        if path in ("", "-"):
            what = "is empty" if path == "" else "is '-', and a report reads its files more than once"
            raise UsageError(f"a file name {what}", remedy="give a path")
    check_output(target, [Path(path) for path in paths])
    _titles(names)  # before a folder is taken apart: nothing may be named twice
    files = [(path, part) for name, part in files for path in members(name)]
    names = [name for name, _ in files]
    titles = _titles(names)
    tell = _telling(progress)
    found = None
    if log is not None:
        found = verify(files, log, promised=claims, made_by=made_by, read=reading, n_examples=EXAMPLES, tell=tell)
    summaries = allotted(names, made_by)
    described, shown = [], dict(zip(names, titles, strict=True))
    held: dict[str, tuple[str, Pairs]] = {}
    for place, ((name, part), title) in enumerate(zip(files, titles, strict=True)):
        file, pairs = _described(name, part, title, summaries.get(name), log, reading, progress, several=len(files) > 1)
        if pairs is not None and file.part is not None:
            held[name] = file.part, pairs
        if found is not None:
            checks = [shown_check(check, shown, file=name) for check in found.files[place].checks]
            file = replace(file, part=found.files[place].part, checks=checks)
        described.append(file)
    of_files = [warning for file in described for warning in file.warnings]
    if found is None:
        overlaps = list(_overlaps(dict(zip(names, described, strict=True)), held, summaries, reading))
        warnings, across = list(dict.fromkeys(of_files)), []
        suspicious = warnings
    else:
        overlaps = list(found.overlaps)
        warnings = list(dict.fromkeys([*found.warnings, *of_files]))
        across = [shown_check(check, shown) for check in found.across]
        failed = [f"{check.name}: failed" for check in found.checks if check.status == "failed"]
        suspicious = [*failed, *found.warnings]
    for overlap in overlaps:
        warn(overlap.line())
    if strict:
        refuse_warnings(suspicious)
    sections = [section(f"file-{place}", file) for place, file in enumerate(described, 1)]
    every = [(each.name if len(names) > 1 else "", check) for each in sections for check in each.checks]
    every += [("", check) for check in across]
    content = _rendered(
        title=titles[0] if len(names) == 1 else f"{len(names)} prepared files",
        lead=_opening_words(described, log),
        version=__version__,
        verdict=verdict(every, [overlap.line(shown) for overlap in overlaps], verified=log is not None),
        files=sections,
        across=across,
    )
    write_whole(target, lambda file: file.write(content.encode("utf-8", "replace")))
    return found, warnings


def _telling(progress: Progress | None) -> Callable[[str], None]:
    """Passes each step of the checks on to the progress."""
    steps = count_up()

    def tell(words: str) -> None:
        if progress is not None:
            progress(f"check {words}", next(steps), None)

    return tell


def _described(
    name: str,
    part: str | None,
    title: str,
    summary: Told | None,
    log: LogSource | None,
    reading: ReadOptions,
    progress: Progress | None,
    *,
    several: bool,
) -> tuple[Described, Pairs | None]:
    """What the page needs of a file; and the positives of one that holds some out."""
    with open_prepared(name, summary, reading) as prepared:
        part = part or prepared.part
        pairs = Pairs() if part in ("test", "valid") and (several or log is not None) else None
        gathered = _gathered(prepared, part, pairs, progress)
        if not gathered.rows:
            raise BadDataError("no rows", place=name, remedy="a report needs a prepared file with rows")
        if prepared.facts is not None:
            reading = replace(reading, where=prepared.facts.get("where"))
        times = _times(pairs, log, reading) if pairs is not None and log is not None else None
        described = Described(
            name=title,
            kind=prepared.shape.kind,
            layout=prepared.layout,
            part=part,
            facts=prepared.facts,
            gathered=gathered,
            times=times,
            warnings=prepared.warnings,
        )
        return described, pairs


def _overlaps(
    files: dict[str, Described], held: dict[str, tuple[str, Pairs]], summaries: dict[str, Told], reading: ReadOptions
) -> Iterator[Overlap]:
    """Of files without a log: those of train, read once more, with those that hold something out."""
    for name, file in files.items():
        if file.part != "train":
            continue
        for other, (part, pairs) in held.items():
            with open_prepared(name, summaries.get(name), reading) as prepared:
                positives = (_positives(batch.rows, prepared.layout) for batch in prepared.batches())
                count, held_out = pairs.among(positives)
            if count:
                yield Overlap("train", part, name, other, count, held_out)


def _gathered(prepared: Prepared, part: str | None, pairs: Pairs | None, progress: Progress | None) -> Gathered:
    facts = prepared.facts or {}
    levels = str(facts.get("sampler")).startswith("levels")

    def batches() -> Iterator[pa.RecordBatch]:
        done = 0
        for batch in prepared.batches():
            if pairs is not None:
                pairs.add(*_positives(batch.rows, prepared.layout))
            yield batch.rows
            done += batch.rows.num_rows
            if progress is not None:
                progress("count", done, None)

    return gather(
        batches(),
        prepared.layout,
        placed=part != "train" and not prepared.per_user,
        grouped=not facts.get("shuffle") and facts.get("bootstrap") is None and not levels,
    )


def _positives(rows: pa.RecordBatch, layout: str) -> tuple[pa.Array, pa.Array]:
    """The users and the items of the positives."""
    users = rows.column("user")
    if layout == "pointwise":
        at: pa.Array = from_numpy(np.flatnonzero(as_numpy(rows.column("label")) > 0))
        return users.take(at), rows.column("item").take(at)
    if layout != "listwise":
        return users, rows.column("item" if layout == "positives" else "pos_item")
    items, counts = positives_of_lists(rows)
    return users if counts is None else users.take(from_numpy(np.repeat(np.arange(len(counts)), counts))), items


def _times(pairs: Pairs, log: LogSource, reading: ReadOptions) -> LogTimes | None:
    with open_log(log, reading) as reader:
        if "time" not in reader.columns:
            return None
        return pairs.times(reader.batches(("user", "item", "time")))


def _titles(names: Sequence[str]) -> list[str]:
    """The last part of each path; the whole one where two would look alike."""
    real = [os.path.realpath(name) for name in names]
    for place, path in enumerate(real):
        if path in real[:place]:
            raise UsageError("is named twice", place=names[place], remedy="name each file once")
    short = [Path(without_secrets(name)).name or Path(path).name for name, path in zip(names, real, strict=True)]
    return [
        without_secrets(name) if short.count(brief) > 1 else brief for name, brief in zip(names, short, strict=True)
    ]


def _opening_words(files: list[Described], log: LogSource | None) -> str:
    rows = count(sum(file.gathered.rows for file in files), "row")
    checked = " and checked against their log" if log is not None else ""
    return f"{rows} in all, counted{checked}: where the negatives come from, and what to beware of."
