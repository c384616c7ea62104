"""Recipes: each reads its data set as its authors wrote it, and cites where its figures are published."""

from __future__ import annotations

import hashlib
import json
import re
import subprocess
import tomllib
from pathlib import Path
from typing import NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import negprep
from negprep.errors import NegprepWarning, UsageError
from negprep.options.commands import takes
from negprep.options.config import read_options, read_recipe, recipe_names
from negprep.options.options import Options, ReadOptions

FOLDER = Path(negprep.__file__).parent / "recipes"
NAMES = recipe_names()


class Data(NamedTuple):
    """A small data set: its file, and what is in it: positives, weak pairs, and the latest positive of a user."""

    file: str
    text: str | bytes
    positives: set
    weak: int = 0
    last: tuple = ()


MOVIES = "userId,movieId,rating,timestamp\r\n1,2,3.5,1112486027\r\n1,29,4.0,1112484676\r\n1,32,4.5,1112484819\r\n"
CHECK_INS = "0\t2010-10-19T23:55:27Z\t30.2359091167\t-97.7951395833\t{0}\n0\t2010-10-18T22:17:43Z\t30.26\t-97.76\t{1}\n"
DATA = {
    "movielens-100k": Data(
        "u.data",
        "196\t242\t3\t881250949\n196\t302\t4\t891717742\n22\t377\t5\t878887116\n",
        {(196, 302), (22, 377)},
        1,
    ),
    "movielens-1m": Data(
        "ratings.dat",
        "1::1193::5::978300760\n1::661::1::978302109\n2::1193::3::978298413\n",
        {(1, 1193), (1, 661), (2, 1193)},
        0,
        (1, 661),
    ),
    "movielens-10m": Data(
        "ratings.dat",
        "1::122::5::838985046\n1::185::3.5::838983525\n2::231::4.5::838983392\n",
        {(1, 122), (2, 231)},
        1,
    ),
    "movielens-20m": Data(
        "ratings.csv",
        MOVIES + "".join(f"2,{item},4.0,{item}\n" for item in range(1, 6)) + "2,9,1,9\n",
        {(2, item) for item in range(1, 6)},
        1,
        (2, 5),
    ),
    "movielens-25m": Data(
        "ratings.csv",
        MOVIES,
        {(1, 29), (1, 32)},
        1,
        (1, 32),
    ),
    "movielens-32m": Data(
        "ratings.csv",
        b"\xef\xbb\xbf" + MOVIES.encode(),
        {(1, 29), (1, 32)},
        1,
        (1, 32),
    ),
    "amazon-2014": Data(
        "ratings_Baby.csv",
        "A9,B001,5.0,1203379200\nA9,B002,2.0,1203379300\nA8,B001,1.0,1203379200\n",
        {("A8", "B001"), ("A9", "B001"), ("A9", "B002")},
        0,
        ("A9", "B002"),
    ),
    "amazon-2018": Data(
        "Toys.csv",
        "B001,A9,5.0,1203379200\nB002,A9,2.0,1203379300\nB001,A8,1.0,1203379200\n",
        {("A8", "B001"), ("A9", "B001"), ("A9", "B002")},
        0,
        ("A9", "B002"),
    ),
    "amazon-2023": Data(
        "Toys.csv",
        "user_id,parent_asin,rating,timestamp\n"
        "AG,B006,3.0,1452647382000\n"
        "AG,B004,4.0,1454675785000\n"
        "AH,B006,1.0,1454675785000\n",
        {("AG", "B004"), ("AG", "B006"), ("AH", "B006")},
        0,
        ("AG", "B004"),
    ),
    "yelp": Data(
        "yelp_academic_dataset_review.json",
        '{"review_id":"r1","user_id":"u_-1","business_id":"b1","stars":3.0,"useful":0,'
        '"text":"Say \\"hi\\", {really}\\n","date":"2018-07-07 22:09:11"}\n'
        '{"review_id":"r2","user_id":"u_-1","business_id":"b2","stars":1.0,"useful":1,'
        '"text":"","date":"2012-01-03 15:28:18"}\n',
        {("u_-1", "b1"), ("u_-1", "b2")},
        0,
        ("u_-1", "b1"),
    ),
    "gowalla": Data(
        "loc-gowalla_totalCheckins.txt",
        CHECK_INS.format(22847, 420315) + "1\t2010-05-22T02:49:04Z\t40.1\t-73.9\t22847\n",
        {(0, 22847), (0, 420315), (1, 22847)},
        0,
        (0, 22847),
    ),
    "brightkite": Data(
        "loc-brightkite_totalCheckins.txt",
        CHECK_INS.format("88c46bf20db2", "7a0f88982aa0") + "1\t\t\t\t\n",
        {(0, "7a0f88982aa0"), (0, "88c46bf20db2")},
        0,
        (0, "88c46bf20db2"),
    ),
    "lastfm-360k": Data(
        "usersha1-artmbid-artname-plays.tsv",
        "00000c2\t3bd73256\tbetty blowtorch\t2137\n"
        '00000c2\t\tdie "ärzte\t1099\n'
        "00001411\tf2fb0ff0\tBjörk, live\t10\n"
        "00001411\t\t\t3\n",
        {("00000c2", "betty blowtorch"), ("00000c2", 'die "ärzte'), ("00001411", "Björk, live")},
    ),
    "hetrec-lastfm": Data(
        "user_artists.dat",
        "userID\tartistID\tweight\r\n2\t51\t13883\r\n2\t52\t11690\r\n3\t51\t1\r\n",
        {(2, 51), (2, 52), (3, 51)},
    ),
    "book-crossing": Data(
        "BX-Book-Ratings.csv",
        b'"User-ID";"ISBN";"Book-Rating"\r\n'
        b'"276725";"034545104X";"0"\r\n'
        b'"276726";"0155061224";"5"\r\n'
        b'"276726";"\\"0330";"0"\r\n'
        b'"276727";"\xb4X;3";"0"\r\n',
        {(276725, "034545104X"), (276726, '"0330'), (276726, "0155061224"), (276727, "´X;3")},
    ),
    "steam": Data(
        "australian_users_items.json",
        "{'user_id': \"o'neil\", 'items_count': 2, 'steam_id': '7656',"
        " 'items': [{'item_id': '10', 'item_name': 'Counter-Strike',"
        " 'playtime_forever': 6, 'playtime_2weeks': 0}, {'item_id': '20',"
        " 'item_name': u'Team, Fortress', 'playtime_forever': 0, 'playtime_2weeks': 0}]}\n"
        "{'user_id': 'js', 'items_count': 0, 'steam_id': '1', 'items': []}\n"
        "{'user_id': 'k', 'items_count': 1, 'steam_id': '2', 'items': [{'item_id': '10',"
        " 'playtime_forever': 5}]}\n",
        {("o'neil", 10), ("o'neil", 20), ("k", 10)},
    ),
    "retailrocket": Data(
        "events.csv",
        "timestamp,visitorid,event,itemid,transactionid\n"
        "1433221332117,257597,view,355908,\n"
        "1433224214164,257597,transaction,248676,4000\n"
        "1433224244282,287857,transaction,248676,4001\n"
        "1433224214999,287857,addtocart,5206,\n",
        {(257597, 248676), (287857, 248676)},
        2,
    ),
    "taobao": Data(
        "UserBehavior.csv",
        "1,2268318,2520377,pv,1511544070\n"
        "1,2333346,2520771,buy,1511561733\n"
        "1,2333347,2520771,buy,1511561734\n"
        "2,2268318,2520377,fav,1511544071\n"
        "2,2333346,2520377,cart,1511544072\n"
        "2,9,7,buy,1511544073\n",
        {(1, 2333346), (1, 2333347), (2, 9)},
        3,
        (1, 2333347),
    ),
    "mind-small": Data(
        "MINDsmall_train/behaviors.tsv",
        "1\tU13740\t11/11/2019 9:05:58 AM\tN55189 N42782\tN55689-1 N35729-0\n"
        "2\tU91836\t11/12/2019 6:11:30 PM\t\tN20678-0 N39317-1 N55689-1\n"
        "3\tU13740\t11/12/2019 1:00:00 AM\tN5\tN7-1\n",
        {("U13740", "N55689"), ("U13740", "N7"), ("U91836", "N39317"), ("U91836", "N55689")},
        2,
        ("U13740", "N7"),
    ),
    "hm": Data(
        "transactions_train.csv",
        "t_dat,customer_id,article_id,price,sales_channel_id\n"
        "2018-09-20,000058a1,0663713001,0.0508,2\n"
        "2018-09-24,000058a1,0541518023,0.0304,2\n"
        "2018-09-20,00007d2d,0505221004,0.0152,2\n",
        {("000058a1", "0541518023"), ("000058a1", "0663713001"), ("00007d2d", "0505221004")},
        0,
        ("000058a1", "0541518023"),
    ),
    "otto": Data(
        "train.jsonl",
        '{"session":42,"events":[{"aid":0,"ts":1661200010000,"type":"clicks"},{"aid":2,'
        '"ts":1661200080000,"type":"orders"}]}\n'
        '{"session":43,"events":[{"aid":2,"ts":1661200040000,"type":"carts"}]}\n',
        {(42, 0), (42, 2), (43, 2)},
        0,
        (42, 2),
    ),
    "citeulike-a": Data(
        "users.dat",
        "2 496 3559\n0\n1 3559\n",
        {(0, 3559), (0, 496), (2, 3559)},
    ),
    "pinterest": Data(
        "pinterest/pinterest-20.train.rating",
        "0\t12\t1\t0\n0\t76\t1\t0\n1\t12\t1\t0\n",
        {(0, 12), (0, 76), (1, 12)},
    ),
    "kuairec": Data(
        "big_matrix.csv",
        "user_id,video_id,play_duration,video_duration,time,date,timestamp,watch_ratio\n"
        "0,3649,13838,10867,2020-07-05 00:08:23.438,20200705,1593878903.438,1.273397\n"
        "0,9598,33665,10984,2020-07-05 00:13:41.297,20200705,1593879221.297,3.06\n"
        "0,5262,851,423,2020-07-05 00:16:06.687,20200705,1593879366.687,2.01\n"
        "1,9598,2,1,2020-07-05 00:16:06.687,20200705,1593879366.687,2.0\n",
        {(0, 5262), (0, 9598)},
        2,
        (0, 5262),
    ),
    "tmall": Data(
        "ijcai2016_taobao.csv",
        "use_ID,sel_ID,ite_ID,cat_ID,act_ID,time\n"
        "1980536,9666,1348067,1,0,20150826\n"
        "1980536,9666,1348068,1,1,20150826\n"
        "1980536,9666,1348069,1,1,20150901\n"
        "3,9666,1348067,1,1,20150826\n",
        {(1980536, 1348068), (1980536, 1348069), (3, 1348067)},
        1,
        (1980536, 1348069),
    ),
    "yoochoose": Data(
        "yoochoose-clicks.dat",
        "1,2014-04-07T10:51:09.277Z,214536502,0\n"
        "1,2014-04-07T10:54:09.868Z,214536500,S\n"
        "2,2014-04-07T13:56:37.614Z,214662742,0\n",
        {(1, 214536500), (1, 214536502), (2, 214662742)},
        0,
        (1, 214536500),
    ),
}


