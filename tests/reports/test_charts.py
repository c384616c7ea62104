"""The sentence under a chart is true of its numbers, and its marks stand where the numbers say."""

from __future__ import annotations

import math
import re
from datetime import UTC, datetime
from xml.etree import ElementTree

import numpy as np
import pytest
from scipy.stats import chi2

from negprep.reports.charts import (
    LEAST_EXPECTED,
    LONGEST_ID,
    chi_square,
    count,
    histogram,
    holdout_places,
    holdout_times,
    listed,
    merged,
    negatives_per_positive,
    negatives_per_user,
    number,
    popularity,
    share,
    shown_id,
    sources,
)
from negprep.reports.gather import PlaceTally
from negprep.reports.svg import Linear, Log, Picture, Time, binned, cells, log_edges


def told(chart):
    """The sentence, with plain spaces."""
    return chart.sentence.replace("\u00a0", " ")


@pytest.mark.parametrize("slope", [-1.0, -0.2, 0.0, 0.75, 1.0])
def test_the_trend_of_popularity_is_found(slope):
    positives = np.repeat(np.arange(1, 2001), 3)
    negatives = np.round(1e6 * positives.astype(float) ** slope).astype(np.int64)
    sentence = told(popularity("p", positives, negatives, None))
    times = float(re.search(r"has ([\d.,]+) times the negatives", sentence)[1])
    assert times == pytest.approx(10**slope, rel=0.02)
    assert ("is level" in sentence, "falls" in sentence, "rises" in sentence) == (slope == 0, slope < 0, slope > 0)


def test_popularity_tells_shares_and_what_is_never_drawn():
    positives = np.array([90, *[1] * 9, 1])
    negatives = np.array([10, *[10] * 9, 0])
    chart = popularity("p", positives, negatives, 14)
    assert "holds 91.0 % of the positives and 20.0 % of the negatives" in told(chart)  # two of eleven
    assert "4 items of the catalog are never a negative" in told(chart)
    assert sum(int(items) for _, items, _ in chart.table.rows) == 11


def test_popular_items_that_differ_are_told_of():
    positives = np.repeat(np.arange(1, 1001), 3)
    negatives = np.where(positives > 990, 300, 1000)
    sentence = told(popularity("p", positives, negatives, None))
    assert "is level for most items" in sentence
    assert "hundredth of the items has 0.302 times" in sentence


def test_few_items_have_no_trend():
    sentence = told(popularity("p", np.array([1, 2]), np.array([3, 0]), None))
    assert "line" not in sentence
    assert "1 item of the file is never a negative" in sentence


def test_negatives_of_users_are_told():
    assert told(negatives_per_user("u", np.full(7, 99))) == "Every one of the 7 users has 99 negatives."
    sentence = told(negatives_per_user("u", np.arange(1, 101)))
    assert sentence.startswith("From 1 to 100; half of the 100 users have 51 or fewer.")
    assert sentence.endswith("hold 18.9 % of all negatives.")  # 91 to 100 of 5050


@pytest.mark.parametrize(
    ("positives", "negatives", "wanted", "words"),
    [
        ([1, 2], [4, 8], 4, "All 2 users have the 4 that were asked for, for each of their positives."),
        ([1, 2], [4, 8], None, "All 2 users have 4, the usual number, for each of their positives."),
        ([1, 1, 1, 0], [4, 4, 1, 9], 4, "66.7 % of the 3 users .*; 1 user has fewer, down to 1."),
        ([2, 2], [8, 9], 4, "50.0 % of the 2 users .*; 1 user has more, up to 4."),
    ],
)
def test_negatives_of_positives_are_told(positives, negatives, wanted, words):
    assert re.fullmatch(
        words, told(negatives_per_positive("e", np.array(positives), np.array(negatives), wanted)).replace("\n", " ")
    )


