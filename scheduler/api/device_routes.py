"""Devices: whether they are open, what they are, what they do."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Request
from sqlalchemy import Connection
from starlette.responses import JSONResponse

from .. import queue_state, sessions
from ..device import Device
from ..errors import UnavailableError
from ..windows import NewWindow, WindowKind
from .messages import (
    AccessibleReply,
    AccessibleRequest,
    LivenessReply,
    SlotsReply,
    SpecsReply,
    StatusReply,
)
from .request_context import (
    AdministratorDependency,
    DeviceDependency,
    SchedulerDependency,
    UserDependency,
    accessible_limit_of,
    peer_of,
)
from .request_limits import RateLimit

router = APIRouter(tags=["devices"])


@router.get("/")
async def liveness(request: Request, scheduler: SchedulerDependency) -> LivenessReply:
    """Say that the service lives."""
    admin_socket = request.app.state.admin_socket
    return LivenessReply(
        version=request.app.version,
        auth=scheduler.api.auth,
        devices=list(scheduler.devices),
        admin_socket=None if admin_socket is None else str(admin_socket),
    )


@router.get("/accessible", response_model=AccessibleReply)
async def accessible(
    request: Request,
    device: DeviceDependency,
    limit: Annotated[RateLimit, Depends(accessible_limit_of)],
) -> AccessibleReply | JSONResponse:
    """Say whether the device takes work; public, from memory, with a limited rate."""
    if not limit.allows(peer_of(request)):
        return JSONResponse({"detail": "too many requests"}, status_code=429, headers={"retry-after": "1"})
    return _accessible(device)


@router.post("/accessible")
async def set_accessible(
    body: AccessibleRequest,
    scheduler: SchedulerDependency,
    device: DeviceDependency,
    administrator: AdministratorDependency,
) -> AccessibleReply:
    """Drain the device or resume it; what runs may finish, what waits is held."""
    if body.is_accessible:
        await scheduler.administration.resume(administrator.actor, device.name, body.message)
    else:
        drain = NewWindow(qpu_id=device.name, kind=WindowKind.DRAIN, message=body.message)
        await scheduler.administration.begin(administrator.actor, drain)
    return _accessible(device)


@router.get("/qpu/specs")
async def specs(device: DeviceDependency, _user: UserDependency) -> SpecsReply:
    """Return the device's specs, a JSON string inside JSON."""
    if device.record.specs is None:
        raise UnavailableError(f"the specs of {device.name} are not known yet: {device.message}")
    return SpecsReply(specs=device.record.specs)


@router.get("/qpu-slots")
async def slots(device: DeviceDependency, _user: UserDependency) -> SlotsReply:
    """Return the slots of the device: one, taken while a slice runs or while it takes no work."""
    used = 1 if device.running_since is not None or not device.takes_work else 0
    return SlotsReply(total=1, used=used, available=1 - used)


@router.get("/status")
async def status(
    scheduler: SchedulerDependency, device: DeviceDependency, _administrator: AdministratorDependency
) -> StatusReply:
    """Return what the device and its queue do now."""

    def work(connection: Connection) -> tuple[list[queue_state.QueueCount], dict[str, int]]:
        return queue_state.counts(connection), sessions.active(connection)

    counts, active = await scheduler.store.read(work)
    return StatusReply(
        device=device.name,
        state=device.state,
        activity=device.clock.activity,
        pending=sum(c.count for c in counts if c.qpu_id == device.name and c.state == "PENDING"),
        running_job=scheduler.dispatchers[device.name].running_job,
        sessions=active.get(device.name, 0),
    )


def _accessible(device: Device) -> AccessibleReply:
    return AccessibleReply(
        is_accessible=device.takes_work,
        message=device.message,
        state=device.state,
        simulator=device.settings.simulator,
        pending=device.backlog.pending,
        expected_wait_seconds=device.expected_wait,
    )
