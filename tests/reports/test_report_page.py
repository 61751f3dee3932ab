"""The report's page in a real browser: light, dark, narrow, printed, without a mouse, with hostile names."""

from __future__ import annotations

import dataclasses
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from qwatch.reports.html import render_html
from qwatch.reports.model import Report

from .page_checks import OVERLAPS, STRUCTURE, focused_by_keys, least_contrast
from .synthetic_report import (
    a_day_of_25_hours,
    a_month,
    a_year,
    an_empty_report,
    nothing_known,
    with_long_names,
)

HOSTILE = "</style></title><script>alert(1)</script><img src=x onerror=alert(2)>\"'\\$x$#010005{{7*7}}"
SIZES = {"light": (1200, "light"), "dark": (1200, "dark"), "narrow": (320, "light")}


@pytest.mark.parametrize("kind", SIZES)
def test_it_is_seen_whole_in_light_dark_and_narrow(
    kind: str, shown: Callable[..., Any], month_page: str, artefacts: Path
) -> None:
    width, scheme = SIZES[kind]
    page = shown(month_page, viewport={"width": width, "height": 900}, color_scheme=scheme)
    page.screenshot(path=artefacts / f"report-{kind}.png", full_page=True)
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert page.evaluate(OVERLAPS) == []
    dark = page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(18, 21, 26)"
    assert dark == (scheme == "dark")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_all_text_has_contrast(scheme: str, shown: Callable[..., Any], month_page: str) -> None:
    contrast, what = least_contrast(shown(month_page, color_scheme=scheme))
    assert contrast >= 4.5, what


def test_the_structure_serves_a_screen_reader(shown: Callable[..., Any], month_page: str) -> None:
    assert shown(month_page).evaluate(STRUCTURE) == []


def test_every_region_and_fold_is_reached_by_keys_alone(shown: Callable[..., Any], month_page: str) -> None:
    page = shown(month_page)
    wanted = page.evaluate(
        "() => [...document.querySelectorAll('a[href], summary, [role=region]')]"
        ".filter(element => element.checkVisibility({contentVisibilityAuto: true}))"
        ".map(element => element.getAttribute('aria-label') ?? element.textContent.trim())"
    )
    reached = focused_by_keys(page, most=len(wanted) + 5)
    assert reached == wanted
    assert reached[0] == "Skip to the content"
    page.locator("summary").last.focus()
    before = page.evaluate("document.querySelectorAll('details[open]').length")
    page.keyboard.press("Enter")
    assert page.evaluate("document.querySelectorAll('details[open]').length") != before
    assert page.evaluate("getComputedStyle(document.activeElement).outlineStyle") == "solid"


def test_it_prints_with_page_numbers_and_unfolded(
    shown: Callable[..., Any], month_page: str, artefacts: Path, require_program: Callable[..., Path]
) -> None:
    reader = require_program("pdftotext", package="poppler-utils")
    file = artefacts / "report.pdf"
    shown(month_page).pdf(path=file, prefer_css_page_size=True, print_background=True)
    text = subprocess.run([reader, "-layout", file, "-"], capture_output=True, text=True, check=True).stdout
    pages = text.rstrip("\f").split("\f")
    assert len(pages) > 3
    for number, content in enumerate(pages, 1):
        assert f"Page {number} of {len(pages)}" in content
        assert "QPU utilization · Centre for Hybrid Computing · October 2026" in content
    assert "Coverage and trust" in pages[0]
    assert "Summary" in pages[0]
    # Of a folded table: the numbers of a day.
    assert "2026-10-25" in text
    assert "25.00" in text
    for title in ("Time of each device by activity", "Benchmark fidelity, antiferromagnet"):
        assert title in text


def test_names_are_text_wherever_they_stand(shown: Callable[..., Any]) -> None:
    page = shown(render_html(_named(a_month(), HOSTILE)))
    # All devices have one name here, so the labels of their regions are alike.
    assert [item for item in page.evaluate(STRUCTURE) if not item.startswith("label twice")] == []
    for selector in (".site", "#usage tbody th", "#availability .wrap", "#anomalies .explains", "#notes li"):
        assert HOSTILE in page.locator(selector).first.text_content()
    assert "49" not in page.locator(".site").text_content()
    assert page.evaluate("getComputedStyle(document.body).marginTop") == "0px"


