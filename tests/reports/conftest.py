"""Prepared files of the sample data, and their page, made once."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
from pages import LOG, write

import negprep


@pytest.fixture(scope="session")
def files(tmp_path_factory):
    """A file of each layout, and the candidates."""
    folder = tmp_path_factory.mktemp("prepared")
    mixed = {"positive": "purchase", "sampler": ("uniform:0.7", "weak:0.3"), "holdout": "last"}
    made = {
        "test": lambda path: negprep.test(LOG, path),
        "train": lambda path: negprep.train(LOG, path, **mixed),
        "pairs": lambda path: negprep.train(LOG, path, layout="pairwise", **mixed),
        "lists": lambda path: negprep.train(LOG, path, layout="listwise", encode=True, **mixed),
    }
    for name, make in made.items():
        make(folder / f"{name}.parquet")
    return SimpleNamespace(folder=folder, **{name: folder / f"{name}.parquet" for name in made})


@pytest.fixture(scope="session")
def page(files):
    """The path of a report of all of them, with the log."""
    target = files.folder / "page.html"
    write([files.train, files.test, files.pairs, files.lists], target, log=LOG)
    return target
