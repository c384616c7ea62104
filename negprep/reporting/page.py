"""The page: sections to HTML, by a template that escapes whatever it is given."""

from __future__ import annotations

from dataclasses import dataclass
from importlib.resources import files
from typing import TYPE_CHECKING

from negprep.errors import UsageError, printable
from negprep.reporting.picture import Picture, swatch

if TYPE_CHECKING:
    from negprep.reporting.described import Check
    from negprep.reporting.sections import Section


@dataclass(frozen=True)
class Page:
    """All that the template is given; ``overlaps`` stand above all else."""

    title: str
    lead: str
    version: str
    overlaps: list[str]
    files: list[Section]
    across: list[Check]


def check_extra() -> None:
    """Refuse, before any work, to go on without the extra.

    Raises
    ------
    UsageError
        Jinja2 is not installed.
    """
    try:
        import jinja2  # noqa: F401
    except ImportError as error:
        raise UsageError(
            "a report needs Jinja2, which is not installed", remedy="pip install 'negprep[report]'"
        ) from error


def rendered(page: Page) -> str:
    """The page as one text of HTML: no script, and no address that a browser would load."""
    from jinja2 import DictLoader, Environment, StrictUndefined
    from markupsafe import Markup

    def svg(picture: Picture) -> Markup:
        return Markup(picture.markup())  # noqa: S704 - made of elements, whose text is escaped

    def plain(value: object) -> object:
        """Text without control characters; what is made of elements has none."""
        return printable(value) if isinstance(value, str) and not isinstance(value, Markup) else value

    folder = files("negprep.reporting")
    environment = Environment(
        loader=DictLoader({"page.html": folder.joinpath("page.html").read_text(encoding="utf-8")}),
        autoescape=True,
        finalize=plain,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters |= {"svg": svg, "swatch": lambda style: Markup(swatch(style))}  # noqa: S704
    style = Markup(folder.joinpath("page.css").read_text(encoding="utf-8"))  # noqa: S704 - our own file
    return environment.get_template("page.html").render(page=page, style=style)
