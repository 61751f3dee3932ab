"""The loop that keeps one device busy: claim, post, watch, finish, and claim the next in the same breath.

Everything is written before it is acted on, so that after a crash at any instant the store tells what the
device may have been given (DESIGN, "Durable first").
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable

from sqlalchemy import Connection

from ..telemetry import device_metrics, job_metrics, log_fields, own_metrics
from ..telemetry.instruments import Instruments
from . import jobs, slices
from .backlog import RunningSlice
from .device import Device
from .devices.adapter import (
    DeviceForgotError,
    DeviceJob,
    DeviceRefusedError,
    DeviceUnreachableError,
    NotSearchableError,
)
from .jobs import Job, JobEnd, JobState
from .outcome import asked_by, exemplar, job_end, log_line
from .policies.policy import Policy
from .policies.quality_jobs_only import QualityJobsOnly
from .slice_run import Claim, Ended, SliceWatch, StoppingError
from .slices import SliceState
from .store import Store

_logger = logging.getLogger(__name__)

_AFTER_FAULT_SECONDS = 1.0
_FIRST_LOOK_SECONDS = 0.25


class Dispatcher:
    """Runs the jobs of one device, one slice at a time."""

    def __init__(
        self,
        device: Device,
        store: Store,
        policy: Policy,
        instruments: Instruments,
        job_started: Callable[[Job, float], None],
        job_finished: Callable[[Job], None],
    ) -> None:
        self.device = device
        self.last_loop_at = time.time()
        self._store = store
        self._policy = policy
        self._instruments = instruments
        self._job_started = job_started
        self._job_finished = job_finished
        self._watch = SliceWatch(device)
        self._look_interval = _FIRST_LOOK_SECONDS
        self._retry_interval = _FIRST_LOOK_SECONDS
        self._given_back: str | None = None

    @property
    def running_job(self) -> int | None:
        """The number of the job that was sent to the device, if one was."""
        return self._watch.current_job

    def wake(self) -> None:
        """Something changed: a job was submitted, or the device was opened."""
        self.device.wake.set()

    def cancel(self, job_id: int) -> None:
        """The user asked to cancel a job that runs."""
        self._watch.cancel(job_id)

    def stop(self) -> None:
        """End the loop; what runs on the device goes on there and is found again at the next start."""
        self._watch.stop()
        self.device.wake.set()

    async def run(self) -> None:
        """Dispatch until stopped. An unexpected error is logged, and the loop starts anew from the store."""
        while not self._watch.stopping:
            try:
                await self._look()
                await self._recover()
                await self._dispatch_forever()
            except StoppingError:
                return
            except Exception:
                _logger.exception(
                    "the dispatch loop failed and starts anew", extra={log_fields.QPU_ID: self.device.name}
                )
                try:
                    await self._watch.sleep(_AFTER_FAULT_SECONDS)
                except StoppingError:
                    return

    async def _dispatch_forever(self) -> None:
        while not self._watch.stopping:
            claim = await self._claim() if self.device.dispatches else None
            while claim is not None:
                claim = await self._carry(claim)
            await self._rest()

    async def _rest(self) -> None:
        """Wait for work, or for the device; look at the device from time to time."""
        self.last_loop_at = time.time()
        device = self.device
        if device.dispatches and self._given_back is not None:
            await self._rest_after_fault(self._given_back)
            return
        if device.state in ("offline", "unknown"):
            await device.rest_in("fault" if device.state == "offline" else "unknown", device.message)
        elif device.state == "paused" and await self._store.read(self._anything_waits):
            await device.rest_in("held", device.message)
        else:
            await device.rest_in("idle")
        interval = device.settings.status_interval
        if not device.takes_work:
            interval = self._look_interval = min(self._look_interval * 2, interval)
        else:
            self._look_interval = _FIRST_LOOK_SECONDS
        try:
            async with asyncio.timeout(interval):
                await device.wake.wait()
        except TimeoutError:
            await self._look()
        device.wake.clear()
        if self._watch.stopping:
            raise StoppingError

    async def _rest_after_fault(self, reason: str) -> None:
        """A job was put back though the device says that it works: try again, at growing intervals."""
        await self.device.rest_in("fault", reason)
        await self._watch.sleep(self._retry_interval)
        self._retry_interval = min(self._retry_interval * 2, self.device.settings.status_interval)
        await self._look()

    async def _look(self) -> None:
        try:
            await self.device.look()
        except DeviceUnreachableError as error:
            self.device.lost(str(error))

    def _anything_waits(self, connection: Connection) -> bool:
        return jobs.oldest_pending(connection, self.device.name) is not None

    async def _claim(self) -> Claim | None:
        started = time.perf_counter()
        self.device.wake.clear()
        claim = await self._store.write(self._claim_in)
        self._instruments.observe(
            own_metrics.LOOP_DURATION, time.perf_counter() - started, qpu_id=self.device.name
        )
        if claim is None and self.device.takes_work and not self.device.wake.is_set():
            self.device.backlog.is_empty()
        await self._claimed(claim)
        return claim

    def _claim_in(self, connection: Connection) -> Claim | None:
        policy = self._policy if self.device.takes_work else QualityJobsOnly()
        choice = policy.choose(connection, self.device.name)
        if choice is None:
            return None
        now = time.time()
        jobs.start(connection, choice.job.id, now)
        claimed = slices.claim(connection, choice.job.id, self.device.name, choice.shots, now)
        jobs.log(connection, choice.job.id, now, f"sent to {self.device.name}: {choice.shots} shots")
        return Claim(choice.job, claimed, jobs.payload(connection, choice.job.id))

    async def _claimed(self, claim: Claim | None) -> None:
        self.last_loop_at = time.time()
        self._given_back = None
        if claim is None:
            return
        self.device.backlog.left(claim.slice.shots)
        self._decided("dispatch")
        await self.device.turn_to("dispatch")
        if claim.job.started_at is None:
            self._instruments.observe(
                job_metrics.WAIT,
                claim.slice.claimed_at - claim.job.created_at,
                exemplar(claim.job),
                qpu_id=self.device.name,
                job_class=claim.job.job_class,
            )

    async def _carry(self, claim: Claim) -> Claim | None:
        """Take a claimed slice to its end; return the claim of the next one if one waited."""
        with self._watch.carrying(claim.job):
            return await self._post(claim)

    async def _post(self, claim: Claim) -> Claim | None:
        try:
            uid = await self.device.adapter.post(claim.request)
        except DeviceRefusedError as error:
            return await self._refused(claim, error)
        except DeviceUnreachableError as error:
            self.device.lost(str(error))
            if not error.maybe_taken:
                await self._give_back(claim, "device_down", f"not sent: {error}", sent=False)
                return None
            return await self._carry_lost(claim, maybe_later=error.maybe_later)
        return await self._carry_posted(claim, uid, time.time())

    async def _carry_lost(self, claim: Claim, *, maybe_later: bool = False) -> Claim | None:
        """The reply to a POST was lost: look whether the device has the slice; never post blindly."""
        try:
            uid = await self._watch.patiently(lambda: self.device.adapter.search(claim.request))
        except NotSearchableError as error:
            predicted = self.device.durations.predict(claim.slice.shots) or 0.0
            await self._watch.sleep(predicted)
            await self._give_back(claim, "restart", f"may have run: {error}", sent=True, double=True)
            return None
        if uid is None:
            line = "was not answered in time and may still come" if maybe_later else "did not reach the device"
            await self._give_back(claim, "restart", line, sent=maybe_later, double=maybe_later)
            return None
        # It was posted soon after it was claimed, perhaps long before it was found.
        return await self._carry_posted(claim, str(uid), claim.slice.claimed_at)

    async def _carry_posted(self, claim: Claim, uid: str, posted_at: float) -> Claim | None:
        self._retry_interval = _FIRST_LOOK_SECONDS
        if claim.previous_ended_at is not None:
            self._instruments.observe(
                device_metrics.DISPATCH_GAP,
                max(posted_at - claim.previous_ended_at, 0.0),
                qpu_id=self.device.name,
            )
        self.device.seen()
        await self.device.turn_to("execute")
        await self._store.write(lambda connection: slices.posted(connection, claim.slice.id, uid, posted_at))
        if claim.job.started_at is None:
            self._job_started(claim.job, claim.slice.claimed_at)
        return await self._carry_running(claim, uid, posted_at)

    async def _carry_running(self, claim: Claim, uid: str, posted_at: float) -> Claim | None:
        self.device.running = RunningSlice(claim.slice.shots, posted_at)
        try:
            ended = await self._watch.until_ended(claim, uid, posted_at)
        except DeviceForgotError as error:
            await self._give_back(
                claim, "device_forgot", f"the device forgot it ({error})", sent=True, double=True
            )
            return None
        finally:
            self.device.running = None
        self.device.durations.observe(claim.slice.shots, ended.ended_at - ended.posted_at)
        return await self._finish(claim, job_end(claim.slice.shots, ended), ended)

    async def _refused(self, claim: Claim, error: DeviceRefusedError) -> Claim | None:
        reason = "user_error" if error.user_error else "device_error"
        end = JobEnd(JobState.ERROR, reason, str(error), time.time())
        self.device.seen()
        return await self._finish(claim, end, None)

    async def _finish(self, claim: Claim, end: JobEnd, ended: Ended | None) -> Claim | None:
        """End slice and job and claim what comes next, in one transaction."""
        started = time.perf_counter()
        await self.device.turn_to("dispatch")

        def work(connection: Connection) -> tuple[Job | None, Claim | None]:
            last = end if end.reason != "user" else asked_by(end, jobs.find(connection, claim.job.id))
            slices.close(
                connection,
                claim.slice.id,
                SliceState.DONE if end.state is JobState.DONE else SliceState.FAILED,
                started_at=None if ended is None else ended.started_at,
                ended_at=None if ended is None else ended.ended_at,
                observed_end_at=None if ended is None else ended.observed_at,
                fetched_at=time.time(),
            )
            finished = None
            if jobs.finish(connection, claim.job.id, last):
                jobs.log(connection, claim.job.id, last.ended_at, log_line(last))
                # Read again: the program may have told its trace meanwhile.
                finished = jobs.find(connection, claim.job.id)
            goes_on = self.device.dispatches and not self._watch.stopping
            return finished, self._claim_in(connection) if goes_on else None

        finished, following = await self._store.write(work)
        self._instruments.observe(
            own_metrics.LOOP_DURATION, time.perf_counter() - started, qpu_id=self.device.name
        )
        if ended is not None:
            if end.shots_executed:
                self._instruments.add(
                    device_metrics.SHOTS, end.shots_executed, qpu_id=self.device.name, outcome="accepted"
                )
            if following is not None:
                following.previous_ended_at = ended.ended_at
        if finished is not None:
            self._job_finished(finished)
        await self._claimed(following)
        return following

    async def _give_back(
        self, claim: Claim, reason: str, line: str, *, sent: bool, double: bool = False
    ) -> None:
        """Put the job back to its place in the queue, unless its user has cancelled it."""
        canceled = JobEnd(JobState.CANCELED, "user", line, time.time())

        def work(connection: Connection) -> Job | None:
            slices.close(connection, claim.slice.id, SliceState.ABANDONED)
            job = jobs.find(connection, claim.job.id)
            last = asked_by(canceled, job)
            if job is not None and job.cancel_requested and jobs.finish(connection, job.id, last):
                jobs.log(connection, job.id, last.ended_at, log_line(last))
                return jobs.find(connection, job.id)
            jobs.requeue(
                connection,
                claim.job.id,
                never_started=not sent and claim.job.started_at is None,
                possible_double=double,
            )
            jobs.log(connection, claim.job.id, time.time(), f"queued again: {line}")
            return None

        finished = await self._store.write(work)
        self._given_back = line
        if finished is not None:
            self._job_finished(finished)
            return
        self.device.backlog.came(claim.slice.shots)
        self._decided("requeue", reason)
        _logger.warning(
            "job %d is queued again: %s",
            claim.job.id,
            line,
            extra={
                log_fields.QPU_ID: self.device.name,
                log_fields.JOB: claim.job.id,
                log_fields.USER: claim.job.user_name,
                log_fields.SLURM_JOB_ID: claim.job.slurm_job_id,
            },
        )

    async def _recover(self) -> None:
        """Go on with what an earlier process left: slices that run, and slices that may have been sent."""
        for left in await self._store.read(lambda c: slices.unfinished(c, self.device.name)):
            job, sequence = await self._store.read(
                lambda c, job_id=left.job_id: (jobs.find(c, job_id), jobs.payload(c, job_id))  # type: ignore[misc]
            )
            assert job is not None
            claim = Claim(job, left, sequence)
            _logger.info(
                "going on with job %d on the device",
                job.id,
                extra={log_fields.QPU_ID: self.device.name, log_fields.JOB: job.id},
            )
            with self._watch.carrying(job):
                following = await self._go_on(claim)
            while following is not None:
                following = await self._carry(following)

    async def _go_on(self, claim: Claim) -> Claim | None:
        uid = claim.slice.device_uid
        if uid is None:
            return await self._carry_lost(claim)
        await self._watch.patiently(lambda: self._known(uid))
        return await self._carry_running(claim, uid, claim.slice.posted_at or claim.slice.claimed_at)

    async def _known(self, uid: str) -> DeviceJob | None:
        try:
            return await self.device.adapter.fetch(uid)
        except DeviceForgotError:
            return None

    def _decided(self, decision: str, reason: str = "none") -> None:
        self._instruments.add(
            own_metrics.DECISIONS,
            qpu_id=self.device.name,
            policy=self._policy.name,
            decision=decision,
            reason=reason,
        )
