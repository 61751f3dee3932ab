"""The emulated QPU itself: one job at a time, in memory, with its faults."""

from __future__ import annotations

import asyncio
import json
import logging
import random
import time
from collections.abc import Mapping
from typing import Any

from .drift import RabiDrift
from .executions_log import ExecutionsLog
from .faults import UP, Faults, FaultsOrder
from .job import Job, JobStatus
from .settings import EmulatorSettings
from .simulator import SimulationError, SimulationOrder, Simulator
from .specs import device_specs, fitted_sequence

LOGGER = logging.getLogger(__name__)

REMEMBERED_JOBS = 20_000
"""The oldest jobs beyond this number are forgotten, so that memory stays flat."""


class UnknownJobError(LookupError):
    """No job has this uid, or it was forgotten."""


class JobFinishedError(RuntimeError):
    """The job has ended and cannot be cancelled any more."""


class NotOperationalError(RuntimeError):
    """The QPU takes no jobs now; the message tells its status."""


class EmulatedQPU:
    """Executes jobs as the real machine does: a new one cancels the one before; a restart forgets all."""

    def __init__(self, settings: EmulatorSettings) -> None:
        self.settings = settings
        self.faults = settings.faults
        self.drift = RabiDrift(settings.faults.rabi_drift_per_hour, settings.faults.time_factor)
        self._simulator = Simulator()
        self._log = ExecutionsLog(settings.executions_log)
        self._jobs: dict[int, Job] = {}
        self._next_uid = settings.first_uid
        self._device = asyncio.Lock()
        self._running: tuple[Job, asyncio.Task[None]] | None = None
        self._random = random.Random(settings.seed)
        self._specs = ""

    async def start(self) -> None:
        """Make ready for a first job: afterwards nothing has to be imported or started for it.

        Does nothing where that is the case already.

        Raises:
            SimulationError: the simulation process does not start.
        """
        _, self._specs = await asyncio.gather(
            self._simulator.wait_until_ready(), asyncio.to_thread(device_specs, self.settings.name)
        )

    async def stop(self) -> None:
        """Cancel what runs and end the simulation process."""
        execution = self._end_running("the emulated QPU is shutting down")
        await self._simulator.stop()
        if execution is not None:
            await asyncio.wait([execution])

    @property
    def specs(self) -> dict[str, Any]:
        """The device's specs as an object."""
        specs: dict[str, Any] = json.loads(self._specs)
        return specs

    @property
    def simulator_pid(self) -> int | None:
        """The process id of the simulation process, None while a new one starts."""
        return self._simulator.pid

    def job(self, uid: int) -> Job:
        """Return the job ``uid``.

        Raises:
            UnknownJobError: there is none.
        """
        try:
            return self._jobs[uid]
        except KeyError:
            raise UnknownJobError(f"there is no job with the uid {uid}") from None

    async def submit(self, sequence: str, shots: int, context: Mapping[str, Any] | None) -> Job:
        """Start ``shots`` shots of ``sequence`` at once, cancelling what runs.

        Raises:
            InvalidSequenceError: it cannot be executed by this device; what runs goes on.
            NotOperationalError: the operational status is not UP; what runs goes on.
        """
        if self.faults.operational_status != UP:
            raise NotOperationalError(f"the QPU is not operational: {self.faults.operational_status}")
        fitted = await asyncio.to_thread(
            fitted_sequence,
            sequence,
            shots,
            self._specs,
            require_layout=self.settings.require_layout,
        )
        self._end_running("a new job was posted")
        job = Job(
            uid=self._next_uid,
            shots=shots,
            context=context,
            duration=(self.settings.overhead + shots / self.settings.shot_rate) * self.faults.slowdown,
            created=time.time(),
            fails=self._random.random() < self.faults.error_ratio,
        )
        self._next_uid += 1
        self._jobs[job.uid] = job
        if len(self._jobs) > REMEMBERED_JOBS:
            del self._jobs[next(iter(self._jobs))]
        self._running = (job, asyncio.create_task(self._execute(job, fitted)))
        return job

    def cancel(self, uid: int) -> Job:
        """Cancel the job ``uid`` at once.

        Raises:
            UnknownJobError: there is no such job.
            JobFinishedError: it has ended already.
        """
        job = self.job(uid)
        if job.finished:
            raise JobFinishedError(f"the job {uid} is {job.status} and cannot be canceled any more")
        self._end_running("canceled by a request")
        return job

    def change_faults(self, order: FaultsOrder) -> Faults:
        """Replace the faults by those in ``order`` and do its actions; return the lasting ones."""
        self.faults = order.faults()
        self.drift.change(order.rabi_drift_per_hour, order.time_factor)
        if order.recalibrate:
            self.drift.recalibrate()
        if order.forget:
            self._end_running("the emulated QPU forgot its jobs")
            self._jobs.clear()
        LOGGER.info("faults are now %s", self.faults.model_dump(exclude_defaults=True) or "none")
        return self.faults

    def _end_running(self, why: str) -> asyncio.Task[None] | None:
        """Cancel the unfinished job, if there is one; return the task that still has to wind up."""
        if self._running is None:
            return None
        job, execution = self._running
        if not job.finished:
            LOGGER.info("job %d is canceled: %s", job.uid, why)
            self._end(job, JobStatus.CANCELED)
        execution.cancel()
        return execution

    async def _execute(self, job: Job, sequence: str) -> None:
        # A cancelled execution holds the device until its simulation is gone.
        async with self._device:
            await self._execute_alone(job, sequence)

    async def _execute_alone(self, job: Job, sequence: str) -> None:
        try:
            await self._simulator.wait_until_ready()
        except SimulationError as error:
            self._end(job, JobStatus.ERROR, error=str(error))
            return
        job.start()
        self._log.started(job)
        _, outcome = await asyncio.gather(
            asyncio.sleep(job.duration), self._counts(job, sequence), return_exceptions=True
        )
        if isinstance(outcome, BaseException):
            if not isinstance(outcome, SimulationError):
                LOGGER.error("job %d failed unexpectedly", job.uid, exc_info=outcome)
            self._end(job, JobStatus.ERROR, error=str(outcome))
        else:
            self._end(job, JobStatus.DONE, counts=outcome)

    async def _counts(self, job: Job, sequence: str) -> dict[str, int]:
        if job.fails:
            raise SimulationError("the emulated QPU let this job fail (fault error_ratio)")
        order = SimulationOrder(
            sequence=sequence,
            shots=job.shots,
            noise=self.settings.noise.model_dump(),
            amplitude_scale=self.drift.amplitude_scale(),
            detuning_offset=self.faults.detuning_offset,
            seed=self._seed(job.uid),
        )
        return await self._simulator.simulate(order)

    def _seed(self, uid: int) -> int | None:
        """Each job has draws of its own, which depend on nothing but the settings' seed and its uid."""
        if self.settings.seed is None:
            return None
        return random.Random(f"{self.settings.seed} {uid}").getrandbits(32)

    def _end(
        self,
        job: Job,
        status: JobStatus,
        *,
        counts: Mapping[str, int] | None = None,
        error: str | None = None,
    ) -> None:
        job.end(status, counts=counts, error=error)
        if job.started is not None:
            self._log.ended(job)
        if error is not None:
            LOGGER.warning("job %d ended in ERROR: %s", job.uid, error)
