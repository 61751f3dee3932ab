"""The log of jobs: accepted, started, ended, written in groups.

A record by itself, between two requests, costs four to eight times as much, and that of an end would come just
when the device waits for its next job.
"""

from __future__ import annotations

import asyncio
import logging
import time
from contextvars import Context
from dataclasses import dataclass, field

from ..telemetry import log_fields
from .jobs import Job, JobState

_logger = logging.getLogger(__name__)

LONGEST_DELAY = 0.2
"""Seconds after which a record is written at the latest."""
MOST_AT_ONCE = 128
"""As many records are written without delay."""
MOST_TOLD_ONE_BY_ONE = 32
"""Jobs of one device, user, Slurm job and class, of those that are logged together."""
_LONGEST_MESSAGE = 500


@dataclass(slots=True)
class _Accepted:
    """Jobs of one kind; of a burst only its first ones, its last, and sums."""

    jobs: list[tuple[Job, float]] = field(default_factory=list)
    count: int = 0
    shots: int = 0
    last: int = 0


@dataclass(frozen=True, slots=True)
class _Change:
    """The start of a job, if it has a time, or else its end."""

    job: Job
    at: float
    started_at: float | None = None


class JobLog:
    """Records that are not written yet; each has the time at which it was told. To be used in the event loop.

    Of a burst, more than ``MOST_TOLD_ONE_BY_ONE`` accepted jobs of a kind, one record tells how many, the first
    and the last: a log must not grow as fast as a loop can submit. Start and end of each job are told all the
    same, after its acceptance.
    """

    def __init__(self) -> None:
        self._waiting: list[_Accepted | _Change] = []
        self._kinds: dict[tuple[object, ...], _Accepted] = {}
        self._records = 0
        self._timer: asyncio.TimerHandle | None = None

    def accepted(self, job: Job) -> None:
        """Log within 0.2 s that a job was queued."""
        if not _logger.isEnabledFor(logging.INFO):
            return
        kind = (job.qpu_id, job.user_name, job.slurm_job_id, job.job_class)
        group = self._kinds.get(kind)
        if group is None:
            group = self._kinds[kind] = _Accepted()
            self._waiting.append(group)
        group.count += 1
        group.shots += job.shots_requested
        group.last = job.id
        if group.count <= MOST_TOLD_ONE_BY_ONE:
            group.jobs.append((job, time.time()))
            self._wait()

    def started(self, job: Job, at: float) -> None:
        """Log within 0.2 s that a job first started, at ``at`` (Unix seconds)."""
        if _logger.isEnabledFor(logging.INFO):
            self._waiting.append(_Change(job, time.time(), at))
            self._wait()

    def ended(self, job: Job) -> None:
        """Log within 0.2 s that a job ended."""
        if _logger.isEnabledFor(logging.INFO):
            self._waiting.append(_Change(job, time.time()))
            self._wait()

    def write(self) -> None:
        """Log what waits now."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        waiting, self._waiting, self._kinds, self._records = self._waiting, [], {}, 0
        # As _logger.info does it, except that nobody asks who called, and what is the same in all is made once.
        same = _logger.makeRecord(_logger.name, logging.INFO, __file__, 0, "", (), None).__dict__
        for entry in waiting:
            for at, text, fields in _told(entry):
                record = logging.LogRecord.__new__(logging.LogRecord)
                record.__dict__.update(same, msg=text, created=at, msecs=at % 1 * 1000)
                record.__dict__.update(fields)
                _logger.handle(record)

    def _wait(self) -> None:
        self._records += 1
        if self._records >= MOST_AT_ONCE:
            self.write()
        elif self._timer is None:
            # In a context of its own: the records are not of the request that happens to be the first.
            loop = asyncio.get_running_loop()
            self._timer = loop.call_later(LONGEST_DELAY, self.write, context=Context())


_Line = tuple[float, str, dict[str, object]]


def _told(entry: _Accepted | _Change) -> list[_Line]:
    """Return the lines of an entry as (Unix seconds, text, fields)."""
    if isinstance(entry, _Change):
        return [
            _start(entry.job, entry.at, entry.started_at) if entry.started_at else _end(entry.job, entry.at)
        ]
    if entry.count > len(entry.jobs):
        return [_burst(entry)]
    return [(at, f"job {job.id} queued", _fields(job, job.shots_requested)) for job, at in entry.jobs]


def _burst(group: _Accepted) -> _Line:
    first, at = group.jobs[0]
    fields = _fields(first, group.shots)
    for name in (log_fields.JOB, "trace_id"):
        del fields[name]
    return at, f"{group.count} jobs queued, from job {first.id} to job {group.last}", fields


def _start(job: Job, at: float, started_at: float) -> _Line:
    fields = _fields(job, job.shots_requested)
    fields[log_fields.STATE] = JobState.RUNNING.value
    fields[log_fields.WAIT_SECONDS] = round(started_at - job.created_at, 3)
    return at, f"job {job.id} starts", fields


def _end(job: Job, at: float) -> _Line:
    assert job.ended_at is not None
    fields = _fields(job, job.shots_executed)
    fields[log_fields.REASON] = job.reason
    fields[log_fields.SECONDS] = round(job.busy_seconds, 3)
    fields[log_fields.WAIT_SECONDS] = round((job.started_at or job.ended_at) - job.created_at, 3)
    if job.started_at is not None:
        fields[log_fields.RUN_SECONDS] = round(job.ended_at - job.started_at, 3)
    why = f": {_cut(job.message)}" if job.state is JobState.ERROR and job.message else ""
    return at, f"job {job.id} {job.state.value}{why}", fields


def _cut(message: str) -> str:
    """Return a message of a device or a program short enough for a line that a person reads."""
    return message if len(message) <= _LONGEST_MESSAGE else message[:_LONGEST_MESSAGE] + " …"


def _fields(job: Job, shots: int) -> dict[str, object]:
    return {
        log_fields.QPU_ID: job.qpu_id,
        log_fields.JOB: job.id,
        log_fields.USER: job.user_name,
        log_fields.SLURM_JOB_ID: job.slurm_job_id,
        log_fields.JOB_CLASS: job.job_class,
        log_fields.STATE: job.state.value,
        log_fields.SHOTS: shots,
        "trace_id": job.trace_id,
    }
