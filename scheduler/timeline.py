"""Where the time of a job and of the session that it belongs to went, read from the store."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, and_, select

from ..telemetry.annotations import PHASE
from . import sessions
from .job_access import owned
from .jobs import Job
from .sessions import Session
from .slices import SliceState
from .tables import job_log, jobs, slices
from .time_breakdown import Breakdown, JobTimes, SliceTimes, job_breakdown, session_breakdown

_SLACK_SECONDS = 60.0
"""Jobs are numbered in the order of their creation, but for clocks and transactions that overlap."""

FirstFetch = Callable[[int], float | None]


@dataclass(frozen=True, slots=True)
class Timeline:
    """A job's time and its session's."""

    job: Job
    of_job: Breakdown
    session: Session
    of_session: Breakdown
    jobs_of_session: int


def timeline_of(connection: Connection, job_id: int, uid: int, now: float, first_fetch: FirstFetch) -> Timeline:
    """Return the timeline of a job of the user ``uid``; NotFoundError if there is none.

    ``first_fetch`` tells of a job when its results were fetched first, where the store does not tell it yet.
    """
    job = owned(connection, job_id, uid)
    session = sessions.by_id(connection, job.session_id)
    members = _members(connection, session, job)
    sent: dict[int, list[SliceTimes]] = defaultdict(list)
    for row in connection.execute(select(slices).join(jobs, slices.c.job_id == jobs.c.id).where(members)):
        sent[row.job_id].append(_slice_times(row))
    times = {
        row.id: JobTimes(
            created_at=row.created_at,
            ended_at=row.ended_at,
            fetched_at=row.results_fetched_at or first_fetch(row.id),
            slices=sent[row.id],
        )
        for row in connection.execute(
            select(jobs.c.id, jobs.c.created_at, jobs.c.ended_at, jobs.c.results_fetched_at).where(members)
        )
    }
    phases = connection.execute(
        select(job_log.c.at, job_log.c.value)
        .join(jobs, job_log.c.job_id == jobs.c.id)
        .where(members, job_log.c.kind == PHASE)
    )
    of_session = session_breakdown(
        session.created_at,
        session.ended_at,
        times.values(),
        [(row.at - row.value, row.at) for row in phases],
        now,
    )
    return Timeline(job, job_breakdown(times[job_id], now), session, of_session, len(times))


def _members(connection: Connection, session: Session, job: Job) -> ColumnElement[bool]:
    """Return the condition for the jobs of the session of ``job``.

    Jobs have no index by session, which each submission would pay for. The index by user finds them: the walk
    from ``job`` in both directions ends where the session does.
    """
    conditions = [jobs.c.uid == session.uid, jobs.c.session_id == session.id]
    before = connection.execute(
        select(jobs.c.id)
        .where(
            jobs.c.uid == session.uid,
            jobs.c.id < job.id,
            jobs.c.created_at < session.created_at - _SLACK_SECONDS,
        )
        .order_by(jobs.c.id.desc())
        .limit(1)
    ).scalar_one_or_none()
    if before is not None:
        conditions.append(jobs.c.id > before)
    if session.ended_at is not None:
        after = connection.execute(
            select(jobs.c.id)
            .where(
                jobs.c.uid == session.uid,
                jobs.c.id > job.id,
                jobs.c.created_at > session.ended_at + _SLACK_SECONDS,
            )
            .order_by(jobs.c.id)
            .limit(1)
        ).scalar_one_or_none()
        if after is not None:
            conditions.append(jobs.c.id < after)
    return and_(*conditions)


def _slice_times(row: Row[Any]) -> SliceTimes:
    return SliceTimes(
        claimed_at=row.claimed_at,
        posted_at=row.posted_at,
        started_at=row.started_at,
        ended_at=row.ended_at,
        fetched_at=row.fetched_at,
        given_back=row.state == SliceState.ABANDONED.value,
    )
