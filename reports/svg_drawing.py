"""A plot by matplotlib as SVG inside a page: its text stays text, its colours are the page's.

Nothing of matplotlib's global state is changed: figures are made by the object API, and each takes its style
from a context that ends with it.
"""

from __future__ import annotations

import io
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from markupsafe import Markup

from .page_colours import LIGHT

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_ROLES = tuple(LIGHT)
_STAND_IN = "#01{:04x}"
_STANDS_IN = re.compile(r"#01([0-9a-f]{4})")
_TAG = re.compile(r"<[^>]*>")
_FONT_FAMILY = re.compile(r" font-family: [^;\"]*;")
_FILL = re.compile(r'fill="(var\([^"]*\))"')
_NO_TURN = re.compile(r' transform="rotate\(-0 [^"]*"')
_SPACE = re.compile(r"\s*\n\s*")
_BETWEEN = re.compile(r">\s+<")
_IDENTIFIER = re.compile(r' id="([^"]+)"')
_REFERENCE = re.compile(r"(url\(#|href=\"#)([^)\"]+)")
_SCRAP = re.compile(r"<metadata>.*?</metadata>|<!--.*?-->|<defs>\s*<style.*?</style>\s*</defs>", re.DOTALL)
_SIZE = re.compile(r"<svg[^>]*?viewBox=\"0 0 ([\d.]+) ([\d.]+)\"[^>]*>", re.DOTALL)
_LONG_FRACTION = re.compile(r"(\d+\.\d)\d+")
FONT_SIZE = 13.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Plot:
    """A drawn plot: ``svg`` has its title and its description for who does not see it."""

    name: str
    """Unique on the page."""
    title: str
    description: str
    width: float
    """In CSS pixels, at which its text has the page's size."""
    svg: Markup


def colour(role: str) -> str:
    """Return what stands for a role of the page's colours while matplotlib draws."""
    return _STAND_IN.format(_ROLES.index(role))


def draw(
    name: str, title: str, description: str, size: tuple[float, float], paint: Callable[[Figure], None]
) -> Plot:
    """Return the plot that ``paint`` makes on a figure of ``size`` in CSS pixels."""
    import matplotlib as mpl
    from matplotlib.backends.backend_svg import FigureCanvasSVG
    from matplotlib.figure import Figure

    width, height = size
    with mpl.rc_context(_style(name)):
        figure = Figure(figsize=(width / 72, height / 72), dpi=72, frameon=False)
        paint(figure)
        output = io.StringIO()
        # Figure.savefig would draw twice.
        FigureCanvasSVG(figure).print_svg(output, metadata={"Date": None})  # type: ignore[no-untyped-call]
    return Plot(
        name=name,
        title=title,
        description=description,
        width=width,
        svg=_for_page(output.getvalue(), name, title, description),
    )


def axes(figure: Figure, left: float, top: float, right: float, bottom: float) -> Axes:
    """Return axes with these margins, in CSS pixels."""
    width, height = figure.get_size_inches() * 72
    return figure.add_axes(
        (left / width, bottom / height, 1 - (left + right) / width, 1 - (top + bottom) / height)
    )


def _style(name: str) -> dict[Any, Any]:
    ink, quiet, axis, rule = colour("ink"), colour("quiet"), colour("axis"), colour("rule")
    return {
        "svg.fonttype": "none",
        "svg.hashsalt": name,
        "font.size": FONT_SIZE,
        "text.parse_math": False,
        "text.color": ink,
        "axes.labelcolor": quiet,
        "axes.labelsize": FONT_SIZE,
        "axes.edgecolor": axis,
        "axes.facecolor": "none",
        "axes.linewidth": 0.8,
        "axes.spines.top": False,
        "axes.spines.right": False,
        "axes.axisbelow": True,
        "xtick.color": axis,
        "ytick.color": axis,
        "xtick.labelcolor": quiet,
        "ytick.labelcolor": quiet,
        "xtick.labelsize": FONT_SIZE,
        "ytick.labelsize": FONT_SIZE,
        "grid.color": rule,
        "grid.linewidth": 0.8,
        "hatch.linewidth": 0.8,
        "hatch.color": colour("unknown-edge"),
    }


def _for_page(drawn: str, name: str, title: str, description: str) -> Markup:
    """Return the SVG element alone, with identifiers of its own and the colours of the page."""
    body = _SCRAP.sub("", drawn[drawn.index("<svg") :])
    referred = {match[2] for match in _REFERENCE.finditer(body)}

    def of_page(match: re.Match[str]) -> str:
        tag = _IDENTIFIER.sub(
            lambda found: f' id="{name}-{found[1]}"' if found[1] in referred else "", match[0]
        )
        tag = _REFERENCE.sub(lambda found: f"{found[1]}{name}-{found[2]}", tag.replace("xlink:href", "href"))
        tag = _STANDS_IN.sub(lambda found: f"var(--{_ROLES[int(found[1], 16)]})", tag)
        tag = _FILL.sub(r'style="fill: \1"', _NO_TURN.sub("", _FONT_FAMILY.sub("", tag)))
        return _SPACE.sub(" ", _LONG_FRACTION.sub(r"\1", tag))

    # What is between the tags is text, and stays as it is.
    body = _BETWEEN.sub("><", _TAG.sub(of_page, body))
    size = _SIZE.search(body)
    if size is None:
        raise ValueError(f"plot {name}: matplotlib wrote no viewBox")
    opening = Markup(
        '<svg viewBox="0 0 {width} {height}" role="img" aria-labelledby="{name}-title {name}-desc">'
        '<title id="{name}-title">{title}</title><desc id="{name}-desc">{description}</desc>'
    ).format(width=size[1], height=size[2], name=name, title=title, description=description)
    # matplotlib escapes the text that it writes.
    return opening + Markup(body[size.end() :])
