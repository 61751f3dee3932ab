"""The page of one job's or one session's time, in a real browser."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qwatch.reports.timeline_model import Phase, TimelinePage
from qwatch.reports.timeline_page import render_timeline
from qwatch.scheduler.time_breakdown import JOB_PARTS, Interval

from .page_checks import OVERLAPS, STRUCTURE, focused_by_keys, least_contrast
from .synthetic_timeline import BEGIN, a_job, a_session

HOSTILE = '<script>alert(1)</script>"</style>'


@pytest.mark.parametrize("made", [a_job, a_session])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_it_is_seen_whole_with_contrast(
    made: Callable[[], TimelinePage], scheme: str, shown: Callable[..., Any], artefacts: Path
) -> None:
    page = shown(render_timeline(made()), color_scheme=scheme, viewport={"width": 1200, "height": 900})
    page.screenshot(path=artefacts / f"{made().subject}-{scheme}.png", full_page=True)
    assert page.evaluate(STRUCTURE) == []
    assert page.evaluate(OVERLAPS) == []
    contrast, what = least_contrast(page)
    assert contrast >= 4.5, what


def test_it_fits_a_narrow_screen_and_keys(shown: Callable[..., Any]) -> None:
    page = shown(render_timeline(a_session()), viewport={"width": 320, "height": 800})
    assert page.evaluate("document.documentElement.scrollWidth") <= 320
    reached = focused_by_keys(page, most=20)
    assert {"Plot: timeline", "Time by part", "Jobs of the session", "Phases"} <= set(reached)


def test_each_interval_is_drawn_where_it_lies(shown: Callable[..., Any]) -> None:
    job = a_job()
    boxes = shown(render_timeline(job)).evaluate(
        "() => [...document.querySelectorAll('svg rect')].map(r => [r.x.baseVal.value, r.width.baseVal.value, "
        "r.querySelector('title').textContent])"
    )
    device = [(x, width) for x, width, told in boxes if told.startswith("device")]
    scale = (866 - 132) / (job.end - job.begin)
    assert device == [
        (pytest.approx(132 + 41.5 * scale, abs=0.1), pytest.approx(54.5 * scale, abs=0.1)),
        (pytest.approx(132 + 121.2 * scale, abs=0.1), pytest.approx(49.7 * scale, abs=0.1)),
    ]


def test_names_are_text(shown: Callable[..., Any]) -> None:
    hostile = dataclasses.replace(
        a_job(),
        name=HOSTILE,
        qpu_id=HOSTILE,
        trace_id=HOSTILE,
        notes=[HOSTILE],
        phases=[Phase(name=HOSTILE, begin=BEGIN, end=BEGIN + 100)],
    )
    page = shown(render_timeline(hostile))
    assert page.evaluate(STRUCTURE) == []
    assert HOSTILE in page.locator("h1").inner_text()
    assert page.locator("code").inner_text() == HOSTILE


def test_a_job_of_no_time_is_told_without_a_drawing(shown: Callable[..., Any]) -> None:
    empty = dataclasses.replace(
        a_job(),
        end=BEGIN,
        intervals=[],
        seconds=dict.fromkeys(JOB_PARTS, 0.0),
        slices=(),
        phases=(),
        moments=(),
    )
    page = shown(render_timeline(empty))
    assert page.locator("svg").count() == 0
    assert "no time has passed" in page.locator("main").inner_text()
    assert page.evaluate(STRUCTURE) == []


def test_a_long_session_makes_no_large_page() -> None:
    assert len(render_timeline(a_session(jobs=20_000))) < 400_000


@settings(deadline=None)
@given(st.lists(st.tuples(st.sampled_from(JOB_PARTS), st.floats(0.0001, 5000)), min_size=1, max_size=30))
def test_bars_stay_within_the_drawing(parts: list[tuple[str, float]]) -> None:
    at, intervals = BEGIN, []
    for part, length in parts:
        intervals.append(Interval(at, at + length, part))
        at += length
    seconds = {part: sum(length for name, length in parts if name == part) for part in JOB_PARTS}
    page = dataclasses.replace(a_job(), end=at, intervals=intervals, seconds=seconds, phases=())
    html = render_timeline(page)
    for piece in html.split("<rect ")[1:]:
        x, width = (float(piece.split(f'{name}="')[1].split('"')[0]) for name in ("x", "width"))
        assert x >= 132
        assert x + width <= 866 + 1.6
