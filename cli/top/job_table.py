"""The table of jobs: columns, what they show and sort by, and which give way in a narrow terminal."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from rich.text import Text

from .glyphs import JOB_STYLES, Glyphs
from .lines import styled
from .snapshot import Job
from .words import length, until

_BAR = 10


@dataclass(frozen=True, slots=True)
class Column:
    """A column of 2 cells between it and the next; ``gives_way`` says how early: the highest first, 0 never."""

    key: str
    title: str
    gives_way: int
    least: int
    most: int
    right: bool = False
    of_others: bool = False


COLUMNS = (
    Column("id", "ID", 0, 4, 12, right=True),
    Column("device", "DEVICE", 5, 6, 20),
    Column("user", "USER", 1, 4, 16, of_others=True),
    Column("account", "ACCOUNT", 8, 7, 16, of_others=True),
    Column("class", "CLASS", 4, 5, 11),
    Column("state", "STATE", 0, 9, 9),
    Column("place", "PLACE", 3, 5, 6, right=True),
    Column("shots", "SHOTS", 7, 5, 9, right=True),
    Column("progress", "PROGRESS", 2, _BAR + 6, _BAR + 6),
    Column("waited", "WAITED", 6, 7, 7, right=True),
    Column("start", "START", 1, 10, 10, right=True),
    Column("left", "LEFT", 3, 6, 6, right=True),
)

_STATE_ORDER = {"RUNNING": 0, "PENDING": 1}
_AFTER_ALL = 1e9

SORTABLE: Mapping[str, Callable[[Job], float | str | None]] = {
    "id": lambda job: job.id,
    "device": lambda job: job.device,
    "user": lambda job: job.user,
    "account": lambda job: job.account,
    "class": lambda job: job.job_class,
    "state": lambda job: _STATE_ORDER.get(job.state, 2),
    # What runs is before the first that waits, what ended after the last.
    "place": lambda job: {"RUNNING": 0, "PENDING": job.place or _AFTER_ALL}.get(job.state, _AFTER_ALL + 1),
    "shots": lambda job: job.shots,
    "waited": lambda job: job.created_at,
    "start": lambda job: job.started_at if job.started_at is not None else job.expected_start,
    "left": lambda job: job.expected_end if job.state == "RUNNING" else None,
}
"""By what a column sorts; None is always at the end."""


def columns_for(
    width: int, jobs: Sequence[Job], *, everyone: bool, one_device: bool
) -> list[tuple[Column, int]]:
    """Return the columns that a terminal of this width has room for, each with its own width."""
    wanted = [
        column
        for column in COLUMNS
        if (everyone or not column.of_others) and not (column.key == "device" and one_device)
    ]
    widths = {column.key: _needed(column, jobs) for column in wanted}
    for column in sorted(wanted, key=lambda item: -item.gives_way):
        # The mark of the chosen row takes two cells.
        if sum(widths[item.key] + 2 for item in wanted) <= width:
            break
        if column.gives_way:
            wanted.remove(column)
    return [(column, widths[column.key]) for column in wanted]


def _needed(column: Column, jobs: Sequence[Job]) -> int:
    told = max((len(_plain(column.key, job)) for job in jobs), default=0) if column.least < column.most else 0
    # Its title, a space, and the mark of the order.
    return min(max(column.least, len(column.title) + 2, told), max(column.most, len(column.title) + 2))


def cell(column: Column, job: Job, now: float, glyphs: Glyphs) -> Text:
    """Return what a column shows of a job."""
    match column.key:
        case "state" if job.canceling:
            found = styled("CANCELING", "yellow")
        case "state":
            found = styled(job.state, JOB_STYLES.get(job.state, ""))
        case "progress" if job.ended_at is not None:
            found = Text("-" if job.reason in ("", "none") else job.reason)
        case "progress":
            found = progress_bar(job.progress(now), _BAR, glyphs)
        case "place":
            found = Text("-" if job.place is None or job.state != "PENDING" else str(job.place))
        case "waited":
            ended = job.started_at if job.started_at is not None else job.ended_at
            found = Text(length((now if ended is None else ended) - job.created_at))
        case "start" if job.started_at is not None:
            found = styled(f"{length(now - job.started_at)} ago", "dim")
        case "start":
            found = Text(until(job.expected_start, now) if job.state == "PENDING" else "-")
        case "left":
            found = Text(_left(job, now))
        case _:
            found = Text(_plain(column.key, job))
    return found


def _left(job: Job, now: float) -> str:
    if job.state != "RUNNING" or job.expected_end is None:
        return "-"
    return length(job.expected_end - now) if job.expected_end >= now else "late"


def progress_bar(progress: float | None, width: int, glyphs: Glyphs) -> Text:
    """Return a bar of ``width`` cells with the percentage behind it; without a progress only a dash."""
    if progress is None:
        return Text("-")
    filled = int(progress * width)
    bar = styled(glyphs.done * filled, "cyan")
    bar.append(glyphs.left * (width - filled), "dim")
    return bar.append(f" {int(progress * 100):3d} %", "")


def _plain(key: str, job: Job) -> str:
    found = {
        "id": job.id,
        "device": job.device,
        "user": job.user,
        "account": job.account,
        "class": job.job_class,
        "shots": job.shots,
    }.get(key)
    return "-" if found is None else str(found)
