"""A log that was read, encoded and held out, in one file that is mapped and not read: what `Sampler.open` opens.

`Keeper` writes the file while a run goes through its sections; `StoredLog` opens it, and gives runs what `ReadLog`
gives them. The file is a ``.npz`` without compression, which ``numpy.load`` reads as well; its arrays begin at
multiples of 64 bytes, so that they are used where they lie, and all processes that open the file share its memory.
"""

from __future__ import annotations

import io
import json
import mmap
import struct
import zipfile
import zlib
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, field, replace
from functools import cached_property
from glob import escape
from pathlib import Path
from typing import Any, BinaryIO, cast

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from negprep._version import __version__
from negprep.arrays import Codes, Positions, Times
from negprep.arrow import as_numpy, from_numpy, stream_bytes, text_bytes
from negprep.assemble.section import Section, avoided_in_train, drawable_weak
from negprep.encode.load import Core, Loaded, LoadedSection
from negprep.encode.pairs import Interactions, Items, Pairs, Shown, group_pairs, merge_disjoint, no_pairs
from negprep.encode.side_files import CatalogFile, HeldFit, Listed
from negprep.encode.spill import Extent, SpillFile
from negprep.encode.vocabulary import Values, Vocabulary
from negprep.errors import BadDataError, OutputError, UsageError
from negprep.holdout import Split
from negprep.jsons import json_value
from negprep.options.commands import DRAWS, LEFT_OUT_ANEW, OF_SAMPLERS
from negprep.options.data_set import DataSet
from negprep.options.declared import checked, options_of
from negprep.options.formats import SAMPLER_FILE
from negprep.options.options import DEFAULT_NUM_NEG, Options, ReadOptions
from negprep.options.specs import IMPRESSION, SESSION, HoldoutRule
from negprep.pipeline import ReadLog, Run
from negprep.read.log import LogReader
from negprep.read.prepared import find_vocabularies, open_prepared
from negprep.sample.rng import ALGORITHM
from negprep.sample.seen import Seen
from negprep.stores import refuse_local_only
from negprep.summary import Tally, options_again
from negprep.write.destination import DATA_SET, check_output
from negprep.write.output import FolderOutput, open_output

_KIND, _FORMAT = "negprep sampler", 1
_SELF = {"kind": _KIND, "format": _FORMAT, "algorithm": ALGORITHM, "version": __version__}
_EPOCH = (1980, 1, 1, 0, 0, 0)
"""The earliest time that a ZIP archive can give its members."""

_ALIGNED = 64
_PADDING = 0xD935
"""The kind of an extra field of ZIP that only moves what follows; readers skip it."""

_LARGE = 1 << 30
_LOCAL_HEADER, _ZIP64_FIELD = 30, 20
_LONGEST_HEADER = 1 << 12
_GIVEN = "given"
"""What stands for a file that the run was given, in the options that are kept."""

_AGAIN = "make it again from the log: negprep prepare, or Sampler(log).save"

Array = npt.NDArray[Any]

_OF_FILES = ("fold", "drop_cold", "to", "epoch", "epochs", "shuffle", "encode")
"""Options that decide what a file holds, and not what may be drawn."""

_COUNTS = (
    *("users", "items", "catalog_items", "removed_users", "removed_items", "removed_positives", "excluded_pairs"),
    *("positives", "weak", "holdouts", "holdout_users", "tied_holdouts", "cold_holdouts", "cold_users"),
    *("unheld_users", "spared_users", "repeated_holdouts", "positives_outside", "holdouts_outside"),
)
"""What was counted in the log, whatever is drawn."""


class _Growing:
    """Arrays that grow, piece by piece.

    ``folder``: Where pieces are spilled; None: they stay in memory.
    """

    def __init__(self, folder: str | None) -> None:
        self._spill = None if folder is None else SpillFile(folder)
        self._pieces: dict[str, list[Array | Extent]] = {}
        self.kinds: dict[str, np.dtype[Any]] = {}
        self.lengths: dict[str, int] = {}

    def append(self, name: str, values: Array) -> None:
        """Add values at the end of an array."""
        self.kinds.setdefault(name, values.dtype)
        self.lengths[name] = self.lengths.get(name, 0) + len(values)
        pieces = self._pieces.setdefault(name, [])
        if self._spill is None:
            pieces.append(values)
        elif len(values):
            raw = np.ascontiguousarray(values).view(np.uint8)
            pieces.append(self._spill.write(pa.record_batch({"": from_numpy(raw)})))

    def drop(self, name: str) -> None:
        """Forget the arrays of a name: ``weak.starts``, ``weak.items`` ..."""
        for each in [known for known in self.lengths if known.startswith(f"{name}.")]:
            for of_arrays in (self._pieces, self.kinds, self.lengths):
                of_arrays.pop(each)

    def pieces(self, name: str) -> Iterator[memoryview]:
        """The bytes of an array, in order."""
        for piece in self._pieces[name]:
            if isinstance(piece, tuple):
                assert self._spill is not None  # noqa: S101
                yield as_numpy(self._spill.read(piece).column(0)).data
            else:
                yield np.ascontiguousarray(piece).view(np.uint8).data

    def close(self) -> None:
        """Give back what the arrays took."""
        self._pieces.clear()
        if self._spill is not None:
            self._spill.close()


