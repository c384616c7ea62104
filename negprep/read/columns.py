"""Which column of a file is the user, the item, the time, the value, the event, a label or a score."""

from __future__ import annotations

import difflib
import posixpath
import re
import shlex
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Self

import pyarrow as pa

from negprep.errors import BadDataError, NegprepError, UsageError
from negprep.options.reading import ReadOptions
from negprep.options.specs import PositiveRule, quoted_for_shell, spelled_column

ROLES = ("user", "item", "time", "value", "event")

# In lower case, letters and digits only: `userId`, `User_ID` and `user_id:token` are all `userid`.
_KNOWN = {
    "user": """user userid uid username visitor visitorid reviewer reviewerid customer customerid member memberid
        account accountid client clientid buyerid""",
    "item": """item itemid iid movie movieid product productid asin parentasin sid sku book bookid isbn song songid
        track trackid artist artistid album albumid game gameid appid article articleid news newsid anime animeid
        video videoid recipeid businessid venueid poi poiid""",
    "time": """timestamp ts time unixtime unixtimestamp unixreviewtime datetime date eventtime eventtimestamp
        createdat ratedat""",
    "value": "value rating score count feedback stars overall playcount weight",
    "event": "event eventtype behavior behaviour behaviortype type action actiontype interaction interactiontype",
}
# Taken only where no name above is there.
_RARE = {
    "user": """userpseudoid usersha userhash useruuid steamid playerid readerid listenerid subscriberid householdkey
        msno""",
    "item": "gmapid stockcode productcode artistmbid artmbid trackmbid",
    "time": """tdat when invoicedate orderdate purchasedate transactiondate reviewdate ratingdate eventdate
        interactiontime actiontime clicktime viewtime checkintime playedat listenedat viewedat clickedat purchasedat
        timems""",
    "value": "bookrating userrating reviewrating starrating plays listens listencount quantity hours",
    "event": "eventname eventaction actionname useraction",
}
_STAMPED = re.compile(r"(?!release|signup|birth|expir|ingest|load|update|modifi|first|last).+timestamp(ms|us|ns)?")
# Of two names of one role, the second is worse: what it names is not unique, or finer than what people rate.
_BETTER = {("parentasin", "asin"), ("userid", "username"), ("reviewerid", "username"), ("steamid", "username")}
_ROLE_OF = {name: role for role, names in _KNOWN.items() for name in names.split()}
_RARE_ROLE_OF = {name: role for role, names in _RARE.items() for name in names.split()}
_RECBOLE_TYPE = re.compile(r":(token|float)(_seq)?$")
_ENDS_IN_ID = re.compile(r"[^\W_]([_\-. ](id|ID|Id)|(?<=[a-z\d])I[dD])$")
# Ids of the row itself, or of a group of rows.
_GROUPS = ("session", "order", "transaction", "basket", "invoice", "visit")
_OTHERS = ("event", "request", "review", "row", "category", "impression", "log", "record", "rating", "interaction")
_NOT_AN_ITEM = {f"{group}id" for group in (*_GROUPS, *_OTHERS)}
_LISTED = 10

VALUE, NUMBER, NAME, FLAG = (f"{kind} for --positive" for kind in ("value", "number", "name", "flag"))
"""The roles of the column that ``--positive`` compares: the value; or one that the rule names, compared with numbers,
or with text, or true and false by itself."""


@dataclass(frozen=True)
class Roles:
    """What was recognised.

    ``found`` gives the column of each role; ``problems`` why each other role has none, to be raised if it is needed;
    ``ambiguous`` those of the other roles that more than one column could have.
    """

    found: dict[str, str]
    problems: dict[str, NegprepError] = field(default_factory=dict)
    ambiguous: set[str] = field(default_factory=set)

    def settle(self, role: str, choices: Sequence[str], names: Sequence[str], place: str, remedy: str) -> None:
        """Give a role its only choice, or the problem that there are several, or none, for which there is a remedy."""
        if len(choices) == 1:
            self.found[role] = choices[0]
        elif choices:
            what = f"more than one column could be the {role}: {', '.join(choices)}"
            self.problems[role] = BadDataError(what, place=place, remedy=f"choose with --{role}-col")
            self.ambiguous.add(role)
        else:
            what = f"no column for the {role}s (found: {listed(names)})"
            self.problems[role] = BadDataError(what, place=place, remedy=remedy)


def find_roles(names: Sequence[str], options: ReadOptions, place: str) -> Roles:
    """Give each role its column, of those that the input at ``place`` has.

    The ``*_col`` options win. With ``columns``, a column named exactly like a role comes before the usual names. Raises
    ``UsageError`` if a ``*_col`` option names no column, or two name the same one.
    """
    roles = Roles(_asked(ROLES, names, options, place))
    for role in ROLES:
        if role in roles.found:
            continue
        free = [name for name in names if name not in roles.found.values()]
        choices = [role] if options.columns is not None and role in free else usual(free, role)
        if role == "item" and not choices:
            choices = _lone_id(free)
        remedy = None if choices or role != "user" else _user_of_groups(names, place)
        roles.settle(role, choices, names, place, remedy or f"name it with --{role}-col")
    return roles


