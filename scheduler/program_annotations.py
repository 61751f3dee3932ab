"""What programs tell of themselves, in the logs of their jobs: bounded, never taken for the daemon's lines."""

from __future__ import annotations

import logging
from collections.abc import Sequence

from sqlalchemy import Connection, func, insert, select

from ..telemetry import log_fields
from ..telemetry.annotations import MEASURE, MOST_OF_JOB, Annotation, fields_of
from . import sessions
from .job_access import owned
from .jobs import Job
from .tables import job_log

_logger = logging.getLogger(__name__)

_LIMIT = "limit"
"""The kind of the line that says that there were more: it is counted, so that it is written once."""


def add(
    connection: Connection, job_id: int, uid: int, told: Sequence[Annotation], now: float
) -> tuple[Job, list[Annotation]]:
    """Append to the log of a job of the user ``uid`` what its program told; return the job and what was kept.

    A job keeps 1,000 annotations; the log says when there were more. A time outside the session's is not
    believed: the present takes its place.

    Raises:
        NotFoundError: the user has no such job.
    """
    job = owned(connection, job_id, uid)
    kept = connection.execute(
        select(func.count()).where(job_log.c.job_id == job_id, job_log.c.kind.is_not(None))
    ).scalar_one()
    accepted = list(told[: max(MOST_OF_JOB - kept, 0)])
    if accepted:
        began = sessions.by_id(connection, job.session_id).created_at
        connection.execute(insert(job_log), [_row(job_id, item, began, now) for item in accepted])
    if len(accepted) < len(told) and kept <= MOST_OF_JOB:
        line = f"further annotations are not kept: a job has {MOST_OF_JOB} at most"
        connection.execute(insert(job_log).values(job_id=job_id, at=now, line=line, kind=_LIMIT))
    return job, accepted


def tell(job: Job, accepted: Sequence[Annotation]) -> None:
    """Log what a program told, for boards that show it beside wait and run."""
    for item in accepted:
        _logger.info(
            "job %d: %s",
            job.id,
            item.line(),
            extra={
                log_fields.QPU_ID: job.qpu_id,
                log_fields.JOB: job.id,
                log_fields.USER: job.user_name,
                log_fields.SLURM_JOB_ID: job.slurm_job_id,
                "trace_id": job.trace_id,
                **fields_of(item),
            },
        )


def _row(job_id: int, item: Annotation, began: float, now: float) -> dict[str, object]:
    at = item.at if began <= item.at <= now else now
    value = item.value if item.kind == MEASURE else min(max(item.value, 0.0), at - began)
    return {"job_id": job_id, "at": at, "line": item.line(), "kind": item.kind, "value": value}