@dataclass(frozen=True, eq=False)
class Origin:
    """What is kept of a run of train instances, besides its sections.

    ``core``: Its users, items and values; ``catalog``: their file, if there is one; ``first_times``: of its items.
    """

    options: Options
    rule: HoldoutRule
    core: Core
    catalog: CatalogFile | None
    first_times: Times | None
    columns: dict[str, str]
    rows_read: int

    @classmethod
    def of(cls, run: Run) -> Origin:
        """That of a run, which may be over."""
        options, core = run.options.without_files(), replace(run.core, sections=())
        return cls(options, run.rule, core, run.loaded.catalog, run.first_times, dict(run.columns), run.log.rows_read)

    @cached_property
    def values(self) -> dict[str, Values]:
        """Of the columns that are carried along, but for sessions: they decide what is held out, and nothing after."""
        return {name: values for name, values in self.core.values.items() if name != SESSION}

    def about(self) -> dict[str, Any]:
        """What the file tells of itself, as JSON has it."""
        options, rule = _kept(self.options), asdict(self.rule)
        if rule.pop("path"):
            options["holdout"] = f"file:{_GIVEN}"
        if self.options.levels is None:  # however it was given: the same draws are the same bytes
            sampler = options["sampler"] or "uniform"
            options["sampler"] = [sampler] if isinstance(sampler, str) else list(sampler)
        data_set = self.options.read.data_set
        return {
            **_SELF,
            "options": options,
            "read": _kept(self.options.read),
            "recipe": None if data_set is None else data_set.name,
            "rule": rule,
            "columns": self.columns,
            "rows_read": self.rows_read,
            "id_types": {
                "users": str(self.core.users.kind),
                "catalog": str(self.core.items.catalog.kind),
                "others": str(self.core.items.others.kind),
            },
            "carried": {name: values.is_untyped for name, values in self.values.items()},
        }


