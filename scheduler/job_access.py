"""Whose a job is: a job of somebody else is answered as one that does not exist."""

from __future__ import annotations

from sqlalchemy import Connection

from . import jobs
from .errors import NotFoundError
from .jobs import Job


def owned(connection: Connection, job_id: int, uid: int, sees_all: bool = False) -> Job:
    """Return a job of the user ``uid``, with ``sees_all`` anybody's; NotFoundError if there is none."""
    job = jobs.find(connection, job_id) if 0 < job_id <= jobs.LARGEST_ID else None
    if job is None or (job.uid != uid and not sees_all):
        raise NotFoundError(f"there is no job {job_id}{'' if sees_all else ' of yours'}")
    return job
