"""Who may import whom: the modules from the bottom up, and what must not be imported to start or to run a command."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

ROOT = Path(__file__).parents[1]

LAYERS = """
_version errors jsons threads holdout_rule time_format positive_rule forms limits
recipe agreement options
draw seen logarithm
compute arrow vocabulary pairs interactions
samplers samplers.repeated samplers.shuffled samplers.uniform samplers.guide samplers.weights samplers.measures
samplers.cut samplers.weighted samplers.mixture samplers.order
samplers.pools samplers.hardness samplers.scores samplers.known samplers.scored samplers.hard samplers.reinforced
plan sampling
learning learning.gmf learning.adam learning.kernel learning.policy learning.pools
learning.bpr learning.validation learning.game learning.rns
holdout id_columns layout
reading.pieces reading.foreign reading.managed reading.sources reading.columns reading.labels
reading.lines reading.quoting reading.header reading.blocks reading.delimiter reading.dialect reading.ids
reading.known reading.documents reading.dates reading.times reading.values reading.canonical
reading.text reading.parquet reading.memory reading.lists reading.json_lines reading.log
reading.hive reading.opening reading reading.scored
prepared.shape prepared.spelled prepared.canonical prepared.listed prepared.vocabularies prepared.folders
prepared.summaries
prepared.opening prepared
writing.sink writing.staging writing.destination writing.encodings writing.parquet writing.text writing.kind
writing.document writing.output writing.file writing.folder writing.stream writing.opening writing.whole writing
model.factors model.archive model.table model.opening model
encoding positives beside
spill rows partition loading core
memory verifying verifying.gamma verifying.names verifying.pairs verifying.codebook verifying.beside
verifying.claims verifying.terms verifying.promised verifying.ranges verifying.shelf verifying.room
verifying.frame verifying.truth verifying.truths verifying.holdouts
verifying.columns verifying.grouping verifying.stated verifying.blocks verifying.parting verifying.row_parts
verifying.drawn verifying.findings verifying.tallies
verifying.waiting verifying.heads verifying.negatives verifying.sweep
verifying.supply verifying.units verifying.usual verifying.verdict verifying.metadata
verifying.group_sizes verifying.belonging verifying.windows verifying.odds verifying.log_q
verifying.pair_parts verifying.evidence
verifying.sets verifying.expectations verifying.chance verifying.laws verifying.draws verifying.shares verifying.unsaid
verifying.checking verifying.across verifying.run
scoring bootstrap section sectioning planning cutting parts packing shuffle tally summary
engines engines.local
resolving
fitting fitting.training fitting.factorisation fitting.reinforcing fitting.learners fitting.split
fitting.job
run facts exchange
inspecting inspecting.degrees inspecting.contents inspecting.record inspecting.logfacts
inspecting.weighing inspecting.sample inspecting.forecast inspecting.suspicions inspecting.inspection
evaluation evaluation.options evaluation.ranks evaluation.rows evaluation.lists evaluation.metrics evaluation.kinds
evaluation.estimators evaluation.sampling evaluation.resampling evaluation.result evaluation.work evaluation.api
pipeline
reporting reporting.wording reporting.scales reporting.picture reporting.bins reporting.tallies
reporting.gathering reporting.log_times
reporting.described reporting.charts reporting.popularity reporting.placing
reporting.tables reporting.sections reporting.page reporting.job
api api.keywords api.rows api.inspect api.fit api.claims api.verify api.report
.
cli cli.telling cli.boundary cli.stopping
cli.sections cli.values cli.draws cli.shared
cli.request cli.progress cli.closing cli.summary_file cli.charts cli.inspect_text
cli.allocator cli.processor cli.libraries cli.execute cli.verdicts cli.pages
cli.fit_options cli.fit_text
cli.train cli.test cli.fit cli.verify cli.inspect cli.evaluate cli.report
cli.group cli.main __main__
"""
"""A module may import those before it: of the lines above it here, and of its own line those to its left.

