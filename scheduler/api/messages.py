"""The bodies of requests and replies. Replies may carry more than QRMI reads: it ignores unknown fields."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, field_validator

from ..jobs import Job


class SessionRequest(BaseModel):
    """``POST /sessions``: for whom, and for which Slurm job."""

    user_id: str = Field(max_length=10)
    slurm_job_id: str | None = Field(None, max_length=255)

    @field_validator("user_id", "slurm_job_id", mode="before")
    @classmethod
    def _number_as_text(cls, value: object) -> object:
        return str(value) if isinstance(value, int) and not isinstance(value, bool) else value


class SessionReply(BaseModel):
    """A session: ``id`` is the acquisition token."""

    id: str


class JobRequest(BaseModel):
    """``POST /jobs``: a sequence in Pulser's abstract representation, and the number of shots.

    The sequence may also be CUDA-Q's analog program; either may be text or a JSON object.
    """

    model_config = ConfigDict(strict=True)

    sequence: str | dict[str, Any]
    shots: int


class JobReply(BaseModel):
    """A job as QRMI reads it (the first five fields), and what qwatch tells besides; times in UTC."""

    id: int
    user_id: str
    status: str
    results: str | None = None
    created_at: datetime
    device: str
    job_class: str
    account: str
    shots: int
    shots_executed: int
    started_at: datetime | None
    ended_at: datetime | None
    busy_seconds: float
    reason: str
    message: str | None
    possible_double: bool
    trace_id: str | None

    @classmethod
    def of(cls, job: Job, results: str | None = None) -> JobReply:
        """Return the reply for a job."""
        return cls.model_construct(
            id=job.id,
            user_id=str(job.uid),
            status=job.state.value,
            results=results,
            created_at=_utc(job.created_at),
            device=job.qpu_id,
            job_class=job.job_class,
            account=job.account,
            shots=job.shots_requested,
            shots_executed=job.shots_executed,
            started_at=None if job.started_at is None else _utc(job.started_at),
            ended_at=None if job.ended_at is None else _utc(job.ended_at),
            busy_seconds=job.busy_seconds,
            reason=job.reason,
            message=job.message,
            possible_double=job.possible_double,
            trace_id=job.trace_id,
        )


class JobList(BaseModel):
    """``GET /jobs``: the caller's own, newest first; ``next_before`` asks for the page after this one."""

    jobs: list[JobReply]
    next_before: int | None


class LogReply(BaseModel):
    """``GET /jobs/{id}/logs``."""

    logs: str


class TraceRequest(BaseModel):
    """``POST /jobs/{id}/trace``: the trace of the program that submitted the job."""

    traceparent: str = Field(max_length=55)
    sdk: str | None = Field(None, max_length=64, pattern=r"^[A-Za-z0-9_.-]+$")


class AccessibleReply(BaseModel):
    """``GET /accessible``: whether users may work with the device, and the public message.

    ``pending`` is how many jobs wait, ``expected_wait_seconds`` how long one that is queued now would; null if
    that cannot be told.
    """

    is_accessible: bool
    message: str
    state: str
    simulator: bool
    pending: int
    expected_wait_seconds: float | None


class AccessibleRequest(BaseModel):
    """``POST /accessible``: open or close the device."""

    is_accessible: bool
    message: str = Field("", max_length=500)


class SpecsReply(BaseModel):
    """``GET /qpu/specs``: the device's specs as a JSON string."""

    specs: str


class SlotsReply(BaseModel):
    """``GET /qpu-slots``: slots of the device; a QPU runs one slice at a time."""

    total: int
    used: int
    available: int


class StatusReply(BaseModel):
    """``GET /status``: what the device and its queue do, for administrators."""

    device: str
    state: str
    activity: str
    pending: int
    running_job: int | None
    sessions: int


class LivenessReply(BaseModel):
    """``GET /``: the service lives; which it is, and how requests prove their sender."""

    status: str = "ok"
    service: str = "qwatch"
    version: str
    auth: str
    devices: list[str]
    admin_socket: str | None = None


class ErrorReply(BaseModel):
    """Every error: one line that says what was wrong and what to do."""

    detail: str


def _utc(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)
