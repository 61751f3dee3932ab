"""The upper part of the screen: devices, the last hour, what runs, and the queue by class."""

from __future__ import annotations

from collections.abc import Sequence

from rich.text import Text

from .glyphs import ACTIVITY_STYLES, STATE_STYLES
from .job_table import progress_bar
from .lines import column, joined, styled, wrapped
from .picture import Picture
from .snapshot import ClassQueue, Device, progress_of
from .time_partition import partition_bar, partition_legend
from .words import about, count, length, until

_LABEL = 11
_LEAST_BAR = 10


def device_table(picture: Picture, devices: Sequence[Device], most: int) -> list[Text]:
    """Return a row a device, the picked ones marked; at most ``most``, and how many are left out."""
    glyphs, now = picture.glyphs, picture.now
    columns = _device_columns(picture, devices)
    head = joined([column(title, width, glyphs, right=right) for title, width, right in columns], "  ")
    head.stylize("dim")
    lines = [Text("  ") + head]
    cut = len(devices) > most
    for device in devices[: most - 1 if cut else most]:
        cells = [
            column(_cell(title, width, device, picture, now), width, glyphs, right=right)
            for title, width, right in columns
        ]
        picked = picture.view.device == device.name
        mark = styled(f"{glyphs.chosen} " if picked else "  ", "bold")
        picture.hits.devices[len(picture.lines) + len(lines)] = device.name
        lines.append(mark + joined(cells, "  "))
    if cut:
        lines.append(styled(f"  {glyphs.more} {count(len(devices) - most + 1, 'more device')}", "dim"))
    return lines


def _device_columns(picture: Picture, devices: Sequence[Device]) -> list[tuple[str, int, bool]]:
    """Return title, width and alignment of the columns for which there is room."""
    several = len(picture.shown) > 1
    name = min(max([len("DEVICE"), *(len(item.name) for item in devices)]), 24)
    activity = max([14, *(_activity(item, picture.now).cell_len for item in devices)])
    columns = [
        ("DEVICE", name, False),
        ("STATE", 7, False),
        ("ACTIVITY", activity, False),
        ("WAITING", 7, True),
    ]
    left = picture.width - sum(width + 2 for _, width, _ in columns)
    bar = several and left >= _LEAST_BAR + 2
    left -= (_LEAST_BAR + 2) if bar else 2
    offered = [("NEW JOB", 10, True, True), ("SESSIONS", 8, True, picture.snapshot.sessions is not None)]
    offered += [("RUNNING", 16, False, several), ("QUALITY", 10, True, True)]
    for title, width, right, wanted in offered:
        if wanted and left >= width + 2:
            columns.append((title, width, right))
            left -= width + 2
    if bar:
        columns.append(("LAST HOUR", min(_LEAST_BAR + left - 2, 60), False))
    return columns


def _cell(title: str, width: int, device: Device, picture: Picture, now: float) -> Text:
    match title:
        case "DEVICE":
            found = styled(device.name, "bold")
        case "STATE":
            found = styled(device.state, STATE_STYLES.get(device.state, ""))
        case "ACTIVITY":
            found = _activity(device, now)
        case "WAITING":
            found = Text("-" if device.waiting is None else str(device.waiting))
        case "NEW JOB":
            known = [item.expected_start for item in device.queue if item.expected_start is not None]
            found = Text(until(min(known, default=None), now))
        case "SESSIONS":
            found = Text(str((picture.snapshot.sessions or {}).get(device.name, 0)))
        case "QUALITY":
            found = Text("-" if device.quality_at is None else f"{length(now - device.quality_at)} old")
        case "RUNNING" if device.running is None:
            found = Text("-")
        case "RUNNING" if device.running is not None:
            over = progress_of(device.running.started_at, device.running.expected_end, now)
            found = progress_bar(over, 10, picture.glyphs)
        case _:
            found = partition_bar(device.hour, width, picture.glyphs)
    return found


def _activity(device: Device, now: float) -> Text:
    style = ACTIVITY_STYLES.get(device.activity, "").removeprefix("reverse ")
    return styled(device.activity, style).append(f" {length(now - device.activity_since)}")


def windows(picture: Picture, devices: Sequence[Device]) -> list[Text]:
    """Return a line for each device that is closed to users, or that says something to them."""
    lines = []
    for device in devices:
        line = styled(f"  {device.name}", "bold")
        for window in device.windows:
            line.append(" ").append(window.kind, "yellow")
            line.append(f" since {about(window.since, picture.now, picture.clock)}")
            if window.announced_end is not None:
                end = about(window.announced_end, picture.now, picture.clock)
                line.append(f", until {end} ({until(window.announced_end, picture.now)})")
        if device.message and (device.windows or device.state != "online"):
            line.append(f' "{device.message}"')
        if line.cell_len > len(device.name) + 2:
            lines.append(line)
    return lines