def write(name, folder):
    """INPUT of a recipe in a folder: as downloaded, converted where the recipe says so."""
    data = DATA[name]
    path = folder / data.file
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(data.text.encode() if isinstance(data.text, str) else data.text)
    recipe = read_recipe(name)
    if recipe.convert:
        subprocess.run(["sh", "-c", recipe.convert], cwd=folder, check=True)
        return folder / recipe.files[0]
    return path.parent if name == "pinterest" else path


def positives_of(rows):
    table = rows.filter(pa.compute.equal(rows["label"], 1))
    return set(zip(table["user"].to_pylist(), table["item"].to_pylist(), strict=True))


def test_every_recipe_is_tried():
    assert set(DATA) == set(NAMES)
    assert len(NAMES) >= 20


@pytest.mark.filterwarnings("ignore::negprep.NegprepWarning")
@pytest.mark.parametrize("name", NAMES)
def test_a_data_set_is_read_as_its_authors_wrote_it(name, tmp_path):
    path, data = write(name, tmp_path), DATA[name]
    if name == "pinterest":
        (path / "pinterest-20.test.rating").write_text("1\t9\t1\t0\n")
        data = data._replace(positives=data.positives | {(1, 9)})
        (path / "pinterest-20.test.negative").write_text("(1,9)\t76\n")
    rows = negprep.train(path, recipe=name, holdout="none", num_neg=1)
    assert positives_of(rows) == data.positives
    if data.last:
        held = negprep.test(path, recipe=name, num_neg=1, holdout="last")
        user = data.last[0]
        assert {pair for pair in positives_of(held) if pair[0] == user} == {data.last}
    output = tmp_path / "out.parquet"
    negprep.train(path, output, recipe=name, holdout="none")
    facts = json.loads(pq.read_metadata(output).metadata[b"negprep"])
    assert (facts["recipe"], facts["counts"]["weak"]) == (name, data.weak)
    found = negprep.verify(output, path, recipe=name)
    assert not found.failed


