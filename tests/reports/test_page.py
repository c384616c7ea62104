"""The page needs nothing but itself, shows whatever ids there are as text, and is the same for the same files."""

from __future__ import annotations

import html
import json
import re
import subprocess
import sys
from html.parser import HTMLParser
from itertools import pairwise
from xml.etree import ElementTree

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pages import LOG, write

import negprep
from negprep.checks.results import LEAK
from negprep.reports.page import Check, verdict

VOID = {"meta", "link", "br"}


class Outline(HTMLParser):
    """The elements of a page in order, with their attributes; every element must be closed."""

    def __init__(self, text):
        super().__init__(convert_charrefs=True)
        self.elements, self.open, self.texts = [], [], []
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag, attributes):
        self.elements.append((tag, dict(attributes)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attributes):
        self.elements.append((tag, dict(attributes)))

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, text):
        self.texts.append((self.open[-1] if self.open else "", text))

    def all(self, tag):
        return [attributes for name, attributes in self.elements if name == tag]

    def text(self, tag):
        return [text for name, text in self.texts if name == tag]


@pytest.fixture(scope="session")
def text(page):
    return page.read_text(encoding="utf-8")


@pytest.fixture(scope="session")
def outline(text):
    return Outline(text)


def test_nothing_is_loaded(text, outline):
    assert "://" not in text
    assert not re.search(r"url\(|@import|javascript:", text)
    names = {name for name, _ in outline.elements}
    assert names.isdisjoint({"script", "img", "iframe", "object", "embed", "image", "use", "a:href", "base", "form"})
    addresses = [value for _, given in outline.elements for key, value in given.items() if key in ("href", "src")]
    assert all(address.startswith("#") or address == "data:," for address in addresses)
    assert not any(key.startswith("on") or key == "srcset" for _, given in outline.elements for key in given)
    (policy,) = (given["content"] for given in outline.all("meta") if given.get("http-equiv"))
    assert policy == "default-src 'none'; style-src 'unsafe-inline'; img-src data:"


def test_links_and_labels_lead_somewhere(outline):
    idents = [given["id"] for _, given in outline.elements if "id" in given]
    assert len(idents) == len(set(idents))
    wanted = [given["href"][1:] for given in outline.all("a")]
    wanted += [name for _, given in outline.elements for name in given.get("aria-labelledby", "").split()]
    assert wanted
    assert set(wanted) <= set(idents)


def test_headings_descend_by_one(outline):
    levels = [int(name[1]) for name, _ in outline.elements if re.fullmatch(r"h\d", name)]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(after - before <= 1 for before, after in pairwise(levels))


def test_every_chart_is_told_in_words(text, outline):
    figures = re.findall(r"<figure>(.*?)</figure>", text, flags=re.DOTALL)
    assert len(figures) > 10
    for figure in figures:
        (svg,) = re.findall(r'<svg[^>]*class="chart".*?</svg>', figure, flags=re.DOTALL)
        (sentence,) = re.findall(r"<figcaption>(.*?)</figcaption>", figure)
        tree = ElementTree.fromstring(svg)
        assert tree.get("role") == "img"
        title, description = tree.find("title"), tree.find("desc")
        assert tree.get("aria-labelledby").split() == [title.get("id"), description.get("id")]
        assert len(title.text) > 10
        assert sentence.endswith(".")
        assert description.text == Outline(f"<p>{sentence}</p>").texts[0][1]
        assert "<details><summary>" in figure
        numbers = [float(value) for value in re.findall(r' (?:x|y|x1|x2|y1|y2|cx|cy)="([^"]+)"', svg)]
        assert all(-30 <= value <= 450 for value in numbers)
    assert len(outline.all("svg")) == len(re.findall("<svg", text))


def test_tables_have_headers(outline):
    assert outline.all("table")
    assert len(outline.all("thead")) == len(outline.all("table"))
    assert all(given.get("scope") in ("col", "row") for given in outline.all("th"))
    scrolled = [given for given in outline.all("div") if given.get("class") == "scroll"]
    assert len(scrolled) == len(outline.all("table"))
    assert all((given["tabindex"], given["role"]) == ("0", "region") and given["aria-label"] for given in scrolled)