`.` is `negprep/__init__.py`.
"""

ORDER = LAYERS.split()

FOR_TYPES_ALONE = {
    ("agreement", "options"),
    ("reading.lines", "reading.dialect"),
    ("reading.quoting", "reading.dialect"),
    ("verifying.heads", "verifying.sweep"),
    ("verifying.negatives", "verifying.sweep"),
}
"""Imports against the order that exist under TYPE_CHECKING only: `Options` checks itself by the functions of
`agreement`, `Dialect` finds itself by the functions of `lines`, and a sweep hands itself to those who
check its blocks."""

APART = {
    "reading": {"errors", "threads", "options", "positive_rule", "time_format", "compute", "arrow", "reading"},
    "prepared": {"_version", "errors", "jsons", "options", "forms", "compute", "arrow", "reading", "prepared"},
    "writing": {"errors", "forms", "compute", "arrow", "writing"},
    "engines": {"threads"},
    # A check that shares code with what it checks would share its mistakes.
    "verifying": {
        "errors",
        "threads",
        "options",
        "limits",
        "holdout_rule",
        "positive_rule",
        "recipe",
        "compute",
        "arrow",
        "vocabulary",
        "encoding",
        "reading",
        "prepared",
        "spill",
        "memory",
        "verifying",
    },
    "samplers": {"draw", "seen", "logarithm", "samplers"},
    "learning": {"seen", "learning"},
}
"""What the modules of a folder may import, of all that the order allows."""

ARRAYS_ALONE = [
    "draw",
    "seen",
    "logarithm",
    *(f"learning.{name}" for name in ["gmf", "adam", "kernel", "policy", "pools", "bpr", "validation", "game", "rns"]),
    *(
        f"samplers.{name}"
        for name in ("repeated", "shuffled", "uniform", "weights", "measures", "cut", "weighted", "mixture", "order")
    ),
    *(f"samplers.{name}" for name in ("pools", "hardness", "scores", "known", "scored", "hard", "reinforced")),
]
"""The kernels: they import nothing but numpy and the standard library, and of that nothing that reaches a file."""


def short(name):
    return name.removeprefix("negprep").removeprefix(".") or "."


FILES = {
    short(".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")): path
    for path in (ROOT / "negprep").rglob("*.py")
}


def imported(module, *, for_types=True):
    """The full names of the modules that a module imports."""
    tree = ast.parse(FILES[module].read_text(encoding="utf-8"))
    guarded = {
        id(inner)
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"
        for statement in node.body
        for inner in ast.walk(statement)
    }
    found = set()
    for node in ast.walk(tree):
        if id(node) in guarded and not for_types:
            continue
        if isinstance(node, ast.Import):
            found |= {name.name for name in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{module}: relative import"
            within = [f"{node.module}.{name.name}" for name in node.names]
            found |= {name if short(name) in FILES else node.module for name in within}
    return found


def ours(names):
    return {short(name) for name in names if name.partition(".")[0] == "negprep"}


def test_every_module_is_in_the_list_once():
    assert sorted(ORDER) == sorted(FILES)


def test_contributing_names_every_module():
    section = (ROOT / "CONTRIBUTING.md").read_text().partition("## Where things are")[2].partition("## Rules")[0]
    names = {word.strip("/") for line in section.splitlines() if line.startswith("    ") for word in line.split()}
    outer = {module.partition(".")[0] for module in ORDER} - {"", "__main__"}
    inner = {module.partition(".")[2] for module in ORDER if module.startswith("cli.")}
    assert (outer | inner) - names == set()


@pytest.mark.parametrize("module", ORDER)
def test_modules_import_from_below(module):
    below = set(ORDER[: ORDER.index(module)])
    assert {(module, name) for name in ours(imported(module)) - below} <= FOR_TYPES_ALONE
    assert ours(imported(module, for_types=False)) <= below


def test_every_exception_is_needed():
    assert {(module, name) for module, name in FOR_TYPES_ALONE if name in ours(imported(module))} == FOR_TYPES_ALONE


def test_a_check_shares_nothing_with_what_it_checks():
    """Not even by way of others."""
    reached, todo = set(), [module for module in ORDER if module.partition(".")[0] == "verifying"]
    while todo:
        found = ours(imported(todo.pop(), for_types=False)) - reached
        reached |= found
        todo += found
    drawing = {
        "seen",
        "sampling",
        "holdout",
        "section",
        "sectioning",
        "interactions",
        "pairs",
        "planning",
        "core",
        "layout",
        "logarithm",
    }
    assert {name for name in reached if name.partition(".")[0] in drawing | {"samplers"}} == set()


@pytest.mark.parametrize("folder", APART)
def test_folders_keep_apart(folder):
    modules = [module for module in ORDER if module.partition(".")[0] == folder]
    assert modules
    reached = {name for module in modules for name in ours(imported(module))}
    assert {
        name for name in reached if name not in APART[folder] and name.partition(".")[0] not in APART[folder]
    } == set()


@pytest.mark.parametrize("module", ARRAYS_ALONE)
def test_kernels_know_arrays_alone(module):
    outside = {name.partition(".")[0] for name in imported(module)} - {"negprep"}
    assert outside <= {
        "__future__",
        "abc",
        "collections",
        "contextlib",
        "copy",
        "dataclasses",
        "decimal",
        "functools",
        "itertools",
        "numpy",
        "typing",
    }


@pytest.mark.parametrize(("package", "where"), [("click", "cli"), ("tqdm", "cli"), ("jinja2", "reporting")])
def test_packages_stay_in_their_folders(package, where):
    users = {module for module in ORDER if package in {name.partition(".")[0] for name in imported(module)}}
    assert users
    assert {module for module in users if module.partition(".")[0] != where} == set()


def test_pandas_is_imported_for_types_alone():
    assert [module for module in ORDER if "pandas" in imported(module, for_types=False)] == []


def loaded(script, *names, folder=ROOT):
    """Which of the named modules a fresh interpreter has imported after a script."""
    ending = f"\nimport sys\nprint(*[name for name in {names} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", script + ending], capture_output=True, text=True, cwd=folder)
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout.split()


@pytest.mark.parametrize(
    "module",
    [
        "negprep",
        "negprep.cli.main",
        *(f"negprep.cli.{name}" for name in ("train", "test", "inspect", "evaluate", "report")),
    ],
)
def test_a_start_imports_nothing_heavy(module):
    assert loaded(f"import {module}", "numpy", "pyarrow", "pandas") == []


def test_signals_are_awaited_before_anything_slow():
    """Creating dataclasses takes 10 ms, in which Ctrl-C would end in a traceback."""
    assert loaded("import negprep.cli.main", "dataclasses", "click", "numpy") == []


def test_the_functions_import_what_they_need():
    assert loaded("import negprep; negprep.train", "numpy", "pyarrow", "pandas") == ["numpy", "pyarrow"]


LOG, CATALOG = str(ROOT / "sample_data" / "log.parquet"), str(ROOT / "sample_data" / "catalog.csv")
RUNS = {
    "train CSV": ["train", LOG.replace("parquet", "csv"), "--holdout", "last"],
    "train Parquet": ["train", LOG, "--holdout", "last"],
    "test CSV": ["test", LOG.replace("parquet", "csv")],
    "test Parquet": ["test", LOG],
    "values": ["train", LOG, "--positive", ">=2"],
    "events": ["train", LOG, "--positive", "purchase,cart", "--distinct", "--on-short", "drop"],
    "beside": ["train", LOG, "--exclude", LOG, "--items", CATALOG, "--encode", "--layout", "listwise"],
    "spilled": ["test", LOG, "--memory", "1M", "--layout", "pairwise", "--fold", "valid"],
}


@pytest.mark.parametrize("name", RUNS)
def test_a_run_imports_neither_pandas_nor_datasets(name, tmp_path):
    """They take a quarter of a second and 40 MB. pyarrow imports pandas where it converts Python objects or numpy."""
    command, *words = RUNS[name]
    script = f"""
