"""Options from files: `--config FILE.toml`, and `--recipe`, which describes a public data set besides.

A file has the tables ``[read]``, ``[positives]``, ``[split]``, ``[train]`` and ``[test]``, whose keys are options as
the functions spell them. Which table an option belongs to follows from its declaration. The command line takes
precedence over the config, and the config over the recipe. ``config_of`` writes such a file.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Literal, NoReturn

from negprep.errors import UsageError
from negprep.options.commands import OF_CANDIDATES, takes
from negprep.options.data_set import COUNTS, DIGITS, DataSet
from negprep.options.declared import Option, checked, options_of
from negprep.options.options import Command, LogSource, Options, ReadOptions
from negprep.options.specs import (
    HoldoutRule,
    PositiveRule,
    SamplerRule,
    TimeForms,
    UserSample,
    column_names_of,
    delimiter_of,
    size_of,
)

Kind = Literal["config", "recipe"]
_OWN_SPLIT = "file:"
Table = dict[str, Any]

_TABLE_OF_SECTION = {"Reading": "read", "Positives": "positives", "Holdout": "split"}
TABLES = (*_TABLE_OF_SECTION.values(), "train", "test")
OF_THE_LOG = TABLES[:3]
"""Tables that describe the log and its split, for every command."""

_KEYS = {
    "recipe": ("name", "title", "url", "licence", "files", "note", "convert", "sources"),
    "expected": (*COUNTS, *DIGITS),
}
_PLACES = ["input", "output"]
"""Of a config: what ``prepare`` reads and writes."""

_SAMPLER_FILE = "sampler_file"
"""Of a config, too: whether ``prepare`` writes one."""

_BESIDE = ("items", "exclude", "weak", "weights")
_SPELLED = {"from": "from_"}
_READERS = {"size": size_of, "delimiter": delimiter_of}
_PARSERS: dict[str, Callable[[Any], object]] = {
    "holdout": HoldoutRule.parse,
    "positive": PositiveRule.parse,
    "sampler": lambda value: SamplerRule.parse(tuple(value)),
    "levels": SamplerRule.parse_levels,
    "time_format": TimeForms.parse,
    "test_users": UserSample.parse,
}


@dataclass(frozen=True, kw_only=True)
class FileOptions:
    """What files of options hold for a command.

    Attributes
    ----------
    values : dict
        Of the options that the command takes, by name.
    of_rows : dict of dict
        The tables ``train`` and ``test``, for a command that previews both.
    data_set : DataSet or None
        What the recipe says of its data.
    source, target : str or None
        INPUT and OUTPUT of ``prepare``.
    """

    values: Table = field(default_factory=dict)
    of_rows: dict[Command, Table] = field(default_factory=dict)
    data_set: DataSet | None = None
    source: str | None = None
    target: str | None = None

    def completed(self, given: Mapping[str, Any], chosen: Iterable[str]) -> Table:
        """``given`` with what the files hold in place of all that is not ``chosen``."""
        kept = frozenset(chosen)
        added = {name: value for name, value in self.values.items() if name not in kept}
        return {**given, **added, "suggested": frozenset(added), "data_set": self.data_set}

    def of_rows_but(self, chosen: Iterable[str]) -> dict[Command, Table]:
        """``of_rows`` without the options that are ``chosen``."""
        kept = frozenset(chosen)
        return {
            command: {name: value for name, value in table.items() if name not in kept}
            for command, table in self.of_rows.items()
        }


@dataclass(frozen=True)
class _File:
    """A file of options: its checked tables, what else a config names, and what a recipe says of its data."""

    tables: dict[str, Table]
    data_set: DataSet | None = None
    recipe: str | None = None
    input: str | None = None
    output: str | None = None
    sampler_file: bool | None = None


def read_options(
    command: str, config: str | os.PathLike[str] | None, recipe: str | os.PathLike[str] | None
) -> FileOptions:
    """Read a config and a recipe for a command; both are checked as a whole, whatever the command uses of them.

    Raises
    ------
    UsageError
        A file cannot be read, or has an unknown table, an unknown option or a value that the option does not take.
    """
    own = _File({}) if config is None else _read_file("config", _path_of("config", config))
    named = own.recipe if recipe is None else os.fspath(recipe)
    general = _File({}) if named is None else _read_file("recipe", _recipe_path(named))
    tables = {name: general.tables.get(name, {}) | own.tables.get(name, {}) for name in TABLES}
    known = takes(command)
    used = (*OF_THE_LOG, command) if command in TABLES else OF_THE_LOG
    values = {name: value for table in used for name, value in tables[table].items() if name in known}
    if command in ("fit", "verify", "report"):
        values |= _beside(tables, ("train",) if command == "fit" else ("train", "test"), known)
    if command == "prepare":
        values |= _of_prepare(tables, known)
        values |= {} if own.sampler_file is None else {_SAMPLER_FILE: own.sampler_file}
    if command in ("verify", "report") and "holdout" not in values and {"with_valid", "keep_time"} & set(values):
        values["holdout"] = "auto"  # as train and test have it where the files do not say
    of_rows: dict[Command, Table] = {"train": tables["train"], "test": tables["test"]}
    data_set = None if general.data_set is None else replace(general.data_set, place=named or "")
    target = None if own.output is None else f"{own.output.rstrip('/')}/"
    return FileOptions(values=values, of_rows=of_rows, data_set=data_set, source=own.input, target=target)


def _of_prepare(tables: Mapping[str, Table], known: Iterable[str]) -> Table:
    """The options of train, and those of the candidates, with ``test_`` before their name."""
    train, test = tables["train"], tables["test"]
    for name, value in test.items():
        if name not in OF_CANDIDATES and train.get(name) != value:
            raise UsageError(f"[test] has {name}, which prepare takes once for all parts", remedy="put it into [train]")
    values = {name: value for name, value in train.items() if name in known}
    return values | {f"test_{name}": value for name, value in test.items() if name in OF_CANDIDATES}


def _beside(tables: Mapping[str, Table], names: Iterable[str], known: Iterable[str]) -> Table:
    """The files beside the log that the tables name; ``UsageError`` if two name different ones."""
    found: Table = {}
    for option in (each for each in _BESIDE if each in known):
        paths = [tables[name][option] for name in names if option in tables[name]]
        if len(set(paths)) > 1:
            what = f"[train] and [test] have different {option}: {paths[0]} and {paths[1]}"
            raise UsageError(what, remedy=f"check one at a time, with --{option}")
        if paths:
            found[option] = paths[0]
    return found


def recipe_names() -> list[str]:
    """The recipes that negprep has, in the order of the alphabet."""
    return sorted(path.stem for path in _recipe_folder().glob("*.toml"))


def recipe_text(name: str) -> str:
    """A recipe as its file has it. ``name`` is one of negprep's, or a file. ``UsageError`` without one."""
    path = _recipe_path(name)
    _read_file("recipe", path)
    return path.read_text(encoding="utf-8-sig")


