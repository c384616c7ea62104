"""WarpRec's point-wise data set in a DataLoader: warprec_pointwise.py LOG SECONDS."""

import sys

import numpy as np
import torch
from pace import BATCH, K, read, take
from packaged import load_file
from scipy.sparse import csr_matrix
from torch.utils.data import DataLoader

log, seconds = sys.argv[1], float(sys.argv[2])
structures = load_file("warprec", "data/entities/train_structures/interaction_structures.py")
users, items = (np.unique(column, return_inverse=True)[1] for column in read(log))
seen = csr_matrix((np.ones(len(users), np.float32), (users, items)))
seen.sort_indices()
rows = structures.PointWiseDataset(torch.from_numpy(users), torch.from_numpy(items), seen, K, seen.shape[1])
take(DataLoader(rows, batch_size=BATCH, shuffle=True), seconds, (users, items))
