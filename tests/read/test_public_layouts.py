"""The layouts in which public logs come: right without options, or with the ready line of the message."""

import csv
import gzip
import json
import os
import re
import subprocess
import sys
from datetime import datetime
from pathlib import Path

import pytest

import negprep
from negprep.errors import BadDataError, NegprepError


def at(text):
    """Nanoseconds of an ISO time."""
    return int(datetime.fromisoformat(text).timestamp()) * 10**9


def seconds(number):
    return number * 10**9


def lines(*rows):
    return "".join(f"{row}\n" for row in rows)


def objects(*rows):
    return lines(*map(json.dumps, rows))


REVIEW_2014 = {
    "reviewerID": "A30TL5EWN6DFXT",
    "asin": "120401325X",
    "reviewerName": "christina",
    "helpful": [0, 0],
    "reviewText": "They look good, and stick",
    "overall": 4.0,
    "summary": "Looks Good",
    "unixReviewTime": 1400630400,
    "reviewTime": "05 21, 2014",
}
REVIEW_2023 = {
    "rating": 5.0,
    "title": "Such a lovely scent",
    "text": "This spray is really nice.",
    "images": [{"small_image_url": "https://example.org/a.jpg"}],
    "asin": "B00YQ6X8EO",
    "parent_asin": "B00YQ6X8E0",
    "user_id": "AGKHLEW2SOWHNMFQIJGBECAF7INQ",
    "timestamp": 1588687728923,
    "helpful_vote": 0,
    "verified_purchase": True,
}
YELP = {
    "review_id": "KU_O5udG6zpxOg-VcAEodg",
    "user_id": "mh_-eMZ6K5RLWhZyISBhwA",
    "business_id": "XQfwVwDr-v0ZS3_CbbE5Xw",
    "stars": 3.0,
    "useful": 0,
    "text": "If you decide to eat here",
    "date": "2018-07-07 22:09:11",
}

