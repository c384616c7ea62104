"""Pictures as SVG: values in bins, scales, and marks."""

from __future__ import annotations

import math
from dataclasses import dataclass
from xml.etree.ElementTree import Element, SubElement, tostring

import numpy as np
import numpy.typing as npt

from negprep.arrays import Counts
from negprep.errors import printable

Tick = tuple[float, str]


@dataclass(frozen=True)
class Linear:
    """An axis of equal steps. `low` < `high` are the values at the places `start` and `end` of the picture."""

    low: float
    high: float
    start: float
    end: float

    def place(self, value: float) -> float:
        """Where a value stands."""
        return self.start + (value - self.low) / (self.high - self.low) * (self.end - self.start)

    def ticks(self) -> list[Tick]:
        """Three to six round values: 1, 2 or 5 times a power of ten apart."""
        rough = (self.high - self.low) / 5
        power = 10.0 ** math.floor(math.log10(rough))
        step = next(factor * power for factor in (1, 2, 5, 10) if factor * power >= rough * 0.999)
        first = math.ceil(self.low / step - 1e-9)
        last = math.floor(self.high / step + 1e-9)
        return [(place * step, short(place * step)) for place in range(first, last + 1)]


@dataclass(frozen=True)
class Log(Linear):
    """Equal ratios, for counts; 0 stands half a decade below 1. `high` is at least 1; `low` is 0 or at least 1."""

    def place(self, value: float) -> float:
        """Where a value stands."""
        bottom, top = _height(self.low), max(_height(self.high), _height(self.low) + 0.1)
        return self.start + (_height(value) - bottom) / (top - bottom) * (self.end - self.start)

    def ticks(self) -> list[Tick]:
        """At most about five powers of ten, with 2 and 5 between them below two decades."""
        decades = range(math.ceil(math.log10(max(self.low, 1)) - 1e-9), math.floor(math.log10(self.high) + 1e-9) + 1)
        every = max(1, math.ceil(len(decades) / 5))
        values: list[float] = [10.0**decade for decade in decades if (decade - decades[0]) % every == 0]
        if len(decades) <= 2:
            between = [factor * 10.0**decade for decade in range(-1, 16) for factor in (2, 5)]
            values += [value for value in between if max(self.low, 1) <= value <= self.high]
        zero = [(0.0, "0")] if self.low < 1 else []
        return zero + [(value, short(value)) for value in sorted(values)]


