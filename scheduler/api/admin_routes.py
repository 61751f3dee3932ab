"""Administration: for ``api.admin_users`` on the Unix socket, or over HTTP from ``api.admin_hosts``."""

from __future__ import annotations

import time
from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import AwareDatetime

from .. import sessions
from ..device import Device
from ..errors import InvalidRequestError
from ..run_time_settings import AUTHORIZED_USERS, DEFAULT_JOB_CLASS
from ..scheduler import Scheduler
from ..windows import NewWindow, WindowKind
from .admin_messages import (
    AdminStatusReply,
    AuditEntryReply,
    AuditList,
    CalibrationEndRequest,
    CalibrationRequest,
    DeviceReply,
    DrainRequest,
    HeldSessionList,
    HeldSessionReply,
    JobClassRequest,
    ReasonRequest,
    SettingsReply,
    UserListRequest,
    UsersRequest,
    WindowList,
    WindowReply,
    WindowRequest,
)
from .identity import Identity
from .messages import JobReply
from .request_context import AdministratorDependency, DeviceDependency, SchedulerDependency

router = APIRouter(prefix="/admin", tags=["administration"])


@router.get("/status")
async def status(scheduler: SchedulerDependency, _administrator: AdministratorDependency) -> AdminStatusReply:
    """Return every device with its open windows, and what was set at run time."""
    active = await scheduler.store.read(sessions.active)
    return AdminStatusReply(
        devices=[_device(scheduler, device, active) for device in scheduler.devices.values()],
        settings=SettingsReply.of(scheduler.run_time),
    )


@router.post("/devices/{device}/drain")
async def drain(
    body: DrainRequest,
    scheduler: SchedulerDependency,
    device: DeviceDependency,
    administrator: AdministratorDependency,
) -> WindowReply:
    """Close the device to users; what runs may finish, what waits is held. Again, it changes what is said."""
    return await _begin(scheduler, device, administrator, WindowKind.DRAIN, body)


@router.post("/devices/{device}/resume")
async def resume(
    body: ReasonRequest,
    scheduler: SchedulerDependency,
    device: DeviceDependency,
    administrator: AdministratorDependency,
) -> DeviceReply:
    """End the drain; a device that is not drained stays as it is."""
    await scheduler.administration.resume(administrator.actor, device.name, body.reason)
    return _device(scheduler, device, await scheduler.store.read(sessions.active))


@router.post("/devices/{device}/maintenance/begin")
async def begin_maintenance(
    body: WindowRequest,
    scheduler: SchedulerDependency,
    device: DeviceDependency,
    administrator: AdministratorDependency,
) -> WindowReply:
    """Begin a maintenance, or change what is said of the present one."""
    return await _begin(scheduler, device, administrator, WindowKind.MAINTENANCE, body)


@router.post("/devices/{device}/maintenance/end")
async def end_maintenance(
    body: ReasonRequest,
    scheduler: SchedulerDependency,
    device: DeviceDependency,
    administrator: AdministratorDependency,
) -> WindowReply:
    """End the maintenance; 409 if there is none."""
    closed = await scheduler.administration.end(
        administrator.actor, device.name, WindowKind.MAINTENANCE, reason=body.reason
    )
    return WindowReply.of(closed)


@router.post("/devices/{device}/calibration/begin")
async def begin_calibration(
    body: CalibrationRequest,
    scheduler: SchedulerDependency,
    device: DeviceDependency,
    administrator: AdministratorDependency,
) -> WindowReply:
    """Begin a calibration; 409 while one by another procedure is open."""
    return await _begin(scheduler, device, administrator, WindowKind.CALIBRATION, body)


@router.post("/devices/{device}/calibration/end")
async def end_calibration(
    body: CalibrationEndRequest,
    scheduler: SchedulerDependency,
    device: DeviceDependency,
    administrator: AdministratorDependency,
) -> WindowReply:
    """End the calibration and say how it went; 409 if there is none."""
    closed = await scheduler.administration.end(
        administrator.actor, device.name, WindowKind.CALIBRATION, body.result, body.reason
    )
    return WindowReply.of(closed)


@router.get("/devices/{device}/windows")
async def windows(
    scheduler: SchedulerDependency,
    device: DeviceDependency,
    _administrator: AdministratorDependency,
    limit: Annotated[int, Query(ge=1, le=1000)] = 100,
) -> WindowList:
    """List the windows of a device, newest first."""
    found = await scheduler.administration.windows_of(device.name, limit)
    return WindowList(windows=[WindowReply.of(window) for window in found])


@router.post("/jobs/{job_id}/cancel")
async def cancel(
    job_id: int, body: ReasonRequest, scheduler: SchedulerDependency, administrator: AdministratorDependency
) -> JobReply:
    """Cancel anybody's job; 409 if it has ended."""
    return JobReply.of(await scheduler.administration.cancel_job(administrator.actor, job_id, body.reason))


