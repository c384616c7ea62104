"""`Sampler.candidates` and `evaluate`: what `test` writes, and `evaluate` computes from files; lists, counted."""

from __future__ import annotations

import pickle

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import negprep
from negprep import questions as module
from negprep.errors import BadDataError, UsageError
from negprep.questions import Candidates, rank_all, rank_candidates

N_USERS, N_ITEMS = 9, 13
CHANCE = np.random.default_rng(4)
SCORES = CHANCE.integers(0, 5, (N_USERS, N_ITEMS)).astype(np.float32)  # many ties
IS_CATALOG = np.arange(N_ITEMS) != 5
SEEN = [np.flatnonzero((CHANCE.random(N_ITEMS) < 0.3) & IS_CATALOG) for _ in range(N_USERS)]
STARTS = np.concatenate([[0], np.cumsum([len(some) for some in SEEN])])
# Users 1, 3 and 8 have two holdouts, and one holdout is not in the catalog.
USERS = np.array([1, 1, 3, 3, 4, 6, 8, 8], np.int32)
HEADS = np.array([SEEN[1][0], SEEN[1][1], SEEN[3][0], 5, SEEN[4][0], SEEN[6][0], SEEN[8][0], SEEN[8][1]], np.int32)


def counted(lists):
    return lists.users.tolist(), lists.candidates.tolist(), lists.above.tolist(), lists.tied.tolist()


def expected(negatives):
    above = [int((SCORES[u, some] > SCORES[u, i]).sum()) for u, i, some in zip(USERS, HEADS, negatives, strict=True)]
    tied = [int((SCORES[u, some] == SCORES[u, i]).sum()) for u, i, some in zip(USERS, HEADS, negatives, strict=True)]
    return USERS.tolist(), [len(some) for some in negatives], above, tied


def of_all(score):
    return rank_all(USERS, HEADS, (STARTS, np.concatenate(SEEN).astype(np.int32)), IS_CATALOG, score)


def some_candidates():
    negatives = [np.setdiff1d(np.flatnonzero(IS_CATALOG), SEEN[user])[: 2 + user % 4] for user in USERS]
    padded = np.full((len(USERS), max(map(len, negatives))), -1, np.int32)
    for row, items in zip(padded, negatives, strict=True):
        row[: len(items)] = items
    return negatives, Candidates(USERS, HEADS, padded)


@pytest.mark.parametrize("at_a_time", [1, 30, 1 << 20])
def test_lists_are_those_counted_one_by_one(monkeypatch, at_a_time):
    monkeypatch.setattr(module, "_SCORES_AT_A_TIME", at_a_time)
    eligible = [np.setdiff1d(np.flatnonzero(IS_CATALOG), SEEN[user]) for user in USERS]
    assert counted(of_all(lambda users: SCORES[users])) == expected(eligible)
    negatives, candidates = some_candidates()
    found = rank_candidates(candidates, lambda users, items: SCORES[users[:, None], items])
    assert counted(found) == expected(negatives)


def test_scores_of_seen_items_do_not_count():
    masked = SCORES.copy()
    for user in range(N_USERS):
        masked[user, np.setdiff1d(SEEN[user], HEADS)] = np.nan
    masked[:, 5] = np.where(np.isin(np.arange(N_USERS), [3]), SCORES[:, 5], -np.inf)  # outside the catalog
    assert counted(of_all(lambda users: masked[users])) == counted(of_all(lambda users: SCORES[users]))


@pytest.mark.parametrize(
    ("change", "text"),
    [
        (lambda scores: np.full_like(scores, np.nan), "the score of user 1, item .* is nan, not a finite number"),
        (lambda scores: scores + np.inf, "is inf, not a finite number; check the model"),
        (lambda scores: scores[:, 1:], r"the scores have the shape \(.*\) where \(.*\) is asked for"),
        (lambda scores: scores.astype(str), "the scores are of the type <U"),
        (lambda scores: [[1.0], [1.0, 2.0]], "the scores are no array: "),
        (lambda scores: None, "the scores are of the type object; give an array of numbers"),
    ],
    ids=["nan", "inf", "shape", "text", "ragged", "none"],
)
def test_bad_scores_are_refused_in_one_line(change, text):
    _, candidates = some_candidates()
    for make in (
        lambda: of_all(lambda users: change(SCORES[users])),
        lambda: rank_candidates(candidates, lambda users, items: change(SCORES[users[:, None], items])),
    ):
        with pytest.raises(BadDataError, match=text) as caught:
            make()
        assert str(caught.value).startswith("score_function: ")
        assert "\n" not in str(caught.value)


