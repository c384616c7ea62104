"""The whole data set of a log in one run: train, valid and test from one split, vocabularies, facts and a data card."""

from __future__ import annotations

import hashlib
import json
import threading
import time
from collections.abc import Mapping
from contextlib import ExitStack, closing
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from shlex import quote
from typing import Any, BinaryIO

from negprep._version import __version__
from negprep.assemble.layout import vocabulary_tables
from negprep.assemble.section import row_group_rows
from negprep.encode.load import Progress
from negprep.errors import UsageError, refuse_warnings
from negprep.options.commands import OF_CANDIDATES, parted
from negprep.options.config import config_of, path_from
from negprep.options.formats import FOLDERS, TEXT, FormName
from negprep.options.options import LogSource, Options, ReadOptions
from negprep.options.reading import paths_in
from negprep.pipeline import ReadLog, Run, check_outputs, silent, write_rows
from negprep.read.log import open_log
from negprep.sample.rng import ALGORITHM
from negprep.summary import Summary, facts_of, summary_of, warnings_of
from negprep.threads import start
from negprep.write.destination import DATA_SET, Document, check_output
from negprep.write.output import FolderOutput, kind_of, open_output

CARD, CONFIG = "README.md", "negprep.toml"
"""The files with the data card, and with the options."""


@dataclass(frozen=True, kw_only=True)
class Bundle:
    """What ``prepare`` wrote, or would write.

    Attributes
    ----------
    output : str
        The folder, with a slash at its end.
    parts : dict of str to Summary
        By ``train``, ``valid``, ``test``: the facts of each file, as the single command gives them.
    files : dict of str to str
        The SHA-256 of each file of rows or ids, by its name; empty if nothing was written.
    seconds : float
    """

    output: str
    parts: dict[str, Summary]
    files: dict[str, str]
    seconds: float

    @property
    def warnings(self) -> list[str]:
        """What is suspicious, each once."""
        return list(dict.fromkeys(warning for part in self.parts.values() for warning in part.warnings))

    def as_dict(self) -> dict[str, Any]:
        """All facts, ready for JSON."""
        return asdict(self)

    def as_json(self) -> str:
        """All facts as JSON, with a newline at the end."""
        return json.dumps(self.as_dict(), indent=2, allow_nan=False) + "\n"


def options_of_parts(chosen: Mapping[str, Any], given: frozenset[str] | None = None) -> dict[str, Options]:
    """The options of each part from those of the whole.

    ``chosen``: Values by name; those that begin with ``test_`` are for the candidates, all others for all parts, but
      for the negatives, which are those of train.
    ``given``: The names of those that somebody chose, even if they chose the default; None: all.
    Raises UsageError: Options that contradict each other.
    """
    reading, rows = parted(dict(chosen), ReadOptions, Options)
    read = ReadOptions(**reading)
    shown = chosen.keys() if given is None else given
    drop_cold = rows.pop("drop_cold", None)
    train = Options(
        command="train", read=read, given=frozenset(name for name in shown if hasattr(Options, name)), **rows
    )
    if train.rule.kind == "none":
        what = "--holdout none in prepare, which writes a test set"
        raise UsageError(what, remedy="write train and the candidates of your own split by negprep train and test")
    of_train_alone = {
        "model",
        "pool",
        "top",
        "skip_top",
        "pool_weak",
        "temperature",
        "epoch",
        "epochs",
        "per",
        "shuffle",
        "levels",
    }
    shared = {name: value for name, value in rows.items() if name not in {*OF_CANDIDATES, *of_train_alone, "bootstrap"}}
    shared |= {name: value for name, value in rows.items() if name == "data_set"}
    own = {name: chosen[f"test_{name}"] for name in OF_CANDIDATES if f"test_{name}" in chosen}
    own.setdefault("distinct", True)
    test = Options(command="test", read=read, drop_cold=drop_cold, **shared, **own)
    if len({train.group_col, test.group_col} - {None}) > 1:
        what = f"--group-col {train.group_col} and --test-group-col {test.group_col}: a log is read once for all parts"
        raise UsageError(what, remedy="name the same column")
    parts = {"train": train}
    if train.with_valid:
        parts["valid"] = replace(test, fold="valid")
    return parts | {"test": test}


