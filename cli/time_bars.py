"""Where the time of a job and of its session went, as bars in the terminal."""

from __future__ import annotations

from typing import Any

from rich.console import Console
from rich.text import Text

_WIDTH = 24
_LEAST_TOLD = 0.005
_EIGHTHS = " ▏▎▍▌▋▊▉"
_MEANINGS = {
    "classical": "the program computed",
    "queue": "waited for the device",
    "dispatch": "was sent to it",
    "device": "ran on it",
    "fetch": "ended, not yet fetched",
    "idle": "session held, no job",
}
COLOURS = {
    "classical": "magenta",
    "queue": "blue",
    "dispatch": "yellow",
    "device": "green",
    "fetch": "cyan",
    "idle": "bright_black",
}


def print_job_time(console: Console, timeline: dict[str, Any], whole_session: bool) -> None:
    """Print the parts of a job's time, and its session's in one line, or as bars too."""
    job, session = timeline["job"], timeline["session"]
    console.print(f"where its time went: {seconds(job['total_seconds'])}", style="bold")
    print_bars(console, job)
    heading = f"{_about(session)}: {seconds(session['total_seconds'])}"
    console.print(heading if whole_session else f"{heading} (--session: as bars)", style="bold")
    if whole_session:
        print_bars(console, session)
        return
    told = [(name, value) for name, value in session["seconds"].items() if value >= _LEAST_TOLD]
    parts = ", ".join(f"{name} {seconds(value)}" for name, value in told)
    console.print(f"  {parts or '-'}", soft_wrap=False)


def _about(session: dict[str, Any]) -> str:
    count = session["jobs"]
    held = "still held" if session["held"] else "released"
    return f"its session, {count} job{'' if count == 1 else 's'}, {held}"


def print_bars(console: Console, breakdown: dict[str, Any]) -> None:
    """Print the parts of a breakdown, a bar each."""
    total = breakdown["total_seconds"]
    for name, value in breakdown["seconds"].items():
        share = value / total if total > 0 else 0.0
        line = Text(f"  {name:<9} ")
        line.append(bar(share), style=COLOURS.get(name, ""))
        line.append(f" {seconds(value):>9} {share:>4.0%}  ")
        line.append(_MEANINGS.get(name, ""), style="dim")
        console.print(line, soft_wrap=True)


def bar(share: float, width: int = _WIDTH) -> str:
    """Return a bar that fills ``share`` of ``width`` columns, to an eighth; a little is never nothing."""
    eighths = round(share * width * 8)
    if share > 0:
        eighths = max(eighths, 1)
    whole, rest = divmod(min(eighths, width * 8), 8)
    return ("█" * whole + (_EIGHTHS[rest] if rest else "")).ljust(width)


def seconds(value: float) -> str:
    """Return a length of time for a person, with three digits or so."""
    if value < 0.1:
        return f"{value * 1000:.0f} ms"
    if value < 100:
        return f"{value:.2f} s"
    if value < 6000:
        return f"{value / 60:.1f} min"
    return f"{value / 3600:.1f} h"