def test_sources_are_told():
    chart = sources("s", {"weak": 25, "uniform": 70, "fallback": 5}, "uniform:0.7 weak:0.3")
    assert told(chart).startswith("uniform drew most: 70.0 % of the 100 negatives.")
    assert "For 5 draws the sampler had nothing to offer" in told(chart)
    assert [row[0] for row in chart.table.rows] == ["uniform", "weak", "fallback"]


def test_many_sources_are_put_together():
    chart = sources("s", {f"source {place:02}": 100 - place for place in range(40)}, None)
    rows = chart.table.rows
    assert len(rows) == 12
    assert rows[0][:2] == ("source 00", "100")
    assert rows[-1][:2] == ("29 others", f"{sum(100 - place for place in range(11, 40)):,}")


def places_of(observed, size):
    tally = PlaceTally()
    places = np.repeat(np.arange(size), observed)
    tally.add(places, np.full(len(places), size))
    return tally


def test_holdouts_at_one_place_are_told():
    sentence = told(holdout_places("h", places_of([50, 0, 0], 3), 2))
    assert sentence.startswith("All 50 holdouts stand at place 1:")
    assert "The candidates of 2 users cannot be told apart" in sentence


def test_holdouts_at_random_places_are_told():
    random = np.random.default_rng(0).multinomial(5000, [1 / 100] * 100)
    assert told(holdout_places("h", places_of(random, 100), 0)).startswith("No place is preferred among the 5,000")
    random[6] += 100
    sentence = told(holdout_places("h", places_of(random, 100), 0))
    assert sentence.startswith("Some places are preferred")
    assert "most of all place 7 with" in sentence
    assert told(holdout_places("h", places_of([1], 1), 0)).startswith("1 holdout: too few")


def test_chi_square_is_that_of_scipy():
    observed, expected = np.array([8, 12, 10, 30]), np.array([10.0, 10.0, 15.0, 25.0])
    statistic, freedom, chance = chi_square(observed, expected)
    assert (statistic, freedom) == (pytest.approx(((observed - expected) ** 2 / expected).sum()), 3)
    assert chance == pytest.approx(chi2.sf(statistic, 3))


def test_places_are_put_together_until_enough_are_expected():
    observed, expected, starts = merged(places_of([1] * 100, 100))
    assert (observed.sum(), expected.sum(), starts[0]) == (100, pytest.approx(100), 0)
    assert expected.min() >= LEAST_EXPECTED
    assert 15 <= len(starts) <= 20


def test_times_are_told():
    day = 86_400 * 10**9
    log = (np.arange(100) * day, np.full(100, 10))
    chart = holdout_times("t", np.array([50, 60, 70]) * day, log, 2)
    assert told(chart).startswith("From 1970-02-20 to 1970-03-12; half of the 3 holdouts happened before 1970-03-02")
    assert "when 60.0 % of the log was written" in told(chart)
    assert "49.0 % of the log is later than the first of them" in told(chart)
    assert chart.sentence.endswith("The log does not have 2 positives of this file.")
    assert sum(int(row[1]) for row in chart.table.rows) == 3
    assert sum(int(row[2]) for row in chart.table.rows) == 1000


def test_one_time_alone_has_a_chart():
    assert holdout_times("t", np.array([5]), (np.array([5]), np.array([1])), 0).table.rows


@pytest.mark.parametrize("values", [[0], [3, 3], range(20), range(1000), [0, 10**6], [1, 2**40]])
def test_bins_hold_every_value_once(values):
    values = np.array(values)
    bins = binned(values)
    wanted = [np.count_nonzero((values >= a) & (values <= b)) for a, b in zip(bins.first, bins.last, strict=True)]
    assert bins.sizes.tolist() == wanted
    assert bins.sizes.sum() == len(values)
    assert (bins.first[1:] > bins.last[:-1]).all()
    places, middles = cells(values)
    assert len(middles) <= 32
    assert (np.diff(middles) > 0).all()
    assert (np.abs(np.log((middles[places] + 1) / (values + 1))) <= math.log(2 * 2**40) / 28 + 0.7).all()


