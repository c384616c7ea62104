"""``negprep fit``: what is learnt from, what is written, and what is refused."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import negprep
from negprep.cli.exit_codes import guarded
from negprep.cli.group import invoke
from negprep.encode.pairs import Pairs
from negprep.model_file import read_model
from negprep.models import factorise
from negprep.models.factorise import Learning
from negprep.models.validation import lay_aside

ROOT = Path(__file__).parents[2]
LOG = ROOT / "sample_data" / "log.parquet"

try:
    import implicit  # noqa: F401
except ImportError:
    pytest.skip("the extra fit is not installed", allow_module_level=True)


def fit(capsys, *words):
    """The exit code, and what is said on standard error."""
    code = guarded(lambda: invoke(["fit", *map(str, words)]))
    shown = capsys.readouterr()
    assert shown.out == ""
    return code, shown.err


@pytest.fixture
def small(tmp_path):
    """Thirty users of two tastes, with times, ratings and events; user 7 has one item alone."""
    chance = np.random.default_rng(5)
    rows = [(user, item) for user in range(30) for item in chance.permutation(20)[:8] + 20 * (user % 2)]
    rows = [(user, item) for user, item in rows if user != 7] + [(7, 3)]
    users, items = np.array(rows).T
    log = pa.table(
        {"user": users, "item": items, "time": chance.permutation(len(users)), "rating": np.arange(len(users)) % 5}
    )
    pq.write_table(log, tmp_path / "log.parquet")
    return tmp_path / "log.parquet"


@pytest.mark.parametrize("kind", ["als", "bpr"])
def test_the_model_knows_what_users_like(capsys, tmp_path, kind):
    """On the sample data: held-out items rank far above the middle, and the same seed gives the same bytes."""
    models = [tmp_path / "one.npz", tmp_path / "two.npz"]
    for model in models:
        code, told = fit(capsys, LOG, model, "--kind", kind, "--holdout", "last", "--factors", 16, "--epochs", 20)
        assert code == 0
    assert models[0].read_bytes() == models[1].read_bytes()
    assert "held out 999 last: nothing was learnt from these" in " ".join(told.split())
    model = read_model(models[0])
    assert (model.kind, model.n_factors, model.facts["epochs"], model.facts["seed"]) == (kind, 16, 20, 0)
    assert (model.facts["train_positives"], model.facts["held_out"]) == (45_350, 999)
    held = negprep.test(LOG, num_neg=1)
    held = held.filter(held["label"].cast("bool"))
    scores = model.user_factors @ model.item_factors.T + (0 if model.item_bias is None else model.item_bias)
    rows, columns = model.users.find(held["user"].combine_chunks()), model.items.find(held["item"].combine_chunks())
    places = (scores[rows] < scores[rows, columns][:, None]).mean(axis=1)[columns >= 0]
    assert places.mean() > 0.53  # of 999 users: 0.5 by chance, with a standard error of 0.009


def test_als_is_the_same_with_two_threads(capsys, tmp_path):
    for jobs in (1, 2):
        assert fit(capsys, LOG, tmp_path / f"{jobs}.npz", "--kind", "als", "--epochs", 2, "--jobs", jobs)[0] == 0
    assert (tmp_path / "1.npz").read_bytes() == (tmp_path / "2.npz").read_bytes()


@pytest.mark.parametrize("kind", ["als", "bpr"])
@pytest.mark.parametrize(
    "split", [["--holdout", "last"], ["--holdout", "random:2", "--with-valid"], ["--positive", ">=2"], []]
)
def test_nothing_held_out_is_learnt_from(capsys, small, tmp_path, kind, split):
    """The model of a log is that of a log from which the held-out rows were cut by hand."""
    assert fit(capsys, small, tmp_path / "m.npz", "--kind", kind, "--epochs", 3, *split)[0] == 0
    keywords = {}
    for option, value in zip(split[::2], [*split[1::2], True], strict=False):
        keywords[option.removeprefix("--").replace("-", "_")] = value
    train = negprep.train(small, num_neg=1, layout="pairwise", **keywords)
    pairs = train.select(["user", "pos_item"]).rename_columns(["user", "item"])
    pq.write_table(pairs, tmp_path / "cut.parquet")
    words = ["--kind", kind, "--epochs", 3, "--holdout", "none"]
    assert fit(capsys, tmp_path / "cut.parquet", tmp_path / "cut.npz", *words)[0] == 0
    whole, cut = read_model(tmp_path / "m.npz"), read_model(tmp_path / "cut.npz")
    assert whole.digest == cut.digest
    assert whole.facts["train_positives"] == len(pairs)


def test_only_those_with_a_train_positive_are_known(capsys, small, tmp_path):
    code, told = fit(capsys, small, tmp_path / "m.npz", "--kind", "als", "--positive", ">=4")
    assert code == 0
    train = negprep.train(small, num_neg=1, layout="pairwise", positive=">=4").to_pandas()
    model = read_model(tmp_path / "m.npz")
    assert model.users.ids.to_pylist() == sorted(train.user.unique())
    assert model.items.ids.to_pylist() == sorted(train.pos_item.unique())
    assert "without a train positive, which the model does not know" in told


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (["--seed", 1], []),
        (["--factors", 8], []),
        (["--epochs", 4], []),
        (["--regularization", 0.5], []),
        (["--kind", "bpr", "--learning-rate", 0.3], ["--kind", "bpr"]),
        (["--kind", "bpr", "--seed", 1], ["--kind", "bpr"]),
    ],
)
def test_every_option_has_an_effect(capsys, small, tmp_path, first, second):
    for name, words in (("one", first), ("two", second)):
        words = words if "--kind" in words else ["--kind", "als", *words]
        assert fit(capsys, small, tmp_path / f"{name}.npz", *words)[0] == 0
    assert read_model(tmp_path / "one.npz").digest != read_model(tmp_path / "two.npz").digest


def test_any_order_memory_and_text_give_the_same_model(capsys, small, tmp_path):
    log = pq.read_table(small)
    shuffled = log.take(np.random.default_rng(2).permutation(len(log)))
    pq.write_table(shuffled, tmp_path / "shuffled.parquet")
    for name, source, more in (("a", small, []), ("b", tmp_path / "shuffled.parquet", ["--memory", "1M"])):
        assert fit(capsys, source, tmp_path / f"{name}.npz", "--kind", "als", "--holdout", "last", *more)[0] == 0
    assert (tmp_path / "a.npz").read_bytes() == (tmp_path / "b.npz").read_bytes()


def test_train_draws_with_it(capsys, small, tmp_path):
    assert fit(capsys, small, tmp_path / "m.npz", "--kind", "bpr", "--holdout", "last")[0] == 0
    options = {"sampler": "hard", "model": tmp_path / "m.npz", "pool": 32}
    rows = negprep.train(small, holdout="last", layout="pairwise", **options).to_pandas()
    alone = rows[rows.user == 7]
    assert set(rows.source) == {"hard"}
    assert len(alone) == 4
    # Of the two tastes, the hard negatives are of the user's own far more often than half.
    assert ((rows.neg_item >= 20) == (rows.user % 2 == 1)).mean() > 0.8


def test_a_model_of_another_split_is_told_about(capsys, small, tmp_path):
    assert fit(capsys, small, tmp_path / "m.npz", "--kind", "als")[0] == 0
    hard = ["train", small, tmp_path / "t.parquet", "--sampler", "hard", "--pool", 4, "--model", tmp_path / "m.npz"]
    hard = list(map(str, hard))
    assert guarded(lambda: invoke(hard)) == 0
    assert "warning" not in capsys.readouterr().err
    assert guarded(lambda: invoke([*hard, "--holdout", "last"])) == 0
    assert "warning" not in capsys.readouterr().err
    assert fit(capsys, small, tmp_path / "m.npz", "--kind", "als", "--holdout", "none")[0] == 0
    assert guarded(lambda: invoke(hard)) == 0
    assert "the model was made with holdout none, and this run has last: it may have learnt" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        ([], 2, "missing option '--kind'"),
        (["--kind", "svd"], 2, "'svd' is not one of 'als', 'bpr'"),
        (["--kind", "als", "--learning-rate", 0.1], 2, "--learning-rate with --kind als, which takes no steps"),
        (["--kind", "als", "--factors", 0], 2, "0 is not in the range"),
        (["--kind", "als", "--factors", 1025], 2, "1025 is not in the range"),
        (["--kind", "als", "--epochs", 0], 2, "0 is not in the range"),
        (["--kind", "bpr", "--learning-rate", 0], 2, "'--learning-rate': 0 is not a number above 0"),
        (["--kind", "bpr", "--learning-rate", "nan"], 2, "--learning-rate"),
        (["--kind", "bpr", "--learning-rate", "inf"], 2, "--learning-rate"),
        (["--kind", "bpr", "--regularization", "nan"], 2, "--regularization"),
        (["--kind", "bpr", "--regularization", -1], 2, "'--regularization': -1 is not a number from 0"),
        (["--kind", "bpr", "--learning-rate", 1e30], 3, "the factors became NaN or infinite; choose a smaller"),
        (["--kind", "als", "--regularization", 1e300], 3, "the factors became NaN or infinite; choose another --reg"),
        (["--kind", "bpr", "--holdout", "last:x"], 2, "last:x"),
        (["--kind", "bpr", "--holdout", "none", "--with-valid"], 2, "--with-valid with --holdout none"),
        (["--kind", "bpr", "--holdout", "none", "--split-seed", 5], 2, "--split-seed with --holdout none"),
        (["--kind", "rns", "--weak", "-", "--exclude", "-"], 2, "standard input ('-') is named twice"),
        (["--kind", "bpr", "--positive", ">9"], 3, "no"),
        (["--kind", "bpr", "--quiet", "--progress"], 2, "--quiet and --progress contradict"),
        (["--kind", "bpr", "--user-col", "nobody"], 2, "nobody"),
        (["--kind", "bpr", "--jobs", 2], 2, "--jobs 2 with --kind bpr, which learns on one thread; leave it out"),
        (["--kind", "bpr", "--recommender", "d.npz"], 2, "--recommender with --kind bpr, whose model ranks; leave it"),
    ],
)
def test_what_is_refused(capsys, small, tmp_path, words, code, message):
    assert fit(capsys, small, tmp_path / "m.npz", *words)[0] == code
    code_again, told = fit(capsys, small, tmp_path / "m.npz", *words)
    assert (code_again, told.count("\n"), message in told) == (code, 1, True), told
    assert list(tmp_path.glob("*.npz")) == []
    assert list(tmp_path.glob(".*")) == []


@pytest.mark.parametrize(
    ("target", "code", "message"),
    [
        ("-", 2, "is not a place for one file"),
        ("", 2, "MODEL is empty"),
        ("folder/", 2, "is not a place for one file"),
        ("none/m.npz", 4, "there is no folder"),
        ("log.parquet", 2, "end it with .npz"),
    ],
)
def test_places_that_cannot_be(capsys, small, monkeypatch, target, code, message):
    monkeypatch.chdir(small.parent)
    before = small.read_bytes()
    found, told = fit(capsys, small, target, "--kind", "als")
    assert (found, told.count("\n"), message in told) == (code, 1, True), told
    assert small.read_bytes() == before


def test_a_first_time_of_a_log_without_times(capsys, tmp_path):
    (tmp_path / "log.csv").write_text("user,item\n1,2\n1,3\n2,3\n")
    code, told = fit(capsys, tmp_path / "log.csv", tmp_path / "m.npz", "--kind", "als", "--keep-time", "first")
    assert (code, told.count("\n"), "--keep-time first needs times" in told) == (2, 1, True)


def test_an_earlier_model_stays_where_a_fit_fails(capsys, small, tmp_path):
    (tmp_path / "m.npz").write_bytes(b"earlier")
    assert fit(capsys, small, tmp_path / "m.npz", "--kind", "bpr", "--learning-rate", 1e30)[0] == 3
    assert (tmp_path / "m.npz").read_bytes() == b"earlier"


def test_without_the_extra(small, tmp_path):
    script = (
        "import sys; sys.modules['implicit'] = None\n"
        "from negprep.cli.main import run\n"
        f"sys.argv = ['negprep', 'fit', {str(small)!r}, {str(tmp_path / 'm.npz')!r}, '--kind', 'als']\n"
        "run()"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    assert (
        "--kind als needs the library implicit, and implicit is not installed; pip install 'negprep[fit]'"
        in done.stderr
    )


def test_progress_tells_the_loss(capsys, tmp_path):
    code, told = fit(capsys, LOG, tmp_path / "m.npz", "--kind", "bpr", "--epochs", 40, "--progress")
    assert code == 0
    bars = told.split("negprep fit:")[0]
    assert "epochs/s" in bars
    assert "loss 0." in bars


def test_the_pairs_of_bpr_are_those_that_train_would_write(monkeypatch, small, tmp_path):
    """Each epoch: every positive but those laid aside, against the uniform negative of ``train --epoch``."""
    steps = []
    kept = factorise.Ranker.step

    def step(self, users, positives, negatives):
        steps.append((users, positives, negatives))
        return kept(self, users, positives, negatives)

    monkeypatch.setattr(factorise.Ranker, "step", step)
    found = negprep.fit(small, tmp_path / "m.npz", kind="bpr", epochs=3, seed=8)
    model, learnt = read_model(tmp_path / "m.npz"), len(steps) // 3
    left = None
    for epoch in range(3):
        users, positives, negatives = map(
            np.concatenate, zip(*steps[epoch * learnt : (epoch + 1) * learnt], strict=True)
        )
        ids = [
            model.users.ids.to_numpy()[users],
            *(model.items.ids.to_numpy()[each] for each in (positives, negatives)),
        ]
        rows = pd.DataFrame(dict(zip(["user", "item", "negative"], ids, strict=True)))
        left = rows[["user", "item"]] if left is None else left
        assert len(rows) == found.positives == rows[["user", "item"]].drop_duplicates().shape[0]
        told = negprep.train(left, num_neg=1, layout="pairwise", holdout="none", seed=8, epoch=epoch)
        assert sorted(map(tuple, rows.to_numpy())) == sorted(map(tuple, told.to_numpy()))
        assert (np.diff(users) < 0).any()  # in random order


@pytest.mark.parametrize("kind", ["als", "bpr", "rns"])
def test_the_figure_is_that_of_a_full_ranking(small, tmp_path, kind):
    """Of what was laid aside, among all items but the user's other train positives, as the files themselves tell it."""
    words = {"holdout": "random", "positive": ">=1"}
    found = negprep.fit(
        small, tmp_path / "m.npz", kind=kind, epochs=3, recommender=_recommender(kind, tmp_path), **words
    )
    model = read_model(_recommender(kind, tmp_path) or tmp_path / "m.npz")
    train = negprep.train(small, num_neg=1, layout="pairwise", **words).to_pandas()
    users, items = (
        np.unique(train.user, return_inverse=True),
        np.unique(pq.read_table(small)["item"], return_inverse=False),
    )
    codes = np.searchsorted(items, train.pos_item)
    starts = np.searchsorted(users[1], np.arange(len(users[0]) + 1))
    aside = lay_aside(Pairs(starts, codes.astype(np.int32)))
    assert found.laid_aside == aside.sum() == found.model["ranking"]["positives"] > 20
    assert found.positives == (~aside).sum()
    counts = train.pos_item[~aside].value_counts()
    rows = model.item_factors * (1 if model.h is None else model.h)
    gains = {"ndcg": [], "most_popular": []}
    for user, item in train[aside][["user", "pos_item"]].to_numpy():
        known = set(train[~aside & (train.user == user)].pos_item)
        by_model = rows @ model.user_factors[model.users.find(pa.array([user]))[0]]
        by_model += 0 if model.item_bias is None else model.item_bias
        by_model = dict(zip(model.items.ids.to_pylist(), by_model, strict=True))
        for name, scores in (("ndcg", by_model), ("most_popular", {each: counts.get(each, 0) for each in items})):
            others = np.array([score for other, score in scores.items() if other not in known and other != item])
            above, tied = (others > scores[item]).sum(), (others == scores[item]).sum()
            places = np.arange(above, above + tied + 1)
            gains[name].append(np.where(places < 10, 1 / np.log2(places + 2), 0).mean())
    for name, values in gains.items():
        assert found.model["ranking"][name] == pytest.approx(np.mean(values), abs=2e-6)