RATED = ("user", "item", "value", "time")
AS_THEY_ARE = {
    "MovieLens 100K": (
        "u.data",
        "196\t242\t3\t881250949\n186\t302\t3\t891717742\n",
        RATED,
        [(196, 242, 3.0, seconds(881250949)), (186, 302, 3.0, seconds(891717742))],
    ),
    "MovieLens 1M": (
        "ratings.dat",
        "1::1193::5::978300760\n1::661::3::978302109\n",
        RATED,
        [(1, 1193, 5.0, seconds(978300760)), (1, 661, 3.0, seconds(978302109))],
    ),
    "MovieLens 10M": (
        "ratings.dat",
        "1::122::5::838985046\n1::185::4.5::838983525\n",
        RATED,
        [(1, 122, 5.0, seconds(838985046)), (1, 185, 4.5, seconds(838983525))],
    ),
    "MovieLens 25M": (
        "ratings.csv",
        "userId,movieId,rating,timestamp\n1,296,5.0,1147880044\n",
        RATED,
        [(1, 296, 5.0, seconds(1147880044))],
    ),
    "Amazon reviews 2014": (
        "reviews_Beauty.json",
        objects(REVIEW_2014),
        RATED,
        [("A30TL5EWN6DFXT", "120401325X", 4.0, seconds(1400630400))],
    ),
    "Amazon reviews 2023": (
        "All_Beauty.jsonl",
        objects(REVIEW_2023),
        RATED,
        [("AGKHLEW2SOWHNMFQIJGBECAF7INQ", "B00YQ6X8E0", 5.0, 1588687728923 * 10**6)],
    ),
    "Amazon ratings 2023": (
        "Beauty.csv",
        "user_id,parent_asin,rating,timestamp\nAGKHLEW2SOWHNMFQIJGBECAF7INQ,B00YQ6X8E0,5.0,1588687728923\n",
        RATED,
        [("AGKHLEW2SOWHNMFQIJGBECAF7INQ", "B00YQ6X8E0", 5.0, 1588687728923 * 10**6)],
    ),
    "Yelp": (
        "yelp_academic_dataset_review.json",
        objects(YELP),
        RATED,
        [("mh_-eMZ6K5RLWhZyISBhwA", "XQfwVwDr-v0ZS3_CbbE5Xw", 3.0, at("2018-07-07T22:09:11Z"))],
    ),
    "Book-Crossing": (
        "BX-Book-Ratings.csv",
        '"User-ID";"ISBN";"Book-Rating"\n"276725";"034545104X";"0"\n"276726";"0155061224";"5"\n',
        ("user", "item", "value"),
        [(276725, "034545104X", 0.0), (276726, "0155061224", 5.0)],
    ),
    "Retailrocket": (
        "events.csv",
        "timestamp,visitorid,event,itemid,transactionid\n"
        "1433221332117,257597,view,355908,\n1433193500981,121688,transaction,15335,11117\n",
        ("user", "item", "time", "event"),
        [
            (257597, 355908, 1433221332117 * 10**6, "view"),
            (121688, 15335, 1433193500981 * 10**6, "transaction"),
        ],
    ),
    "RecBole": (
        "ml-100k.inter",
        "user_id:token\titem_id:token\trating:float\ttimestamp:float\n196\t242\t3\t881250949\n",
        RATED,
        [(196, 242, 3.0, seconds(881250949))],
    ),
    "H&M": (
        "transactions_train.csv",
        "t_dat,customer_id,article_id,price,sales_channel_id\n2018-09-20,000058a12d5b43e6,0663713001,0.0508,2\n",
        ("user", "item", "time"),
        [("000058a12d5b43e6", "0663713001", at("2018-09-20T00:00:00Z"))],
    ),
    "Google Local": (
        "review-Alaska.json",
        objects({"user_id": "1089", "name": "A", "time": 1566331951619, "rating": 5, "gmap_id": "0x56c:0xec1"}),
        RATED,
        [(1089, "0x56c:0xec1", 5.0, 1566331951619 * 10**6)],
    ),
    "Analytics": (
        "events.csv",
        "event_timestamp,event_name,user_pseudo_id,item_id\n1611878400123456,purchase,77.16,9\n",
        ("user", "item", "time", "event"),
        [("77.16", 9, 1611878400123456 * 1000, "purchase")],
    ),
    "Online Retail": (
        "retail.csv",
        "InvoiceNo,StockCode,Quantity,InvoiceDate,CustomerID\n536365,85123A,6,2010-12-01 08:26:00,17850\n",
        RATED,
        [(17850, "85123A", 6.0, at("2010-12-01T08:26:00Z"))],
    ),
}