def test_one_bad_score_is_named():
    broken = SCORES.copy()
    item = int(np.setdiff1d(np.flatnonzero(IS_CATALOG), SEEN[6])[0])
    broken[6, item] = np.nan
    with pytest.raises(BadDataError, match=rf"user 6, item {item} \(codes\) is nan"):
        of_all(lambda users: broken[users])


ROWS = 900
LOG = pa.table(
    {
        "user": CHANCE.integers(0, 40, ROWS) * 7,
        "item": [f"i{number}" for number in CHANCE.integers(0, 60, ROWS)],
        "time": CHANCE.integers(0, 500, ROWS),
        "rating": CHANCE.integers(1, 6, ROWS),
        "page": CHANCE.integers(0, 4, ROWS),
    }
)
ITEMS = pa.table({"item": [f"i{number}" for number in range(5, 70)], "shelf": [number % 3 for number in range(65)]})
PAIRS = pa.table({"user": [0, 7, 7, 14], "item": ["i1", "i2", "i3", "i4"]})
SHARED = {
    "plain": {},
    "weak and excluded": {"positive": ">=3", "exclude": PAIRS, "weak": PAIRS, "split_seed": 4, "holdout": "random"},
    "a catalog": {"items": ITEMS, "seed": 5},
    "two folds": {"holdout": "last:2", "with_valid": True},
    "a share": {"holdout": "fraction:0.3", "with_valid": True},
    "some users": {"test_users": 0.5, "core": 3},
    "a date": {"holdout": "after:300", "min_positives": 8},
}
OF_TRAIN = {
    "plain": {"layout": "pairwise", "keep": "page", "with_history": 2},
    "weak and excluded": {"sampler": ("uniform:0.5", "weak:0.5"), "num_neg": 1.5},
    "a catalog": {"sampler": "popularity", "with_log_q": True, "encode": False},
    "two folds": {"sampler": "hard"},
    "a share": {"per": "user"},
    "some users": {"bootstrap": 200, "layout": "pairwise"},
    "a date": {"num_neg": 60, "distinct": True, "on_short": "drop"},
}


def made(name, **more):
    options = {key: value for key, value in (SHARED[name] | OF_TRAIN[name] | more).items() if value is not None}
    return negprep.Sampler(LOG, **options)


def scores_of(sampler):
    """By code; many are equal."""
    return np.random.default_rng(3).integers(0, 40, (sampler.n_users, sampler.n_items)).astype(np.float32)


def scored_pairs(sampler, rows):
    """What a model writes for the rows of a test file."""
    users, items = sampler.users.to_pylist(), sampler.items.to_pylist()
    codes = [[ids.index(each) for each in rows[name].to_pylist()] for name, ids in (("user", users), ("item", items))]
    return rows.select(["user", "item"]).append_column("score", pa.array(scores_of(sampler)[tuple(codes)]))


@pytest.mark.parametrize("name", SHARED)
def test_figures_are_those_of_evaluate_from_files(tmp_path, name):
    sampler = made(name)
    scores = scores_of(sampler)
    for fold in ("test", "valid") if SHARED[name].get("with_valid") else ("test",):
        for number in (20, 99, "all"):
            file = negprep.test(LOG, tmp_path / f"{fold}{number}.parquet", fold=fold, num_neg=number, **SHARED[name])
            pairs = scored_pairs(sampler, pq.read_table(file))
            wanted = negprep.evaluate(
                pairs.group_by(["user", "item"])
                .aggregate([("score", "max")])
                .rename_columns(["user", "item", "score"]),
                test=file,
                at=(3, 10),
                resamples=0,
            )
            if number == "all":
                found = sampler.evaluate(lambda users: scores[users], fold=fold, candidates="all", k=(3, 10))
            else:
                found = sampler.evaluate(
                    lambda users, items: scores[users[:, None], items], fold=fold, candidates=number, k=(3, 10)
                )
            shown, expected = found.as_dict(), wanted.as_dict()
            for key in ("metrics", "estimates"):
                assert shown[key].keys() == expected[key].keys()
            for key, figures in {"": wanted.metrics, **wanted.estimates}.items():
                ours = found.estimates[key] if key else found.metrics
                for metric, figure in figures.items():
                    assert ours[metric].value == pytest.approx(figure.value, abs=1e-12), (key, metric)
            for key in ("users", "lists", "rows", "candidates_min", "candidates_max", "tied_lists", "no_estimates"):
                assert shown[key] == expected[key], key