def legend(picture: Picture, devices: Sequence[Device]) -> list[Text]:
    """Return what the signs in the bars of several devices mean."""
    occurred: dict[str, float] = {}
    for device in devices:
        occurred |= {name: 1.0 for name, value in device.hour.items() if value > 0}
    return wrapped(partition_legend(occurred, picture.glyphs, shares=False), picture.width, 2)


def last_hour(picture: Picture, device: Device, *, with_legend: bool) -> list[Text]:
    """Return the last hour of one device over the whole width, and the legend with shares."""
    told = sum(device.hour.values())
    label = "last hour" if not told or told > 3540 else f"last {length(told)}"
    bar = partition_bar(device.hour, picture.width - _LABEL - 2, picture.glyphs)
    lines = [_label(label) + bar]
    if with_legend:
        parts = partition_legend(device.hour, picture.glyphs, shares=True)
        lines += wrapped(parts, picture.width, _LABEL + 2)
    return lines


def running(picture: Picture, device: Device) -> list[Text]:
    """Return what runs on one device, how far it is and how long it still takes."""
    work, now = device.running, picture.now
    if work is None:
        return [_label("running") + styled("nothing", "dim")]
    job = next((item for item in picture.known if item.device == device.name and item.state == "RUNNING"), None)
    about_it = [] if job is None else [f"job {job.id}" + (f" of {job.user}" if job.user else "")]
    if work.job_class is not None:
        about_it.append(work.job_class)
    if work.shots is not None and picture.width >= 72:
        about_it.append(count(work.shots, "shot"))
    line = _label("running") + Text(", ".join(about_it) or "a job")
    over = progress_of(work.started_at, work.expected_end, now)
    if work.expected_end is None or over is None:
        since = "" if work.started_at is None else f"  for {length(now - work.started_at)}"
        return [line.append(since)]
    late = now - work.expected_end
    rest = f"  {length(-late)} left" if late <= 1 else f"  {length(late)} longer than predicted"
    room = picture.width - line.cell_len - 2 - 6 - len(rest)
    if room >= 5:
        line.append("  ").append_text(progress_bar(over, min(room, 50), picture.glyphs))
    else:
        line.append(f"  {int(over * 100)} %")
    return [line.append(rest, "yellow" if late > 1 else "")]


def queue_table(picture: Picture, devices: Sequence[Device], most: int) -> list[Text]:
    """Return a row a class that has jobs: how many wait, how long the oldest, when a new one would start."""
    rows = [(device, item) for device in devices for item in device.queue if item.pending or item.running]
    if not rows:
        return [_no_queue(picture, devices)]
    name = 0 if len(devices) == 1 else min(max(6, *(len(device.name) for device in devices)), 24)
    columns = [("DEVICE", name, False)] if name else []
    columns += [("QUEUE", 11, False), ("WAITING", 7, True), ("RUNNING", 7, True), ("OLDEST", 8, True)]
    columns += [("NEW JOB STARTS", 18, True)]
    glyphs = picture.glyphs
    head = joined([column(title, width, glyphs, right=right) for title, width, right in columns], "  ")
    head.stylize("dim")
    lines = [Text("  ") + head]
    cut = len(rows) > most
    for device, item in rows[: most - 1 if cut else most]:
        told = ([device.name] if name else []) + _queue_cells(picture, item)
        cells = [
            column(text, width, glyphs, right=right)
            for text, (_, width, right) in zip(told, columns, strict=True)
        ]
        lines.append(Text("  ") + joined(cells, "  "))
    if cut:
        lines.append(styled(f"  {glyphs.more} {count(len(rows) - most + 1, 'more')}", "dim"))
    return lines


def _queue_cells(picture: Picture, item: ClassQueue) -> list[str]:
    oldest = None if item.oldest_created is None else picture.now - item.oldest_created
    start = until(item.expected_start, picture.now)
    if item.expected_start is not None and item.expected_start - picture.now > 60:
        start += f" ({about(item.expected_start, picture.now, picture.clock)})"
    return [item.job_class, str(item.pending), str(item.running), length(oldest), start]


def queue_line(picture: Picture, devices: Sequence[Device]) -> list[Text]:
    """Return the queue in one line, where there is no room for the table."""
    parts = []
    for device in devices:
        for item in device.queue:
            if item.pending:
                part = f"{item.job_class} {item.pending}"
                if item.expected_start is not None:
                    part += f" (new {until(item.expected_start, picture.now)})"
                parts.append(part if len(devices) == 1 else f"{device.name} {part}")
    if not parts:
        return [_no_queue(picture, devices)]
    return [_label("queue") + Text(f" {picture.glyphs.dot} ".join(parts))]


def _no_queue(picture: Picture, devices: Sequence[Device]) -> Text:
    if all(device.waiting is None for device in devices):
        return _label("queue") + styled("not known", "dim")
    known = [item.expected_start for device in devices for item in device.queue if item.expected_start]
    start = f", a new job starts {until(min(known), picture.now)}" if known else ""
    return _label("queue") + styled(f"empty{start}", "dim")


def _label(text: str) -> Text:
    return styled(f"  {text:<{_LABEL}}", "dim")
