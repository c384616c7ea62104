"""The model of the kind rns: from the train part of a log, with its exposures, to a policy that draws negatives."""

from __future__ import annotations

from dataclasses import asdict, dataclass

import numpy as np

from negprep.arrow import from_numpy
from negprep.errors import UsageError
from negprep.fitting.training import Learning, Told, Training
from negprep.interactions import as_seen
from negprep.learning.game import Epoch, Settings
from negprep.learning.rns import fit
from negprep.model import Model, sorted_model
from negprep.pairs import merge_pairs, subtract_pairs


@dataclass(frozen=True, kw_only=True)
class RnsLearning(Learning):
    """How the kind rns learns: what ``negprep.learning.game.Settings`` says of each.

    Attributes
    ----------
    start_epochs, batch_size, pool, pool_weak : int
    temperature, reward_weight, feature_share : float
    patience : int or None
    """

    start_epochs: int
    batch_size: int
    pool: int
    pool_weak: int
    temperature: float
    reward_weight: float
    feature_share: float
    patience: int | None

    def __post_init__(self) -> None:
        """Refuse what does not fit.

        Raises
        ------
        UsageError
        """
        if self.threads != 1:
            raise UsageError(
                f"--jobs {self.threads} with --kind rns, which learns on one thread", remedy="leave it out"
            )
        if self.pool_weak > self.pool:
            raise UsageError(
                f"--pool-weak {self.pool_weak} of a pool of {self.pool}", remedy="enlarge it (--pool), or lower it"
            )

    def settings(self) -> Settings:
        """The same for the game."""
        return Settings(
            factors=self.factors,
            batch=self.batch_size,
            rate=Settings.rate if self.learning_rate is None else self.learning_rate,
            penalty=self.regularization,
            start_epochs=self.start_epochs,
            epochs=self.epochs,
            pool=self.pool,
            exposed=self.pool_weak,
            reward_weight=self.reward_weight,
            feature_share=self.feature_share,
            temperature=self.temperature,
            patience=self.patience,
        )


DEFAULTS = RnsLearning(
    factors=Settings.factors,
    epochs=Settings.epochs,
    regularization=Settings.penalty,
    learning_rate=Settings.rate,
    seed=0,
    threads=1,
    start_epochs=Settings.start_epochs,
    batch_size=Settings.batch,
    pool=Settings.pool,
    pool_weak=Settings.exposed,
    temperature=Settings.temperature,
    reward_weight=Settings.reward_weight,
    feature_share=Settings.feature_share,
    patience=Settings.patience,
)


def need_nothing(kind: str) -> None:
    """Rns needs numpy alone."""


def learn_rns(training: Training, learning: Learning, told: Told) -> Model:
    """Play the game of ``negprep.learning.rns``.

    Returns
    -------
    Model
        The sampler, for the users with train positives and for all items.

    Raises
    ------
    UsageError
        There is no exposure, or an option that does not fit another.
    """
    if not isinstance(learning, RnsLearning):
        raise TypeError("learn_rns wants an RnsLearning")
    settings, items = learning.settings(), training.items
    exposures = as_seen(subtract_pairs(training.weak, training.excluded, len(items)), items)
    if not len(exposures.items):
        raise UsageError(
            "there is no weak interaction with an item of the catalog, and --kind rns learns from what was shown and "
            "not liked",
            place=training.place,
            remedy="say with --positive which interactions are positives, give --weak FILE, or choose --kind bpr",
        )
    seen = as_seen(merge_pairs([training.positives, training.weak, training.excluded], len(items)), items)
    total, done = settings.start_epochs + settings.epochs, 0

    def tell(epoch: Epoch) -> None:
        nonlocal done
        done += 1
        words = f"loss {epoch.recommender_loss:.4g}"
        if done > settings.start_epochs:
            words += f", exposed share {epoch.exposed_share:.1%}"
        told(done, total, words)

    positives = training.positives
    with np.errstate(over="ignore", invalid="ignore"):  # steps that are too large end in NaN, which is refused below
        fitted = fit(positives.users(), positives.items, seen, exposures, settings, seed=learning.seed, told=tell)
    sampler, taught = fitted.sampler, np.flatnonzero(positives.counts)
    arrays = {"user_factors": sampler.users[taught], "item_factors": sampler.items, "h": sampler.h}
    own = set(RnsLearning.__dataclass_fields__) - set(Learning.__dataclass_fields__)
    facts = {
        **{name: value for name, value in asdict(learning).items() if name in own},
        "exposures": len(exposures.items),
        "start": [epoch.recommender_loss for epoch in fitted.start],
        "game": [asdict(epoch) for epoch in fitted.game],
    }
    ids = training.users.ids.take(from_numpy(taught)), items.ids.slice(0, len(sampler.items))
    return sorted_model("rns", *ids, arrays, facts, f"the model of {training.place}")
