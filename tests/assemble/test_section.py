"""Sections: any range of rows is that range of the whole, wherever users are cut apart; and what a tally counts."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pyarrow as pa
import pytest
from logs import as_table, random_rows

from negprep.assemble.section import Cutter, make_section, row_group_rows
from negprep.encode.load import load
from negprep.encode.pairs import Interactions, Pairs
from negprep.encode.vocabulary import Vocabulary
from negprep.options.options import Options
from negprep.read.log import open_log
from negprep.sample.sampler import Plan
from negprep.summary import ColdItems, Tally

ROWS = random_rows(21, users=30, items=25, most=25)


def options_of(command, **changes):
    usual = (
        {"num_neg": 4, "holdout": "last"}
        if command == "train"
        else {"num_neg": 12, "holdout": "last", "distinct": True}
    )
    return Options(command=command, **{**usual, **changes})


def plan_of(options):
    return Plan(options.sampler_rule, options.distinct)


def loaded_of(options, log=None):
    with open_log(as_table(ROWS) if log is None else log) as reader:
        loaded = load(
            reader,
            options,
            with_times=options.rule.needs_times,
            kept_bytes=1 << 30,
            spill_folder=None,
            progress=lambda *_: None,
        )
        return next(iter(loaded.sections(1 << 30)))


def slice_pairs(pairs, first, last):
    begin, end = pairs.starts[first], pairs.starts[last]
    times = None if pairs.times is None else pairs.times[begin:end]
    return Pairs(pairs.starts[first : last + 1] - begin, pairs.items[begin:end], times)


def sections_of(options, cuts):
    loaded = loaded_of(options)
    whole = loaded.interactions
    for first, last in zip([0, *cuts], [*cuts, len(whole.users)], strict=True):
        part = Interactions(
            Vocabulary(whole.users.ids.slice(first, last - first)),
            whole.items,
            slice_pairs(whole.positives, first, last),
            slice_pairs(whole.weak, first, last),
        )
        yield make_section(
            part, slice_pairs(loaded.excluded, first, last), options, options.rule, plan_of(options), first
        )


def rows_of(sections, shard_rows=1_000_000):
    cutter = Cutter(shard_rows)
    batches = [shard.make() for section in sections for shard in cutter.cut(section)]
    return pa.Table.from_batches(batches).combine_chunks()


LAYOUTS = pytest.mark.parametrize("layout", ["pointwise", "pairwise", "listwise"])
COMMANDS = pytest.mark.parametrize("command", ["train", "test"])


@LAYOUTS
@COMMANDS
def test_any_range_of_rows(command, layout):
    (section,) = sections_of(options_of(command, layout=layout), [])
    whole = section.make(0, section.n_rows)
    chance = np.random.default_rng(3)
    for _ in range(60):
        first, last = sorted(chance.choice(section.n_rows + 1, 2, replace=False).tolist())
        assert section.make(first, last).to_pydict() == whole.slice(first, last - first).to_pydict()


@LAYOUTS
@COMMANDS
@pytest.mark.parametrize("encode", [False, True])
@pytest.mark.parametrize("cuts", [[1], [29], [7, 8, 20]], ids=str)
def test_where_users_are_cut_apart_does_not_matter(command, layout, encode, cuts):
    options = options_of(command, layout=layout, encode=encode)
    whole = rows_of(sections_of(options, []))
    assert rows_of(sections_of(options, cuts)).to_pydict() == whole.to_pydict()
    assert rows_of(sections_of(options, cuts), shard_rows=13).to_pydict() == whole.to_pydict()


@COMMANDS
@pytest.mark.parametrize("on_short", ["fewer", "drop"])
def test_a_tally_of_parts_is_that_of_the_whole(command, on_short):
    options = options_of(command, on_short=on_short)
    tallies = []
    for cuts in ([], [3], [1, 10, 11, 28]):
        tally, cold = Tally(), ColdItems(len(loaded_of(options).interactions.items))
        for section in sections_of(options, cuts):
            one = Tally()
            one.add(section)
            tally += one  # as those of several workers are
            cold.add(section)
        tallies.append({**vars(tally), "cold_holdouts": cold.holdouts})
    assert tallies[0] == tallies[1] == tallies[2]
    rows = rows_of(sections_of(options, []))
    labels = rows["label"].to_pylist()
    assert tallies[0]["rows"] == rows.num_rows
    assert tallies[0]["groups"] == sum(labels)
    assert tallies[0]["negatives"] == len(labels) - sum(labels)


def test_the_lists_of_a_shard_fit_their_offsets_and_memory():
    """A row of `listwise` has num_neg negatives: a shard must not have as many rows of them as of the others."""
    users, items = np.repeat(np.arange(40_000), 28), np.tile(np.arange(28), 40_000)
    more = pa.table({"user": np.full(3_000, 40_000), "item": np.arange(3_000)})
    log = pa.concat_tables([pa.table({"user": users, "item": items}), more])
    options = options_of("train", holdout="none", layout="listwise", num_neg=2_900)
    loaded = loaded_of(options, log)
    section = make_section(loaded.interactions, loaded.excluded, options, options.rule, plan_of(options))
    for shard in Cutter(row_group_rows(options)).cut(section):
        groups = section.locate(shard.end)[0] - section.locate(shard.begin)[0]
        assert groups * options.num_neg < 2**31


def test_seeds_reach_every_word():
    """The seed of the draws and the seed of the split, each alone."""
    options = options_of("test")
    usual = rows_of(sections_of(options, [])).to_pydict()
    assert rows_of(sections_of(replace(options, seed=1), [])).to_pydict() != usual
    assert rows_of(sections_of(replace(options, split_seed=1), [])).to_pydict() != usual
