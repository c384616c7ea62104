"""The house: which package may import which, and what keeps its modules few, deep and found in one guess."""

from __future__ import annotations

import ast
import re
import statistics
from collections import Counter, defaultdict
from functools import cache
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]

LAYERS = [
    *("_version errors arrays", "jsons arrow threads", "stores", "options", "sample", "read write", "encode"),
    *("holdout model_file", "assemble", "exchange", "summary", "pipeline", "stored", "bundle", "models metrics checks"),
    *("reports", "keywords", "api", "questions", "epoch", "loader", "torch spark", ".", "cli", "__main__"),
]
"""A package or module of the top (`.` is `negprep/__init__.py`) may import those before its own line, and itself."""

APART = {
    "options": {"errors"},
    "sample": {"arrays", "options"},
    "read": {"_version", "errors", "arrays", "jsons", "arrow", "threads", "stores", "options"},
    "write": {"errors", "arrays", "arrow", "threads", "stores", "options"},
    # A check that shares code with what it checks would share its mistakes.
    "checks": {"errors", "arrays", "jsons", "arrow", "threads", "stores", "options", "read", "encode"},
    "metrics": {"_version", "errors", "arrays", "jsons", "arrow", "options", "sample", "read", "write", "encode"},
}
"""What a package may import, of all that the layers allow."""

DECIDES_NO_ROW = {"encode", "encode.vocabulary", "encode.spill", "encode.memory", "sample", "sample.rng"}
"""Of `encode` and `sample`, what `checks` may reach: ids, memory, and the hash of an id."""

NAMED_TWICE = {"parquet", "verify", "fit", "evaluate"}
"""Module names that may stand twice: a format read and written; a command and its engine."""

KEPT_APART = {
    "cli.exit_codes": "the one place where an error becomes a line and a code",
    "cli.main": "`python -m negprep` is a file of its own",
    "cli.verify": "a command a file, though `report` takes its options, too",
    "models.rns": "the game of one kind of model, as long as all the rest of fitting",
}
"""Modules with one importer that stay apart, each with its reason; at most ten."""

EXTERNAL = {
    "click": "cli",
    "tqdm": "cli",
    "jinja2": "reports",
    "implicit": "models",
    "scipy": "models",
    "pyspark": "spark",
    "torch": "torch",
}
"""Packages that one package of ours imports alone."""

FILES = {
    ".".join(path.relative_to(ROOT / "negprep").with_suffix("").parts).removesuffix("__init__").rstrip(".") or ".": path
    for path in (ROOT / "negprep").rglob("*.py")
}
MODULES = {name: path for name, path in FILES.items() if path.name != "__init__.py"}
LINES = {name: len(path.read_text(encoding="utf-8").splitlines()) for name, path in MODULES.items()}


@cache
def imports(name):
    """The full names of what a module imports: anywhere in it, for types alone, too."""
    found = set()
    for node in ast.walk(ast.parse(FILES[name].read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{name}: relative import"
            for alias in node.names:
                inner = f"{node.module}.{alias.name}"
                found.add(inner if inner.removeprefix("negprep.") in FILES else node.module)
    return found


def ours(name):
    """The modules of negprep that a module imports."""
    found = {module for module in imports(name) if module.partition(".")[0] == "negprep"}
    return {module.removeprefix("negprep").removeprefix(".") or "." for module in found} - {name}


USES = {name: ours(name) for name in FILES}


def package(name):
    return name.partition(".")[0] or "."


def test_imports_go_down_the_layers():
    rank = {name: number for number, line in enumerate(LAYERS) for name in line.split()}
    assert set(rank) == {package(name) for name in FILES}
    wrong = [
        f"{name} imports {used}"
        for name in FILES
        for used in USES[name]
        if package(used) != package(name)
        and (rank[package(used)] >= rank[package(name)] or package(used) not in APART.get(package(name), rank))
    ]
    assert wrong == []


def test_there_is_no_circle():
    TopologicalSorter(USES).prepare()  # raises CycleError, with the circle
    packages = defaultdict(set)
    for name, found in USES.items():
        packages[package(name)] |= {package(used) for used in found} - {package(name)}
    TopologicalSorter(packages).prepare()


def test_a_check_shares_nothing_with_what_it_checks():
    reached, todo = set(), [name for name in FILES if package(name) == "checks"]
    while todo:
        found = USES[todo.pop()] - reached
        reached |= found
        todo += found
    assert {name for name in reached if package(name) in ("encode", "sample")} <= DECIDES_NO_ROW
    assert {package(name) for name in reached} <= APART["checks"] | {"checks", "sample", "_version", "."}


def test_modules_are_few_and_deep():
    assert len(MODULES) <= 134
    assert statistics.median(LINES.values()) >= 200
    assert {name: lines for name, lines in LINES.items() if lines > 750} == {}
    names = Counter(name.rpartition(".")[2] for name in MODULES)
    assert {name for name, count in names.items() if count > 1} <= NAMED_TWICE


def test_a_module_with_one_importer_joins_it():
    importers = {name: [user for user in FILES if name in USES[user]] for name in MODULES}
    alone = {name: found[0] for name, found in importers.items() if len(found) == 1 and found[0] in MODULES}
    joinable = {name for name, user in alone.items() if LINES[name] + LINES[user] < 700}
    assert joinable == set(KEPT_APART)
    assert len(KEPT_APART) <= 10


@pytest.mark.parametrize(("outside", "where"), EXTERNAL.items())
def test_packages_of_others_stay_in_theirs(outside, where):
    users = {name for name in FILES if outside in {module.partition(".")[0] for module in imports(name)}}
    assert users
    assert {package(name) for name in users} == {where}


def test_contributing_names_every_module():
    section = (ROOT / "CONTRIBUTING.md").read_text().partition("## Where things are")[2].partition("## Rules")[0]
    names = set(re.findall(r"\w+", section))
    assert {part for name in MODULES for part in name.split(".")} - {"__main__", "_version"} - names == set()
