"""A job's or a session's timeline as a page in a file, made from what the daemon told."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import typer

from ..reports.timeline_model import Fact, JobRow, Moment, Phase, SliceRow, TimelinePage
from ..reports.timeline_page import render_timeline
from ..scheduler.time_breakdown import FETCH, Interval
from .periods import local_zone
from .time_bars import seconds

_FETCH_NOTE = "Until its results are fetched for the first time, a job's time ends with its end."
_IDLE_NOTE = (
    "Before the first job and after the last fetch the daemon knows of nothing that the program did, unless it "
    "told a phase."
)


def write_page(file: Path, page: TimelinePage) -> None:
    """Write the page as HTML that needs nothing else, and say so."""
    file.write_text(render_timeline(page), encoding="utf-8")
    typer.echo(f"wrote {file}", err=True)


def session_page(found: Mapping[str, Any]) -> TimelinePage:
    """Return the page of the reply of ``GET /sessions/{number}/timeline``."""
    session, whole = found["session"], found["time"]
    notes = [_IDLE_NOTE]
    if any(job["ended_at"] and job["fetched_at"] is None for job in found["jobs"]):
        notes.append(_FETCH_NOTE)
    if found["jobs_left_out"]:
        notes.append(f"{found['jobs_left_out']} earlier jobs are left out; the partition is of all of them.")
    return TimelinePage(
        subject="session",
        name=str(session["number"]),
        qpu_id=session["device"],
        finished=not session["held"] and not session["unfinished_jobs"],
        jobs=[
            JobRow(
                job=str(job["id"]),
                state=job["status"],
                created=_unix(job["created_at"]),
                started=_perhaps(job["started_at"]),
                ended=_perhaps(job["ended_at"]),
                fetched=_perhaps(job["fetched_at"]),
                shots=job["shots"],
            )
            for job in found["jobs"]
        ],
        slices=sorted(
            (part for job in found["jobs"] for part in _slices(job["id"], job["slices"])),
            key=lambda part: part.claimed,
        ),
        facts=_facts(
            ("Slurm job", session["slurm_job_id"]),
            ("Account", session["account"]),
            ("Jobs", session["jobs"]),
            ("Busy", seconds(session["busy_seconds"])),
            ("In traces", session["hash"]),
        ),
        phases=_phases(found["phases"]),
        notes=notes,
        **_times(whole),
    )


def job_page(job: Mapping[str, Any], timeline: Mapping[str, Any], log: str) -> TimelinePage:
    """Return the page of a job, from the replies that tell it, its timeline and its log."""
    return TimelinePage(
        subject="job",
        name=str(job["id"]),
        qpu_id=job["device"],
        finished=job["ended_at"] is not None,
        slices=_slices(job["id"], timeline["slices"]),
        facts=_facts(
            ("State", job["status"]),
            ("Class", job["job_class"]),
            ("Account", job["account"]),
            ("Shots", f"{job['shots_executed']} of {job['shots']}"),
            ("Busy", seconds(job["busy_seconds"])),
            ("Session", timeline["session"]["number"]),
            ("Reason", job["message"] and f"{job['reason']}: {job['message']}"),
        ),
        phases=_phases(timeline["phases"]),
        moments=list(_moments(log)),
        trace_id=job["trace_id"],
        notes=[_FETCH_NOTE] if job["ended_at"] and not _is_fetched(timeline["job"]) else [],
        **_times(timeline["job"]),
    )


def _times(whole: Mapping[str, Any]) -> dict[str, Any]:
    zone = local_zone(datetime.fromisoformat(whole["begin"]), datetime.fromisoformat(whole["end"]))
    return {
        "begin": _unix(whole["begin"]),
        "end": _unix(whole["end"]),
        "seconds": whole["seconds"],
        "intervals": [
            Interval(_unix(item["begin"]), _unix(item["end"]), item["part"]) for item in whole["intervals"]
        ],
        # An offset is no zone.
        "timezone": "UTC" if zone.startswith(("+", "-")) else zone,
        "made_at": time.time(),
        "version": version("qwatch"),
    }


def _slices(job: int, found: Iterable[Mapping[str, Any]]) -> list[SliceRow]:
    return [
        SliceRow(
            job=str(job),
            shots=item["shots"],
            state=item["state"],
            claimed=_unix(item["claimed_at"]),
            posted=_perhaps(item["posted_at"]),
            started=_perhaps(item["started_at"]),
            ended=_perhaps(item["ended_at"]),
            fetched=_perhaps(item["fetched_at"]),
        )
        for item in found
    ]


def _phases(found: Iterable[Mapping[str, Any]]) -> list[Phase]:
    return [Phase(name=item["name"], begin=_unix(item["begin"]), end=_unix(item["end"])) for item in found]


def _moments(log: str) -> Iterable[Moment]:
    for line in log.splitlines():
        at, _, text = line.partition(" ")
        yield Moment(at=_unix(at), text=text)


def _is_fetched(whole: Mapping[str, Any]) -> bool:
    return bool(whole["intervals"]) and whole["intervals"][-1]["part"] == FETCH


def _facts(*pairs: tuple[str, object]) -> Sequence[Fact]:
    return [Fact(name=name, value=str(value)) for name, value in pairs if value not in (None, "")]


def _unix(value: str) -> float:
    return datetime.fromisoformat(value).timestamp()


def _perhaps(value: str | None) -> float | None:
    return None if value is None else _unix(value)
