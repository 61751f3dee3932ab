"""What ``qwatch usage``, ``sessions`` and ``session`` print, on terminals of 80 and of 120 columns.

QWATCH_WRITE_SCREENS=1 writes the screens anew; look at them before they are committed.
"""

from __future__ import annotations

import io
import os
import time
from collections.abc import Callable, Iterator
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
from rich.cells import cell_len
from rich.console import Console

from qwatch.cli.sessions import print_session, print_sessions
from qwatch.cli.time_strip import strip
from qwatch.cli.usage import print_usage

SCREENS = Path(__file__).parent / "screens" / "usage"
WAIT = {"count": 131, "mean": 31.2, "p50": 0.0071, "p90": 74.0, "p99": 5400.0, "longest": 90_000.0}
RUN = {"count": 131, "mean": 61.0, "p50": 60.2, "p90": 120.0, "p99": 300.0, "longest": 310.4}
NOTHING: dict[str, Any] = {
    "key": None,
    "jobs": 0,
    "done": 0,
    "canceled": 0,
    "failed": 0,
    "failures": {},
    "pending": 0,
    "running": 0,
    "running_seconds": 0.0,
    "shots": 0,
    "busy_seconds": 0.0,
    "wait_seconds": None,
    "run_seconds": None,
    "held_seconds": 0.0,
    "efficiency": None,
}
TOTAL = NOTHING | {
    "jobs": 1234,
    "done": 1220,
    "canceled": 5,
    "failed": 9,
    "failures": {"device_error": 6, "user_error": 3},
    "pending": 3,
    "running": 1,
    "running_seconds": 12.5,
    "shots": 1_234_000,
    "busy_seconds": 74_052.0,
    "wait_seconds": WAIT,
    "run_seconds": RUN,
    "held_seconds": 148_104.0,
    "efficiency": 0.5,
}
USAGE: dict[str, Any] = {
    "begin": "2026-10-31T23:00:00Z",
    "end": "2026-11-30T23:00:00Z",
    "timezone": "Europe/Paris",
    "user": "ada",
    "uid": 1000,
    "device": None,
    "by": "slurm-job",
    "total": TOTAL,
    "groups": [
        TOTAL | {"key": "4711", "jobs": 1000, "busy_seconds": 70_000.0, "held_seconds": 100_000.0},
        NOTHING | {"key": "4712_12", "jobs": 200, "done": 200, "shots": 1000, "busy_seconds": 4052.0},
        NOTHING | {"key": "4713", "held_seconds": 36_000.0, "efficiency": 0.0},
    ],
    "groups_in_rest": 2,
    "rest": NOTHING | {"jobs": 34, "done": 34, "shots": 70, "held_seconds": 4.0, "efficiency": 0.0},
}
HELD: dict[str, Any] = {
    "number": 12,
    "hash": "0123456789abcdef",
    "device": "FRESNEL",
    "account": "chem",
    "slurm_job_id": "4711",
    "created_at": "2026-11-23T15:00:00Z",
    "ended_at": None,
    "outcome": None,
    "held": True,
    "held_seconds": 60.0,
    "jobs": 3,
    "unfinished_jobs": 1,
    "busy_seconds": 20.0,
    "efficiency": 1 / 3,
}
RELEASED = HELD | {
    "number": 11,
    "slurm_job_id": None,
    "created_at": "2026-10-24T22:30:00Z",
    "ended_at": "2026-10-25T23:30:00Z",
    "outcome": "released",
    "held": False,
    "held_seconds": 90_000.0,
    "jobs": 12_345,
    "unfinished_jobs": 0,
    "busy_seconds": 81_000.0,
    "efficiency": 0.9,
}
SESSIONS: dict[str, Any] = {
    "sessions": [HELD, RELEASED, RELEASED | {"number": 10, "outcome": "expired", "efficiency": None}],
    "next_before": 10,
}


def at(second: float) -> str:
    return f"2026-11-23T15:00:{second:06.3f}Z"