def read_recipe(name: str) -> DataSet:
    """What a recipe says of its data. ``UsageError`` without such a recipe."""
    found = _read_file("recipe", _recipe_path(name)).data_set
    assert found is not None  # noqa: S101  # a recipe without it is refused
    return found


def _recipe_folder() -> Path:
    return Path(__file__).parents[1] / "recipes"


def _path_of(kind: Kind, given: Any) -> Path:  # noqa: ANN401
    if not isinstance(given, str | os.PathLike) or os.fspath(given) in ("", "-"):
        raise UsageError(f"--{kind} is {given!r}", remedy="give a file")
    return Path(given)


def _recipe_path(name: str) -> Path:
    path = _path_of("recipe", name)
    if path.suffix == ".toml" or len(path.parts) > 1:
        return path
    names = recipe_names()
    if name not in names:
        near = get_close_matches(name, names, 1, 0.4)
        raise UsageError(
            f"there is no recipe {name!r}",
            remedy=(f"did you mean {near[0]}? " if near else "") + "negprep recipes lists them; a file ends in .toml",
        )
    return _recipe_folder() / f"{name}.toml"


def _read_file(kind: Kind, path: Path) -> _File:
    import tomllib  # 10 ms, for files alone

    try:
        document = tomllib.loads(path.read_bytes().decode("utf-8-sig"))
    except OSError as error:
        what, remedy = f"cannot be read: {error.strerror or error}", f"check the path, from {Path.cwd()}"
        raise UsageError(what, place=str(path), remedy=remedy) from None
    except UnicodeDecodeError as error:
        what = f"is not UTF-8: byte {error.object[error.start]:#04x} at {error.start:,}"
        raise UsageError(what, place=str(path), remedy="save it as UTF-8") from None
    except (ValueError, RecursionError) as error:
        what = "is nested too deeply" if isinstance(error, RecursionError) else f"is not TOML: {error}"
        raise UsageError(what, place=str(path)) from None
    try:
        return _checked_file(kind, document, path.parent)
    except UsageError as error:
        raise UsageError(error.what, place=str(path), remedy=error.remedy) from None