def _recommender(kind, folder):
    return folder / "d.npz" if kind == "rns" else None


def test_a_model_that_is_no_better_than_the_most_popular_items_is_warned_of(capsys, tmp_path):
    """The users of the sample data have no taste of their own."""
    words = [LOG, tmp_path / "m.npz", "--kind", "bpr", "--epochs", 3, "--regularization", 0]
    code, told = fit(capsys, *words, "--quiet")
    assert (code, told.count("\n")) == (0, 1)
    assert "fit: warning: NDCG@10 over all items is 0.0" in told
    (tmp_path / "m.npz").unlink()
    code, told = fit(capsys, *words, "--strict")
    assert (code, told.count("\n"), "leave out --strict" in told) == (3, 1, True)
    assert list(tmp_path.iterdir()) == []


def test_the_closing_lines_have_the_figures(capsys, small, tmp_path):
    code, told = fit(capsys, small, tmp_path / "m.npz", "--kind", "bpr")
    ranking = read_model(tmp_path / "m.npz").facts["ranking"]
    assert code == 0
    assert ranking["ndcg"] > 1.2 * ranking["most_popular"] > 0
    shown = " ".join(told.split())
    assert f"NDCG@10 over all items {ranking['ndcg']:.4f}, of the positives laid aside" in shown
    assert f"{ranking['most_popular']:.4f} with the most popular items first" in shown
    assert "warning" not in told


