"""What the dispatcher asks of a device, whatever protocol the device speaks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from ..jobs import JobState


class DeviceError(Exception):
    """Base of what can go wrong with a device; the message is one clear line."""


class DeviceUnreachableError(DeviceError):
    """The device does not answer, or not now.

    ``maybe_taken`` says that a job that was being posted may have reached the device all the same,
    ``maybe_later`` that the device may still take it, though it does not have it yet.
    """

    def __init__(self, message: str, *, maybe_taken: bool = False, maybe_later: bool = False) -> None:
        super().__init__(message)
        self.maybe_taken = maybe_taken
        self.maybe_later = maybe_later


class DeviceRefusedError(DeviceError):
    """The device does not take this job; ``user_error`` if the job is to blame."""

    def __init__(self, message: str, *, user_error: bool) -> None:
        super().__init__(message)
        self.user_error = user_error


class DeviceForgotError(DeviceError):
    """The device does not know the uid (any more)."""


class NotSearchableError(DeviceError):
    """It cannot be told whether the device took a slice."""


@dataclass(frozen=True, slots=True)
class OperationalStatus:
    """Whether the device takes jobs, and its own word for it."""

    operational: bool
    word: str


@dataclass(frozen=True, slots=True)
class SliceRequest:
    """What is sent to a device; ``context_id`` lets the slice be found again if the reply is lost."""

    sequence: str
    shots: int
    job_id: int
    context_id: str
    last_uid: str | None


@dataclass(frozen=True, slots=True)
class DeviceJob:
    """A job as the device tells it; times in Unix seconds, None where the device does not know."""

    uid: str
    state: JobState
    results: str | None = None
    error: str | None = None
    started_at: float | None = None
    ended_at: float | None = None
    progress: float | None = None


@dataclass(frozen=True, slots=True)
class ResourceReport:
    """What QRMI ``status()`` tells of any vendor's resource; None where it does not say."""

    healthy: bool | None = None
    pending_jobs: int | None = None
    max_slots: int | None = None
    available_slots: int | None = None


class DeviceAdapter(Protocol):
    """One device in its own protocol. Every method may raise DeviceUnreachableError."""

    resource_type: str

    async def operational_status(self) -> OperationalStatus:
        """Return whether the device takes jobs."""

    async def specs(self) -> str:
        """Return the device's specs, a JSON object as text."""

    async def report(self) -> ResourceReport | None:
        """Return what the resource tells of itself through QRMI; None if it is not a QRMI resource."""

    async def post(self, request: SliceRequest) -> str:
        """Send a slice and return the device's uid of it; raises DeviceRefusedError."""

    async def search(self, request: SliceRequest) -> str | None:
        """Return the uid of a slice whose reply was lost, or None if the device surely does not have it.

        Raises NotSearchableError where neither can be told.
        """

    async def fetch(self, uid: str) -> DeviceJob:
        """Return the job as it is now; raises DeviceForgotError."""

    async def cancel(self, uid: str) -> DeviceJob:
        """Ask for a cancellation and return the job as it is then; raises DeviceForgotError."""

    async def close(self) -> None:
        """Let go of connections and sessions."""