@router.get("/sessions")
async def held_sessions(
    scheduler: SchedulerDependency, _administrator: AdministratorDependency, device: str | None = None
) -> HeldSessionList:
    """List the sessions that are held, of one device or of all."""
    only = None if device is None else scheduler.device(device).name
    found = await scheduler.administration.held_sessions(only)
    return HeldSessionList(sessions=[HeldSessionReply.of(session, jobs) for session, jobs in found])


@router.post("/sessions/{number}/revoke")
async def revoke(
    number: int, body: ReasonRequest, scheduler: SchedulerDependency, administrator: AdministratorDependency
) -> HeldSessionReply:
    """Revoke anybody's session by its number; what it queued still runs. 404 if it has ended."""
    session = await scheduler.administration.revoke_session(administrator.actor, number, body.reason)
    return HeldSessionReply.of(session, 0)


@router.get("/settings")
async def settings(scheduler: SchedulerDependency, _administrator: AdministratorDependency) -> SettingsReply:
    """Return what may be set at run time."""
    return SettingsReply.of(scheduler.run_time)


@router.put("/authorized-users")
async def set_users(
    body: UserListRequest, scheduler: SchedulerDependency, administrator: AdministratorDependency
) -> SettingsReply:
    """Say who may use the devices, whatever the configuration says; null means all users."""
    await scheduler.administration.set_authorized_users(administrator.actor, body.users, body.reason)
    return SettingsReply.of(scheduler.run_time)


@router.post("/authorized-users/add")
async def add_users(
    body: UsersRequest, scheduler: SchedulerDependency, administrator: AdministratorDependency
) -> SettingsReply:
    """Authorise users besides those who are; 409 while all are."""
    await scheduler.administration.change_authorized_users(
        administrator.actor, add=body.users, reason=body.reason
    )
    return SettingsReply.of(scheduler.run_time)


@router.post("/authorized-users/remove")
async def remove_users(
    body: UsersRequest, scheduler: SchedulerDependency, administrator: AdministratorDependency
) -> SettingsReply:
    """Authorise users no more; 409 while all are."""
    await scheduler.administration.change_authorized_users(
        administrator.actor, remove=body.users, reason=body.reason
    )
    return SettingsReply.of(scheduler.run_time)


@router.post("/authorized-users/reset")
async def reset_users(
    body: ReasonRequest, scheduler: SchedulerDependency, administrator: AdministratorDependency
) -> SettingsReply:
    """Let the configuration say again who may use the devices."""
    await scheduler.administration.reset(administrator.actor, AUTHORIZED_USERS, body.reason)
    return SettingsReply.of(scheduler.run_time)


@router.put("/default-job-class")
async def set_job_class(
    body: JobClassRequest, scheduler: SchedulerDependency, administrator: AdministratorDependency
) -> SettingsReply:
    """Say which class a job has that names none."""
    await scheduler.administration.set_default_job_class(administrator.actor, body.job_class, body.reason)
    return SettingsReply.of(scheduler.run_time)


@router.post("/default-job-class/reset")
async def reset_job_class(
    body: ReasonRequest, scheduler: SchedulerDependency, administrator: AdministratorDependency
) -> SettingsReply:
    """Let the configuration say the class again."""
    await scheduler.administration.reset(administrator.actor, DEFAULT_JOB_CLASS, body.reason)
    return SettingsReply.of(scheduler.run_time)


@router.get("/audit")
async def audit_log(
    scheduler: SchedulerDependency,
    _administrator: AdministratorDependency,
    since: AwareDatetime | None = None,
    device: str | None = None,
    limit: Annotated[int, Query(ge=1, le=1000)] = 100,
    before: Annotated[int | None, Query(ge=1)] = None,
) -> AuditList:
    """List what administrators did, newest first; a device that is gone may be named too."""
    found = await scheduler.administration.audit_entries(
        limit=limit, since=None if since is None else since.timestamp(), qpu_id=device, before=before
    )
    return AuditList(
        entries=[AuditEntryReply.of(entry) for entry in found],
        next_before=found[-1].id if len(found) == limit else None,
    )


async def _begin(
    scheduler: Scheduler, device: Device, administrator: Identity, kind: WindowKind, body: WindowRequest
) -> WindowReply:
    until = None if body.until is None else body.until.timestamp()
    if until is not None and until <= time.time():
        raise InvalidRequestError(f"until: {body.until:%Y-%m-%dT%H:%M:%S%z} lies in the past")
    new = NewWindow(
        qpu_id=device.name,
        kind=kind,
        message=body.message,
        note=body.note,
        announced_end_at=until,
        allow_qa=body.allow_qa if isinstance(body, DrainRequest) else None,
        procedure=body.procedure if isinstance(body, CalibrationRequest) else None,
    )
    return WindowReply.of(await scheduler.administration.begin(administrator.actor, new, body.reason))


def _device(scheduler: Scheduler, device: Device, active: dict[str, int]) -> DeviceReply:
    return DeviceReply.of(device, scheduler.dispatchers[device.name].running_job, active.get(device.name, 0))
