"""Where the time of a job and of the session that it belongs to went, read from the store."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, replace

from sqlalchemy import ColumnElement, Connection, and_, select

from ..telemetry.annotations import PHASE
from . import jobs as job_rows
from . import sessions, slices
from .errors import NotFoundError
from .job_access import owned
from .jobs import Job
from .sessions import Session
from .slices import Slice, SliceState
from .tables import job_log, jobs
from .time_breakdown import Breakdown, JobTimes, SliceTimes, job_breakdown, session_breakdown

_SLACK_SECONDS = 60.0
"""Jobs are numbered in the order of their creation, but for clocks and transactions that overlap."""

FirstFetch = Callable[[int], float | None]


@dataclass(frozen=True, slots=True)
class Phase:
    """A phase that a program told beside one of its jobs; begin and end in Unix seconds."""

    job_id: int
    name: str
    begin: float
    end: float


@dataclass(frozen=True, slots=True)
class JobTimeline:
    """A job, where its time went, and the slices that it was sent in, in their order."""

    job: Job
    breakdown: Breakdown
    slices: list[Slice]


@dataclass(frozen=True, slots=True)
class SessionTimeline:
    """A session, where its time went, its jobs in their order, and its program's phases."""

    session: Session
    breakdown: Breakdown
    jobs: list[JobTimeline]
    phases: list[Phase]


@dataclass(frozen=True, slots=True)
class Timeline:
    """A job's time and its session's."""

    of_job: JobTimeline
    of_session: SessionTimeline

    @property
    def phases(self) -> list[Phase]:
        """The phases that were told beside the job."""
        return [phase for phase in self.of_session.phases if phase.job_id == self.of_job.job.id]


def timeline_of(connection: Connection, job_id: int, uid: int, now: float, first_fetch: FirstFetch) -> Timeline:
    """Return the timeline of a job of the user ``uid``; NotFoundError if there is none.

    ``first_fetch`` tells of a job when its results were fetched first, where the store does not tell it yet.
    """
    job = owned(connection, job_id, uid)
    whole = _timeline(connection, sessions.by_id(connection, job.session_id), job.id, now, first_fetch)
    return Timeline(next(item for item in whole.jobs if item.job.id == job_id), whole)


def session_timeline_of(
    connection: Connection, number: int, uid: int, now: float, first_fetch: FirstFetch
) -> SessionTimeline:
    """Return the timeline of the session ``number`` of the user ``uid``; NotFoundError if there is none."""
    session = sessions.by_id_or_none(connection, number)
    if session is None or session.uid != uid:
        raise NotFoundError(f"there is no session {number} of yours")
    return _timeline(connection, session, None, now, first_fetch)


def _timeline(
    connection: Connection, session: Session, anchor: int | None, now: float, first_fetch: FirstFetch
) -> SessionTimeline:
    members = members_of(connection, session, anchor)
    sent: dict[int, list[Slice]] = defaultdict(list)
    for part in slices.of_jobs(connection, members):
        sent[part.job_id].append(part)
    found = [_job_timeline(job, sent[job.id], now, first_fetch) for job in job_rows.where(connection, members)]
    phases = _phases(connection, members)
    times = [_times(item.job, item.slices) for item in found]
    whole = session_breakdown(
        session.created_at, session.ended_at, times, [(phase.begin, phase.end) for phase in phases], now
    )
    return SessionTimeline(session, whole, found, phases)


def _job_timeline(job: Job, parts: list[Slice], now: float, first_fetch: FirstFetch) -> JobTimeline:
    told = replace(job, results_fetched_at=job.results_fetched_at or first_fetch(job.id))
    return JobTimeline(told, job_breakdown(_times(told, parts), now), parts)


def _times(job: Job, parts: list[Slice]) -> JobTimes:
    return JobTimes(
        created_at=job.created_at,
        ended_at=job.ended_at,
        fetched_at=job.results_fetched_at,
        slices=[_slice_times(part) for part in parts],
    )


def _slice_times(part: Slice) -> SliceTimes:
    return SliceTimes(
        claimed_at=part.claimed_at,
        posted_at=part.posted_at,
        started_at=part.started_at,
        ended_at=part.ended_at,
        fetched_at=part.fetched_at,
        given_back=part.state is SliceState.ABANDONED,
    )


def _phases(connection: Connection, members: ColumnElement[bool]) -> list[Phase]:
    rows = connection.execute(
        select(job_log.c.job_id, job_log.c.line, job_log.c.at, job_log.c.value)
        .join(jobs, job_log.c.job_id == jobs.c.id)
        .where(members, job_log.c.kind == PHASE)
        .order_by(job_log.c.id)
    )
    return [Phase(row.job_id, _name(row.line), row.at - row.value, row.at) for row in rows]


def _name(line: str) -> str:
    """Return the name in the line of a phase (:meth:`..telemetry.annotations.Annotation.line`)."""
    return line.removeprefix(f"{PHASE} ").rpartition(":")[0]


def members_of(connection: Connection, session: Session, anchor: int | None = None) -> ColumnElement[bool]:
    """Return the condition for the jobs of a session; ``anchor`` is the number of one of them, if it is known.

    Jobs have no index by session, which each submission would pay for. The index by user finds them: the walk
    from ``anchor`` in both directions ends where the session does.
    """
    conditions = [jobs.c.uid == session.uid, jobs.c.session_id == session.id]
    newest_before = jobs.c.id < (job_rows.LARGEST_ID if anchor is None else anchor)
    before = connection.execute(
        select(jobs.c.id)
        .where(
            jobs.c.uid == session.uid, newest_before, jobs.c.created_at < session.created_at - _SLACK_SECONDS
        )
        .order_by(jobs.c.id.desc())
        .limit(1)
    ).scalar_one_or_none()
    if before is not None:
        conditions.append(jobs.c.id > before)
    if session.ended_at is not None:
        oldest_after = jobs.c.id > (before or 0 if anchor is None else anchor)
        after = connection.execute(
            select(jobs.c.id)
            .where(
                jobs.c.uid == session.uid, oldest_after, jobs.c.created_at > session.ended_at + _SLACK_SECONDS
            )
            .order_by(jobs.c.id)
            .limit(1)
        ).scalar_one_or_none()
        if after is not None:
            conditions.append(jobs.c.id < after)
    return and_(*conditions)
