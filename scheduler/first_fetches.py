"""When the results of jobs were fetched for the first time: noted in memory, written together now and then.

A job's first fetch is told only to its user (``GET /jobs/{id}/timeline``): it is worth no write of its own, and
a crash may lose the last few.
"""

from __future__ import annotations

import time
from collections.abc import Sequence

from sqlalchemy import Connection, bindparam, update

from .jobs import Job
from .store import Store
from .tables import jobs

_MOST_WAITING = 256
_MARK = (
    update(jobs)
    .where(jobs.c.id == bindparam("job_id"), jobs.c.results_fetched_at.is_(None))
    .values(results_fetched_at=bindparam("at"))
)


class FirstFetches:
    """The first fetches that are not in the store yet."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._waiting: dict[int, float] = {}
        self._written: dict[int, float] = {}

    def note(self, job: Job) -> None:
        """The results of ``job`` are being fetched."""
        if job.results_fetched_at is not None or self.of(job.id) is not None:
            return
        self._waiting[job.id] = time.time()
        if len(self._waiting) >= _MOST_WAITING:
            self.save()

    def of(self, job_id: int) -> float | None:
        """Return when a job's results were fetched first, in Unix seconds, if the store may not tell it yet."""
        return self._waiting.get(job_id) or self._written.get(job_id)

    def save(self) -> None:
        """Have what waits written with the next commit."""
        if not self._waiting:
            return
        # Kept until the next time: by then it is in the store.
        self._written, self._waiting = self._waiting, {}
        self._store.write_later(_mark, list(self._written.items()))


def _mark(connection: Connection, batches: Sequence[Sequence[tuple[int, float]]]) -> list[None]:
    rows = [{"job_id": job_id, "at": at} for batch in batches for job_id, at in batch]
    connection.execute(_MARK, rows)
    return [None] * len(batches)
