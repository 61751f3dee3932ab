"""First in, first out: the job that waits longest runs whole; quality jobs wait for all others."""

from __future__ import annotations

from sqlalchemy import Connection

from .. import jobs
from .policy import Choice


class FifoPolicy:
    """Runs jobs in the order of their numbers, those of the class ``qa`` only when no other waits."""

    name = "fifo"

    def choose(self, connection: Connection, qpu_id: str) -> Choice | None:
        """Return the oldest pending job with all of its shots."""
        job = jobs.oldest_pending(connection, qpu_id)
        return None if job is None else Choice(job, job.shots_requested - job.shots_executed)