def colours(text, scheme):
    style = re.search(r"<style>(.*?)</style>", text, flags=re.DOTALL)[1]
    light, dark = re.findall(r":root \{\n(.*?)\}", style, flags=re.DOTALL)[:2]
    found = dict(re.findall(r"--([\w-]+): (#[0-9a-f]{6});", light))
    return found if scheme == "light" else found | dict(re.findall(r"--([\w-]+): (#[0-9a-f]{6});", dark))


def brightness(colour):
    parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_contrast_is_enough(text, scheme):
    """WCAG 2.2: 4.5 for text, 3 for what a chart is made of."""
    assert "prefers-color-scheme: dark" in text
    found = colours(text, scheme)
    assert (brightness(found["ground"]) > 0.5) == (scheme == "light")
    for name, least in {
        "ink": 7, "quiet": 4.5, "good": 4.5, "bad": 4.5, "unsure": 4.5, "positive": 4.5, "negative": 3, "item": 3
    }.items():  # fmt: skip
        for behind in ("ground", "sheet"):
            high, low = sorted((brightness(found[name]), brightness(found[behind])), reverse=True)
            assert (high + 0.05) / (low + 0.05) >= least, (name, behind)


def test_it_fits_a_phone_and_paper(text):
    assert 'name="viewport" content="width=device-width, initial-scale=1"' in text
    assert "@media print" in text


EVIL = "<script>alert(1)</script>\"'&<img src=x onerror=alert(1)>"


@pytest.fixture
def hostile(tmp_path):
    """A file all of whose words are hostile: ids, sources, metadata, its own name."""
    path = tmp_path / "<img src=x onerror=alert(1)>&\"'.parquet"
    users = [f"{EVIL}{number}" for number in range(4) for _ in range(3)]
    table = pa.table(
        {
            "user": users,
            "item": [f"</td></table>{EVIL}{number % 3}\u202e\x07\n" for number in range(12)],
            "label": pa.array([1, 0, 0] * 4, pa.int8()),
            "source": [EVIL] * 12,
        }
    )
    facts = {"command": "test", "fold": "test", "layout": "pointwise", "counts": {EVIL: 1, "sources": {EVIL: 8}}}
    facts |= {"sampler": EVIL, "seen": EVIL, "seed": EVIL, EVIL: EVIL, "num_neg": EVIL, "catalog": EVIL}
    pq.write_table(table.replace_schema_metadata({"negprep": json.dumps(facts)}), path)
    return path


def test_hostile_words_stay_words(hostile, tmp_path):
    page = Outline(write([hostile], tmp_path / "page.html"))
    names = {name for name, _ in page.elements}
    assert names.isdisjoint({"script", "img"})
    assert not any(key.startswith("on") for _, given in page.elements for key in given)
    assert any("<script>alert(1)</script>" in text for text in page.text("bdi"))
    assert not re.search("[\x00-\x09\x0b-\x1f\x7f\u2028\ufeff]", (tmp_path / "page.html").read_text())


def test_the_same_files_give_the_same_bytes(files, page, tmp_path):
    script = (
        "import sys; from negprep.reports.page import report\n"
        "report([(name, None) for name in sys.argv[3:]], sys.argv[1], log=sys.argv[2])"
    )
    target = tmp_path / "again.html"
    words = [target, LOG, files.train, files.test, files.pairs, files.lists]
    subprocess.run([sys.executable, "-c", script, *words], check=True, env={"PYTHONHASHSEED": "7", "TZ": "Asia/Tokyo"})
    assert target.read_bytes() == page.read_bytes()


def test_rows_of_the_table_of_items_are_those_of_the_file(files, tmp_path):
    table = pq.read_table(files.test)
    text = write([files.test], tmp_path / "page.html")
    items, labels = (np.asarray(table.column(name)) for name in ("item", "label"))
    drawn = np.bincount(items[labels == 0])
    most = int(drawn.argmax())
    held = int((items[labels == 1] == most).sum())
    block = text.partition("Items drawn most")[2]
    first = re.search(
        r'<tbody>\s*<tr><th scope="row"><bdi>(.*?)</bdi></th><td><bdi>(.*?)</bdi></td><td><bdi>(.*?)<', block
    )
    assert first.groups() == (str(most), str(held), str(drawn[most]))


def test_collisions_need_a_log(files, tmp_path):
    words = "cannot be seen in this file alone"
    assert words in write([files.test], tmp_path / "page.html")
    text = write([files.test], tmp_path / "page.html", log=LOG)
    assert words not in text
    assert "no negative is a positive of its user" in text
    assert "When the holdouts happened" in text