@dataclass(frozen=True)
class Time(Linear):
    """Times in seconds since 1970, UTC."""

    def ticks(self) -> list[Tick]:
        """The beginnings of years, months, days, hours, minutes or seconds: at most six."""
        for unit, step, most in _CALENDAR:
            first, last = (_calendar_place(when, unit) for when in (math.floor(self.low), math.ceil(self.high)))
            if (last - first) // step > most:
                continue
            places = np.arange(-(-first // step) * step, last + 1, step).astype(f"M8[{unit}]")
            times = zip(places.astype("M8[s]").astype(np.int64).tolist(), places.astype(str).tolist(), strict=True)
            return [(when, _moment(text, unit)) for when, text in times if self.low <= when <= self.high]
        return []


_CALENDAR = [
    ("s", 1, 4), ("s", 5, 4), ("s", 15, 4), ("m", 1, 6), ("m", 5, 6), ("m", 15, 6), ("h", 1, 6), ("h", 3, 6),
    ("h", 6, 6), ("D", 1, 6), ("D", 2, 6), ("D", 7, 6), ("M", 1, 6), ("M", 3, 6), ("M", 6, 6), ("Y", 1, 6),
    ("Y", 2, 6), ("Y", 5, 6), ("Y", 10, 6), ("Y", 50, 6), ("Y", 500, 6), ("Y", 100_000, 6), ("Y", 10**11, 6),
]  # fmt: skip
"""Unit, step, and how many steps fit, so that the labels do not touch."""

_MONTHS = "Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec".split()  # noqa: SIM905 - as in a calendar


def _calendar_place(seconds: int, unit: str) -> int:
    """Units since 1970, rounded down."""
    return int(np.array([seconds], np.int64).astype("M8[s]").astype(f"M8[{unit}]").astype(np.int64)[0])


def _moment(text: str, unit: str) -> str:
    """What stands at the beginning of a second, minute, hour, day, month or year, from its text in ISO 8601."""
    day, _, clock = text.partition("T")
    if unit == "D":
        return f"{int(day[-2:])} {_MONTHS[int(day[-5:-3]) - 1]}"
    return clock if unit in "sm" else f"{clock}:00" if unit == "h" else day


def _height(value: float) -> float:
    return math.log10(value) if value >= 1 else (value - 1) / 2


def short(value: float) -> str:
    """A number in a few characters: 1,500, 20k, 3M."""
    for size, letter in ((1e9, "G"), (1e6, "M"), (1e4, "k")):
        if abs(value) >= size:
            return f"{value / (1e3 if letter == 'k' else size):g}{letter}"
    return f"{value:,.0f}" if value == int(value) else f"{value:g}"


WIDTH, HEIGHT = 420, 270
"""Of the picture, in its own units: about the pixels of a phone."""

LEFT, RIGHT, TOP, BOTTOM = 52, 408, 16, 222
"""Where the axes stand."""

HALF_LETTER = 4
"""Half of the width of a digit, at most: a label that would leave the picture is left out."""


class Picture:
    """An SVG of `WIDTH` x ``height`` with a title and a description for those who do not see it.

    ``ident``, unique in the page, is made of letters, digits and hyphens.
    """

    def __init__(self, ident: str, title: str, description: str, *, height: float = HEIGHT) -> None:
        self.root = Element(
            "svg",
            {
                "viewBox": f"0 0 {WIDTH} {height:g}",
                "role": "img",
                "class": "chart",
                "aria-labelledby": f"{ident}-title {ident}-desc",
            },
        )
        self.words("title", title, id=f"{ident}-title")
        self.words("desc", description, id=f"{ident}-desc")

    def add(self, tag: str, style: str, *, hint: str | None = None, **numbers: float | str) -> None:
        """Add an element of a class; numbers are rounded to a tenth, `hint` appears where a pointer rests on it."""
        element = SubElement(self.root, tag, {"class": style, **{key: _plain(value) for key, value in numbers.items()}})
        if hint is not None:
            SubElement(element, "title").text = printable(hint)

    def words(self, tag: str, text: str, **attributes: float | str) -> None:
        """Add an element that holds text."""
        names = {key.strip("_").replace("_", "-"): _plain(value) for key, value in attributes.items()}
        SubElement(self.root, tag, names).text = printable(text)

    def label(self, text: str, x: float, y: float, *, anchor: str = "middle", style: str = "tick") -> None:
        """Write text that ends, begins or has its middle at a place."""
        self.words("text", text, class_=style, x=x, y=y, text_anchor=anchor)

    def axes(self, x: Linear, y: Linear, x_name: str, y_name: str) -> None:
        """Draw grid lines and ticks and name both axes; the name of the upright one stands above it, level."""
        for value, text in y.ticks():
            self.add("line", "grid", x1=LEFT, x2=RIGHT, y1=y.place(value), y2=y.place(value))
            self.label(text, LEFT - 7, y.place(value) + 4, anchor="end")
        self.add("line", "axis", x1=LEFT, x2=RIGHT, y1=BOTTOM, y2=BOTTOM)
        for value, text in x.ticks():
            place = x.place(value)
            self.add("line", "axis", x1=place, x2=place, y1=BOTTOM, y2=BOTTOM + 5)
            if place + HALF_LETTER * len(text) <= WIDTH:
                self.label(text, place, BOTTOM + 19)
        self.label(x_name, RIGHT, HEIGHT - 8, anchor="end", style="axis-name")
        self.label(y_name, 2, 9, anchor="start", style="axis-name")

    def bar(self, left: float, right: float, top: float, bottom: float, style: str, hint: str) -> None:
        """Draw a bar between four places."""
        self.add(
            "rect", style, hint=hint, x=left, width=max(right - left, 0.5), y=top, height=max(bottom - top, 0.5), rx=1
        )

    def path(self, places: list[tuple[float, float]], style: str) -> None:
        """Draw a line through places."""
        self.add("polyline", style, points=" ".join(f"{_plain(x)},{_plain(y)}" for x, y in places))

    def markup(self) -> str:
        """The picture as one element of HTML."""
        return tostring(self.root, encoding="unicode")


def _plain(value: float | str) -> str:
    return value if isinstance(value, str) else f"{round(float(value), 1):g}"


def swatch(style: str) -> str:
    """A mark of a class for a legend, hidden from those who hear the page: the words beside it suffice."""
    root = Element("svg", {"viewBox": "0 0 24 11", "aria-hidden": "true", "focusable": "false"})
    if style == "item":
        SubElement(root, "circle", {"class": style, "cx": "12", "cy": "5.5", "r": "5.5"})
    elif style in _AREAS:
        SubElement(root, "rect", {"class": style, "x": "3", "y": "0", "width": "18", "height": "11", "rx": "2"})
    else:
        SubElement(root, "line", {"class": style, "x1": "0", "x2": "24", "y1": "5.5", "y2": "5.5"})
    return tostring(root, encoding="unicode")


_AREAS = ("positive", "negative", "log-time")


EXACT = 24
"""So many different values are shown one by one."""

PER_DECADE = 8


@dataclass(frozen=True, eq=False)
class Bins:
    """Neighbouring ranges of whole numbers, ``first`` to ``last``, and the values in each; int64, shape (n,)."""

    first: Counts
    last: Counts
    sizes: Counts

    @property
    def are_exact(self) -> bool:
        """Whether each bin is one value."""
        return bool((self.first == self.last).all())


def log_edges(most: int) -> Counts:
    """Where ranges begin that grow like a geometric series: 0, 1, 2, ... up to above `most`, ascending."""
    decades = len(str(most))
    grown = np.ceil(10 ** (np.arange(decades * PER_DECADE + 1) / PER_DECADE)).astype(np.int64)
    return np.unique(np.concatenate([[0, 1], grown, [10**decades]])).astype(np.int64)


def cells(values: Counts, most: int = 28) -> tuple[Counts, npt.NDArray[np.float64]]:
    """Values to at most about ``most`` places on a logarithmic axis: the place of each, and the middle of each place.

    The middle is the value itself where a place has one, else the geometric middle of the range; 0 stays apart.
    """
    distinct, places = np.unique(values, return_inverse=True)
    if len(distinct) <= most:
        return places.astype(np.int64), distinct.astype(np.float64)
    low, high = max(int(distinct[0]), 1), int(distinct[-1])
    grown = np.ceil(np.geomspace(low, high + 1, most)).astype(np.int64)
    edges = np.unique(np.concatenate([[0], grown, [high + 1]]))
    middles = np.sqrt(edges[:-1].astype(np.float64) * (edges[1:] - 1))
    return np.searchsorted(edges, values, side="right") - 1, middles


def binned(values: Counts) -> Bins:
    """Whole numbers from 0 by value, or where there are many different ones in ranges of equal ratio."""
    distinct, sizes = np.unique(values, return_counts=True)
    if len(distinct) <= EXACT:
        return Bins(distinct, distinct, sizes.astype(np.int64))
    edges = log_edges(int(distinct[-1]))
    places = np.searchsorted(edges, distinct, side="right") - 1
    totals = np.bincount(places, weights=sizes, minlength=len(edges)).astype(np.int64)
    inside = np.arange(places[0], places[-1] + 1)
    return Bins(edges[inside], edges[inside + 1] - 1, totals[inside])
