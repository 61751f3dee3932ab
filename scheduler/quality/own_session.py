"""Sessions in which qwatch itself submits: of the daemon's own uid, under the name ``qwatch``."""

from __future__ import annotations

import contextlib
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from sqlalchemy import Connection, select

from .. import sessions
from ..device import Device
from ..errors import SchedulerError
from ..scheduler import Scheduler
from ..sessions import Session
from ..tables import UNFINISHED, jobs

NAME = "qwatch"
"""User and account of qwatch's own jobs."""


@asynccontextmanager
async def own_session(scheduler: Scheduler, device: Device) -> AsyncIterator[str]:
    """Open a session, give its token, and release it at the end."""
    uid = os.getuid()
    token = await scheduler.lifecycle.create(device, uid, None, uid, NAME)
    try:
        yield token
    finally:
        await scheduler.lifecycle.end(token, uid, may_revoke=False)


async def sweep(scheduler: Scheduler, device: Device) -> None:
    """Cancel the quality jobs and end the sessions that an earlier process of the daemon left behind."""
    uid = os.getuid()

    def own_sessions(connection: Connection) -> list[Session]:
        return [
            session
            for session in sessions.held(connection, device.name)
            if (session.uid, session.user_name, session.account, session.slurm_job_id)
            == (uid, NAME, NAME, None)
        ]

    def left_jobs(connection: Connection) -> list[int]:
        numbers = [session.id for session in own_sessions(connection)]
        query = select(jobs.c.id).where(
            jobs.c.qpu_id == device.name, UNFINISHED, jobs.c.session_id.in_(numbers)
        )
        return list(connection.execute(query).scalars())

    for job_id in await scheduler.store.read(left_jobs):
        with contextlib.suppress(SchedulerError):
            await scheduler.cancel(job_id, uid)
    await scheduler.lifecycle.expire(own_sessions)
