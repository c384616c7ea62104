"""DataRec's pairwise data set in a DataLoader, k negatives to a positive: datarec_pairwise.py LOG SECONDS."""

import sys
from types import SimpleNamespace

import pandas as pd
from pace import BATCH, K, read, take
from packaged import load_file
from torch import stack
from torch.utils.data import DataLoader

log, seconds = sys.argv[1], float(sys.argv[2])
known = read(log)
data = SimpleNamespace(data=pd.DataFrame({"user": known[0], "item": known[1]}), user_col="user", item_col="item")
rows = load_file("datarec", "data/torch_dataset.py").PairwiseTorchDataset(data, num_negatives=K)
loader = DataLoader(rows, batch_size=BATCH // K, shuffle=True)
take(((batch["user"], stack(batch["neg_items"], 1), None) for batch in loader), seconds, known)
