"""The interface of a QRMI resource, as Python sees it, for any implementation of it."""

from __future__ import annotations

from typing import Protocol

import qrmi


class Value(Protocol):
    """A result or a target: one serialised ``value``."""

    @property
    def value(self) -> str:
        """The serialised data."""


class Capacity(Protocol):
    """How many users or jobs the resource takes at once; what it does not tell is None."""

    @property
    def max_slots(self) -> int | None:
        """Most slots the resource has."""

    @property
    def available_slots(self) -> int | None:
        """Slots that are free now."""


class Status(Protocol):
    """The state of a resource; what it does not tell is None."""

    @property
    def status(self) -> qrmi.ResourceStatusCode:
        """Online, paused or offline."""

    @property
    def busy(self) -> bool | None:
        """Whether it works for somebody now."""

    @property
    def healthy(self) -> bool | None:
        """Whether the vendor calls it healthy."""

    @property
    def pending_job_count(self) -> int | None:
        """Jobs that wait."""

    @property
    def capacity(self) -> Capacity | None:
        """Slots in all, and free."""

    @property
    def status_reason(self) -> str | None:
        """Why it is in this state, in the vendor's words."""


class Resource(Protocol):
    """What ``qrmi.QuantumResource`` offers; every call may raise ``qrmi.QrmiError`` or a class below it."""

    def acquire(self) -> str:
        """Open a session and return its token."""

    def release(self, id: str, /) -> None:
        """Close the session ``id``."""

    def is_accessible(self) -> bool:
        """Tell whether the resource is online (deprecated by QRMI in favour of ``status``)."""

    def status(self) -> Status:
        """Return the resource's state."""

    def target(self) -> Value:
        """Return the description of the device."""

    def metadata(self) -> dict[str, str]:
        """Return what is known of the resource."""

    def resource_id(self) -> str:
        """Return the resource's name."""

    def resource_type(self) -> qrmi.ResourceType:
        """Return the resource's type."""

    def task_start(self, payload: qrmi.Payload, /) -> str:
        """Submit a task and return its id."""

    def task_status(self, task_id: str, /) -> qrmi.TaskStatus:
        """Return the state of a task."""

    def task_result(self, task_id: str, /) -> Value:
        """Return the result of a task that has completed."""

    def task_logs(self, task_id: str, /) -> str:
        """Return the log of a task."""

    def task_stop(self, task_id: str, /) -> None:
        """Cancel a task."""
