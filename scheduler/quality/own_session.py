"""Sessions in which qwatch itself submits: of the daemon's own uid, under the name ``qwatch``."""

from __future__ import annotations

import os
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from sqlalchemy import Connection, exists, select

from ...telemetry.redaction import hashed
from .. import job_telemetry, sessions
from ..device import Device
from ..errors import SchedulerError
from ..jobs import QUALITY_CLASS
from ..scheduler import Scheduler
from ..sessions import NewSession
from ..tables import UNFINISHED
from ..tables import jobs as jobs_table
from ..tables import sessions as sessions_table

NAME = "qwatch"
"""User and account of qwatch's own jobs."""


@asynccontextmanager
async def own_session(scheduler: Scheduler, device: Device) -> AsyncIterator[str]:
    """Open a session, give its token, and release it at the end."""
    uid = os.getuid()
    token = sessions.new_token()
    new = NewSession(
        uid=uid,
        user_name=NAME,
        account=NAME,
        slurm_job_id=None,
        qpu_id=device.name,
        created_by=uid,
        created_at=time.time(),
    )
    await scheduler.store.write(
        lambda connection: sessions.create(connection, new, token), timeout=scheduler.api.store_timeout
    )
    job_telemetry.session_begun(new, hashed(token))
    try:
        yield token
    finally:
        await scheduler.end_session(token, uid, may_revoke=False)


async def sweep(scheduler: Scheduler, device: Device) -> None:
    """Cancel the quality jobs and end the sessions that an earlier process of the daemon left behind."""
    uid = os.getuid()

    def left(connection: Connection) -> tuple[list[int], list[int]]:
        of_session = jobs_table.c.session_id == sessions_table.c.id
        of_others = exists().where(of_session, jobs_table.c.job_class != QUALITY_CLASS)
        open_ones = connection.execute(
            select(sessions_table.c.id).where(
                sessions_table.c.qpu_id == device.name,
                sessions_table.c.ended_at.is_(None),
                sessions_table.c.uid == uid,
                sessions_table.c.user_name == NAME,
                sessions_table.c.account == NAME,
                sessions_table.c.slurm_job_id.is_(None),
                ~of_others,
            )
        ).scalars()
        found = list(open_ones)
        unfinished = connection.execute(
            select(jobs_table.c.id).where(
                jobs_table.c.qpu_id == device.name, UNFINISHED, jobs_table.c.session_id.in_(found)
            )
        ).scalars()
        return found, list(unfinished)

    left_sessions, left_jobs = await scheduler.store.read(left)
    for job_id in left_jobs:
        try:
            await scheduler.cancel(job_id, uid)
        except SchedulerError:
            continue
    now = time.time()

    def end(connection: Connection) -> None:
        for session_id in left_sessions:
            sessions.end(connection, session_id, now, "expired")

    if left_sessions:
        await scheduler.store.write(end, timeout=scheduler.api.store_timeout)
