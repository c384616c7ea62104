"""The whole data set of a log in one run: train, valid and test from one split, vocabularies, facts and a data card."""

from __future__ import annotations

import hashlib
import json
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, closing, contextmanager
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from shlex import quote
from tempfile import gettempdir
from typing import Any, BinaryIO, Literal

import pyarrow as pa

from negprep._version import __version__
from negprep.assemble.layout import vocabulary_tables
from negprep.assemble.section import row_group_rows
from negprep.encode.load import Progress
from negprep.errors import UsageError, refuse_warnings
from negprep.exchange import ExchangeFiles, unit_of
from negprep.holdout import in_form, writes_times
from negprep.options.commands import OF_CANDIDATES, parted
from negprep.options.config import config_of, path_from
from negprep.options.declared import options_of
from negprep.options.formats import EXCHANGES, FOLDERS, SAMPLER_FILE, TEXT, FormName, first_code
from negprep.options.options import LogSource, Options, ReadOptions
from negprep.options.reading import paths_in
from negprep.options.specs import HoldoutRule
from negprep.pipeline import ReadLog, Run, check_outputs, silent, write_all, write_rows
from negprep.read.log import LogReader, open_log
from negprep.sample.rng import ALGORITHM
from negprep.stored import Keeper, Origin
from negprep.stores import is_remote, without_secrets
from negprep.summary import Summary, facts_of, summary_of, warnings_of
from negprep.threads import start
from negprep.write.destination import DATA_SET, METADATA, Document, check_output
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


_OF_TRAIN_ALONE = (
    *("model", "pool", "top", "skip_top", "pool_weak", "temperature"),
    *("epoch", "epochs", "shuffle", "levels", "bootstrap"),
)
"""The options of ``train`` that decide nothing that candidates share."""

_BESIDE = ("keep", "with_time", "with_history", "label_dtype", "encode", "to", "fold")


