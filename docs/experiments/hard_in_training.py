"""Train one model on hard negatives, frozen and as it learns, and measure it over all items: a Markdown table.

    OMP_NUM_THREADS=1 python docs/experiments/hard_in_training.py ratings.tsv --positive '>=8' --users 1000

A matrix factorisation (factorisation.py) learns by BPR, a fresh negative for each positive and epoch, from the batches
of a `negprep.Sampler`. ``hard`` draws by its factors: *anew*, those at the start of each epoch; *frozen*, those of a
model that learnt from uniform negatives before. Each line has the step and the penalty that serve it best on the
validation holdouts, and each model is taken from the epoch that does. The figures are of the test holdouts among all
items that the user was never observed with: the mean over the seeds, and their standard deviation. The rows a second
are those of drawing alone, by the processor's time.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
import pandas as pd
from compare_learned import some_users
from compare_samplers import arguments, read, tell
from factorisation import Draws, Factorisation, Floats, Settings

import negprep

AT = 10
TRIED = ((0.05, 0.05), (0.1, 0.02), (0.1, 0.1))
"""Rates and penalties; the validation holdouts choose among them."""

EVERY, PATIENCE = 3, 5
"""How many epochs are between looks at the validation holdouts, and how many looks may bring nothing better."""


@dataclass(frozen=True)
class Line:
    """A line of the table: what a sampler is told, and the factors that ``hard`` draws by."""

    name: str
    options: dict[str, Any] = field(default_factory=dict)
    model: Literal["frozen", "anew"] | None = None


def hard(pool: int, model: Literal["frozen", "anew"]) -> Line:
    """The hardest of a pool."""
    return Line(f"hard, 1 of {pool}, {model}", {"sampler": "hard", "pool": pool}, model)


LINES = (
    Line("uniform"),
    Line("popularity, alpha 0.75", {"sampler": "popularity"}),
    hard(4, "frozen"),
    hard(2, "anew"),
    hard(4, "anew"),
    hard(32, "anew"),
)


@dataclass(frozen=True)
class Found:
    """The best epoch of a model by the validation holdouts: NDCG of these and of the test holdouts, and the factors."""

    valid: float
    test: float
    epoch: int
    users: Floats
    items: Floats


def ndcg(sampler: negprep.Sampler, model: Factorisation, fold: Literal["valid", "test"]) -> float:
    """NDCG among all items."""
    found = sampler.evaluate(model.scores, fold=fold, candidates="all", k=AT)
    return found.metrics[f"ndcg@{AT}"].value


def epochs(
    sampler: negprep.Sampler, line: Line, settings: Settings, seed: int, frozen: Found | None
) -> Iterator[Factorisation]:
    """The model after each epoch: one object, which goes on learning."""
    model = Factorisation(sampler.n_users, sampler.n_items, settings, seed=seed)
    if frozen is not None:
        sampler.update_model(frozen.users, frozen.items[:, :-1], frozen.items[:, -1])
    for epoch in range(settings.epochs):
        if line.model == "anew":
            sampler.update_model(model.users, model.items[:, :-1], model.items[:, -1])
        for batch in sampler.epoch(seed * 1000 + epoch, batch_size=settings.batch):
            negatives = batch["neg_item"][:, None]
            model.learn(Draws(batch["user"], batch["pos_item"], negatives), "bpr")
        yield model


def train(sampler: negprep.Sampler, line: Line, settings: Settings, seed: int, frozen: Found | None = None) -> Found:
    """Learn until the validation holdouts gain nothing more."""
    best = Found(-1.0, 0.0, 0, np.empty((0, 0), np.float32), np.empty((0, 0), np.float32))
    for epoch, model in enumerate(epochs(sampler, line, settings, seed, frozen), start=1):
        if epoch % EVERY == 0 or epoch == settings.epochs:
            valid = ndcg(sampler, model, "valid")
            if valid > best.valid:
                best = Found(valid, ndcg(sampler, model, "test"), epoch, model.users.copy(), model.items.copy())
            elif epoch >= best.epoch + EVERY * PATIENCE:
                break
    return best


def speed(sampler: negprep.Sampler) -> float:
    """Rows drawn in a second of the processor's time."""
    rows, began = 0, time.process_time()
    for epoch in range(3):
        rows += sum(len(batch["user"]) for batch in sampler.epoch(10**6 + epoch))
    return rows / max(time.process_time() - began, 1e-9)


def compare(log: pd.DataFrame, keywords: dict[str, Any], seeds: int, tried: list[Settings]) -> None:
    """Choose, train, measure, and print a table."""
    frozen: list[Found] = []
    for line in LINES:
        sampler = negprep.Sampler(
            log, layout="pairwise", num_neg=1, with_valid=True, on_short="drop", **keywords, **line.options
        )
        if line is LINES[0]:
            facts = sampler.facts["counts"]
            print(f"{facts['holdouts']:,} users tested, {sampler.n_items:,} items; {seeds} seeds\n")
            print(
                "| sampler | NDCG@10, all items | rate, penalty, epochs | million rows/s |\n| --- | --- | --- | --- |"
            )
        models = frozen if line.model == "frozen" else [None] * (seeds + 1)
        _, chosen = max(
            ((train(sampler, line, each, 99, models[-1]).valid, each) for each in tried), key=lambda pair: pair[0]
        )
        found = [train(sampler, line, chosen, seed, model) for seed, model in enumerate(models[:seeds])]
        if line is LINES[0]:
            frozen = [train(sampler, line, chosen, 500 + seed) for seed in range(seeds + 1)]
        values = [each.test for each in found]
        settings = f"{chosen.rate:g}, {chosen.penalty:g}, {'/'.join(str(each.epoch) for each in found)}"
        cell = f"{np.mean(values):.4f} ± {np.std(values, ddof=min(1, seeds - 1)):.4f}"
        print(f"| {line.name} | {cell} | {settings} | {speed(sampler) / 1e6:.2f} |", flush=True)
        tell(f"  {line.name}: {time.process_time():.0f} s")


def parser() -> argparse.ArgumentParser:
    """The options."""
    found = arguments(__doc__)
    found.set_defaults(seeds=3, epochs=[42])
    found.add_argument("--users", type=int, help="so many users at random, and not all")
    found.add_argument("--min-positives", type=int, default=5, help="leave out users with fewer")
    return found


def main() -> None:
    """Read the command line."""
    words = parser().parse_args()
    columns = words.columns.split(",") if words.columns else None
    log = some_users(read(words.log, columns), words.users)
    keywords = {
        "positive": words.positive,
        "holdout": words.holdout,
        "min_positives": words.min_positives,
        "weak": None if words.weak is None else some_users(read(words.weak, None)[["user", "item"]], None),
    }
    tried = [
        Settings(factors=words.factors, epochs=max(words.epochs), batch=1024, rate=rate, penalty=penalty)
        for rate, penalty in TRIED
    ]
    compare(log, {name: value for name, value in keywords.items() if value is not None}, words.seeds, tried)


if __name__ == "__main__":
    main()
