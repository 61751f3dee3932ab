"""Who gets a page at ``/``: what asks for HTML by name. QRMI, curl and libraries get what they always got."""

from __future__ import annotations

import pytest

from qwatch.daemon.live.accept import prefers_html

FIREFOX = "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8"
CHROME = (
    "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,image/apng,*/*;q=0.8,"
    "application/signed-exchange;v=b3;q=0.7"
)


@pytest.mark.parametrize(
    ("accept", "page"),
    [
        ("", False),
        ("*/*", False),
        ("text/*", False),
        ("application/json", False),
        ("application/json, text/plain, */*", False),
        ("text/html;q=0", False),
        ("text/html;q=0.5, application/json", False),
        ("text/html;q=nonsense", False),
        ("text/htmlx", False),
        (FIREFOX, True),
        (CHROME, True),
        ("text/html", True),
        ("TEXT/HTML", True),
        ("application/xhtml+xml", True),
        ("application/json;q=0.5, text/html", True),
        ("text/html, application/json", True),
        ("text/html;level=1;q=0.7, application/json;q=0.3", True),
    ],
)
def test_a_page_is_for_those_who_ask_for_one(accept: str, page: bool) -> None:
    assert prefers_html(accept) is page
