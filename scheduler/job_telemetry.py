"""What is counted and measured as jobs come and go, and of sessions also logged."""

from __future__ import annotations

import logging
from collections.abc import Iterable

from ..telemetry import device_metrics, job_metrics, labels, log_fields, own_metrics
from ..telemetry.instruments import Instruments
from .jobs import Job
from .outcome import exemplar
from .sessions import NewSession, Session

_logger = logging.getLogger(__name__)

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


def job_ended(instruments: Instruments, job: Job) -> None:
    """Count and measure a job that ended."""
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
