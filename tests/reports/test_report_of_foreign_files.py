"""Files that others wrote have a page too, as far as they say what they are."""

from __future__ import annotations

import gzip

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pages import write

FILES = {
    "x.test.negative": "(0,25)\t1\t2\t3\n(1,7)\t2\t3\t25\n",
    "x.test.rating": "0\t25\t5\t978824351\n1\t7\t4\t978824351\n",
    "x.train.inter": "user_id:token\titem_id:token\tlabel:float\n0\t25\t1\n0\t1\t0\n1\t7\t1\n1\t2\t0\n",
    "plain.csv": "user,item,label\na,x,1\na,y,0\nb,y,1\nb,x,0\n",
    "pairs.tsv": "user\tpos_item\tneg_item\na\tx\ty\na\tx\tz\nb\ty\tz\n",
}
TOLD = {
    "x.test.negative": [
        "By others · NCF&#39;s .negative",
        "2 held-out items of 2 users and 6 negatives",
        "All 2 users have 3",
    ],
    "x.test.rating": ["By others · NCF&#39;s .rating", "It has no negatives", "Positives per user"],
    "x.train.inter": ["By others · RecBole&#39;s .inter", "2 positives of 2 users and 2 negatives"],
    "plain.csv": ["By others · a table as text", "It does not record how", "Place of the holdout"],
    "pairs.tsv": ["2 positives of 2 users and 3 negatives", "50.0\u00a0% of the 2 users have 1, the usual number"],
}


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("packed", [False, True])
def test_files_of_others_have_a_page(tmp_path, name, packed):
    path = tmp_path / (f"{name}.gz" if packed else name)
    path.write_bytes(gzip.compress(FILES[name].encode()) if packed else FILES[name].encode())
    text = write([path], tmp_path / "page.html")
    for words in TOLD[name]:
        assert words in text
    assert "Options and versions" not in text


def test_a_file_says_what_it_is_for_in_its_options(tmp_path):
    (tmp_path / "plain.csv").write_text("user,item,label\na,x,1\na,y,0\na,z,1\na,w,0\n")
    page = tmp_path / "page.html"
    assert "Holdouts" not in write([tmp_path / "plain.csv"], page)
    (tmp_path / "plain.csv").rename(tmp_path / "x.test.csv")
    assert "Holdouts" in write([tmp_path / "x.test.csv"], page)


LABELS = {"no positive": [0, 0, 0], "no negative": [1, 1, 1], "one row": [1], "one negative": [0], "others": [2, -1, 0]}


@pytest.mark.parametrize("labels", LABELS)
def test_files_of_one_kind_of_row_have_a_page(tmp_path, labels):
    path, size = tmp_path / "x.test.parquet", len(LABELS[labels])
    pq.write_table(pa.table({"user": [1] * size, "item": list(range(size)), "label": LABELS[labels]}), path)
    text = write([path], tmp_path / "page.html")
    assert "nan" not in text
    assert "inf" not in text.partition("<main")[2]
