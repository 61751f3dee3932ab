"""Submissions in the store: those that wait together are checked one by one and written together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import Connection

from . import jobs, sessions
from .errors import PermissionDeniedError, SchedulerError, UnavailableError
from .jobs import Job, JobState, NewJob
from .sessions import Session


@dataclass(frozen=True, slots=True)
class Submission:
    """A job that a user asks to queue in the session that ``token`` opens."""

    token: str
    uid: int
    qpu_id: str
    new: NewJob


def queue_all(connection: Connection, asked: Sequence[Submission]) -> list[Job | SchedulerError]:
    """Write the jobs of ``asked`` as PENDING; return for each the job, or why it was refused.

    Raises:
        UnavailableError: the store has no numbers left; nothing may be committed.
    """
    known: dict[str, Session | None] = {}
    outcomes: list[Job | SchedulerError | None] = []
    accepted: list[tuple[Session, NewJob]] = []
    for submission in asked:
        if submission.token not in known:
            known[submission.token] = sessions.find(connection, submission.token)
        try:
            session = _open_session(known[submission.token], submission)
        except PermissionDeniedError as error:
            outcomes.append(error)
        else:
            outcomes.append(None)
            accepted.append((session, submission.new))
    created = iter(_create(connection, accepted) if accepted else ())
    return [next(created) if outcome is None else outcome for outcome in outcomes]


def _open_session(session: Session | None, submission: Submission) -> Session:
    if session is None or session.uid != submission.uid:
        raise PermissionDeniedError("the session is not known; acquire the resource first")
    if session.ended_at is not None:
        raise PermissionDeniedError(f"the session has ended ({session.outcome}); acquire the resource again")
    if session.qpu_id != submission.qpu_id:
        raise PermissionDeniedError(f"the session is for device {session.qpu_id}, not {submission.qpu_id}")
    return session


def _create(connection: Connection, accepted: Sequence[tuple[Session, NewJob]]) -> list[Job]:
    numbers = jobs.create(connection, accepted)
    if max(numbers) > jobs.LARGEST_ID:
        raise UnavailableError("the store's job numbers have reached 2^31; begin a new store")
    lines = [
        (number, new.created_at, line)
        for number, (_, new) in zip(numbers, accepted, strict=True)
        for line in (f"queued as {new.job_class} with {new.shots} shots", new.note)
        if line is not None
    ]
    jobs.log_all(connection, lines)
    return [_as_created(number, session, new) for number, (session, new) in zip(numbers, accepted, strict=True)]


def _as_created(job_id: int, session: Session, new: NewJob) -> Job:
    return Job(
        id=job_id,
        session_id=session.id,
        uid=session.uid,
        user_name=session.user_name,
        account=session.account,
        slurm_job_id=session.slurm_job_id,
        qpu_id=session.qpu_id,
        resource_type=new.resource_type,
        job_class=new.job_class,
        sdk=new.sdk,
        shots_requested=new.shots,
        shots_executed=0,
        state=JobState.PENDING,
        reason="none",
        message=None,
        received_at=new.received_at,
        created_at=new.created_at,
        started_at=None,
        ended_at=None,
        busy_seconds=0.0,
        cancel_requested=False,
        possible_double=False,
        traceparent=new.traceparent,
        trace_id=new.trace_id,
        spans_emitted=False,
    )