@pytest.mark.parametrize("name", SHARED)
def test_candidates_are_those_of_test(name):
    sampler = made(name)
    for fold in ("test", "valid") if SHARED[name].get("with_valid") else ("test",):
        rows = negprep.test(LOG, fold=fold, num_neg=30, layout="listwise", **SHARED[name]).to_pylist()
        found = sampler.candidates(fold, 30)
        users, items = sampler.users.to_pylist(), sampler.items.to_pylist()
        shown = {
            (users[user], items[positive]): [items[code] for code in negatives if code >= 0]
            for user, positive, negatives in zip(found.users, found.pos_items, found.neg_items, strict=True)
        }
        assert shown == {(row["user"], row["pos_item"]): row["neg_items"] for row in rows}
        found.neg_items[:] = 0  # a copy
        assert sampler.candidates(fold, 30).neg_items.any()


def test_restricted_candidates_are_ranked_by_number():
    sampler = negprep.Sampler(LOG, items=ITEMS, same="shelf", holdout="last")
    rows = negprep.test(LOG, items=ITEMS, same="shelf", num_neg=10)
    assert sampler.candidates(num_neg=10).neg_items.shape == (rows["label"].to_pylist().count(1), 10)
    with pytest.raises(UsageError, match=r"candidates='all' with same or available_at_time, which .*; give a number"):
        sampler.evaluate(lambda users: users, candidates="all")


@pytest.mark.parametrize(
    ("ask", "message"),
    [
        (lambda sampler: sampler.candidates("valid"), "holds out nothing for validation; make it with with_valid=True"),
        (lambda sampler: sampler.candidates("train"), "fold is 'train'; choose test or valid"),
        (lambda sampler: sampler.candidates(num_neg=0), "num_neg is 0; choose a whole number from 1"),
        (lambda sampler: sampler.candidates(num_neg=True), "num_neg is True"),
        (lambda sampler: sampler.evaluate(np.add, candidates="most"), "candidates is 'most'; .*, or \"all\""),
        (lambda sampler: sampler.evaluate(np.add, k=0), "k is 0; choose a whole number from 1"),
        (lambda sampler: sampler.evaluate(np.add, k=(5, 1.5)), "k is 1.5; choose a whole number"),
        (lambda sampler: sampler.evaluate(np.add, k="10"), "k is '10'; .*number, not text"),
        (lambda sampler: pickle.loads(pickle.dumps(sampler)).candidates(), "in a copy of the sampler, which does not"),
    ],
    ids=["valid", "fold", "none", "bool", "word", "k", "half", "text", "copy"],
)
def test_questions_of_no_use_are_refused(ask, message):
    with pytest.raises(UsageError, match=message) as error:
        ask(negprep.Sampler(LOG, holdout="last"))
    assert "\n" not in str(error.value)


def test_a_sampler_that_holds_nothing_out_has_no_candidates():
    with pytest.raises(UsageError, match="--holdout none in test"):
        negprep.Sampler(LOG, holdout="none").candidates()


def test_a_copy_has_the_candidates_that_were_asked_for():
    sampler = negprep.Sampler(LOG, holdout="last")
    wanted = sampler.candidates(num_neg=20)
    found = pickle.loads(pickle.dumps(sampler)).candidates(num_neg=20)
    assert found.neg_items.tolist() == wanted.neg_items.tolist()
