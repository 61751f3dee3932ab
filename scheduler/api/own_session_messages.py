"""The bodies of what users are told of their sessions, which go by their numbers: a token is a credential."""

from __future__ import annotations

from datetime import datetime

from pydantic import BaseModel

from ..own_sessions import SessionUse
from ..timeline import JobTimeline, SessionTimeline
from .time_messages import PartitionReply, PhaseReply, SliceReply, utc, utc_or_none

MOST_JOBS = 10_000
"""Of one session's timeline; the newest are told."""


class OwnSessionReply(BaseModel):
    """A session: ``hash`` is what telemetry calls it; ``efficiency`` is busy time / held time.

    It counts as held to its end, or until its last job ended.
    """

    number: int
    hash: str
    device: str
    account: str
    slurm_job_id: str | None
    created_at: datetime
    ended_at: datetime | None
    outcome: str | None
    held: bool
    held_seconds: float
    jobs: int
    unfinished_jobs: int
    busy_seconds: float
    efficiency: float | None

    @classmethod
    def of(cls, use: SessionUse, now: float) -> OwnSessionReply:
        """Return the reply for a session as it is ``now`` (Unix seconds)."""
        session, held = use.session, use.held_seconds(now)
        return cls(
            number=session.id,
            hash=session.hash,
            device=session.qpu_id,
            account=session.account,
            slurm_job_id=session.slurm_job_id,
            created_at=utc(session.created_at),
            ended_at=utc_or_none(session.ended_at),
            outcome=session.outcome,
            held=session.ended_at is None,
            held_seconds=held,
            jobs=use.jobs,
            unfinished_jobs=use.unfinished_jobs,
            busy_seconds=use.busy_seconds,
            efficiency=min(use.busy_seconds / held, 1.0) if held > 0 else None,
        )


class OwnSessionList(BaseModel):
    """``GET /sessions``: newest first; ``next_before`` asks for the page after this one."""

    sessions: list[OwnSessionReply]
    next_before: int | None


class JobTimeReply(BaseModel):
    """A job of a session, where its time went, and its slices."""

    id: int
    status: str
    reason: str
    job_class: str
    sdk: str | None
    shots: int
    created_at: datetime
    started_at: datetime | None
    ended_at: datetime | None
    fetched_at: datetime | None
    busy_seconds: float
    trace_id: str | None
    time: PartitionReply
    slices: list[SliceReply]

    @classmethod
    def of(cls, found: JobTimeline) -> JobTimeReply:
        """Return the reply for a job."""
        job = found.job
        return cls.model_construct(
            id=job.id,
            status=job.state.value,
            reason=job.reason,
            job_class=job.job_class,
            sdk=job.sdk,
            shots=job.shots_requested,
            created_at=utc(job.created_at),
            started_at=utc_or_none(job.started_at),
            ended_at=utc_or_none(job.ended_at),
            fetched_at=utc_or_none(job.results_fetched_at),
            busy_seconds=job.busy_seconds,
            trace_id=job.trace_id,
            time=PartitionReply.of(found.breakdown),
            slices=[SliceReply.of(part) for part in found.slices],
        )


class SessionTimelineReply(BaseModel):
    """``GET /sessions/{number}/timeline``: where a session's time went, with its jobs and phases.

    Of a session with more than 10,000 jobs the newest are told; ``time`` is of all of them.
    """

    session: OwnSessionReply
    told_at: datetime
    time: PartitionReply
    jobs: list[JobTimeReply]
    jobs_left_out: int
    phases: list[PhaseReply]

    @classmethod
    def of(cls, found: SessionTimeline, now: float) -> SessionTimelineReply:
        """Return the reply for a timeline as it is ``now`` (Unix seconds)."""
        use = SessionUse(
            found.session,
            jobs=len(found.jobs),
            unfinished_jobs=sum(not item.job.state.final for item in found.jobs),
            busy_seconds=sum(item.job.busy_seconds for item in found.jobs),
            last_end=max((item.job.ended_at or now for item in found.jobs), default=None),
        )
        told = found.jobs[-MOST_JOBS:]
        return cls.model_construct(
            session=OwnSessionReply.of(use, now),
            told_at=utc(now),
            time=PartitionReply.of(found.breakdown),
            jobs=[JobTimeReply.of(item) for item in told],
            jobs_left_out=len(found.jobs) - len(told),
            phases=[PhaseReply.of(phase) for phase in found.phases],
        )