def options_of_candidates(train: Options, fold: Literal["valid", "test"], num_neg: float) -> Options:
    """The options of lists of candidates, uniform and different, that hold out as those of train do.

    Raises UsageError: Nothing is held out.
    """
    left_out = {*OF_CANDIDATES, *_OF_TRAIN_ALONE, *_BESIDE}
    shared = {name: getattr(train, name) for name in options_of(Options) if name not in left_out}
    return Options(
        command="test",
        read=train.read,
        given=train.given & shared.keys(),
        layout="listwise",
        distinct=True,
        encode=True,
        fold=fold,
        num_neg=num_neg,
        **shared,
    )


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
    rule = HoldoutRule.parse(rows.get("holdout", "auto"))
    if rule.kind == "none":
        what = "--holdout none in prepare, which writes a test set"
        raise UsageError(what, remedy="write train and the candidates of your own split by negprep train and test")
    if "with_valid" not in shown:
        if rule.kind == "after":
            what = f"--holdout {rule} with a validation holdout, which prepare writes: one cut has no second"
            raise UsageError(what, remedy="add --no-valid, and tune with a run of its own, with an earlier TIME")
        if rule.kind == "file":
            rows["with_valid"] = rows.get("valid_file") is not None
    train = Options(
        command="train", read=read, given=frozenset(name for name in shown if hasattr(Options, name)), **rows
    )
    shared = {name: value for name, value in rows.items() if name not in {*OF_CANDIDATES, *_OF_TRAIN_ALONE}}
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
    sampler_file: bool | None = None,
) -> Bundle:
    """Read a log once and write train, valid and test, vocabularies, a data card ... into a folder, whole or not.

    ``target``: A folder (ends in ``/``).
    ``parts``: As ``options_of_parts`` gives them.
    ``dry_run``: Count what would be written, and write nothing.
    ``sampler_file``: Whether what ``Sampler.open`` opens is written, too. None: unless the folder is for a program.

    Raises NegprepError: With the place, what is wrong, and the remedy.
    """
    started = time.perf_counter()
    if not target.endswith("/"):
        raise UsageError("prepare writes a folder", place=target, remedy="end OUTPUT with a slash: NAME/")
    if dry_run and summary is not None:
        raise UsageError("--summary with --dry-run, which writes nothing", remedy="leave one of them out")
    form: FormName = parts["test"].to or "parquet"
    runs = dict(parts)
    if form in FOLDERS and sampler_file:
        what = f"--sampler-file with --to {form}, a folder for {EXCHANGES[form].program} alone"
        raise UsageError(what, remedy="leave it out, or prepare another folder")
    if form in FOLDERS:  # which hold the train positives, and no train instances
        runs = {name: in_form(options, form) for name, options in parts.items() if name != "train"}
    first = next(iter(runs.values()))
    outputs = check_outputs(source, target, first, force=force, is_text=form in TEXT)
    with open_log(source, first.read) as log, ExitStack() as stack:
        for path in outputs:
            check_output(path, log.paths, force=force, is_text=form in TEXT)
        folder = None if is_remote(target) else str(Path(target.rstrip("/")).parent)
        keeps = (form not in FOLDERS) if sampler_file is None else sampler_file
        made = stack.enter_context(closing(_Made(log, runs, target, form, folder, progress, keeps_sampler=keeps)))
        results: list[Bundle] = []

        def bundle(files: dict[str, str]) -> Bundle:
            return Bundle(output=target, parts=made.parts, files=files, seconds=time.perf_counter() - started)

        def fill_summary(file: BinaryIO) -> None:
            results.append(bundle(made.sums()))
            file.write(results[0].as_json().encode())

        if dry_run:
            for name, options in runs.items():
                with made.run(name, options) as run:
                    run.count()
            return bundle({})
        companion = None
        if summary is not None:
            companion = stack.enter_context(closing(Document(summary, fill_summary, "give --summary another place")))
        core = made.read.core
        vocabularies = vocabulary_tables(core.users.written, core.items.vocabulary[0], first=first_code(form))
        with open_output(target, vocabularies["users"].schema, force=force) as output:
            if not isinstance(output, FolderOutput):
                raise TypeError("a data set is a folder")
            made.write(runs, output)
            made.write_vocabularies(vocabularies, output)
            facts = made.facts(source)
            named = paths_in(source)
            log_place = path_from(target, named[0]) if len(named) == 1 else "LOG"
            output.write_bytes(DATA_SET, (json.dumps(facts, indent=2, sort_keys=True, allow_nan=False) + "\n").encode())
            output.write_bytes(CONFIG, config_of(parts, source, target, sampler_file=sampler_file).encode())
            output.write_bytes(CARD, card(facts, made.parts, log_place).encode())
            output.finish({}, companion)
        return results[0] if results else bundle(made.sums())


