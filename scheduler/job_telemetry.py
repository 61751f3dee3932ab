"""What is counted, measured and logged as jobs and sessions come and go."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence

from ..telemetry import device_metrics, job_metrics, labels, log_fields, own_metrics
from ..telemetry.instruments import Instruments
from .jobs import Job, JobState
from .outcome import exemplar
from .sessions import NewSession, Session

_logger = logging.getLogger(__name__)

MOST_TOLD_ONE_BY_ONE = 32
"""Jobs of one device, user, Slurm job and class, of those that are logged together."""
_LONGEST_MESSAGE = 500
_POSSIBLE_REASONS = {
    "done": ("none",),
    "canceled": ("user", "admin"),
    "error": ("user_error", "device_error", "timeout", "middleware_error"),
}


def initialise(instruments: Instruments, devices: Iterable[str], policy: str) -> None:
    """Create the series that can occur at 0, so that the first event is not lost to a rate."""
    add = instruments.add
    for name in devices:
        for outcome in ("accepted", "discarded"):
            add(device_metrics.SHOTS, 0, qpu_id=name, outcome=outcome)
        for job_class in labels.JOB_CLASSES:
            add(job_metrics.SUBMITTED, 0, qpu_id=name, job_class=job_class)
            for state, reasons in _POSSIBLE_REASONS.items():
                for reason in reasons:
                    add(job_metrics.FINISHED, 0, qpu_id=name, job_class=job_class, state=state, reason=reason)
        for outcome in ("released", "expired", "revoked"):
            add(job_metrics.SESSIONS, 0, qpu_id=name, outcome=outcome)
        add(own_metrics.DECISIONS, 0, qpu_id=name, policy=policy, decision="dispatch", reason="none")


def session_begun(new: NewSession, session_hash: str) -> None:
    """Log the begin of a session."""
    _logger.info(
        "session begins",
        extra={
            log_fields.QPU_ID: new.qpu_id,
            log_fields.SESSION: session_hash,
            log_fields.USER: new.user_name,
            log_fields.SLURM_JOB_ID: new.slurm_job_id,
        },
    )


def session_ended(
    instruments: Instruments, session: Session, outcome: str, session_hash: str, at: float
) -> None:
    """Count, measure and log the end of a session at ``at`` (Unix seconds)."""
    where = {"qpu_id": session.qpu_id, "outcome": outcome}
    instruments.add(job_metrics.SESSIONS, **where)
    instruments.observe(job_metrics.SESSION_DURATION, at - session.created_at, **where)
    _logger.info(
        "session %s",
        outcome,
        extra={
            log_fields.QPU_ID: session.qpu_id,
            log_fields.SESSION: session_hash,
            log_fields.USER: session.user_name,
            log_fields.SLURM_JOB_ID: session.slurm_job_id,
        },
    )


def job_accepted(instruments: Instruments, job: Job) -> None:
    """Count a job that was queued."""
    instruments.add(job_metrics.SUBMITTED, qpu_id=job.qpu_id, job_class=job.job_class)
    instruments.observe(job_metrics.SHOTS, job.shots_requested, qpu_id=job.qpu_id, job_class=job.job_class)


def logs(level: int) -> bool:
    """Tell whether records of ``level`` are wanted."""
    return _logger.isEnabledFor(level)


def jobs_queued(accepted: Iterable[tuple[Job, float]]) -> None:
    """Log jobs that were queued, each with the time (Unix seconds) at which it was.

    Of a burst, more than ``MOST_TOLD_ONE_BY_ONE`` jobs of a kind, one record tells how many, the first and the
    last: a log must not grow as fast as a loop can submit. Start and end of each job are told all the same.
    """
    # As _logger.info does it, except that nobody asks who called, and what is the same in all is made once.
    same = _logger.makeRecord(_logger.name, logging.INFO, __file__, 0, "job %d queued", (), None).__dict__
    kinds: dict[tuple[object, ...], list[tuple[Job, float]]] = {}
    for job, at in accepted:
        kind = (job.qpu_id, job.user_name, job.slurm_job_id, job.job_class)
        kinds.setdefault(kind, []).append((job, at))
    for members in kinds.values():
        if len(members) > MOST_TOLD_ONE_BY_ONE:
            _burst_queued([job for job, _ in members])
            continue
        for job, at in members:
            record = logging.LogRecord.__new__(logging.LogRecord)
            record.__dict__.update(same, args=(job.id,), created=at, msecs=at % 1 * 1000)
            record.__dict__.update(_fields(job, job.shots_requested))
            _logger.handle(record)


def _burst_queued(members: Sequence[Job]) -> None:
    first, last = members[0], members[-1]
    fields = _fields(first, sum(job.shots_requested for job in members))
    for name in (log_fields.JOB, "trace_id"):
        del fields[name]
    _logger.info("%d jobs queued, from job %d to job %d", len(members), first.id, last.id, extra=fields)


def job_started(job: Job, at: float) -> None:
    """Log the first start of a job at ``at`` (Unix seconds)."""
    _logger.info(
        "job %d starts",
        job.id,
        extra=_fields(job, job.shots_requested)
        | {
            log_fields.STATE: JobState.RUNNING.value,
            log_fields.WAIT_SECONDS: round(at - job.created_at, 3),
        },
    )


def job_ended(instruments: Instruments, job: Job) -> None:
    """Count, measure and log a job that ended."""
    assert job.ended_at is not None
    instruments.add(
        job_metrics.FINISHED,
        qpu_id=job.qpu_id,
        job_class=job.job_class,
        state=job.state.value.lower(),
        reason=job.reason,
    )
    found = exemplar(job)
    where = {"qpu_id": job.qpu_id, "job_class": job.job_class}
    if job.started_at is not None:
        instruments.observe(job_metrics.RUN, job.ended_at - job.started_at, found, **where)
    instruments.observe(job_metrics.TURNAROUND, job.ended_at - job.created_at, found, **where)
    _logger.info(
        "job %d %s%s",
        job.id,
        job.state.value,
        f": {_cut(job.message)}" if job.state is JobState.ERROR and job.message else "",
        extra=_fields(job, job.shots_executed)
        | {log_fields.REASON: job.reason, log_fields.SECONDS: round(job.busy_seconds, 3)}
        | _durations(job, job.ended_at),
    )


def _cut(message: str) -> str:
    """Return a message of a device or a program short enough for a line that a person reads."""
    return message if len(message) <= _LONGEST_MESSAGE else message[:_LONGEST_MESSAGE] + " …"


def _durations(job: Job, ended_at: float) -> dict[str, object]:
    if job.started_at is None:
        return {log_fields.WAIT_SECONDS: round(ended_at - job.created_at, 3)}
    return {
        log_fields.WAIT_SECONDS: round(job.started_at - job.created_at, 3),
        log_fields.RUN_SECONDS: round(ended_at - job.started_at, 3),
    }


def _fields(job: Job, shots: int) -> dict[str, object]:
    return {
        log_fields.QPU_ID: job.qpu_id,
        log_fields.JOB: job.id,
        log_fields.USER: job.user_name,
        log_fields.SLURM_JOB_ID: job.slurm_job_id,
        log_fields.JOB_CLASS: job.job_class,
        log_fields.STATE: job.state.value,
        log_fields.SHOTS: shots,
        "trace_id": job.trace_id,
    }