class Keeper:
    """Collects what a run needs of its log, section by section; writes it as one file. To be closed.

    ``origin``: The same interactions and options give the same bytes.
    ``folder``: Where the arrays are spilled; None: they stay in memory, those of the sections uncopied.
    """

    def __init__(self, origin: Origin, folder: str | None = None) -> None:
        self._origin, self._n_users, self._arrays = origin, 0, _Growing(folder)
        self._ends: dict[str, int] = {}
        self._holds_out, options = origin.rule.kind != "none", origin.options
        names = ["train", *(["test", "valid"] if self._holds_out else []), "weak", "excluded", "impressions", "shown"]
        # What follows from these is kept where it is not one of them, so that nobody computes it again.
        others = len(origin.core.items.others) > 0
        self._keeps_weak = others or options.exclude is not None
        self._keeps_seen = self._keeps_weak or options.leaves_weak or options.weak is not None
        names += [*(["seen"] if self._keeps_seen else []), *(["drawable"] if self._keeps_weak else [])]
        for name in names:
            self._arrays.append(f"{name}.starts", np.zeros(1, np.int64))

    def add(self, section: Section) -> None:
        """Take the next section of the first epoch; those of later ones, which say the same, are left."""
        if self._n_users == len(self._origin.core.users):
            return
        interactions, split = section.interactions, section.split
        excluded = no_pairs(len(interactions.users)) if section.excluded is None else section.excluded
        self._n_users += len(interactions.users)
        self._pairs("train", section.train)
        if self._holds_out:
            self._pairs("test", interactions.positives.where(split.test))
            self._pairs("valid", interactions.positives.where(split.valid))
            self._arrays.append("tied", split.tied)
        if split.spared is not None:
            self._arrays.append("spared", split.spared)
        self._rows("weak", interactions.weak.starts, interactions.weak.items)
        self._rows("excluded", excluded.starts, excluded.items)
        if interactions.shown is not None:
            shown = interactions.shown
            self._rows("impressions", shown.starts, shown.groups)
            self._rows("shown", shown.pairs.starts, shown.pairs.items)
        if self._keeps_seen:
            seen = section.sampling.seen
            if section.sampling.plan.order is not None:  # there by position, not by code
                seen = avoided_in_train(interactions, excluded, section.train)
            self._rows("seen", seen.starts, seen.items)
        if self._keeps_weak:
            weak = drawable_weak(interactions, excluded)
            self._rows("drawable", weak.starts, weak.items)

    def write(self, file: BinaryIO, tally: Tally) -> None:
        """Write the file, once all sections were added; ``tally`` has counted them.

        Raises OutputError: What was spilled cannot be read.
        """
        arrays, origin, core = self._arrays, self._origin, self._origin.core
        if self._n_users != len(core.users):
            raise ValueError("a run that was not gone through")
        for name in ("weak", "excluded", "test", "valid", "impressions", "shown", "drawable"):
            if not self._ends.get(name):
                arrays.drop(name)
        others = {"others": core.items.others} if len(core.items.others) else {}
        for name, vocabulary in {"users": core.users, "catalog": core.items.catalog, **others}.items():
            self._ids(name, vocabulary.ids)
            arrays.append(f"{name}.keys", vocabulary.keys)
        if others:
            ids, positions = core.items.vocabulary
            self._ids("ordered", ids)
            arrays.append("positions", positions)
        counts = np.zeros(len(core.items), np.int64)
        for piece in arrays.pieces("train.items"):
            counts += np.bincount(np.frombuffer(piece, np.int32), minlength=len(counts))
        rest: dict[str, Array | None] = {
            "train_counts": counts,
            "first_times": origin.first_times,
            "categories": None if origin.catalog is None else origin.catalog.categories,
            **{f"values.{number}": stream_bytes(each.values) for number, each in enumerate(origin.values.values())},
        }
        for name, values in rest.items():
            if values is not None:
                arrays.append(name, values)
        _write_archive(file, origin.about() | {"counts": tally.named(_COUNTS)}, arrays)

    def close(self) -> None:
        """Give back what was collected."""
        self._arrays.close()

    def _pairs(self, name: str, pairs: Pairs) -> None:
        self._rows(name, pairs.starts, pairs.items)
        if self._origin.options.times_of_train and pairs.times is not None:
            self._arrays.append(f"{name}.times", pairs.times)
        for number, column in enumerate(self._origin.values):
            self._arrays.append(f"{name}.carried.{number}", pairs.carried[column])

    def _rows(self, name: str, starts: Positions, values: Codes) -> None:
        """Add compressed sparse rows; their starts count on from those before."""
        before = self._ends.get(name, 0)
        self._arrays.append(f"{name}.starts", starts[1:] + before)
        self._arrays.append(f"{name}.items", values)
        self._ends[name] = before + len(values)

    def _ids(self, name: str, ids: pa.Array) -> None:
        for part, values in _arrays_of(name, ids).items():
            self._arrays.append(part, values)


def _arrays_of(name: str, ids: pa.Array) -> dict[str, Array]:
    """Ids as the file has them."""
    if pa.types.is_integer(ids.type):
        return {f"{name}.ids": as_numpy(ids)}
    offsets, text = text_bytes(ids)
    return {f"{name}.text": text, f"{name}.offsets": offsets - offsets[0]}


def _kept(options: Options | ReadOptions) -> dict[str, Any]:
    """The options that decide what is read or drawn, as JSON has them."""
    return {
        name: getattr(options, name)
        for name, each in options_of(type(options)).items()
        if each.declared.section != "Run" and name not in _OF_FILES
    }


def _write_archive(file: BinaryIO, about: dict[str, Any], arrays: _Growing) -> None:
    """Write arrays, and what is said of them."""
    names = sorted(arrays.lengths)
    about["arrays"] = {name: [arrays.kinds[name].str, arrays.lengths[name]] for name in names}
    text = json.dumps(about, sort_keys=True, allow_nan=False).encode()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as archive:
        _write_array(archive, file, "about", np.dtype(np.uint8), len(text), [memoryview(text)])
        for name in names:
            _write_array(archive, file, name, arrays.kinds[name], arrays.lengths[name], arrays.pieces(name))


