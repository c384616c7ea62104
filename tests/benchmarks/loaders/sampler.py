"""negprep's batches, all of an epoch, since they are drawn ahead: sampler.py LOG SECONDS SAMPLER [torch]."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[3]))  # the working copy, whatever the environment

import numpy as np
from pace import BATCH, K, read, take

import negprep

log, _, sampler, *torch = sys.argv[1:]
drawn = negprep.Sampler(log, num_neg=K, sampler=sampler, holdout="none")
batches = drawn.epoch(0, BATCH)
if torch:
    from torch.utils.data import DataLoader

    from negprep.torch import NegativeSampler

    batches = DataLoader(NegativeSampler(drawn, BATCH), batch_size=None)
codes = (
    np.searchsorted(ids.to_numpy(), column) for ids, column in zip((drawn.users, drawn.items), read(log), strict=True)
)
take(((batch["user"], batch["item"], batch["label"]) for batch in batches), float("inf"), tuple(codes))
