"""What a job's end means: its state and reason from what the device told, and how it is told on."""

from __future__ import annotations

from dataclasses import replace

from ..telemetry.trace_context import parse_traceparent
from .jobs import Job, JobEnd, JobState
from .slice_run import Ended


def exemplar(job: Job) -> dict[str, str] | None:
    """Return the exemplar of a job's observations, where its trace is known and sampled."""
    context = parse_traceparent(job.traceparent)
    if context is None or not context.trace_flags.sampled or job.trace_id is None:
        return None
    return {"trace_id": job.trace_id}


def job_end(shots: int, ended: Ended) -> JobEnd:
    """Return how a job ends whose only slice ended as ``ended`` tells."""
    found = ended.device_job
    state, reason, message = found.state, "none", None
    if state is JobState.ERROR:
        reason, message = "device_error", found.error or "the device ended it with an error and no message"
    elif state is JobState.CANCELED and ended.cancel_asked:
        reason = "user"
    elif state is JobState.CANCELED:
        state, reason, message = JobState.ERROR, "device_error", "the device cancelled it by itself"
    elif found.results is None:
        state, reason, message = JobState.ERROR, "device_error", "the device returned no results"
    done = state is JobState.DONE
    return JobEnd(
        state=state,
        reason=reason,
        message=message,
        ended_at=ended.observed_at,
        shots_executed=shots if done else 0,
        busy_seconds=ended.busy,
        results=found.results if done else None,
    )


def asked_by(end: JobEnd, job: Job | None) -> JobEnd:
    """Return the end of a cancelled job with who asked for it: its user, or an administrator."""
    return replace(end, reason="admin") if job is not None and job.reason == "admin" else end


def log_line(end: JobEnd) -> str:
    """Return the last line of a job's log."""
    line = f"{end.state}: {end.shots_executed} shots, {end.busy_seconds:.3f} s on the device"
    if end.reason != "none":
        line += f", {end.reason}"
    return f"{line}: {end.message}" if end.message else line