import sys
from negprep.cli.main import outcome
sys.argv = ["negprep", *{[command, *words, "o.parquet", "--quiet"]}]
assert outcome() == 0
"""
    assert loaded(script, "pandas", "pyarrow.dataset", "pyarrow.parquet", folder=tmp_path) == ["pyarrow.parquet"]
    assert (tmp_path / "o.parquet").exists()


@pytest.mark.parametrize("command", ["train", "test"])
def test_integers_in_parquet_need_no_functions_of_arrow(command, tmp_path):
    """Those of ``pyarrow.compute`` take 20 ms to import, a seventh of a small run."""
    places = range(60)
    log = pa.table({"user": [i % 4 for i in places], "item": [i % 15 for i in places], "time": list(places)})
    pq.write_table(log, tmp_path / "log.parquet")
    script = f"""
import sys
from negprep.cli.main import outcome
sys.argv = ["negprep", {command!r}, "log.parquet", "o.parquet", "--num-neg", "2", "--holdout", "last", "--quiet"]
assert outcome() == 0
"""
    assert loaded(script, "pyarrow.compute", "pyarrow.parquet", folder=tmp_path) == ["pyarrow.parquet"]


@pytest.mark.parametrize("name", RUNS)
def test_functions_of_arrow_are_imported_before_a_signal_would_have_to_be_cleaned_up_after(name, tmp_path):
    """An exception in the middle of an import may leave a lock of Python's taken."""
    command, *words = RUNS[name]
    script = f"""
import sys
from negprep.cli import execute, main
expect_traces, before = execute.stopping.expect_traces, []
execute.stopping.expect_traces = lambda: (before.append("pyarrow.compute" in sys.modules), expect_traces())
sys.argv = ["negprep", *{[command, *words, "o.parquet", "--quiet"]}]
assert main.outcome() == 0
assert before == ["pyarrow.compute" in sys.modules], before
"""
    loaded(script, folder=tmp_path)


@pytest.mark.parametrize("layout", ["pointwise", "listwise"])
def test_verify_imports_neither_pandas_nor_datasets(layout, tmp_path):
    def script(*words):
        return f"""
import sys
from negprep.cli.main import outcome
sys.argv = ["negprep", *{list(words)}]
assert outcome() == 0
"""

    subprocess.run(
        [sys.executable, "-c", script("test", LOG, "o.parquet", "--layout", layout, "--quiet")],
        cwd=tmp_path,
        check=True,
    )
    words = script("verify", "o.parquet", "--log", LOG, "--quiet")
    assert loaded(words, "pandas", "pyarrow.dataset", "pyarrow.parquet", folder=tmp_path) == ["pyarrow.parquet"]


@pytest.mark.parametrize("kind", ["csv", "parquet"])
def test_an_inspection_imports_neither_pandas_nor_datasets(kind, tmp_path):
    script = f"""
import sys, os
from negprep.cli.main import outcome
sys.argv = ["negprep", "inspect", {LOG.replace("parquet", kind)!r}, "--encode", "--shuffle"]
sys.stdout = open(os.devnull, "w")
assert outcome() == 0
sys.stdout = sys.__stdout__
"""
    assert loaded(script, "pandas", "pyarrow.dataset", "pyarrow.parquet", folder=tmp_path) == ["pyarrow.parquet"]
    assert list(tmp_path.iterdir()) == []
