"""Fixtures for pages: the system's Chromium, and where pictures of what it shows are kept."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from qwatch.reports.html import render_html

from .synthetic_report import a_month


@pytest.fixture(scope="module")
def chromium(require_program: Callable[..., Path]) -> Iterator[Any]:
    """The system's Chromium, driven by Playwright.

    Of one module: as long as Playwright runs, so does its event loop, and ``asyncio.run`` fails elsewhere.
    """
    from playwright.sync_api import sync_playwright

    program = require_program("chromium", package="chromium")
    # Root may run it only so; the pages are ours.
    options = ["--no-sandbox"] if os.getuid() == 0 else []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=str(program), args=options)
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def artefacts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where screenshots and PDFs are kept: ``QWATCH_TEST_ARTEFACTS``, or a folder that pytest removes."""
    named = os.environ.get("QWATCH_TEST_ARTEFACTS")
    folder = Path(named) if named else tmp_path_factory.mktemp("artefacts")
    folder.mkdir(parents=True, exist_ok=True)
    return folder


@pytest.fixture
def shown(chromium: Any, tmp_path: Path) -> Iterator[Callable[..., Any]]:
    """Return a function that shows a page's text from a file; nothing may be requested, nothing reported."""
    contexts: list[Any] = []
    requested: list[str] = []
    reported: list[str] = []

    def show(html: str, **options: Any) -> Any:
        file = tmp_path / f"page-{len(contexts)}.html"
        file.write_text(html, encoding="utf-8")
        context = chromium.new_context(**options)
        contexts.append(context)
        page = context.new_page()
        page.on("console", lambda message: reported.append(message.text))
        page.on("pageerror", lambda error: reported.append(str(error)))
        page.on("dialog", lambda dialog: reported.append(f"dialog {dialog.message}") or dialog.dismiss())
        page.on("request", lambda request: requested.append(request.url))
        page.goto(file.as_uri())
        return page

    yield show
    for context in contexts:
        context.close()
    others = [url for url in requested if not url.startswith(tmp_path.as_uri())]
    assert others == [], "the page asked for something besides itself"
    assert reported == [], "the browser reported something"


@pytest.fixture(scope="session")
def month_page() -> str:
    """The page of a month with two devices."""
    return render_html(a_month())
