"""What may run while a window closes a device to users: the site's own quality jobs."""

from __future__ import annotations

from sqlalchemy import Connection

from .. import jobs
from .policy import Choice


class QualityJobsOnly:
    """Runs jobs of the class ``qa`` in the order of their numbers; the others are held."""

    name = "quality_jobs_only"

    def choose(self, connection: Connection, qpu_id: str) -> Choice | None:
        """Return the oldest pending quality job with all of its shots."""
        job = jobs.oldest_pending(connection, qpu_id, "qa")
        return None if job is None else Choice(job, job.shots_requested - job.shots_executed)