NO_HEADER = {
    "Amazon ratings 2014": (
        "ratings_Beauty.csv",
        lines("A39HTATAQ9V7YF,0205616461,5.0,1369699200", "A3JM6GV9MNOF9X,0558925278,3.0,1355443200"),
        "user,item,value,time",
        [
            ("A39HTATAQ9V7YF", "0205616461", 5.0, seconds(1369699200)),
            ("A3JM6GV9MNOF9X", "0558925278", 3.0, seconds(1355443200)),
        ],
    ),
    "Amazon ratings 2018": (
        "All_Beauty.csv",
        lines("0143026860,A1V6B6TNIC10QE,1.0,1424304000", "B00021DJ32,A2GJX2KCUSR0EI,4.0,1419120000"),
        "item,user,value,time",
        [
            ("A1V6B6TNIC10QE", "0143026860", 1.0, seconds(1424304000)),
            ("A2GJX2KCUSR0EI", "B00021DJ32", 4.0, seconds(1419120000)),
        ],
    ),
    "Last.fm 360K": (
        "usersha1-artmbid-artname-plays.tsv",
        lines(
            "00000c289a1829a808ac09c00daf10bc3c4e223b\t3bd73256-3905-4f3a-97e2-8b341527f805\tbetty blowtorch\t2137",
            "00001411dc427966b17297bf4d69e7e193135d89\tf2fb0ff0-5679-42ec-a55c-15109ce6e320\tdie Ärzte\t1099",
        ),
        "user,item,other1,value",
        [
            ("00000c289a1829a808ac09c00daf10bc3c4e223b", "3bd73256-3905-4f3a-97e2-8b341527f805", 2137.0),
            ("00001411dc427966b17297bf4d69e7e193135d89", "f2fb0ff0-5679-42ec-a55c-15109ce6e320", 1099.0),
        ],
    ),
    "Last.fm 360K, where an artist has no id": (
        "usersha1-artmbid-artname-plays.tsv",
        lines(
            "00000c289a1829a808ac09c00daf10bc3c4e223b\t3bd73256-3905-4f3a-97e2-8b341527f805\tbetty blowtorch\t2137",
            "00001411dc427966b17297bf4d69e7e193135d89\t\tdie Ärzte\t1099",
        ),
        "user,other1,item,value",
        [
            ("00000c289a1829a808ac09c00daf10bc3c4e223b", "betty blowtorch", 2137.0),
            ("00001411dc427966b17297bf4d69e7e193135d89", "die Ärzte", 1099.0),
        ],
    ),
    "Gowalla": (
        "Gowalla_totalCheckins.txt",
        lines(
            "0\t2010-10-19T23:55:27Z\t30.2359091167\t-97.7951395833\t22847",
            "0\t2010-10-18T22:17:43Z\t30.2691029532\t-97.7493953705\t420315",
        ),
        "user,time,other1,other2,item",
        [(0, 22847, at("2010-10-19T23:55:27Z")), (0, 420315, at("2010-10-18T22:17:43Z"))],
    ),
    "Foursquare": (
        "dataset_TSMC2014_NYC.txt",
        lines(
            "470\t49bbd6c0f964a520f4531fe3\t4bf58dd8d48988\tDeli\t40.719810\t-74.002581\t-240\t1333476009",
            "979\t4a43c0aef964a520c6a61fe3\t4bf58dd8d48988d1df941735\tBridge\t40.606800\t-74.044170\t-240\t1333476025",
        ),
        "user,item,other1,other2,other3,other4,other5,time",
        [
            (470, "49bbd6c0f964a520f4531fe3", seconds(1333476009)),
            (979, "4a43c0aef964a520c6a61fe3", seconds(1333476025)),
        ],
    ),
    "Taobao": (
        "UserBehavior.csv",
        lines("1,2268318,2520377,pv,1511544070", "1,2333346,2520771,buy,1511561733"),
        "user,item,other1,event,time",
        [(1, 2268318, seconds(1511544070), "pv"), (1, 2333346, seconds(1511561733), "buy")],
    ),
    "Million Songs": (
        "train_triplets.txt",
        lines(
            "b80344d063b5ccb3212f76538f3d9e43d87dca9e\tSOAKIMP12A8C130995\t1",
            "b80344d063b5ccb3212f76538f3d9e43d87dca9e\tSOAPDEY12A81C210A9\t3",
        ),
        "user,item,value",
        [
            ("b80344d063b5ccb3212f76538f3d9e43d87dca9e", "SOAKIMP12A8C130995", 1.0),
            ("b80344d063b5ccb3212f76538f3d9e43d87dca9e", "SOAPDEY12A81C210A9", 3.0),
        ],
    ),
    "Steam": (
        "steam-200k.csv",
        lines('151603712,"The Elder Scrolls V, Skyrim",purchase,1.0,0', "151603712,Fallout 4,play,87.0,0"),
        "user,item,event,value,other1",
        [(151603712, "The Elder Scrolls V, Skyrim", 1.0, "purchase"), (151603712, "Fallout 4", 87.0, "play")],
    ),
    "MovieLens 100K, a fold": (
        "u1.base",
        lines("1\t1\t5\t874965758", "1\t2\t3\t876893171"),
        "user,item,value,time",
        [(1, 1, 5.0, seconds(874965758)), (1, 2, 3.0, seconds(876893171))],
    ),
    "numbered rows": (
        "frame.csv",
        lines(*(f"{n},u{n % 3},i{n},2024-01-{n + 1:02}" for n in range(20))),
        "other1,user,item,time",
        [(f"u{n % 3}", f"i{n}", at(f"2024-01-{n + 1:02}T00:00:00Z")) for n in range(20)],
    ),
}


