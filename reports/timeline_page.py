"""Where the time of one job or one session went, as one HTML file that needs nothing else."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from zoneinfo import ZoneInfo

from ..scheduler.time_breakdown import CLASSICAL, DEVICE, DISPATCH, FETCH, IDLE, QUEUE
from .number_format import SPACE, duration
from .page_colours import EDGES
from .page_templates import css_text, environment
from .timeline_model import TimelinePage

MEANINGS = {
    CLASSICAL: "the program computed, and nothing of it was queued or running",
    QUEUE: "waited for the device",
    DISPATCH: "was sent to the device, which had not begun",
    DEVICE: "ran on the device",
    FETCH: "had ended, and its results were not yet fetched",
    IDLE: "the session was held, and nothing of it was queued or running",
}
_NAMES = {CLASSICAL: "program"}
"""Parts that the page calls otherwise."""
_PHASES = "phases"
_MOST_LISTED = 200
_WIDTH, _LABELS, _RIGHT = 900.0, 132.0, 34.0
_LANE, _BAR, _TOP, _BOTTOM = 34.0, 20.0, 8.0, 30.0
_LEAST_BAR = 1.5
_STEPS = (
    0.001,
    0.002,
    0.005,
    0.01,
    0.02,
    0.05,
    0.1,
    0.2,
    0.5,
    1,
    2,
    5,
    10,
    15,
    30,
    60,
    120,
    300,
    600,
    900,
    1800,
    3600,
    7200,
    10800,
    21600,
    43200,
    86400,
    172800,
    604800,
)
_MOST_TICKS = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class _Bar:
    x: float
    width: float
    told: str
    label: str
    """Written on it, if it is wide enough."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Lane:
    """A row of the drawing: one part of the time, or the program's phases."""

    name: str
    role: str
    edge: str
    """Role of the colour of its edge, or empty."""
    y: float
    bars: Sequence[_Bar]
    total: str


@dataclass(frozen=True, slots=True, kw_only=True)
class _Drawing:
    height: float
    lanes: Sequence[_Lane]
    ticks: Sequence[tuple[float, str]]
    description: str


def render_timeline(page: TimelinePage) -> str:
    """Return the page of a job's or a session's time as the text of an HTML file."""
    zone = ZoneInfo(page.timezone)
    subject = f"{page.subject.capitalize()} {page.name}"
    return (
        environment(zone)
        .get_template("timeline.html")
        .render(
            page=page,
            version=page.version,
            subject=subject,
            running_title=css_text(f"qwatch · {subject}"),
            drawing=_drawing(page) if page.end > page.begin else None,
            parts=[
                (_NAMES.get(name, name), name, value, MEANINGS.get(name, ""))
                for name, value in page.seconds.items()
            ],
            total=page.end - page.begin,
            intervals=page.intervals[:_MOST_LISTED],
            most=_MOST_LISTED,
            names=_NAMES,
        )
    )


def _drawing(page: TimelinePage) -> _Drawing:
    rows: list[tuple[str, str, Iterable[tuple[float, float, str]], float]] = []
    if page.phases:
        spans = sorted((phase.begin, phase.end, phase.name) for phase in page.phases)
        rows.append((_PHASES, "series", spans, sum(end - begin for begin, end, _ in spans)))
    rows += [
        (_NAMES.get(name, name), name, _of_part(page, name), seconds) for name, seconds in page.seconds.items()
    ]
    lanes = [
        _Lane(
            name=name,
            role=role,
            edge="page" if name == _PHASES else EDGES.get(role, ""),
            y=_TOP + index * _LANE,
            bars=_bars(page, list(spans), name),
            total=duration(seconds),
        )
        for index, (name, role, spans, seconds) in enumerate(rows)
    ]
    told = ", ".join(f"{lane.name} {lane.total}" for lane in lanes)
    return _Drawing(
        height=_TOP + len(lanes) * _LANE + _BOTTOM,
        lanes=lanes,
        ticks=_ticks(page),
        description=f"One lane for each part of {duration(page.end - page.begin)}: {told}.",
    )


def _of_part(page: TimelinePage, name: str) -> list[tuple[float, float, str]]:
    return [(item.begin, item.end, name) for item in page.intervals if item.part == name]


def _bars(page: TimelinePage, spans: Sequence[tuple[float, float, str]], lane: str) -> list[_Bar]:
    """Return what is drawn of a lane: what lies closer together than can be seen is one bar."""
    found: list[tuple[float, float, list[tuple[float, float, str]]]] = []
    for begin, end, name in sorted(spans):
        first, until = max(begin, page.begin), min(end, page.end)
        if until <= first:
            continue
        left, right = _x(page, first), _x(page, until)
        if found and left - found[-1][1] < _LEAST_BAR and (name == found[-1][2][-1][2]):
            last = found[-1]
            found[-1] = (last[0], max(last[1], right), [*last[2], (first, until, name)])
        else:
            found.append((left, right, [(first, until, name)]))
    return [
        _Bar(
            x=left,
            width=max(right - left, _LEAST_BAR),
            told=_told(page, merged, lane),
            label=_label(merged, lane, right - left),
        )
        for left, right, merged in found
    ]


def _label(spans: Sequence[tuple[float, float, str]], lane: str, width: float) -> str:
    name = spans[0][2]
    return name if lane == _PHASES and width > 12 + 7.5 * len(name) else ""


def _told(page: TimelinePage, spans: Sequence[tuple[float, float, str]], lane: str) -> str:
    first, last = spans[0], spans[-1]
    name = first[2] if lane == _PHASES else lane
    count = "" if len(spans) == 1 else f", {len(spans)} times"
    seconds = sum(end - begin for begin, end, _ in spans)
    return (
        f"{name}: {duration(seconds)}{count}, from {duration(first[0] - page.begin)} "
        f"to {duration(last[1] - page.begin)}"
    )


def _x(page: TimelinePage, at: float) -> float:
    return _LABELS + (at - page.begin) / (page.end - page.begin) * (_WIDTH - _LABELS - _RIGHT)


def _ticks(page: TimelinePage) -> list[tuple[float, str]]:
    length = page.end - page.begin
    step = next((step for step in _STEPS if length / step <= _MOST_TICKS), length / _MOST_TICKS)
    return [
        (_x(page, page.begin + index * step), _tick_name(index * step, length))
        for index in range(int(length / step + 1e-9) + 1)
    ]


def _tick_name(seconds: float, length: float) -> str:
    for limit, factor, unit in ((0.5, 1e-3, "ms"), (600.0, 1.0, "s"), (10800.0, 60.0, "min")):
        if length <= limit:
            return f"{seconds / factor:.6g}{SPACE}{unit}"
    return f"{seconds / 3600:.6g}{SPACE}h"
