"""``qwatch sessions`` and ``qwatch session``: which were held, and where their time went."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from .daemon_client import DaemonClient
from .failure import CommandFailedError
from .jobs import COLOURS
from .periods import Period
from .time_bars import print_bars, seconds
from .time_strip import legend, strip

_WIDE = 100
_MOST_JOBS = 20
_MOST_SESSIONS = 1000
_STATES = {"held": "cyan", "released": "green", "expired": "yellow", "revoked": "red"}


def list_sessions(period: Period, qpu: str | None, user: str | None, limit: int, as_json: bool) -> None:
    """Print the user's sessions that began in ``period`` or are held, newest first."""
    client = DaemonClient.of_daemon(qpu)
    asked = {"from": period.begin.isoformat(), "to": period.end.isoformat(), **_of(user)}
    if qpu is not None:
        asked["device"] = client.location.name
    found = client.get("/sessions", limit=limit, **asked)
    if as_json:
        typer.echo(json.dumps(found))
    else:
        print_sessions(Console(highlight=False), found, f"{period.begin:%Y-%m-%d %H:%M}", limit)


def show_session(
    number: int | None,
    slurm_job: str | None,
    qpu: str | None,
    user: str | None,
    *,
    html: Path | None,
    as_json: bool,
) -> None:
    """Print where the time of a session went, or of each session of a Slurm job; write a page each to ``html``.

    Raises:
        CommandFailedError: there is no such session, or the Slurm job has none.
    """
    client = DaemonClient.of_daemon(qpu)
    numbers = [number] if slurm_job is None else _of_slurm_job(client, slurm_job, user)
    found = [client.get(f"/sessions/{item}/timeline", **_of(user)) for item in numbers]
    if html is not None:
        from .timeline_file import session_page, write_page

        for timeline in found:
            file = html if len(found) == 1 else _numbered(html, timeline["session"]["number"])
            write_page(file, session_page(timeline))
    if as_json:
        told = found[0] if slurm_job is None else {"slurm_job_id": slurm_job, "sessions": found}
        typer.echo(json.dumps(told))
        return
    console = Console(highlight=False)
    for place, timeline in enumerate(found):
        if place:
            console.print()
        print_session(console, timeline)


def print_sessions(console: Console, found: Mapping[str, Any], since: str, limit: int) -> None:
    """Print the reply of ``GET /sessions``."""
    if not found["sessions"]:
        typer.echo(f"no sessions since {since} (--from for older ones)")
        return
    wide = console.width >= _WIDE
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0) if wide else (0, 1, 0, 0), header_style="bold")
    for title in ("session", "device", "Slurm job", "begin", "state", "held", "jobs", "busy", "used"):
        table.add_column(
            title,
            justify="right" if title in ("session", "held", "jobs", "busy", "used") else "left",
            overflow="fold",
            no_wrap=title in ("held", "busy", "state", "begin"),
        )
    for item in found["sessions"]:
        state = _state(item)
        table.add_row(
            str(item["number"]),
            Text(item["device"]),
            Text(item["slurm_job_id"] or "-"),
            _clock(item["created_at"], "%Y-%m-%d %H:%M"),
            Text(state, style=_STATES.get(state, "")),
            seconds(item["held_seconds"]),
            f"{item['jobs']:,}",
            seconds(item["busy_seconds"]),
            "-" if item["efficiency"] is None else f"{item['efficiency']:.0%}",
        )
    console.print(table)
    if found["next_before"] is not None:
        _line(console, f"the newest {limit}; --limit for more", "dim")


