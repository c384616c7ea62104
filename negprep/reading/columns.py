"""Which column of a log is the user, the item, the time, the value and the event."""

from __future__ import annotations

import difflib
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from negprep.errors import BadDataError, NegprepError, UsageError
from negprep.options import ReadOptions

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
_ROLE_OF = {name: role for role, names in _KNOWN.items() for name in names.split()}
_RECBOLE_TYPE = re.compile(r":(token|float)(_seq)?$")
_ENDS_IN_ID = re.compile(r"[^\W_]([_\-. ](id|ID|Id)|(?<=[a-z\d])I[dD])$")
# Ids of the row itself, or of a group of rows.
_GROUPS = ("session", "order", "transaction", "event", "request", "review", "row", "category")
_NOT_AN_ITEM = {f"{group}id" for group in _GROUPS}
_LISTED = 10


@dataclass(frozen=True)
class Roles:
    """What was recognised.

    Attributes
    ----------
    found : dict of str to str
        Role to the log's own name of the column.
    problems : dict of str to NegprepError
        Why each other role has none, to be raised where it is needed.
    ambiguous : set of str
        Those of the other roles that more than one column could have.
    """

    found: dict[str, str]
    problems: dict[str, NegprepError]
    ambiguous: set[str]


def find_roles(names: Sequence[str], options: ReadOptions, place: str) -> Roles:
    """Give each role its column.

    Parameters
    ----------
    names : sequence of str
        The columns of the log.
    options : ReadOptions
        The ``*_col`` options win. With ``columns``, a column named exactly like a role comes before the usual names.
    place : str
        The input, for messages.

    Raises
    ------
    UsageError
        A ``*_col`` option names no column, or two name the same one.
    """
    found = _asked(names, options, place)
    problems: dict[str, NegprepError] = {}
    ambiguous: set[str] = set()
    for role in ROLES:
        if role in found:
            continue
        free = [name for name in names if name not in found.values()]
        choices = [role] if options.columns is not None and role in free else []
        choices = choices or [name for name in free if _ROLE_OF.get(_plain(name)) == role]
        if role == "item" and not choices:
            choices = _lone_id(free)
        if len(choices) == 1:
            found[role] = choices[0]
        elif choices:
            what = f"more than one column could be the {role}: {', '.join(choices)}"
            problems[role] = BadDataError(what, place=place, remedy=f"choose with --{role}-col")
            ambiguous.add(role)
        else:
            what = f"no column for the {role}s (found: {listed(names)})"
            problems[role] = BadDataError(what, place=place, remedy=f"name it with --{role}-col")
    return Roles(found, problems, ambiguous)


def known_role(name: str) -> str | None:
    """The role that a column of this name usually has."""
    return _ROLE_OF.get(_plain(name))


def _asked(names: Sequence[str], options: ReadOptions, place: str) -> dict[str, str]:
    found: dict[str, str] = {}
    for role in ROLES:
        name = getattr(options, f"{role}_col")
        if name is None:
            continue
        if name not in names:
            near = difflib.get_close_matches(name, names[:1000], n=1, cutoff=0.6)
            remedy = f"did you mean {near[0]!r}?" if near else f"name one of them with --{role}-col"
            raise UsageError(f"no column {name!r} (found: {listed(names)})", place=place, remedy=remedy)
        double = next((other for other, taken in found.items() if taken == name), None)
        if double is not None:
            raise UsageError(f"--{double}-col and --{role}-col both name {name!r}")
        found[role] = name
    return found


def _lone_id(names: Sequence[str]) -> list[str]:
    ids = [name for name in names if _ENDS_IN_ID.search(_RECBOLE_TYPE.sub("", name))]
    return [name for name in ids if _plain(name) not in _NOT_AN_ITEM and _plain(name) not in _ROLE_OF]


def _plain(name: str) -> str:
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
