"""Train one model on the draws of each sampler, and measure it: a Markdown table on standard output.

    python docs/experiments/compare_samplers.py ratings.tsv --positive '>=8' --weak history.tsv

Every sampler gets the same positives, model, hyper-parameters and number of epochs, and a fresh draw in every epoch
(another ``seed``). The hyper-parameters are those that serve *uniform* best on the validation holdouts. The measures,
on the test holdouts: the hit rate and NDCG at 10 among all items that the user was never observed with, and among 99 of
them, drawn uniformly by ``negprep.test``. A row is the mean over the seeds, and their standard deviation.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import pandas as pd
from factorisation import Codes, Draws, Factorisation, Floats, Settings

import negprep

AT = 10
USERS_AT_A_TIME = 256
RATES, PENALTIES = (0.05, 0.1), (0.01, 0.03, 0.1)
"""What the validation holdouts choose from, for uniform; and from numbers of epochs."""


@dataclass(frozen=True)
class Setup:
    """A line of the table: its name, what ``negprep.train`` is told, and the loss."""

    name: str
    sampler: tuple[str, ...] | None = None
    alpha: float | None = None
    loss: Literal["bpr", "softmax"] = "bpr"
    num_neg: int = 1
    corrected: bool = False
    levels: str | None = None
    more: tuple[tuple[str, Any], ...] = ()


PAIRS = (
    Setup("uniform", ("uniform",)),
    Setup("popularity, alpha 0.75", ("popularity",), 0.75),
    Setup("popularity, alpha 1", ("popularity",), 1.0),
    Setup("uniform:0.5 popularity:0.5, alpha 1", ("uniform:0.5", "popularity:0.5"), 1.0),
    Setup("weak", ("weak",)),
    Setup("uniform:0.7 weak:0.3", ("uniform:0.7", "weak:0.3")),
    Setup("levels 0.3,0.5", levels="0.3,0.5"),
)
SOFTMAX = (
    Setup("uniform", ("uniform",), None, "softmax", 8),
    Setup("popularity, alpha 1", ("popularity",), 1.0, "softmax", 8),
    Setup("popularity, alpha 1, corrected by log q", ("popularity",), 1.0, "softmax", 8, corrected=True),
)


class Task:
    """A log, what stands beside it, and the questions that models are asked.

    Attributes
    ----------
    n_users, n_items : int
    """

    def __init__(self, log: pd.DataFrame, weak: pd.DataFrame | None, positive: str | None, holdout: str) -> None:
        frames = [log] if weak is None else [log, weak]
        self._users = np.unique(np.concatenate([frame["user"] for frame in frames]))
        self._items = np.unique(np.concatenate([frame["item"] for frame in frames]))
        self.n_users, self.n_items = len(self._users), len(self._items)
        self.has_weak = weak is not None or positive is not None
        catalog = pd.DataFrame({"item": self._items})
        self._log = log
        self._keywords: dict[str, Any] = {
            "weak": weak,
            "items": catalog,
            "positive": positive,
            "holdout": holdout,
            "with_valid": True,
        }
        pairs = np.concatenate([self.codes_of(frame) for frame in frames], axis=1)
        self._observed = np.unique(pairs[0] * self.n_items + pairs[1])
        self._starts = np.searchsorted(self._observed, np.arange(self.n_users + 1) * self.n_items)

    def codes_of(self, frame: pd.DataFrame, item: str = "item") -> Codes:
        """Users and items as codes: int64, shape (2, n)."""
        return np.stack([np.searchsorted(self._users, frame["user"]), np.searchsorted(self._items, frame[item])])

    def draws(self, setup: Setup, seed: int) -> Draws:
        """The rows of an epoch."""
        rows = negprep.train(
            self._log,
            layout="pairwise",
            sampler=setup.sampler,
            levels=setup.levels,
            alpha=setup.alpha,
            num_neg=setup.num_neg,
            seed=seed,
            with_log_q=setup.corrected,
            on_short="error",  # so that every positive has num_neg rows, one after the other
            **self._keywords,
            **dict(setup.more),
        )
        users, positives = self.codes_of(rows, "pos_item")[:, :: setup.num_neg]
        negatives = self.codes_of(rows, "neg_item")[1].reshape(-1, setup.num_neg)
        log_q = None
        if setup.corrected:
            of_negatives = rows["neg_log_q"].to_numpy().reshape(-1, setup.num_neg)
            log_q = np.column_stack([rows["pos_log_q"].to_numpy()[:: setup.num_neg], of_negatives]).astype(np.float32)
        return Draws(users, positives, negatives, log_q)

    def candidates(self, fold: Literal["valid", "test"]) -> tuple[Codes, Codes, Codes]:
        """Users, their holdouts, and 99 other items for each: shapes (n,), (n,), (n, 99)."""
        rows = negprep.test(self._log, layout="pairwise", fold=fold, on_short="drop", **self._keywords)
        users, holdouts = self.codes_of(rows, "pos_item")[:, ::99]
        return users, holdouts, self.codes_of(rows, "neg_item")[1].reshape(-1, 99)

    def observed(self, user: int) -> Codes:
        """The items that a user was observed with, held-out ones too."""
        return self._observed[self._starts[user] : self._starts[user + 1]] - user * self.n_items


class MostUsed:
    """No model: every user gets the items with the most train positives."""

    def __init__(self, n_items: int, positives: Codes) -> None:
        self._counts = np.bincount(positives, minlength=n_items).astype(np.float32)

    def scores(self, users: Codes) -> Floats:
        """The same for all: float32, shape (len(users), n_items)."""
        return np.tile(self._counts, (len(users), 1))


def train(task: Task, setup: Setup, settings: Settings, seed: int) -> Iterator[Factorisation]:
    """The model after each epoch: one object, which goes on learning."""
    model = Factorisation(task.n_users, task.n_items, settings, seed=seed)
    for epoch in range(settings.epochs):
        model.learn(task.draws(setup, seed=seed * 1000 + epoch), setup.loss)
        yield model


def measures(task: Task, model: Factorisation | MostUsed, asked: tuple[Codes, Codes, Codes]) -> npt.NDArray[np.float64]:
    """HR and NDCG among all unobserved items, then among the candidates: shape (4,). Ties count against the holdout."""
    users, holdouts, others = asked
    ranks = np.empty((2, len(users)))
    for start in range(0, len(users), USERS_AT_A_TIME):
        here = slice(start, start + USERS_AT_A_TIME)
        scores = model.scores(users[here])
        wanted = scores[np.arange(len(scores)), holdouts[here]][:, None]
        ranks[1, here] = (np.take_along_axis(scores, others[here], axis=1) >= wanted).sum(axis=1)
        for row, user in enumerate(users[here]):
            scores[row, task.observed(int(user))] = -np.inf  # the holdout's own score too
        ranks[0, here] = (scores >= wanted).sum(axis=1)
    hits = ranks < AT
    means: npt.NDArray[np.float64] = np.stack([hits, hits / np.log2(ranks + 2)], axis=1).mean(axis=2).reshape(-1)
    return means


def choose(task: Task, setup: Setup, factors: int, epochs: list[int]) -> Settings:
    """The settings with the best NDCG among all unobserved items on the validation holdouts, at one seed."""
    asked, best, chosen = task.candidates("valid"), -1.0, Settings()
    for rate, penalty in product(RATES, PENALTIES):
        tried = Settings(factors=factors, rate=rate, penalty=penalty, epochs=max(epochs))
        for epoch, model in enumerate(train(task, setup, tried, seed=99), start=1):
            if epoch in epochs:
                ndcg = float(measures(task, model, asked)[1])
                tell(f"  {setup.loss}: rate {rate:g}, penalty {penalty:g}, {epoch} epochs: {ndcg:.4f}")
                if ndcg > best:
                    best = ndcg
                    chosen = Settings(factors=factors, rate=rate, penalty=penalty, epochs=epoch)
    return chosen


def compare(task: Task, setups: tuple[Setup, ...], seeds: int, factors: int, epochs: list[int]) -> None:
    """Choose, train, measure, and print a table."""
    settings = choose(task, setups[0], factors, epochs)
    asked = task.candidates("test")
    print(
        f"\n{len(asked[0]):,} users tested, {task.n_items:,} items; {setups[0].loss}, {setups[0].num_neg} negatives a"
        f" positive, {settings.factors} factors, {settings.epochs} epochs, rate {settings.rate:g},"
        f" penalty {settings.penalty:g}; {seeds} seeds\n"
    )
    print("| sampler | HR@10, all | NDCG@10, all | HR@10, 99 | NDCG@10, 99 |\n| --- | --- | --- | --- | --- |")
    most_used = MostUsed(task.n_items, task.draws(Setup("uniform"), seed=0).positives)
    print(f"| no model: most used first | {' | '.join(f'{value:.4f}' for value in measures(task, most_used, asked))} |")
    for setup in setups:
        needs_weak = setup.levels is not None or any(term.startswith("weak") for term in setup.sampler or ())
        if needs_weak and not task.has_weak:
            continue
        found = []
        began = time.process_time()
        for seed in range(seeds):
            *_, model = train(task, setup, settings, seed=seed)
            found.append(measures(task, model, asked))
        means, spreads = np.mean(found, axis=0), np.std(found, axis=0, ddof=1 if seeds > 1 else 0)
        cells = [f"{mean:.4f} ± {spread:.4f}" for mean, spread in zip(means, spreads, strict=True)]
        print(f"| {setup.name} | {' | '.join(cells)} |", flush=True)
        tell(f"  {setup.name}: {time.process_time() - began:.0f} s")


def tell(text: str) -> None:
    """Say how far it is."""
    print(text, file=sys.stderr, flush=True)


def read(path: str, columns: list[str] | None) -> pd.DataFrame:
    """A tab-separated file; its first two columns are user and item."""
    frame = pd.read_csv(path, sep="\t", names=columns, header=None if columns else 0)
    names = columns or ["user", "item", "value"][: len(frame.columns)]
    return frame.set_axis(names, axis=1)


def arguments(text: str | None) -> argparse.ArgumentParser:
    """Those that the experiments share."""
    parser = argparse.ArgumentParser(description=text, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("log", help="tab-separated: user, item, and perhaps value and time")
    parser.add_argument("--columns", help="the names of the columns of a log without a header: user,item,value,time")
    parser.add_argument("--positive", help="as of negprep train")
    parser.add_argument("--weak", help="more weak pairs, tab-separated")
    parser.add_argument("--holdout", choices=["random", "last"], default="random")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--factors", type=int, default=32)
    parser.add_argument("--epochs", type=int, nargs="+", default=[10, 20, 40], help="numbers to choose from")
    return parser


def main() -> None:
    """Read the command line."""
    parser = arguments(__doc__)
    parser.add_argument("--softmax", action="store_true", help="sampled softmax instead of BPR")
    words = parser.parse_args()
    log = read(words.log, words.columns.split(",") if words.columns else None)
    weak = None if words.weak is None else read(words.weak, None)[["user", "item"]]
    task = Task(log, weak, words.positive, words.holdout)
    compare(task, SOFTMAX if words.softmax else PAIRS, words.seeds, words.factors, words.epochs)


if __name__ == "__main__":
    main()
