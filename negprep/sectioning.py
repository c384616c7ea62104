"""From interactions to a section: who leads a group of rows, and how many negatives each group gets."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from negprep.bootstrap import Bootstrap
from negprep.errors import BadDataError, UsageError
from negprep.holdout import Split, hold_out
from negprep.holdout_rule import HoldoutRule
from negprep.id_columns import Ids
from negprep.interactions import Interactions, Items, as_seen
from negprep.layout import Form
from negprep.limits import MAX_NUM_NEG
from negprep.options import Options
from negprep.pairs import Pairs, merge_pairs, subtract_pairs
from negprep.plan import Plan
from negprep.sampling import Sampling
from negprep.section import Section, leads_of
from negprep.vocabulary import Vocabulary


def split_train(interactions: Interactions, options: Options, rule: HoldoutRule) -> tuple[Split, Pairs]:
    """Hold out; the positives that stay in train, with times where those matter."""
    positives = interactions.positives
    split = hold_out(interactions, rule, seed=options.split_seed, with_valid=options.with_valid)
    train = positives if options.available_at_time else positives.without_times()
    return split, train if rule.kind == "none" else train.where(split.train)


def make_section(
    interactions: Interactions,
    excluded: Pairs,
    options: Options,
    rule: HoldoutRule,
    plan: Plan,
    first_user: int = 0,
    bootstrap: Bootstrap | None = None,
) -> Section:
    """Split, and decide for every user how many negatives its groups get.

    Parameters
    ----------
    interactions : Interactions
    excluded : Pairs
        More seen pairs, of the same users.
    options : Options
    rule : HoldoutRule
        Of the holdouts.
    plan : Plan
    first_user : int
        The code of the first user.
    bootstrap : Bootstrap, optional
        Draws the positives, of which those of these users come next.

    Raises
    ------
    BadDataError
        With ``on_short="error"``: a user has too few eligible items.
    UsageError
        Where all are taken: a user has more than a list can have.
    """
    positives, items = interactions.positives, interactions.items
    split, train = split_train(interactions, options, rule)
    if options.command == "train":
        heads = avoided = train
    else:
        heads, avoided = positives.where(split.test if options.fold == "test" else split.valid), positives
    seen = as_seen(merge_pairs([avoided, interactions.weak, excluded], len(items)), items)
    occurrences = None
    if bootstrap is not None:
        drawn = bootstrap.next(len(train))
        heads = train.repeated(drawn)
        firsts = np.cumsum(drawn) - drawn
        occurrences = (np.arange(len(heads)) - np.repeat(firsts, drawn)).astype(np.int32)
    weak = as_seen(subtract_pairs(interactions.weak, excluded, len(items)), items)
    sampling = Sampling(plan, seen, weak, first_user)
    supply = sampling.supply(leads_of(heads))
    needed = options.needed
    if sampling.by_group:
        short_groups = supply < needed
        short = np.bincount(heads.users()[short_groups], minlength=heads.n_users) > 0
    else:
        short = (heads.counts > 0) & (supply < needed)
        short_groups = np.repeat(short, heads.counts)
    most = int(supply.max(initial=0))
    if options.takes_all and most > MAX_NUM_NEG:
        raise UsageError(
            f"--num-neg all would write {most:,} negatives for one holdout, and {MAX_NUM_NEG:,} is the most",
            remedy="sample them with a number, or give a smaller catalog with --items",
        )
    if short.any() and options.on_short == "error":
        user = int(np.flatnonzero(short)[0])
        has = int(supply[short_groups][0] if sampling.by_group else supply[user])
        raise BadDataError(
            f"user {interactions.users.ids[user].as_py()!r} has {has} eligible item{'' if has == 1 else 's'} of the "
            f"{needed} needed",
            remedy=f"{'lower --num-neg, or ' if needed > 1 else ''}choose --on-short fewer or drop",
        )
    if short.any() and options.on_short == "drop":
        heads = heads.where(~short_groups)
        occurrences = None if occurrences is None else occurrences[~short_groups]
        supply = supply[~short_groups] if sampling.by_group else supply
    counts = (
        np.minimum(supply, options.negatives_each)
        if options.distinct
        else np.where(supply > 0, options.negatives_each, 0)
    )
    return Section(
        options=options,
        interactions=interactions,
        split=split,
        train=train,
        heads=heads,
        sampling=sampling,
        supply=supply,
        counts=counts,
        short=short,
        form=make_form(interactions.users, items, options, first_user),
        occurrences=occurrences,
    )


def make_form(users: Vocabulary, items: Items, options: Options, first_user: int = 0) -> Form:
    """The layout and the columns of an output, for the users from code ``first_user`` on."""
    if options.encode:
        codes = np.arange(first_user, first_user + len(users), dtype=np.int32)
        written = (Ids(codes), Ids(items.vocabulary[1]))
    else:
        written = (Ids.of(users.ids), Ids.of(items.ids))
    label_type = pa.float32() if options.label_dtype == "float32" else pa.int8()
    return Form(options.layout, *written, label_type, options.recipe.sources, with_log_q=options.with_log_q)