def _checked_file(kind: Kind, document: Table, folder: Path) -> _File:
    own, allowed = document.get("recipe"), [*TABLES, "recipe"]
    allowed += ["expected"] if kind == "recipe" else [*_PLACES, _SAMPLER_FILE]
    if kind == "recipe":
        pass
    elif isinstance(own, dict):
        raise UsageError("[recipe] makes a file a recipe", remedy="give it with --recipe")
    for name, table in document.items():
        if name not in allowed:
            _refuse_unknown("there is no table", f"[{name}]", name, allowed)
        if not isinstance(table, dict) and not (kind == "config" and name in ("recipe", *_PLACES, _SAMPLER_FILE)):
            raise UsageError(f"{name} is {table!r}, not a table", remedy=f"write [{name}], and its options below it")
    tables = {name: _checked_table(name, document.get(name, {}), folder) for name in TABLES}
    if kind == "config":
        if own is not None and not isinstance(own, str):
            raise UsageError(f"recipe is {own!r}", remedy="give a name or a file")
        is_file = own is not None and own.endswith(".toml")
        source, target = (_path_in(name, document[name], folder) if name in document else None for name in _PLACES)
        recipe = str(folder / own) if own is not None and is_file else own
        kept = document.get(_SAMPLER_FILE)
        if kept is not None and not isinstance(kept, bool):
            raise UsageError(f"{_SAMPLER_FILE} is {kept!r}", remedy="write true or false")
        return _File(tables, recipe=recipe, input=source, output=target, sampler_file=kept)
    if not isinstance(own, dict):
        raise UsageError("there is no table [recipe]", remedy="add it, with a name, or give the file with --config")
    for table, keys in _KEYS.items():
        for key in document.get(table, {}):
            if key not in keys:
                _refuse_unknown(f"[{table}] has no", repr(key), key, keys)
    data_set = DataSet.parse(own, document.get("expected", {}), tables["positives"])
    return _File(tables, data_set=data_set)


def _refuse_unknown(what: str, shown: str, name: str, known: Iterable[str]) -> NoReturn:
    names = list(known)
    near = get_close_matches(name, names, 1)
    raise UsageError(f"{what} {shown}", remedy=f"did you mean {near[0]}?" if near else f"choose of {', '.join(names)}")


def _declared() -> dict[str, dict[str, Option]]:
    """The options of each table, by name."""
    found: dict[str, dict[str, Option]] = {table: {} for table in TABLES}
    for name, option in (options_of(ReadOptions) | options_of(Options)).items():
        table = _TABLE_OF_SECTION.get(option.declared.section)
        for each in [table] if table else [each for each in ("train", "test") if each in option.declared.commands]:
            found[each][name] = option
    return found


def _checked_table(table: str, given: Table, folder: Path) -> Table:
    declared, found = _declared(), Table()
    for key, value in given.items():
        name = key.replace("-", "_")
        name = _SPELLED.get(name, name)
        if name not in declared[table]:
            elsewhere = [f"[{other}]" for other in TABLES if name in declared[other]]
            if elsewhere:
                raise UsageError(f"[{table}] has no option {key!r}", remedy=f"it belongs into {' or '.join(elsewhere)}")
            _refuse_unknown(f"[{table}] has no option", repr(key), name, declared[table])
        if name in found:
            raise UsageError(f"[{table}] has {name!r} twice, with - and with _", remedy="leave one out")
        try:
            found[name] = _checked_value(declared[table][name], value, table, folder)
        except UsageError as error:
            raise UsageError(f"[{table}] {error.what}", remedy=error.remedy) from None
    return found


def _path_in(name: str, value: Any, folder: Path) -> str:  # noqa: ANN401
    """A path in a file of options, from where that file is."""
    if not isinstance(value, str) or not value:
        raise UsageError(f"{name} is {value!r}", remedy="give a path, as a string")
    return value if value == "-" or "://" in value else os.path.normpath(folder / value)