def test_a_fault_is_shown_with_its_row(files, tmp_path):
    table = pq.read_table(files.test)
    labels = np.asarray(table.column("label"))
    items = np.asarray(table.column("item")).copy()
    users = np.asarray(table.column("user"))
    place = int(np.flatnonzero((labels == 0) & (users == users[0]))[0])
    items[place] = items[np.flatnonzero((labels == 1) & (users == users[0]))[0]]
    broken = tmp_path / "broken.parquet"
    pq.write_table(table.set_column(1, "item", pa.array(items)), broken)
    text = write([broken], tmp_path / "page.html", log=LOG)
    assert '<td class="failed">failed</td>' in text
    assert f"<bdi>row {place + 1}: user {users[0]}" in text
    assert str(tmp_path) not in text


def test_metadata_that_lie_are_found_without_a_log(files, tmp_path):
    table = pq.read_table(files.test)
    short = tmp_path / "short.parquet"
    pq.write_table(table.slice(0, 1000), short)
    text = write([short], tmp_path / "page.html")
    assert '<td class="failed">failed</td>' in text
    assert f"rows: {table.num_rows:,} said, 1,000 found" in text


def test_files_are_named_without_their_folders(files, tmp_path):
    """A train file without a holdout, and a test file: each holdout is in both."""
    negprep.train(LOG, tmp_path / "all.parquet", holdout="none")
    text = write([tmp_path / "all.parquet", files.test], tmp_path / "page.html", log=LOG)
    assert "<bdi>test.parquet: row" in text
    assert ": also in all.parquet: row" in text
    assert str(tmp_path) not in text
    assert str(files.folder) not in text


def verdict_of(text):
    """The paragraphs at the top of a page."""
    box = text.partition('<div class="verdict')[2].partition("</div>")[0]
    words = [re.sub("<[^>]*>", "", part) for part in re.findall(r"<p>(.*?)</p>", box, flags=re.DOTALL)]
    assert text.index('<div class="verdict') < text.index("<h1")
    return [html.unescape(each) for each in words]


def test_the_page_begins_with_a_verdict(files, tmp_path):
    """In words, not in colours alone."""
    page = tmp_path / "page.html"
    found = negprep.verify(files.test, log=LOG).checks
    unmade = sum(check.status == "not checked" for check in found)
    passed = sum(check.status == "passed" for check in found)
    (said,) = verdict_of(write([files.test], page, log=LOG))
    if unmade:
        assert said == f"Passed No check failed: {passed} passed; {unmade} not checked."
    else:
        assert said == f"Passed All {passed} checks passed."
    (said,) = verdict_of(write([files.test], page))
    assert said.startswith("Not verified What the metadata count is in the file, but nothing was checked against a log")
    negprep.train(LOG, tmp_path / "all.parquet", holdout="none")
    both = [tmp_path / "all.parquet", files.test]
    overlap, others = verdict_of(write(both, page, log=LOG))
    assert re.fullmatch(
        r"Failed train/test overlap: (\d+) of \1 held-out items of test.parquet are positives in all.parquet", overlap
    )
    assert re.match(r"No other check failed, of \d+", others)
    assert verdict_of(write(both, page))[0] == overlap


FAILED, OK, OPEN = (
    Check("no negative is weak", "failed", "failed", "3 times"),
    Check("labels are 0 and 1", "ok", "passed", ""),
    Check("log q is right", "unknown", "not checked", "no column"),
)


@pytest.mark.parametrize(
    ("checks", "overlaps", "words"),
    [
        ([OK, OK], [], ["Passed", "All 2 checks passed."]),
        ([OK, OPEN], [], ["Passed", "No check failed: 1 passed; 1 not checked."]),
        ([FAILED, OK], [], ["Failed", "x: no negative is weak (3 times)", "No other check failed, of 2."]),
        (
            [FAILED, FAILED, FAILED, OPEN, OK],
            [],
            ["Failed", "x: no negative is weak (3 times)", "2 more checks failed, of 5; 1 not checked."],
        ),
        (
            [FAILED, OK, Check(LEAK, "failed", "failed", "9 times")],
            ["an overlap"],
            ["Failed", "an overlap", "1 more check failed, of 3."],
        ),
    ],
)
def test_a_verdict_counts(checks, overlaps, words):
    found = verdict([("x", check) for check in checks], overlaps, verified=True)
    assert [found.result, *found.sentences] == words