def _asked(
    roles: Iterable[str], names: Sequence[str], options: ReadOptions | ScoredColumns, place: str
) -> dict[str, str]:
    """The columns that the ``*_col`` options name."""
    found: dict[str, str] = {}
    for role in roles:
        name = getattr(options, f"{role}_col")
        if name is None:
            continue
        if name not in names:
            near = difflib.get_close_matches(name, names[:1000], n=1, cutoff=0.6)
            remedy = f"did you mean {near[0]!r}?" if near else f"name one of them with --{role}-col"
            raise UsageError(f"no column {name!r} (found: {listed(names)})", place=place, remedy=remedy)
        double = next((other for other, taken in found.items() if taken == name), None)
        if double is not None:
            raise UsageError(f"--{double}-col and --{role}-col both name {name!r}", remedy="give two columns")
        found[role] = name
    return found


def role_of(name: str) -> str | None:
    """The role that a column of this name has by itself: ``user`` for ``User-ID``; None for ``price``."""
    plain = plain_name(name)
    role = _ROLE_OF.get(plain) or _RARE_ROLE_OF.get(plain)
    return "time" if role is None and _STAMPED.fullmatch(plain) else role


def is_id_name(name: str) -> bool:
    """Whether only a column of ids would have this name, such as ``userId`` or ``order_id``."""
    plain = plain_name(name)
    known = role_of(name) in ("user", "item") and plain.endswith("id")
    return known or _ENDS_IN_ID.search(_RECBOLE_TYPE.sub("", name.strip())) is not None


def usual(names: Sequence[str], role: str) -> list[str]:
    """The columns of a usual name, else those of a rarer one; without one that another is plainly better than."""
    usual = [name for name in names if _ROLE_OF.get(plain_name(name)) == role]
    choices = usual or [name for name in names if role_of(name) == role]
    plain = {plain_name(name) for name in choices}
    return [name for name in choices if not any((other, plain_name(name)) in _BETTER for other in plain)]


def _user_of_groups(names: Sequence[str], place: str) -> str | None:
    """What to do where rows belong to orders or sessions, and another file has their users."""
    group = next((name for name in names if plain_name(name) in {f"{group}id" for group in _GROUPS}), None)
    if group is None:
        return None
    kind = plain_name(group).removesuffix("id")
    alone = f"take each {kind} for a user: --user-col {group}"
    if kind in ("session", "visit"):
        return f"{alone}; or join the file that has their users"
    join = f"join the file that has the users of the {kind}s"
    if place.endswith(".csv"):
        paths = [shlex.quote(path) for path in (place, posixpath.join(posixpath.dirname(place), f"{kind}s.csv"))]
        made = "p.write_table(c.read_csv(a).join(c.read_csv(b), k, join_type='inner'), o)"
        python = f'python3 -c "import sys, pyarrow.csv as c, pyarrow.parquet as p; a, b, k, o = sys.argv[1:]; {made}"'
        join += f" ({python} {' '.join(paths)} {group} log.parquet)"
    return f"{join}, or {alone}"


def _lone_id(names: Sequence[str]) -> list[str]:
    ids = [name for name in names if _ENDS_IN_ID.search(_RECBOLE_TYPE.sub("", name))]
    return [name for name in ids if plain_name(name) not in _NOT_AN_ITEM and role_of(name) is None]


def plain_name(name: str) -> str:
    """The name in lower case, letters and digits only, without RecBole's type."""
    return re.sub(r"[\W_]", "", _RECBOLE_TYPE.sub("", name.strip())).casefold()


def listed(names: Sequence[str]) -> str:
    """The names, or the first ten and how many more."""
    shown = ", ".join(name or "(unnamed)" for name in names[:_LISTED])
    return shown if len(names) <= _LISTED else f"{shown} and {len(names) - _LISTED} more"


def refuse_duplicates(names: Sequence[str], place: str) -> None:
    """Raise ``BadDataError`` if two columns have one name."""
    double = next((name for name, count in Counter(names).items() if count > 1 and name), None)
    if double is not None:
        raise BadDataError(f"two columns are named {double!r}", place=place, remedy="rename one of them")


def without_type(name: str) -> str:
    """The name of a column of RecBole's without its type."""
    return _RECBOLE_TYPE.sub("", name)