class _Made:
    """What is made of a log: the runs of the parts, their files, and the hashes of these. To be closed.

    ``read``: The log as it was read for a part, and for the next ones that can share it.
    ``parts``: The facts of each part.
    ``rows``: The part whose metadata each file of rows has, by its name.
    """

    def __init__(
        self,
        log: LogReader,
        runs: Mapping[str, Options],
        target: str,
        form: FormName,
        folder: str | None,
        progress: Progress | None,
        *,
        keeps_sampler: bool,
    ) -> None:
        self._keeps_sampler = keeps_sampler
        self.parts: dict[str, Summary] = {}
        self.rows: dict[str, str] = {}
        self._log, self._target, self._form = log, target, form
        self._folder, self._progress = folder, progress
        self._kind = kind_of(form, "")
        self._hashes: dict[str, Hash] = {}
        first = next(iter(runs.values()))
        # The impression decides which row of a pair the columns beside the rows are of. Without them all can share it.
        self._is_apart = bool(first.carried or first.with_time)
        by_impression = next((each for each in runs.values() if each.group_col is not None), first)
        self._read_by = first if self._is_apart else by_impression
        self.read = self._read_for(self._read_by)

    def _read_for(self, options: Options) -> ReadLog:
        return ReadLog(self._log, options, self._folder, self._progress or silent, again=True)

    def close(self) -> None:
        """Delete the spill files."""
        self.read.close()

    @contextmanager
    def run(self, name: str, options: Options) -> Iterator[Run]:
        """One part, whose facts are known once it was gone through."""
        started, file = time.perf_counter(), "" if self._form in FOLDERS else f"{name}{self._kind.ending}"
        if self._is_apart and options.group_col != self._read_by.group_col:
            self.read.close()
            self.read, self._read_by = self._read_for(options), options
        with Run(self._log, options, self._folder, self._progress, read=self.read) as run:
            yield run
            if options.strict:
                refuse_warnings(warnings_of(run))
            self.parts[name] = summary_of(run, f"{self._target}{file}", time.perf_counter() - started)

    def write(self, runs: Mapping[str, Options], output: FolderOutput) -> None:
        """Write the rows of all parts."""
        inner = output.hand_out()
        if self._form in FOLDERS:
            self._write_exchange(runs, output)
            self._hashes |= {name: Hash(inner / name) for name in self.rows}
            return
        for name, options in runs.items():
            self._write_rows(name, options, output, inner)

    def _write_rows(self, name: str, options: Options, output: FolderOutput, inner: Path) -> None:
        """Write one part as a file of its own."""
        file_name = f"{name}{self._kind.ending}"
        with self.run(name, options) as run, ExitStack() as stack:
            file = output.start_file(file_name, run.schema, kind_of(self._form, "", row_group_rows(run.options)))
            keeper = None
            if name == "train" and self._keeps_sampler:
                folder = (options.spill_dir or self._folder or gettempdir()) if run.loaded.is_spilled else None
                keeper = stack.enter_context(closing(Keeper(Origin.of(run), folder)))
                run.watch = keeper.add
            write_all(run, file)
            file.close({"negprep": json.dumps(facts_of(run), sort_keys=True)})
            if keeper is not None:
                output.write_file(SAMPLER_FILE, partial(keeper.write, tally=run.tally))
                self._hashes[SAMPLER_FILE] = Hash(inner / SAMPLER_FILE)
        self.rows[file_name] = name
        self._hashes[file_name] = Hash(inner / file_name)  # while the next part is written

    def _write_exchange(self, runs: Mapping[str, Options], output: FolderOutput) -> None:
        """Write the folder of another program, with the candidates of all folds."""
        files: ExchangeFiles | None = None
        unit = unit_of(self._log.clock.kind if self._log.clock else None)
        timed = writes_times(self._log, runs["test"])
        metadata: dict[str, str] = {}
        for name, options in runs.items():
            with self.run(name, options) as run:
                files = files or ExchangeFiles(
                    run.options, output, self._target, run.form, run.schema, timed=timed, folds=tuple(runs)
                )
                run.watch = partial(files.add, unit=unit, fold=name)
                write_rows(run, partial(files.write, fold=name))
                metadata[name] = json.dumps(facts_of(run), sort_keys=True)
        fold_of = {} if files is None else files.fold_of
        if files is not None:
            files.end()
        names = output.complete_named({file: metadata[fold] for file, fold in fold_of.items()}, metadata["test"])
        output.write_bytes(METADATA, f"{metadata['test']}\n".encode())
        self.rows = {file: fold_of.get(file, "test") for file in names}

    def write_vocabularies(self, tables: Mapping[str, pa.Table], output: FolderOutput) -> None:
        """Write what the codes mean."""
        inner = output.hand_out()
        for name, table in tables.items():
            file_name = f"{name}{self._kind.ending}"
            output.write_table(file_name, table, self._kind)
            self._hashes[file_name] = Hash(inner / file_name)

    def sums(self) -> dict[str, str]:
        """The SHA-256 of each file."""
        return {name: each.result() for name, each in sorted(self._hashes.items())}

    def facts(self, source: LogSource) -> dict[str, Any]:
        """What ``negprep.json`` holds: the same wherever and however it was made."""
        some = self.parts["test"]
        return {
            "version": __version__,
            "algorithm": ALGORITHM,
            "source": ", ".join(Path(without_secrets(each)).name for each in paths_in(source)) or "a table",
            "rows_read": some.rows_read,
            "rows_dropped": some.rows_dropped,
            **({"rows_filtered": some.rows_filtered} if "where" in some.metadata else {}),
            "columns": some.columns,
            "form": self._form,
            "parts": {name: part.metadata for name, part in self.parts.items()},
            "rows": self.rows,
            "files": self.sums(),
        }


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


