"""What is told of a log: the record of its facts."""

from __future__ import annotations

from dataclasses import dataclass, field

from negprep.inspecting.contents import Events, Values
from negprep.inspecting.degrees import Degrees


@dataclass(frozen=True)
class Times:
    """The time column.

    Attributes
    ----------
    first, last : str
        ISO 8601, in UTC.
    seconds : float
        Between them.
    tied_users : int
        Users whose latest time is that of two of their items or more.
    """

    first: str
    last: str
    seconds: float
    tied_users: int


@dataclass(frozen=True)
class Most:
    """Who has most of something: an id, and how many."""

    id: int | str
    count: int


@dataclass(frozen=True)
class FloatIds:
    """Ids that are written like floats.

    Attributes
    ----------
    count : int
        How many of the distinct ids.
    twins : int
        How many of them are there without their fraction, too.
    example : str or None
        One of them.
    """

    count: int
    twins: int
    example: str | None


@dataclass(frozen=True, kw_only=True)
class LogFacts:
    """What a log holds.

    Attributes
    ----------
    columns : dict of str to str
        Role to the header of its column.
    rows_read : int
    rows_dropped : dict of str to int
        Reason and rows, with ``drop_invalid``.
    rows : int
        Those that are left.
    users, items, pairs : int
        Distinct ones.
    duplicates : int
        Rows less pairs.
    density : float
        Pairs per user and item.
    user_degrees, item_degrees : Degrees
        Distinct items of each user, distinct users of each item.
    nearly_all_users : int
        Users with at least nine tenths of all items.
    top_item : Most
        The item with most users (the first by id of several), and its users.
    top_user : Most
        The user with most rows, and these.
    float_users, float_items : FloatIds
    times : Times or None
    values : Values or None
    events : Events or None
    unusable : tuple of str
        Why a column that there is, or may be, was not looked at.
    labels : dict of str to str
        Columns of labels such as 0 and 1, not all of which are a positive's, and the rule that takes those which are.
    """

    columns: dict[str, str]
    rows_read: int
    rows_dropped: dict[str, int]
    rows: int
    users: int
    items: int
    pairs: int
    duplicates: int
    density: float
    user_degrees: Degrees
    item_degrees: Degrees
    nearly_all_users: int
    top_item: Most
    top_user: Most
    float_users: FloatIds
    float_items: FloatIds
    times: Times | None
    values: Values | None = None
    events: Events | None = None
    unusable: tuple[str, ...] = ()
    labels: dict[str, str] = field(default_factory=dict)
