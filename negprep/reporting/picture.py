"""A chart as inline SVG: a frame with two axes, and marks in it.

The colours and fonts are those of classes in the style sheet of the page, so that one picture serves light and dark,
screen and paper. It is built as a tree of elements: whatever text it is given, what comes out is well-formed,
and control characters, which XML knows no way to write, are escaped.
"""

from __future__ import annotations

from typing import TYPE_CHECKING
from xml.etree.ElementTree import Element, SubElement, tostring

from negprep.errors import printable

if TYPE_CHECKING:
    from negprep.reporting.scales import Scale

WIDTH, HEIGHT = 420, 270
"""Of the picture, in its own units: about the pixels of a phone."""

LEFT, RIGHT, TOP, BOTTOM = 52, 408, 16, 222
"""Where the axes stand."""

HALF_LETTER = 4
"""Half of the width of a digit, at most: a label that would leave the picture is left out."""


class Picture:
    """An SVG of `WIDTH` x `HEIGHT` with a title and a description for those who do not see it.

    Parameters
    ----------
    ident : str
        Unique in the page, a name of letters, digits and hyphens.
    title, description : str
        What it shows, and what is to be seen there.
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

    def axes(self, x: Scale, y: Scale, x_name: str, y_name: str) -> None:
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
