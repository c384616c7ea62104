"""Logs in the forms in which the field publishes them, without a word about columns: recomputed by other code."""

from __future__ import annotations

from collections import Counter

import independent
import pyarrow.parquet as pq
import pytest
from logs import random_rows
from scipy import stats

from negprep.cli.exit_codes import guarded
from negprep.cli.group import invoke

ROWS = random_rows(31, users=150, items=400, most=40, times=30)
NAMES = "--columns=user,item,value,time"


def lines(header, form):
    rows = [
        form.format(user=user + 10, item=item, value=1 + item % 5, time=956_700_000 + time) for user, item, time in ROWS
    ]
    return "\n".join([*([header] if header else []), *rows]) + "\n"


FORMS = {
    "MovieLens ratings.csv": ("ratings.csv", "userId,movieId,rating,timestamp", "{user},{item},{value}.5,{time}", []),
    "MovieLens 1M": ("ratings.dat", "", "{user}::{item}::{value}::{time}", [NAMES]),
    "NCF": ("ml.train.rating", "", "{user}\t{item}\t{value}\t{time}", [NAMES]),
    "purchases with counts": ("buy.tsv", "", "{user}\t{item}\t{value}\t{time}", [NAMES]),
    "anime ratings, no time": ("ratings.dat", "User_ID\tAnime_ID\tFeedback", "{user}\t{item}\t{value}", []),
    "shop events, no time": ("events.dat", "visitorid\titemid\tevent", "{user}\t{item}\t1", []),
    "reviews": ("reviews.csv", "reviewerID,asin,overall,unixReviewTime", "A{user},B00{item},{value},{time}", []),
    "pandas with an index": ("log.csv", ",user_id,item_id,ts", "7,{user},{item},{time}", []),
}


@pytest.mark.parametrize("form", FORMS)
def test_train_and_test_agree_with_an_independent_recomputation(tmp_path, capsys, form):
    def negprep(*words):
        assert guarded(lambda: invoke([*map(str, words), "--quiet"])) == 0
        assert tuple(capsys.readouterr()) == ("", "")

    name, header, row, words = FORMS[form]
    (tmp_path / name).write_text(lines(header, row))
    reviews = form == "reviews"
    log = [(f"A{u + 10}" if reviews else u + 10, f"B00{i}" if reviews else i, t) for u, i, t in ROWS]
    holdout = "random" if "no time" in form else "last"
    negprep("train", tmp_path / name, tmp_path / "all.parquet", *words, "--holdout", "none")
    negprep("train", tmp_path / name, tmp_path / "train.parquet", *words, "--holdout", holdout)
    negprep("test", tmp_path / name, tmp_path / "test.parquet", *words, "--holdout", holdout)
    independent.check_train(log, pq.read_table(tmp_path / "all.parquet"), holdout="none")
    trained = independent.check_train(log, pq.read_table(tmp_path / "train.parquet"), holdout=holdout)
    tested = independent.check_test(log, pq.read_table(tmp_path / "test.parquet"), holdout=holdout)
    independent.check_partition(log, trained, tested)
    assert all(len(group.negatives) == 99 for group in tested)
    places = Counter(group.slot * 5 // 100 for group in tested)
    assert stats.chisquare([places[fifth] for fifth in range(5)]).pvalue > 1e-4
