"""Metrics over 100 sampled candidates against those over all items, where the ranks over all items are known.

    python docs/experiments/sampled_metrics.py [--sets N] [--users N]     the table
    python docs/experiments/sampled_metrics.py --picture [FOLDER]         FOLDER/sampled-metrics.svg

A model is a distribution of ranks among 10,000 items: the chance of a rank of r or better is (r / 10,000) ** b. A set
of users draws its ranks from it, and for each user 99 candidates of the 9,999 competitors, without replacement. Metrics
and estimates are those of `negprep.evaluate`. The picture has no chance in it: it shows their means.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa

import negprep
from negprep.metrics.estimators import RankDistribution, Sampling, bias_variance, rescaled
from negprep.metrics.lists import Lists
from negprep.metrics.ranking import place_law, top_metrics

ROOT = Path(__file__).parents[2]
ITEMS, CANDIDATES = 10_000, 99
MODELS = {"excellent": 0.15, "good": 0.25, "fair": 0.4, "chance": 1.0}
SHOWN = ("hr@10", "ndcg@10")
AT = (10,)

WIDTH, HEIGHT, LEFT, TOP, BOTTOM = 480, 300, 44, 46, 56
CUTS = (1, 2, 3, 5, 7, 10, 14, 20, 30, 50, 70, 100)
STYLE = """
  text { font: 12px sans-serif; fill: #24292f } .small { font-size: 11px }
  .grid { stroke: #8b949e; stroke-opacity: .35 }
  polyline { fill: none; stroke-width: 2 }
  .truth { stroke: #24292f } .raw { stroke: #c2571a } .em { stroke: #2f7d4f; stroke-dasharray: 6 3 }
  .bias { stroke: #4c8bd6; stroke-dasharray: 2 3 } .rescale { stroke: #8250df; stroke-dasharray: 8 3 2 3 }
  @media (prefers-color-scheme: dark) {
    text { fill: #e6edf3 } .truth { stroke: #e6edf3 } .raw { stroke: #f0883e } .em { stroke: #56d364 }
    .bias { stroke: #58a6ff } .rescale { stroke: #bc8cff }
  }
"""
"""No background: the page's own shows through, and the colours follow the reader's choice of light or dark."""


def scored(above: npt.NDArray[np.int64]) -> pa.Table:
    """A user for each number of candidates that are above the held-out item."""
    n_users = len(above)
    places = np.tile(np.arange(CANDIDATES + 1), n_users)
    scores = np.where(places == 0, 0.0, np.where(places <= np.repeat(above, CANDIDATES + 1), 1.0, -1.0))
    users = np.repeat(np.arange(n_users), CANDIDATES + 1)
    return pa.table({"user": users, "item": places, "label": (places == 0).astype(np.int8), "score": scores})


def known(ranks: npt.NDArray[np.int64]) -> dict[str, float]:
    """The metrics over all items."""
    gains = np.where(ranks <= AT[0], 1 / np.log2(1 + ranks), 0)
    return {"hr@10": float((ranks <= AT[0]).mean()), "ndcg@10": float(gains.mean())}


def compare(sets: int, users: int) -> None:
    """Print the table."""
    print(
        f"{sets} sets of {users} users; in brackets: how often the 95 % interval holds what the set has over all items"
    )
    print("| model | metric | over all items | among 100 | rescale | bias-variance | em |")
    print("| --- | --- | --- | --- | --- | --- | --- |")
    for model, power in MODELS.items():
        truths: dict[str, list[float]] = {metric: [] for metric in SHOWN}
        values: dict[str, dict[str, list[float]]] = {}
        covered: dict[str, dict[str, int]] = {}
        for number in range(sets):
            chance = np.random.default_rng([number, round(100 * power)])
            ranks = 1 + np.floor(ITEMS * chance.random(users) ** (1 / power)).astype(np.int64)
            above = chance.hypergeometric(ranks - 1, ITEMS - ranks, CANDIDATES)
            found = negprep.evaluate(scored(above), at=AT, catalog_size=ITEMS, resamples=100)
            truth = known(ranks)
            for name, figures in {"among 100": found.metrics, **found.estimates}.items():
                for metric in SHOWN:
                    figure = figures[metric]
                    values.setdefault(name, {}).setdefault(metric, []).append(figure.value)
                    holds = (figure.low or 0.0) <= truth[metric] <= (figure.high or 0.0)
                    counts = covered.setdefault(name, dict.fromkeys(SHOWN, 0))
                    counts[metric] += holds
            for metric in SHOWN:
                truths[metric].append(truth[metric])
        for metric in SHOWN:
            cells = [
                f"{np.mean(values[name][metric]):.4f} ± {np.std(values[name][metric]):.4f} "
                f"({covered[name][metric] / sets:.0%})"
                for name in values
            ]
            print(f"| {model} | {metric.upper()} | {np.mean(truths[metric]):.4f} | {' | '.join(cells)} |")


def curves(power: float) -> dict[str, npt.NDArray[np.float64]]:
    """The mean of HR@K for each of `CUTS`: over all items, among candidates, and as it is estimated."""
    ranks = np.arange(1, ITEMS + 1)
    chances = np.diff((np.arange(ITEMS + 1) / ITEMS) ** power)
    sampling = Sampling(competitors=ITEMS - 1, distinct=True, all_below=None)
    places = chances @ place_law(ranks, ITEMS - 1, CANDIDATES, distinct=True)
    above = np.arange(CANDIDATES + 1)
    lists = Lists(above.astype(np.int32), np.full_like(above, CANDIDATES), above, np.zeros_like(above))
    hits = slice(0, len(CUTS))
    return {
        "truth": (chances @ top_metrics(ranks, CUTS))[hits],
        "raw": (places @ top_metrics(above + 1, CUTS))[hits],
        "rescale": (places @ rescaled(CANDIDATES, sampling, CUTS))[hits],
        "bias": (places @ bias_variance(CANDIDATES, sampling, CUTS, 0.01))[hits],
        "em": RankDistribution(lists, sampling, CUTS).metrics(places[None, :])[0, hits],
    }


def svg(power: float) -> str:
    """The text of the picture."""
    found = curves(power)
    plot_width, plot_height = WIDTH - LEFT - 12, HEIGHT - TOP - BOTTOM

    def x(cut: float) -> float:
        return LEFT + plot_width * float(np.log(cut) / np.log(CUTS[-1]))

    def y(share: float) -> float:
        return TOP + plot_height * (1 - share)

    parts = []
    for mark in (0, 0.25, 0.5, 0.75, 1):
        parts.append(f'<line class="grid" x1="{LEFT}" x2="{WIDTH - 12}" y1="{y(mark):.1f}" y2="{y(mark):.1f}"/>')
        parts.append(f'<text class="small" x="{LEFT - 6}" y="{y(mark) + 4:.1f}" text-anchor="end">{mark:.0%}</text>')
    for cut in (1, 2, 5, 10, 20, 50, 100):
        anchor = "end" if cut == CUTS[-1] else "middle"
        parts.append(
            f'<text class="small" x="{x(cut):.1f}" y="{HEIGHT - BOTTOM + 16}" text-anchor="{anchor}">{cut}</text>'
        )
    for name, values in found.items():
        points = " ".join(f"{x(cut):.1f},{y(float(value)):.1f}" for cut, value in zip(CUTS, values, strict=True))
        parts.append(f'<polyline class="{name}" points="{points}"/>')
    words = {
        "truth": "all items",
        "raw": "100 candidates",
        "rescale": "rescale",
        "bias": "bias-variance",
        "em": "EM",
    }
    at = 12
    for name, word in words.items():
        foot = HEIGHT - 12
        parts.append(f'<polyline class="{name}" points="{at},{foot - 4} {at + 18},{foot - 4}"/>')
        parts.append(f'<text class="small" x="{at + 23}" y="{foot}">{word}</text>')
        at += 34 + round(5.9 * len(word))
    inner = "\n  ".join(parts)
    ten = CUTS.index(10)
    heard = "HR at K by K. At 10: " + ", ".join(f"{words[name]} {values[ten]:.0%}" for name, values in found.items())
    return f"""<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{heard}">
  <style>{STYLE}</style>
  <text x="{LEFT}" y="18">HR@K of one model, by K</text>
  <text x="{LEFT}" y="35" class="small">the held-out item among {ITEMS:,} items, and among 99 of them</text>
  {inner}
</svg>
"""


def main() -> None:
    """Do what the words ask for."""
    words = argparse.ArgumentParser()
    words.add_argument("--sets", type=int, default=40)
    words.add_argument("--users", type=int, default=2000)
    words.add_argument("--picture", nargs="?", type=Path, const=ROOT / "docs" / "pictures")
    asked = words.parse_args()
    if asked.picture is None:
        compare(asked.sets, asked.users)
        return
    asked.picture.mkdir(parents=True, exist_ok=True)
    (asked.picture / "sampled-metrics.svg").write_text(svg(MODELS["good"]), encoding="utf-8")


if __name__ == "__main__":
    main()
