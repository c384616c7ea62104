"""Does the reinforced sampler learn what was shown? A log with planted exposures, and a picture of the learning.

    OMP_NUM_THREADS=1 python docs/experiments/planted_exposures.py [FOLDER]
    python docs/experiments/planted_exposures.py --log FOLDER

300 users, 200 items. What a user likes follows from one random taste, what the user is shown follows from another one,
independent of it: so no exposure is near to a positive by itself, and a sampler that only looks for hard negatives has
no reason to prefer exposures. The picture, docs/pictures/reinforced.svg, shows which share of the sampler's draws are
exposures, epoch by epoch, for four ways to reward it. With ``--log`` a larger log of the same kind is written instead,
liked.tsv and shown.tsv, for compare_learned.py.
"""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from negprep.models.rns import RnsLearning, learn_policy
from negprep.sample.seen import Seen

ROOT = Path(__file__).parents[2]
SETTINGS = RnsLearning(factors=8, batch_size=128, learning_rate=2e-2, start_epochs=5, epochs=30)
"""Large steps and small batches, because the log is small."""

REWARDS = {
    "all rewards (alpha 2.5, beta 0.75)": SETTINGS,
    "exposure matching alone (beta 0)": replace(SETTINGS, feature_share=0.0),
    "feature matching alone (beta 1)": replace(SETTINGS, feature_share=1.0),
    "hardness alone (alpha 0)": replace(SETTINGS, reward_weight=0.0),
}
COLOURS = ("#4c8bd6", "#2da44e", "#8250df", "#c2571a")
WIDTH, HEIGHT, LEFT, RIGHT, TOP, BOTTOM = 560, 270, 44, 12, 30, 96


class Planted(NamedTuple):
    """What ``fit`` takes: users and items of the positives, what is seen, and the exposures."""

    users: npt.NDArray[np.int64]
    positives: npt.NDArray[np.int64]
    seen: Seen
    exposures: Seen


def planted(n_users: int = 300, n_items: int = 200, n_liked: int = 12, n_shown: int = 10, *, seed: int = 1) -> Planted:
    """The log: each user likes ``n_liked`` items and is shown ``n_shown`` others."""
    random = np.random.default_rng(seed)
    tastes = random.normal(size=(2, n_users, 6)) @ random.normal(size=(2, n_items, 6)).transpose(0, 2, 1)
    liking, showing = tastes + random.gumbel(size=tastes.shape)
    liked = np.argsort(-liking, axis=1)[:, :n_liked]
    np.put_along_axis(showing, liked, -np.inf, axis=1)
    shown = np.argsort(-showing, axis=1)[:, :n_shown]
    return Planted(
        np.repeat(np.arange(n_users), n_liked),
        liked.ravel(),
        _rows(np.hstack([liked, shown]), n_items),
        _rows(shown, n_items),
    )


def _rows(items: npt.NDArray[np.int64], n_items: int) -> Seen:
    starts = np.arange(len(items) + 1) * items.shape[1]
    return Seen(starts, np.sort(items, axis=1).ravel().astype(np.int32), n_items)


def curve(log: Planted, settings: RnsLearning, seed: int = 0) -> list[float]:
    """The exposed share of each epoch."""
    return [epoch.exposed_share for epoch in learn_policy(*log, replace(settings, seed=seed)).game]


def svg(curves: dict[str, list[float]], chance: float) -> str:
    """The text of the picture."""
    plot_width, plot_height = WIDTH - LEFT - RIGHT, HEIGHT - TOP - BOTTOM
    most = 0.3

    def height(share: float) -> float:
        return TOP + plot_height * (1 - share / most)

    parts = []
    for mark in (0, 0.1, 0.2, 0.3):
        y = height(mark)
        parts.append(f'<line class="grid" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y:.1f}" y2="{y:.1f}"/>')
        parts.append(f'<text x="{LEFT - 6}" y="{y + 4:.1f}" text-anchor="end">{mark:.0%}</text>')
    y = height(chance)
    parts.append(f'<line class="chance" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y:.1f}" y2="{y:.1f}"/>')
    for place, ((name, shares), colour) in enumerate(zip(curves.items(), COLOURS, strict=True)):
        step = plot_width / (len(shares) - 1)
        points = " ".join(f"{LEFT + step * epoch:.1f},{height(share):.0f}" for epoch, share in enumerate(shares))
        parts.append(f'<polyline fill="none" stroke="{colour}" stroke-width="2" points="{points}"/>')
        x, y = LEFT + place % 2 * 250, HEIGHT - BOTTOM + 42 + place // 2 * 20
        parts.append(f'<rect x="{x}" y="{y - 9}" width="10" height="10" fill="{colour}"/>')
        parts.append(f'<text x="{x + 16}" y="{y}">{name}</text>')
    inner = "\n  ".join(parts)
    ends = "; ".join(f"{name}: from {shares[0]:.0%} to {shares[-1]:.0%}" for name, shares in curves.items())
    foot = HEIGHT - BOTTOM + 18
    return f"""<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" role="img"
  aria-label="Exposed share of the draws by epoch. {ends}. Chance is {chance:.1%}.">
  <style>
  text {{ font: 12px sans-serif; fill: #24292f }} .grid {{ stroke: #8b949e; stroke-opacity: .35 }}
  .chance {{ stroke: #8b949e; stroke-dasharray: 4 4 }}
  @media (prefers-color-scheme: dark) {{ text {{ fill: #e6edf3 }} }}
  </style>
  <text x="{LEFT}" y="16">which share of the sampler's draws are exposures</text>
  {inner}
  <text x="{LEFT}" y="{foot}">first epoch</text>
  <text x="{WIDTH - RIGHT}" y="{foot}" text-anchor="end">epoch {len(next(iter(curves.values())))}</text>
  <line class="chance" x1="{LEFT}" x2="{LEFT + 12}" y1="{HEIGHT - 16}" y2="{HEIGHT - 16}"/>
  <text x="{LEFT + 16}" y="{HEIGHT - 12}">chance: one of {SETTINGS.pool} candidates</text>
</svg>
"""


def write_log(folder: Path) -> None:
    """Tab-separated files of what 1,000 users like and are shown, of 1,000 items."""
    log = planted(1_000, 1_000, 30, 20)
    shown = np.repeat(np.arange(log.exposures.n_users), np.diff(log.exposures.starts)), log.exposures.items
    folder.mkdir(parents=True, exist_ok=True)
    for name, (users, items) in (("liked", (log.users, log.positives)), ("shown", shown)):
        lines = [f"{user}\t{item}\n" for user, item in zip(users.tolist(), items.tolist(), strict=True)]
        (folder / f"{name}.tsv").write_text("".join(["user\titem\n", *lines]), encoding="utf-8")


def main(folder: Path) -> None:
    """Print the curves, and write the picture."""
    log = planted()
    curves = {name: curve(log, settings) for name, settings in REWARDS.items()}
    for name, shares in curves.items():
        print(f"{name}: {' '.join(f'{share:.3f}' for share in shares)}")
    folder.mkdir(parents=True, exist_ok=True)
    text = svg(curves, SETTINGS.pool_weak / SETTINGS.pool)
    (folder / "reinforced.svg").write_text(text, encoding="utf-8")


if __name__ == "__main__":
    if sys.argv[1:2] == ["--log"]:
        write_log(Path(sys.argv[2]))
    else:
        main(Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT / "docs" / "pictures")
