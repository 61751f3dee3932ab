"""Jobs in the store: writing, finding, cancelling and ending them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, cast

from sqlalchemy import ColumnElement, Connection, Row, and_, bindparam, func, insert, select, update

from . import ledger
from .sessions import Session
from .tables import UNFINISHED, WITHOUT_SPANS, job_log, job_payloads, job_results, jobs

# Made once: to build a statement costs SQLAlchemy several times what it costs to execute it.
_INSERT_JOBS = insert(jobs).returning(jobs.c.id, sort_by_parameter_order=True)
_INSERT_PAYLOAD = insert(job_payloads)
_INSERT_LOG = insert(job_log)
_INSERT_RESULTS = insert(job_results)
_JOB = select(jobs).where(jobs.c.id == bindparam("job_id"))
_PAYLOAD = select(job_payloads.c.sequence).where(job_payloads.c.job_id == bindparam("job_id"))
_SPANS_SENT = (
    update(jobs)
    .where(jobs.c.id == bindparam("job_id"))
    .values(spans_emitted=True, trace_id=bindparam("sent_in"))
)
_RESULTS = select(job_results.c.results).where(job_results.c.job_id == bindparam("job_id"))


QUALITY_CLASS = "qa"
"""Class of the site's own quality checks, which wait for everybody else."""

LARGEST_ID = 2**31 - 1
"""QRMI reads a job's number as a signed integer of 32 bits."""


class JobState(StrEnum):
    """The five states on the wire."""

    PENDING = "PENDING"
    RUNNING = "RUNNING"
    DONE = "DONE"
    CANCELED = "CANCELED"
    ERROR = "ERROR"

    @property
    def final(self) -> bool:
        """Whether the job has ended."""
        return self not in (JobState.PENDING, JobState.RUNNING)


@dataclass(frozen=True, slots=True)
class Job:
    """One job without its payload and results; times in Unix seconds."""

    id: int
    session_id: int
    uid: int
    user_name: str
    account: str
    slurm_job_id: str | None
    qpu_id: str
    resource_type: str
    job_class: str
    sdk: str | None
    shots_requested: int
    shots_executed: int
    state: JobState
    reason: str
    message: str | None
    received_at: float
    created_at: float
    started_at: float | None
    ended_at: float | None
    busy_seconds: float
    cancel_requested: bool
    possible_double: bool
    traceparent: str | None
    trace_id: str | None
    spans_emitted: bool
    results_fetched_at: float | None = None


@dataclass(frozen=True, slots=True)
class NewJob:
    """What a job is created from, besides its session."""

    job_class: str
    resource_type: str
    sequence: str
    shots: int
    received_at: float
    created_at: float
    traceparent: str | None
    trace_id: str | None
    sdk: str | None = None
    note: str | None = None
    """A line for the job's log."""


@dataclass(frozen=True, slots=True)
class JobEnd:
    """How a job ended."""

    state: JobState
    reason: str
    message: str | None
    ended_at: float
    shots_executed: int = 0
    busy_seconds: float = 0.0
    results: str | None = None


def create(connection: Connection, new: Sequence[tuple[Session, NewJob]]) -> list[int]:
    """Write jobs with their payloads as PENDING and return their numbers, in the same order."""
    rows = [
        {
            "session_id": session.id,
            "uid": session.uid,
            "user_name": session.user_name,
            "account": session.account,
            "slurm_job_id": session.slurm_job_id,
            "qpu_id": session.qpu_id,
            "resource_type": job.resource_type,
            "job_class": job.job_class,
            "sdk": job.sdk,
            "shots_requested": job.shots,
            "state": JobState.PENDING.value,
            "received_at": job.received_at,
            "created_at": job.created_at,
            "traceparent": job.traceparent,
            "trace_id": job.trace_id,
        }
        for session, job in new
    ]
    numbers = [int(number) for number in connection.execute(_INSERT_JOBS, rows).scalars()]
    payloads = [
        {"job_id": number, "sequence": job.sequence} for number, (_, job) in zip(numbers, new, strict=True)
    ]
    connection.execute(_INSERT_PAYLOAD, payloads)
    return numbers


def find(connection: Connection, job_id: int) -> Job | None:
    """Return a job, or None."""
    row = connection.execute(_JOB, {"job_id": job_id}).first()
    return None if row is None else job_of(row)


def payload(connection: Connection, job_id: int) -> str:
    """Return the sequence of a job."""
    return str(connection.execute(_PAYLOAD, {"job_id": job_id}).scalar_one())


def results(connection: Connection, job_id: int) -> str | None:
    """Return the results of a job, or None if it has none."""
    return cast(str | None, connection.execute(_RESULTS, {"job_id": job_id}).scalar_one_or_none())


def of_user(
    connection: Connection, uid: int, qpu_id: str | None, limit: int, before: int | None
) -> Sequence[Job]:
    """Return a user's jobs, newest first, at most ``limit``, with numbers below ``before``."""
    query = select(jobs).where(jobs.c.uid == uid).order_by(jobs.c.id.desc()).limit(limit)
    if qpu_id is not None:
        query = query.where(jobs.c.qpu_id == qpu_id)
    if before is not None:
        query = query.where(jobs.c.id < before)
    return [job_of(row) for row in connection.execute(query)]


