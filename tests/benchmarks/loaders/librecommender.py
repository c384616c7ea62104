"""LibRecommender's loader of labelled rows for PyTorch: librecommender.py LOG SECONDS random|unconsumed."""

import sys
from types import SimpleNamespace

import pandas as pd
from libreco.batch.batch_data import adjust_batch_size, get_batch_loader
from libreco.data import DatasetPure
from pace import BATCH, K, read, take

log, seconds, sampler = sys.argv[1], float(sys.argv[2]), sys.argv[3]
frame = pd.DataFrame(dict(zip(("user", "item"), read(log), strict=True))).assign(label=1)
data, info = DatasetPure.build_trainset(frame)
model = SimpleNamespace(
    model_name="LightGCN",
    task="ranking",
    loss_type="cross_entropy",
    sampler=sampler,
    num_neg=K,
    seed=42,
    data_info=info,
)
loader = get_batch_loader(model, data, True, adjust_batch_size(model, BATCH), True, 0, 42)
known = (data.user_indices.astype("int64"), data.item_indices.astype("int64"))
take(((batch.users, batch.items, batch.labels) for batch in loader), seconds, known)
