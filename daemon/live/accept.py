"""Content negotiation: whether who asks for ``/`` is a browser that wants a page."""

from __future__ import annotations

_HTML = ("text/html", "application/xhtml+xml")
_JSON = "application/json"


def prefers_html(accept: str) -> bool:
    """Whether an ``Accept`` header asks for HTML by name, and not less than for JSON.

    ``*/*``, which HTTP libraries and curl send, asks for nothing by name.
    """
    html, json = 0.0, 0.0
    for part in accept.split(","):
        kind, *parameters = (word.strip().lower() for word in part.split(";"))
        quality = _quality(parameters)
        if kind in _HTML:
            html = max(html, quality)
        elif kind == _JSON:
            json = max(json, quality)
    return html > 0 and html >= json


def _quality(parameters: list[str]) -> float:
    for parameter in parameters:
        name, _, value = parameter.partition("=")
        if name.strip() == "q":
            try:
                return min(max(float(value), 0.0), 1.0)
            except ValueError:
                return 0.0
    return 1.0