def print_session(console: Console, found: Mapping[str, Any]) -> None:
    """Print the reply of ``GET /sessions/{number}/timeline``."""
    session, time = found["session"], found["time"]
    state = _state(session)
    heading = Text(f"session {session['number']}", style="bold")
    heading.append(f" on {session['device']}: ", style="not bold").append(state, style=_STATES.get(state, ""))
    console.print(heading, soft_wrap=True)
    facts = Table.grid(padding=(0, 2))
    for name, value in (
        ("Slurm job", session["slurm_job_id"] or "-"),
        ("account", session["account"]),
        ("begin", _clock(session["created_at"])),
        ("end", "-" if session["ended_at"] is None else _clock(session["ended_at"])),
        ("jobs", _jobs(session)),
        ("busy", _busy(session)),
        ("in traces", session["hash"]),
    ):
        facts.add_row(f"  {name}", Text(value))
    console.print(facts)
    _line(console, f"where its time went: {seconds(time['total_seconds'])}", "bold")
    print_bars(console, time)
    if found["jobs"]:
        _print_jobs(console, found)


def _print_jobs(console: Console, found: Mapping[str, Any]) -> None:
    time, shown = found["time"], found["jobs"][-_MOST_JOBS:]
    begin, end = datetime.fromisoformat(time["begin"]), datetime.fromisoformat(time["end"])
    width = 60 if console.width >= _WIDE else 36
    _line(console, "when", "bold")
    table = Table(box=None, pad_edge=False, padding=(0, 1, 0, 0), header_style="bold")
    table.add_column("  job", justify="right")
    table.add_column("state")
    table.add_column("shots", justify="right")
    table.add_column("total", justify="right", no_wrap=True)
    table.add_column(_axis(begin, end, width), no_wrap=True)
    for job in shown:
        table.add_row(
            f"{job['id']}",
            Text(job["status"], style=COLOURS.get(job["status"], "")),
            f"{job['shots']:,}",
            seconds(job["time"]["total_seconds"]),
            strip(job["time"]["intervals"], begin, end, width),
        )
    table.add_row("all", "", "", seconds(time["total_seconds"]), strip(time["intervals"], begin, end, width))
    console.print(table)
    console.print(Text("  ").append_text(legend(time["seconds"])), soft_wrap=True)
    more = len(found["jobs"]) + found["jobs_left_out"] - len(shown)
    if more:
        _line(console, f"  {more} earlier jobs are not listed; --html FILE or --json has them", "dim")


def _axis(begin: datetime, end: datetime, width: int) -> str:
    first, last = begin.astimezone().strftime("%H:%M:%S"), end.astimezone().strftime("%H:%M:%S")
    return f"{first}{last:>{width - len(first)}}"


def _of_slurm_job(client: DaemonClient, slurm_job: str, user: str | None) -> list[int]:
    listed = client.get("/sessions", slurm_job=slurm_job, limit=_MOST_SESSIONS, **_of(user))["sessions"]
    if not listed:
        whose = "yours" if user is None else user
        raise CommandFailedError(
            f"Slurm job {slurm_job} has no session of {whose}; 'qwatch sessions' lists what there is"
        )
    return [int(item["number"]) for item in reversed(listed)]


def _numbered(file: Path, number: int) -> Path:
    return file.with_name(f"{file.stem}-{number}{file.suffix}")


def _of(user: str | None) -> dict[str, str]:
    return {} if user is None else {"user": user}


def _state(session: Mapping[str, Any]) -> str:
    return "held" if session["held"] else str(session["outcome"])


def _jobs(session: Mapping[str, Any]) -> str:
    unfinished = f" ({session['unfinished_jobs']} unfinished)" if session["unfinished_jobs"] else ""
    return f"{session['jobs']:,}{unfinished}"


def _busy(session: Mapping[str, Any]) -> str:
    share = session["efficiency"]
    of = "" if share is None else f", {share:.0%} of {seconds(session['held_seconds'])} held"
    return f"{seconds(session['busy_seconds'])}{of}"


def _clock(value: str, form: str = "%Y-%m-%d %H:%M:%S") -> str:
    return datetime.fromisoformat(value).astimezone().strftime(form)


def _line(console: Console, text: str, style: str = "") -> None:
    console.print(text, style=style, markup=False, soft_wrap=True)
