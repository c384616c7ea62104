"""What decides which positives are for training: a model and a run that differ in it do not belong together."""

from __future__ import annotations

from typing import Any

from negprep.holdout_rule import HoldoutRule
from negprep.options import Options


def split_facts(options: Options, rule: HoldoutRule) -> dict[str, Any]:
    """What decides which positives are for training."""
    return {
        "holdout": str(rule),
        "with_valid": options.with_valid,
        "split_seed": options.split_seed,
        "positive": options.positive if options.leaves_weak else None,
        "keep_time": options.keep_time,
        "min_positives": options.min_positives,
        "core": options.core,
    }
