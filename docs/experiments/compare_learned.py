"""Train one model on the draws of samplers that learn, and measure it: a Markdown table on standard output.

    OMP_NUM_THREADS=1 python docs/experiments/compare_learned.py ratings.tsv --positive '>=8' --weak history.tsv

The experiment of compare_samplers.py, with these differences. ``hard`` draws with the factors of a model of the same
kind, trained on uniform draws with the settings chosen for uniform; *frozen*: trained once for each seed and kept, as
a file of ``negprep fit`` is; *anew*: the model that learns from the draws, after every epoch. ``reinforced`` draws with
what ``negprep fit --kind rns`` makes, once for each seed.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd
from compare_samplers import MostUsed, Setup, Task, arguments, choose, measures, read, tell, train
from factorisation import Factorisation, Settings

from negprep.models.fit import fit, learning_of
from negprep.options.options import Options


@dataclass(frozen=True)
class Learned:
    """A line of the table.

    Attributes
    ----------
    setup : Setup
    model : str or None
        What draws: ``frozen``, ``anew``, or the options of a fit of the kind rns.
    needs_weak : bool
    """

    setup: Setup
    model: Literal["frozen", "anew", "rns"] | None = None
    needs_weak: bool = False
    fit: dict[str, Any] = field(default_factory=dict)


def hard(pool: int, top: int, skip_top: int, model: Literal["frozen", "anew"], *more: str) -> Learned:
    """A line of ``hard``, mixed with ``more``."""
    words = f"hard, {top} of {pool}" + (f" after {skip_top}" if skip_top else "") + f", {model}"
    shares = ("hard:0.5", *more) if more else ("hard",)
    options = (("pool", pool), ("top", top), ("skip_top", skip_top))
    name = words if not more else f"{words}, and {' '.join(more)}"
    return Learned(Setup(name, shares, more=options), model, any("weak" in term for term in more))


RNS = {"learning_rate": 5e-3, "batch_size": 256}
"""More and larger steps than the defaults, for logs of a few thousand to 100,000 positives; nothing else was tried."""

LINES = (
    Learned(Setup("uniform")),
    Learned(Setup("popularity, alpha 0.75", ("popularity",), 0.75)),
    hard(4, 1, 0, "frozen"),
    hard(32, 1, 0, "frozen"),
    hard(32, 8, 0, "frozen"),
    hard(32, 4, 4, "frozen"),
    hard(32, 1, 0, "frozen", "uniform:0.5"),
    hard(4, 1, 0, "anew"),
    hard(32, 1, 0, "anew"),
    hard(32, 8, 0, "anew"),
    Learned(Setup("uniform:0.7 weak:0.3", ("uniform:0.7", "weak:0.3")), needs_weak=True),
    hard(32, 8, 0, "frozen", "uniform:0.2", "weak:0.3"),
    Learned(Setup("reinforced", ("reinforced",)), "rns", True),
    Learned(Setup("reinforced, no weak item in its pools", ("reinforced",), more=(("pool_weak", 0),)), "rns", True),
    Learned(Setup("reinforced, reward weight 0", ("reinforced",)), "rns", True, {"reward_weight": 0.0}),
    Learned(Setup("uniform:0.7 reinforced:0.3", ("uniform:0.7", "reinforced:0.3")), "rns", True),
)


class ModelTask(Task):
    """A task that makes model files."""

    def write_model(self, path: Path, model: Factorisation) -> None:
        """The factors of a model, for ``negprep.train`` to draw with."""
        np.savez(
            path,
            users=self._users,
            items=self._items,
            user_factors=model.users,
            item_factors=model.items[:, :-1],
            item_bias=model.items[:, -1],
        )

    def fit(self, path: Path, seed: int, options: dict[str, Any]) -> None:
        """A sampler learnt from the train positives and the weak pairs."""
        learning = learning_of("rns", seed=seed, **RNS, **options)
        fit(self._log, str(path), Options(command="train", **self._keywords), "rns", learning, lambda *_: None)


class Drawing:
    """The files of models that draw, in a folder."""

    def __init__(self, task: ModelTask, settings: Settings, folder: Path) -> None:
        self._task, self._settings, self._folder = task, settings, folder

    def epochs(self, line: Learned, seed: int) -> Iterator[Factorisation]:
        """The model that learns, after each epoch."""
        if line.model is None:
            yield from train(self._task, line.setup, self._settings, seed=seed)
            return
        path = self._folder / f"{line.model}-{seed}-{'-'.join(map(str, line.fit.values()))}.npz"
        setup = replace(line.setup, more=(*line.setup.more, ("model", path)))
        if line.model == "anew":
            self._task.write_model(
                path, Factorisation(self._task.n_users, self._task.n_items, self._settings, seed=seed)
            )
            for model in train(self._task, setup, self._settings, seed=seed):
                yield model
                self._task.write_model(path, model)
            return
        if not path.exists():
            if line.model == "frozen":
                *_, model = train(self._task, Setup("uniform"), self._settings, seed=seed + 500)
                self._task.write_model(path, model)
            else:
                self._task.fit(path, seed, line.fit)
        yield from train(self._task, setup, self._settings, seed=seed)


def compare(task: ModelTask, seeds: int, factors: int, epochs: list[int]) -> None:
    """Choose, train, measure, and print a table."""
    settings = choose(task, LINES[0].setup, factors, epochs)
    asked = task.candidates("test")
    print(
        f"\n{len(asked[0]):,} users tested, {task.n_items:,} items; bpr, 1 negative a positive, {factors} factors,"
        f" {settings.epochs} epochs, rate {settings.rate:g}, penalty {settings.penalty:g}; {seeds} seeds\n"
    )
    print("| sampler | HR@10, all | NDCG@10, all | HR@10, 99 | NDCG@10, 99 |\n| --- | --- | --- | --- | --- |")
    most_used = MostUsed(task.n_items, task.draws(Setup("uniform"), seed=0).positives)
    print(f"| no model: most used first | {' | '.join(f'{value:.4f}' for value in measures(task, most_used, asked))} |")
    with tempfile.TemporaryDirectory() as folder:
        drawing = Drawing(task, settings, Path(folder))
        for line in LINES:
            if line.needs_weak and not task.has_weak:
                continue
            began, found = time.process_time(), []
            for seed in range(seeds):
                *_, model = drawing.epochs(line, seed)
                found.append(measures(task, model, asked))
            means, spreads = np.mean(found, axis=0), np.std(found, axis=0, ddof=1 if seeds > 1 else 0)
            cells = [f"{mean:.4f} ± {spread:.4f}" for mean, spread in zip(means, spreads, strict=True)]
            print(f"| {line.setup.name} | {' | '.join(cells)} |", flush=True)
            tell(f"  {line.setup.name}: {time.process_time() - began:.0f} s")


def some_users(log: pd.DataFrame, n_users: int | None) -> pd.DataFrame:
    """The rows of so many users at random, always the same."""
    users = np.unique(log["user"])
    if n_users is None or n_users >= len(users):
        return log
    return log[log["user"].isin(np.random.default_rng(1).choice(users, n_users, replace=False))]


def main() -> None:
    """Read the command line."""
    parser = arguments(__doc__)
    parser.add_argument("--users", type=int, help="so many users at random, and not all")
    words = parser.parse_args()
    log = some_users(read(words.log, words.columns.split(",") if words.columns else None), words.users)
    weak = None
    if words.weak is not None:
        weak = read(words.weak, None)[["user", "item"]]
        weak = weak[weak["user"].isin(np.unique(log["user"]))]
    compare(ModelTask(log, weak, words.positive, words.holdout), words.seeds, words.factors, words.epochs)


if __name__ == "__main__":
    main()