def find_compared(rule: PositiveRule, roles: Roles, names: Sequence[str], place: str) -> tuple[str, str]:
    """The role and the name of the column that decides which interactions are positives.

    The role is ``VALUE`` or ``event`` if the rule, of any kind but ``all``, names no column; else ``NUMBER``, ``NAME``
    or ``FLAG``. Raises ``UsageError`` without such a column, ``BadDataError`` if several could be the value or the
    event.
    """
    if rule.column is not None:
        return NUMBER if rule.kind == "number" else NAME, _named(rule.column, rule.is_quoted, roles, names, place)
    role = "value" if rule.kind == "number" else "event"
    if role in roles.found:
        return VALUE if role == "value" else role, roles.found[role]
    if rule.kind == "bare" and len(rule.names) == 1 and not rule.is_quoted:
        try:
            return FLAG, _named(rule.names[0], False, roles, names, place)
        except UsageError:
            pass
    if role in roles.ambiguous:
        raise roles.problems[role]
    what = f"{rule.shown} compares values, and there is no column for the values"
    remedy = "name it with --value-col, or in the rule: --positive 'NAME>=4'"
    if rule.kind == "bare":
        what = f"{rule.shown} names an event, and there is no column for the events"
        remedy = "name it with --event-col, or in the rule: --positive 'NAME=buy'"
        near = difflib.get_close_matches(rule.names[0], names[:1000], n=1, cutoff=0.6)
        if all(map(is_number, rule.names)) and "value" in roles.found:
            operator = ">=" if len(rule.names) == 1 else "="
            header = roles.found["value"]
            remedy = f"--positive {quoted_for_shell(operator + ','.join(rule.names))} compares the column {header!r}"
        elif near and len(rule.names) == 1:
            remedy = f"did you mean the column {near[0]!r}?"
    raise UsageError(f"{what} (found: {listed(names)})", place=place, remedy=remedy)


def is_number(word: str) -> bool:
    """Whether a word is written as a number."""
    return re.fullmatch(r"[+-]?([0-9]+(\.[0-9]*)?|\.[0-9]+)", word) is not None


def _named(name: str, is_exact: bool, roles: Roles, names: Sequence[str], place: str) -> str:
    """The column that a rule names: its own name, that of a role, or its own but for case and punctuation."""
    of_role = None if is_exact or name not in ROLES else roles.found.get(name)
    if name in names:
        if of_role not in (None, name):
            what = f"--positive names {name!r}, which is a column, and the {name} is the column {of_role!r}"
            remedy = f"write the one in quotes, {quoted_for_shell(chr(34) + name + chr(34))}, or the other by its name"
            raise UsageError(what, place=place, remedy=remedy)
        return name
    if of_role is not None:
        return of_role
    alike = [] if is_exact else [other for other in names if plain_name(other) == plain_name(name) != ""]
    if len(alike) == 1:
        return alike[0]
    if alike:
        what = f"--positive names {name!r}, which could be {', '.join(alike)}"
        raise UsageError(what, place=place, remedy="write the column's own name")
    if not is_exact and name in roles.ambiguous:
        raise roles.problems[name]
    folded = {other.casefold(): other for other in reversed(names[:1000])}
    near = difflib.get_close_matches(name.casefold(), folded, n=1, cutoff=0.6)
    remedy = f"did you mean {spelled_column(folded[near[0]])!r}?" if near else "name one of them in --positive"
    raise UsageError(f"no column {name!r}, which --positive names (found: {listed(names)})", place=place, remedy=remedy)


WATCHED = "watched "
"""How the role of a column begins that is looked at, and not used."""

WHERE = "where "
"""How the role of a column begins that only --where looks at; its name follows."""

CARRIED = "column "
"""How the role of a column begins whose values are read along as they are; its name follows."""

_NAMES = """
label labels target targets y ylabel ytrue outcome response feedback click clicks clicked isclick isclicked hasclicked
clk isclk like likes liked islike isliked positive ispositive relevant isrelevant relevance buy bought isbuy isbought
purchase purchased ispurchase ispurchased ordered isordered converted conversion isconverted isconversion interacted
isinteracted engaged isengaged watched iswatched isview longview isread isplay isplayed isfollow isfavorite isfavourite
"""
_WORDS = {
    **{word: ("numbers", is_positive) for word, is_positive in (("1", True), ("0", False), ("-1", False))},
    **{word: ("yes", word == "yes") for word in ("yes", "no")},
    **{word: ("y", word == "y") for word in ("y", "n")},
    **{word: ("t", word == "t") for word in ("t", "f")},
}
"""What a label may be, in small letters: which of them go together, and which one is that of a positive."""

_TRUTH = {"true": "1", "false": "0"}
_NOTHING = ("", "nan", "na", "n/a", "null", "none", r"\n")
_MOST_WORDS = 16
_OTHER = "\0"


