"""A report as Markdown: to be read in a terminal as it is, and in a wiki."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from zoneinfo import ZoneInfo

from .cost import printed
from .model import Breakdown, Coverage, DevicePart, Quantiles, Report, Trend

_UNKNOWN = "–"
_MOST_INCIDENTS = 50
_SHADES = " ░▒▓█"
_WEEKDAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")


def render_markdown(report: Report) -> str:
    """Return the whole report as Markdown."""
    zone = ZoneInfo(report.period.timezone)

    def when(moment: float | None) -> str:
        return _UNKNOWN if moment is None else f"{datetime.fromtimestamp(moment, zone):%Y-%m-%d %H:%M}"

    lines: list[str] = []
    for part in (
        _head(report, when),
        _coverage(report, when),
        _time(report),
        *(_device(device, when) for device in report.devices),
        _jobs(report),
        _groups(report.breakdown, f"By {report.breakdown.by}", report),
        _groups(report.top_users, "Users", report),
        _groups(report.top_accounts, "Accounts", report),
        _sessions(report),
        _trends(report.trends),
        _anomalies(report, when),
        _statements(report),
    ):
        lines += part
    return "\n".join(lines).rstrip() + "\n"


def _head(report: Report, when: Callable[[float | None], str]) -> Iterator[str]:
    title = f"Utilization report: {report.period.label}"
    yield f"# {f'{_text(report.site)}: ' if report.site else ''}{title}"
    yield ""
    yield (
        f"{when(report.period.begin)} to {when(report.period.end)} ({report.period.timezone}), compared with "
        f"{report.previous.label}. From the ledger of {', '.join(map(_text, report.sources)) or 'nobody yet'}; "
        f"made {when(report.made_at)} by qwatch {report.version}."
    )
    yield ""
    for note in report.notes:
        yield f"- {_text(note)}"
    if report.notes:
        yield ""


def _coverage(report: Report, when: Callable[[float | None], str]) -> Iterator[str]:
    yield "## Coverage and trust"
    yield ""
    yield from _table(
        ["device", "known", "of the period", "gaps", "counters − ledger"],
        [
            [
                covered.qpu_id,
                _hours(covered.covered_seconds),
                _percent(covered.ratio),
                str(len(covered.gaps) + covered.gaps_left_out),
                _difference(covered),
            ]
            for covered in report.coverage
        ],
    )
    for covered in report.coverage:
        for gap in covered.gaps:
            yield (
                f"- {covered.qpu_id}: nothing is known from {when(gap.begin)} to {when(gap.end)} "
                f"({_length(gap.end - gap.begin)}): {_text(gap.reason)}"
            )
        if covered.gaps_left_out:
            yield f"- {covered.qpu_id}: and {covered.gaps_left_out} shorter gaps"
        yield f"- {covered.qpu_id}: {_text(covered.comparison)}"
    if report.coverage:
        yield ""


def _difference(covered: Coverage) -> str:
    if covered.differences is None:
        return "not compared"
    told = [found for found in covered.differences if abs(found.seconds) >= 0.5]
    if not told:
        return "less than a second each"
    return ", ".join(f"{found.activity} {found.seconds:+.0f} s" for found in told)


def _time(report: Report) -> Iterator[str]:
    yield "## Time and utilization"
    yield ""
    if not report.devices:
        yield "No device."
        yield ""
        return
    activities = list(report.devices[0].time.seconds)
    yield from _table(
        ["device", "wall", *activities],
        [
            [
                device.qpu_id,
                _hours(device.time.wall_seconds),
                *(_hours(device.time.seconds[activity]) for activity in activities),
            ]
            for device in report.devices
        ],
    )
    yield from _table(
        ["device", "utilization", "target", "of the available time", "dispatch efficiency", "before"],
        [
            [
                device.qpu_id,
                _percent(device.time.utilization),
                _percent(device.utilization_target),
                _percent(device.time.utilization_of_available),
                _percent(device.time.dispatch_efficiency),
                _percent(None if device.before is None else device.before.utilization),
            ]
            for device in report.devices
        ],
    )


def _device(device: DevicePart, when: Callable[[float | None], str]) -> Iterator[str]:
    yield f"## {device.qpu_id}"
    yield ""
    found = device.availability
    target = "" if found.target is None else f" (target {_percent(found.target)})"
    yield (
        f"Availability {_percent(found.ratio)}{target}, {len(found.incidents)} incidents, MTBF "
        f"{_length(found.mean_time_between_failures)}, MTTR {_length(found.mean_time_to_repair)}."
    )
    shots = device.shots
    nominal = "" if shots.nominal_rate is None else f", nominally {shots.nominal_rate:,.3g}/s"
    rate = _UNKNOWN if shots.rate is None else f"{shots.rate:,.3g}/s"
    yield f"Shots: {shots.executed:,} of {shots.requested:,} requested, {rate} while busy{nominal}."
    yield ""
    if found.incidents:
        yield from _table(
            ["fault from", "to", "in the period", "cause"],
            [
                [when(one.begin), when(one.end), _length(one.seconds), _text(one.cause)]
                for one in found.incidents[:_MOST_INCIDENTS]
            ],
        )
        if len(found.incidents) > _MOST_INCIDENTS:
            yield f"And {len(found.incidents) - _MOST_INCIDENTS} incidents more."
            yield ""
    if device.windows:
        yield from _table(
            ["planned", "from", "to", "procedure", "result", "message"],
            [
                [
                    window.kind,
                    when(window.begin),
                    when(window.end),
                    window.procedure or "",
                    window.result or "",
                    _text(window.message),
                ]
                for window in device.windows
            ],
        )
    if device.quality:
        yield from _table(
            ["quality", "source", "samples", "first", "last", "least", "greatest", "mean", "unit"],
            [
                [
                    " ".join([series.metric, *(f"{key}={value}" for key, value in series.labels.items())]),
                    _text(series.source),
                    str(series.count),
                    *(
                        f"{value:.4g}"
                        for value in (series.first, series.last, series.least, series.greatest, series.mean)
                    ),
                    series.unit,
                ]
                for series in device.quality
            ],
        )
    yield from _heatmap(device)


def _heatmap(device: DevicePart) -> Iterator[str]:
    if all(value is None for hours in device.heatmap for value in hours):
        return
    yield "Utilization by weekday and hour of the day (· not known, ░ to █ a quarter each):"
    yield ""
    yield "```"
    yield "     0     6     12    18"
    for weekday, hours in zip(_WEEKDAYS, device.heatmap, strict=True):
        yield f"{weekday}  {''.join('·' if value is None else _shade(value) for value in hours)}"
    yield "```"
    yield ""


def _shade(value: float) -> str:
    return _SHADES[min(int(value * 4 + 0.999), 4)]


def _jobs(report: Report) -> Iterator[str]:
    yield "## Jobs"
    yield ""
    doubles = f", {report.possible_doubles:,} of them possibly run twice" if report.possible_doubles else ""
    yield f"{report.jobs:,} jobs ended{doubles}."
    yield ""
    if report.endings:
        yield from _table(
            ["state", "reason", "jobs", "share"],
            [[one.state, one.reason, f"{one.jobs:,}", _percent(one.share)] for one in report.endings],
        )
    for measure in ("wait", "run", "turnaround") if report.classes else ():
        yield from _table(
            [measure, "jobs", "p50", "p90", "p99", "mean", "greatest"],
            [[part.job_class, *_quantiles(getattr(part, measure))] for part in report.classes],
        )
    objectives = [part for part in report.classes if part.objective_within is not None]
    if objectives:
        yield from _table(
            ["objective", "to start within", "share to", "share that did", "met"],
            [
                [
                    part.job_class,
                    _length(part.objective_within),
                    _percent(part.objective_ratio),
                    _percent(part.met_ratio),
                    {True: "yes", False: "no", None: _UNKNOWN}[part.met],
                ]
                for part in objectives
            ],
        )


def _quantiles(found: Quantiles) -> list[str]:
    lengths = (found.p50, found.p90, found.p99, found.mean, found.greatest)
    return [f"{found.count:,}", *map(_length, lengths)]


def _groups(found: Breakdown, title: str, report: Report) -> Iterator[str]:
    if not found.groups:
        return
    yield f"## {title}"
    yield ""
    groups = [*found.groups, *([] if found.others is None else [found.others])]
    columns = [found.by, "jobs", "failed", "shots", "busy", "share"]
    has_target = any(group.target_share is not None for group in groups)
    has_cost = any(group.cost is not None for group in groups)
    columns += (["target"] if has_target else []) + ["mean wait"] + (["cost"] if has_cost else [])
    rows = []
    for group in groups:
        row = [
            _text(group.name),
            f"{group.jobs:,}",
            f"{group.failed:,}",
            f"{group.shots:,}",
            _hours(group.busy_seconds),
            _percent(group.share),
        ]
        row += [_percent(group.target_share)] if has_target else []
        row.append(_length(group.mean_wait))
        row += [_UNKNOWN if group.cost is None else printed(group.cost)] if has_cost else []
        rows.append(row)
    yield from _table(columns, rows)
    if found.others is not None:
        yield f"{len(found.groups)} of {found.count} are listed."
        yield ""


def _sessions(report: Report) -> Iterator[str]:
    found = report.sessions
    yield "## Sessions"
    yield ""
    yield (
        f"{found.sessions:,} sessions held {_hours(found.held_seconds)} and used "
        f"{_hours(found.busy_seconds)}: {_percent(found.ratio)}. {_text(found.note)}".rstrip()
    )
    yield ""
    if found.least_efficient:
        yield from _table(
            ["session", "user", "account", "device", "Slurm job", "held", "busy", "jobs"],
            [
                [
                    _text(use.session),
                    _text(use.user),
                    _text(use.account),
                    use.qpu_id,
                    _text(use.slurm_job_id or _UNKNOWN),
                    _length(use.held_seconds),
                    _length(use.busy_seconds),
                    f"{use.jobs:,}",
                ]
                for use in found.least_efficient
            ],
        )


def _trends(found: Sequence[Trend]) -> Iterator[str]:
    yield "## Trend"
    yield ""
    show: dict[str, Callable[[float | None], str]] = {
        "ratio": _percent,
        "seconds": _length,
        "hertz": lambda value: _UNKNOWN if value is None else f"{value:,.3g}/s",
        "count": lambda value: _UNKNOWN if value is None else f"{value:,.0f}",
    }
    yield from _table(
        ["", "now", "before", "change"],
        [
            [
                trend.name,
                show[trend.unit](trend.now),
                show[trend.unit](trend.before),
                _UNKNOWN if trend.change is None else f"{trend.change:+.1%}",
            ]
            for trend in found
        ],
    )


def _anomalies(report: Report, when: Callable[[float | None], str]) -> Iterator[str]:
    yield "## Anomalies"
    yield ""
    if not report.anomalies:
        yield "None, as far as the past allows to tell."
    for one in report.anomalies:
        at = "" if one.at is None else f" ({when(one.at)})"
        yield f"- {one.kind} {_text(one.subject)}{at}: {_text(one.text)}"
    yield ""


def _statements(report: Report) -> Iterator[str]:
    if report.statements is None:
        return
    yield "## Statements"
    yield ""
    for statement in report.statements:
        yield f"### {_text(statement.account)}"
        yield ""
        rows = [
            [
                line.job_class,
                f"{line.jobs:,}",
                _hours(line.busy_seconds),
                printed(line.rate),
                printed(line.cost),
            ]
            for line in statement.lines
        ]
        rows += [
            [
                f"correction {one.number}: {_text(one.reason)}",
                "",
                _hours(one.busy_seconds),
                "",
                printed(one.cost),
            ]
            for one in statement.corrections
        ]
        rows.append(["total", "", _hours(statement.busy_seconds), "", printed(statement.total)])
        yield from _table(["class", "jobs", "busy", "per hour", statement.currency], rows)


def _table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> Iterator[str]:
    """Yield the lines of a table whose columns stand below each other; the first one to the left."""
    widths = [max(len(row[place]) for row in [columns, *rows]) for place in range(len(columns))]

    def line(cells: Sequence[str]) -> str:
        padded = (
            cell.rjust(width) if place else cell.ljust(width)
            for place, (cell, width) in enumerate(zip(cells, widths, strict=True))
        )
        return f"| {' | '.join(padded)} |"

    yield line(columns)
    yield (
        "|"
        + "|".join(f"{'-' * (width + 1)}{':' if place else '-'}" for place, width in enumerate(widths))
        + "|"
    )
    for row in rows:
        yield line(row)
    yield ""


def _text(value: str) -> str:
    """Return what others wrote, so that it is text in a table and nothing else."""
    clean = " ".join("".join(sign if sign.isprintable() else " " for sign in value).split())
    for sign in "\\`*[]<>|":
        clean = clean.replace(sign, f"\\{sign}")
    return clean


def _percent(ratio: float | None) -> str:
    return _UNKNOWN if ratio is None else f"{ratio:.1%}"


def _hours(seconds: float) -> str:
    hours = seconds / 3600
    return f"{hours:,.0f} h" if hours >= 100 else f"{hours:,.2f} h"


def _length(seconds: float | None) -> str:
    if seconds is None:
        return _UNKNOWN
    if seconds < 1:
        return f"{seconds * 1000:.0f} ms"
    if seconds < 120:
        return f"{seconds:.1f} s"
    if seconds < 7200:
        return f"{seconds / 60:.1f} min"
    return f"{seconds / 3600:,.1f} h"