def _write_array(
    archive: zipfile.ZipFile,
    file: BinaryIO,
    name: str,
    kind: np.dtype[Any],
    length: int,
    pieces: Iterable[memoryview],
) -> None:
    """Add an array of one dimension to an archive, whose data begin at a multiple of 64 bytes."""
    head = io.BytesIO()
    np.lib.format.write_array_header_1_0(head, {"descr": kind.str, "fortran_order": False, "shape": (length,)})
    info = zipfile.ZipInfo(f"{name}.npy", _EPOCH)
    info.file_size = len(head.getvalue()) + length * kind.itemsize
    is_large = info.file_size > _LARGE
    begin = file.tell() + _LOCAL_HEADER + len(info.filename.encode()) + is_large * _ZIP64_FIELD + 4
    padding = -begin % _ALIGNED  # the head of an array is a multiple of 64 bytes as well
    info.extra = struct.pack("<HH", _PADDING, padding) + bytes(padding)
    with archive.open(info, "w", force_zip64=is_large) as member:
        member.write(head.getvalue())
        for piece in pieces:
            member.write(piece)


class StoredLog:
    """A log that a `Keeper` wrote, mapped into memory: for runs that need not read it.

    ``place``: What messages call it; ``folder``: what it is opened again by.
    ``counts``: What was counted in the log, as `Tally` names it.
    ``mark``: Of the checksums of the file's arrays: another in a file that another log, or other options, made.

    Raises BadDataError: The file is cut short, is another kind of file, or was written by another version.
    Raises OutputError: It is not there, or cannot be read.
    """

    def __init__(self, path: Path) -> None:
        self.place, self.folder = str(path), str(path.absolute())
        self._arrays, self._about, self.mark = self._contents(path)
        try:
            self.counts: dict[str, Any] = dict(self._about["counts"])
            self._rule = HoldoutRule(**{**self._about["rule"], "share": tuple(self._about["rule"]["share"])})
            read = {name: _untuple(value) for name, value in self._about["read"].items()}
            self._made = {name: _untuple(value) for name, value in self._about["options"].items()}
            recipe = self._about["recipe"]
            self._read = ReadOptions(data_set=None if recipe is None else DataSet(name=recipe), **read)
            self._options = Options(command="train", read=self._read, model_later=True, **self._made)
            self.users, self.items = self._vocabulary("users"), self._items()
            self._pairs("train")
        except (KeyError, TypeError, ValueError, UsageError) as error:
            raise self._damaged(f"{type(error).__name__}: {error}") from None

    def _contents(self, path: Path) -> tuple[dict[str, Array], dict[str, Any], int]:
        """The arrays of `Keeper`, what is said of them, and the mark."""
        self.folder = str(path.absolute().parent)
        return _mapped(path)

    def copy(self, file: BinaryIO, origin: Origin) -> None:
        """Write the file anew, with the options of a run of it."""
        arrays = _Growing(None)
        for name, values in self._arrays.items():
            arrays.append(name, values)
        _write_archive(file, self._about | {"options": origin.about()["options"]}, arrays)

    def options(self, given: Mapping[str, Any]) -> Options:
        """The options of a run: those that the log was kept with, but for draws that are asked for anew.

        ``given``: Options of ``train``, by name. With a sampler, all that belong to samplers are as always.
        Raises UsageError: One of them decides what was read, and is another than it was.
        """
        known = options_of(Options) | options_of(ReadOptions)
        for name, value in given.items():
            if name in DRAWS:
                continue
            mine = getattr(self._options, name, getattr(self._read, name, None))
            asked = checked(known[name], value, "train") if name in known else value
            asked = _untuple(list(asked)) if isinstance(asked, list | tuple) else asked
            if name == "keep" and isinstance(asked, str):
                asked = (asked,)
            is_left_out = name in LEFT_OUT_ANEW and asked == known[name].default
            if not is_left_out and not self._is_as_made(name, mine, asked):
                raise self._differs(name, mine, asked)
        chosen = {name: value for name, value in given.items() if name in DRAWS or name in LEFT_OUT_ANEW}
        made = dict(self._made)
        if {"sampler", "levels"} & set(given):
            made = {name: value for name, value in made.items() if name not in OF_SAMPLERS}
        usual = self._options.sampler_rule.num_neg or (1 if self._options.bootstrap else DEFAULT_NUM_NEG["train"])
        if made["num_neg"] == usual:  # what it is where nobody asks for another
            made.pop("num_neg")
        if made.get("weights") == _GIVEN and "weights" not in given:
            what = "the sampler was made with --weights FILE, which is not kept"
            raise UsageError(what, place=self.place, remedy="give weights again, or another sampler")
        if made.get("model") == _GIVEN:  # given again, or later
            made.pop("model")
        return Options(command="train", read=self._read, given=frozenset(chosen), model_later=True, **(made | chosen))

    def run_of(self, options: Options) -> Run:
        """A run with options that read and hold out as those do that the log was kept with."""
        reader, read = self.read(options)
        return Run(reader, options, read=read)

    def read(self, options: Options) -> tuple[LogReader, ReadLog]:
        """What a run takes in place of the reader of its log, and of what was read."""
        needed = {*options.keep, *(["time"] if options.with_time else [])}
        needed |= set() if options.group_col is None else {IMPRESSION}
        values = {name: values for name, values in self._values.items() if name in needed}
        interactions = self._train(values) if options.command == "train" else self._all(values)
        read, log = _Read(), _Log(self.place, self._about["rows_read"], self._about["columns"])
        read.rule, read.warnings = self._rule, []
        read.first_times = self._arrays.get("first_times")
        read.cold_holdouts, read.train_counts = self.counts["cold_holdouts"], self._arrays["train_counts"]
        section = LoadedSection(0, interactions, self._pairs("excluded"))
        removed = {name: self.counts[name] for name in ("removed_users", "removed_items", "removed_positives")}
        read.core = Core(self.users, self.items, [section], values=values, **removed)
        categories = self._arrays.get("categories")
        catalog = None if categories is None else CatalogFile(self.items.catalog, categories)
        n_items = self.counts["items"] + self.counts["removed_items"]
        read.loaded = cast("Loaded", _Loaded(self.users, n_items, section.excluded, catalog, self._about["columns"]))
        return cast("LogReader", log), read

    def _train(self, values: Iterable[str]) -> Interactions:
        """The interactions as training sees them: of the positives those in train, of which none is held out."""
        train = self._pairs("train", values)
        nothing = np.zeros(len(train), bool)
        split = Split(nothing, nothing, np.zeros(train.n_users, bool))
        known = {name: seen for name in ("seen", "weak") if (seen := self._seen(name)) is not None}
        return self._interactions(train, split, values, known)

    def _all(self, values: Iterable[str]) -> Interactions:
        """The interactions with what is held out; ``UsageError`` if that is not there."""
        if self._about.get("of_rows"):
            what = "the holdouts are not in a folder of train, which has the train positives alone"
            raise UsageError(what, place=self.place, remedy=f"to be asked for them, {_AGAIN}")
        train, test, valid = (self._pairs(name, values) for name in ("train", "test", "valid"))
        positives, marks = merge_disjoint([train, test, valid], len(self.items))
        tied, spared = self._arrays.get("tied"), self._arrays.get("spared")
        tied = np.zeros(len(self.users), bool) if tied is None else tied
        return self._interactions(positives, Split(marks == 1, marks == 2, tied, spared), values)

    def _interactions(
        self, positives: Pairs, split: Split, values: Iterable[str], known: Mapping[str, Seen] | None = None
    ) -> Interactions:
        splits: dict[Hashable, Any] = {(self._rule, self._options.split_seed, self._options.with_valid): split}
        weak, shown = self._pairs("weak"), self._shown() if IMPRESSION in values else None
        return Interactions(self.users, self.items, positives, weak, shown, splits=splits, known=known or {})

    def _shown(self) -> Shown:
        if "impressions.starts" not in self._arrays:
            none = np.empty(0, np.int32)
            return Shown.of(none, none, none, len(self.users), len(self.items))
        lists = self._pairs("impressions")
        shown = Pairs(self._starts("shown", len(lists)), self._arrays["shown.items"])
        return Shown(lists.starts, lists.items, shown)

    def _seen(self, name: str) -> Seen | None:
        stored = "drawable" if name == "weak" else name
        if f"{stored}.starts" not in self._arrays:
            return None
        pairs = self._pairs(stored)
        return Seen(pairs.starts, pairs.items, self.items.n_catalog)

    def _pairs(self, name: str, values: Iterable[str] = ()) -> Pairs:
        """Pairs, with the codes of some values that are carried along."""
        if f"{name}.starts" not in self._arrays:
            times = np.empty(0, np.int64) if "train.times" in self._arrays else None
            carried = {column: np.empty(0, np.int32) for column in values}
            return replace(no_pairs(len(self.users)), times=times, carried=carried)
        number_of = {column: number for number, column in enumerate(self._values)}
        carried = {column: self._arrays[f"{name}.carried.{number_of[column]}"] for column in values}
        items, times = self._arrays[f"{name}.items"], self._arrays.get(f"{name}.times")
        return Pairs(self._starts(name, len(self.users)), items, times, carried)

    def _starts(self, name: str, n_rows: int) -> Positions:
        starts, items = self._arrays[f"{name}.starts"], self._arrays[f"{name}.items"]
        if len(starts) != n_rows + 1 or starts[0] or starts[-1] != len(items) or (starts[1:] < starts[:-1]).any():
            raise self._damaged(f"{name}.starts does not fit {name}.items")
        return starts

    @cached_property
    def _values(self) -> dict[str, Values]:
        found = {}
        for number, (name, is_untyped) in enumerate(self._about["carried"].items()):
            with pa.ipc.open_stream(pa.py_buffer(self._arrays[f"values.{number}"])) as stream:
                found[name] = Values(stream.read_next_batch().column(0), is_untyped)
        return found

    def _items(self) -> Items:
        catalog = self._vocabulary("catalog")
        if "others.keys" not in self._arrays:
            items = Items(catalog, catalog.some(catalog.ids.slice(0, 0)))
            vars(items)["vocabulary"] = catalog.written, np.arange(len(catalog), dtype=np.int32)
            return items
        items = Items(catalog, self._vocabulary("others"))
        positions = self._arrays["positions"]
        if len(positions) != len(items):
            raise self._damaged("positions do not fit the items")
        vars(items)["vocabulary"] = self._ids("ordered"), positions
        return items

    def _vocabulary(self, name: str) -> Vocabulary:
        kind = pa.type_for_alias(self._about["id_types"][name])
        vocabulary, keys = Vocabulary(self._ids(name), kind), self._arrays[f"{name}.keys"]
        if len(keys) != len(vocabulary):
            raise self._damaged(f"{name}.keys do not fit the ids")
        vars(vocabulary)["keys"] = keys
        return vocabulary

    def _ids(self, name: str) -> pa.Array:
        if f"{name}.ids" in self._arrays:
            return from_numpy(self._arrays[f"{name}.ids"])
        offsets, text = self._arrays[f"{name}.offsets"], self._arrays[f"{name}.text"]
        if offsets[0] or offsets[-1] != len(text) or (offsets[1:] < offsets[:-1]).any():
            raise self._damaged(f"{name}.offsets do not fit {name}.text")
        buffers = [None, pa.py_buffer(offsets), pa.py_buffer(text)]
        return pa.Array.from_buffers(pa.string(), len(offsets) - 1, buffers)

    def _is_as_made(self, name: str, mine: object, asked: object) -> bool:
        if name == "holdout":
            kept = {self._options.holdout, str(self._options.rule), str(self._rule)}
            return self._rule.kind != "file" and asked in kept
        if mine == _GIVEN:
            return False
        return asked == mine

    def _differs(self, name: str, mine: object, asked: object) -> UsageError:
        spelling = f"--{name.rstrip('_').replace('_', '-')}"
        is_off = mine is None or mine is False or mine == ()
        with_what = f"without {spelling}" if is_off else f"with {spelling} {_shown_as(mine)}"
        if mine == _GIVEN or (name == "holdout" and self._rule.kind == "file"):
            what = f"{spelling} decides what was read, and the sampler was made with a file for it"
        elif is_off and self._about.get("of_rows") and name in options_of(ReadOptions):
            what = f"{spelling} decides what was read, and the rows do not show it"
        else:
            what = f"{spelling} {_shown_as(asked)}, and the sampler was made {with_what}"
        return UsageError(what, place=self.place, remedy=f"leave {name} out, or make another from the log")

    def _damaged(self, what: str) -> BadDataError:
        return BadDataError(f"is damaged ({what})", place=self.place, remedy=_AGAIN)


