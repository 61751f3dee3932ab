"""What a user used, and the user's own sessions; an administrator may ask for somebody else's."""

from __future__ import annotations

import asyncio
import pwd
import re
import time
from collections.abc import Callable
from datetime import UTC, timedelta, timezone, tzinfo
from typing import Annotated, TypeVar, cast
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from fastapi import APIRouter, Depends, Query, Request, Response
from pydantic import AwareDatetime
from sqlalchemy import Connection

from ..accounts import user_name
from ..errors import InvalidRequestError, NotFoundError, PermissionDeniedError, UnavailableError
from ..own_sessions import of_slurm_job, own_sessions
from ..scheduler import Scheduler
from ..timeline import session_timeline_of
from ..usage import UsageKey, UsageQuestion
from ..usage_queries import usage_of
from .own_session_messages import OwnSessionList, OwnSessionReply, SessionTimelineReply
from .request_context import SchedulerDependency, UserDependency
from .usage_messages import UsageReply

router = APIRouter(tags=["usage"])

T = TypeVar("T")
_DAY_SECONDS = 86_400.0
_USUAL_SECONDS = 30 * _DAY_SECONDS
_LONGEST_SECONDS = 3_660 * _DAY_SECONDS
_OFFSET = re.compile(r"([+-])(\d\d):([0-5]\d)")


async def subject_of(
    identity: UserDependency,
    user: Annotated[str | None, Query(max_length=255, description="whose: login name or uid")] = None,
) -> int:
    """Return the uid of whom it is asked: the caller, or whom an administrator names."""
    if user is None:
        return identity.uid
    uid = await asyncio.to_thread(_uid, user)
    if uid == identity.uid:
        return identity.uid
    if not identity.administers:
        raise PermissionDeniedError(
            "what others did is told to administrators (api.admin_users) from this host or api.admin_hosts"
        )
    if uid is None:
        raise NotFoundError(f"there is no user {user!r} on the daemon's host")
    return uid


SubjectDependency = Annotated[int, Depends(subject_of)]
FromQuery = Annotated[AwareDatetime | None, Query(alias="from", description="default: 30 days before the end")]
ToQuery = Annotated[AwareDatetime | None, Query(alias="to", description="default: now")]
DeviceQuery = Annotated[str | None, Query(description="only of this device")]


@router.get("/usage")
async def usage(
    request: Request,
    scheduler: SchedulerDependency,
    subject: SubjectDependency,
    begin: FromQuery = None,
    end: ToQuery = None,
    by: UsageKey | None = None,
    device: DeviceQuery = None,
    zone_name: Annotated[
        str, Query(alias="timezone", max_length=64, description="of days: IANA zone, or offset as +01:00")
    ] = "UTC",
) -> UsageReply:
    """Tell what was used from ``from`` to before ``to``, in all and by a key."""
    now = time.time()
    first, last = _period(begin, end, now)
    if device is not None:
        scheduler.device(device)
    asked = UsageQuestion(
        uid=subject,
        begin=first,
        end=last,
        now=now,
        zone=_zone(zone_name),
        by=by,
        qpu_id=device,
    )
    found = await _read(request, scheduler, lambda connection: usage_of(connection, asked))
    return UsageReply.of(found, user=user_name(subject), uid=subject, device=device, by=by, timezone=zone_name)


@router.get("/sessions")
async def sessions(
    request: Request,
    scheduler: SchedulerDependency,
    subject: SubjectDependency,
    begin: FromQuery = None,
    end: ToQuery = None,
    device: DeviceQuery = None,
    slurm_job: Annotated[str | None, Query(max_length=255, description="those of this Slurm job")] = None,
    limit: Annotated[int, Query(ge=1, le=1000)] = 100,
    before: Annotated[int | None, Query(ge=1)] = None,
) -> OwnSessionList:
    """List the caller's own sessions, newest first: those begun in a period or held now, or of a Slurm job."""
    now = time.time()
    if slurm_job is not None:
        uses = await _read(
            request,
            scheduler,
            lambda connection: of_slurm_job(connection, subject, slurm_job),
        )
        older = [use for use in uses if before is None or use.session.id < before]
        found = older[:limit]
    else:
        if device is not None:
            scheduler.device(device)
        first, last = _period(begin, end, now)
        found = await _read(
            request,
            scheduler,
            lambda connection: own_sessions(connection, subject, first, last, limit, before, device),
        )
    return OwnSessionList(
        sessions=[OwnSessionReply.of(use, now) for use in found],
        next_before=found[-1].session.id if len(found) == limit else None,
    )


@router.get("/sessions/{number:int}/timeline", response_model=SessionTimelineReply)
async def session_timeline(
    number: int, request: Request, scheduler: SchedulerDependency, subject: SubjectDependency
) -> Response:
    """Tell where the time of a session went, with every interval of it and of its jobs."""
    now = time.time()

    def work(connection: Connection) -> str:
        found = session_timeline_of(connection, number, subject, now, scheduler.first_fetches.of)
        # Written here, in the reader's thread: a long session's is megabytes.
        return SessionTimelineReply.of(found, now).model_dump_json()

    return Response(await _read(request, scheduler, work), media_type="application/json")


async def _read(request: Request, scheduler: Scheduler, work: Callable[[Connection], T]) -> T:
    """Read what may take long: one such question at a time, so that readers are left for the jobs."""
    turn = cast(asyncio.Semaphore, request.app.state.long_reads)
    timeout = scheduler.api.store_timeout
    try:
        await asyncio.wait_for(turn.acquire(), timeout)
    except TimeoutError:
        raise UnavailableError("questions of others are being answered; ask again") from None
    try:
        return await scheduler.store.read(work, timeout=timeout)
    finally:
        turn.release()


def _uid(user: str) -> int | None:
    if user.isascii() and user.isdigit():
        return int(user) if int(user) < 2**32 else None
    try:
        return pwd.getpwnam(user).pw_uid
    except KeyError:
        return None


def _period(begin: AwareDatetime | None, end: AwareDatetime | None, now: float) -> tuple[float, float]:
    last = now if end is None else end.timestamp()
    first = last - _USUAL_SECONDS if begin is None else begin.timestamp()
    if first >= last:
        raise InvalidRequestError("from: must be before 'to', which is now if it is not given")
    if first < 0 or last > now + _LONGEST_SECONDS:
        raise InvalidRequestError("from, to: must lie after 1970, and not more than ten years ahead")
    if last - first > _LONGEST_SECONDS:
        raise InvalidRequestError("from: a period may be ten years long at most")
    return first, last


def _zone(name: str) -> tzinfo:
    if found := _OFFSET.fullmatch(name):
        sign = -1 if found[1] == "-" else 1
        minutes = int(found[2]) * 60 + int(found[3])
        if minutes < 24 * 60:
            return timezone(sign * timedelta(minutes=minutes))
    if name == "UTC":
        return UTC
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise InvalidRequestError(
            f"timezone: {name!r} is neither a zone such as Europe/Paris nor an offset such as +01:00"
        ) from None
