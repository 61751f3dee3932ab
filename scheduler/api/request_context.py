"""What every route needs to know of a request: the device and class in its path, and who sends it.

All are coroutines, also those that wait for nothing: FastAPI would run plain functions in threads, one by one.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, cast, get_args

from fastapi import Depends, Request
from starlette.requests import HTTPConnection

from ..device import Device
from ..errors import NotFoundError, PermissionDeniedError
from ..scheduler import Scheduler
from ..settings import JobClass
from .identity import Authenticator, Identity, Proof
from .request_limits import RateLimit

PEER_UID = "peer_uid"
_CHANGING = ("POST", "PUT", "DELETE", "PATCH")


async def scheduler_of(request: Request) -> Scheduler:
    """Return the scheduler behind the application."""
    return cast(Scheduler, request.app.state.scheduler)


async def device_of(request: Request) -> Device:
    """Return the device in the path, or the default one; 404 for an unknown one."""
    return (await scheduler_of(request)).device(request.path_params.get("device"))


async def job_class_of(request: Request) -> str | None:
    """Return the class in the path, or None; 404 for an unknown one."""
    found = request.path_params.get("job_class")
    if found is not None and found not in get_args(JobClass):
        raise NotFoundError(f"there is no job class {found!r}; there is {', '.join(get_args(JobClass))}")
    return cast(str | None, found)


async def identity_of(request: Request) -> Identity:
    """Return who sends the request; 401 if that is not proven, 403 if that user is not authorised."""
    authenticator = cast(Authenticator, request.app.state.authenticator)
    return await authenticator.identify(proof_of(request))


async def user_of(identity: Annotated[Identity, Depends(identity_of)]) -> Identity:
    """Return the identity if it may work with jobs: not root from another host."""
    if identity.sessions_only:
        raise PermissionDeniedError(
            f"root from {identity.address} may create and revoke sessions only; "
            "jobs are submitted as the user, administration comes from api.admin_hosts"
        )
    return identity


async def administrator_of(identity: Annotated[Identity, Depends(identity_of)]) -> Identity:
    """Return the identity if it administers."""
    if not identity.administers:
        raise PermissionDeniedError(
            "this is for administrators (api.admin_users) from this host or api.admin_hosts"
        )
    return identity


@dataclass(frozen=True, slots=True)
class Submission:
    """Where a job is submitted to, and by whom."""

    scheduler: Scheduler
    device: Device
    job_class: str | None
    user: Identity


async def submission_of(request: Request) -> Submission:
    """Return it after all of the checks above; one dependency, since each costs FastAPI more than its work."""
    return Submission(
        scheduler=await scheduler_of(request),
        device=await device_of(request),
        job_class=await job_class_of(request),
        user=await user_of(await identity_of(request)),
    )


def proof_of(request: HTTPConnection) -> Proof:
    """Return what the request brings along to prove its sender."""
    headers = request.headers
    return Proof(
        peer=peer_of(request),
        host_header=headers.get("host", ""),
        munge=headers.get("x-munge-cred"),
        authorization=headers.get("authorization"),
        changes=request.scope["method"] in _CHANGING,
        # Set by the server of the Unix socket, never by what a request holds.
        peer_uid=request.scope.get("state", {}).get(PEER_UID),
    )


def peer_of(request: HTTPConnection) -> str:
    """Return the address that the request comes from."""
    if request.client is None:
        return "127.0.0.1"
    return request.client.host.removeprefix("::ffff:")


async def accessible_limit_of(request: Request) -> RateLimit:
    """Return the limiter of the public path."""
    return cast(RateLimit, request.app.state.accessible_limit)


SchedulerDependency = Annotated[Scheduler, Depends(scheduler_of)]
DeviceDependency = Annotated[Device, Depends(device_of)]
SubmissionDependency = Annotated[Submission, Depends(submission_of)]
SenderDependency = Annotated[Identity, Depends(identity_of)]
JobClassDependency = Annotated[str | None, Depends(job_class_of)]
UserDependency = Annotated[Identity, Depends(user_of)]
AdministratorDependency = Annotated[Identity, Depends(administrator_of)]
