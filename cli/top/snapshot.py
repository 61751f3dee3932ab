"""A moment of the daemon, as the screen needs it: times in Unix seconds, None where it is not told.

The daemon's schema is ``daemon.live.snapshot``; the command line is installed without the libraries it needs.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class ClassQueue:
    """The jobs of one class that wait for or run on a device, and when one that is queued now would start."""

    job_class: str
    pending: int
    running: int = 0
    oldest_created: float | None = None
    expected_start: float | None = None


@dataclass(frozen=True, slots=True)
class Running:
    """What runs on a device; whose it is, only a job tells."""

    job_class: str | None
    shots: int | None
    started_at: float | None
    expected_end: float | None


@dataclass(frozen=True, slots=True)
class Window:
    """What closes a device to users: maintenance, calibration or drain."""

    kind: str
    since: float
    announced_end: float | None


@dataclass(frozen=True, slots=True)
class Device:
    """A device as everybody may see it; ``hour`` holds the seconds of the last hour by activity."""

    name: str
    state: str
    activity: str
    activity_since: float
    message: str = ""
    windows: tuple[Window, ...] = ()
    waiting: int | None = None
    queue: tuple[ClassQueue, ...] = ()
    running: Running | None = None
    hour: Mapping[str, float] = field(default_factory=dict)
    quality_at: float | None = None
    simulator: bool = False


@dataclass(frozen=True, slots=True)
class Job:
    """A job that waits, runs, or ended lately; user and account are told to administrators."""

    id: int
    device: str
    job_class: str
    state: str
    created_at: float
    shots: int | None = None
    started_at: float | None = None
    ended_at: float | None = None
    place: int | None = None
    expected_start: float | None = None
    expected_end: float | None = None
    canceling: bool = False
    reason: str = ""
    user: str | None = None
    account: str | None = None

    def progress(self, now: float) -> float | None:
        """Return how much of the predicted run is over, 0 to 1; None if it does not run or cannot be told."""
        return progress_of(self.started_at, self.expected_end, now) if self.state == "RUNNING" else None


@dataclass(frozen=True, slots=True)
class Alert:
    """A firing alert."""

    name: str
    severity: str
    summary: str
    since: float
    device: str | None = None


@dataclass(frozen=True, slots=True)
class Snapshot:
    """One moment of the daemon, by its own clock.

    Attributes:
        user: who looks, None if the daemon does not know.
        own_jobs: the viewer's; empty if it does not know who looks.
        all_jobs: everybody's, None for those who do not administer; ``own_jobs`` are among them.
        left_out: how many jobs wait that ``own_jobs`` and ``all_jobs`` do not hold.
        sessions: how many are held on each device; None for those who do not administer.
        alerts: None where they are not told; ``alerts_error`` may say why.
    """

    at: float
    devices: tuple[Device, ...]
    version: str = ""
    role: str = "all"
    user: str | None = None
    own_jobs: tuple[Job, ...] = ()
    all_jobs: tuple[Job, ...] | None = None
    left_out: tuple[int, int] = (0, 0)
    sessions: Mapping[str, int] | None = None
    alerts: tuple[Alert, ...] | None = None
    alerts_error: str | None = None


def progress_of(started_at: float | None, expected_end: float | None, now: float) -> float | None:
    """Return the share of a predicted time that is over, 0 to 1; None without a prediction."""
    if started_at is None or expected_end is None or expected_end <= started_at:
        return None
    return min(max((now - started_at) / (expected_end - started_at), 0.0), 1.0)