@pytest.mark.parametrize("layout", AS_THEY_ARE)
def test_read_without_options(here, read, layout):
    name, text, roles, rows = AS_THEY_ARE[layout]
    (here / name).write_text(text)
    found = read(name, roles)
    assert found.rows == rows
    assert set(found.columns) == set(roles)
    assert found.warnings == []


@pytest.mark.parametrize("pack", [None, gzip.compress], ids=["plain", "gzip"])
@pytest.mark.parametrize("layout", NO_HEADER)
def test_read_with_the_line_of_the_message(here, read, layout, pack):
    name, text, columns, rows = NO_HEADER[layout]
    (here / name).write_bytes(text.encode() if pack is None else pack(text.encode()))
    with pytest.raises(BadDataError, match=f"^{re.escape(name)}:1: there is no header") as error:
        read(name)
    (ready,) = re.findall(r"--columns (\S+)", str(error.value))
    assert ready == columns
    given = tuple(ready.split(","))
    found = read(name, [role for role in ("user", "item", "value", "time", "event") if role in given], columns=given)
    assert found.rows == rows
    assert found.warnings == []


@pytest.mark.parametrize("layout", NO_HEADER)
def test_naming_the_fields_of_the_first_row_loses_no_row(here, read, layout):
    name, text, columns, _ = NO_HEADER[layout]
    (here / name).write_text(text)
    first = next(csv.reader(text.splitlines(), delimiter="\t" if "\t" in text else ","))
    names = dict(zip(columns.split(","), first, strict=True))
    refused = r"there is no header.* in place of --user-col and --item-col$|--user-col and --item-col both name '1'"
    with pytest.raises(NegprepError, match=refused):
        read(name, user_col=names["user"], item_col=names["item"])