def prepare_all(
    source: LogSource,
    target: str,
    parts: Mapping[str, Options],
    *,
    force: bool = False,
    summary: str | None = None,
    progress: Progress | None = None,
    dry_run: bool = False,
) -> Bundle:
    """Read a log once and write train, valid and test, the vocabularies and a data card into a folder, whole or not.

    ``target``: A folder (ends in ``/``).
    ``parts``: As ``options_of_parts`` gives them.
    ``dry_run``: Count what would be written, and write nothing.

    Raises NegprepError: With the place, what is wrong, and the remedy.
    """
    started = time.perf_counter()
    first = parts["train"]
    if not target.endswith("/"):
        raise UsageError("prepare writes a folder", place=target, remedy="end OUTPUT with a slash: NAME/")
    if dry_run and summary is not None:
        raise UsageError("--summary with --dry-run, which writes nothing", remedy="leave one of them out")
    form: FormName = first.to or "parquet"
    if form in FOLDERS:
        what = f"--to {form} in prepare"
        raise UsageError(what, remedy=f"negprep test --to {form} writes all the files of that program in one run")
    check_outputs(source, target, first, force=force, is_text=form in TEXT)
    with open_log(source, first.read) as log, ExitStack() as stack:
        check_output(target, log.paths, force=force, is_text=form in TEXT)
        folder = str(Path(target.rstrip("/")).parent)
        by_impression = next((each for each in parts.values() if each.group_col is not None), first)
        read = stack.enter_context(closing(ReadLog(log, by_impression, folder, progress or silent, again=True)))
        users, items = read.core.users, read.core.items
        ending = kind_of(form, "").ending
        summaries: dict[str, Summary] = {}
        hashes: dict[str, Hash] = {}
        results: list[Bundle] = []

        def fill_summary(file: BinaryIO) -> None:
            results.append(Bundle(output=target, parts=summaries, files=sums(), seconds=time.perf_counter() - started))
            file.write(results[0].as_json().encode())

        def sums() -> dict[str, str]:
            return {name: each.result() for name, each in sorted(hashes.items())}

        if dry_run:
            for name, options in parts.items():
                begun = time.perf_counter()
                with Run(log, options, folder, progress, read=read) as run:
                    run.count()
                    if options.strict:
                        refuse_warnings(warnings_of(run))
                    summaries[name] = summary_of(run, f"{target}{name}{ending}", time.perf_counter() - begun)
            return Bundle(output=target, parts=summaries, files={}, seconds=time.perf_counter() - started)
        companion = None
        if summary is not None:
            companion = stack.enter_context(closing(Document(summary, fill_summary, "give --summary another place")))
        with open_output(target, vocabulary_tables(users.ids, users.ids)["users"].schema, force=force) as output:
            if not isinstance(output, FolderOutput):
                raise TypeError("a data set is a folder")
            inner = output.hand_out()
            for name, options in parts.items():
                begun = time.perf_counter()
                with Run(log, options, folder, progress, read=read) as run:
                    kind = kind_of(form, "", row_group_rows(run.options))
                    file = output.start_file(f"{name}{ending}", run.schema, kind)
                    write_rows(run, file.write)
                    if options.strict:
                        refuse_warnings(warnings_of(run))
                    file.close({"negprep": json.dumps(facts_of(run), sort_keys=True)})
                    summaries[name] = summary_of(run, f"{target}{name}{ending}", time.perf_counter() - begun)
                hashes[f"{name}{ending}"] = Hash(inner / f"{name}{ending}")
            for name, table in vocabulary_tables(users.ids, items.vocabulary[0]).items():
                output.write_table(f"{name}{ending}", table, kind_of(form, ""))
                hashes[f"{name}{ending}"] = Hash(inner / f"{name}{ending}")
            facts = facts_of_all(source, summaries, sums())
            output.write_bytes(DATA_SET, (json.dumps(facts, indent=2, sort_keys=True, allow_nan=False) + "\n").encode())
            named = paths_in(source)
            log_place = path_from(target, named[0]) if len(named) == 1 else "LOG"
            output.write_bytes(CONFIG, config_of(parts, source, target).encode())
            output.write_bytes(CARD, card(facts, summaries, ending, log_place).encode())
            output.finish({}, companion)
        seconds = time.perf_counter() - started
        return results[0] if results else Bundle(output=target, parts=summaries, files=sums(), seconds=seconds)