def times(begin: float, *parts: tuple[float, str]) -> dict[str, Any]:
    """Return a partition from ``begin``: each part with where it ends."""
    intervals, seconds, last = [], dict.fromkeys(("queue", "dispatch", "device", "fetch"), 0.0), begin
    for end, part in parts:
        intervals.append({"begin": at(last), "end": at(end), "part": part})
        seconds[part] = seconds.get(part, 0.0) + end - last
        last = end
    return {
        "begin": at(begin),
        "end": at(last),
        "total_seconds": last - begin,
        "seconds": seconds,
        "intervals": intervals,
    }


def job(number: int, status: str, time: dict[str, Any]) -> dict[str, Any]:
    return {"id": number, "status": status, "shots": 1000, "time": time}


IDLE = {"classical": 4.0, "queue": 11.0, "dispatch": 1.0, "device": 31.0, "fetch": 3.0, "idle": 9.0}
SESSION: dict[str, Any] = {
    "session": HELD,
    "told_at": at(59),
    "time": times(
        0,
        *((5, "idle"), (6, "queue"), (7, "dispatch"), (27, "device"), (30, "fetch"), (34, "classical")),
        *((44, "queue"), (55, "device"), (59, "idle")),
    )
    | {"seconds": IDLE},
    "jobs": [
        job(101, "DONE", times(5, (6, "queue"), (7, "dispatch"), (27, "device"), (30, "fetch"))),
        job(102, "ERROR", times(34, (44, "queue"), (55, "device"))),
        job(103, "PENDING", times(40, (59, "queue"))),
    ],
    "jobs_left_out": 7,
    "phases": [],
}


@pytest.fixture(autouse=True)
def in_paris(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("TZ", "Europe/Paris")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


def empty_usage() -> dict[str, Any]:
    return USAGE | {"total": NOTHING, "groups": [], "rest": None, "groups_in_rest": 0}


def usage_by_day() -> dict[str, Any]:
    groups = deepcopy(USAGE["groups"])
    for place, group in enumerate(groups):
        group["key"] = f"2026-11-{place + 1:02}"
    return USAGE | {"by": "day", "groups": groups, "rest": None, "groups_in_rest": 0, "device": "FRESNEL"}


@pytest.mark.parametrize("width", [80, 120])
@pytest.mark.parametrize(
    ("name", "show"),
    [
        ("usage", lambda console: print_usage(console, USAGE | {"by": None, "groups": [], "rest": None})),
        ("usage-by-slurm-job", lambda console: print_usage(console, USAGE)),
        ("usage-by-day", lambda console: print_usage(console, usage_by_day())),
        ("usage-of-nothing", lambda console: print_usage(console, empty_usage())),
        ("sessions", lambda console: print_sessions(console, SESSIONS, "2026-10-24 16:00", 3)),
        ("session", lambda console: print_session(console, SESSION)),
    ],
)
def test_the_screen_is_as_it_was(name: str, show: Callable[[Console], None], width: int) -> None:
    file = io.StringIO()
    console = Console(file=file, width=width, highlight=False, record=True)
    show(console)
    shown = "".join(f"{line.rstrip()}\n" for line in file.getvalue().splitlines())
    assert max(cell_len(line) for line in shown.splitlines()) <= width
    kept = SCREENS / f"{name}-{width}.txt"
    if os.environ.get("QWATCH_WRITE_SCREENS"):
        kept.write_text(shown, encoding="utf-8")
        if folder := os.environ.get("QWATCH_SCREEN_PICTURES"):
            console.save_svg(str(Path(folder) / f"{name}-{width}.svg"), title=name)
    assert shown == kept.read_text(encoding="utf-8")


def test_an_empty_list_of_sessions_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    print_sessions(Console(), {"sessions": [], "next_before": None}, "2026-10-24 16:00", 20)
    assert capsys.readouterr().out == "no sessions since 2026-10-24 16:00 (--from for older ones)\n"


def test_a_strip_shows_the_part_that_takes_most_of_each_column() -> None:
    from datetime import datetime

    begin, end = datetime.fromisoformat(at(0)), datetime.fromisoformat(at(10))
    intervals = times(2, (3.4, "queue"), (3.6, "dispatch"), (8, "device"), (8.9, "fetch"))["intervals"]
    assert strip(intervals, begin, end, 10).plain == "  ░░████▓ "
    assert strip(intervals, begin, begin, 4).plain == "    "