class _EncodedLog(StoredLog):
    """The same of a folder that ``train --encode`` wrote: of the log it has the train positives and the ids."""

    def _contents(self, path: Path) -> tuple[dict[str, Array], dict[str, Any], int]:
        with open_prepared(path) as rows:
            facts = rows.facts or {}
            if not (facts.get("command") == "train" and facts.get("encode") and rows.is_parquet):
                what = "is not what negprep train --encode writes as Parquet, and holds no sampler.npz"
                raise BadDataError(what, place=self.place, remedy=_AGAIN)
            ids = find_vocabularies(path, encoded=True) or {}
            users, items = ids["users"], ids["items"]
            try:
                made, counts = options_again(facts, len(items.ids), self.place, _AGAIN), facts["counts"]
                if (counts["users"], counts["catalog_items"]) != (len(users.ids), len(items.ids)):
                    raise self._damaged("the vocabularies are of another run")
                n_rows, n_heads, spec = counts["rows"], counts["groups"], facts["holdout"]
                rule = HoldoutRule.parse(made["holdout"] if spec == "file" else spec)
            except (KeyError, TypeError, ValueError, AttributeError) as error:
                raise self._damaged(f"{type(error).__name__}: {error}") from None
            *codes, n_there = rows.coded_positives(ids)
        if n_there != n_rows:
            raise self._damaged(f"{n_there} rows of the {n_rows} written")
        train = group_pairs(codes[0], codes[1], len(users.ids), len(items.ids))
        if len(train) != n_heads:
            what = f"has {len(train)} of {n_heads} train positives: the others have no negative, and so no row"
            raise UsageError(what, place=self.place, remedy=_AGAIN)
        arrays: dict[str, Array] = {"train.starts": train.starts, "train.items": train.items}
        arrays["train_counts"] = np.bincount(train.items, minlength=len(items.ids)).astype(np.int64)
        for name, each in {"users": users, "catalog": items}.items():
            arrays |= {f"{name}.keys": Vocabulary(each.ids).keys} | _arrays_of(name, each.ids)
        kinds = {"users": str(users.kind), "catalog": str(items.kind), "others": str(items.kind)}
        about: dict[str, Any] = {"of_rows": True, "options": made, "recipe": facts.get("recipe"), "rule": asdict(rule)}
        about |= {"columns": {}, "rows_read": n_rows, "id_types": kinds, "carried": {}}
        about["read"] = {"where": facts["where"]} if "where" in facts else {}
        about["counts"] = {name: counts.get(name, 0) for name in _COUNTS} | {"items": len(items.ids)}
        mark = zlib.crc32(repr((about, [zlib.crc32(values.data) for values in arrays.values()])).encode())
        return arrays, _SELF | about, mark


