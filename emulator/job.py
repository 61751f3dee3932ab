"""A job of the emulated QPU, as its API shows it."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any
from zoneinfo import ZoneInfo


class JobStatus(StrEnum):
    """The five states of a job on the wire."""

    PENDING = "PENDING"
    RUNNING = "RUNNING"
    DONE = "DONE"
    ERROR = "ERROR"
    CANCELED = "CANCELED"


_PROGRAM_STATUS = {
    JobStatus.PENDING: "CREATED",
    JobStatus.RUNNING: "RUNNING",
    JobStatus.DONE: "DONE",
    # A program has no state for failures: it was not completed.
    JobStatus.ERROR: "CANCELED",
    JobStatus.CANCELED: "CANCELED",
}


@dataclass(slots=True, kw_only=True)
class Job:
    """One job: what was ordered and how far it is.

    ``duration`` is the planned execution time in seconds; the times of day are Unix time.
    """

    uid: int
    shots: int
    context: Mapping[str, Any] | None
    duration: float
    created: float
    fails: bool = False
    status: JobStatus = JobStatus.PENDING
    started: float | None = None
    ended: float | None = None
    counts: Mapping[str, int] | None = None
    error: str | None = None
    _started_monotonic: float = 0.0

    @property
    def finished(self) -> bool:
        """Whether the job has come to its end, whatever it was."""
        return self.status not in (JobStatus.PENDING, JobStatus.RUNNING)

    def start(self) -> None:
        """Enter RUNNING now."""
        self.status, self.started, self._started_monotonic = JobStatus.RUNNING, time.time(), time.monotonic()

    def end(
        self, status: JobStatus, *, counts: Mapping[str, int] | None = None, error: str | None = None
    ) -> None:
        """Enter a final state now."""
        self.status, self.ended, self.counts, self.error = status, time.time(), counts, error

    def progress(self) -> int:
        """Return the elapsed part of the planned duration in percent; 100 only when done."""
        if self.status is JobStatus.DONE:
            return 100
        if self.started is None:
            return 0
        if self.ended is not None:
            elapsed = self.ended - self.started
        else:
            elapsed = time.monotonic() - self._started_monotonic
        # The simulation may take longer than the shots would.
        return min(99, int(100 * elapsed / self.duration)) if self.duration > 0 else 0

    def as_reply(self, zone: ZoneInfo | None) -> dict[str, Any]:
        """Return the job as the API's ``data``; times are local in ``zone`` (None: the host's)."""
        return {
            "uid": self.uid,
            "status": self.status.value,
            "nb_run": self.shots,
            "result": None if self.counts is None else json.dumps({"counter": dict(self.counts)}),
            "program_id": self.uid,
            "context": self.context,
            "batch_id": None if self.context is None else self.context.get("batch_id"),
            "created_datetime": _local(self.created, zone),
            "start_datetime": _local(self.started, zone),
            "end_datetime": _local(self.ended, zone),
            "progress": self.progress(),
            "error": self.error,
        }

    def program_as_reply(self) -> dict[str, Any]:
        """Return the job's program as the API's ``data``."""
        return {"uid": self.uid, "status": _PROGRAM_STATUS[self.status]}


def _local(moment: float | None, zone: ZoneInfo | None) -> str | None:
    if moment is None:
        return None
    return (
        datetime.fromtimestamp(moment, UTC)
        .astimezone(zone)
        .replace(tzinfo=None)
        .isoformat(timespec="microseconds")
    )
