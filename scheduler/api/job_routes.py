"""Jobs: QRMI's tasks."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import Annotated

from fastapi import APIRouter, Query, Request, Response

from .. import program_annotations
from ..errors import PermissionDeniedError
from ..timeline import timeline_of
from .job_detail_messages import AnnotationsReply, AnnotationsRequest, TimelineReply
from .messages import JobList, JobReply, JobRequest, LogReply, TraceRequest
from .request_context import DeviceDependency, SchedulerDependency, SubmissionDependency, UserDependency

router = APIRouter(tags=["jobs"])


@router.post("/jobs", status_code=201)
async def submit(body: JobRequest, request: Request, to: SubmissionDependency) -> JobReply:
    """Queue a job in the session that ``x-warden-session`` names; the reply means that it is durable."""
    received_at = time.time()
    token = request.headers.get("x-warden-session")
    if not token:
        raise PermissionDeniedError(
            "no session: the header x-warden-session is missing; acquire the resource first"
        )
    job = await to.scheduler.submit(
        to.device,
        token,
        to.user.uid,
        body.sequence,
        body.shots,
        job_class=to.job_class,
        traceparent=request.headers.get("traceparent"),
        received_at=received_at,
    )
    return JobReply.of(job)


@router.get("/jobs")
async def own_jobs(
    request: Request,
    scheduler: SchedulerDependency,
    device: DeviceDependency,
    user: UserDependency,
    limit: Annotated[int, Query(ge=1, le=1000)] = 100,
    before: Annotated[int | None, Query(ge=1)] = None,
) -> JobList:
    """List the caller's own jobs, newest first; those of one device under ``/devices/{device}``."""
    only = device.name if "device" in request.path_params else None
    found = await scheduler.jobs_of(user.uid, only, limit, before)
    return JobList(
        jobs=[JobReply.of(job) for job in found],
        next_before=found[-1].id if len(found) == limit else None,
    )


@router.get("/jobs/{job_id}")
async def one_job(job_id: int, scheduler: SchedulerDependency, user: UserDependency) -> JobReply:
    """Return a job with its results, once it has them."""
    job, results = await scheduler.job(job_id, user.uid)
    if results is not None:
        scheduler.first_fetches.note(job)
    return JobReply.of(job, results)


@router.get("/jobs/{job_id}/logs")
async def log(job_id: int, scheduler: SchedulerDependency, user: UserDependency) -> LogReply:
    """Return what happened to a job, a line each."""
    lines = await scheduler.log_of(job_id, user.uid)
    return LogReply(logs="".join(f"{_clock(at)} {line}\n" for at, line in lines))


@router.post("/jobs/{job_id}/cancel")
async def cancel(job_id: int, scheduler: SchedulerDependency, user: UserDependency) -> JobReply:
    """Cancel a job that waits or runs; 409 if it has ended."""
    return JobReply.of(await scheduler.cancel(job_id, user.uid))


@router.post("/jobs/{job_id}/trace", status_code=204)
async def tell_trace(
    job_id: int, body: TraceRequest, scheduler: SchedulerDependency, user: UserDependency
) -> Response:
    """Join the job's spans to the trace of the program that submitted it."""
    await scheduler.tell_trace(job_id, user.uid, body.traceparent, body.sdk)
    return Response(status_code=204)


@router.post("/jobs/{job_id}/annotations", status_code=202)
async def annotate(
    job_id: int, body: AnnotationsRequest, scheduler: SchedulerDependency, user: UserDependency
) -> AnnotationsReply:
    """Append to the job's log what its program tells of itself: phases, and figures of merit."""
    told, now = body.annotations_told(), time.time()
    job, accepted = await scheduler.store.write(
        lambda connection: program_annotations.add(connection, job_id, user.uid, told, now),
        timeout=scheduler.api.store_timeout,
    )
    program_annotations.tell(job, accepted)
    return AnnotationsReply(accepted=len(accepted), dropped=len(told) - len(accepted))


@router.get("/jobs/{job_id}/timeline")
async def timeline(job_id: int, scheduler: SchedulerDependency, user: UserDependency) -> TimelineReply:
    """Tell where the time of a job and of the session that it belongs to went."""
    now = time.time()
    found = await scheduler.store.read(
        lambda connection: timeline_of(connection, job_id, user.uid, now, scheduler.first_fetches.of),
        timeout=scheduler.api.store_timeout,
    )
    return TimelineReply.of(found)


def _clock(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds")
