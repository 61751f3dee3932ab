"""The templates of pages: what each of them can say a number with, and the style that they share."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from zoneinfo import ZoneInfo

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from . import number_format
from .number_format import NOT_KNOWN, raw
from .page_colours import DARK, LIGHT, css_variables

_SHORT = {"sdk", "qpu", "qa"}
_FOLDER = Path(__file__).parent / "templates"


@lru_cache(maxsize=4)
def environment(zone: ZoneInfo) -> Environment:
    """Return the templates, in which moments are told in ``zone``."""
    made = Environment(
        loader=FileSystemLoader(_FOLDER),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters.update(_filters(zone))
    made.globals |= {
        "space": number_format.SPACE,
        "points": number_format.points,
        "money": number_format.money,
        "in_unit": lambda value, unit: raw(lambda number: number_format.in_unit(number, unit))(value),
        "in_unit_plain": number_format.in_unit,
        # Our own files and colours: nothing in them comes from outside.
        "css": Markup((_FOLDER / "page.css").read_text(encoding="utf-8")),
        "light": Markup(css_variables(LIGHT)),
        "dark": Markup(css_variables(DARK)),
    }
    return made


def _filters(zone: ZoneInfo) -> dict[str, Callable[..., str]]:
    return {
        "count": raw(number_format.count),
        "hours": raw(number_format.hours),
        "duration": raw(number_format.duration),
        "hertz": raw(number_format.hertz),
        "percent": raw(number_format.percent),
        "percent0": raw(lambda ratio: number_format.percent(ratio, 0 if round(ratio * 100, 6) % 1 == 0 else 1)),
        "percent2": raw(lambda ratio: number_format.percent(ratio, 2)),
        "amount": raw(lambda value: number_format.decimal(value, 2)),
        "score": raw(number_format.decimal),
        "offset": number_format.offset,
        "moment": lambda at: _moment(at, zone),
        "moment_to_second": lambda at: _moment(at, zone, seconds=True),
        "plain_hours": lambda seconds: (
            NOT_KNOWN if seconds is None else number_format.decimal(seconds / 3600, 2)
        ),
        "plain_count": number_format.count,
        "words": words,
    }


def words(name: str) -> str:
    """Return a name of the vocabulary in words, beginning with a capital."""
    if name in _SHORT:
        return name.upper()
    spaced = name.replace("_", " ").replace(".", " ")
    return spaced[:1].upper() + spaced[1:]


def css_text(text: str) -> Markup:
    """Return text for the inside of a CSS string, which it can end no more than the style."""
    return Markup("".join(c if c.isascii() and c.isalnum() else f"\\{ord(c):x} " for c in text))


def _moment(at: float, zone: ZoneInfo, seconds: bool = False) -> Markup:
    shown = number_format.moment(at, zone, seconds)
    return Markup('<time datetime="{}" title="{}">{}</time>').format(
        number_format.iso(at, zone), number_format.moment(at, zone, seconds=True), shown
    )


def _plain_hours(seconds: float | None) -> str:
    return NOT_KNOWN if seconds is None else number_format.decimal(seconds / 3600, 2)
