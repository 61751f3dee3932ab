"""The bodies of administration: times in UTC, with their zone; durations in seconds."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Any, Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from ..audit import Entry
from ..device import Device
from ..run_time_settings import AUTHORIZED_USERS, DEFAULT_JOB_CLASS, RunTimeSettings
from ..sessions import Session
from ..settings import JobClass, Procedure
from ..windows import Window

Uid = Annotated[int, Field(ge=0, lt=2**32)]
Line = Annotated[str, Field(max_length=500)]


class ReasonRequest(BaseModel):
    """Why something is done: for the audit log."""

    model_config = ConfigDict(extra="forbid")

    reason: Line = ""


class WindowRequest(ReasonRequest):
    """What a window is opened with; what is left out stays as an open one says it."""

    until: AwareDatetime | None = Field(None, description="the announced end")
    message: Line | None = Field(None, description="what users are told")
    note: Line | None = Field(None, description="what operators tell each other")


class DrainRequest(WindowRequest):
    """``POST /admin/devices/{device}/drain``."""

    allow_qa: bool | None = Field(None, description="whether the site's own quality jobs may run")


class CalibrationRequest(DrainRequest):
    """``POST /admin/devices/{device}/calibration/begin``."""

    procedure: Procedure = "full"


class CalibrationEndRequest(ReasonRequest):
    """``POST /admin/devices/{device}/calibration/end``."""

    result: Literal["success", "failure"]


class UsersRequest(ReasonRequest):
    """Users, by their uids."""

    users: list[Uid] = Field(max_length=100_000)


class UserListRequest(ReasonRequest):
    """``PUT /admin/authorized-users``: null authorises all users."""

    users: list[Uid] | None = Field(max_length=100_000)


class JobClassRequest(ReasonRequest):
    """``PUT /admin/default-job-class``."""

    job_class: JobClass


class WindowReply(BaseModel):
    """A window of a device."""

    device: str
    kind: str
    procedure: str | None
    result: str | None
    message: str
    note: str
    allow_qa: bool
    opened_at: datetime
    opened_by: str
    until: datetime | None
    closed_at: datetime | None
    closed_by: str | None

    @classmethod
    def of(cls, window: Window) -> WindowReply:
        """Return the reply for a window."""
        return cls(
            device=window.qpu_id,
            kind=window.kind.value,
            procedure=window.procedure,
            result=window.result,
            message=window.message,
            note=window.note,
            allow_qa=window.allow_qa,
            opened_at=_utc(window.opened_at),
            opened_by=window.opened_by,
            until=None if window.announced_end_at is None else _utc(window.announced_end_at),
            closed_at=None if window.closed_at is None else _utc(window.closed_at),
            closed_by=window.closed_by,
        )


class WindowList(BaseModel):
    """``GET /admin/devices/{device}/windows``: newest first."""

    windows: list[WindowReply]


class DeviceReply(BaseModel):
    """A device as administrators see it."""

    device: str
    state: str
    activity: str
    accessible: bool
    message: str
    pending: int
    running_job: int | None
    sessions: int
    windows: list[WindowReply]

    @classmethod
    def of(cls, device: Device, running_job: int | None, sessions: int) -> DeviceReply:
        """Return the reply for a device."""
        return cls(
            device=device.name,
            state=device.state,
            activity=device.clock.activity,
            accessible=device.takes_work,
            message=device.message,
            pending=device.backlog.pending,
            running_job=running_job,
            sessions=sessions,
            windows=[WindowReply.of(window) for window in device.windows.windows],
        )


class SettingsReply(BaseModel):
    """What may be set at run time: what holds now, and whether it was."""

    authorized_users: list[int] | None
    authorized_users_set: bool
    default_job_class: str
    default_job_class_set: bool

    @classmethod
    def of(cls, settings: RunTimeSettings) -> SettingsReply:
        """Return the reply for the settings of now."""
        users = settings.authorized_users
        return cls(
            authorized_users=None if users is None else list(users),
            authorized_users_set=settings.is_set(AUTHORIZED_USERS),
            default_job_class=settings.default_job_class,
            default_job_class_set=settings.is_set(DEFAULT_JOB_CLASS),
        )


class AdminStatusReply(BaseModel):
    """``GET /admin/status``."""

    devices: list[DeviceReply]
    settings: SettingsReply


class HeldSessionReply(BaseModel):
    """A session that is held: ``id`` is its number, never its token."""

    id: int
    device: str
    user: str
    uid: int
    account: str
    slurm_job_id: str | None
    created_at: datetime
    created_by: int
    unfinished_jobs: int

    @classmethod
    def of(cls, session: Session, unfinished_jobs: int) -> HeldSessionReply:
        """Return the reply for a session."""
        return cls(
            id=session.id,
            device=session.qpu_id,
            user=session.user_name,
            uid=session.uid,
            account=session.account,
            slurm_job_id=session.slurm_job_id,
            created_at=_utc(session.created_at),
            created_by=session.created_by,
            unfinished_jobs=unfinished_jobs,
        )


class HeldSessionList(BaseModel):
    """``GET /admin/sessions``: oldest first."""

    sessions: list[HeldSessionReply]


class AuditEntryReply(BaseModel):
    """What an administrator did."""

    id: int
    at: datetime
    uid: int
    user: str
    address: str
    action: str
    target: str
    reason: str
    details: dict[str, Any]

    @classmethod
    def of(cls, entry: Entry) -> AuditEntryReply:
        """Return the reply for an entry."""
        return cls(
            id=entry.id,
            at=_utc(entry.at),
            uid=entry.uid,
            user=entry.user_name,
            address=entry.address,
            action=entry.action,
            target=entry.target,
            reason=entry.reason,
            details=dict(entry.details),
        )


class AuditList(BaseModel):
    """``GET /admin/audit``: newest first; ``next_before`` asks for the page after this one."""

    entries: list[AuditEntryReply]
    next_before: int | None


def _utc(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)
