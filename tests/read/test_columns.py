"""Which names are recognised."""

import pytest

from negprep.errors import BadDataError
from negprep.options.reading import ReadOptions
from negprep.read.columns import find_roles, refuse_duplicates

HEADERS = {
    "userId,movieId,rating,timestamp": "userId movieId timestamp rating -",
    "User_ID,Anime_ID,Feedback": "User_ID Anime_ID - Feedback -",
    "visitorid,itemid,event": "visitorid itemid - - event",
    "timestamp,visitorid,event,itemid,transactionid": "visitorid itemid timestamp - event",
    "reviewerID,asin,overall,unixReviewTime,reviewTime": "reviewerID asin unixReviewTime overall -",
    "user_id:token,item_id:token,rating:float,ts:float": "user_id:token item_id:token ts:float rating:float -",
    "uid,sid,ts": "uid sid ts - -",
    "USER ID,Product-Id,Date,Count,Type": "USER ID Product-Id Date Count Type",
    "user,session_id,hotel_id": "user hotel_id - - -",
    "user_id,wineId,price": "user_id wineId - - -",
    "user,city_id,hotel_id": "user - - - -",
    "user,avid,paid": "user - - - -",
    ",user,item": "user item - - -",
    "user,item,rating,score": "user item - - -",
}


@pytest.mark.parametrize(("header", "wanted"), HEADERS.items(), ids=HEADERS)
def test_recognised(header, wanted):
    found = find_roles(header.split(","), ReadOptions(), "log").found
    shown = [found.get(role, "-") for role in ("user", "item", "time", "value", "event")]
    assert " ".join(shown) == wanted


def test_options_win_and_take_the_column_from_other_roles():
    options = ReadOptions(user_col="item_id", item_col="user_id")
    found = find_roles(["user_id", "item_id"], options, "log").found
    assert found == {"user": "item_id", "item": "user_id"}


@pytest.mark.parametrize(
    ("names", "wanted"),
    [
        ("userId,movieId,ts", "userId movieId ts - -"),
        ("user,item,value,rating,time,date", "user item time value -"),
        ("uid,user,wineId", "user wineId - - -"),
        ("user,item,ts,date", "user item - - -"),
    ],
)
def test_columns_are_recognised_by_their_own_names_first(names, wanted):
    columns = tuple(names.split(","))
    found = find_roles(columns, ReadOptions(columns=columns), "log").found
    assert " ".join(found.get(role, "-") for role in ("user", "item", "time", "value", "event")) == wanted


def test_an_ambiguous_role_that_is_not_needed_waits():
    roles = find_roles(["user", "item", "rating", "score"], ReadOptions(), "log")
    problem = roles.problems["value"]
    assert roles.ambiguous == {"value"}
    assert str(problem) == "log: more than one column could be the value: rating, score; choose with --value-col"


def test_a_long_list_of_columns_is_cut():
    problem = find_roles([f"c{n}" for n in range(10_000)], ReadOptions(), "log").problems["user"]
    listed = ", ".join(f"c{n}" for n in range(10))
    assert str(problem) == f"log: no column for the users (found: {listed} and 9990 more); name it with --user-col"


def test_duplicates():
    refuse_duplicates(["a", "", ""], "log")
    with pytest.raises(BadDataError, match="two columns are named 'a'"):
        refuse_duplicates(["a", "b", "a"], "log")
