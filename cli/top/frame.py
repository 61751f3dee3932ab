"""One frame of ``qwatch top``: every line of the screen, for any size from 40 by 10 up, as text with styles."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from rich.text import Text

from . import device_parts
from .glyphs import SEVERITY_STYLES, STATE_STYLES, Glyphs
from .job_table import Column, cell, columns_for
from .lines import column, fitted, joined, sides, styled, titled, wrapped
from .picture import Hits, Picture
from .snapshot import Job, Snapshot
from .view import Mode, View
from .words import Clock, count, length

_LEVELS = 4
"""How compact a frame can be: 0 shows everything with headings, 3 what is needed most."""

_HELP = (
    ("up, down, page, home, end", "choose a job; also k and j"),
    ("s, S, right, left", "sort by the next or previous column"),
    ("r", "reverse the order"),
    ("/", "filter: words of id, device, class, state, user"),
    ("Esc", "clear the filter"),
    ("d, D, tab", "pick a device, or all"),
    ("a", "everybody's jobs or yours (administrators)"),
    ("c", "cancel the chosen job, after a question"),
    ("space", "pause, go on"),
    ("mouse", "choose a row; a heading sorts; the wheel moves"),
    ("q, Ctrl-C", "leave"),
)


@dataclass(frozen=True, slots=True)
class Link:
    """How it stands with the daemon: ``problem`` is empty while it tells; ``since`` is when it last did."""

    where: str
    problem: str = ""
    since: float | None = None
    next_try: float | None = None
    note: str = ""


@dataclass(frozen=True, slots=True)
class Frame:
    """The lines of a screen, each as wide as it, and what a click hits."""

    lines: list[Text]
    hits: Hits


@dataclass(frozen=True, slots=True)
class Size:
    """Cells of a screen; without a height as many lines as there are to show."""

    width: int
    height: int | None


def draw(
    snapshot: Snapshot | None, view: View, link: Link, now: float, size: Size, glyphs: Glyphs, clock: Clock
) -> Frame:
    """Return the frame that shows ``snapshot`` at the daemon's moment ``now``."""
    if size.width < 40 or (size.height is not None and size.height < 10):
        return _only(["the terminal is too small:", "40 by 10 at least"], size, glyphs)
    if view.mode is Mode.HELP:
        return _help(size, glyphs)
    if snapshot is None:
        first = f"asking {link.where} {glyphs.more}" if not link.problem else link.problem
        return _only(["qwatch top", "", first, "", *_next_try(link, clock), "q leaves"], size, glyphs)
    for level in range(_LEVELS):
        picture = Picture(snapshot, view, now, size.width, glyphs, clock)
        jobs = view.jobs(snapshot)
        _upper(picture, link, level, size)
        foot = 0 if size.height is None else 1
        room = None if size.height is None else size.height - len(picture.lines) - foot
        wanted = 3 + min(len(jobs), (8, 6, 4, 1)[level])
        if room is None or room >= wanted or level == _LEVELS - 1:
            break
    _jobs(picture, jobs, room, level)
    lines = picture.lines
    if size.height is not None:
        lines = lines[: size.height - 1]
        lines += [Text()] * (size.height - 1 - len(lines))
        lines.append(_foot(view, size.width, glyphs))
    return Frame([fitted(line, size.width, glyphs) for line in lines], picture.hits)


