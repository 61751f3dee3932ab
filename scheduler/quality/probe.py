"""One quality job through the normal queue: sent when nobody needs the device, withdrawn when somebody does."""

from __future__ import annotations

import asyncio
import contextlib
import os
import time
from dataclasses import dataclass

from ...telemetry import quality_metrics
from ..device import Device
from ..errors import SchedulerError, UnavailableError
from ..jobs import QUALITY_CLASS, Job, JobState
from ..scheduler import Scheduler
from .counts import UnreadableResultsError, counts_in
from .experiments import Program
from .own_session import own_session
from .settings import QualityJobSettings

_LOOK_SECONDS = 0.05
_BUSY_LOOK_SECONDS = 0.25
_READ_EVERY = 5
"""Looks at what is in memory to one look into the store."""
_QUIET_SECONDS = 0.5
"""So long nothing ran or waited before a quality job is sent: a program between two jobs is left alone."""


class ProbeFailedError(Exception):
    """A quality job was refused, or ended in an error; the message is one line."""


class ProbeTimeoutError(Exception):
    """The device was not free for long enough; the message is one line."""


@dataclass(slots=True)
class Probe:
    """Sends the quality jobs of one round on one device, each in a session that is held only for it."""

    scheduler: Scheduler
    device: Device
    settings: QualityJobSettings
    deadline: float
    """In seconds of the event loop's clock."""
    last_success_at: float | None = None

    async def counts(self, program: Program) -> dict[str, int]:
        """Return how often each bitstring was read; a job that gave way to others is sent again.

        Raises:
            ProbeFailedError: the device or the scheduler does not want it.
            ProbeTimeoutError: it did not get its turn before the deadline.
        """
        while True:
            try:
                await self._until_quiet()
                started = time.monotonic()
                async with own_session(self.scheduler, self.device) as token:
                    job = await self._submit(program, token)
                    ended, results = await self._until_ended(job.id)
            except ProbeTimeoutError:
                self._ran("timeout")
                raise
            if ended.state is JobState.CANCELED and ended.reason == "user":
                self._ran("preempted")
                continue
            if results is None:
                self._ran("failure")
                raise ProbeFailedError(f"{program.name}: job {job.id} is {ended.state}: {ended.message}")
            try:
                found = counts_in(results)
            except UnreadableResultsError as error:
                self._ran("failure")
                raise ProbeFailedError(f"{program.name}: job {job.id}: {error}") from error
            self._ran("success")
            self.scheduler.instruments.observe(
                quality_metrics.PROBE_DURATION, time.monotonic() - started, qpu_id=self.device.name
            )
            self.last_success_at = time.time()
            return found

    async def _until_quiet(self) -> None:
        clock = asyncio.get_running_loop().time
        quiet_since: float | None = None
        while True:
            now = clock()
            if now > self.deadline:
                raise ProbeTimeoutError(f"{self.device.name} was not free for quality jobs in time")
            quiet_since = (quiet_since or now) if self._is_free() else None
            if quiet_since is not None and now - quiet_since >= _QUIET_SECONDS:
                return
            await asyncio.sleep(_BUSY_LOOK_SECONDS if quiet_since is None else _LOOK_SECONDS)

    def _is_free(self) -> bool:
        device = self.device
        busy = device.running is not None or self._running_job() is not None
        # While a window lets only quality jobs run, the others are held and wait for nothing of ours.
        nobody_waits = device.backlog.pending == 0 or not device.takes_work
        return device.dispatches and not busy and nobody_waits

    def _running_job(self) -> int | None:
        return self.scheduler.dispatchers[self.device.name].running_job

    async def _submit(self, program: Program, token: str) -> Job:
        shots = min(self.settings.shots, self.device.limits.max_runs or self.settings.shots)
        try:
            return await self.scheduler.submit(
                self.device, token, os.getuid(), program.sequence, shots, job_class=QUALITY_CLASS
            )
        except UnavailableError as error:
            raise ProbeTimeoutError(str(error)) from error
        except SchedulerError as error:
            self._ran("failure")
            raise ProbeFailedError(f"{program.name}: {error}") from error

    async def _until_ended(self, job_id: int) -> tuple[Job, str | None]:
        """Wait for a job, and cancel it once somebody else's waits while it runs."""
        clock = asyncio.get_running_loop().time
        canceled = False
        looks = 0
        while True:
            late = clock() > self.deadline
            if (late or self._gives_way(job_id)) and not canceled:
                canceled = True
                with contextlib.suppress(SchedulerError):
                    await self.scheduler.cancel(job_id, os.getuid())
            if late:
                raise ProbeTimeoutError(f"job {job_id} had not ended in time")
            if looks % _READ_EVERY == 0:
                job, results = await self.scheduler.job(job_id, os.getuid())
                if job.state.final:
                    self.scheduler.first_fetches.note(job)
                    return job, results
            looks += 1
            await asyncio.sleep(_LOOK_SECONDS)

    def _gives_way(self, job_id: int) -> bool:
        """Tell whether others wait for the job that runs, and would for too long."""
        device, running = self.device, self.device.running
        if self._running_job() != job_id or device.backlog.pending == 0 or not device.takes_work:
            return False
        predicted = None if running is None else device.durations.predict(running.shots)
        if running is None or predicted is None:
            return True
        return predicted - (time.time() - running.since) > self.settings.most_delay

    def _ran(self, result: str) -> None:
        self.scheduler.instruments.add(quality_metrics.PROBE_RUNS, qpu_id=self.device.name, result=result)
