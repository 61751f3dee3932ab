"""What an observer counts of ended jobs: each once, by the ledger, however often its sources tell it."""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

from sqlalchemy import Connection, func, select

from ...scheduler import ledger
from ...scheduler.ledger import LedgerJob
from ...scheduler.store import Store
from ...scheduler.tables import device_activity, ledger_jobs
from ...telemetry import device_metrics, job_metrics, log_fields
from ...telemetry.instruments import Instruments
from .peer_jobs import FINAL
from .settings import ObservedDeviceSettings

_logger = logging.getLogger(__name__)

_AT_ONCE = 250
_STORE_SECONDS = 10.0


@dataclass(frozen=True, slots=True)
class Extent:
    """What the ledger has: since when the device is observed, and the newest end of a job (Unix seconds)."""

    begun: float | None
    newest: float | None


class FinishedJobs:
    """Appends one device's ended jobs to the ledger and counts those that were new to it."""

    def __init__(self, settings: ObservedDeviceSettings, store: Store, instruments: Instruments) -> None:
        self._settings = settings
        self._store = store
        self._instruments = instruments
        self._begun = time.time()

    async def load(self) -> Extent:
        """Go on counting from the ledger, and return what it has."""
        of_this = (
            ledger_jobs.c.source == self._settings.ledger_source,
            ledger_jobs.c.qpu_id == self._settings.name,
        )

        def work(connection: Connection) -> tuple[list[tuple[str, str, str, int, int]], Extent]:
            groups = connection.execute(
                select(
                    ledger_jobs.c.job_class,
                    ledger_jobs.c.state,
                    ledger_jobs.c.reason,
                    func.count(),
                    func.coalesce(func.sum(ledger_jobs.c.shots_executed), 0),
                )
                .where(*of_this)
                .group_by(ledger_jobs.c.job_class, ledger_jobs.c.state, ledger_jobs.c.reason)
            )
            newest = connection.execute(select(func.max(ledger_jobs.c.ended_at)).where(*of_this)).scalar()
            begun = connection.execute(
                select(func.min(device_activity.c.since)).where(device_activity.c.qpu_id == self._settings.name)
            ).scalar()
            return [tuple(group) for group in groups], Extent(begun, newest)

        groups, extent = await self._store.read(work, timeout=60)
        self._initialise()
        for job_class, state, reason, count, shots in groups:
            self._count(job_class, state, reason, count, shots)
        return extent

    async def take(self, found: Sequence[LedgerJob]) -> None:
        """Append and count; UnavailableError if the store does not serve all of it."""
        for start in range(0, len(found), _AT_ONCE):
            work = partial(_append_new, found=found[start : start + _AT_ONCE])
            for job in await self._store.write(work, timeout=_STORE_SECONDS):
                self._count(job.job_class, job.state, job.reason, 1, job.shots_executed or 0)
                self._observe(job)
                if job.ended_at >= self._begun:
                    _log(job)

    def _initialise(self) -> None:
        where = {"qpu_id": self._settings.name, "job_class": self._settings.job_class}
        for state, reason in FINAL.items():
            self._instruments.add(job_metrics.FINISHED, 0, **where, state=state.lower(), reason=reason)

    def _count(self, job_class: str, state: str, reason: str, count: int, shots: int) -> None:
        name = self._settings.name
        self._instruments.add(
            job_metrics.FINISHED, count, qpu_id=name, job_class=job_class, state=state.lower(), reason=reason
        )
        self._instruments.add(device_metrics.SHOTS, shots, qpu_id=name, outcome="accepted")

    def _observe(self, job: LedgerJob) -> None:
        where = {"qpu_id": job.qpu_id, "job_class": job.job_class}
        if job.started_at is not None:
            self._instruments.observe(job_metrics.WAIT, job.started_at - job.created_at, **where)
            self._instruments.observe(job_metrics.RUN, max(job.ended_at - job.started_at, 0.0), **where)
        self._instruments.observe(job_metrics.TURNAROUND, max(job.ended_at - job.created_at, 0.0), **where)
        if job.shots_requested is not None:
            self._instruments.observe(job_metrics.SHOTS, job.shots_requested, **where)


def _log(job: LedgerJob) -> None:
    """Tell the end as the daemon does of its own jobs; not of the past, which would look like the present."""
    times: dict[str, object] = {log_fields.WAIT_SECONDS: round(job.ended_at - job.created_at, 3)}
    if job.started_at is not None:
        times = {
            log_fields.WAIT_SECONDS: round(job.started_at - job.created_at, 3),
            log_fields.RUN_SECONDS: round(job.ended_at - job.started_at, 3),
        }
    if job.busy_seconds is not None:
        times[log_fields.SECONDS] = round(job.busy_seconds, 3)
    if job.shots_executed is not None:
        times[log_fields.SHOTS] = job.shots_executed
    _logger.info(
        "job %s %s",
        job.job,
        job.state,
        extra={
            log_fields.QPU_ID: job.qpu_id,
            log_fields.JOB: job.job,
            log_fields.USER: job.user_name,
            log_fields.SLURM_JOB_ID: job.slurm_job_id,
            log_fields.JOB_CLASS: job.job_class,
            log_fields.STATE: job.state,
            log_fields.REASON: job.reason,
        }
        | times,
    )


def _append_new(connection: Connection, found: Sequence[LedgerJob]) -> list[LedgerJob]:
    """Append jobs; return those that the ledger did not have."""
    return [job for job in found if ledger.append_jobs(connection, [job])]
