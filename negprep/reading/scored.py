"""Which column of a file of scored candidates is the user, the item, the label, the score and the group."""

from __future__ import annotations

from dataclasses import dataclass

from negprep.errors import BadDataError, NegprepError, UsageError
from negprep.options import ReadOptions
from negprep.reading.columns import Roles, find_roles, listed

_USUAL = {
    "label": ("label",),
    "score": ("score", "prediction", "pred"),
    "group": ("group",),
}


@dataclass(frozen=True, kw_only=True)
class ScoredColumns:
    """Names of columns where they are not recognised.

    Attributes
    ----------
    user_col, item_col, label_col, score_col, group_col : str or None
    """

    user_col: str | None = None
    item_col: str | None = None
    label_col: str | None = None
    score_col: str | None = None
    group_col: str | None = None

    def find(self, names: tuple[str, ...], options: ReadOptions, place: str) -> Roles:  # noqa: ARG002
        """Give each role its column, for ``open_log``, whose options say nothing of these roles.

        Raises
        ------
        UsageError
            An option names no column, or two name the same one.
        """
        named = {option.removesuffix("_col"): name for option, name in vars(self).items() if name is not None}
        for role, name in named.items():
            if name not in names:
                what = f"no column {name!r} (found: {listed(names)})"
                raise UsageError(what, place=place, remedy=f"name one of them with --{role}-col")
            double = next((other for other, taken in named.items() if taken == name and other != role), None)
            if double is not None:
                raise UsageError(f"--{double}-col and --{role}-col both name {name!r}", remedy="give two columns")
        found = {role: named[role] for role in _USUAL if role in named}
        problems: dict[str, NegprepError] = {}
        ambiguous: set[str] = set()
        for role, usual in _USUAL.items():
            choices = [name for name in names if name.strip().casefold().partition(":")[0] in usual]
            if role in found:
                continue
            if len(choices) == 1:
                found[role] = choices[0]
            elif choices:
                what = f"more than one column could be the {role}: {', '.join(choices)}"
                problems[role] = BadDataError(what, place=place, remedy=f"choose with --{role}-col")
                ambiguous.add(role)
            else:
                what = f"no column for the {role}s (found: {listed(names)})"
                remedy = f"name it with --{role}-col" + (", or give the test file: --test" if role == "label" else "")
                problems[role] = BadDataError(what, place=place, remedy=remedy)
        others = tuple(name for name in names if name not in found.values())
        pairs = find_roles(others, ReadOptions(user_col=self.user_col, item_col=self.item_col), place)
        for role in ("user", "item"):
            if role in pairs.found:
                found[role] = pairs.found[role]
            else:
                problems[role] = _without_ids(names, pairs.problems[role], role)
                ambiguous |= pairs.ambiguous & {role}
        return Roles(found, problems, ambiguous)


def _without_ids(names: tuple[str, ...], problem: NegprepError, role: str) -> NegprepError:
    if role == "item" and "pos_item" in names:
        what = "pairs and lists have no row for each candidate"
        return BadDataError(what, place=problem.place, remedy="write the test file with --layout pointwise")
    return problem
