"""Cancelling jobs: at once if they wait, by the device if they run."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping

from sqlalchemy import Connection

from . import jobs
from .device import Device
from .dispatcher import Dispatcher
from .errors import AlreadyFinishedError
from .job_access import owned
from .jobs import Job, JobEnd, JobState
from .store import Store


class Cancellation:
    """Cancels jobs for their users and for administrators."""

    def __init__(
        self,
        store: Store,
        devices: Mapping[str, Device],
        dispatchers: Mapping[str, Dispatcher],
        job_finished: Callable[[Job], None],
        timeout: float,
    ) -> None:
        self._store = store
        self._devices = devices
        self._dispatchers = dispatchers
        self._job_finished = job_finished
        self._timeout = timeout

    async def cancel(
        self,
        job_id: int,
        uid: int,
        by_admin: bool = False,
        also: Callable[[Connection, Job], None] | None = None,
    ) -> Job:
        """Cancel a job; ``also`` is done in the same transaction.

        Raises:
            NotFoundError: there is no such job, or it is another user's and this is no administrator.
            AlreadyFinishedError: it has ended.
        """
        now = time.time()
        reason = "admin" if by_admin else "user"
        end = JobEnd(JobState.CANCELED, reason, "canceled while it waited", now)

        def work(connection: Connection) -> tuple[Job, bool]:
            job = owned(connection, job_id, uid, by_admin)
            if job.state.final:
                raise AlreadyFinishedError(f"job {job_id} has ended: {job.state}")
            if also is not None:
                also(connection, job)
            if job.state is JobState.PENDING:
                jobs.finish(connection, job_id, end)
                jobs.log(connection, job_id, now, f"CANCELED by {reason} while it waited")
                found = jobs.find(connection, job_id)
                assert found is not None
                return found, True
            jobs.request_cancel(connection, job_id, reason)
            jobs.log(connection, job_id, now, f"cancellation asked by {reason} while it ran")
            return job, False

        job, waited = await self._store.write(work, timeout=self._timeout)
        # A device that was taken out of the configuration may have left jobs behind.
        if waited:
            if (device := self._devices.get(job.qpu_id)) is not None:
                device.backlog.left(job.shots_requested - job.shots_executed)
            self._job_finished(job)
        elif (dispatcher := self._dispatchers.get(job.qpu_id)) is not None:
            dispatcher.cancel(job_id)
        return job