@pytest.mark.parametrize("made", [an_empty_report, nothing_known], ids=["no devices", "nothing known"])
def test_what_is_not_known_is_said_and_never_drawn(
    made: Callable[[], Report], shown: Callable[..., Any]
) -> None:
    page = shown(render_html(made()))
    assert page.evaluate(STRUCTURE) == []
    assert page.locator("svg").count() == 0
    assert page.locator("#summary .not-known").count() >= 3
    page.set_viewport_size({"width": 320, "height": 800})
    assert page.evaluate("document.documentElement.scrollWidth") <= 320
    text = page.locator("body").inner_text()
    assert re.findall(r"\b(None|nan|inf)\b", text) == []


def test_sections_come_in_their_order_with_trust_first(shown: Callable[..., Any], month_page: str) -> None:
    headings = shown(month_page).locator("h2").all_inner_texts()
    assert headings[:5] == [
        "Coverage and trust",
        "Summary",
        "Where the time went",
        "Utilization",
        "Availability",
    ]
    assert headings[-2:] == ["What cannot be known", "Definitions"]
    assert len(headings) == 17


def test_figures_are_those_of_the_report(shown: Callable[..., Any], month_page: str) -> None:
    report, page = a_month(), shown(month_page)
    rows = page.locator("#utilization tbody tr")
    for index, device in enumerate(report.devices):
        assert device.time.utilization is not None
        raw = rows.nth(index).locator("td:nth-child(3) data").get_attribute("value")
        assert float(raw) == pytest.approx(device.time.utilization)
    cards = page.locator(".cards li").all_inner_texts()
    busy = sum(device.time.seconds["execute"] for device in report.devices)
    wall = sum(device.time.wall_seconds for device in report.devices)
    assert f"{busy / wall * 100:.1f}\u00a0%" in cards[0]
    assert "target 60.0\u00a0% missed" in cards[0]
    assert "13\u202f066" in cards[4]
    assert page.locator("#waits .good").inner_text() == "✓ met"
    assert page.locator("#waits .bad").inner_text() == "✗ missed"
    assert "✗ Counters and ledger differ" in page.locator(".verdict").inner_text()
    assert page.locator("#time .matrix").first.locator("tbody tr").count() == 31


def test_a_large_report_stays_small_and_whole(shown: Callable[..., Any]) -> None:
    html = render_html(a_month(devices=10, groups=1000))
    assert len(html.encode()) < 3_000_000
    page = shown(html)
    assert page.locator("#time figure").count() == 11
    assert page.locator("#usage summary").first.inner_text() == "The other 975 of 1\u202f000"
    assert page.evaluate("new Set([...document.querySelectorAll('[id]')].map(e => e.id)).size") == html.count(
        ' id="'
    )


@pytest.mark.parametrize("made", [a_year, a_day_of_25_hours, with_long_names])
def test_plots_of_unusual_reports_keep_their_texts_apart(
    made: Callable[[], Report], shown: Callable[..., Any], artefacts: Path
) -> None:
    page = shown(render_html(made()), viewport={"width": 1200, "height": 900})
    page.screenshot(path=artefacts / f"report-{made.__name__}.png", full_page=True)
    assert page.evaluate(OVERLAPS) == []
    assert page.evaluate(STRUCTURE) == []


def test_matplotlib_is_loaded_only_to_render() -> None:
    code = (
        "import sys; import qwatch.reports.html, qwatch.reports.timeline_page;"
        "assert 'matplotlib' not in sys.modules;"
        "print('ok')"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout == "ok\n"


def _named(value: Any, name: str) -> Any:
    """Return a report in which every text that a person or a device may choose is ``name``."""
    chosen = re.compile(
        "site|qpu_id|reason|cause|message|name|user|account|session|slurm_job_id|job_class|subject|measure|text|"
        "source|made_by|job|note|comparison|currency"
    )
    if isinstance(value, tuple | list):
        return [name if isinstance(item, str) else _named(item, name) for item in value]
    if not dataclasses.is_dataclass(value) or isinstance(value, type):
        return value
    changed = {}
    for field in dataclasses.fields(value):
        old = getattr(value, field.name)
        is_chosen = isinstance(old, str) and chosen.fullmatch(field.name)
        changed[field.name] = name if is_chosen else _named(old, name)
    return dataclasses.replace(value, **changed)