@pytest.mark.parametrize("name", NAMES)
def test_every_figure_has_its_source(name):
    document = tomllib.loads((FOLDER / f"{name}.toml").read_text(encoding="utf-8"))
    sources = document["recipe"]["sources"]
    cited = {"columns", *document.get("expected", {})}
    # That everything counts is what the data are like, where they hold nothing else; a choice is somebody's.
    cited |= {key for key, value in document.get("positives", {}).items() if value != "all"}
    assert cited <= set(sources)
    assert set(sources) <= cited | {"positive"}
    assert all(re.fullmatch(r"https?://\S+", url) for url in [document["recipe"]["url"], *sources.values()])
    assert document["recipe"]["name"] == name
    assert document["recipe"]["title"]
    assert document["recipe"]["files"]


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("command", ["train", "test", "fit", "verify", "report", "inspect"])
def test_the_options_of_a_recipe_are_those_of_every_command(name, command):
    found = read_options(command, None, name)
    assert set(found.values) <= set(takes(command))
    read = {key: value for key, value in found.values.items() if key in ReadOptions.__dataclass_fields__}
    ReadOptions(**read)
    if command in ("train", "test"):
        rest = {key: value for key, value in found.values.items() if key not in read}
        Options(command=command, **rest)


LOG = "user,item,rating,time\n1,10,5,1\n1,11,2,2\n2,10,4,3\n2,12,5,4\n"
MINE = """\
[recipe]
name = "mine"
title = "My own"
sources.rows = "https://example.org"

[positives]
positive = "rating>=4"

[expected]
{expected}
"""