def test_where_nobody_has_a_positive_to_spare_nothing_is_measured(capsys, tmp_path):
    (tmp_path / "log.csv").write_text("user,item\n1,2\n1,3\n2,3\n2,4\n")
    code, told = fit(capsys, tmp_path / "log.csv", tmp_path / "m.npz", "--kind", "bpr", "--holdout", "none")
    assert (code, "not measured: no user has a train positive to spare" in told) == (0, True)
    assert read_model(tmp_path / "m.npz").facts["ranking"] is None


def test_a_user_with_all_items_is_learnt_from_as_far_as_it_goes(capsys, tmp_path):
    rows = [(1, item) for item in range(6)] + [(2, item) for item in range(3)]
    (tmp_path / "log.csv").write_text("\n".join(["user,item", *(f"{user},{item}" for user, item in rows)]))
    code, told = fit(capsys, tmp_path / "log.csv", tmp_path / "m.npz", "--kind", "bpr", "--holdout", "none")
    assert code == 0, told
    assert len(read_model(tmp_path / "m.npz").users) == 2


def test_a_step_goes_down_the_slope_that_numbers_give():
    """The loss of BPR, and of each pair the penalty by the root of the positives of its user and items."""
    learning = Learning(factors=3, epochs=1, regularization=0.2, learning_rate=1e-4, seed=0, threads=1)
    users, positives, negatives = (np.array(each, np.int32) for each in ([0, 1, 0, 1], [0, 1, 2, 0], [3, 3, 1, 3]))
    counted = Pairs(np.array([0, 2, 3]), np.array([0, 1, 0], np.int32))
    ranker = factorise.Ranker(counted, 4, learning, np.random.default_rng(1))
    ranker.items[:, -1] = [0.1, -0.2, 0.3, 0]

    def fit_of():
        differences = ranker.items[positives] - ranker.items[negatives]
        return np.log1p(np.exp(-(ranker.users[users].astype(float) * differences).sum(axis=1))).sum()

    def loss():
        of_users, right, wrong = (
            0.1 * (values[:, :-1][rows].astype(float) ** 2).sum(axis=1) / np.sqrt(count[rows])
            for values, rows, count in (
                (ranker.users, users, np.array([2, 1])),
                (ranker.items, positives, np.array([2, 1, 1, 1])),
                (ranker.items, negatives, np.array([2, 1, 1, 1])),
            )
        )
        return fit_of() + (of_users + right + wrong).sum()

    slopes = []
    for values in (ranker.users, ranker.items):
        for place in np.ndindex(*values.shape):
            kept, around = values[place], []
            for change in (1e-2, -1e-2):
                values[place] = kept + change
                around.append(loss())
            values[place] = kept
            slopes.append((around[0] - around[1]) / 2e-2)
    slopes = np.array(slopes)
    slopes[[3, 7]] = 0  # the ones of the users stay
    before = np.concatenate([ranker.users.ravel(), ranker.items.ravel()])
    before_step = fit_of()
    expected = -1e-4 * slopes / np.sqrt(slopes**2 + factorise._FIRST_SQUARES)
    lost = ranker.step(users, positives, negatives)
    moved = np.concatenate([ranker.users.ravel(), ranker.items.ravel()]) - before
    assert moved == pytest.approx(expected, abs=2e-6)
    assert lost == pytest.approx(before_step, rel=1e-5)


@pytest.mark.parametrize("n", [1, 2, 5, 1000])
def test_rows_of_one_code_are_summed(n):
    chance = np.random.default_rng(n)
    codes, rows = (chance.random(n) ** 3 * n).astype(np.int32), chance.standard_normal((n, 5)).astype(np.float32)
    found, sums = factorise.summed(codes, rows)
    expected = np.zeros((n, 5))
    np.add.at(expected, codes, rows)
    assert found.tolist() == np.unique(codes).tolist()
    assert sums == pytest.approx(expected[found], abs=1e-4)
