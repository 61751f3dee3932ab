"""``qwatch submit``, ``jobs``, ``job`` and ``cancel``."""

from __future__ import annotations

import json
import os
import time
from datetime import datetime
from pathlib import Path
from typing import Any

import typer
from rich.console import Console
from rich.table import Table

from ..qrmi.open_resource import job_id, user_id
from ..qrmi.session import session_variable
from .daemon_client import DaemonClient
from .failure import CommandFailedError
from .time_bars import print_job_time
from .trace_tree import print_trace

_FINAL = ("DONE", "CANCELED", "ERROR")
COLOURS = {"DONE": "green", "ERROR": "red", "CANCELED": "yellow", "RUNNING": "cyan", "PENDING": "blue"}


def submit_job(
    file: Path, shots: int, *, qpu: str | None, job_class: str | None, wait: bool, as_json: bool
) -> int:
    """Submit the sequence in ``file``, in the job's session or one made for it; return the exit code."""
    try:
        sequence = file.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise CommandFailedError(f"{file}: is not text in UTF-8") from error
    client = DaemonClient.of(qpu)
    if job_class is not None:
        base = client.url.partition("/classes/")[0]
        if "/devices/" not in base:
            base = f"{base}/devices/{client.location.name}"
        client = DaemonClient(client.location, f"{base}/classes/{job_class}")
    held = os.environ.get(session_variable(client.location.name))
    token = held or str(
        client.post("/sessions", {"user_id": user_id(os.environ), "slurm_job_id": job_id(os.environ)})["id"]
    )
    try:
        found = client.post("/jobs", {"sequence": sequence, "shots": shots}, token)
    finally:
        if held is None:
            client.delete(f"/sessions/{token}")
    if wait:
        found = _wait(client, int(found["id"]))
    if as_json:
        typer.echo(json.dumps(found))
    else:
        typer.echo(f"job {found['id']} {found['status']}")
        if found.get("results"):
            typer.echo(found["results"])
        elif found.get("message"):
            typer.echo(found["message"], err=True)
    return 1 if found["status"] in ("ERROR", "CANCELED") else 0


def list_jobs(qpu: str | None, limit: int, as_json: bool) -> None:
    """Print the user's newest jobs."""
    found = DaemonClient.of(qpu).get("/jobs", limit=limit)["jobs"]
    if as_json:
        typer.echo(json.dumps(found))
        return
    if not found:
        typer.echo("no jobs")
        return
    table = Table(box=None, pad_edge=False, header_style="bold")
    for title in ("id", "device", "class", "state", "shots", "created", "wait", "run"):
        table.add_column(title, justify="right" if title in ("id", "shots", "wait", "run") else "left")
    for job in found:
        colour = COLOURS.get(job["status"], "")
        table.add_row(
            str(job["id"]),
            job["device"],
            job["job_class"],
            f"[{colour}]{job['status']}[/]",
            str(job["shots"]),
            _clock(job["created_at"]),
            _span(job["created_at"], job["started_at"]),
            _span(job["started_at"], job["ended_at"]),
        )
    Console().print(table)


def show_job(
    number: int, qpu: str | None, trace: bool, session: bool, as_json: bool, html: Path | None = None
) -> None:
    """Print all that the daemon tells of a job; with ``session`` also where its session's time went.

    With ``html`` its timeline, or its session's, is written to a page.
    """
    client = DaemonClient.of(qpu)
    # Asked before the results, whose first fetch it tells.
    timeline = client.find(f"/jobs/{number}/timeline")
    job = client.get(f"/jobs/{number}")
    log = client.get(f"/jobs/{number}/logs")["logs"]
    if html is not None:
        _write_page(html, client, job, timeline, log, session)
    if as_json:
        typer.echo(json.dumps(job | {"logs": log, "timeline": timeline}))
        return
    console = Console(highlight=False, soft_wrap=True)
    colour = COLOURS.get(job["status"], "")
    console.print(f"[bold]job {job['id']}[/] on {job['device']}: [{colour}]{job['status']}[/]")
    facts = Table(box=None, show_header=False, pad_edge=False, padding=(0, 2, 0, 2))
    for name, value in (
        ("class", job["job_class"]),
        ("account", job["account"]),
        ("shots", f"{job['shots_executed']} of {job['shots']}"),
        ("created", _clock(job["created_at"])),
        ("waited", _span(job["created_at"], job["started_at"])),
        ("ran", _span(job["started_at"], job["ended_at"])),
        ("on the device", f"{job['busy_seconds']:.2f} s"),
        ("trace", job["trace_id"] or "-"),
    ):
        facts.add_row(name, str(value))
    if job["message"]:
        facts.add_row(job["reason"], job["message"])
    if job["possible_double"]:
        facts.add_row("note", "a fault left open whether a part of it ran twice")
    console.print(facts)
    if timeline is not None:
        print_job_time(console, timeline, session)
    if job["results"]:
        console.print("results", style="bold")
        console.print(f"  {_shortened(job['results'])}", markup=False)
    console.print("log", style="bold")
    for line in log.splitlines():
        console.print(f"  {line}", markup=False)
    if trace:
        console.print("trace", style="bold")
        print_trace(console, job["trace_id"], client.location, None if session else number)


def _write_page(
    file: Path,
    client: DaemonClient,
    job: dict[str, Any],
    timeline: dict[str, Any] | None,
    log: str,
    whole_session: bool,
) -> None:
    from .timeline_file import job_page, session_page, write_page

    if timeline is None or "slices" not in timeline:
        raise CommandFailedError("the daemon is too old to tell the intervals of a timeline: upgrade it")
    if whole_session:
        number = timeline["session"]["number"]
        write_page(file, session_page(client.at_daemon().get(f"/sessions/{number}/timeline")))
    else:
        write_page(file, job_page(job, timeline, log))


def cancel_job(number: int, qpu: str | None) -> None:
    """Cancel a job and say what became of it."""
    job = DaemonClient.of(qpu).post(f"/jobs/{number}/cancel")
    word = "is being canceled" if job["status"] == "RUNNING" else job["status"]
    typer.echo(f"job {number} {word}")


def _wait(client: DaemonClient, number: int) -> dict[str, Any]:
    delay = 0.1
    while True:
        job = client.get(f"/jobs/{number}")
        if job["status"] in _FINAL:
            return job
        time.sleep(delay)
        delay = min(delay * 1.5, 2.0)


def _clock(value: str | None) -> str:
    if value is None:
        return "-"
    return datetime.fromisoformat(value).astimezone().strftime("%Y-%m-%d %H:%M:%S")


def _span(begin: str | None, end: str | None) -> str:
    if begin is None or end is None:
        return "-"
    seconds = (datetime.fromisoformat(end) - datetime.fromisoformat(begin)).total_seconds()
    return f"{seconds:.2f} s"


def _shortened(results: str) -> str:
    return results if len(results) <= 400 else f"{results[:400]} … ({len(results)} characters; --json for all)"
