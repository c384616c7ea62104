"""The page in a real browser: no error, no request, no scroll sideways, in light and dark, by keyboard, on paper."""

from __future__ import annotations

import threading
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer

import pytest
from browser import PROGRAM, Browser

pytestmark = pytest.mark.skipif(PROGRAM is None, reason="chromium is not installed")


@pytest.fixture(scope="module")
def browser():
    with Browser() as browser:
        yield browser


@pytest.fixture(scope="module")
def site(page):
    """The address of the page, and the paths that were asked for."""
    asked = []

    class Handler(SimpleHTTPRequestHandler):
        def log_request(self, *_):
            asked.append(self.path)

    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Handler, directory=page.parent))
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/{page.name}", asked
    server.shutdown()
    thread.join()
    server.server_close()


def complaints(browser):
    kinds = ("Runtime.consoleAPICalled", "Runtime.exceptionThrown", "Log.entryAdded", "Network.loadingFailed")
    return [event for event in browser.events if event.get("method") in kinds]


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_it_renders_without_errors_and_without_any_request(browser, site, scheme):
    address, asked = site
    asked.clear()
    browser.visit(address, scheme=scheme)
    assert browser.value("document.querySelectorAll('svg.chart').length") > 10
    requests = [
        event["params"]["request"]["url"] for event in browser.events if event["method"] == "Network.requestWillBeSent"
    ]
    assert [url for url in requests if not url.startswith("data:")] == [address]
    assert asked == ["/page.html"]
    assert complaints(browser) == []
    red, green, blue = browser.value(
        "getComputedStyle(document.body).backgroundColor.match(/\\d+/g).map(Number)",
    )
    assert (red + green + blue > 600) == (scheme == "light")


@pytest.mark.parametrize("width", [320, 390, 768, 1200, 1920])
def test_nothing_is_wider_than_the_screen(browser, site, width):
    browser.visit(site[0], width=width)
    assert browser.value("document.documentElement.scrollWidth") <= width
    assert browser.value("Math.max(...[...document.querySelectorAll('figure')].map(f => f.scrollWidth))") <= width


@pytest.mark.parametrize("width", [320, 390, 1200])
def test_text_of_charts_can_be_read_and_does_not_overlap(browser, site, width):
    browser.visit(site[0], width=width)
    small, overlapping, outside = browser.value("""(() => {
        let small = 0, overlapping = [], outside = [];
        for (const chart of document.querySelectorAll('svg.chart')) {
            const frame = chart.parentElement.getBoundingClientRect();
            const texts = [...chart.querySelectorAll('text')].map(
                text => [text.textContent, text.getBoundingClientRect()]);
            for (const [words, box] of texts) {
                small += box.height < 9;
                if (box.left < frame.left - 1 || box.right > frame.right + 1) outside.push(words);
                for (const [others, other] of texts)
                    if (words < others && box.left < other.right && other.left < box.right
                        && box.top + 3 < other.bottom && other.top + 3 < box.bottom) overlapping.push([words, others]);
            }
        }
        return [small, overlapping, outside];
    })()""")
    assert (small, overlapping, outside) == (0, [], [])


def test_it_can_be_used_by_keyboard(browser, site):
    browser.visit(site[0])
    browser.key("Tab", 9)
    assert browser.value("document.activeElement.className") == "skip"
    assert browser.value("document.activeElement.getBoundingClientRect().left") >= 0
    reached = set()
    for _ in range(80):
        browser.key("Tab", 9)
        reached.add(browser.value("document.activeElement.tagName + ' ' + document.activeElement.className"))
    assert {"A ", "SUMMARY ", "DIV scroll"} <= reached
    browser.value("document.querySelector('summary').focus()")
    browser.key("Enter", 13)
    browser.call("Input.dispatchKeyEvent", type="char", text="\r")
    assert browser.value("document.querySelector('details').open") is True


def test_paper_is_white_whatever_the_scheme(browser, site):
    browser.visit(site[0], scheme="dark", media="print")
    assert browser.value("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    assert browser.value("getComputedStyle(document.body).color") == "rgb(0, 0, 0)"
    assert len(browser.call("Page.printToPDF")["data"]) > 10_000


def test_the_names_of_charts_are_heard(browser, site):
    browser.visit(site[0])
    nodes = browser.call("Accessibility.getFullAXTree")["nodes"]
    pictures = [node for node in nodes if node.get("role", {}).get("value") in ("image", "img", "SvgRoot")]
    named = [node["name"]["value"] for node in pictures if node.get("name", {}).get("value")]
    assert len(named) == browser.value("document.querySelectorAll('svg.chart').length")
    assert any(name.startswith("Popularity") for name in named)