def open_stored(folder: str) -> StoredLog:
    """What a folder keeps of a log: in the file of a sampler, or in rows; ``NegprepError`` if it is not all there."""
    path = Path(folder)
    is_kept = any((path / name).exists() for name in (SAMPLER_FILE, DATA_SET))
    is_of_rows = not is_kept and any(next(path.glob(name), None) for name in ("part-*", "epoch=*", "_users.*"))
    return _EncodedLog(path) if is_of_rows else StoredLog(_find_stored(folder))


def _shown_as(value: object) -> str:
    return ",".join(map(str, value)) if isinstance(value, tuple) else str(value)


def _untuple(value: object) -> Any:  # noqa: ANN401
    """A value of JSON as an option has it."""
    return tuple(value) if isinstance(value, list) else value


class _Read(ReadLog):
    """A log that was read at another time."""

    def __init__(self) -> None:
        """Hold nothing; who makes it fills it in."""

    def close(self) -> None:
        """Keep what is mapped: others may use it."""


@dataclass(frozen=True, eq=False)
class _Loaded:
    """What a run asks of a log that it has loaded, as `Loaded` has it."""

    users: Vocabulary
    n_items: int
    excluded: Pairs
    catalog: CatalogFile | None
    columns: dict[str, str]
    exclude: Listed = field(default_factory=lambda: Listed(no_pairs(0)))
    weak: Listed = field(default_factory=lambda: Listed(no_pairs(0)))
    held_fit: HeldFit = field(default_factory=HeldFit)
    held: None = None
    warnings: tuple[str, ...] = ()
    is_spilled: bool = False


