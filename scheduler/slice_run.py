"""One slice on one device: post it, find it again if the reply was lost, watch it to its end."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from ..telemetry import log_fields
from .device import Device
from .devices.adapter import DeviceJob, DeviceUnreachableError, SliceRequest
from .devices.polling import PollSchedule
from .jobs import Job
from .slices import Slice

_logger = logging.getLogger(__name__)

_FIRST_RETRY = 0.25


@dataclass(slots=True)
class Claim:
    """A job whose slice was written to the store and may be sent.

    ``previous_ended_at`` is set where the job waited already when the slice before it ended.
    """

    job: Job
    slice: Slice
    sequence: str
    previous_ended_at: float | None = None

    @property
    def context_id(self) -> str:
        """What the device is told, so that the slice is recognised: unique across stores, and in the row."""
        return f"qwatch-{self.slice.id}-{self.slice.claimed_at:.6f}"

    @property
    def request(self) -> SliceRequest:
        """The slice as a device's adapter takes it."""
        return SliceRequest(
            sequence=self.sequence,
            shots=self.slice.shots,
            job_id=self.job.id,
            context_id=self.context_id,
            last_uid=self.slice.uid_before,
        )


@dataclass(frozen=True, slots=True)
class Ended:
    """A slice that ended on the device; times in Unix seconds, ``busy`` in seconds."""

    device_job: DeviceJob
    posted_at: float
    started_at: float
    ended_at: float
    observed_at: float
    cancel_asked: bool = False

    @property
    def busy(self) -> float:
        """How long the device executed."""
        return max(self.ended_at - self.started_at, 0.0)


class StoppingError(Exception):
    """The daemon stops; what runs on the device is left to run and found again at the next start."""


class SliceWatch:
    """Waits for slices of one device, wakes up for cancellations and for the end of the daemon."""

    def __init__(self, device: Device) -> None:
        self._device = device
        self._wake = asyncio.Event()
        self._stopping = False
        self._cancel = False
        self.current_job: int | None = None

    @property
    def stopping(self) -> bool:
        """Whether the daemon stops."""
        return self._stopping

    def stop(self) -> None:
        """End every wait with StoppingError."""
        self._stopping = True
        self._wake.set()

    @contextmanager
    def carrying(self, job: Job) -> Iterator[None]:
        """Take cancellations of ``job`` from now on, also before the device has answered for it."""
        self.current_job, self._cancel = job.id, job.cancel_requested
        try:
            yield
        finally:
            self.current_job = None

    def cancel(self, job_id: int) -> None:
        """Ask the device to cancel the job, if it is the one that is carried."""
        if self.current_job == job_id:
            self._cancel = True
            self._wake.set()

    async def patiently(self, ask: Callable[[], Awaitable[DeviceJob | str | None]]) -> DeviceJob | str | None:
        """Ask until the device answers, at growing intervals."""
        delay = _FIRST_RETRY
        while True:
            try:
                answer = await ask()
            except DeviceUnreachableError as error:
                self._device.lost(str(error))
                await self._device.rest_in("fault", str(error))
                await self.sleep(delay)
                delay = min(delay * 2, self._device.settings.status_interval)
            else:
                self._device.seen()
                return answer

    async def until_ended(self, claim: Claim, uid: str, posted_at: float) -> Ended:
        """Return when the device has ended the slice.

        Raises:
            DeviceForgotError: the device does not know the slice any more.
            StoppingError: the daemon stops.
        """
        device = self._device
        settings = device.settings
        model = device.durations
        schedule = PollSchedule(
            model.predict(claim.slice.shots),
            model.error,
            settings.min_poll_interval,
            settings.max_poll_interval,
        )
        posted_monotonic = posted_at - (time.time() - time.monotonic())
        retry = _FIRST_RETRY
        cancel_asked = False
        while True:
            if not self._cancel:
                await self.sleep(schedule.next_delay(time.monotonic() - posted_monotonic), wakeable=True)
            try:
                if self._cancel:
                    cancel_asked = True
                    _logger.info(
                        "cancelling on the device",
                        extra={log_fields.QPU_ID: device.name, log_fields.JOB: claim.job.id},
                    )
                    found = await device.adapter.cancel(uid)
                    self._cancel = False
                else:
                    found = await device.adapter.fetch(uid)
            except DeviceUnreachableError as error:
                device.lost(str(error))
                await device.rest_in("fault", str(error))
                await self.sleep(retry)
                retry = min(retry * 2, settings.status_interval)
                continue
            retry = _FIRST_RETRY
            device.seen()
            await device.turn_to("execute")
            if found.state.final:
                observed_at = time.time()
                device.clock_offset = clock_offset_of(found, claim.slice.claimed_at, observed_at)
                return _ended(found, posted_at, observed_at, cancel_asked)

    async def sleep(self, seconds: float, *, wakeable: bool = False) -> None:
        """Wait; with ``wakeable`` a cancellation ends the wait. Raises StoppingError when the daemon stops."""
        deadline = asyncio.get_running_loop().time() + seconds
        while True:
            if self._stopping:
                raise StoppingError
            remaining = deadline - asyncio.get_running_loop().time()
            if remaining <= 0:
                return
            self._wake.clear()
            try:
                async with asyncio.timeout(remaining):
                    await self._wake.wait()
            except TimeoutError:
                return
            if wakeable and not self._stopping:
                return


def clock_offset_of(job: DeviceJob, sent_at: float, observed_at: float) -> float | None:
    """Return by how many seconds the device's clock is ahead at least, negative if it is behind.

    It began after it was sent and had ended when it was seen to; whatever lies outside of that is the clock's,
    or the configured time zone's, fault. None if the device tells no times.
    """
    if job.started_at is None or job.ended_at is None:
        return None
    if job.started_at < sent_at:
        return job.started_at - sent_at
    return max(job.ended_at - observed_at, 0.0)


def _ended(job: DeviceJob, posted_at: float, observed_at: float, cancel_asked: bool) -> Ended:
    """Trust the device's own times only where they agree with what was observed (daylight saving, clocks)."""
    started, ended = job.started_at, job.ended_at
    tolerance = 1.0
    if (
        started is None
        or ended is None
        or not posted_at - tolerance <= started <= ended <= observed_at + tolerance
    ):
        started, ended = posted_at, observed_at
    return Ended(
        device_job=job,
        posted_at=posted_at,
        started_at=min(max(started, posted_at), observed_at),
        ended_at=min(ended, observed_at),
        observed_at=observed_at,
        cancel_asked=cancel_asked,
    )
