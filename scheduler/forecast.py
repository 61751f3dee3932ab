"""When what waits for a device will start, by what earlier slices took."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from .device import Device
from .jobs import QUALITY_CLASS


@dataclass(frozen=True, slots=True)
class Waiting:
    """A job that waits, or several of one class: how many, and their shots that are left."""

    job_class: str
    jobs: int
    shots: int


@dataclass(frozen=True, slots=True)
class Forecast:
    """When a device is free for the first job that waits, and what a job takes.

    Attributes:
        free_at: Unix seconds, in the past for now; None if that cannot be told.
        free: whether nothing runs and nothing keeps a job from starting.
        job_seconds, shot_seconds: what a job and each of its shots take; None before the first slice.
    """

    free_at: float | None
    free: bool
    job_seconds: float | None
    shot_seconds: float | None

    def after(self, ahead: Waiting) -> float | None:
        """Return when a job starts that ``ahead`` goes before, in Unix seconds; None if it cannot be told."""
        if self.free_at is None:
            return None
        if not ahead.jobs:
            return self.free_at
        if self.job_seconds is None or self.shot_seconds is None:
            return None
        return self.free_at + ahead.jobs * self.job_seconds + max(ahead.shots, 0) * self.shot_seconds


def forecast(device: Device, now: float) -> Forecast:
    """Return the forecast of a device as of ``now`` (Unix seconds).

    Of a device that is closed with announced ends, it begins with the last of them. It cannot be told while a
    slice takes more than twice as long as was predicted, nor of a device that is offline.
    """
    none, one = device.durations.predict(0), device.durations.predict(1)
    shot_seconds = None if none is None or one is None else one - none
    running, windows = device.running, device.windows.windows
    free_at: float | None = now
    if running is not None:
        free_at = slice_end(device, now)
    if windows:
        # An announced end that has passed tells nothing.
        ends = [end for window in windows if (end := window.announced_end_at) is not None and end > now]
        free_at = None if len(ends) < len(windows) or free_at is None else max(free_at, *ends)
    elif not device.takes_work:
        free_at = None
    return Forecast(free_at, running is None and device.takes_work, none, shot_seconds)


def slice_end(device: Device, now: float) -> float | None:
    """Return when the slice that runs should end, in Unix seconds; None if that cannot be told."""
    running = device.running
    predicted = None if running is None else device.durations.predict(running.shots)
    if running is None or predicted is None or now - running.since > 2 * predicted + 1.0:
        return None
    return running.since + predicted


def before_a_new_job(queue: Iterable[Waiting], job_class: str) -> Waiting:
    """Return what goes before a job of a class that is queued now: quality jobs wait for all others."""
    ahead = [part for part in queue if job_class == QUALITY_CLASS or part.job_class != QUALITY_CLASS]
    return Waiting(job_class, sum(part.jobs for part in ahead), sum(part.shots for part in ahead))
