"""Draw what each sampler does to the popularity of the negatives: SVG pictures, docs/pictures/NAME.svg.

    python docs/experiments/popularity_pictures.py [FOLDER]

The log is sample_data/log.csv: purchases and carts are positives, views are weak. Its items are sorted by their
positives and cut into ten groups of equally many, the least popular first. A picture shows which share of the negatives
comes from each group (bars), and which share of the positives does (line).
"""

from __future__ import annotations

import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

import negprep

ROOT = Path(__file__).parents[2]
SAMPLE = ROOT / "sample_data"
GROUPS = 10
WIDTH, HEIGHT, LEFT, TOP, BOTTOM = 480, 250, 44, 46, 36
STYLE = """
  text { font: 12px sans-serif; fill: #24292f } .command { font: 11px monospace } .small { font-size: 11px }
  .bar { fill: #4c8bd6 } .line { fill: none; stroke: #c2571a; stroke-width: 2 } .dot { fill: #c2571a }
  .grid { stroke: #8b949e; stroke-opacity: .35 }
  @media (prefers-color-scheme: dark) {
    text { fill: #e6edf3 } .bar { fill: #58a6ff } .line { stroke: #f0883e } .dot { fill: #f0883e }
  }
"""
"""No background: the page's own shows through, and the colours follow the reader's choice of light or dark."""


@dataclass(frozen=True)
class Picture:
    """A picture: its file, its title, the options in words, and the options."""

    name: str
    title: str
    words: str
    options: dict[str, Any] = field(default_factory=dict)


PICTURES = (
    Picture("uniform", "uniform: most negatives are little used", "--sampler uniform"),
    Picture("popularity", "popularity, alpha 0.75", "--sampler popularity", {"sampler": "popularity"}),
    Picture(
        "popularity-proportional",
        "popularity, alpha 1",
        "--sampler popularity --alpha 1",
        {"sampler": "popularity", "alpha": 1.0},
    ),
    Picture("weak", "weak: viewed, and neither put into the cart nor bought", "--sampler weak", {"sampler": "weak"}),
    Picture(
        "mixture",
        "seven of ten uniform, three of ten weak",
        "--sampler uniform:0.7 --sampler weak:0.3",
        {"sampler": ("uniform:0.7", "weak:0.3")},
    ),
    Picture(
        "same-category",
        "uniform, of the positive's category",
        "--sampler uniform --items catalog.csv --same category",
        {"items": SAMPLE / "catalog.csv", "same": "category"},
    ),
    Picture(
        "available-at-time",
        "uniform, of what was there at the positive's time",
        "--sampler uniform --available-at-time",
        {"available_at_time": True},
    ),
)


def shares(items: pd.Series, group_of: dict[int, int]) -> npt.NDArray[np.float64]:
    """The share of each group: shape (GROUPS,)."""
    counts = np.bincount([group_of[item] for item in items if item in group_of], minlength=GROUPS)
    of_all: npt.NDArray[np.float64] = counts / counts.sum()
    return of_all


def svg(picture: Picture, positives: npt.NDArray[np.float64], negatives: npt.NDArray[np.float64]) -> str:
    """The text of a picture."""
    plot_width, plot_height = WIDTH - LEFT - 12, HEIGHT - TOP - BOTTOM
    step, most = plot_width / GROUPS, 0.45
    parts = []

    def height(share: float) -> float:
        return TOP + plot_height * (1 - share / most)

    for mark in (0, 0.1, 0.2, 0.3, 0.4):
        parts.append(
            f'<line class="grid" x1="{LEFT}" x2="{WIDTH - 12}" y1="{height(mark):.1f}" y2="{height(mark):.1f}"/>'
        )
        parts.append(
            f'<text class="small" x="{LEFT - 6}" y="{height(mark) + 4:.1f}" text-anchor="end">{mark:.0%}</text>'
        )
    for group, share in enumerate(negatives):
        x, top = LEFT + group * step + 5, height(share)
        parts.append(
            f'<rect class="bar" x="{x:.1f}" y="{top:.1f}" width="{step - 10:.1f}" height="{height(0) - top:.1f}"/>'
        )
    dots = [(LEFT + (group + 0.5) * step, height(share)) for group, share in enumerate(positives)]
    parts.append(f'<polyline class="line" points="{" ".join(f"{x:.1f},{y:.1f}" for x, y in dots)}"/>')
    parts += [f'<circle class="dot" cx="{x:.1f}" cy="{y:.1f}" r="3"/>' for x, y in dots]
    foot = HEIGHT - BOTTOM + 18
    inner = "\n  ".join(parts)
    heard = f"{picture.title}. Share of the negatives by tenth of the items, least popular first: " + ", ".join(
        f"{share:.0%}" for share in negatives
    )
    return f"""<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{heard}">
  <style>{STYLE}</style>
  <text x="{LEFT}" y="18">{picture.title}</text>
  <text x="{LEFT}" y="35" class="command">{picture.words}</text>
  {inner}
  <text class="small" x="{LEFT}" y="{foot}">tenth of the items least used</text>
  <text class="small" x="{WIDTH - 12}" y="{foot}" text-anchor="end">most used</text>
  <rect class="bar" x="{LEFT + 178}" y="{foot - 9}" width="10" height="10"/>
  <text class="small" x="{LEFT + 192}" y="{foot}">negatives</text>
  <circle class="dot" cx="{LEFT + 263}" cy="{foot - 4}" r="3"/>
  <text class="small" x="{LEFT + 271}" y="{foot}">positives</text>
</svg>
"""


def main(folder: Path) -> None:
    """Write all pictures."""
    log = pd.read_csv(SAMPLE / "log.csv")
    train = negprep.train(log, holdout="none", positive="cart,purchase", num_neg=1, layout="pairwise")
    counts = train["pos_item"].value_counts().reindex(sorted(set(log["item"])), fill_value=0)
    ranked = counts.sort_values(kind="stable").index
    group_of = {int(item): place * GROUPS // len(ranked) for place, item in enumerate(ranked)}
    folder.mkdir(parents=True, exist_ok=True)
    for picture in PICTURES:
        rows = negprep.train(
            log, holdout="none", positive="cart,purchase", num_neg=8, layout="pairwise", **picture.options
        )
        text = svg(picture, shares(train["pos_item"], group_of), shares(rows["neg_item"], group_of))
        (folder / f"{picture.name}.svg").write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT / "docs" / "pictures")