def test_edges_grow_to_above_the_largest():
    for most in (0, 1, 9, 10, 11, 10**9):
        edges = log_edges(most)
        assert edges[0] == 0
        assert edges[-1] > most
        assert (np.diff(edges) > 0).all()


def test_bars_stand_where_their_values_are():
    chart = histogram("h", "t", "s", np.array([1, 1, 3]), x_name="x", y_name="y", style="positive")
    bars = [bar.attrib for bar in chart.picture.root.iter("rect")]
    heights = [float(bar["height"]) for bar in bars]
    assert heights[0] == pytest.approx(2 * heights[1], abs=0.2)
    assert float(bars[0]["x"]) < float(bars[1]["x"])
    assert [bar.find("title").text for bar in chart.picture.root.iter("rect")] == ["1: 2", "3: 1"]


def test_ticks_are_round_and_inside():
    assert [text for _, text in Linear(0, 1040, 0, 1).ticks()] == ["0", "500", "1,000"]
    assert [text for _, text in Log(0, 250, 0, 1).ticks()] == ["0", "1", "10", "100"]
    assert [text for _, text in Log(90, 260, 0, 1).ticks()] == ["100", "200"]
    assert [text for _, text in Log(1, 2e7, 0, 1).ticks()] == ["1", "100", "10k", "1M"]
    for scale in (Linear(-3, 17.2, 5, 9), Log(3, 4e6, 5, 9), Log(0, 7, 5, 9)):
        assert all(5 <= scale.place(value) <= 9 for value, _ in scale.ticks())
        assert scale.place(scale.low) == pytest.approx(5)
        assert scale.place(scale.high) == pytest.approx(9)


def test_less_than_one_lies_between_nothing_and_one():
    scale = Log(0, 100, 0, 1)
    assert 0 == scale.place(0) < scale.place(0.1) < scale.place(0.9) < scale.place(1) < scale.place(2)


SECONDS = {"minute": 60, "hour": 3600, "week": 7 * 86400, "half a year": 183 * 86400, "ages": 40 * 366 * 86400}


@pytest.mark.parametrize("span", SECONDS)
@pytest.mark.parametrize("start", [-(10**9), 0, 1_704_067_261])
def test_ticks_of_time_are_beginnings(span, start):
    ticks = Time(start, start + SECONDS[span], 0, 1).ticks()
    assert 2 <= len(ticks) <= 7
    for when, text in ticks:
        assert start <= when <= start + SECONDS[span]
        moment = datetime.fromtimestamp(when, UTC)
        assert text in (moment.strftime(form) for form in ("%Y", "%Y-%m", "%-d %b", "%H:%M", "%H:%M:%S"))
        assert moment.second == 0 or span == "minute"


def test_words():
    assert [number(value) for value in (0, 7, 12345, 0.73512, 1234.5)] == ["0", "7", "12,345", "0.735", "1,234"]
    assert [share(part, 10_000).replace("\u00a0", " ") for part in (0, 1, 123, 9_999, 10_000)] == [
        "0 %",
        "less than 0.1 %",
        "1.2 %",
        "more than 99.9 %",
        "100 %",
    ]
    assert share(0, 0) == "none"
    assert [listed(words) for words in ([], ["a"], ["a", "b"], ["a", "b", "c"])] == [
        "none",
        "a",
        "a and b",
        "a, b and c",
    ]
    assert (count(1, "user"), count(2, "user"), count(0, "is", "are")) == ("1 user", "2 users", "0 are")
    assert shown_id("x" * 500) == "x" * (LONGEST_ID - 1) + "…"
    assert shown_id("a\nb\x1b") == r"a\nb\x1b"


def test_text_in_a_picture_is_escaped():
    picture = Picture("i", "<b>", '"&')
    picture.label("</text><script>\x00\x1b", 0, 0)
    assert "<script>" not in picture.markup()
    assert r"&lt;/text&gt;&lt;script&gt;\x00\x1b<" in picture.markup()
    assert ElementTree.fromstring(picture.markup()).tag == "svg"