def mine(folder, expected=""):
    (folder / "log.csv").write_text(LOG)
    recipe = folder / "mine.toml"
    recipe.write_text(MINE.format(expected=expected))
    return folder / "log.csv", recipe


RIGHT = {
    "rows": "rows = 4",
    "users": "users = 2",
    "items": "items = 3",
    "positives": "positives = 3",
    "sha256": f'sha256."log.csv" = "{hashlib.sha256(LOG.encode()).hexdigest()}"',
    "md5": f'md5."log.csv" = "{hashlib.md5(LOG.encode()).hexdigest()}"',
    "another file": f'md5."log.csv.gz" = "{"0" * 32}"',
}
WRONG = {
    "rows": ("rows = 5", "log.csv: 4 rows, where the recipe mine expects 5"),
    "users": ("users = 1_000", "log.csv: 2 users, where the recipe mine expects 1,000"),
    "items": ("items = 4", "log.csv: 3 items, where the recipe mine expects 4"),
    "positives": ("positives = 4", "log.csv: 3 positives, where the recipe mine expects 4"),
    "sha256": (f'sha256."log.csv" = "{"0" * 64}"', f"where the recipe mine expects {'0' * 64}"),
    "md5": (f'md5."log.csv" = "{"0" * 32}"', f"where the recipe mine expects {'0' * 32}"),
}


@pytest.mark.parametrize("figure", RIGHT)
def test_a_log_as_published_gives_no_warning(figure, tmp_path, recwarn):
    log, recipe = mine(tmp_path, RIGHT[figure])
    negprep.train(log, recipe=recipe, num_neg=1, strict=True)
    assert [each for each in recwarn if "recipe" in str(each.message)] == []


@pytest.mark.parametrize("figure", WRONG)
@pytest.mark.parametrize("command", ["train", "test", "inspect", "verify", "fit"])
def test_a_log_that_differs_is_warned_of(command, figure, tmp_path):
    expected, message = WRONG[figure]
    log, recipe = mine(tmp_path, expected)
    output = tmp_path / "out.parquet"
    if command == "verify":
        negprep.train(log, output, positive="rating>=4")
        warnings = negprep.verify(output, log, recipe=recipe).warnings
    elif command == "inspect":
        warnings = negprep.inspect(log, recipe=recipe).warnings
    elif command == "fit":
        warnings = negprep.fit(log, tmp_path / "m.npz", kind="rns", recipe=recipe, epochs=1, factors=2).warnings
    else:
        with pytest.warns(NegprepWarning) as caught:
            getattr(negprep, command)(log, output, recipe=recipe, num_neg=1)
        warnings = [str(each.message) for each in caught]
        with pytest.raises(negprep.BadDataError, match="recipe mine expects"):
            getattr(negprep, command)(log, output, recipe=recipe, num_neg=1, strict=True)
    found = [each for each in warnings if "recipe mine" in each]
    if figure == "positives" and command in ("verify", "fit"):
        assert found == []  # they do not count all of them
    else:
        assert [message in each for each in found] == [True]