def card(facts: Mapping[str, Any], parts: Mapping[str, Summary], log: str) -> str:
    """The data card: what is in the folder, in words; ``log`` is where the log is, from there."""
    test, dropped = parts["test"], sum(facts["rows_dropped"].values())
    train = parts.get("train", test)
    rows = [f"{train.rows_read:,} rows were read" + (f", {dropped:,} of them dropped" if dropped else "")]
    if "where" in test.metadata:
        rows.append(f"`{test.metadata['where']}` left {test.rows_filtered:,} of them out")
    rows.append(f"{train.users:,} users and {train.items:,} items with {train.positives:,} positive pairs")
    if train.removed_users or train.removed_items:
        rows.append(
            f"{train.removed_users:,} users and {train.removed_items:,} items with too few were left out before"
        )
    lines = ["# Prepared data", "", f"Made from `{facts['source']}` by negprep {facts['version']}.", ""]
    lines += ["| file | what it holds |", "| --- | --- |"]
    lines += [f"| `{name}` | {what} |" for name, what in _contents(facts, parts).items()]
    lines += ["", "## Source", "", *(f"- {row}." for row in rows), "", "## Split", ""]
    spared = f"; {test.spared_users:,} others stay whole in train" if test.spared_users else ""
    lines += [f"- `{test.holdout}` holds out {test.holdouts:,} positives of {test.holdout_users:,} users{spared}."]
    if "valid" in parts:
        lines += [f"- {_VALID.get(test.holdout.partition(':')[0], _AS_MANY)} for validation."]
    lines += ["", "## Guarantees", ""]
    lines += [f"- A candidate avoids {test.seen}."]
    lines += [f"- A negative in train avoids {train.seen}."] if "train" in parts else []
    lines += ["- Every other item has the probability that the sampler defines."]
    lines += [f"- The same log, options and seed ({train.seed}) give the same bytes.", ""]
    lines += ["## Check, and make again", "", "```sh"]
    lines += [
        f"negprep verify . --log {quote(log)} --config {CONFIG}",
        f"negprep prepare --config {CONFIG} copy/",
        "```",
        "",
    ]
    return "\n".join(lines)


_AS_MANY = "As many again, the ones before, are"
_VALID = {
    "session": "The session before is",
    "random-global": "As large a share again is",
    "file": "The pairs of a second file are",
}
"""What the validation holdouts are, by the kind of the rule."""


def _contents(facts: Mapping[str, Any], parts: Mapping[str, Summary]) -> dict[str, str]:
    """What is in each file, by its name."""
    found = {}
    for name in facts["files"]:
        stem = name.split(".")[0]
        if stem in parts and facts["form"] not in FOLDERS:
            part = parts[stem]
            each = "all eligible items as" if part.num_neg == "all" else f"{part.num_neg:,}"
            what = "the train positives" if stem == "train" else f"the {stem} holdouts"
            whose = " for each user" if part.per == "user" else ""
            found[name] = f"{part.rows_written:,} rows: {what}, with {each} negatives{whose} ({part.sampler})"
        elif name == SAMPLER_FILE:
            found[name] = "the train part as codes, for `negprep.Sampler.open`"
        elif stem in ("users", "items"):
            found[name] = f"the code of each {stem[:-1]}"
        else:
            found[name] = f"as {EXCHANGES[facts['form']].program} reads it"
    return found | {DATA_SET: "counts and the SHA-256 of each file", CONFIG: "the options"}