def _upper(picture: Picture, link: Link, level: int, size: Size) -> None:
    snapshot, lines = picture.snapshot, picture.lines
    lines.append(_header(picture, link))
    if link.problem:
        lines.append(_stale(link, picture))
    elif _note(snapshot, link):
        lines.append(styled(_note(snapshot, link), "yellow"))
    if level == 0:
        lines.append(Text())
    tall = size.height or 1000
    picture.lines += device_parts.device_table(picture, snapshot.devices, max(3, tall // 4))
    shown = picture.shown
    picture.lines += device_parts.windows(picture, shown)[: max(1, tall // 8)]
    if len(shown) == 1:
        _space(picture, level)
        picture.lines += device_parts.last_hour(picture, shown[0], with_legend=level < 3)
        picture.lines += device_parts.running(picture, shown[0])
    elif level < 2:
        picture.lines += device_parts.legend(picture, shown)
    if level < 2:
        _space(picture, level)
        picture.lines += device_parts.queue_table(picture, shown, max(3, tall // 4))
    else:
        picture.lines += device_parts.queue_line(picture, shown)
    _alerts(picture, level)


def _space(picture: Picture, level: int) -> None:
    if level == 0:
        picture.lines.append(Text())


def _header(picture: Picture, link: Link) -> Text:
    snapshot, glyphs = picture.snapshot, picture.glyphs
    left = styled("qwatch top", "bold").append(f"  {link.where}", "")
    if snapshot.user is not None:
        rights = ", administrator" if snapshot.all_jobs is not None else ""
        left.append(f"  {snapshot.user}{rights}", "dim")
    right = Text(f"  {picture.clock(picture.now):%H:%M:%S}  ")
    if link.problem:
        right.append(" STALE ", "bold reverse red")
    elif picture.view.paused:
        right.append(" PAUSED ", "bold reverse yellow")
    else:
        right.append("live", STATE_STYLES["online"])
    return sides(left, right, picture.width, glyphs)


def _stale(link: Link, picture: Picture) -> Text:
    since = "" if link.since is None else f"stale since {picture.clock(link.since):%H:%M:%S}: "
    return styled(" ".join([f"{since}{link.problem};", *_next_try(link, picture.clock)]), "red")


def _next_try(link: Link, clock: Clock) -> list[str]:
    return [f"next try at {clock(link.next_try):%H:%M:%S}"] if link.next_try is not None else []


def _note(snapshot: Snapshot, link: Link) -> str:
    if snapshot.user is not None:
        return ""
    if snapshot.role == "observer":
        return "an observer tells of devices and queues, not of single jobs"
    return f"your jobs are not shown: {link.note}" if link.note else "only the public part is shown"


def _alerts(picture: Picture, level: int) -> None:
    snapshot, glyphs = picture.snapshot, picture.glyphs
    if snapshot.alerts_error:
        picture.lines.append(styled(f"  alerts are not known: {snapshot.alerts_error}", "yellow"))
    shown = [device.name for device in picture.shown]
    alerts = [item for item in snapshot.alerts or () if item.device is None or item.device in shown]
    if not alerts:
        told = "none" if snapshot.alerts is not None else "not known yet, or no Alertmanager is configured"
        if snapshot.all_jobs is not None and not snapshot.alerts_error and level < 2:
            picture.lines.append(styled(f"  alerts     {told}", "dim"))
        return
    order = list(SEVERITY_STYLES)
    alerts.sort(key=lambda item: (order.index(item.severity) if item.severity in order else 9, -item.since))
    _space(picture, level)
    most = (6, 3, 1, 1)[level]
    cut = len(alerts) > most
    for alert in alerts[: most - 1 if cut and most > 1 else most]:
        line = styled(f"  {alert.severity:<9}  ", SEVERITY_STYLES.get(alert.severity, ""))
        if most == 1 and cut:
            line.append(f"{len(alerts)} alerts, ", "yellow")
        line.append(alert.name, "bold")
        line.append(f" {alert.device}" if alert.device else "")
        line.append(f" for {length(picture.now - alert.since)}", "")
        line.append(f": {alert.summary}" if alert.summary else "", "")
        picture.lines.append(line)
    if cut and most > 1:
        more = count(len(alerts) - most + 1, "more alert")
        picture.lines.append(styled(f"  {glyphs.more} {more}", "yellow"))


def _jobs(picture: Picture, jobs: Sequence[Job], room: int | None, level: int) -> None:
    snapshot, view, glyphs = picture.snapshot, picture.view, picture.glyphs
    if snapshot.user is None and snapshot.all_jobs is None:
        return
    everyone = view.shows_everyone(snapshot)
    heading = f"{'Jobs' if everyone else 'Your jobs'} ({len(jobs)}"
    left_out = snapshot.left_out[1 if everyone else 0]
    heading += f", and {left_out} more wait)" if left_out else ")"
    heading += f" by {view.column}{', reversed' if view.reverse else ''}"
    if view.filter:
        heading += f', filter "{view.filter}"'
    _space(picture, level)
    picture.lines.append(titled(heading, picture.width, glyphs))
    if not jobs:
        picture.lines.append(styled("  none" if not view.filter else "  none fits the filter", "dim"))
        return
    columns = columns_for(
        picture.width, jobs, everyone=everyone, one_device=len(snapshot.devices) == 1 or view.device is not None
    )
    _heading(picture, columns)
    rows = len(jobs) if room is None else max(room - 2 - (level == 0), 1)
    view.page = rows
    chosen = view.chosen(snapshot)
    at = next((row for row, job in enumerate(jobs) if job is chosen), 0)
    # The cursor in the middle, except at both ends.
    first = max(min(at - rows // 2, len(jobs) - rows), 0)
    for job in jobs[first : first + rows]:
        cells = [
            column(cell(item, job, picture.now, glyphs), width, glyphs, right=item.right)
            for item, width in columns
        ]
        on_it = job is chosen and room is not None
        line = Text(f"{glyphs.chosen} " if on_it else "  ") + joined(cells, "  ")
        if on_it:
            # In its own colours it would be a patchwork.
            line = styled(fitted(line, picture.width, glyphs).plain, "reverse")
        elif job.state not in ("PENDING", "RUNNING"):
            line.stylize("dim")
        picture.hits.jobs[len(picture.lines)] = job.id
        picture.lines.append(line)


def _heading(picture: Picture, columns: Sequence[tuple[Column, int]]) -> None:
    view, glyphs = picture.view, picture.glyphs
    head = Text("  ")
    for item, width in columns:
        mark = (glyphs.down if view.reverse else glyphs.up) if item.key == view.column else ""
        title = styled(f"{item.title}{mark}", "bold" if mark else "dim")
        picture.hits.columns.append((head.cell_len, head.cell_len + width, item.key))
        head.append_text(column(title, width, glyphs, right=item.right)).append("  ", "")
    picture.hits.head = len(picture.lines)
    picture.lines.append(head)


def _foot(view: View, width: int, glyphs: Glyphs) -> Text:
    if view.mode is Mode.FILTER:
        line = styled("filter: ", "bold").append(view.filter, "").append("_", "blink")
        return sides(line, styled("Enter keeps it, Esc clears it", "dim"), width, glyphs)
    if view.mode is Mode.CONFIRM and view.asked is not None:
        job = view.asked
        whose = f" of {job.user}" if job.user else ""
        question = f" cancel job {job.id}{whose} ({job.job_class}, {job.state} on {job.device})?  y / N "
        return styled(question, "bold reverse yellow")
    if view.said:
        return styled(view.said, "bold")
    keys = (
        ("?", "help"), ("q", "quit"), ("s", "sort"), ("r", "reverse"), ("/", "filter"),
        ("d", "device"), ("a", "all/own"), ("c", "cancel"), ("space", "go on" if view.paused else "pause"),
    )  # fmt: skip
    hints = [styled(key, "bold") + styled(f" {what}", "dim") for key, what in keys]
    return wrapped(hints, width, 0, 2)[0]


def _help(size: Size, glyphs: Glyphs) -> Frame:
    lines = [styled("qwatch top", "bold"), Text()]
    for keys, what in _HELP:
        lines.append(styled(f"  {keys:<27}", "bold").append(what, ""))
    lines += [Text(), styled("any other key goes back", "dim")]
    if size.height is not None and len(lines) > size.height:
        lines = [line for line in lines if line.plain]
    return Frame([fitted(line, size.width, glyphs) for line in lines[: size.height]], Hits())


def _only(texts: Sequence[str], size: Size, glyphs: Glyphs) -> Frame:
    return Frame([fitted(Text(text), size.width, glyphs) for text in texts[: size.height]], Hits())
