"""Train BPR-MF and NCF in PyTorch from files and from a `Sampler`: two Markdown tables on standard output.

    python docs/experiments/train_in_torch.py ratings.tsv --positive '>=8'

The mean loss of each epoch, for four ways to the same rows: a file of ``negprep train --epoch`` and the loader in the
order of that file, which must give the same losses to the last bit, or the script fails; and both in random order, a
file of ``--shuffle`` and the loader as it is used. Then NDCG at 10 of the test holdouts among all items that the user
was not seen with in training, and the seconds that the rows took, of the processor: drawn, written and read, or drawn.

BPR-MF: Rendle et al., UAI 2009; a negative for each positive. NCF (NeuMF): He et al., WWW 2017; four.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import torch
from compare_samplers import read
from torch import nn
from torch.nn import functional
from torch.utils.data import DataLoader

import negprep
from negprep.torch import NegativeSampler

AT, BATCH, RATE, USERS_AT_A_TIME = 10, 2048, 5e-3, 16
Batches = Iterator[dict[str, Any]]
Score = Callable[[Any, Any], Any]
"""Users and items, of shapes that broadcast, to the scores of their pairs."""


def embeddings(n_rows: int, factors: int) -> Any:  # noqa: ANN401
    """A table of small random numbers."""
    table = nn.Embedding(n_rows, factors)
    nn.init.normal_(table.weight, std=0.1)
    return table


def bpr_mf(n_users: int, n_items: int, factors: int) -> tuple[Any, Score]:
    """A dot product of factors, and a bias for each item."""
    parts = nn.ModuleDict(
        {"user": embeddings(n_users, factors), "item": embeddings(n_items, factors), "bias": embeddings(n_items, 1)}
    )

    def score(users: Any, items: Any) -> Any:  # noqa: ANN401
        return (parts["user"](users) * parts["item"](items)).sum(-1) + parts["bias"](items).squeeze(-1)

    return parts, score


def neumf(n_users: int, n_items: int, factors: int) -> tuple[Any, Score]:
    """A weighted product of factors beside two layers on other factors."""
    layers = nn.Sequential(nn.Linear(2 * factors, factors), nn.ReLU(), nn.Linear(factors, factors // 2), nn.ReLU())
    parts = nn.ModuleDict(
        {
            **{f"{name} user": embeddings(n_users, factors) for name in ("product", "layers")},
            **{f"{name} item": embeddings(n_items, factors) for name in ("product", "layers")},
            "layers": layers,
            "last": nn.Linear(factors + factors // 2, 1),
        }
    )

    def score(users: Any, items: Any) -> Any:  # noqa: ANN401
        users, items = torch.broadcast_tensors(users, items)
        product = parts["product user"](users) * parts["product item"](items)
        deep = layers(torch.cat([parts["layers user"](users), parts["layers item"](items)], -1))
        return parts["last"](torch.cat([product, deep], -1)).squeeze(-1)

    return parts, score


def bpr_loss(score: Score, batch: dict[str, Any]) -> Any:  # noqa: ANN401
    """How seldom, and by how little, the positive is above the negative."""
    above = score(batch["user"], batch["pos_item"]) - score(batch["user"], batch["neg_item"])
    return -functional.logsigmoid(above).mean()


def label_loss(score: Score, batch: dict[str, Any]) -> Any:  # noqa: ANN401
    """Of the labels, by cross-entropy."""
    return functional.binary_cross_entropy_with_logits(score(batch["user"], batch["item"]), batch["label"])


MODELS: dict[str, tuple[Any, Any, dict[str, Any]]] = {
    "BPR-MF": (bpr_mf, bpr_loss, {"layout": "pairwise", "num_neg": 1}),
    "NCF": (neumf, label_loss, {"num_neg": 4, "label_dtype": "float32"}),
}


class Rows:
    """The rows of each epoch, in one of four ways.

    Attributes
    ----------
    sampler : negprep.Sampler
    """

    def __init__(self, log: Any, folder: Path, options: dict[str, Any]) -> None:  # noqa: ANN401
        self._log, self._folder, self._options = log, folder, options
        self.sampler = negprep.Sampler(log, **options)

    def of_file(self, epoch: int, *, shuffle: bool) -> Batches:
        """Written, and read whole."""
        path = self._folder / "rows.parquet"
        negprep.train(self._log, path, epoch=epoch, shuffle=shuffle, encode=True, **self._options)
        rows = {name: torch.tensor(column.to_numpy()) for name, column in zip(*_columns(path), strict=True)}
        for begin in range(0, len(rows["user"]), BATCH):
            yield {name: values[begin : begin + BATCH] for name, values in rows.items()}

    def of_loader(self, epoch: int, *, shuffle: bool) -> Batches:
        """Drawn as they are needed."""
        return iter(DataLoader(NegativeSampler(self.sampler, BATCH, shuffle=shuffle, epoch=epoch), batch_size=None))

    def positives(self) -> tuple[Any, Any]:
        """Users and items of the train positives: arrays of codes."""
        batches = list(self.sampler.epoch(0, shuffle=False))
        rows = {name: np.concatenate([batch[name] for batch in batches]) for name in batches[0]}
        if "pos_item" in rows:
            return rows["user"], rows["pos_item"]
        held = rows["label"] == 1
        return rows["user"][held], rows["item"][held]


def _columns(path: Path) -> tuple[list[str], list[Any]]:
    table = pq.read_table(path)
    return table.column_names, table.columns


WAYS: dict[str, Callable[[Rows, int], Batches]] = {
    "file": lambda rows, epoch: rows.of_file(epoch, shuffle=False),
    "loader in its order": lambda rows, epoch: rows.of_loader(epoch, shuffle=False),
    "file, shuffled": lambda rows, epoch: rows.of_file(epoch, shuffle=True),
    "loader": lambda rows, epoch: rows.of_loader(epoch, shuffle=True),
}


def ndcg(score: Score, rows: Rows, users: Any, items: Any) -> float:  # noqa: ANN401
    """NDCG at 10 of holdouts, one of each user: arrays of codes."""
    seen = np.zeros((rows.sampler.n_users, rows.sampler.n_items), bool)
    seen[rows.positives()] = True
    gains, every = 0.0, torch.arange(rows.sampler.n_items)
    with torch.no_grad():
        for begin in range(0, len(users), USERS_AT_A_TIME):
            some, held = users[begin : begin + USERS_AT_A_TIME], items[begin : begin + USERS_AT_A_TIME]
            scores = score(torch.from_numpy(some)[:, None], every[None, :]).numpy()
            scores[seen[some]] = -np.inf
            above = (scores > scores[np.arange(len(some)), held][:, None]).sum(1)
            gains += float((1 / np.log2(above[above < AT] + 2)).sum())
    return gains / len(users)


def learn(name: str, way: str, rows: Rows, words: argparse.Namespace) -> tuple[list[float], Score, float]:
    """Train: the loss of each epoch, the scores, and the seconds of the processor that the rows took."""
    make, loss_of, _ = MODELS[name]
    torch.manual_seed(words.seed)
    parts, score = make(rows.sampler.n_users, rows.sampler.n_items, words.factors)
    optimizer = torch.optim.Adam(parts.parameters(), lr=RATE)
    losses, spent = [], 0.0
    for epoch in range(words.epochs):
        total, count, began = 0.0, 0, time.process_time()
        for batch in WAYS[way](rows, epoch):
            spent += time.process_time() - began
            loss = loss_of(score, batch)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            total, count = total + float(loss.detach()) * len(batch["user"]), count + len(batch["user"])
            began = time.process_time()
        losses.append(total / count)
    return losses, score, spent


def main() -> None:
    """Read the command line, train, and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("log", help="tab-separated: user, item, and perhaps value and time")
    parser.add_argument("--columns", help="the names of the columns of a log without a header: user,item,value,time")
    parser.add_argument("--positive", help="as of negprep train")
    parser.add_argument("--holdout", choices=["random", "last"], default="random")
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--factors", type=int, default=32)
    parser.add_argument("--seed", type=int, default=0)
    words = parser.parse_args()
    torch.set_num_threads(1)
    log = read(words.log, words.columns.split(",") if words.columns else None)
    shared = {"positive": words.positive, "holdout": words.holdout, "seed": words.seed}
    held = negprep.test(log, layout="pairwise", num_neg=1, **shared)
    for name, (_, _, options) in MODELS.items():
        with tempfile.TemporaryDirectory() as folder:
            rows = Rows(log, Path(folder), {**shared, **options})
            users, items = (
                pc.index_in(pa.array(held[column]), ids).to_numpy()
                for column, ids in (("user", rows.sampler.users), ("pos_item", rows.sampler.items))
            )
            found = {way: learn(name, way, rows, words) for way in WAYS}
            print(f"\n{name}, {rows.sampler.n_users:,} users, {rows.sampler.n_items:,} items\n")
            print(f"| epoch | {' | '.join(WAYS)} |\n|---|{'--:|' * len(WAYS)}")
            for epoch in range(words.epochs):
                print(f"| {epoch} | {' | '.join(f'{losses[epoch]:.6f}' for losses, _, _ in found.values())} |")
            quality = (ndcg(score, rows, users, items) for _, score, _ in found.values())
            print(f"| NDCG@{AT} | {' | '.join(f'{value:.4f}' for value in quality)} |")
            print(f"| CPU s | {' | '.join(f'{spent:.2f}' for _, _, spent in found.values())} |")
        in_order = [found[way][0] for way in ("file", "loader in its order")]
        if in_order[0] != in_order[1]:
            raise SystemExit(f"{name}: the losses of the file and of the loader in its order differ")


if __name__ == "__main__":
    main()