def where(connection: Connection, condition: ColumnElement[bool]) -> list[Job]:
    """Return the jobs for which ``condition`` holds, oldest first."""
    return [job_of(row) for row in connection.execute(select(jobs).where(condition).order_by(jobs.c.id))]


def oldest_pending(connection: Connection, qpu_id: str, job_class: str | None = None) -> Job | None:
    """Return the job that waits longest on a device, or None; an index look-up whatever the history.

    Of a ``job_class`` if one is given; otherwise one of the class ``qa`` only if no other waits.
    """
    pending = select(jobs).where(jobs.c.qpu_id == qpu_id, _is(JobState.PENDING)).order_by(jobs.c.id).limit(1)
    if job_class is not None:
        row = connection.execute(pending.where(jobs.c.job_class == job_class)).first()
    else:
        row = connection.execute(pending.where(jobs.c.job_class != QUALITY_CLASS)).first()
        if row is None:
            row = connection.execute(pending).first()
    return None if row is None else job_of(row)


def start(connection: Connection, job_id: int, at: float) -> bool:
    """Mark a pending job RUNNING; False if it is no longer pending. The first start is kept."""
    result = connection.execute(
        update(jobs)
        .where(jobs.c.id == job_id, jobs.c.state == JobState.PENDING.value)
        .values(state=JobState.RUNNING.value, started_at=func.coalesce(jobs.c.started_at, at))
    )
    return result.rowcount == 1


def requeue(connection: Connection, job_id: int, *, never_started: bool, possible_double: bool) -> None:
    """Put a running job back to PENDING; it keeps its place in the queue."""
    values: dict[str, Any] = {"state": JobState.PENDING.value}
    if never_started:
        values["started_at"] = None
    if possible_double:
        values["possible_double"] = True
    connection.execute(
        update(jobs).where(jobs.c.id == job_id, jobs.c.state == JobState.RUNNING.value).values(**values)
    )


def finish(connection: Connection, job_id: int, end: JobEnd) -> bool:
    """End a job, in the ledger too, and store its results; False if it had ended before."""
    result = connection.execute(
        update(jobs)
        .where(jobs.c.id == job_id, UNFINISHED)
        .values(
            state=end.state.value,
            reason=end.reason,
            message=end.message,
            ended_at=end.ended_at,
            shots_executed=end.shots_executed,
            busy_seconds=end.busy_seconds,
        )
    )
    if result.rowcount != 1:
        return False
    ledger.record_job(connection, job_id)
    if end.results is not None:
        connection.execute(_INSERT_RESULTS, {"job_id": job_id, "results": end.results})
    return True


def request_cancel(connection: Connection, job_id: int, reason: str) -> None:
    """Remember that a running job is to be cancelled, ``reason`` being user or admin."""
    connection.execute(update(jobs).where(jobs.c.id == job_id).values(cancel_requested=True, reason=reason))


def tell_trace(connection: Connection, job_id: int, traceparent: str, trace_id: str, sdk: str | None) -> None:
    """Remember the trace that the user's process told, unless the job's spans were sent already."""
    values: dict[str, Any] = {"traceparent": traceparent, "trace_id": trace_id}
    if sdk is not None:
        values["sdk"] = sdk
    connection.execute(
        update(jobs).where(jobs.c.id == job_id, jobs.c.spans_emitted.is_(False)).values(**values)
    )


def spans_sent(connection: Connection, sent: Sequence[tuple[int, str | None]]) -> None:
    """Remember that the spans of jobs were sent, each given as (job, trace they are in)."""
    if sent:
        connection.execute(_SPANS_SENT, [{"job_id": job_id, "sent_in": trace_id} for job_id, trace_id in sent])


def without_spans(connection: Connection) -> list[int]:
    """Return the ended jobs whose spans were not sent yet."""
    return list(connection.execute(select(jobs.c.id).where(WITHOUT_SPANS).order_by(jobs.c.id)).scalars())


def log(connection: Connection, job_id: int, at: float, line: str) -> None:
    """Append a line to the log that the job's user can read."""
    log_all(connection, [(job_id, at, line)])


def log_all(connection: Connection, lines: Sequence[tuple[int, float, str]]) -> None:
    """Append lines to the logs of jobs, each given as (job, Unix seconds, line)."""
    connection.execute(_INSERT_LOG, [{"job_id": job_id, "at": at, "line": line} for job_id, at, line in lines])


def log_lines(connection: Connection, job_id: int) -> list[tuple[float, str]]:
    """Return the log of a job as (Unix seconds, line)."""
    rows = connection.execute(
        select(job_log.c.at, job_log.c.line).where(job_log.c.job_id == job_id).order_by(job_log.c.id)
    )
    return [(row.at, row.line) for row in rows]


def _is(state: JobState) -> Any:
    return and_(jobs.c.state == state.value, UNFINISHED)


def job_of(row: Row[Any]) -> Job:
    """Return the job in a row of the table."""
    values = row._asdict()
    values["state"] = JobState(values["state"])
    return Job(**values)
