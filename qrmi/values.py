"""Values that resources written in Python return: those of the wheel cannot be constructed from Python."""

from __future__ import annotations

from dataclasses import dataclass

import qrmi


@dataclass(frozen=True, slots=True)
class TaskResult:
    """The result of a task, serialised."""

    value: str


@dataclass(frozen=True, slots=True)
class Target:
    """The description of a device, serialised."""

    value: str


@dataclass(frozen=True, slots=True)
class ResourceCapacity:
    """How many sessions or jobs a resource takes at once; what is not known is None."""

    max_slots: int | None = None
    available_slots: int | None = None

    def to_dict(self) -> dict[str, object]:
        """Return the capacity as a plain dictionary."""
        return {"max_slots": self.max_slots, "available_slots": self.available_slots}


@dataclass(frozen=True, slots=True)
class ResourceStatus:
    """The state of a resource; what is not known is None."""

    status: qrmi.ResourceStatusCode
    busy: bool | None = None
    healthy: bool | None = None
    pending_job_count: int | None = None
    capacity: ResourceCapacity | None = None
    status_reason: str | None = None

    def to_dict(self) -> dict[str, object]:
        """Return the state as a plain dictionary, with the keys that the wheel uses."""
        return {
            "status": _CODE_NAMES[self.status],
            "status_reason": self.status_reason,
            "healthy": self.healthy,
            "busy": self.busy,
            "capacity": None if self.capacity is None else self.capacity.to_dict(),
            "pending_job_count": self.pending_job_count,
        }


_CODE_NAMES = {
    qrmi.ResourceStatusCode.Online: "online",
    qrmi.ResourceStatusCode.Offline: "offline",
    qrmi.ResourceStatusCode.Paused: "paused",
}
