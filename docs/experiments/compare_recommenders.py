"""Does the game of reinforced negatives make a better recommender? A Markdown table on standard output.

    OMP_NUM_THREADS=1 python docs/experiments/compare_recommenders.py ratings.tsv --positive '>=8' --weak history.tsv

One model (generalised matrix factorisation, Adam) learns from uniform negatives, from the hardest of a few as it finds
them itself (DNS), and as the recommender D in the game of ``negprep fit --kind rns``, with the reward of the paper and
without one for exposures. All arms begin with the same epochs of uniform negatives, and get the same number of epochs
after that. Each has the learning rate, the penalty and the number of epochs that suit it best on the validation
holdouts. The measures, on the test holdouts: NDCG at 10 among all items but the user's train positives, and among
those that the user was never observed with. A row is the mean over the seeds, and their standard deviation.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import product
from typing import Any

import numpy as np
import numpy.typing as npt
from compare_learned import some_users
from compare_samplers import AT, USERS_AT_A_TIME, Setup, Task, arguments, read, tell
from factorisation import Codes

from negprep.models import gmf
from negprep.models.gmf import Adam, Factors, Pools
from negprep.models.rns import Game, RnsLearning
from negprep.sample.seen import Seen

RATES, PENALTIES = (1e-3, 5e-3), (1e-5, 1e-2, 1e-1)
"""What the validation holdouts choose from."""

POOL = 4
"""Of so many, DNS takes the hardest."""


class Arrays:
    """What is learnt from, and the questions.

    ``seen``, ``exposures``, ``positives``: of all users. ``users``, ``items``: int64, shape (n,), the train positives.
    """

    def __init__(self, task: Task) -> None:
        draws = task.draws(Setup("uniform"), seed=0)
        self.users, self.items = draws.users, draws.positives
        self.asked = {fold: task.candidates(fold)[:2] for fold in ("valid", "test")}
        size, shape = np.int64(task.n_items), (task.n_users, task.n_items)
        train = self.users * size + self.items
        liked = np.concatenate([train, *(users * size + items for users, items in self.asked.values())])
        observed = np.concatenate([task.observed(user) + user * size for user in range(task.n_users)])
        weak = np.setdiff1d(observed, liked)
        self.positives, self.exposures, self.observed = (
            _seen(each, shape) for each in (np.unique(train), weak, observed)
        )
        self.seen = _seen(np.union1d(train, weak), shape)


def _seen(packed: Codes, shape: tuple[int, int]) -> Seen:
    starts = np.searchsorted(packed, np.arange(shape[0] + 1) * np.int64(shape[1]))
    return Seen(starts, (packed % shape[1]).astype(np.int32), shape[1])


def measured(arrays: Arrays, model: Factors, fold: str, left_out: Seen) -> float:
    """NDCG at 10 among all items but those left out. Ties count against the holdout."""
    users, holdouts = arrays.asked[fold]
    ranks = np.empty(len(users))
    for start in range(0, len(users), USERS_AT_A_TIME):
        here = slice(start, start + USERS_AT_A_TIME)
        scores = (model.users[users[here]] * model.h) @ model.items.T
        wanted = scores[np.arange(len(scores)), holdouts[here]][:, None]
        for row, user in enumerate(users[here]):
            scores[row, left_out.items[left_out.starts[user] : left_out.starts[user + 1]]] = -np.inf
        scores[np.arange(len(scores)), holdouts[here]] = -np.inf
        ranks[here] = (scores >= wanted).sum(axis=1)
    return float(np.where(ranks < AT, 1 / np.log2(ranks + 2), 0).mean())


Arm = Callable[[Arrays, RnsLearning], Iterator[Factors]]
"""Yields the model after each epoch: one object, which goes on learning."""


def begin(arrays: Arrays, learning: RnsLearning) -> tuple[np.random.Generator, Pools, Factors]:
    """A model that has learnt nothing."""
    random = np.random.default_rng(learning.seed)
    pools = Pools(arrays.seen, arrays.exposures, random)
    return random, pools, gmf.begin(arrays.seen.n_users, arrays.seen.n_items, learning.factors, random)


def uniform(arrays: Arrays, learning: RnsLearning) -> Iterator[Factors]:
    """BPR, all the way."""
    random, pools, model = begin(arrays, learning)
    optimiser = Adam(model, learning.learning_rate or 0)
    for _ in range(learning.start_epochs + learning.epochs):
        size, penalty = learning.batch_size, learning.regularization
        gmf.epoch(model, optimiser, arrays.users, arrays.items, pools, batch=size, penalty=penalty, random=random)
        yield model


def dns(arrays: Arrays, learning: RnsLearning) -> Iterator[Factors]:
    """The hardest of a few."""
    random, pools, model = begin(arrays, learning)
    optimiser = Adam(model, learning.learning_rate or 0)
    for epoch in range(learning.start_epochs + learning.epochs):
        for rows in gmf.batches(len(arrays.users), learning.batch_size, random):
            users = arrays.users[rows]
            pool = pools.draw(users, POOL if epoch >= learning.start_epochs else 1, 0).items
            hardest = gmf.scores(model, users, pool).argmax(axis=1)
            negatives = pool[np.arange(len(users)), hardest]
            gmf.descend(model, optimiser, users, arrays.items[rows], negatives, learning.regularization)
        yield model


def game(arrays: Arrays, learning: RnsLearning) -> Iterator[Factors]:
    """The recommender D."""
    random, pools, model = begin(arrays, learning)
    optimiser = Adam(model, learning.learning_rate or 0)
    for _ in range(learning.start_epochs):
        size, penalty = learning.batch_size, learning.regularization
        gmf.epoch(model, optimiser, arrays.users, arrays.items, pools, batch=size, penalty=penalty, random=random)
        yield model
    playing = Game(model, pools, learning, random)
    for _ in range(learning.epochs):
        playing.epoch(arrays.users, arrays.items)
        yield model


ARMS: dict[str, tuple[Arm, dict[str, Any]]] = {
    "uniform": (uniform, {}),
    f"hardest of {POOL}, in training": (dns, {}),
    "D of rns": (game, {}),
    "D of rns, reward weight 0": (game, {"reward_weight": 0.0}),
}


def best(arrays: Arrays, arm: Arm, learning: RnsLearning) -> tuple[float, int, list[float]]:
    """The validation NDCG of the best epoch, which it is, and the measures then."""
    found = (-1.0, 0, [0.0, 0.0])
    for epoch, model in enumerate(arm(arrays, learning), start=1):
        if epoch % 2 and epoch != learning.start_epochs + learning.epochs:
            continue
        valid = measured(arrays, model, "valid", arrays.positives)
        if valid > found[0]:
            test = [measured(arrays, model, "test", left) for left in (arrays.positives, arrays.observed)]
            found = (valid, epoch, test)
    return found


def compare(task: Task, seeds: int, usual: RnsLearning) -> None:
    """Choose, train, measure, and print a table."""
    arrays = Arrays(task)
    print(
        f"\n{len(arrays.asked['test'][0]):,} users tested, {task.n_items:,} items, {len(arrays.users):,} train"
        f" positives, {len(arrays.exposures.items):,} exposures; {usual.factors} factors, {usual.start_epochs} and"
        f" {usual.epochs} epochs, batches of {usual.batch_size}; {seeds} seeds\n"
    )
    print(
        "| learns from | NDCG@10, all | NDCG@10, unobserved | rate | penalty | epochs |\n"
        "| --- | --- | --- | --- | --- | --- |"
    )
    counts = np.bincount(arrays.items, minlength=task.n_items).astype(np.float32)
    popular = Factors(np.ones((task.n_users, 1), np.float32), counts[:, None], np.ones(1, np.float32))
    shown = [measured(arrays, popular, "test", left) for left in (arrays.positives, arrays.observed)]
    print(f"| nothing: most popular first | {shown[0]:.4f} | {shown[1]:.4f} | | | |", flush=True)
    for name, (arm, options) in ARMS.items():
        began, tried = time.process_time(), []
        for rate, penalty in product(RATES, PENALTIES):
            learning = replace(usual, learning_rate=rate, regularization=penalty, seed=99, **options)
            tried.append((best(arrays, arm, learning)[0], learning))
            tell(f"  {name}: rate {rate:g}, penalty {penalty:g}: {tried[-1][0]:.4f}")
        chosen = max(tried, key=lambda pair: pair[0])[1]
        found = [best(arrays, arm, replace(chosen, seed=seed)) for seed in range(seeds)]
        values: npt.NDArray[np.float64] = np.array([measures for _, _, measures in found])
        spreads = values.std(axis=0, ddof=1 if seeds > 1 else 0)
        cells = [f"{mean:.4f}±{spread:.4f}" for mean, spread in zip(values.mean(axis=0), spreads, strict=True)]
        epochs = ", ".join(str(epoch) for _, epoch, _ in found)
        print(
            f"| {name} | {cells[0]} | {cells[1]} | {chosen.learning_rate:g} | {chosen.regularization:g} | {epochs} |",
            flush=True,
        )
        tell(f"  {name}: {time.process_time() - began:.0f} s")


def main() -> None:
    """Read the command line."""
    parser = arguments(__doc__)
    parser.set_defaults(epochs=[20, 20], seeds=3)
    parser.add_argument("--users", type=int, help="so many users at random, and not all")
    parser.add_argument("--batch-size", type=int, default=256)
    words = parser.parse_args()
    log = some_users(read(words.log, words.columns.split(",") if words.columns else None), words.users)
    weak = None
    if words.weak is not None:
        weak = read(words.weak, None)[["user", "item"]]
        weak = weak[weak["user"].isin(np.unique(log["user"]))]
    start, epochs = words.epochs
    usual = RnsLearning(factors=words.factors, batch_size=words.batch_size, start_epochs=start, epochs=epochs)
    compare(Task(log, weak, words.positive, words.holdout), words.seeds, usual)


if __name__ == "__main__":
    main()
