"""Sessions: created and revoked by root for the user (the SPANK plugin), or by users themselves if allowed."""

from __future__ import annotations

from fastapi import APIRouter

from ..errors import InvalidRequestError, PermissionDeniedError
from .messages import SessionReply, SessionRequest
from .request_context import DeviceDependency, JobClassDependency, SchedulerDependency, SenderDependency

router = APIRouter(tags=["sessions"])


@router.post("/sessions", status_code=201)
async def acquire(
    body: SessionRequest,
    scheduler: SchedulerDependency,
    device: DeviceDependency,
    job_class: JobClassDependency,
    sender: SenderDependency,
) -> SessionReply:
    """Create a session for the user in the body; its id is the acquisition token."""
    if not (body.user_id.isascii() and body.user_id.isdigit()) or int(body.user_id) >= 2**32:
        raise InvalidRequestError(f"user_id: {body.user_id!r} is not a uid")
    uid = int(body.user_id)
    settings = scheduler.api
    if not sender.creates_sessions_for_others:
        if uid != sender.uid:
            raise PermissionDeniedError(
                f"uid {sender.uid} from {sender.address} may not create sessions for others "
                "(api.admin_users, api.session_hosts)"
            )
        if not settings.user_sessions:
            raise PermissionDeniedError(
                "sessions are created by the batch step of a Slurm job (sbatch with --qpu); salloc and srun "
                "steps get none; where the site sets api.user_sessions, use 'qwatch run'"
            )
    if not scheduler.run_time.authorizes(uid):
        raise PermissionDeniedError(f"uid {uid} is not authorised to use the devices; ask the site's operators")
    token = await scheduler.create_session(device, uid, body.slurm_job_id, sender.uid, job_class)
    return SessionReply(id=token)


@router.delete("/sessions/{token}")
async def release(token: str, scheduler: SchedulerDependency, sender: SenderDependency) -> SessionReply:
    """End a session of one's own, or, as an administrator or SPANK's root, anybody's."""
    may_revoke = sender.creates_sessions_for_others or sender.administers
    await scheduler.administration.end_session(sender.actor, token, may_revoke)
    return SessionReply(id=token)
