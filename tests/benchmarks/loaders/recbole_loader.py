"""RecBole's training data loader, labelled rows: recbole_loader.py LOG SECONDS [uniform|popularity]."""

import sys
from pathlib import Path

import pandas as pd
from pace import BATCH, K, read, take
from recbole.config import Config
from recbole.data import create_dataset, data_preparation

log, seconds, distribution = Path(sys.argv[1]), float(sys.argv[2]), sys.argv[3]
folder = log.parent / "recbole"
atomic = folder / log.stem / f"{log.stem}.inter"
if not atomic.exists():
    atomic.parent.mkdir(parents=True, exist_ok=True)
    frame = pd.DataFrame(dict(zip(("user_id:token", "item_id:token"), read(log), strict=True)))
    frame.to_csv(atomic, sep="\t", index=False)
sys.argv = sys.argv[:1]  # RecBole reads it, too
config = Config(
    model="NeuMF",
    dataset=log.stem,
    config_dict={
        "data_path": str(folder),
        "load_col": {"inter": ["user_id", "item_id"]},
        "train_batch_size": BATCH,
        "train_neg_sample_args": {"distribution": distribution, "sample_num": K, "alpha": 1.0, "dynamic": False},
        "eval_args": {"split": {"LS": "valid_and_test"}, "order": "RO", "group_by": "user", "mode": "full"},
        "show_progress": False,
        "state": "WARNING",
        "use_gpu": False,
    },
)
train = data_preparation(config, create_dataset(config))[0]
feature = train.dataset.inter_feat
known = (feature["user_id"].numpy(), feature["item_id"].numpy())
take(((batch["user_id"], batch["item_id"], batch["label"]) for batch in train), seconds, known)