def label_columns(names: Sequence[str], taken: Iterable[str | None]) -> tuple[str, ...]:
    """The columns that are named like labels, without those that were taken for something else."""
    others = set(taken)
    return tuple(name for name in names if name not in others and is_label(name))


def is_label(name: str) -> bool:
    """Whether a column is named like labels."""
    return plain_name(name) in _NAMES.split()


class Labels:
    """The values of a column, as long as all of them may be labels. Any thread may add some."""

    def __init__(self) -> None:
        self._words: set[str] = set()

    def look_at(self, column: pa.Array) -> None:
        """Take some rows, of any type."""
        if _OTHER not in self._words:
            self._words |= _words_of(column)

    def __ior__(self, other: Labels) -> Self:
        """Take the values of other rows."""
        self._words |= other._words
        return self

    @property
    def negatives(self) -> list[str]:
        """The labels that are not a positive's; empty if there is none, or another value."""
        if len({_kind(word) for word in self._words}) != 1 or _OTHER in self._words:
            return []
        return sorted(word for word in self._words if not _WORDS[word.casefold()][1])

    def rule(self, name: str) -> str:
        """The rule by which a column takes its positives: ``label=1``."""
        kind = _kind(next(iter(self._words)))
        positive = "1" if kind == "numbers" else kind
        spelled = sorted(word for word in self._words if word.casefold() == positive) or [positive]
        return f"{spelled_column(without_type(name))}={','.join(spelled)}"

    def held(self) -> str:
        """The values for a message: ``0 and 1``."""
        *most, last = sorted(self._words, key=lambda word: (word in self.negatives, word), reverse=True)
        return f"{', '.join(most)} and {last}" if most else f"{last} alone"


def _kind(word: str) -> str:
    return _WORDS[word.casefold()][0] if word != _OTHER else word


def _words_of(column: pa.Array) -> set[str]:
    """The distinct labels among the values, nulls left out; or that there is something else."""
    types, kind = pa.types, column.type
    if types.is_dictionary(kind):
        used = column.indices.unique().drop_null()
        return _words_of(column.dictionary.take(used)) if len(used) <= _MOST_WORDS else {_OTHER}
    numbers = (types.is_boolean, types.is_integer, types.is_floating, types.is_decimal)
    texts = (types.is_string, types.is_large_string, types.is_string_view)
    if not any(fits(kind) for fits in (*numbers, *texts)):
        return set() if types.is_null(kind) else {_OTHER}
    distinct = (column.cast(pa.float32()) if kind == pa.float16() else column).unique().drop_null()
    if len(distinct) > _MOST_WORDS:
        return {_OTHER}
    found = set()
    for text in map(str, distinct.to_pylist()):
        lower = text.strip().casefold()
        if lower in _NOTHING:
            continue
        if lower in _TRUTH:
            found.add(_TRUTH[lower])
        elif is_number(lower):
            found.add(f"{float(lower):g}" if float(lower) in (0.0, 1.0, -1.0) else _OTHER)
        else:
            found.add(text if text == text.strip() and lower in _WORDS else _OTHER)
    return {"0" if word == "-0" else word for word in found}


_USUAL = {
    "label": ("label",),
    "score": ("score", "prediction", "pred"),
    "group": ("group",),
}


@dataclass(frozen=True, kw_only=True)
class ScoredColumns:
    """The columns of a file of scores: those that options name, the others recognised."""

    user_col: str | None = None
    item_col: str | None = None
    label_col: str | None = None
    score_col: str | None = None
    group_col: str | None = None

    def find(self, names: tuple[str, ...], options: ReadOptions, place: str) -> Roles:  # noqa: ARG002
        """Give each role its column, as ``find_roles``, for ``open_log``, whose options do not name these roles."""
        named = _asked(("user", "item", *_USUAL), names, self, place)
        roles = Roles({role: named[role] for role in _USUAL if role in named})
        for role, usual in _USUAL.items():
            if role not in named:
                choices = [name for name in names if name.strip().casefold().partition(":")[0] in usual]
                remedy = f"name it with --{role}-col" + (", or give the test file: --test" if role == "label" else "")
                roles.settle(role, choices, names, place, remedy)
        others = tuple(name for name in names if name not in roles.found.values())
        pairs = find_roles(others, ReadOptions(user_col=self.user_col, item_col=self.item_col), place)
        for role in ("user", "item"):
            if role in pairs.found:
                roles.found[role] = pairs.found[role]
            elif role == "item" and "pos_item" in names:
                what = "has candidates, but no score for each"
                remedy = "give a file of user, item and score, and this one with --test"
                roles.problems[role] = BadDataError(what, place=place, remedy=remedy)
            else:
                roles.problems[role] = pairs.problems[role]
        roles.ambiguous.update(pairs.ambiguous & {"user", "item"})
        return roles