class Hash:
    """The SHA-256 of a complete file, computed on a thread while others are written."""

    def __init__(self, path: Path) -> None:
        self._path, self._sum, self._error = path, "", list[OSError]()
        self._worker = threading.Thread(target=self._compute, name="negprep-hash", daemon=True)
        start(self._worker)

    def _compute(self) -> None:
        try:
            with self._path.open("rb") as file:
                self._sum = hashlib.file_digest(file, "sha256").hexdigest()
        except OSError as error:  # raised again where the result is asked for
            self._error.append(error)

    def result(self) -> str:
        """The hash, in hexadecimal digits."""
        self._worker.join()
        if self._error:
            raise self._error[0]
        return self._sum


def facts_of_all(source: LogSource, parts: Mapping[str, Summary], files: Mapping[str, str]) -> dict[str, Any]:
    """What ``negprep.json`` holds: the same wherever and however it was made."""
    return {
        "version": __version__,
        "algorithm": ALGORITHM,
        "source": ", ".join(Path(each).name for each in paths_in(source)) or "a table",
        "rows_read": parts["train"].rows_read,
        "rows_dropped": parts["train"].rows_dropped,
        "columns": parts["train"].columns,
        "parts": {name: part.metadata for name, part in parts.items()},
        "files": dict(files),
    }


def card(facts: Mapping[str, Any], parts: Mapping[str, Summary], ending: str, log: str) -> str:
    """The data card: what is in the folder, in words; ``log`` is where the log is, from there."""
    train, test = parts["train"], parts["test"]
    dropped = sum(train.rows_dropped.values())
    rows = [f"{train.rows_read:,} rows were read" + (f", {dropped:,} of them dropped" if dropped else "")]
    rows.append(f"{train.users:,} users and {train.items:,} items with {train.positives:,} positive pairs")
    if train.removed_users or train.removed_items:
        rows.append(
            f"{train.removed_users:,} users and {train.removed_items:,} items with too few were left out before"
        )
    lines = ["# Prepared data", "", f"Made from `{facts['source']}` by negprep {facts['version']}.", ""]
    lines += ["| file | rows | what it holds |", "| --- | --: | --- |"]
    for name, part in parts.items():
        each = "all eligible items as" if part.num_neg == "all" else f"{part.num_neg:,}"
        what = "train positives" if name == "train" else f"the {name} holdouts"
        whose = "each user" if part.metadata.get("per") == "user" else "each"
        text = f"{what}, {whose} with {each} negatives ({part.sampler})"
        lines.append(f"| `{name}{ending}` | {part.rows_written:,} | {text} |")
    lines += [f"| `users{ending}` | {train.users:,} | the code of each user |"]
    lines += [f"| `items{ending}` | {train.catalog_items + train.items_outside:,} | the code of each item |"]
    lines += [f"| `{DATA_SET}` | | counts and the SHA-256 of each file |"]
    lines += [f"| `{CONFIG}` | | the options |", "", "## Source", ""]
    lines += [f"- {row}." for row in rows]
    lines += [
        "",
        "## Split",
        "",
        f"- `{train.holdout}` holds out {test.holdouts:,} positives of {test.holdout_users:,} users.",
    ]
    if "valid" in parts:
        lines += ["- As many again, the ones before, are for validation."]
    lines += ["", "## Guarantees", ""]
    lines += [f"- A negative in train avoids {train.seen}; a candidate avoids {test.seen}."]
    lines += ["- Every other item has the probability that the sampler defines."]
    lines += [f"- The same log, options and seed ({train.seed}) give the same bytes.", ""]
    lines += ["## Check, and make again", "", "```sh"]
    lines += [f"negprep verify . --log {quote(log)}", f"negprep prepare --config {CONFIG} copy/", "```", ""]
    return "\n".join(lines)