def _checked_value(option: Option, value: Any, table: str, folder: Path) -> Any:  # noqa: ANN401
    """The value as the option takes it: several as a tuple, a path from where the file is."""
    name, command = option.name, table if table in ("train", "test") else ""
    if option.several:
        value = (value,) if isinstance(value, str) else value
        if not isinstance(value, list | tuple) or not all(isinstance(each, str) for each in value):
            raise UsageError(f"{name} is {value!r}", remedy="give a string, or a list of strings")
        value = column_names_of(",".join(value)) if name == "columns" else tuple(value)
    elif option.declared.metavar in ("FILE", "DIR"):
        value = _path_in(name, value, folder)
    elif name == "holdout" and isinstance(value, str) and value.startswith(_OWN_SPLIT):
        value = _OWN_SPLIT + _path_in(name, value.removeprefix(_OWN_SPLIT), folder)
    elif option.declared.reads in _READERS and isinstance(value, str):
        value = _READERS[option.declared.reads](value)
    value = checked(option, value, command)
    if name in _PARSERS:
        _PARSERS[name](value)
    elif table == "read":
        ReadOptions(**{name: value})
    return value


def config_of(parts: Mapping[str, Options], source: LogSource, target: str, *, sampler_file: bool | None = None) -> str:
    """A file of options, as TOML, with which ``prepare`` writes the same data set again.

    ``parts``: The options of train and of the candidates, by ``train``, ``test``.
    ``source``, ``target``: INPUT and OUTPUT, a folder in which the file is: paths are relative to it.
    ``sampler_file``: As ``prepare`` was asked for it.
    """
    train, test = parts["train"], parts["test"]
    lines = ["# What negprep prepare was asked for, without what is as always; paths start from this folder."]
    lines += _assigned("input", source, target)
    lines += ['output = "."']
    lines += _assigned(_SAMPLER_FILE, sampler_file, target)
    if train.read.data_set is not None:
        named = train.read.data_set.place
        lines += _assigned("recipe", Path(named) if named.endswith(".toml") else named, target)
    for table, options in _declared().items():
        of_test = {"drop_cold"} if table != "test" else set(options)
        values = [
            _assigned(name, _value_of(each, test if name in of_test else train), target)
            for name, each in options.items()
        ]
        chosen = [line for written in values for line in written]
        if chosen:
            lines += ["", f"[{table}]", *chosen]
    return "\n".join(lines) + "\n"


_SETTLED = ("holdout", "with_valid", "num_neg", "sampler", "seed")
"""Written even where nobody chose them."""


def _value_of(option: Option, options: Options) -> object:
    """The value of an option that decides what is written, where it is not as always; None where it does not."""
    name, default = option.name, option.of(options.command, "default")
    if hasattr(ReadOptions, name):
        value = getattr(options.read, name)
        return value if value != default else None
    if option.declared.section == "Run" or (options.command == "test" and name not in (*OF_CANDIDATES, "drop_cold")):
        return None
    if name == "num_neg" and options.sampler_rule.fixed:  # their sum
        return None
    value = getattr(options, name)
    if name == "sampler" and value is None and options.levels is None:
        return "uniform"
    is_own = name in options.given or value != default
    return value if name in _SETTLED or is_own else None


def _assigned(key: str, value: object, folder: str) -> list[str]:
    """The line that gives a key its value; paths are written as from the folder."""
    if value is None:
        return []
    known = options_of(Options).get(key)
    is_path = key in _PLACES or isinstance(value, os.PathLike) or (known and known.declared.metavar in ("FILE", "DIR"))
    if is_path and not isinstance(value, str | os.PathLike):
        return [f"# {key}: {'several files' if isinstance(value, list | tuple) else 'a table in memory'}"]
    if key == "holdout" and str(value).startswith(_OWN_SPLIT):
        value = _OWN_SPLIT + path_from(folder, str(value).removeprefix(_OWN_SPLIT))
    if is_path:
        value = path_from(folder, os.fspath(value))  # type: ignore[call-overload]
        if value == "-":
            return [f"# {key}: standard input"]
    return [f"{key.rstrip('_')} = {_toml(value)}"]


def path_from(folder: str, path: str) -> str:
    """A path as it is written in a file of that folder, from there, or whole in a store.

    The query of an address, which may be secret, is left out.
    """
    if path == "-" or "://" in path:
        return re.sub(r"(?i)^(https?://[^?]*)\?.*", r"\1", path)
    return os.path.abspath(path) if "://" in folder else os.path.relpath(path, folder)  # noqa: PTH100 - of text


def _toml(value: object) -> str:
    """A value in TOML, whose strings are those of JSON but for DEL."""
    if isinstance(value, tuple | list):
        return _toml(value[0]) if len(value) == 1 else f"[{', '.join(map(_toml, value))}]"
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
    return str(value).lower() if isinstance(value, bool) else repr(value)