def shell(command, folder):
    """Run what a message says, with the Python of the tests."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    subprocess.run(command, shell=True, check=True, cwd=folder, env={**os.environ, "PATH": path})


def test_instacart(here, read):
    (here / "order_products__prior.csv").write_text(
        "order_id,product_id,add_to_cart_order,reordered\n2,33120,1,1\n2,28985,2,1\n3,33754,1,1\n"
    )
    (here / "orders.csv").write_text(
        "order_id,user_id,eval_set,order_number,days_since_prior_order\n"
        "2,202279,prior,3,8.0\n3,205970,prior,16,\n9,1,train,1,\n"
    )
    with pytest.raises(BadDataError, match=r"no column for the users .*; join the file that has the users") as error:
        read("order_products__prior.csv")
    (command,) = re.findall(r"\((python3 .*)\), or take each order for a user: --user-col order_id$", str(error.value))
    shell(command, here)
    assert sorted(read("log.parquet").rows) == [(202279, 28985), (202279, 33120), (205970, 33754)]
    assert read("order_products__prior.csv", user_col="order_id").rows == [(2, 33120), (2, 28985), (3, 33754)]


def test_sessions(read, here):
    (here / "train.csv").write_text("session_id,item_id,timestamp\n1,7,1700000000\n")
    with pytest.raises(BadDataError) as error:
        read("train.csv")
    (column,) = re.findall(r"take each session for a user: --user-col (\w+)", str(error.value))
    assert read("train.csv", user_col=column).rows == [(1, 7)]


BEHAVIORS = lines(
    "1\tU13740\t11/11/2019 9:05:58 AM\tN55189 N42782 N34694\tN55689-1 N35729-0",
    "2\tU91836\t11/12/2019 6:11:30 PM\tN31739\tN20678-0 N39317-0 N58114-1 N1-1",
    "3\tU73700\t11/14/2019 7:01:48 AM\t\tN50014-0",
)
HEADER = "impression_id\tuser_id\ttime\thistory\timpressions\n"


@pytest.mark.parametrize("form", ["behaviors.tsv", "behaviors.tsv.gz", "."])
def test_mind(here, read, form):
    """As it is: a row for each item shown; of a folder, the one file that holds them."""
    data = BEHAVIORS.encode()
    (here / ("behaviors.tsv" if form == "." else form)).write_bytes(gzip.compress(data) if "gz" in form else data)
    (here / "news.tsv").write_text("N1\tsports\tgolf\n")
    found = read(form, ("user", "item", "time"), **({"from_": "mind"} if form == "." else {}))
    pairs = [
        *[("U13740", item) for item in ("N55689", "N35729")],
        *[("U91836", item) for item in ("N20678", "N39317", "N58114", "N1")],
        ("U73700", "N50014"),
    ]
    times = [1573463158, 1573582290, 1573714908]  # date -u -d '2019-11-11 9:05:58' +%s
    assert found.rows == [(*pair, times[at] * 10**9) for pair, at in zip(pairs, (0, 0, 1, 1, 1, 1, 2), strict=True)]
    drawn = {"sampler": "impression", "group_col": "impression", "num_neg": 3}
    rows = negprep.train(form, from_="mind", positive="click=1", holdout="none", **drawn).to_pylist()
    assert {(row["user"], row["source"]) for row in rows} == {
        (user, source) for user in ("U13740", "U91836") for source in ("positive", "impression")
    }
    with pytest.raises(BadDataError, match=r"column 'click' holds 0 and 1, .*; choose --positive 'click=1'"):
        negprep.train(form, from_="mind")


def test_mind_with_a_header(here, read):
    form, text = "with a header.tsv", HEADER + BEHAVIORS
    (here / form).write_text(text)
    with pytest.raises(BadDataError, match=r"column 5 lists items, .*\(N55689-1 N35729-0\)") as error:
        read(form)
    found = re.fullmatch(r".*; write a row for each: (.*), and give (.*) with --weak (.*)", str(error.value))
    command, clicks, shown = found.groups()
    shell(command, here)
    assert read(clicks).rows == [("U13740", "N55689"), ("U91836", "N58114"), ("U91836", "N1")]
    assert read(shown).rows == [
        ("U13740", "N35729"),
        ("U91836", "N20678"),
        ("U91836", "N39317"),
        ("U73700", "N50014"),
    ]
    assert (here / clicks).read_text().splitlines()[:2] == ["user\titem\ttime", "U13740\tN55689\t11/11/2019 9:05:58 AM"]


def test_mind_whose_lists_are_named_items_is_refused(here, read):
    (here / "behaviors.tsv").write_text(BEHAVIORS)
    with pytest.raises(BadDataError, match="column 5 lists items"):
        read("behaviors.tsv", columns=("n", "user", "time", "history", "item"))
    (here / "named.tsv").write_text(HEADER + BEHAVIORS)
    with pytest.raises(BadDataError, match="column 5 lists items"):
        read("named.tsv", item_col="impressions")


def test_lists_without_labels(here, read):
    (here / "history.tsv").write_text("U1\tN1 N2 N3\nU2\tN4\nU3\tN2 N5\n")
    with pytest.raises(BadDataError, match="column 2 lists items") as error:
        read("history.tsv")
    command, made = re.fullmatch(r".*; write a row for each: (.*), and give (\S+)", str(error.value)).groups()
    shell(command, here)
    wanted = [("U1", "N1"), ("U1", "N2"), ("U1", "N3"), ("U2", "N4"), ("U3", "N2"), ("U3", "N5")]
    assert read(made).rows == wanted