def test_positives_are_compared_by_the_rule_of_the_recipe_alone(tmp_path, recwarn):
    log, recipe = mine(tmp_path, "positives = 4")
    negprep.train(log, recipe=recipe, num_neg=1, positive="all")
    assert [each for each in recwarn if "recipe mine" in str(each.message)] == []


def test_without_a_recipe_nothing_changes(tmp_path):
    log, recipe = mine(tmp_path, "rows = 4")
    outputs = []
    for number, given in enumerate(({"positive": "rating>=4"}, {"recipe": recipe})):
        outputs.append(tmp_path / f"{number}.parquet")
        negprep.train(log, outputs[-1], num_neg=1, **given)
    plain, told = (pq.read_metadata(path).metadata[b"negprep"].decode() for path in outputs)
    assert told.replace(', "recipe": "mine"', "") == plain
    assert pq.read_table(outputs[0]).equals(pq.read_table(outputs[1]))


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("movielens1m", "there is no recipe 'movielens1m'; did you mean movielens-1m? negprep recipes lists them"),
        ("xyz", "there is no recipe 'xyz'; negprep recipes lists them; a file ends in .toml"),
        ("nowhere.toml", "nowhere.toml: cannot be read: No such file or directory"),
        ("", "--recipe is ''; give a file"),
        ("-", "--recipe is '-'; give a file"),
    ],
)
def test_an_unknown_recipe_is_refused(name, message, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UsageError) as caught:
        read_options("train", None, name)
    assert str(caught.value).startswith(message)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[read]\n", "there is no table [recipe]; add it, with a name, or give the file with --config"),
        ('recipe = "x"\n', "recipe is 'x', not a table"),
        ("[recipe]\n", "[recipe] has no name"),
        ("[recipe]\nname = 1\n", "[recipe] name is 1; give a string"),
        ('[recipe]\nname = "x"\nnmae = "y"\n', "[recipe] has no 'nmae'; did you mean name?"),
        ('[recipe]\nname = "x"\nfiles = [1]\n', "a name in [recipe] files is 1; give a string"),
        ('[recipe]\nname = "x"\nfiles = 1\n', "[recipe] files is 1; give a list of names"),
        ('[recipe]\nname = "x"\nsources = ["y"]\n', "[recipe] sources is ['y']"),
        ('[recipe]\nname = "x"\nsources.rows = 1\n', "[recipe.sources] rows is 1; give a URL"),
        ('[recipe]\nname = "x"\n[expected]\nrow = 1\n', "[expected] has no 'row'; did you mean rows?"),
        ('[recipe]\nname = "x"\n[expected]\nrows = -1\n', "[expected] rows is -1; give a whole number"),
        ('[recipe]\nname = "x"\n[expected]\nrows = true\n', "[expected] rows is True; give a whole number"),
        ('[recipe]\nname = "x"\n[expected]\nrows = 1.5\n', "[expected] rows is 1.5; give a whole number"),
        ('[recipe]\nname = "x"\n[expected]\nmd5 = "0"\n', "[expected] md5 is '0'"),
        ('[recipe]\nname = "x"\n[expected.md5]\na = "0"\n', "[expected.md5] a is '0'; give 32 hexadecimal digits"),
        ('[recipe]\nname = "x"\n[expected.sha256]\na = 0\n', "[expected.sha256] a is 0; give 64 hexadecimal digits"),
        ('[recipe]\nname = "x"\n[expectd]\n', "there is no table [expectd]; did you mean expected?"),
        ('[recipe]\nname = "x"\n[read]\nusr_col = "a"\n', "[read] has no option 'usr_col'; did you mean user_col?"),
    ],
)
def test_a_recipe_that_is_not_one_is_refused(text, message, tmp_path):
    path = tmp_path / "mine.toml"
    path.write_text(text)
    with pytest.raises(UsageError) as caught:
        read_options("train", None, path)
    assert str(caught.value).startswith(f"{path}: {message}")
    assert "\n" not in str(caught.value)