@dataclass(eq=False)
class _Log:
    """What a run asks of the reader of its log, as `LogReader` has it."""

    place: str
    rows_read: int
    columns: dict[str, str]
    rows_dropped: dict[str, int] = field(default_factory=dict)
    rows_filtered: int = 0
    files_skipped: int = 0
    unused_keys: tuple[str, ...] = ()
    warnings: list[str] = field(default_factory=list)
    paths: tuple[Path, ...] = ()
    clock: None = None
    is_ordered: bool = False

    def compare(self, **counts: int) -> None:
        """Nothing to compare: the log was looked at when it was read."""


def write_stored(target: str, fill: Callable[[BinaryIO], object], *, force: bool) -> None:
    """Write a folder with the file of a sampler, which ``fill`` writes, whole or not at all.

    ``target``: A folder (ends in ``/``).

    Raises UsageError: It is not empty, and ``force`` is not given, or it holds anything else.
    Raises OutputError: The machine refuses.
    """
    check_output(target, [], force=force)
    with open_output(target, pa.schema([]), force=force) as output:
        if not isinstance(output, FolderOutput):
            raise TypeError("a sampler is kept in a folder")
        output.write_file(SAMPLER_FILE, fill)
        output.finish({})


def _find_stored(folder: str) -> Path:
    """The file of a sampler in a folder; ``NegprepError`` if it is not there, or still being written."""
    refuse_local_only(folder)
    path = Path(folder)
    if not path.exists():
        parent = path.absolute().parent
        if parent.is_dir() and any(parent.glob(f".{escape(path.name)}.*.tmp")):
            what = "is still being written, or the run that wrote it has died"
            raise OutputError(what, place=folder, remedy="wait for it, or run again")
        raise OutputError("there is no such folder", place=folder, remedy="check the name")
    if not path.is_dir():
        raise UsageError("is a file", place=folder, remedy="name the folder that prepare, train or save has written")
    if not (path / SAMPLER_FILE).exists():
        what = f"holds no {SAMPLER_FILE}"
        if (path / DATA_SET).exists():
            raise BadDataError(what, place=folder, remedy="prepare it again, without --no-sampler-file or --to")
        raise BadDataError(what, place=folder, remedy="write it with negprep prepare, or Sampler(log).save(folder)")
    return path / SAMPLER_FILE


def _mapped(path: Path) -> tuple[dict[str, Array], dict[str, Any], int]:
    """The arrays of a file, where they lie, what is said of them, and a checksum of their checksums."""
    place = str(path)
    try:
        with path.open("rb") as file, zipfile.ZipFile(file) as archive:
            members = archive.infolist()
            memory = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
            found = dict(_array(memory, info) for info in members)
            if "about" in found and members[0].filename == "about.npy":
                archive.read("about.npy")  # which compares its checksum
    except OSError as error:
        what = f"cannot be read: {error.strerror or error}"
        raise OutputError(what, place=place, remedy="check the folder") from None
    except (zipfile.BadZipFile, ValueError, KeyError, IndexError, struct.error, EOFError, zlib.error) as error:
        what = f"is cut short, or is another kind of file ({error})"
        raise BadDataError(what, place=place, remedy=f"copy it again, or {_AGAIN}") from None
    return *_checked(found, place), zlib.crc32(repr([(info.filename, info.CRC) for info in members]).encode())


def _array(memory: mmap.mmap, info: zipfile.ZipInfo) -> tuple[str, Array]:
    """The name and the values of a member, without a copy.

    Raises ValueError: It is packed, or is not an array of one dimension, or goes on beyond the file.
    """
    header = memory[info.header_offset : info.header_offset + _LOCAL_HEADER]
    if info.compress_type != zipfile.ZIP_STORED or header[:4] != b"PK\3\4":
        raise ValueError(f"{info.filename} is not stored as it is")
    begin = info.header_offset + _LOCAL_HEADER + sum(struct.unpack_from("<HH", header, 26))
    head = io.BytesIO(memory[begin : begin + _LONGEST_HEADER])
    if np.lib.format.read_magic(head) != (1, 0):
        raise ValueError(f"{info.filename} is another kind of array")
    shape, _, kind = np.lib.format.read_array_header_1_0(head)
    at = begin + head.tell()
    if len(shape) != 1 or kind.hasobject or head.tell() + shape[0] * kind.itemsize != info.file_size or at % 8:
        raise ValueError(f"{info.filename} is another kind of array")
    return info.filename.removesuffix(".npy"), np.frombuffer(memory, kind, shape[0], at)


def _checked(found: dict[str, Array], place: str) -> tuple[dict[str, Array], dict[str, Any]]:
    """The arrays, and what is said of them; refuse those that another program, or another version, has written."""
    about = found.pop("about", None)
    try:
        said = None if about is None else json_value(about.tobytes())
    except ValueError:
        said = None
    if not isinstance(said, dict) or said.get("kind") != _KIND:
        raise BadDataError("is not what negprep writes for Sampler.open", place=place, remedy=_AGAIN)
    version, form = said.get("version"), said.get("format")
    if not isinstance(form, int) or form > _FORMAT or said.get("algorithm", 0) > ALGORITHM:
        what = f"was written by negprep {version}, and this is {__version__}, which does not know its format"
        raise BadDataError(what, place=place, remedy=f"install negprep {version}, or {_AGAIN}")
    if form < _FORMAT or said.get("algorithm") != ALGORITHM:
        what = f"was written by negprep {version}, whose format is older than that of {__version__}"
        raise BadDataError(what, place=place, remedy=_AGAIN)
    if {name: [values.dtype.str, len(values)] for name, values in found.items()} != said.get("arrays"):
        raise BadDataError("has not the arrays that it was written with", place=place, remedy=_AGAIN)
    return found, said
